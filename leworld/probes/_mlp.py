"""A probe with hidden layers: what an embedding holds in any form."""

from typing import final

from torch import nn

from .._checks import check_number
from .._config import configurable
from ._training import GradientProbe, linear


@final
@configurable
class MLPProbe(GradientProbe):
    """Predict targets with a multi-layer perceptron, trained with AdamW until validation stops improving.

    Use it beside a linear probe: a quantity that only this one finds is in the embedding, but folded. Costs
    `max_epochs` passes at most, each O(sample * hidden_dim * (dim + num_layers * hidden_dim)).

    Embeddings and targets are standardised per dimension with statistics of the training samples; a component
    that does not vary is ignored. Layers are Linear and GELU. The learning rate follows a cosine from its
    first value to 0. The weights of the least validation error are kept.

    Shapes:
        One sample a row: embeddings (sample, dim), targets (sample, target).

    Args:
        embedding_dim: Components of an embedding.
        target_dim: Components of a target.
        hidden_dim: Units of a hidden layer.
        num_layers: Number of hidden layers, at least 1.
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
        from leworld.probes import MLPProbe

        embeddings = torch.rand(500, 2, generator=torch.Generator().manual_seed(0))
        radius = embeddings.norm(dim=1, keepdim=True)  # no linear function of the embedding
        probe = MLPProbe(2, 1, hidden_dim=32, batch_size=64, max_epochs=30).fit(
            embeddings[:400],
            radius[:400],
            validation_embeddings=embeddings[400:450],
            validation_targets=radius[400:450],
        )
        assert probe.score(embeddings[450:], radius[450:]).mean_r2 > 0.98
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        target_dim: int,
        *,
        hidden_dim: int = 256,
        num_layers: int = 2,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-4,
        batch_size: int = 256,
        max_epochs: int = 100,
        patience: int = 20,
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
        check_number("MLPProbe", "hidden_dim", hidden_dim, low=1, integer=True)
        check_number("MLPProbe", "num_layers", num_layers, low=1, integer=True)
        layers: list[nn.Module] = []
        for index in range(num_layers):
            layers += [linear(hidden_dim if index else embedding_dim, hidden_dim), nn.GELU()]
        self.network = nn.Sequential(*layers, linear(hidden_dim, target_dim))
