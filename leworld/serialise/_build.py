"""From the architecture in a config back to a module, field by field."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .._checks import describe, described_name, nearest, quoted
from .._config import MAPPING
from ..errors import CheckpointError, ConfigError, LeWorldError
from ._registry import resolve

_MAX_NESTING = 16
_MAX_PARTS = 2_000  # that an architecture describes one by one
_MAX_VALUES = 100_000  # numbers, texts and the like in an architecture
_MAX_NAME = 200
_MAX_OWN = 2**20  # an integer for a class of the caller's own, whatever is stored with it


def build(
    architecture: Mapping[str, Any],
    own: Mapping[str, type[nn.Module]] | None = None,
    *,
    where: str,
    replace: Mapping[str, Any] | None = None,
    stored: int = 0,
) -> nn.Module:
    """Build the module that `architecture` (what `ModuleConfig.to_json` wrote) describes.

    Every field must be an argument of the class's constructor, every class one of the registry. Weights are
    those of a fresh constructor; torch's global generator is left as it was found.

    What an architecture may ask for follows from what is stored with it. It describes at most 2,000 parts and
    100,000 values, nested at most 16 deep, its integers have at most 64 bits and its names at most 200
    letters. Classes of leworld bound their own sizes. For a class of the caller's own an integer is at most a
    million or as many as numbers are stored, unless its name has the word `seed` in it.

    Args:
        architecture: A mapping with the key `class` and constructor arguments, nested for inner modules.
        own: Classes outside the registry that it may name, by name.
        where: How errors call this place, for example "config.json: architecture".
        replace: Arguments of the outermost class that take the place of what `architecture` says.
        stored: How many numbers are stored with it.

    Raises:
        ConfigError: if `replace` names no argument of that class.
        CheckpointError: for an unknown class, an unknown or missing field, or values that the constructor
            refuses; each names the field by its full path.
    """
    check_bounds(architecture, own or {}, where=where, stored=stored)
    with torch.random.fork_rng(devices=[]):
        return _build(architecture, own or {}, where, 0, replace or {})


def check_bounds(
    architecture: Mapping[str, Any], own: Mapping[str, type[nn.Module]], *, where: str, stored: int
) -> None:
    """Raise `CheckpointError` for an architecture that is larger than any real one; see `build`."""
    parts = values = 0
    waiting: list[tuple[tuple[Any, ...], Any, bool]] = [((), architecture, False)]
    while waiting:
        path, value, bounded = waiting.pop()
        values += 1
        if isinstance(value, Mapping):
            parts += 1
            name = value.get("class")
            bounded = isinstance(name, str) and (name in own or (bounded and name == MAPPING))
            for key, item in value.items():
                if len(key) > _MAX_NAME:
                    limit = f"names of at most {_MAX_NAME} letters"
                    raise _beyond(_joined(where, path), limit, f"it has {described_name(key)}")
                waiting.append(((path, key), item, bounded and "seed" not in key))
        elif isinstance(value, list | tuple):
            waiting += [(path, item, bounded) for item in value]
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            got = f"it has {value.bit_length()} bits"
            raise _beyond(_joined(where, path), "integers of at most 64 bits", got)
        elif bounded and isinstance(value, int) and abs(value) > (limit := max(_MAX_OWN, stored)):
            raise CheckpointError(
                f"{_joined(where, path)} needs an integer of at most {limit}, as {stored} numbers are stored",
                f"it is {value}",
                "If it is no size, take it as a float or a text, or call the argument `seed`",
            )
        if parts > _MAX_PARTS or values > _MAX_VALUES:
            raise _beyond(where, f"at most {_MAX_PARTS} parts and {_MAX_VALUES} values", "it has more")


def _joined(where: str, path: tuple[Any, ...]) -> str:
    names: list[str] = []
    while path:
        path, name = path
        names.insert(0, name)
    return ".".join([where, *names[:_MAX_NESTING]])


def _beyond(where: str, limit: str, got: str) -> CheckpointError:
    return CheckpointError(f"{where} needs {limit}", got, "Do not trust its source")


def _build(
    data: Mapping[str, Any],
    own: Mapping[str, type[nn.Module]],
    where: str,
    depth: int,
    replace: Mapping[str, Any],
) -> Any:
    name = data.get("class")
    if not isinstance(name, str):
        raise CheckpointError(
            f"{where} needs a `class`",
            f"it is {describe(name)}" if "class" in data else f"it has the fields {describe(sorted(data))}",
            "Write the architecture as `leworld.save` does",
        )
    if depth > _MAX_NESTING:
        rule = f"{where} needs to be nested at most {_MAX_NESTING} deep"
        raise CheckpointError(rule, "it is deeper", "Flatten the architecture")
    if name == MAPPING:
        return {
            key: _value(value, own, f"{where}.{key}", depth + 1)
            for key, value in data.items()
            if key != "class"
        }
    cls = resolve(name, own, where=where)
    parameters = {
        key: parameter
        for key, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    for key in replace:
        if key not in parameters:
            raise ConfigError(
                f"`replace` needs names of arguments of {name}", f"it has `{key}`", nearest(key, parameters)
            )
    arguments = {key: value for key, value in data.items() if key != "class" and key not in replace}
    for key in arguments:
        if key not in parameters:
            raise CheckpointError(
                f"{where} needs the fields of `{name}` only",
                f"it has {described_name(key)}",
                nearest(key, parameters),
            )
    missing = [
        key for key, p in parameters.items() if p.default is p.empty and key not in {*arguments, *replace}
    ]
    if missing:
        raise CheckpointError(
            f"{where} needs every required field of `{name}`",
            f"{quoted(missing)} is missing" if len(missing) == 1 else f"{quoted(missing)} are missing",
            "Restore the file, or save the model again",
        )
    values = {key: _value(value, own, f"{where}.{key}", depth + 1) for key, value in arguments.items()}
    try:
        return cls(**values, **replace)
    except LeWorldError as error:
        raise CheckpointError(
            f"{where} needs settings that `{name}` accepts{_largest(where, arguments)}",
            str(error),
            "Fix that field",
        ) from error
    except Exception as error:
        raise CheckpointError(
            f"{where} needs settings that `{name}` accepts",
            f"building it raised {type(error).__name__}: {' '.join(str(error).split())[:300]}",
            "Compare the fields with the class's documentation",
        ) from error


def _largest(where: str, arguments: Mapping[str, Any]) -> str:
    """Name the largest integer among the settings where it is a suspicious one."""
    sizes = [(value, key) for key, value in arguments.items() if type(value) is int and value > 1_000]
    if not sizes:
        return ""
    value, key = max(sizes)
    return f" (its largest number is `{where.rpartition('.')[2]}.{key}={value}`)"


def _value(value: object, own: Mapping[str, type[nn.Module]], where: str, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _build(value, own, where, depth, {})
    if isinstance(value, list):
        return tuple(_value(item, own, f"{where}[{i}]", depth) for i, item in enumerate(value))
    return value
