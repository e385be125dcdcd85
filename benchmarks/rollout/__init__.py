"""What imagining candidates costs, and what a whole plan does.

Threads of this suite sleep while they wait: where others use the machine, spinning would be counted as work.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded, so this suite runs alone
