"""Whether planning in a model finds what recorded episodes did: a figure that needs no environment."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from ..._checks import check_number, describe, plain_numbers
from ..._typing import Limits
from ...control import limit_arrays
from ...costs import GoalCost
from ...data import Episodes, Processor
from ...errors import ConfigError, DataError
from ...metrics import plan_rank
from ...models import WorldModel, concatenate_states, processor_of, to_weights
from ...nn import evaluation_mode
from ...planners import CategoricalCEMPlanner, CEMPlanner, Planner
from .._latent_paths import LatentPath, latent_paths

_HORIZON, _SAMPLES, _ELITES, _ITERATIONS = 5, 100, 10, 10
_OTHERS = 16
_FEWEST = 3  # problems: two always correlate perfectly


@final
@plain_numbers
@dataclass(frozen=True, kw_only=True)
class PlanAgreement:
    """How well plans agree with what recorded episodes did.

    Attributes:
        correlation: Of each action component, the correlation of what the plans do in all with what the
            episodes did in all, over the problems. 1 is perfect; 0 where plans know nothing of it, or are all
            the same. NaN for a component that no episode varies.
        errors: Their standard errors over the problems.
        rank: Rank of the episodes' actions among others', see `leworld.metrics.PlanRank`.
        contrast: Contrast of the costs of others' actions, likewise.
        num_problems: Pairs of start and goal.

    Example:
        ```python
        from leworld.evaluation import PlanAgreement

        found = PlanAgreement(
            correlation=(0.9, 0.4), errors=(0.02, 0.05), rank=0.1, contrast=0.5, num_problems=100
        )
        assert found.worst == 0.4 and found.worst_component == 1 and found.error == 0.05
        ```
    """

    correlation: tuple[float, ...]
    errors: tuple[float, ...]
    rank: float
    contrast: float
    num_problems: int

    @property
    def worst(self) -> float:
        """Correlation of the component in which plans agree least: the figure to compare models by."""
        return self.correlation[self.worst_component]

    @property
    def worst_component(self) -> int:
        """Index of the component in which plans agree least, among those that vary."""
        return int(np.nanargmin(self.correlation))

    @property
    def error(self) -> float:
        """Standard error of `worst`."""
        return self.errors[self.worst_component]


@plain_numbers
def plan_agreement(
    model: WorldModel,
    episodes: Episodes,
    *,
    planner: Planner | None = None,
    num_problems: int = 100,
    action_limits: Limits = (-1.0, 1.0),
    seed: int = 0,
) -> PlanAgreement:
    r"""Measure how well planning in the model finds what recorded episodes did. Needs no environment.

    A start and a goal are frames of an episode, the planner's horizon apart. The planner searches the way in
    the model; what its plan does in all is compared with what the episode did in all. With
    $a_p$ the sum of the episode's raw actions from start to goal of problem p, $\hat a_p$ that of the plan's,

    $$ r = \frac{\sum_p (a_p - \bar a)(\hat a_p - \bar{\hat a})}
        {\sqrt{\sum_p (a_p - \bar a)^2 \sum_p (\hat a_p - \bar{\hat a})^2}} $$

    for each component. Sums, since many ways lead to a goal in the same time, and in most worlds whose
    actions are velocities or forces they have about the same sum. A correlation, since a plan that goes the
    right way too far is put right when the policy plans again, and one that goes a wrong way is not. Compare
    models by the component that does worst (`worst`): a plan needs all of them. The figure asks for all that
    planning needs at once: goals that can be told apart, dynamics that hold over the horizon, and a landscape
    in which the search finds the minimum. A rank of the recorded plan among others' does not see the last.

    Costs one pass over the frames that the problems need and a search a problem.

    Args:
        model: A world model with its processor.
        episodes: Episodes that it was not trained on, longer than its history and the horizon.
        planner: CEM with horizon 5, 100 samples, 10 elites and 10 iterations when None.
        num_problems: Starts and goals, at least 3, spread over the episodes; fewer where there are fewer.
        action_limits: Lowest and highest raw action. Unused with choices.
        seed: Which problems are drawn, and the planner's noise.

    Raises:
        ConfigError: A model without processor, or an option out of range.
        DataError: Episodes that are too short or too few, or in which no action varies.
        NonFiniteError: Latents or costs that are NaN or infinite.

    Randomness:
        From `seed` only.

    Source:
        Defined here, and chosen among some twenty figures because it follows success over the regularizer's
        weight where others fail in one world or another: `benchmarks/results/tune_sweep.json`.

    Example:
        ```python
        import leworld
        from leworld.evaluation import plan_agreement
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        found = plan_agreement(model, task_of(model).held_out(8), num_problems=20)
        assert found.worst > 0.8
        ```
    """
    owner = "plan_agreement"
    check_number(owner, "num_problems", num_problems, low=_FEWEST, integer=True)
    check_number(owner, "seed", seed, low=0, high=2**62, integer=True)
    processor = processor_of(model, owner=owner)
    if planner is None:
        planner = _usual(processor)
    if not isinstance(planner, Planner):
        raise ConfigError(
            f"{owner} needs `planner` to be a `leworld.planners.Planner`",
            f"it is {describe(planner)}",
            "Pass for example CEMPlanner(num_samples=100, num_iterations=10)",
        )
    limits = (0.0, 1.0) if processor.action_choices is not None else action_limits
    bounds = processor.block_bounds(*limit_arrays(limits, processor.action_dim, owner=owner))
    paths = latent_paths(model, episodes, owner=owner)
    generator = np.random.default_rng(seed)
    starts = _starts(paths, model.history_size, planner.horizon, num_problems, generator, owner=owner)
    cost, blocks = _problems(model, paths, starts, planner.horizon)
    with evaluation_mode(model):
        plan = planner.plan(
            cost,
            batch=len(starts),
            action_dim=model.action_dim,
            bounds=bounds,
            generator=torch.Generator().manual_seed(seed),
        )
        with torch.no_grad():
            asked = blocks[:, None]
            costs = [cost(to_weights(model, asked)).double().cpu()]
            for _ in range(_OTHERS):
                order = torch.from_numpy(generator.permutation(len(starts)))
                costs.append(cost(to_weights(model, asked[order])).double().cpu())
    ranked = plan_rank(costs[0][:, 0], torch.cat(costs[1:], dim=1))
    done, planned = (
        processor.raw_actions(plans.float().cpu()).double().sum((1, 2)) for plans in (blocks, plan.actions)
    )
    varies = (done != done[0]).any(dim=0)
    if not bool(varies.any()):
        raise DataError(
            f"{owner} needs episodes whose actions vary",
            f"all {len(starts)} problems are solved by the same actions",
            "Pass episodes of a policy that goes different ways",
        )
    correlation, errors = _correlation(done, planned)
    return PlanAgreement(
        correlation=tuple(correlation.where(varies, torch.nan).tolist()),
        errors=tuple(errors.where(varies, torch.nan).tolist()),
        rank=ranked.rank,
        contrast=ranked.contrast,
        num_problems=len(starts),
    )


def _correlation(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return the correlation of each column, 0 where one does not vary, and its standard error.

    The error is the infinitesimal jackknife's, which asks for no distribution.
    """
    first, second = (_standardised(values) for values in (one, other))
    found = (first * second).mean(dim=0)
    influence = first * second - found * (first.square() + second.square()) / 2
    return found, influence.square().mean(dim=0).div(len(one)).sqrt()


def _standardised(values: Tensor) -> Tensor:
    """Subtract the mean and divide by the standard deviation of each column; 0 where all are equal."""
    centred = values - values.mean(dim=0)
    spread = centred.square().mean(dim=0).sqrt()
    varies = (values != values[0]).any(dim=0)
    return torch.where(varies, centred / spread.where(varies, 1.0), 0.0)


def _usual(processor: Processor) -> Planner:
    if processor.action_choices is None:
        return CEMPlanner(_HORIZON, _SAMPLES, num_elites=_ELITES, num_iterations=_ITERATIONS)
    choices = torch.eye(processor.action_choices, dtype=torch.float32, device="cpu")
    normalised = processor.action_blocks(choices)  # a choice a block: such models have a frameskip of 1
    return CategoricalCEMPlanner(
        normalised, _HORIZON, num_samples=_SAMPLES, num_elites=_ELITES, num_iterations=_ITERATIONS
    )


def _starts(
    paths: list[LatentPath],
    reach: int,
    horizon: int,
    count: int,
    generator: np.random.Generator,
    *,
    owner: str,
) -> list[tuple[int, int]]:
    """Draw (episode, first frame of a window)."""
    found = [(e, s) for e, path in enumerate(paths) for s in range(len(path) - reach - horizon + 1)]
    if len(found) < _FEWEST:
        raise DataError(
            f"{owner} needs {_FEWEST} windows of {reach} + {horizon} frames",
            f"{len(paths)} episodes hold {len(found)}",
            "Pass more or longer episodes, or a planner with a shorter horizon",
        )
    return [found[i] for i in generator.permutation(len(found))[:count]]


def _problems(
    model: WorldModel, paths: list[LatentPath], starts: list[tuple[int, int]], horizon: int
) -> tuple[GoalCost, Tensor]:
    """Return the cost of plans toward the recorded goals, and the blocks that led there."""
    reach, last = model.history_size, model.history_size - 1
    goal = to_weights(model, torch.stack([paths[e].latents[s + last + horizon] for e, s in starts]))
    blocks = torch.stack([paths[e].blocks[s + last : s + last + horizon] for e, s in starts])
    if model.carries_state:
        state = concatenate_states([paths[e].states[s + last] for e, s in starts])
        return GoalCost(model, goal, state=state), blocks
    context = to_weights(model, torch.stack([paths[e].latents[s : s + reach] for e, s in starts]))
    past = to_weights(model, torch.stack([paths[e].blocks[s : s + last] for e, s in starts]))
    return GoalCost(model, goal, context=context, past_actions=past), blocks
