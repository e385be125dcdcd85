"""Mistakes that users make with the family beside SIGReg."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from leworld.errors import ConfigError, LeWorldError, NonFiniteError, ShapeError
from leworld.normality import BHEP, EppsPulley
from leworld.regularizers import (
    Centred,
    EndpointInverseDynamics,
    InverseDynamics,
    MultivariateNormality,
    PLDMTerms,
    RDMReg,
    SIGReg,
    SlicedNormality,
    SubspaceSIGReg,
    TemporalSimilarity,
    TemporalStraightening,
    TemporalVCReg,
    VCReg,
    VICReg,
    VISReg,
    WeakSIGReg,
)
from tests.bad_input import BadInput

_ROOM = "leworld.regularizers."
_CONTRACT: dict[str, Callable[[], nn.Module]] = {
    "SlicedNormality": lambda: SlicedNormality(EppsPulley(), 8),
    "MultivariateNormality": lambda: MultivariateNormality(BHEP(0.5)),
    "SubspaceSIGReg": lambda: SubspaceSIGReg(2, num_slices=4),
    "VISReg": lambda: VISReg(8),
    "VCReg": lambda: VCReg(),
    "WeakSIGReg": lambda: WeakSIGReg(),
    "RDMReg": lambda: RDMReg(8),
}
_SETTINGS: list[tuple[str, str, Callable[[], object], tuple[str, ...]]] = [
    ("SlicedNormality", "test no statistic", lambda: SlicedNormality(len), ("test", "univariate")),  # type: ignore[arg-type]
    ("SlicedNormality", "multivariate test", lambda: SlicedNormality(BHEP(0.5)), ("MultivariateNormality",)),  # type: ignore[arg-type]
    ("SlicedNormality", "test class", lambda: SlicedNormality(EppsPulley), ("instance",)),  # type: ignore[arg-type]
    ("SlicedNormality", "no slices", lambda: SlicedNormality(EppsPulley(), 0), ("num_slices", "at least 1")),
    (
        "SlicedNormality",
        "unknown directions",
        lambda: SlicedNormality(EppsPulley(), directions="sobel"),
        ("directions", "Did you mean `sobol`"),
    ),
    ("SIGReg", "unknown directions", lambda: SIGReg(8, directions="uniform"), ("directions", "orthogonal")),
    (
        "MultivariateNormality",
        "univariate test",
        lambda: MultivariateNormality(EppsPulley()),  # type: ignore[arg-type]
        ("SlicedNormality",),
    ),
    (
        "MultivariateNormality",
        "unknown group",
        lambda: MultivariateNormality(BHEP(0.5), group="all"),
        ("group",),
    ),
    ("SubspaceSIGReg", "no subspaces", lambda: SubspaceSIGReg(0), ("num_subspaces", "at least 1")),
    ("SubspaceSIGReg", "no dimensions", lambda: SubspaceSIGReg(2, 0), ("subspace_dim", "at least 1")),
    ("SubspaceSIGReg", "no slices", lambda: SubspaceSIGReg(num_slices=0), ("num_slices",)),
    ("SubspaceSIGReg", "directions", lambda: SubspaceSIGReg(directions="qr"), ("directions",)),
    ("SubspaceSIGReg", "one knot", lambda: SubspaceSIGReg(num_knots=1), ("num_knots", "at least 2")),
    ("VISReg", "no slices", lambda: VISReg(0), ("num_slices", "at least 1")),
    ("VISReg", "negative weight", lambda: VISReg(scale_weight=-1.0), ("scale_weight", "at least 0")),
    ("VISReg", "epsilon zero", lambda: VISReg(epsilon=0.0), ("epsilon", "above 0")),
    ("VISReg", "directions", lambda: VISReg(directions="sphere"), ("directions",)),
    ("VCReg", "negative weight", lambda: VCReg(-1.0), ("std_weight", "at least 0")),
    ("VCReg", "target zero", lambda: VCReg(target_std=0.0), ("target_std", "above 0")),
    ("VCReg", "epsilon zero", lambda: VCReg(epsilon=0.0), ("epsilon", "above 0")),
    ("EndpointInverseDynamics", "no horizon", lambda: EndpointInverseDynamics(4, 2, horizon=0), ("horizon",)),
    (
        "EndpointInverseDynamics",
        "no action",
        lambda: EndpointInverseDynamics(4, 0, horizon=2),
        ("action_dim",),
    ),
    ("Centred", "a window of one", lambda: Centred(window=1), ("window", "at least 2")),
    ("Centred", "trajectories", lambda: Centred(TemporalSimilarity()), ("reads trajectories", "SIGReg")),
    ("Centred", "no module", lambda: Centred(len), ("module", "SIGReg")),  # type: ignore[arg-type]
    ("RDMReg", "no slices", lambda: RDMReg(0), ("num_slices", "at least 1")),
    ("RDMReg", "another target", lambda: RDMReg(target="cauchy"), ("target", "`laplace`")),  # type: ignore[arg-type]
    ("RDMReg", "location NaN", lambda: RDMReg(location=float("nan")), ("location", "finite")),
    ("RDMReg", "directions", lambda: RDMReg(directions="laplace"), ("directions", "sobol")),
    ("RDMReg", "unknown group", lambda: RDMReg(group="all"), ("group", "world")),
    ("VCReg", "another scale", lambda: VCReg(covariance_scale="pair"), ("covariance_scale", "`pairs`")),  # type: ignore[arg-type]
    ("TemporalVCReg", "negative weight", lambda: TemporalVCReg(-1.0), ("std_weight", "at least 0")),
    ("TemporalVCReg", "another centre", lambda: TemporalVCReg(centred="frames"), ("centred", "`batch`")),  # type: ignore[arg-type]
    ("TemporalVCReg", "another scale", lambda: TemporalVCReg(covariance_scale=1), ("covariance_scale",)),  # type: ignore[arg-type]
    ("TemporalVCReg", "target zero", lambda: TemporalVCReg(target_std=0.0), ("target_std", "above 0")),
    ("TemporalVCReg", "unknown group", lambda: TemporalVCReg(group="all"), ("group", "world")),
    ("PLDMTerms", "negative weight", lambda: PLDMTerms(similarity_weight=-1.0), ("similarity_weight",)),
    ("PLDMTerms", "another variant", lambda: PLDMTerms(variant="wall"), ("variant", "`original`")),  # type: ignore[arg-type]
    ("PLDMTerms", "no head", lambda: PLDMTerms(inverse_dynamics_weight=1.0), ("head", "InverseDynamics(")),
    ("PLDMTerms", "a head that is none", lambda: PLDMTerms(inverse_dynamics=len), ("module",)),  # type: ignore[arg-type]
    ("PLDMTerms", "unknown group", lambda: PLDMTerms(group="all"), ("group", "world")),
    ("InverseDynamics", "activation", lambda: InverseDynamics(4, 2, activation="tanh"), ("`gelu`",)),  # type: ignore[arg-type]
    ("VICReg", "negative weight", lambda: VICReg(-1.0), ("invariance_weight", "at least 0")),
    ("VICReg", "weight NaN", lambda: VICReg(covariance_weight=float("nan")), ("covariance_weight",)),
    ("WeakSIGReg", "no sketch", lambda: WeakSIGReg(0), ("sketch_dim", "at least 1")),
    ("WeakSIGReg", "unknown sketch", lambda: WeakSIGReg(sketch="sobol"), ("sketch", "gaussian")),
    ("WeakSIGReg", "negative seed", lambda: WeakSIGReg(seed=-1), ("seed", "at least 0")),
    ("TemporalStraightening", "negative speed", lambda: TemporalStraightening(-1.0), ("min_speed",)),
    ("InverseDynamics", "no embedding", lambda: InverseDynamics(0, 2), ("embedding_dim", "at least 1")),
    ("InverseDynamics", "no action", lambda: InverseDynamics(4, 0), ("action_dim", "at least 1")),
    ("InverseDynamics", "no hidden", lambda: InverseDynamics(4, 2, hidden_dim=0), ("hidden_dim",)),
]


def _with_nan(*shape: int) -> Tensor:
    tensor = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    tensor.flatten()[0] = float("nan")
    return tensor


def _huge() -> Tensor:
    """Finite, with differences that no float32 holds."""
    return torch.tensor([[-3e38], [3e38], [-3e38]], dtype=torch.float32).expand(3, 4)


def _trajectory_rows(entry: str, make: Callable[[], Callable[[Tensor], Tensor]]) -> list[BadInput]:
    cases: list[tuple[str, Tensor, type[LeWorldError], tuple[str, ...]]] = [
        ("rank 1", torch.zeros(5), ShapeError, ("`embeddings`", "time, dim")),
        ("integers", torch.zeros(2, 5, 4, dtype=torch.int64), ShapeError, ("floating-point",)),
        ("one frame", torch.zeros(2, 1, 4), ShapeError, ("time=1", "at least")),
        ("no frames", torch.zeros(2, 0, 4), ShapeError, ("time=0",)),
        ("no dimensions", torch.zeros(2, 5, 0), ShapeError, ("dim=0",)),
        ("no trajectories", torch.zeros(0, 5, 4), ShapeError, ("trajectory", "(0, 5, 4)")),
        ("NaN", _with_nan(2, 5, 4), NonFiniteError, ("`embeddings`",)),
        ("overflow", _huge(), NonFiniteError, ("finite",)),
    ]
    return [BadInput(entry, case, lambda z=z: make()(z), error, says) for case, z, error, says in cases]


def _inverse() -> Callable[[Tensor], Tensor]:
    return lambda z: InverseDynamics(4, 2).float()(z, torch.zeros(*z.shape[:-1], 2))


def family_rows(embedding_rows: Callable[[str, Callable[[], nn.Module]], list[BadInput]]) -> list[BadInput]:
    """All rows; `embedding_rows` gives those that hold for every regularizer of (*batch, sample, dim)."""
    rows = [row for name, make in _CONTRACT.items() for row in embedding_rows(_ROOM + name, make)]
    rows += [BadInput(_ROOM + name, case, call, ConfigError, says) for name, case, call, says in _SETTINGS]
    rows += _trajectory_rows(_ROOM + "TemporalSimilarity", TemporalSimilarity)
    rows += _trajectory_rows(_ROOM + "TemporalStraightening", TemporalStraightening)
    rows += _trajectory_rows(_ROOM + "TemporalVCReg", lambda: TemporalVCReg(centred="time"))
    rows += _trajectory_rows(_ROOM + "InverseDynamics", _inverse)
    walks = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    rows += [
        BadInput(_ROOM + "TemporalVCReg", case, call, ShapeError, says)
        for case, call, says in (
            ("no batch", lambda: TemporalVCReg()(walks[0]), ('centred="time"', "(5, 4)")),
            ("one trajectory", lambda: TemporalVCReg()(walks[:1]), ("batch=1", 'centred="time"')),
        )
    ]
    blocks = torch.zeros(3, 5, 2)
    endpoint = EndpointInverseDynamics(4, 2, horizon=4)
    rows += [
        BadInput(_ROOM + name, case, call, error, says)
        for name, case, call, error, says in (
            ("Centred", "no batch", lambda: Centred(window=None)(walks[0]), ShapeError, ("(5, 4)",)),
            ("Centred", "half a window", lambda: Centred()(walks), ShapeError, ("4 frames", "time=5")),
            ("Centred", "one trajectory", lambda: Centred(window=5)(walks[:1]), ShapeError, ("sample=1",)),
            (
                "Centred",
                "NaN",
                lambda: Centred(window=5)(walks.repeat(4, 1, 1) / 0),
                NonFiniteError,
                ("`embeddings`",),
            ),
            (
                "EndpointInverseDynamics",
                "short",
                lambda: endpoint(walks[:, :4], blocks[:, :4]),
                ShapeError,
                ("time=4",),
            ),
            (
                "EndpointInverseDynamics",
                "other action",
                lambda: endpoint(walks, walks),
                ShapeError,
                ("`action`",),
            ),
            (
                "EndpointInverseDynamics",
                "other embedding",
                lambda: endpoint(blocks, blocks),
                ShapeError,
                ("`dim`",),
            ),
            (
                "EndpointInverseDynamics",
                "NaN",
                lambda: endpoint(walks / 0, blocks),
                NonFiniteError,
                ("`embeddings`",),
            ),
        )
    ]
    rows += [
        BadInput(_ROOM + "PLDMTerms", case, call, ShapeError, says)
        for case, call, says in (
            ("no batch", lambda: PLDMTerms()(walks[0], blocks[0]), ("`embeddings`",)),
            ("one trajectory", lambda: PLDMTerms()(walks[:1], blocks[:1]), ("sample=1",)),
            ("fewer actions", lambda: PLDMTerms()(walks, blocks[:, :4]), ("actions", "time")),
            (
                "two frames of the original's",
                lambda: PLDMTerms(variant="original")(walks[:, :2], blocks[:, :2]),
                ("TemporalVCReg", "time=1"),
            ),
        )
    ]
    two, z = _ROOM + "VICReg", torch.zeros(8, 4)
    rows += embedding_rows(two, lambda: _Twice())
    inverse = InverseDynamics(4, 2)
    paths = torch.zeros(2, 5, 4)
    rows += [
        BadInput(two, "mixed devices", lambda: VICReg()(z, z.to("meta")), ShapeError, ("cpu and meta",)),
        BadInput(two, "other shape", lambda: VICReg()(z, z[:7]), ShapeError, ("views", "sample")),
        BadInput(two, "NaN in views", lambda: VICReg()(z, _with_nan(8, 4)), NonFiniteError, ("`views`",)),
        BadInput(
            _ROOM + "SubspaceSIGReg",
            "subspace too large",
            lambda: SubspaceSIGReg(2, 9)(z),
            ShapeError,
            ("subspace_dim", "dim=4"),
        ),
        BadInput(
            _ROOM + "InverseDynamics",
            "mixed devices",
            lambda: inverse(paths, torch.zeros(2, 5, 2, device="meta")),
            ShapeError,
            ("`actions`", "cpu and meta"),
        ),
        BadInput(
            _ROOM + "InverseDynamics",
            "head on another device",
            lambda: InverseDynamics(4, 2).to("meta")(paths, torch.zeros(2, 5, 2)),
            ShapeError,
            ("`weight`", "cpu and meta"),
        ),
        BadInput(
            _ROOM + "InverseDynamics",
            "fewer actions",
            lambda: inverse(paths, torch.zeros(2, 4, 2)),
            ShapeError,
            ("actions", "time"),
        ),
        BadInput(
            _ROOM + "InverseDynamics",
            "other action",
            lambda: inverse(paths, torch.zeros(2, 5, 3)),
            ShapeError,
            ("`action`", "= 2"),
        ),
        BadInput(
            _ROOM + "InverseDynamics",
            "other embedding",
            lambda: inverse(torch.zeros(2, 5, 3), torch.zeros(2, 5, 2)),
            ShapeError,
            ("`dim`", "= 4"),
        ),
        BadInput(
            _ROOM + "InverseDynamics",
            "NaN action",
            lambda: inverse(paths, _with_nan(2, 5, 2)),
            NonFiniteError,
            ("`actions`",),
        ),
    ]
    return rows


class _Twice(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return VICReg()(z, z)
