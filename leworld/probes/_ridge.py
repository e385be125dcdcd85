"""Ridge regression from embeddings to physical quantities, in closed form."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_equal_size, check_finite, check_number, check_size
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ._score import ProbeScore, score_predictions


@final
class RidgeProbe(nn.Module):
    r"""Predict targets as a linear function of embeddings, fitted by ridge regression in closed form.

    Use it to ask what a frozen embedding holds in linear form: it has one solution, no learning rate and no
    seed. Fitting costs O(sample * dim^2 + dim^3) once for all penalties.

    With targets standardised per dimension (mean 0, standard deviation 1 over the training samples) and
    embeddings x centred and divided by one common scale s (the root of their mean variance over dimensions):

    $$ W = \arg\min_W \frac{1}{n} \sum_i \|y_i - W x_i\|^2 + \alpha \|W\|^2
         = Y^\top X \,(X^\top X + n \alpha I)^{-1} $$

    The intercept is not penalised. One common scale keeps the result the same when the embedding is rotated,
    shifted or scaled as a whole; $\alpha$ means the same for any number of samples. Of several penalties, the
    one with the least mean squared error on the validation samples wins (standardised, mean over target
    dimensions); on a tie the larger one.

    Shapes:
        One sample a row: embeddings (sample, dim), targets (sample, target).

    Args:
        embedding_dim: Components of an embedding.
        target_dim: Components of a target.
        penalties: Values of $\alpha$ to choose from, above 0. Default: 1e-8 to 10, a factor of 10 apart.

    Raises:
        ConfigError: A dimension below 1 or a penalty that is not above 0; predicting before fitting; targets
            that do not vary; several penalties and no validation samples.
        ShapeError: Tensors that disagree with the dimensions or with each other, or too few samples.
        NonFiniteError: NaN or infinite embeddings or targets.

    Numerics:
        Fits and predicts in float64 whatever the dtype of the input, without gradients; on a device without
        float64, move the embeddings to the CPU. Embeddings that do not vary at all give a probe that predicts
        the mean of the training targets.

    Randomness:
        None.

    Source:
        Hoerl and Kennard, Ridge regression: biased estimation for nonorthogonal problems, Technometrics,
        1970.

    Example:
        ```python
        import torch
        from leworld.probes import RidgeProbe

        embeddings = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
        position = embeddings[:, :2] @ torch.tensor([[1.0, 2.0], [3.0, -1.0]]) + 5.0
        probe = RidgeProbe(embedding_dim=4, target_dim=2)
        probe.fit(
            embeddings[:100],
            position[:100],
            validation_embeddings=embeddings[100:150],
            validation_targets=position[100:150],
        )
        assert probe.score(embeddings[150:], position[150:]).mean_r2 > 0.999
        ```
    """

    weight: Tensor
    bias: Tensor
    penalty: Tensor
    target_std: Tensor

    def __init__(
        self,
        embedding_dim: int,
        target_dim: int,
        *,
        penalties: Sequence[float] = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0),
    ) -> None:
        super().__init__()
        check_number("RidgeProbe", "embedding_dim", embedding_dim, low=1, integer=True)
        check_number("RidgeProbe", "target_dim", target_dim, low=1, integer=True)
        if isinstance(penalties, str) or not isinstance(penalties, Sequence) or len(penalties) == 0:
            raise ConfigError(
                "RidgeProbe needs `penalties` to hold at least one number",
                f"`penalties={penalties!r}`",
                "Pass for example (1e-4, 1e-2, 1.0)",
            )
        for penalty in penalties:
            check_number("RidgeProbe", "penalties", penalty, low=0, open_low=True)
        self.embedding_dim = embedding_dim
        self.target_dim = target_dim
        self.penalties = tuple(sorted(float(penalty) for penalty in penalties))
        unset = torch.full((), torch.nan, dtype=torch.float64)
        self.register_buffer("weight", unset.repeat(target_dim, embedding_dim))
        self.register_buffer("bias", unset.repeat(target_dim))
        self.register_buffer("penalty", unset.clone())
        self.register_buffer("target_std", unset.repeat(target_dim))

    @shapechecked
    @torch.no_grad()
    def fit(
        self,
        embeddings: Float[Tensor, "sample dim"],
        targets: Float[Tensor, "sample target"],
        *,
        validation_embeddings: Float[Tensor, "held dim"] | None = None,
        validation_targets: Float[Tensor, "held target"] | None = None,
    ) -> "RidgeProbe":
        """Fit on training samples, choosing the penalty on validation samples of other episodes.

        The validation samples choose the penalty only; the weights come from the training samples. With a
        single penalty they are not needed.

        Returns:
            The probe itself.
        """
        self._check("fit", "embeddings", embeddings, "targets", targets, low=2)
        held = None
        if validation_embeddings is not None and validation_targets is not None:
            names = ("validation_embeddings", "validation_targets")
            self._check("fit", names[0], validation_embeddings, names[1], validation_targets, low=1)
            held = (validation_embeddings.double(), validation_targets.double())
        elif validation_embeddings is not None or validation_targets is not None or len(self.penalties) > 1:
            raise ConfigError(
                f"RidgeProbe.fit needs `validation_embeddings` and `validation_targets` to choose among "
                f"{len(self.penalties)} penalties",
                "at least one of them is missing",
                "Pass both, or construct the probe with a single penalty and pass neither",
            )
        x, y = embeddings.double(), targets.double()
        y_mean, y_std = y.mean(dim=0), y.std(dim=0, correction=0)
        flat = (y - y_mean).abs().amax(dim=0) <= 16 * torch.finfo(torch.float64).eps * y.abs().amax(dim=0)
        if bool(flat.any()):
            raise ConfigError(
                "RidgeProbe.fit needs targets that vary in every dimension",
                f"dimension {int(flat.nonzero()[0])} of `targets` is constant over {y.shape[0]} samples",
                "Leave that dimension out, or fit on more episodes",
            )
        x_mean = x.mean(dim=0)
        centred = x - x_mean
        scale = centred.square().mean().sqrt()
        if scale <= 16 * torch.finfo(torch.float64).eps * x.abs().max():
            centred, scale = torch.zeros_like(centred), torch.ones_like(scale)
        centred = centred / scale
        answers = (y - y_mean) / y_std
        count = x.shape[0]
        values, vectors = torch.linalg.eigh(centred.T @ centred / count)
        projected = vectors.T @ (centred.T @ answers) / count
        best: tuple[float, float, Tensor] | None = None
        for penalty in reversed(self.penalties):
            weight = (vectors @ (projected / (values.clamp(min=0) + penalty)[:, None])).T
            error = 0.0
            if held is not None:
                guess = (held[0] - x_mean) / scale @ weight.T
                error = float((guess - (held[1] - y_mean) / y_std).square().mean())
            if best is None or error < best[0]:
                best = (error, penalty, weight)
        if best is None:
            raise RuntimeError("unreachable: the constructor checks that there is a penalty")
        weight = best[2] * y_std[:, None] / scale
        self.weight = weight
        self.bias = y_mean - weight @ x_mean
        self.penalty = torch.tensor(best[1], dtype=torch.float64, device=x.device)
        self.target_std = y_std
        return self

    @shapechecked
    @torch.no_grad()
    def forward(self, embeddings: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch target"]:
        """Predict targets in their own units, in float64."""
        if bool(self.weight.isnan().any()):
            raise ConfigError(
                "RidgeProbe needs to be fitted before it predicts",
                "it has no weights yet",
                "Call `fit` with training samples, or load a state dict",
            )
        self._check_width("forward", "embeddings", embeddings, self.embedding_dim)
        check_finite("RidgeProbe", "embeddings", embeddings)
        return embeddings.double() @ self.weight.T + self.bias

    def predict(self, embeddings: Tensor) -> Tensor:
        """Predict targets in their own units, in float64; the same as calling the probe."""
        return self(embeddings)

    @shapechecked
    @torch.no_grad()
    def score(
        self, embeddings: Float[Tensor, "sample dim"], targets: Float[Tensor, "sample target"]
    ) -> ProbeScore:
        """Compare predictions with the targets of held-out samples, at least 2."""
        self._check("score", "embeddings", embeddings, "targets", targets, low=2)
        return score_predictions(self.forward(embeddings), targets, self.target_std)

    def extra_repr(self) -> str:
        """Say the sizes."""
        return f"embedding_dim={self.embedding_dim}, target_dim={self.target_dim}"

    def _check(
        self, method: str, name: str, embeddings: Tensor, target_name: str, targets: Tensor, *, low: int
    ) -> None:
        owner = f"RidgeProbe.{method}"
        check_size(owner, name, embeddings, 0, "sample", low=low, fix="Pass more samples, one a row")
        self._check_width(method, name, embeddings, self.embedding_dim)
        self._check_width(method, target_name, targets, self.target_dim)
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
            f"RidgeProbe.{method}",
            f"the last axis of `{name}`",
            tensor.shape[-1],
            expected,
            expected_by="set when the probe was constructed",
            fix=f"Construct the probe with the size of `{name}`",
        )
