"""LeWorldModel: one encoder, one predictor, two loss terms."""

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from ..data import Batch
from ..errors import ConfigError
from ..predictors import IncrementalPredictor
from ..regularizers import SIGReg
from ._incremental import can_roll_incrementally, incremental_rollout
from ._losses import Losses
from ._world_model import WorldModel


@final
@configurable
class LeWM(WorldModel):
    """LeWorldModel: embeddings that a causal predictor can foresee, kept from collapsing by one regularizer.

    Reach for it to learn a small latent world model end to end from pixels and actions and to plan with it.
    As released it has 18 million parameters; a convolutional encoder and a small predictor make one that
    trains in minutes on a CPU.

        z_t       = projector(encoder(frame_t))
        zhat_t+1  = prediction_projector(predictor(z_..t, action_encoder(action_..t)))
        loss      = mean (zhat_t+1 - z_t+1)^2 + regularizer_weight * regularizer(z)

    The squared error is averaged over batch, time and dim. The regularizer sees the embeddings of all frames
    of a window as (time, batch, dim), so it judges every time step over the batch. Gradients flow into the
    encoder through prediction and target alike: there is no stop-gradient, no moving average and no teacher.

    Shapes: see `WorldModel`.

    Args:
        encoder: (batch, channel, height, width) -> (batch, its embedding_dim). One with an attribute
            `observation_parts`, a tuple of names, is given an `Observation` of these parts instead of
            `pixels` if it names several, or the tensor of the one that it names.
        predictor: Causal predictor with `history_size`, (batch, time, dim) and conditions -> (batch, time,
            dim).
        action_encoder: (*batch, action_dim) -> (*batch, condition), with `action_dim` and `embedding_dim`.
        projector: Maps the encoder's output to the embedding.
        prediction_projector: Maps the predictor's output to the embedding.
        regularizer: (*batch, sample, dim) -> scalar; `SIGReg()` when None.
        regularizer_weight: Its weight. SIGReg scales with the batch size, so the weight is tied to it: 0.09
            is the released value at batch 128 (the paper's text says 0.1); data of few degrees of freedom may
            need less.

    Raises:
        ConfigError: If the sizes of the parts do not fit together.

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

    def __init__(
        self,
        encoder: nn.Module,
        predictor: nn.Module,
        *,
        action_encoder: nn.Module,
        projector: nn.Module,
        prediction_projector: nn.Module,
        regularizer: nn.Module | None = None,
        regularizer_weight: float = 0.09,
    ) -> None:
        super().__init__()
        check_number("LeWM", "regularizer_weight", regularizer_weight, low=0.0)
        self.encoder = encoder
        self.predictor = predictor
        self.action_encoder = action_encoder
        self.projector = projector
        self.prediction_projector = prediction_projector
        self.regularizer = SIGReg() if regularizer is None else regularizer
        self.regularizer_weight = regularizer_weight
        _check_fit(
            ("projector", projector, "in_dim"),
            ("encoder", encoder, "embedding_dim"),
        )
        _check_fit(("predictor", predictor, "embedding_dim"), ("projector", projector, "out_dim"))
        _check_fit(
            ("predictor", predictor, "condition_dim"), ("action_encoder", action_encoder, "embedding_dim")
        )
        _check_fit(
            ("prediction_projector", prediction_projector, "in_dim"),
            ("predictor", predictor, "embedding_dim"),
        )
        _check_fit(
            ("prediction_projector", prediction_projector, "out_dim"), ("projector", projector, "out_dim")
        )
        if isinstance(predictor, IncrementalPredictor) and not isinstance(_slides(predictor), bool):
            raise ConfigError(
                "LeWM needs its predictor to say by `slides` whether it forgets what leaves its window",
                f"{type(predictor).__name__} has `slides={_slides(predictor)!r}`",
                "Set `slides = True` for windows of `history_size`, `False` for a recurrent predictor",
            )
        self.history_size = _size("predictor", predictor, "history_size")
        self.latent_shape = (_size("projector", projector, "out_dim"),)
        self.action_dim = _size("action_encoder", action_encoder, "action_dim")
        self.observation_parts = tuple(getattr(encoder, "observation_parts", ("pixels",)))

    def _encode(self, observations: Any) -> Tensor:
        if isinstance(observations, Tensor):
            frames, leading = observations.flatten(0, 1), observations.shape[:2]
        else:
            frames = observations.map(lambda part: part.flatten(0, 1))
            leading = observations[self.observation_parts[0]].shape[:2]
        return self.projector(self.encoder(frames)).unflatten(0, leading)

    def _predict(self, embeddings: Tensor, actions: Tensor) -> Tensor:
        return self.prediction_projector(self.predictor(embeddings, self.action_encoder(actions)))

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        around = self.action_encoder, self.prediction_projector
        if not can_roll_incrementally(self.predictor, *around):
            return super()._rollout(context, past_actions, actions)
        return incremental_rollout(
            self.predictor, *around, context=context, past_actions=past_actions, actions=actions
        )

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        embeddings = self._encode(batch.observations)
        predictions = self._predict(embeddings[:, :-1].clone(), batch.actions[:, :-1])
        prediction = F.mse_loss(predictions, embeddings[:, 1:])
        regularizer = self.regularizer(embeddings.transpose(0, 1).clone(), generator=generator)
        return Losses(
            {"prediction": prediction, "regularizer": self.regularizer_weight * regularizer},
            latents=embeddings.detach(),
            values={"regularizer": regularizer},
        )


def _slides(predictor: nn.Module) -> object:
    return getattr(predictor, "slides", None)


def _size(name: str, part: nn.Module, attribute: str) -> int:
    value = getattr(part, attribute, None)
    if not isinstance(value, int):
        raise ConfigError(
            f"LeWM needs its {name} to say its `{attribute}` as an integer attribute",
            f"{type(part).__name__} has `{attribute}={value!r}`",
            f"Set `self.{attribute}` in its constructor",
        )
    return value


def _check_fit(one: tuple[str, nn.Module, str], other: tuple[str, nn.Module, str]) -> None:
    size, due = _size(*one), _size(*other)
    if size != due:
        raise ConfigError(
            f"LeWM needs `{one[0]}.{one[2]}` to equal `{other[0]}.{other[2]}`",
            f"they are {size} and {due}",
            "Build both with the same size",
        )
