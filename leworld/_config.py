"""What a module was built from: its class and constructor arguments, so that it can be built again."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, final, overload

import numpy as np
from torch import nn

from ._checks import mark_plain, plain_arguments
from .errors import ConfigError

M = TypeVar("M", bound=type[nn.Module])

MAPPING = "dict"  # stands in a config as the class of a mapping by names, such as encoders by camera

# leworld's own configurable classes, by name, as far as their rooms have been imported.
REGISTERED: dict[str, type[nn.Module]] = {}


@final
@dataclass(frozen=True)
class Unrecorded:
    """Stands in a config for an argument that no file can hold: a module that is not configurable, say."""

    kind: str


@final
@dataclass(frozen=True)
class ModuleConfig:
    """The class of a module and the arguments that its constructor was called with, defaults included.

    `arguments` holds numbers, strings, booleans, None, lists of these, and further `ModuleConfig`s for
    modules that were passed in, and for mappings by names, whose class reads "dict". It is plain data:
    `to_json` gives what a checkpoint stores, `from_json` reads it back. `mirrored` names the arguments that
    the module keeps, unchanged, as attributes of the same name.
    """

    class_name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    mirrored: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return nested dicts of JSON values, the class under the key `class`.

        Raises:
            ConfigError: If an argument is neither a JSON value nor a configurable module.
        """
        values = {key: _to_json(self.class_name, key, value) for key, value in self.arguments.items()}
        return {"class": self.class_name} | values

    def described(self) -> dict[str, Any]:
        """Return what `to_json` does, with the name of its kind in place of what no file can hold."""
        return {"class": self.class_name} | {key: _described(value) for key, value in self.arguments.items()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "ModuleConfig":
        """Read what `to_json` wrote."""
        arguments = {
            key: ModuleConfig.from_json(value) if isinstance(value, Mapping) else value
            for key, value in data.items()
            if key != "class"
        }
        return ModuleConfig(class_name=data["class"], arguments=arguments)


@overload
def configurable(cls: M) -> M: ...
@overload
def configurable(cls: None = None, *, omit: tuple[str, ...] = ()) -> Callable[[M], M]: ...
def configurable(cls: M | None = None, *, omit: tuple[str, ...] = ()) -> M | Callable[[M], M]:
    """Class decorator: record the constructor's arguments as `self.config`, so that it can be built again.

    Put it on the class of an encoder, predictor or regularizer of your own that goes into a model which you
    want to save. Construction takes whatever the class takes; numpy's numbers among the arguments arrive as
    Python's. Only a file is choosy: saving asks that every argument is a JSON value (numpy's arrays become
    lists), a configurable module, or a list or a dict by names of these, and says otherwise which one is not.

    Args:
        cls: The class.
        omit: Arguments, with defaults, that are left out because they belong to the process and not to the
            module, such as a process group.

    Raises:
        ConfigError: If it is no class of modules.

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
    if cls is None:
        return functools.partial(_configurable, omit=omit)
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise ConfigError(
            "configurable needs a class of modules", f"it is {cls!r}", "Put it above `class Mine(nn.Module)`"
        )
    return _configurable(cls, omit=omit)


def _configurable(cls: M, *, omit: tuple[str, ...]) -> M:
    build: Callable[..., None] = cls.__init__
    signature = inspect.signature(build)

    @functools.wraps(build)
    def __init__(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        args, kwargs = plain_arguments(args, kwargs)
        build(self, *args, **kwargs)
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        object.__setattr__(self, "config", _record(self, cls.__name__, signature, bound.arguments, omit))

    type.__setattr__(cls, "__init__", mark_plain(__init__))
    if cls.__module__.partition(".")[0] == __package__:
        _register(cls)
    return cls


def _register(cls: type[nn.Module]) -> None:
    other = REGISTERED.setdefault(cls.__name__, cls)
    if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise RuntimeError(f"{other.__module__} and {cls.__module__} both define `{cls.__name__}`")
    REGISTERED[cls.__name__] = cls


def _record(
    module: nn.Module,
    class_name: str,
    signature: inspect.Signature,
    given: Mapping[str, Any],
    omit: tuple[str, ...],
) -> ModuleConfig:
    arguments: dict[str, Any] = {}
    knows: Callable[[], Mapping[str, Any]] | None = getattr(module, "_rebuilt_from", None)
    given = {**given, **({} if knows is None else knows())}  # a class may know better than what it was given
    for name, parameter in list(signature.parameters.items())[1:]:
        value = given[name]
        if name in omit:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            if value:  # they have no name in a config
                arguments[name] = Unrecorded(f"list of further arguments (`{parameter}`)")
            continue
        part = getattr(module, "_modules", {}).get(name)
        is_default = value is None and recorded_config(part) is not None
        arguments[name] = plain(part if is_default else value)
    known = vars(module)
    mirrored = (name for name, value in arguments.items() if name in known and plain(known[name]) == value)
    return ModuleConfig(class_name, arguments, frozenset(mirrored))


def recorded_config(module: object) -> ModuleConfig | None:
    """Return what the class of `module` recorded about it, None if it records nothing."""
    config = vars(module).get("config") if isinstance(module, nn.Module) else None
    return config if isinstance(config, ModuleConfig) else None


def plain(value: object) -> Any:
    """Return `value` as a config holds it; what it cannot hold becomes an `Unrecorded`."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str | ModuleConfig | Unrecorded):
        return value
    if isinstance(value, list | tuple | nn.ModuleList):
        return [plain(item) for item in value]
    if isinstance(value, Mapping | nn.ModuleDict):
        items = {key: plain(item) for key, item in value.items()}
        if all(isinstance(key, str) and key != "class" for key in items):
            return ModuleConfig(MAPPING, items)
    return recorded_config(value) or Unrecorded(type(value).__name__)


def _to_json(owner: str, name: str, value: Any) -> Any:
    if isinstance(value, Unrecorded):
        raise ConfigError(
            f"The config of {owner} needs `{name}` to be a JSON value or a configurable module",
            f"`{name}` is a {value.kind}",
            "Decorate that module's class with `leworld.nn.configurable`, so that checkpoints can rebuild it",
        )
    if isinstance(value, ModuleConfig):
        return value.to_json()
    return [_to_json(owner, name, item) for item in value] if isinstance(value, list) else value


def _described(value: Any) -> Any:
    if isinstance(value, Unrecorded):
        return value.kind
    if isinstance(value, ModuleConfig):
        return value.described()
    return [_described(item) for item in value] if isinstance(value, list) else value
