"""What decides a run's result, as plain data, and how two runs differ."""

import enum
import functools
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import PurePath
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from .._checks import quoted
from .._config import ModuleConfig
from .._digests import (
    action_digests,
    column_digest,
    joined_digests,
    row_digests,
    tensor_digest,
    text_digest,
    weights_digest,
)
from .._tensors import parts
from ..data import Episodes, Processor, TrainingEpisodes, Windows
from ..errors import ConfigError
from ..models import WorldModel

# 1 held neither weights nor processor nor every frame; in 2 each device judged its own part of a batch
IDENTITY_VERSION = 3

_DEPTH = 6
_PRINTED = (float, complex, bytes, torch.dtype, torch.device, PurePath, np.floating, np.complexfloating)
_NAMED = (nn.Module, type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_FOREIGN = frozenset({*sys.stdlib_module_names, "torch", "numpy", "lightning"})  # their objects: by class
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_ELSEWHERE = frozenset({"_processor", "trained_on"})  # attributes of a world model
_SHOWN = 3
_LENGTHS = ("data", "lengths")
_NAMES = {
    "weights": "the initial weights differ",
    "trainable": "which weights are trained differs",
    "data": "the data differ",
    "modes": "which frozen parts are in evaluation mode differs",
    "step_weights": "the initial weights of the training step differ",
}

# Of models that a run in this process has trained: their weights now, and what they were before the run.
_before: "WeakKeyDictionary[nn.Module, tuple[str, dict[str, Any]]]" = WeakKeyDictionary()


def module_identity(module: nn.Module) -> dict[str, Any]:
    """Describe a module: initial weights and buffers, which are trained, and the settings of every part.

    A module that an earlier run in this process trained, and that nobody changed since, is described as it
    was before that run, so that a call after an interruption means the same run.
    """
    start = _before.get(module)
    if start is not None and start[0] == _state_digest(module):
        state = start[1]
    else:
        state = {
            "weights": _tensors(module),
            "trainable": {name: value.requires_grad for name, value in _parameters(module).items()},
            "modes": {name: part.training for name, part in parts(module) if _frozen(part)},
        }
    return {**state, "parts": {name or "model": _part(part) for name, part in parts(module)}}


def remember_start(module: nn.Module, identity: Mapping[str, Any]) -> None:
    """Note that a run with this identity has left `module` with the weights that it has now."""
    start = {name: identity[name] for name in ("weights", "trainable", "modes")}
    _before[module] = _state_digest(module), start


def forget_start(module: nn.Module) -> bool:
    """Drop what `remember_start` noted, as `module` begins a new run with what it has; whether there was."""
    return _before.pop(module, None) is not None


def step_identity(kind: type, own: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Describe a training step of a user's own: its class, what it keeps, and its own weights."""
    kept = {name: _value(value) for name, value in own.items()}
    return {
        "step": {"class": _called(kind), **kept},
        "step_weights": {name: tensor_digest(value) for name, value in weights.items()},
    }


def windows_identity(windows: Windows, processor: Processor) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Describe training windows, every byte that they read, and return the digests of their episodes too."""
    episodes = windows.episodes
    names = processor.observation_parts
    columns = {name: episodes.part(name) for name in names}
    columns |= {name: episodes.columns[name] for name in windows.columns if name not in columns}
    if episodes.pixels is not None:
        columns.setdefault("pixels", episodes.pixels)
    identity, pieces = data_identity(episodes, columns)
    whole = np.asarray(episodes.lengths) > windows.history_size * windows.frameskip
    seen = {name: pieces[name] for name in names} | {"": action_digests(episodes.actions, episodes.lengths)}
    digests = [digest for digest, read in zip(joined_digests(seen), whole, strict=True) if read]
    return {
        "data": identity,
        "windows": {
            "count": len(windows),
            "history_size": windows.history_size,
            "frameskip": windows.frameskip,
            "columns": sorted(windows.columns),
        },
        "processor": processor.to_json(),
    }, tuple(digests)


def data_identity(
    episodes: Episodes, columns: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, list[bytes]]]:
    """Return a digest of each column, of the actions and of the lengths; and of each column by episode."""
    pieces = {name: row_digests(column, episodes.lengths) for name, column in columns.items()}
    found = {name: column_digest(columns[name], rows) for name, rows in pieces.items()}
    found["actions"] = column_digest(episodes.actions, row_digests(episodes.actions, episodes.lengths))
    found["lengths"] = text_digest(np.asarray(episodes.lengths, "<i8").tobytes())[:32]
    return found, pieces


def training_record(model: WorldModel, digests: Sequence[str] | None) -> TrainingEpisodes:
    """Return the record of `model` after it is trained, further, on these episodes; None: on unknown ones.

    It is of no weights yet, see `stamped`. A former record that is not of the weights of `model` counts as
    incomplete, since nobody knows what changed them.
    """
    names = model.processor.observation_parts if model.has_processor else ()
    new = TrainingEpisodes(digests=digests or (), parts=names or ("pixels",), complete=digests is not None)
    before = model.trained_on
    if before is None:
        return new
    if before.weights != weights_digest(model):
        before = replace(before, complete=False)
    return before.with_more(new)


def stamped(record: TrainingEpisodes, model: WorldModel) -> TrainingEpisodes:
    """Return the record as one of the weights that `model` has now."""
    return replace(record, weights=weights_digest(model))


def check_same(due: Mapping[str, Any], written: Mapping[str, Any], *, owner: str, where: object) -> None:
    """Raise `ConfigError`, naming what differs, unless two runs are the same."""
    rule = f"{owner} resumes the run in {where} only with the settings, model and data that it began with"
    fix = "Use another folder, or pass `resume=False` to start over"
    if written.get("version") != due.get("version"):
        got = "its state is of another version of leworld, which did not record all that decides the result"
        raise ConfigError(rule, got, fix)
    ours, theirs = _flat(due), _flat(written)
    differing = [path for path in {**ours, **theirs} if ours.get(path) != theirs.get(path)]
    if not differing:
        return
    if _LENGTHS in differing:  # which the digests of all columns follow
        differing = [path for path in differing if path[0] != "data" or path == _LENGTHS]
    told = []
    for group in dict.fromkeys(path[0] for path in differing):
        paths = [path for path in differing if path[0] == group]
        names = [".".join(path[1:]) for path in paths[:_SHOWN]]
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        if group in _NAMES:
            told.append(f"{_NAMES[group]} ({quoted(names)}{more})")
        else:
            rows = [
                f"`{'.'.join(path)}` is {_shown(ours, path)} and was {_shown(theirs, path)}"
                for path in paths[:_SHOWN]
            ]
            told.append(", ".join(rows) + more)
    if any(path[0] == "weights" for path in differing):
        fix = f"Build the model as it was at the start; or {fix[0].lower()}{fix[1:]}"
    raise ConfigError(rule, "; ".join(told), fix)


def _shown(flat: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> str:
    text = str(flat[path]) if path in flat else "not there"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _flat(data: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if isinstance(data, Mapping) and data:
        return {key: leaf for name in data for key, leaf in _flat(data[name], (*path, str(name))).items()}
    return {path: data}


def _parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(module.named_parameters(remove_duplicate=False))


def _tensors(module: nn.Module) -> dict[str, str]:
    found: dict[str, str] = {name: tensor_digest(value) for name, value in _parameters(module).items()}
    for name, value in module.named_buffers(remove_duplicate=False):
        found[name] = tensor_digest(value)
    for name, value in module.state_dict().items():
        if name not in found:  # extra state
            found[name] = text_digest(str(_value(value)))[:32]
    return found


def _state_digest(module: nn.Module) -> str:
    return text_digest(*(f"{name} {value}" for name, value in sorted(_tensors(module).items())))


def _frozen(part: nn.Module) -> bool:
    weights = list(part.parameters())
    return bool(weights) and not any(weight.requires_grad for weight in weights)


def _part(part: nn.Module) -> dict[str, Any]:
    """Describe one part by itself: its class, what it keeps in plain attributes, and its hooks."""
    cls = type(part)
    ours = cls.__module__.partition(".")[0] in ("leworld", "torch")
    found: dict[str, Any] = {"class": _called(cls)}
    for name, value in vars(part).items():
        private = ours and name.startswith("_")  # of leworld and torch these are caches
        if name not in _OF_EVERY_MODULE and name not in _ELSEWHERE and not private:
            found[name] = _value(value)
    hooks = [_called(hook) for kind in _HOOKS for hook in vars(part).get(kind, {}).values()]
    return found | ({"hooks": hooks} if hooks else {})


def described_value(value: Any) -> Any:
    """Describe an argument by what decides a result, as JSON values."""
    return _value(value)


def _value(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """Describe a value by what decides a result: numbers and texts themselves, arrays by their bytes.

    Of objects that hold others only their own attributes are read, each object once on a way.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, enum.Enum):
        return f"{_called(type(value))}.{value.name}"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, _PRINTED):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, Tensor):
        return tensor_digest(value)
    if isinstance(value, np.ndarray):
        return text_digest(f"{value.dtype} {value.shape}", value.tobytes())[:32]
    if isinstance(value, torch.Generator):
        return tensor_digest(value.get_state())
    if isinstance(value, _NAMED) or id(value) in seen or len(seen) > _DEPTH:
        return _called(value)
    seen = (*seen, id(value))
    if isinstance(value, ModuleConfig):
        return _value(value.described(), seen)
    if isinstance(value, functools.partial):
        return [_value(item, seen) for item in (value.func, value.args, value.keywords)]
    if isinstance(value, Mapping):
        return {str(key): _value(item, seen) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, seen) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_value(item, seen)) for item in value)
    foreign = type(value).__module__.partition(".")[0] in _FOREIGN
    names = () if foreign and not isinstance(value, types.SimpleNamespace) else _attributes(value)
    return {"class": _called(type(value))} | {name: _value(getattr(value, name), seen) for name in names}


def _attributes(value: object) -> list[str]:
    if is_dataclass(value):
        return [item.name for item in fields(value)]
    return list(getattr(value, "__dict__", {}))


def _called(value: Any) -> str:
    """Return the name of a class or function, or that of an object's class."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(named, '__module__', '')}.{named.__qualname__}"
