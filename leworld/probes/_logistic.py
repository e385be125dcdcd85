"""Multinomial logistic regression from embeddings to classes."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from .._checks import check_number
from .._config import configurable
from .._precision import double
from ..errors import ConfigError, NonFiniteError
from ._penalties import checked_penalties
from ._probe import Pair, Probe, common_scale


@final
@configurable
class LogisticProbe(Probe):
    r"""Predict class probabilities by multinomial logistic regression with a squared penalty.

    Use it to ask which of several classes a frozen embedding separates linearly: the room that the agent is
    in, whether a hand is closed. Targets are one-hot rows, as `fit_probe` and `probing` make them from class
    numbers with the kind `class`; predictions are probabilities. Costs some hundred passes at most.

    With embeddings x centred and divided by one common scale s (the root of their mean variance over
    dimensions), and one-hot targets y:

    $$ W, b = \arg\min_{W, b} -\frac{1}{n} \sum_i y_i \cdot \log \operatorname{softmax}(W x_i + b)
       + \frac{\alpha}{2} \|W\|^2 $$

    The problem is convex and is solved to convergence by L-BFGS, from zero weights, each penalty starting at
    the solution of the larger one before. Intercepts are not penalised. Of several penalties, the one with
    the least cross-entropy on the validation samples wins; on a tie the larger one.

    Shapes:
        One sample a row: embeddings (sample, dim), targets (sample, class).

    Args:
        embedding_dim: Components of an embedding.
        target_dim: Number of classes, at least 2.
        penalties: Values of $\alpha$ to choose from, above 0. Default: 1e-6 to 1, a factor of 10 apart.
        max_iterations: Most passes for each penalty.

    Raises:
        ConfigError: A dimension, penalty or number out of range; targets that are no probabilities; a class
            without any training sample; several penalties and no validation samples.
        ShapeError: Tensors that disagree with the dimensions, or too few samples.
        NonFiniteError: NaN or infinite samples.

    Numerics:
        Fits and predicts in float64. Where the training samples can be separated, weights grow as the penalty
        falls, and very small penalties may stop at `max_iterations`, short of the minimum.

    Randomness:
        None.

    Source:
        Hastie, Tibshirani and Friedman, The elements of statistical learning, 2009, section 4.4. $\alpha$ is
        scikit-learn's 1 / (C n).

    Example:
        ```python
        import torch
        from leworld.probes import LogisticProbe

        embeddings = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
        in_the_right_room = (embeddings[:, 0] > 0).long()
        targets = torch.nn.functional.one_hot(in_the_right_room, 2).float()
        probe = LogisticProbe(3, 2, penalties=(1e-3,)).fit(embeddings[:200], targets[:200])
        guess = probe(embeddings[200:]).argmax(dim=1)
        assert (guess == in_the_right_room[200:]).float().mean() > 0.9
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
        penalties: Sequence[float] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        max_iterations: int = 500,
    ) -> None:
        super().__init__(embedding_dim, target_dim)
        check_number("LogisticProbe", "target_dim", target_dim, low=2, integer=True)
        check_number("LogisticProbe", "max_iterations", max_iterations, low=1, integer=True)
        self.penalties = checked_penalties("LogisticProbe", penalties)
        self.max_iterations = max_iterations
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
        for part in (targets, *([] if held is None else [held[1]])):
            if bool((part < 0).any()) or not torch.allclose(part.sum(dim=1), part.new_ones(len(part))):
                raise ConfigError(
                    "LogisticProbe.fit needs targets that are class probabilities, one-hot for instance",
                    f"rows sum to {float(part.sum(dim=1).min()):.3g} to {float(part.sum(dim=1).max()):.3g}",
                    "Pass class numbers through `fit_probe(..., kind='class')`, or `one_hot(...).float()`",
                )
        mean, scale = common_scale(double(embeddings))
        rows = (double(embeddings) - mean) / scale
        weight = rows.new_zeros(self.target_dim, self.embedding_dim)
        bias = targets.mean(dim=0).log()  # the best guess without any embedding
        best: tuple[float, float, Tensor, Tensor] | None = None
        for penalty in reversed(self.penalties):
            weight, bias = _minimise(rows, targets, weight, bias, penalty, self.max_iterations)
            loss = 0.0
            if held is not None:
                guess = ((double(held[0]) - mean) / scale) @ weight.T + bias
                loss = float(_cross_entropy(guess, held[1]))
            if best is None or loss < best[0]:
                best = (loss, penalty, weight, bias)
        if best is None:
            raise RuntimeError("unreachable: the constructor checks that there is a penalty")
        self.weight = best[2] / scale
        self.bias = best[3] - self.weight @ mean
        self.penalty = torch.tensor(best[1], dtype=torch.float64, device=rows.device)

    def _predict(self, embeddings: Tensor) -> Tensor:
        return (double(embeddings) @ self.weight.T + self.bias).softmax(dim=-1)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return -(targets * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


@torch.enable_grad()
def _minimise(
    rows: Tensor, targets: Tensor, weight: Tensor, bias: Tensor, penalty: float, max_iterations: int
) -> tuple[Tensor, Tensor]:
    weight, bias = weight.clone().requires_grad_(True), bias.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=max_iterations,
        tolerance_grad=1e-10,
        tolerance_change=1e-15,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _cross_entropy(rows @ weight.T + bias, targets) + penalty / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore[reportArgumentType] -- torch's stub wants a float
    if not bool(weight.isfinite().all() & bias.isfinite().all()):
        raise NonFiniteError(
            "LogisticProbe.fit needs embeddings on which L-BFGS converges",
            "the weights became NaN or infinite",
            "Look for enormous values in the embeddings",
        )
    return weight.detach(), bias.detach()
