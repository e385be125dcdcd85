"""Modules kept in evaluation mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ..errors import ConfigError


@contextmanager
def evaluation_mode(model: object) -> Iterator[None]:
    """Switch a module and its children to evaluation for a while, then give each its own mode back.

    Dropout and batch statistics would else make a plan depend on chance and on the other candidates.

    Args:
        model: A module, or any other object, which is left alone.

    Raises:
        ConfigError: If `model` is a class.

    Example:
        ```python
        from torch import nn
        from leworld.nn import evaluation_mode

        model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3).eval())
        with evaluation_mode(model):
            assert not model[0].training
        assert model[0].training and not model[1].training
        ```
    """
    if isinstance(model, type):
        raise ConfigError(
            "evaluation_mode needs a model",
            f"`model` is the class {model.__name__} itself",
            "Pass an instance of it",
        )
    modes = [(part, part.training) for part in model.modules()] if isinstance(model, nn.Module) else []
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:  # whatever the block made of them
        for module, training in modes:
            module.training = training
