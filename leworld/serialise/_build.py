"""From the architecture in a config back to a module, field by field."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .._checks import describe, nearest, quoted
from .._config import MAPPING
from ..errors import CheckpointError, ConfigError, LeWorldError
from ._registry import resolve

_MAX_NESTING = 16
_MAX_BLOCKS = 4096  # of a network; a file that asks for more would keep its reader busy for ever


def build(
    architecture: Mapping[str, Any],
    own: Mapping[str, type[nn.Module]] | None = None,
    *,
    where: str,
    replace: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build the module that `architecture` (what `ModuleConfig.to_json` wrote) describes.

    Every field must be an argument of the class's constructor, every class one of the registry. Weights are
    those of a fresh constructor; torch's global generator is left as it was found.

    Args:
        architecture: A mapping with the key `class` and constructor arguments, nested for inner modules.
        own: Classes outside the registry that it may name, by name.
        where: How errors call this place, for example "config.json: architecture".
        replace: Arguments of the outermost class that take the place of what `architecture` says.

    Raises:
        ConfigError: if `replace` names no argument of that class.
        CheckpointError: for an unknown class, an unknown or missing field, or values that the constructor
            refuses; each names the field by its full path.
    """
    with torch.random.fork_rng(devices=[]):
        return _build(architecture, own or {}, where, 0, replace or {})


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
            f"it is {describe(name)}" if "class" in data else f"it has the fields {sorted(data)}",
            "Write the architecture as `leworld.save` does",
        )
    if depth > _MAX_NESTING:
        rule = f"{where} needs to be nested at most {_MAX_NESTING} deep"
        raise CheckpointError(rule, "it is deeper", "Flatten the architecture")
    blocks = data.get("depth")
    if isinstance(blocks, int) and blocks > _MAX_BLOCKS:
        raise CheckpointError(
            f"{where} needs `depth` of at most {_MAX_BLOCKS}", f"it is {blocks}", "Do not trust its source"
        )
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
                f"{where} needs the fields of `{name}` only", f"it has `{key}`", nearest(key, parameters)
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
            f"{where} needs settings that `{name}` accepts", str(error), "Fix that field"
        ) from error
    except Exception as error:
        raise CheckpointError(
            f"{where} needs settings that `{name}` accepts",
            f"building it raised {type(error).__name__}: {error}",
            "Compare the fields with the class's documentation",
        ) from error


def _value(value: object, own: Mapping[str, type[nn.Module]], where: str, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _build(value, own, where, depth, {})
    if isinstance(value, list):
        return tuple(_value(item, own, f"{where}[{i}]", depth) for i, item in enumerate(value))
    return value
