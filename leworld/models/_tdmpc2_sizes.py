"""The published sizes of TD-MPC2."""

from dataclasses import dataclass
from typing import Any, final

from torch import nn

from .._checks import check_choice, check_number
from ..encoders import SimNormEncoder
from ..errors import ConfigError
from ..heads import GaussianPolicy, QEnsemble, ScalarHead, TerminationHead, TwoHot
from ..nn import NormedMLP
from ..predictors import SimNormPredictor


@final
@dataclass(frozen=True)
class Size:
    """Widths and counts of one size."""

    encoder_dim: int
    mlp_dim: int
    latent_dim: int
    encoder_layers: int
    num_members: int
    num_bins: int = 101
    simnorm_dim: int = 8


SIZES = {
    "1M": Size(256, 384, 128, 2, 2),
    "5M": Size(256, 512, 512, 2, 5),
    "19M": Size(1024, 1024, 768, 3, 5),
    "48M": Size(1792, 1792, 768, 4, 5),
    "317M": Size(4096, 4096, 1376, 5, 8),
}


def parts_of_size(
    size: str,
    action_dim: int,
    *,
    observation_dim: int | None,
    image_size: int | None,
    in_channels: int,
    part: str,
    episodic: bool,
    history_size: int,
) -> dict[str, Any]:
    """Return the arguments of a TDMPC2 of a published size."""
    check_choice("TDMPC2.of_size", "size", size, tuple(SIZES))
    if (observation_dim is None) == (image_size is None):
        raise ConfigError(
            "TDMPC2.of_size needs `observation_dim` for vectors or `image_size` for pictures",
            f"they are {observation_dim} and {image_size}",
            "Pass one of them, or build the model of your own parts for both",
        )
    chosen = SIZES[size]
    if image_size is not None:
        encoder: nn.Module = SimNormEncoder(image_size, in_channels=in_channels)
        if encoder.embedding_dim != chosen.latent_dim:
            raise ConfigError(
                f"TDMPC2.of_size needs pictures that make latents of {chosen.latent_dim} for size {size}",
                f"those of {image_size} pixels make {encoder.embedding_dim}",
                'Take size "5M" and 64 pixels, as published, or build the model of your own parts',
            )
    else:
        check_number("TDMPC2.of_size", "observation_dim", observation_dim, low=1, integer=True)
        encoder = state_encoder(observation_dim or 1, chosen, part)
    return {"encoder": encoder, **heads_of(chosen, action_dim, episodic=episodic, history_size=history_size)}


def state_encoder(observation_dim: int, size: Size, part: str) -> NormedMLP:
    """Return the encoder of a vector."""
    hidden = (size.encoder_dim,) * max(size.encoder_layers - 1, 1)
    return NormedMLP(
        observation_dim, size.latent_dim, hidden_dims=hidden, simnorm_dim=size.simnorm_dim, part=part
    )


def heads_of(size: Size, action_dim: int, *, episodic: bool, history_size: int) -> dict[str, Any]:
    """Return everything but the encoder."""
    latent, hidden = size.latent_dim, (size.mlp_dim, size.mlp_dim)
    two_hot = TwoHot(num_bins=size.num_bins)
    return {
        "predictor": SimNormPredictor(
            latent,
            history_size,
            condition_dim=action_dim,
            hidden_dims=hidden,
            simnorm_dim=size.simnorm_dim,
        ),
        "reward": ScalarHead(latent, action_dim, hidden_dims=hidden, two_hot=two_hot),
        "value": QEnsemble(
            latent, action_dim, num_members=size.num_members, hidden_dims=hidden, two_hot=two_hot
        ),
        "policy": GaussianPolicy(latent, action_dim, hidden_dims=hidden),
        "termination": TerminationHead(latent, hidden_dims=hidden) if episodic else None,
    }
