"""Which parts an RSSM needs."""

from torch import nn

from .._checks import describe
from ..errors import ConfigError
from ..heads import ActorCritic, ScalarHead, TerminationHead
from ..predictors import StateSpacePredictor


def check_learns(
    decoder: nn.Module | None,
    reward: ScalarHead | None,
    termination: TerminationHead | None,
    actor_critic: ActorCritic | None,
    regularizer: nn.Module | None,
) -> None:
    """Refuse parts that leave latents without a reason to hold what is seen, or learn from no reward."""
    if decoder is None and (reward is None or regularizer is not None):
        raise ConfigError(
            "RSSM needs a decoder, of what is seen or with a regularizer of embeddings, or else a reward",
            "`decoder` is None, and "
            + ("`reward` is as well" if regularizer is None else "there is a regularizer"),
            "Pass for example `decoder=leworld.decoders.NormedConvDecoder(predictor.embedding_dim, 64)`",
        )
    if reward is None and (actor_critic is not None or termination is not None):
        raise ConfigError(
            "RSSM needs a reward for `actor_critic` and `termination`",
            "`reward` is None",
            "Pass `reward=leworld.heads.ScalarHead(predictor.embedding_dim)`",
        )
    if reward is not None and reward.action_dim is not None:
        raise ConfigError(
            "RSSM needs a reward of arriving at a latent",
            f"it reads actions, `action_dim={reward.action_dim}`",
            "Build the ScalarHead without `action_dim`",
        )


def check_predictor(predictor: object) -> None:
    """Refuse a predictor of another kind."""
    if not isinstance(predictor, StateSpacePredictor):
        raise ConfigError(
            "RSSM needs its predictor to be a StateSpacePredictor",
            f"it is {describe(predictor)}",
            "Build one of `leworld.predictors`, or take `LeWM` for other predictors",
        )
