"""How many CPU threads a run computes with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def cpu_threads(number: int | None) -> Iterator[None]:
    """Within the block, torch computes with `number` CPU threads; None changes nothing."""
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
