"""A linear probe trained by gradient descent with early stopping."""

from typing import final

from .._config import configurable
from ._training import GradientProbe, linear


@final
@configurable
class LinearProbe(GradientProbe):
    """Predict targets as a linear function of embeddings, trained with AdamW and early stopping.

    Use it where the published protocol trains its linear probe; `RidgeProbe` gives the same kind of answer
    faster and exactly. Costs `max_epochs` passes at most.

    Embeddings and targets are standardised per dimension with statistics of the training samples; a component
    that does not vary is ignored. The learning rate follows a cosine from its first value to 0. The weights
    of the least validation error are kept.

    Shapes:
        One sample a row: embeddings (sample, dim), targets (sample, target).

    Args:
        embedding_dim: Components of an embedding.
        target_dim: Components of a target.
        learning_rate: First learning rate, above 0.
        weight_decay: AdamW's decay of the weights, at least 0; biases do not decay.
        batch_size: Samples a step.
        max_epochs: Most passes over the training samples.
        patience: Passes without progress of the validation error (by 0.01 %) after which training stops.

    Raises:
        ConfigError: An option out of range, no validation samples, or constant targets.
        ShapeError: Tensors that disagree with the dimensions.
        NonFiniteError: NaN or infinite samples.

    Numerics:
        Trains in float32, standardises and returns float64.

    Randomness:
        Initial weights and the order of samples come from the `generator` given to `fit` (seed 0 without
        one), never from torch's global one: same samples and generator, same weights.

    Source:
        The probes of Maes et al., LeWorldModel, 2026, arXiv 2603.19312, section 5.1; their settings are not
        published, these are ours.

    Example:
        ```python
        import torch
        from leworld.probes import LinearProbe

        embeddings = torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
        position = embeddings[:, :2] * 30.0 + 100.0
        probe = LinearProbe(4, 2, learning_rate=0.05, max_epochs=40, batch_size=32).fit(
            embeddings[:300],
            position[:300],
            validation_embeddings=embeddings[300:350],
            validation_targets=position[300:350],
        )
        assert probe.score(embeddings[350:], position[350:]).mean_r2 > 0.99
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        target_dim: int,
        *,
        learning_rate: float = 1e-2,
        weight_decay: float = 0.0,
        batch_size: int = 256,
        max_epochs: int = 100,
        patience: int = 10,
    ) -> None:
        super().__init__(
            embedding_dim,
            target_dim,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
        )
        self.network = linear(embedding_dim, target_dim)
