"""The published sizes of DreamerV3."""

from dataclasses import dataclass
from typing import Any, final

from torch import nn

from .._checks import check_choice, check_number
from ..decoders import NormedConvDecoder
from ..encoders import NormedConvEncoder
from ..heads import (
    ActorCritic,
    CategoricalPolicy,
    GaussianPolicy,
    ScalarHead,
    StateValue,
    TerminationHead,
    TwoHot,
)
from ..nn import NormedMLP
from ..predictors import StateSpacePredictor


@final
@dataclass(frozen=True)
class Size:
    """Widths of one size; all have 32 variables and 8 blocks."""

    state_dim: int
    hidden_dim: int
    num_classes: int
    depth: int
    units: int


SIZES = {
    "1M": Size(512, 64, 4, 4, 64),
    "12M": Size(2048, 256, 16, 16, 256),
    "25M": Size(3072, 384, 24, 24, 384),
    "50M": Size(4096, 512, 32, 32, 512),
    "100M": Size(6144, 768, 48, 48, 768),
    "200M": Size(8192, 1024, 64, 64, 1024),
    "400M": Size(12288, 1536, 96, 96, 1536),
}


def parts_of_size(
    size: str,
    action_dim: int,
    *,
    image_size: int,
    observation_dim: int | None,
    in_channels: int,
    part: str,
    rewarded: bool,
    episodic: bool,
    discrete: bool,
    history_size: int,
) -> dict[str, Any]:
    """Return the arguments of an RSSM of a published size."""
    check_choice("RSSM.of_size", "size", size, tuple(SIZES))
    chosen = SIZES[size]
    predictor = StateSpacePredictor(
        chosen.state_dim,
        history_size,
        condition_dim=action_dim,
        num_classes=chosen.num_classes,
        hidden_dim=chosen.hidden_dim,
    )
    latent = predictor.embedding_dim
    encoder: nn.Module
    decoder: nn.Module
    if observation_dim is None:
        channels = tuple(chosen.depth * factor for factor in (2, 3, 4, 4))
        encoder = NormedConvEncoder(image_size, channels, in_channels=in_channels)
        decoder = NormedConvDecoder(latent, image_size, channels=channels, out_channels=in_channels)
    else:
        check_number("RSSM.of_size", "observation_dim", observation_dim, low=1, integer=True)
        widths = (chosen.units,) * 3
        encoder = _perceptron(observation_dim, chosen.units, widths[1:], part)
        decoder = _perceptron(latent, observation_dim, widths, part)
    parts: dict[str, Any] = {"encoder": encoder, "predictor": predictor, "decoder": decoder}
    return parts | (_heads(chosen, latent, action_dim, episodic, discrete) if rewarded else {})


def _heads(size: Size, latent: int, action_dim: int, episodic: bool, discrete: bool) -> dict[str, Any]:
    """Return what knows a task: reward, end, and what learns to act."""
    deep, shallow = (size.units,) * 3, (size.units,)
    policy: GaussianPolicy | CategoricalPolicy
    if discrete:
        policy = CategoricalPolicy(latent, action_dim, hidden_dims=deep)
    else:
        policy = GaussianPolicy(latent, action_dim, hidden_dims=deep, log_std=(-2.3, 0.0))
    return {
        "reward": ScalarHead(
            latent, hidden_dims=shallow, two_hot=TwoHot("symexp"), norm="rms", activation="silu"
        ),
        "termination": TerminationHead(latent, hidden_dims=shallow) if episodic else None,
        "actor_critic": ActorCritic(policy, StateValue(latent, hidden_dims=deep)),
    }


def _perceptron(in_dim: int, out_dim: int, hidden_dims: tuple[int, ...], part: str) -> NormedMLP:
    return NormedMLP(in_dim, out_dim, hidden_dims=hidden_dims, norm="rms", activation="silu", part=part)
