"""The config of a module as it stands in memory, and the proof that this config builds that module."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations

from .._checks import describe
from .._config import MAPPING, ModuleConfig, Unrecorded, plain, recorded_config
from .._tensors import Bounds, parts, shapes_only, tensor_state, unwrapped
from ..errors import CheckpointError
from ._build import build
from ._registry import lookup
from ._weights import make_room

_REBUILD = "Build the module with the parts and settings that it shall have, then load its weights into it"


def config_in_memory(module: nn.Module, where: str) -> ModuleConfig:
    """Return what would build `module` as it is now; `where` is how errors call it, "model" say.

    The record of construction is brought up to date: a part that took another's place under the same name
    speaks for itself, and so does a number or string that the module keeps under its argument's name.

    Raises:
        CheckpointError: if a part, or a value, is nothing that a file can hold.
    """
    module = unwrapped(module)
    record = recorded_config(module)
    if record is None or record.class_name != type(module).__name__:
        raise _undecorated(where, type(module).__name__)
    values = {name: _value(module, record, name, f"{where}.{name}") for name in record.arguments}
    return ModuleConfig(record.class_name, values, record.mirrored)


def check_rebuilds(config: ModuleConfig, module: nn.Module, where: str) -> None:
    """Raise `CheckpointError` unless `config` builds what `module` is: a shadow without memory is compared.

    Compared are the class, the names and shapes of tensors and the config of every part, and the plain
    settings of those parts that are leworld's or torch's.
    """
    tensors = tensor_state(module)
    state = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    stored = sum(tensor.numel() for tensor in tensors.values())
    with shapes_only(Bounds(len(state), sum(tensor.nbytes for tensor in tensors.values()))):
        own = _foreign_classes(module)
        shadow = build(config.to_json(), own, where=f"Saving: {where}", stored=stored)
        make_room(shadow, state)
    ours, theirs = dict(parts(module)), dict(parts(shadow))
    for name in [*ours, *theirs]:
        path = f"{where}.{name}".rstrip(".")
        if name not in ours or name not in theirs:
            raise _changed(where, f"`{path}` was {'added' if name in ours else 'removed'}")
        kinds = tuple(type_before_parametrizations(part) for part in (ours[name], theirs[name]))
        if kinds[0] is not kinds[1]:
            kinds = tuple(kind.__name__ for kind in kinds)
            raise _changed(where, f"`{path}` is a {kinds[0]} where a {kinds[1]} would be built")
        for key, due in _settings(theirs[name]).items():
            value = vars(ours[name]).get(key, due)
            if plain(value) != due:
                raise _changed(where, f"`{path}.{key}` is {describe(value)} where {due!r} would be built")
        record = recorded_config(theirs[name])
        if record is not None and config_in_memory(ours[name], path) != record:
            raise _changed(where, f"`{path}` has other settings than what would be built")
    built = {name: tuple(tensor.shape) for name, tensor in tensor_state(shadow).items()}
    for name in [*state, *built]:
        if state.get(name) != built.get(name):
            got = f"`{where}.{name}` has shape {state.get(name)} where {built.get(name)} would be built"
            raise _changed(where, got)


def _value(module: nn.Module, record: ModuleConfig, name: str, where: str) -> Any:
    """Return the argument `name` as the module in memory has it."""
    recorded = record.arguments[name]
    if name in module._modules:
        part = module._modules[name]
        part = part if part is None else unwrapped(part)
        if isinstance(part, nn.ModuleDict) and isinstance(recorded, ModuleConfig):
            items = {key: config_in_memory(item, f"{where}.{key}") for key, item in part.items()}
            return ModuleConfig(MAPPING, items)
        if isinstance(recorded, ModuleConfig | Unrecorded) or (recorded is None and recorded_config(part)):
            return None if part is None else config_in_memory(part, where)
        if isinstance(recorded, list) and isinstance(part, nn.ModuleList):
            return [config_in_memory(item, f"{where}[{i}]") for i, item in enumerate(part)]
        return recorded
    known = vars(module)
    value = plain(known[name]) if name in record.mirrored and name in known else recorded
    _check_recorded(value, where)
    return value


def _check_recorded(value: Any, where: str) -> None:
    """Raise `CheckpointError` if a value, or an item of it, is nothing that a file can hold."""
    if isinstance(value, Unrecorded):
        raise _undecorated(where, value.kind)
    if isinstance(value, list):
        for i, item in enumerate(value):
            _check_recorded(item, f"{where}[{i}]")
    if isinstance(value, ModuleConfig):
        for name, item in value.arguments.items():
            _check_recorded(item, f"{where}.{name}")


def _settings(part: nn.Module) -> dict[str, Any]:
    """Return the plain values that a part of leworld's or torch's keeps; other classes may count or cache."""
    if type(part).__module__.partition(".")[0] not in ("leworld", "torch"):
        return {}
    values = {key: plain(value) for key, value in vars(part).items() if key[0] != "_" and key != "training"}
    return {
        key: value
        for key, value in values.items()
        if not isinstance(value, Unrecorded | ModuleConfig | list)
        or (isinstance(value, list) and all(isinstance(item, bool | int | float | str) for item in value))
    }


def _foreign_classes(module: nn.Module) -> Mapping[str, type[nn.Module]]:
    """Return the configurable classes in `module` that are not leworld's, by name: `load` asks for them."""
    own: dict[str, type[nn.Module]] = {}
    for _, part in parts(module):
        config = recorded_config(part)
        if config is None:
            continue
        cls = type(part)
        known = lookup(config.class_name) or own.setdefault(config.class_name, cls)
        if known is not cls:
            raise CheckpointError(
                "Saving needs classes with names of their own",
                f"`{cls.__module__}.{cls.__qualname__}` is called like the one of `{known.__module__}`",
                "Rename yours",
            )
    return own


def _undecorated(where: str, kind: str) -> CheckpointError:
    return CheckpointError(
        f"Saving needs `{where}` to be a JSON value or a module that records what it was built from",
        f"it is a {kind}, whose class does not",
        "Decorate its class with `leworld.nn.configurable` (wrap another library's in one of your own), and "
        "load with `classes=[...]`",
    )


def _changed(where: str, got: str) -> CheckpointError:
    return CheckpointError(f"Saving needs `{where}` to be what its constructors build", got, _REBUILD)
