"""DINO-WM: a predictor of the patch features that a frozen encoder makes of frames."""

import math
from typing import Any, Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number, quoted
from .._config import ModuleConfig, configurable
from ..data import Batch
from ..errors import ConfigError, ShapeError
from ..metrics import latent_distance
from ._incremental import can_roll_incrementally, incremental_rollout
from ._losses import Losses
from ._sizes import check_fit, grid, part_size
from ._world_model import WorldModel

# Tokens of the windows of all candidates that are rolled out at once. On a CPU their keys and values at the
# published size take some 400 MB, and more at once is no faster.
_TOKENS_AT_ONCE = {"cpu": 2**13}
_TOKENS_AT_ONCE_ELSEWHERE = 2**17


@final
@configurable
class DINOWM(WorldModel):
    r"""DINO-WM: predict the patch features of the next frame from those of a frozen, pretrained encoder.

    Reach for it as the published baseline of LeWM, or where an encoder exists that need not be trained. A
    latent keeps the grid of patches, which makes a step hundreds of times as dear as that of a vector
    (`rollout_flops` counts).

        token  = [visual features of the patch | proprio encoding, on every token]
        zhat_t+1 = predictor(tokens_..t, action_encoder(action_..t))
        loss   = mean (zhat_t+1 - stopgrad z_t+1)^2

    The mean goes over batch, time, tokens and both parts of a token, so that the parts count by their sizes:
    the terms are `visual`, with weight V / (V + R), and `proprio`, with R / (V + R), where V and R are their
    sizes. The proprio encoder is trained through what the predictor is given, never through its own target.

    Distances, and with them plans, are DINO-WM's objective: with mean squares and r the proprio part of the
    first token,

        distance = mean over tokens and V (visual - visual')^2 + proprio_weight * mean over R (r - r')^2.

    Without `proprio_encoder` the model reads pictures alone, the form called "noprop". With it, a goal tells
    the position that the agent should have as well.

    Shapes: see `WorldModel`. A latent is (token, V + R).

    Args:
        encoder: (batch, channel, height, width) -> (batch, token, V), with `num_tokens` and `embedding_dim`.
            Its parameters are frozen here, and it stays in evaluation mode.
        predictor: Causal predictor with `history_size`, `num_tokens`, `condition_dim` and `embedding_dim` =
            V + R: (batch, time, token, dim) and conditions -> (batch, time, token, dim).
        action_encoder: (*batch, action_dim) -> (*batch, condition), with `action_dim` and `embedding_dim`.
        proprio_encoder: (*batch, its in_dim) -> (*batch, R), with `embedding_dim`; reads the part `proprio`.
        proprio_weight: Weight of the proprio part in the distance: 1 in the published configurations; 0.1 was
            tried as well.

    Raises:
        ConfigError: If the sizes of the parts do not fit together, in particular for a predictor that was
            built or trained for another grid of tokens than the encoder makes of pictures of its size.
        ShapeError: If the encoder makes another number of tokens of the pictures than the predictor takes.

    Numerics: many candidates are rolled out some at a time, since each keeps keys and values of all tokens of
    its window.

    Randomness: dropout draws from torch's global generator, in training mode only.

    Source: Zhou, Pan, LeCun and Pinto, DINO-WM, 2024 (arXiv 2411.04983), and its code (gaoyuezhou/dino_wm).
    The published predictor takes the action as a further part of each token, predicts that part too, and has
    it overwritten by the next action: here it is no part of a latent, which computes the same. The published
    decoder, trained beside it on detached latents, is left out.

    Example:
        ```python
        import torch
        from torch import nn
        from leworld.data import Batch
        from leworld.encoders import LinearEncoder
        from leworld.models import DINOWM
        from leworld.predictors import TokenTransformerPredictor

        class Patches(nn.Module):
            num_tokens, embedding_dim = 4, 12

            def forward(self, images):
                return nn.functional.unfold(images, 2, stride=2).transpose(1, 2)

        model = DINOWM(
            Patches(),
            TokenTransformerPredictor(12, 4, condition_dim=3, depth=1, num_heads=2, head_dim=4, mlp_dim=16),
            action_encoder=LinearEncoder(10, 3),
        )
        batch = Batch(observations=torch.randn(2, 4, 3, 4, 4), actions=torch.randn(2, 4, 10))
        losses = model.loss(batch)
        losses.total.backward()
        assert losses.latents.shape == (2, 4, 4, 12)
        ```
    """

    watches_spread = False
    config: ModuleConfig

    def __init__(
        self,
        encoder: nn.Module,
        predictor: nn.Module,
        *,
        action_encoder: nn.Module,
        proprio_encoder: nn.Module | None = None,
        proprio_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_number("DINOWM", "proprio_weight", proprio_weight, low=0.0)
        self.encoder = encoder
        self.predictor = predictor
        self.action_encoder = action_encoder
        self.proprio_encoder = proprio_encoder
        self.proprio_weight = proprio_weight
        self.visual_dim = part_size("DINOWM", "encoder", encoder, "embedding_dim")
        self.proprio_dim = (
            0
            if proprio_encoder is None
            else part_size("DINOWM", "proprio_encoder", proprio_encoder, "embedding_dim")
        )
        _check_reads(encoder)
        tokens = part_size("DINOWM", "predictor", predictor, "num_tokens")
        _check_grid(encoder, tokens)
        dim = self.visual_dim + self.proprio_dim
        check_fit("DINOWM", "predictor", predictor, "embedding_dim", dim, to="the visual and proprio sizes")
        condition = part_size("DINOWM", "action_encoder", action_encoder, "embedding_dim")
        to = "`action_encoder.embedding_dim`"
        check_fit("DINOWM", "predictor", predictor, "condition_dim", condition, to=to)
        self.history_size = part_size("DINOWM", "predictor", predictor, "history_size")
        self.action_dim = part_size("DINOWM", "action_encoder", action_encoder, "action_dim")
        self.latent_shape = (tokens, dim)
        self.observation_parts = ("pixels",) if proprio_encoder is None else ("pixels", "proprio")
        encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def latent_distance(self, one: Tensor, other: Tensor) -> Tensor:
        """Return DINO-WM's planning objective between latents (..., token, dim): see the class."""
        tokens, size = self.latent_shape[0], self.visual_dim
        visual = latent_distance(one[..., :size], other[..., :size], axes=2) / (tokens * size)
        if not self.proprio_dim:
            return visual
        proprio = latent_distance(one[..., 0, size:], other[..., 0, size:], axes=1) / self.proprio_dim
        return visual + self.proprio_weight * proprio

    def _encode(self, observations: Any) -> Tensor:
        pixels = observations if self.proprio_encoder is None else observations["pixels"]
        with torch.no_grad():
            visual = self.encoder(pixels.flatten(0, 1))
        self._check_tokens(visual, pixels)
        visual = visual.unflatten(0, pixels.shape[:2])
        if self.proprio_encoder is None:
            return visual
        felt = self.proprio_encoder(observations["proprio"]).unsqueeze(-2)
        return torch.cat([visual, felt.expand(*visual.shape[:-1], -1)], dim=-1)

    def _predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        return self.predictor(latents, self.action_encoder(actions))

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        limit = _TOKENS_AT_ONCE.get(actions.device.type, _TOKENS_AT_ONCE_ELSEWHERE)
        window = len(context) * self.history_size * self.latent_shape[0]
        pieces = actions.split(max(1, limit // window), dim=1)
        return torch.cat([self._roll(context, past_actions, piece) for piece in pieces], dim=1)

    def _roll(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        if not can_roll_incrementally(self.predictor, self.action_encoder):
            return super()._rollout(context, past_actions, actions)
        return incremental_rollout(
            self.predictor,
            self.action_encoder,
            nn.Identity(),
            context=context,
            past_actions=past_actions,
            actions=actions,
        )

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        latents = self._encode(batch.observations)
        predictions = self._predict(latents[:, :-1].clone(), batch.actions[:, :-1])
        targets, size = latents[:, 1:].detach(), self.visual_dim
        visual = F.mse_loss(predictions[..., :size], targets[..., :size])
        if not self.proprio_dim:
            return Losses({"visual": visual}, latents=latents.detach())
        proprio = F.mse_loss(predictions[..., size:], targets[..., size:])
        share = size / (size + self.proprio_dim)
        return Losses(
            {"visual": share * visual, "proprio": (1 - share) * proprio},
            latents=latents.detach(),
            values={"visual": visual, "proprio": proprio},
        )

    def _check_tokens(self, visual: object, pixels: Tensor) -> None:
        count, size = self.latent_shape[0], self.visual_dim
        if isinstance(visual, Tensor) and tuple(visual.shape[1:]) == (count, size):
            return
        shape = tuple(visual.shape) if isinstance(visual, Tensor) else type(visual).__name__
        made = grid(visual.shape[1]) if isinstance(visual, Tensor) and visual.ndim == 3 else str(shape)
        raise ShapeError(
            f"DINOWM needs pictures of which its encoder makes {grid(count)} of {size} numbers, which its "
            "predictor was built for",
            f"of pictures of {pixels.shape[-2]} x {pixels.shape[-1]} pixels it makes {made}, shape {shape}",
            "Give the processor the `image_size` of the settings that the predictor was trained with",
        )


def _check_reads(encoder: nn.Module) -> None:
    parts = tuple(getattr(encoder, "observation_parts", ("pixels",)))
    if parts != ("pixels",):
        raise ConfigError(
            "DINOWM needs an `encoder` that reads `pixels` alone",
            f"{type(encoder).__name__} reads {quoted(parts)}",
            "Hand in what encodes the pictures as `encoder`, and what encodes `proprio` as `proprio_encoder`",
        )


def _check_grid(encoder: nn.Module, tokens: int) -> None:
    made = part_size("DINOWM", "encoder", encoder, "num_tokens")
    if made == tokens:
        return
    patch, side = getattr(encoder, "patch_size", None), math.isqrt(tokens)
    fix = "Build both for pictures of the same size"
    if isinstance(patch, int) and side * side == tokens:
        fix = f"Build the encoder, and the processor, for pictures of {side * patch} pixels"
    pictures = f", of pictures of {math.isqrt(made) * patch} pixels" if isinstance(patch, int) else ""
    raise ConfigError(
        "DINOWM needs `predictor.num_tokens` to equal `encoder.num_tokens`",
        f"the predictor takes {grid(tokens)} and the encoder makes {grid(made)}{pictures}",
        fix,
    )
