"""From class names in a checkpoint to classes: leworld's own, which register beside their definition."""

from collections.abc import Iterable, Mapping
from importlib import import_module

from torch import nn

from .._checks import described_name, nearest
from .._config import REGISTERED
from ..errors import CheckpointError, ConfigError

# Where `configurable` classes live. A room is imported when a name is not among those already imported.
_ROOMS = (
    "encoders",
    "predictors",
    "regularizers",
    "models",
    "nn",
    "normality",
    "decoders",
    "probes",
    "heads",
    "control",
)

# Classes that checkpoints name by an earlier name.
_RENAMED = {"PartsEncoder": "FusedEncoder"}


def registered() -> tuple[str, ...]:
    """Return the names of all classes that a checkpoint may name, sorted."""
    for room in _ROOMS:
        import_module(f"leworld.{room}")
    return tuple(sorted(REGISTERED))


def lookup(name: str) -> type[nn.Module] | None:
    """Return leworld's own class called `name`, now or once; rooms are imported until it is there."""
    name = _RENAMED.get(name, name)
    for room in _ROOMS:
        if name in REGISTERED:
            break
        import_module(f"leworld.{room}")
    return REGISTERED.get(name)


def by_name(classes: Iterable[type[nn.Module]]) -> dict[str, type[nn.Module]]:
    """Return the classes that a caller hands over by their names.

    Raises:
        ConfigError: if one is called like another, or like a class of leworld.
    """
    own: dict[str, type[nn.Module]] = {}
    for cls in classes:
        name = cls.__name__
        known = own.setdefault(name, cls)
        if known is not cls or lookup(name) not in (None, cls):
            raise ConfigError(
                "Loading needs `classes` with names of their own",
                f"`{name}` is a class of leworld" if known is cls else f"two are called `{name}`",
                "Rename yours",
            )
    return own


def resolve(name: str, own: Mapping[str, type[nn.Module]], *, where: str) -> type[nn.Module]:
    """Return the class called `name`; `where` says which field named it.

    A checkpoint is data from somebody else: a name that is neither leworld's nor in `own`, the classes that
    the caller handed over, is refused, and nothing is imported because a file names it.
    """
    cls = own.get(name) or lookup(name)
    if cls is None:
        raise CheckpointError(
            f"{where} needs `class` to name a class of leworld, or one passed to `load` in `classes`, to a "
            "command by `--class FILE.py:NAME`",
            f"it is {described_name(name)}",
            nearest(name, {*REGISTERED, *own}),
        )
    return cls
