"""What DINO-WM costs beside LeWM, and what keeping keys and values of past frames saves.

Threads of this suite sleep while they wait: where others use the machine, spinning would be counted as work.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded, so this suite runs alone
