"""The contract of every probe, and what all of them check."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_equal_size, check_finite, check_number, check_size, check_unmapped, describe
from .._lending import unchanged_on_error
from .._precision import back, double
from .._targets import constant_columns
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ._score import ProbeScore, score_predictions

Pair = tuple[Tensor, Tensor]


class Probe(nn.Module, ABC):
    """A small model that is fitted on frozen embeddings and predicts physical quantities.

    Every probe is fitted with `fit`, predicts with a call, and scores itself with `score`; evaluations
    know this class only. A subclass writes `_fit` and `_predict`; what came in has been checked and copied by
    then, and no target is constant. A fit that raises leaves the probe as it was.

    Attributes:
        embedding_dim: Components of an embedding (of a token, for probes that read tokens).
        target_dim: Components of a target.
        target_std: Standard deviation of the training targets; NaN before fitting.

    Raises:
        ConfigError: A dimension below 1; predicting before fitting; training targets that do not vary; no
            validation samples for a probe that needs them.
        ShapeError: Tensors that disagree with the dimensions or with each other, or too few samples.
        NonFiniteError: NaN or infinite embeddings or targets.

    Example:
        ```python
        import torch
        from leworld.probes import Probe

        class MeanProbe(Probe):
            def _fit(self, embeddings, targets, held, generator):
                self.mean = targets.mean(dim=0)

            def _predict(self, embeddings):
                return self.mean.expand(*embeddings.shape[:-1], -1)

        targets = torch.arange(8.0)[:, None]
        probe = MeanProbe(3, 1).fit(torch.zeros(8, 3), targets)
        assert probe.score(torch.zeros(8, 3), targets).mean_r2 == 0.0
        ```
    """

    target_std: Tensor
    _axes: ClassVar[tuple[str, ...]] = ("dim",)

    def __init__(self, embedding_dim: int, target_dim: int) -> None:
        super().__init__()
        check_number(type(self).__name__, "embedding_dim", embedding_dim, low=1, integer=True)
        check_number(type(self).__name__, "target_dim", target_dim, low=1, integer=True)
        self.embedding_dim = embedding_dim
        self.target_dim = target_dim
        self.register_buffer("target_std", torch.full((target_dim,), torch.nan, dtype=torch.float64))

    def _value_fault(self) -> str | None:
        """Say what is wrong with the values of a loaded probe, or None."""
        return "`target_std` holds a negative number" if bool((self.target_std < 0).any()) else None

    @shapechecked
    @torch.no_grad()
    def fit(
        self,
        embeddings: Float[Tensor, "sample *_ dim"],
        targets: Float[Tensor, "sample target"],
        *,
        validation_embeddings: Float[Tensor, "held *_ dim"] | None = None,
        validation_targets: Float[Tensor, "held target"] | None = None,
        generator: torch.Generator | None = None,
    ) -> "Probe":
        """Fit on training samples; validation samples only make choices (a penalty, when to stop).

        Args:
            embeddings: One sample a row, at least 2.
            targets: One sample a row; every dimension must vary.
            validation_embeddings: Samples of other episodes.
            validation_targets: Their targets.
            generator: Source of initial weights and batches, on the CPU. None: a new one with seed 0. Probes
                in closed form ignore it.

        Returns:
            The probe itself.
        """
        self._check("fit", "embeddings", embeddings, "targets", targets, low=2)
        purpose, held = self._validation_purpose(), None
        if validation_embeddings is not None and validation_targets is not None:
            names = ("validation_embeddings", "validation_targets")
            self._check("fit", names[0], validation_embeddings, names[1], validation_targets, low=1)
            held = (validation_embeddings.clone(), double(validation_targets).clone())
        elif purpose is not None or validation_embeddings is not None or validation_targets is not None:
            reason = f" to {purpose}" if purpose else ", both or neither"
            raise ConfigError(
                f"{type(self).__name__}.fit needs `validation_embeddings` and `validation_targets`{reason}",
                "at least one of them is missing",
                "Pass both; `split_by_episode` or `fit_probe` set episodes aside for it",
            )
        answers = double(targets).clone()
        flat = constant_columns(answers)
        if bool(flat.any()):
            raise ConfigError(
                f"{type(self).__name__}.fit needs targets that vary in every dimension",
                f"dimension {int(flat.nonzero()[0])} of `targets` is constant over {len(answers)} samples",
                "Leave that dimension out, or fit on more episodes",
            )
        target_std = answers.std(dim=0, correction=0)
        with unchanged_on_error(self):
            self._fit(embeddings.clone(), answers, held, generator)
        self.target_std = target_std
        return self

    @shapechecked
    @torch.no_grad()
    def forward(self, embeddings: Float[Tensor, "*rows dim"]) -> Float[Tensor, "..."]:
        """Predict targets in their own units, in float64: "*batch target"."""
        owner = type(self).__name__
        if bool(self.target_std.isnan().any()):
            raise ConfigError(
                f"{owner} needs to be fitted before it predicts",
                "it has no weights yet",
                "Call `fit` with training samples, or load a state dict",
            )
        if embeddings.ndim < len(self._axes):
            raise ShapeError(
                f"{owner} needs `embeddings` that end with the axes ({', '.join(self._axes)})",
                f"`embeddings` is {describe(embeddings)}",
                "Add the missing axes",
            )
        self._check_width("forward", "embeddings", embeddings, self.embedding_dim)
        check_finite(owner, "embeddings", embeddings)
        return back(self._predict(embeddings.clone()).double().clone(), embeddings.device)

    def predict(self, embeddings: Tensor) -> Tensor:
        """Predict targets in their own units, in float64; the same as calling the probe."""
        return self(embeddings)

    @shapechecked
    @torch.no_grad()
    def score(
        self, embeddings: Float[Tensor, "sample *_ dim"], targets: Float[Tensor, "sample target"]
    ) -> ProbeScore:
        """Compare predictions with the targets of held-out samples, at least 2."""
        self._check("score", "embeddings", embeddings, "targets", targets, low=2)
        return score_predictions(self.forward(embeddings), targets, self.target_std)

    @property
    def reads_tokens(self) -> bool:
        """Whether a sample is a set of tokens (token, dim) and not one vector."""
        return len(self._axes) > 1

    def extra_repr(self) -> str:
        """Say the sizes."""
        return f"embedding_dim={self.embedding_dim}, target_dim={self.target_dim}"

    @abstractmethod
    def _fit(
        self, embeddings: Tensor, targets: Tensor, held: Pair | None, generator: torch.Generator | None
    ) -> None:
        """Fit to checked samples; the targets are float64."""

    @abstractmethod
    def _predict(self, embeddings: Tensor) -> Tensor:
        """Predict targets in their own units."""

    def _validation_purpose(self) -> str | None:
        """What validation samples are needed for ("choose among 3 penalties"), or None."""
        return None

    def _check(
        self, method: str, name: str, embeddings: Tensor, target_name: str, targets: Tensor, *, low: int
    ) -> None:
        owner = f"{type(self).__name__}.{method}"
        if embeddings.ndim != 1 + len(self._axes):
            raise ShapeError(
                f"{owner} needs `{name}` with axes (sample, {', '.join(self._axes)})",
                f"`{name}` is {describe(embeddings)}",
                "Put one sample a row; flatten batch and time first",
            )
        check_size(owner, name, embeddings, 0, "sample", low=low, fix="Pass more samples, one a row")
        for axis, meaning in enumerate(self._axes[:-1], start=1):
            check_size(owner, name, embeddings, axis, meaning, low=1, fix=f"Pass at least one {meaning}")
        self._check_width(method, name, embeddings, self.embedding_dim)
        self._check_width(method, target_name, targets, self.target_dim)
        check_unmapped(owner, embeddings=embeddings, targets=targets)
        if embeddings.device != targets.device:
            raise ShapeError(
                f"{owner} needs `{name}` and `{target_name}` on one device",
                f"they are on {embeddings.device} and {targets.device}",
                "Move one of them with `.to(...)`",
            )
        check_finite(owner, name, embeddings)
        check_finite(owner, target_name, targets)

    def _check_width(self, method: str, name: str, tensor: Tensor, expected: int) -> None:
        check_equal_size(
            f"{type(self).__name__}.{method}",
            f"the last axis of `{name}`",
            tensor.shape[-1],
            expected,
            expected_by="set when the probe was constructed",
            fix=f"Construct the probe with the size of `{name}`",
        )


def common_scale(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and the root of the mean variance; the scale is 1 for embeddings that do not vary."""
    mean = embeddings.mean(dim=0)
    scale = (embeddings - mean).square().mean().sqrt()
    if scale <= 16 * torch.finfo(torch.float64).eps * embeddings.abs().max():
        scale = torch.full_like(scale, torch.inf)
    return mean, scale
