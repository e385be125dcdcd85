"""LeWorldModel: one encoder, one predictor, two loss terms."""

from collections.abc import Mapping
from typing import ClassVar, final

import torch
from torch import nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from ..data import Batch
from ..regularizers import SIGReg
from ._joint_embedding import JointEmbeddingModel, check_reads, judged
from ._losses import Losses


@final
@configurable
class LeWM(JointEmbeddingModel):
    """LeWorldModel: embeddings that a causal predictor can foresee, kept from collapsing by one regularizer.

    Reach for it to learn a small latent world model end to end from pixels and actions and to plan with it.
    As released it has 18 million parameters; a convolutional encoder and a small predictor make one that
    trains in minutes on a CPU.

        z_t       = projector(encoder(frame_t))
        zhat_t+1  = prediction_projector(predictor(z_..t, action_encoder(action_..t)))
        loss      = mean (zhat_t+1 - z_t+1)^2 + regularizer_weight * regularizer(z)

    The squared error is averaged over batch, time and dim. The regularizer sees the embeddings of all frames
    of a window as (time, batch, dim), so it judges every time step over the batch; one that reads something
    else says so by its attribute `reads`: "trajectories" is called with (batch, time, dim), "actions" with
    these and the action blocks. Gradients flow into the encoder through prediction and target alike: there is
    no stop-gradient, no moving average and no teacher.

    Shapes: see `WorldModel`.

    Args:
        encoder: (batch, channel, height, width) -> (batch, its embedding_dim). One with an attribute
            `observation_parts`, a tuple of names, is given an `Observation` of these parts instead of
            `pixels` if it names several, or the tensor of the one that it names.
        predictor: Causal predictor with `history_size`, (batch, time, dim) and conditions -> (batch, time,
            dim).
        action_encoder: (*batch, action_dim) -> (*batch, condition), with `action_dim` and `embedding_dim`.
        projector: Maps the encoder's output to the embedding; None takes it as it is.
        prediction_projector: Maps the predictor's output to the embedding; None takes it as it is.
        regularizer: (*batch, sample, dim) -> scalar, or what it `reads`; `SIGReg()` when None.
        regularizer_weight: Its weight. SIGReg scales with the batch size, so the weight is tied to it: 0.09
            is the released value at batch 128 (the paper's text says 0.1); data of few degrees of freedom may
            need less.
        auxiliary: Further losses by name, called like the regularizer, such as an `EndpointInverseDynamics`
            beside SIGReg. Each is a term of the loss under its name.
        auxiliary_weights: Their weights, by the same names.

    Raises:
        ConfigError: If the sizes of the parts do not fit together, or the names of losses and weights.

    Randomness: initial weights and dropout come from torch's global generator; the regularizer's directions
    from its own seed or from the `generator` passed to `loss`.

    Source: Maes et al., LeWorldModel, 2026 (arXiv 2603.19312), equations 1 to 3 and algorithm 1. The released
    code has the MLPs' exact sizes and the action encoder, which the paper does not describe.

    Example:
        ```python
        import torch
        from leworld.data import Batch
        from leworld.encoders import ActionEncoder, ConvEncoder
        from leworld.models import LeWM
        from leworld.nn import Projector
        from leworld.predictors import TransformerPredictor

        model = LeWM(
            ConvEncoder(image_size=32, embedding_dim=16, channels=(8, 16)),
            TransformerPredictor(16, history_size=3, depth=1, num_heads=2, head_dim=8, mlp_dim=32),
            action_encoder=ActionEncoder(action_dim=10, embedding_dim=16),
            projector=Projector(16, hidden_dim=32),
            prediction_projector=Projector(16, hidden_dim=32),
        )
        batch = Batch(observations=torch.randn(8, 4, 3, 32, 32), actions=torch.randn(8, 4, 10))
        losses = model.loss(batch)
        losses.total.backward()
        assert losses.total == losses.terms["prediction"] + losses.terms["regularizer"]
        ```
    """

    own_terms: ClassVar[tuple[str, ...]] = ("prediction", "regularizer")

    def __init__(
        self,
        encoder: nn.Module,
        predictor: nn.Module,
        *,
        action_encoder: nn.Module,
        projector: nn.Module | None,
        prediction_projector: nn.Module | None,
        regularizer: nn.Module | None = None,
        regularizer_weight: float = 0.09,
        auxiliary: Mapping[str, nn.Module] | None = None,
        auxiliary_weights: Mapping[str, float] | None = None,
    ) -> None:
        check_number("LeWM", "regularizer_weight", regularizer_weight, low=0.0)
        super().__init__(
            encoder,
            predictor,
            action_encoder=action_encoder,
            projector=projector,
            prediction_projector=prediction_projector,
            auxiliary=auxiliary,
            auxiliary_weights=auxiliary_weights,
        )
        self.regularizer = SIGReg() if regularizer is None else regularizer
        check_reads("LeWM", "regularizer", self.regularizer)
        self.regularizer_weight = regularizer_weight

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        embeddings = self._encode(batch.observations)
        predictions = self._predict(embeddings[:, :-1].clone(), batch.actions[:, :-1])
        prediction = F.mse_loss(predictions, embeddings[:, 1:])
        regularizer = judged(self.regularizer, embeddings, batch.actions, generator)
        further, values = self._auxiliary_terms(embeddings, batch.actions, generator)
        terms = {"prediction": prediction, "regularizer": self.regularizer_weight * regularizer}
        return Losses(
            terms | further,
            latents=embeddings.detach(),
            values={"regularizer": regularizer} | values,
        )
