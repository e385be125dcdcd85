"""What torchrun starts in each of two processes; the folder is the argument."""

import sys
from pathlib import Path

import torch

from tests.training.test_ranks import trained

if __name__ == "__main__":
    torch.set_num_threads(1)
    trained(Path(sys.argv[1]), 2, strategy="ddp")
