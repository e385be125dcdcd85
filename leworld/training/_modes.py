"""Which parts of a model train: all but the frozen ones that somebody put into evaluation mode."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


def set_training_modes(module: nn.Module) -> None:
    """Put `module` into training mode; parts stay in evaluation mode whose parameters are all frozen.

    A part is frozen if it has parameters and none of them requires a gradient; everything in it goes with it.
    Frozen parts that are in training mode stay so. A part whose own `train` does otherwise is left to it.
    """
    kept = {part: part.training for frozen in _frozen_and_off(module) for part in frozen.modules()}
    module.train()
    for part, mode in kept.items():
        part.training = mode


@contextmanager
def modes_on_failure(module: nn.Module) -> Iterator[None]:
    """When the block fails, give every part of `module` the mode that it had before."""
    modes = {part: part.training for part in module.modules()}
    try:
        yield
    except BaseException:
        for part, mode in modes.items():
            part.training = mode
        raise


def _frozen_and_off(module: nn.Module) -> Iterator[nn.Module]:
    for part in module.modules():
        weights = list(part.parameters())
        if weights and not part.training and not any(weight.requires_grad for weight in weights):
            yield part
