"""PLDM: LeWM's parts, kept from collapsing by up to six terms in place of one."""

from collections.abc import Mapping
from typing import ClassVar, final

import torch
from torch import nn
from torch.nn import functional as F

from .._checks import describe
from .._config import configurable
from ..data import Batch
from ..errors import ConfigError
from ..regularizers import PLDMTerms
from ._joint_embedding import JointEmbeddingModel
from ._losses import Losses


@final
@configurable
class PLDM(JointEmbeddingModel):
    """The joint-embedding baseline of LeWorldModel: its five parts, with PLDM's loss of named terms.

    Reach for it to compare: built with the arguments of a `LeWM` it has the same network, tensor for tensor,
    and differs in the loss alone. Where LeWM has one weight to choose, this has six.

        loss = mean (zhat_t+1 - z_t+1)^2 + the weighted terms of `leworld.regularizers.PLDMTerms`

    which are std and covariance over the batch, time_std and time_covariance over a trajectory's frames,
    similarity of neighbouring frames, and inverse_dynamics; `Losses` holds each by its name. Gradients flow
    through prediction and target alike.

    The original PLDM is the same class with `PLDMTerms(variant="original")` and `open_loop=True`. Its
    predictor is a GRU whose hidden state is the embedding, rolled out from the first frame over 16 steps,
    without projectors: take one with history_size 16, for windows of 17 frames. Its published weights are

        two rooms  PLDMTerms(3.9843, 6.9238, similarity_weight=0.74242, time_std_weight=0.24535,
                   inverse_dynamics_weight=1.072, ...)
        maze       PLDMTerms(35.026, 11.925, similarity_weight=0.10193, time_std_weight=2.9199,
                   inverse_dynamics_weight=5.3964, ...)

    Shapes: see `WorldModel`.

    Args:
        encoder: As in `LeWM`, like the four parts below.
        predictor: Causal predictor with `history_size`.
        action_encoder: Action block to condition.
        projector: The encoder's output to the embedding; None takes it as it is.
        prediction_projector: The predictor's output to the embedding; None takes it as it is.
        regularizer: The terms beside the prediction; `PLDMTerms()`, the released weights, when None.
        open_loop: Whether training predicts every frame from the first one and the actions, as planning does.
            False predicts each from the real frames before it.
        auxiliary: Further losses by name, as in `LeWM`.
        auxiliary_weights: Their weights.

    Raises:
        ConfigError: If the sizes of the parts do not fit together.

    Randomness: initial weights and dropout come from torch's global generator; the terms draw nothing.

    Source: stable-worldmodel 0.1.1, `wm/pldm` and its training script, the baseline of Maes et al.,
    LeWorldModel, 2026 (arXiv 2603.19312), appendix C.2; V. Sobal et al., PLDM, arXiv 2502.14819, and its
    released code. Differences from theirs are listed in the docs under provenance.

    Example:
        ```python
        import torch
        from leworld.data import Batch
        from leworld.encoders import ActionEncoder, ConvEncoder
        from leworld.models import PLDM
        from leworld.nn import Projector
        from leworld.predictors import TransformerPredictor

        model = PLDM(
            ConvEncoder(image_size=32, embedding_dim=16, channels=(8, 16)),
            TransformerPredictor(16, history_size=3, depth=1, num_heads=2, head_dim=8, mlp_dim=32),
            action_encoder=ActionEncoder(action_dim=10, embedding_dim=16),
            projector=Projector(16, hidden_dim=32),
            prediction_projector=Projector(16, hidden_dim=32),
        )
        batch = Batch(observations=torch.randn(8, 4, 3, 32, 32), actions=torch.randn(8, 4, 10))
        losses = model.loss(batch)
        losses.total.backward()
        assert set(losses.terms) == {"prediction", "std", "covariance", "time_std", "similarity"}
        ```
    """

    own_terms: ClassVar[tuple[str, ...]] = ("prediction", *PLDMTerms.names)

    def __init__(
        self,
        encoder: nn.Module,
        predictor: nn.Module,
        *,
        action_encoder: nn.Module,
        projector: nn.Module | None,
        prediction_projector: nn.Module | None,
        regularizer: PLDMTerms | None = None,
        open_loop: bool = False,
        auxiliary: Mapping[str, nn.Module] | None = None,
        auxiliary_weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(
            encoder,
            predictor,
            action_encoder=action_encoder,
            projector=projector,
            prediction_projector=prediction_projector,
            auxiliary=auxiliary,
            auxiliary_weights=auxiliary_weights,
        )
        if regularizer is not None and not isinstance(regularizer, PLDMTerms):
            raise ConfigError(
                "PLDM needs `regularizer` to be `leworld.regularizers.PLDMTerms`, or None",
                f"it is {describe(regularizer)}",
                "Build a LeWM with another regularizer, or pass it among the `auxiliary` losses",
            )
        self.regularizer = PLDMTerms() if regularizer is None else regularizer
        self.open_loop = open_loop

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        actions = batch.actions
        embeddings = self._encode(batch.observations)
        if self.open_loop:
            first = embeddings[:, :1].clone()
            predictions = self._rollout(first, actions[:, :0], actions[:, None, :-1])[:, 0]
        else:
            predictions = self._predict(embeddings[:, :-1].clone(), actions[:, :-1])
        values = {"prediction": F.mse_loss(predictions, embeddings[:, 1:])}
        terms, weights = dict(values), self.regularizer.weights
        for name, value in self.regularizer.values(embeddings, actions).items():
            values[name] = value
            if weights[name]:
                terms[name] = weights[name] * value
        further, unweighted = self._auxiliary_terms(embeddings, actions, generator)
        return Losses(terms | further, latents=embeddings.detach(), values=values | unweighted)
