"""Mistakes that users make with the regularizers."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from leworld.errors import ConfigError, LeWorldError, NonFiniteError, ShapeError
from leworld.regularizers import ExactSIGReg, SIGReg
from tests.bad_input import BadInput
from tests.regularizers.bad_inputs_family import family_rows


def _with(value: float, *shape: int) -> Tensor:
    embeddings = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    embeddings[-1, -1] = value
    return embeddings


def embedding_rows(entry: str, make: Callable[[], nn.Module]) -> list[BadInput]:
    """Rows that hold for every regularizer of (*batch, sample, dim)."""
    cases: list[tuple[str, Tensor, type[LeWorldError], tuple[str, ...]]] = [
        ("one sample", torch.zeros(1, 4), ShapeError, ("at least 2", "(1, 4)", "sample=1")),
        ("no samples", torch.zeros(0, 4), ShapeError, ("sample=0",)),
        ("no dimensions", torch.zeros(8, 0), ShapeError, ("dim=0",)),
        ("empty leading axis", torch.zeros(0, 8, 4), ShapeError, ("(0, 8, 4)",)),
        ("rank 0", torch.zeros(()), ShapeError, ("sample, dim",)),
        ("rank 1", torch.zeros(8), ShapeError, ("sample, dim", "(8,)")),
        ("integers", torch.zeros(8, 4, dtype=torch.int64), ShapeError, ("floating-point", "int64")),
        ("pixels", torch.zeros(8, 4, dtype=torch.uint8), ShapeError, ("floating-point", "uint8")),
        ("NaN", _with(float("nan"), 8, 4), NonFiniteError, ("`embeddings`", "(7, 3)")),
        ("infinity", _with(float("inf"), 8, 4), NonFiniteError, ("`embeddings`", "(7, 3)")),
    ]
    return [
        BadInput(entry, case, lambda z=z: make()(z), error, mentions) for case, z, error, mentions in cases
    ]


_SIGREG = "leworld.regularizers.SIGReg"

_EXACT = "leworld.regularizers.ExactSIGReg"

ROWS: list[BadInput] = [
    *family_rows(embedding_rows),
    *embedding_rows(_EXACT, lambda: ExactSIGReg()),
    BadInput(_EXACT, "one knot", lambda: ExactSIGReg(1), ConfigError, ("num_knots", "at least 2")),
    BadInput(_EXACT, "t_max zero", lambda: ExactSIGReg(t_max=0.0), ConfigError, ("t_max", "above 0")),
    BadInput(_EXACT, "unknown group", lambda: ExactSIGReg(group="all"), ConfigError, ("group", "world")),
    BadInput(_EXACT, "unknown kernel", lambda: ExactSIGReg(implementation="cpu"), ConfigError, ("`native`",)),
    BadInput(_SIGREG, "unknown group", lambda: SIGReg(group="all"), ConfigError, ("group", "world")),
    BadInput(_SIGREG, "unknown kernel", lambda: SIGReg(implementation="c"), ConfigError, ("`native`",)),
    *embedding_rows(_SIGREG, lambda: SIGReg(8)),
    BadInput(_SIGREG, "a list", lambda: SIGReg(8)([[0.0]]), ShapeError, ("`embeddings`",)),
    BadInput(_SIGREG, "no slices", lambda: SIGReg(0), ConfigError, ("num_slices", "at least 1")),
    BadInput(_SIGREG, "negative slices", lambda: SIGReg(-4), ConfigError, ("num_slices", "at least 1")),
    BadInput(_SIGREG, "one knot", lambda: SIGReg(8, 1), ConfigError, ("num_knots", "at least 2")),
    BadInput(_SIGREG, "t_max zero", lambda: SIGReg(8, t_max=0.0), ConfigError, ("t_max", "above 0")),
    BadInput(_SIGREG, "t_max negative", lambda: SIGReg(8, t_max=-1.0), ConfigError, ("t_max", "above 0")),
    BadInput(_SIGREG, "seed negative", lambda: SIGReg(8, seed=-1), ConfigError, ("seed", "at least 0")),
    BadInput(_SIGREG, "seed no integer", lambda: SIGReg(8, seed=0.5), ConfigError, ("seed", "integer")),  # type: ignore[arg-type]
    BadInput(
        _SIGREG,
        "seed in place of a generator",
        lambda: SIGReg(8)(torch.zeros(8, 4), generator=3),
        ConfigError,
        ("generator",),
    ),
    BadInput(
        _SIGREG,
        "projections overflow",
        lambda: SIGReg(8)(torch.full((8, 4), 3e38, dtype=torch.float32)),
        NonFiniteError,
        ("projections",),
    ),
]
