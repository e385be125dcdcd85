"""Mistakes that users make with the kernels."""

from collections.abc import Callable

import torch
from torch import Tensor

from leworld.errors import ConfigError, KernelUnavailableError, LeWorldError, ShapeError
from leworld.kernels import check_implementation, ecf_sums, explain
from tests.bad_input import BadInput


def _sums(
    z: Tensor, a: Tensor, *, spacing: float = 0.1, num_knots: int = 2, implementation: str = "auto"
) -> Callable[[], object]:
    return lambda: ecf_sums(z, a, spacing=spacing, num_knots=num_knots, implementation=implementation)


_Z, _EYE = torch.zeros(4, 3), torch.eye(3)
_CASES: list[tuple[str, Callable[[], object], type[LeWorldError], tuple[str, ...]]] = [
    ("rank 1", _sums(torch.zeros(3), _EYE), ShapeError, ("sample, dim", "(3,)")),
    ("another dimension", _sums(_Z, torch.eye(2)), ShapeError, ("`directions`", "(2, 2)")),
    ("directions of rank 1", _sums(_Z, torch.ones(3)), ShapeError, ("dim, slice",)),
    ("two devices", _sums(_Z, _EYE.to("meta")), ShapeError, ("one device", "cpu and meta")),
    ("integers", _sums(_Z.long(), _EYE), ShapeError, ("floating-point", "int64")),
    ("sparse", _sums(_Z.to_sparse(), _EYE), ShapeError, ("dense `embeddings`", "torch.sparse_coo")),
    ("sparse directions", _sums(_Z, _EYE.to_sparse()), ShapeError, ("dense `directions`",)),
    ("no knots", _sums(_Z, _EYE, num_knots=0), ConfigError, ("num_knots", "at least 1")),
    ("fractional knots", _sums(_Z, _EYE, num_knots=2.5), ConfigError, ("num_knots",)),  # type: ignore[arg-type]
    ("no spacing", _sums(_Z, _EYE, spacing=0.0), ConfigError, ("spacing", "above 0")),
    ("spacing NaN", _sums(_Z, _EYE, spacing=float("nan")), ConfigError, ("spacing", "finite")),
    ("misspelt kernel", _sums(_Z, _EYE, implementation="nativ"), ConfigError, ("Did you mean `native`",)),
    (
        "a kernel that cannot run",
        _sums(_Z.double(), _EYE.double(), implementation="native"),
        KernelUnavailableError,
        ("native",),
    ),
]

ROWS: list[BadInput] = [
    BadInput(
        "leworld.kernels.check_implementation",
        "an unknown operation",
        lambda: check_implementation("ecf_sum", "auto", owner="Mine"),
        ConfigError,
        ("operation", "Did you mean `ecf_sums`"),
    ),
    BadInput(
        "leworld.kernels.check_implementation",
        "a misspelt kernel",
        lambda: check_implementation("ecf_sums", "tritn", owner="Mine"),
        ConfigError,
        ("Mine", "Did you mean `triton`"),
    ),
    *(BadInput("leworld.kernels.ecf_sums", *case) for case in _CASES),
    BadInput(
        "leworld.kernels.explain",
        "unknown operation",
        lambda: explain("ecf_sum", _Z),
        ConfigError,
        ("Did you mean `ecf_sums`",),
    ),
    BadInput(
        "leworld.kernels.explain",
        "a list",
        lambda: explain("ecf_sums", [[1.0]]),  # type: ignore[arg-type]
        ShapeError,
        ("tensor",),
    ),
]
