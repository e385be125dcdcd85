"""Contenders that know one task: TD-MPC2, DreamerV3, and LeWM with heads on its frozen latents."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import nn

from ..._random import fold_seed, seeded_globals, usual_defaults
from ...control import ActorPolicy, MPCPolicy, Policy, PolicyProposals, Situation, limit_arrays
from ...costs import ReturnCost
from ...data import Episodes, Processor
from ...decoders import NormedConvDecoder
from ...encoders import ConvEncoder, NormedConvEncoder, SimNormAdapter
from ...errors import ConfigError
from ...heads import ActorCritic, GaussianPolicy, QEnsemble, ScalarHead, StateValue, TwoHot
from ...models import RSSM, TDMPC2, WorldModel, embed_rows
from ...planners import KeepGuesses, MPPIPlanner
from ...predictors import SimNormPredictor, StateSpacePredictor
from ...training import TrainSettings
from .._rewards import with_rewards
from .._task import Task
from ._contender import BuildRequest, Contender, PolicyRequest

_WEIGHTS, _HEAD = 3, 4
_EVERY = 3  # of the rows is enough for a head
_CHANNELS = (8, 16, 32, 64)
_DISCOUNT = 0.97  # a block: what comes 33 of them later counts a third


def rewarded(episodes: Episodes, task: Task, kind: Literal["sparse", "dense"] | None) -> Episodes:
    """Return the episodes with the rewards of the task's fixed goal, if any are asked for."""
    if kind is None:
        return episodes
    if task.fixed_goal is None:
        raise ConfigError(
            "compare needs a task with a `fixed_goal` for a model that learns from rewards",
            f"that of `{task.name}` is None",
            "Set it on the task, or leave the model out",
        )
    goal = np.asarray(task.fixed_goal, np.float32)
    states = np.asarray(episodes.columns["state"])
    unit = float(np.mean(task.distance(states, goal[None])))
    return with_rewards(episodes, task, goal=goal, kind=kind, unit=unit)


def _tdmpc2(request: BuildRequest) -> WorldModel:
    processor = _limited(request)
    actions, hidden = processor.block_dim, (128, 128)
    with usual_defaults(), seeded_globals(fold_seed(request.recipe.settings.seed, _WEIGHTS)):
        encoder = SimNormAdapter(_conv(processor), 128)
        dim = encoder.embedding_dim
        model = TDMPC2(
            encoder,
            SimNormPredictor(dim, 3, condition_dim=actions, hidden_dims=hidden),
            reward=ScalarHead(dim, actions, hidden_dims=hidden),
            value=QEnsemble(dim, actions, num_members=2, hidden_dims=hidden, target_rate=0.05),
            policy=GaussianPolicy(dim, actions, hidden_dims=hidden, log_std=(-3.0, 0.0), entropy="squashed"),
            discount=_DISCOUNT,
            weights={"reward": 0.5, "value": 0.5},
            entropy_weight=0.005,
        )
    model.processor = processor
    return model


def _dreamer(request: BuildRequest) -> WorldModel:
    processor = _limited(request)
    actions, hidden, channels = processor.block_dim, (64, 64), (8, 16, 16)
    with usual_defaults(), seeded_globals(fold_seed(request.recipe.settings.seed, _WEIGHTS)):
        predictor = StateSpacePredictor(
            128, 3, condition_dim=actions, num_variables=8, num_classes=8, hidden_dim=64
        )
        dim = predictor.embedding_dim
        policy = GaussianPolicy(dim, actions, hidden_dims=hidden, log_std=(-2.3, 0.0))
        learner = ActorCritic(
            policy, StateValue(dim, hidden_dims=hidden), horizon=8, discount=_DISCOUNT, entropy_weight=1e-3
        )
        side = _side(processor)
        model = RSSM(
            NormedConvEncoder(side, channels),
            predictor,
            decoder=NormedConvDecoder(dim, side, channels=channels),
            reward=ScalarHead(
                dim, hidden_dims=(64,), two_hot=TwoHot("symexp"), norm="rms", activation="silu"
            ),
            actor_critic=learner,
        )
    model.processor = processor
    return model


def _lewm(request: BuildRequest) -> WorldModel:
    return request.recipe.build(request.processor)


def _with_reward_head(request: PolicyRequest) -> Policy:
    """Fit a reward head on the frozen latents and plan by it, as far as the horizon sees."""
    model, episodes = request.model, request.episodes
    earned = np.roll(np.asarray(episodes.columns["reward"]), 1)  # by the arrival at each row
    rows = np.flatnonzero(np.isfinite(earned))[::_EVERY]
    with usual_defaults(), seeded_globals(fold_seed(request.seed, _HEAD)):
        head = ScalarHead(model.embedding_dim, hidden_dims=(128, 128), two_hot=TwoHot("symexp"))
        head.fit(
            embed_rows(model, episodes, rows=rows),
            torch.from_numpy(earned[rows]),
            num_steps=1000,
            seed=request.seed,
        )

    def cost(situation: Situation) -> ReturnCost:
        return ReturnCost(situation.model, head, state=situation.state, discount=_DISCOUNT)

    return MPCPolicy(
        model,
        request.planner,
        cost=cost,
        action_limits=request.task.action_limits,
        seed=request.seed,
    )


def _by_return(request: PolicyRequest) -> Policy:
    """TD-MPC2's planner, smaller: elites weighted by their return, with the policy's proposals."""
    planner = MPPIPlanner(
        3,
        128,
        num_iterations=4,
        num_elites=16,
        temperature=2.0,
        scale="fixed",
        init_std=2.0,
        min_std=0.05,
        returns="draw",
    )
    return MPCPolicy(
        request.model,
        KeepGuesses(planner),
        cost=lambda situation: ReturnCost(situation.model, state=situation.state),
        propose=PolicyProposals(12, seed=request.seed),
        receding_horizon=1,
        action_limits=request.task.action_limits,
        seed=request.seed,
    )


def _by_actor(request: PolicyRequest) -> Policy:
    return ActorPolicy(request.model, action_limits=request.task.action_limits)


def _limited(request: BuildRequest) -> Processor:
    """Return the processor with the action limits at -1 and 1, where squashed actions end."""
    low, high = limit_arrays(request.action_limits, request.processor.action_dim, owner="compare")
    mean, std = ((high + low) / 2).tolist(), ((high - low) / 2).tolist()
    return replace(request.processor, action_mean=tuple(mean), action_std=tuple(std))


def _side(processor: Processor) -> int:
    if processor.image_size is None:
        raise RuntimeError("unreachable: recipes train on pictures")
    return processor.image_size


def _conv(processor: Processor) -> nn.Module:
    return ConvEncoder(_side(processor), 128, channels=_CHANNELS, norm="batch")


def _halved(rate: float, clip: float) -> Callable[[TrainSettings], TrainSettings]:
    """Return a change of settings: half the windows a step, of 4 frames where LeWM's have 2."""

    def changed(given: TrainSettings) -> TrainSettings:
        optimizer = replace(given.optimizer, learning_rate=rate, gradient_clip=clip)
        return replace(given, batch_size=max(2, given.batch_size // 2), optimizer=optimizer)

    return changed


TDMPC2_CONTENDER = Contender(
    build=_tdmpc2,
    loss_weights=("consistency", "reward", "value", "policy", "entropy_weight"),
    note="with rewards of the fixed goal, planned by return",
    rewards="dense",
    policy=_by_return,
    settings=_halved(1e-3, 20.0),
)
DREAMER_CONTENDER = Contender(
    build=_dreamer,
    loss_weights=("reconstruction", "dynamics", "representation", "reward", "policy", "value"),
    note="with rewards of the fixed goal, acting by its actor",
    rewards="dense",
    policy=_by_actor,
    settings=_halved(1e-3, 100.0),
)
REWARD_HEAD_CONTENDER = Contender(
    build=_lewm,
    loss_weights=("regularizer_weight",),
    note="LeWM, planned by a reward head on its frozen latents",
    rewards="dense",
    policy=_with_reward_head,
)
