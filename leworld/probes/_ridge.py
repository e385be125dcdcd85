"""Ridge regression from embeddings to physical quantities, in closed form."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from .._config import configurable
from .._precision import double
from ._penalties import checked_penalties
from ._probe import Pair, Probe, common_scale


@final
@configurable
class RidgeProbe(Probe):
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
        Fits and predicts in float64 whatever the dtype of the input, without gradients, on the CPU for
        a device without float64. Embeddings that do not vary at all give a probe that predicts
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

    def __init__(
        self,
        embedding_dim: int,
        target_dim: int,
        *,
        penalties: Sequence[float] = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0),
    ) -> None:
        super().__init__(embedding_dim, target_dim)
        self.penalties = checked_penalties("RidgeProbe", penalties)
        for name, shape in (
            ("weight", (target_dim, embedding_dim)),
            ("bias", (target_dim,)),
            ("penalty", ()),
        ):
            self.register_buffer(name, torch.full(shape, torch.nan, dtype=torch.float64))

    def _validation_purpose(self) -> str | None:
        return f"choose among {len(self.penalties)} penalties" if len(self.penalties) > 1 else None

    def _fit(
        self, embeddings: Tensor, targets: Tensor, held: Pair | None, generator: torch.Generator | None
    ) -> None:
        del generator
        x, y = double(embeddings), targets
        y_mean, y_std = y.mean(dim=0), y.std(dim=0, correction=0)
        x_mean, scale = common_scale(x)
        centred = (x - x_mean) / scale
        answers = (y - y_mean) / y_std
        count = x.shape[0]
        values, vectors = torch.linalg.eigh(centred.T @ centred / count)
        projected = vectors.T @ (centred.T @ answers) / count
        best: tuple[float, float, Tensor] | None = None
        for penalty in reversed(self.penalties):
            weight = (vectors @ (projected / (values.clamp(min=0) + penalty)[:, None])).T
            error = 0.0
            if held is not None:
                guess = (double(held[0]) - x_mean) / scale @ weight.T
                error = float((guess - (held[1] - y_mean) / y_std).square().mean())
            if best is None or error < best[0]:
                best = (error, penalty, weight)
        if best is None:
            raise RuntimeError("unreachable: the constructor checks that there is a penalty")
        weight = best[2] * y_std[:, None] / scale
        self.weight = weight
        self.bias = y_mean - weight @ x_mean
        self.penalty = torch.tensor(best[1], dtype=torch.float64, device=x.device)

    def _predict(self, embeddings: Tensor) -> Tensor:
        return double(embeddings) @ self.weight.T + self.bias
