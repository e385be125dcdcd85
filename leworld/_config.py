"""What a module was built from: its class and constructor arguments, so that it can be built again."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, final

import numpy as np
from torch import nn

from .errors import ConfigError

M = TypeVar("M", bound=type[nn.Module])


@final
@dataclass(frozen=True)
class ModuleConfig:
    """The class of a module and the arguments that its constructor was called with, defaults included.

    `arguments` holds numbers, strings, booleans, None, lists of these, and further `ModuleConfig`s for
    modules that were passed in. It is plain data: `to_json` gives what a checkpoint stores, `from_json` reads
    it back.
    """

    class_name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return nested dicts of JSON values, the class under the key `class`."""
        return {"class": self.class_name} | {key: _to_json(value) for key, value in self.arguments.items()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "ModuleConfig":
        """Read what `to_json` wrote."""
        arguments = {
            key: ModuleConfig.from_json(value) if isinstance(value, Mapping) else value
            for key, value in data.items()
            if key != "class"
        }
        return ModuleConfig(class_name=data["class"], arguments=arguments)


def configurable(cls: M) -> M:
    """Class decorator: record the constructor's arguments as `self.config`, so that it can be built again.

    Put it on the class of an encoder, predictor or regularizer of your own that goes into a model which you
    want to save. Only classes whose arguments are JSON values or configurable modules may carry it.

    Raises:
        ConfigError: On construction, if an argument is neither.

    Example:
        ```python
        from torch import nn
        from leworld.nn import configurable

        @configurable
        class Scale(nn.Module):
            def __init__(self, factor: float = 2.0) -> None:
                super().__init__()
                self.factor = factor

        assert Scale().config.to_json() == {"class": "Scale", "factor": 2.0}
        ```
    """
    build: Callable[..., None] = cls.__init__
    own = "__init__" in vars(cls)
    signature = inspect.signature(build)

    @functools.wraps(build)
    def __init__(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        arguments = {}
        if own:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            recorded = list(bound.arguments.items())[1:]
            arguments = {key: _record(cls.__name__, key, value) for key, value in recorded}
        object.__setattr__(self, "config", ModuleConfig(cls.__name__, arguments))

    type.__setattr__(cls, "__init__", __init__)
    return cls


def _record(owner: str, name: str, value: Any) -> Any:
    if isinstance(value, np.number | np.bool_):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str | ModuleConfig):
        return value
    if isinstance(value, list | tuple):
        return [_record(owner, name, item) for item in value]
    config = getattr(value, "config", None)
    if isinstance(config, ModuleConfig):
        return config
    raise ConfigError(
        f"{owner} needs `{name}` to be a number, a string, a list of these or a configurable module",
        f"`{name}` is a {type(value).__name__}",
        "Decorate that module's class with `configurable`, so that checkpoints can rebuild it",
    )


def _to_json(value: Any) -> Any:
    if isinstance(value, ModuleConfig):
        return value.to_json()
    return [_to_json(item) for item in value] if isinstance(value, list) else value
