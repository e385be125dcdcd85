"""A target of the fuzz that takes its process with it: at one seed it crashes, at another it never ends."""

import os
import signal
import time
from pathlib import Path

import numpy as np


def attempt(generator: np.random.Generator, _: Path) -> str:
    """Crash or hang, as the generator decides."""
    if generator.random() < 0.5:
        os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(3600)
    return "never"
