"""Plan, execute a part, look, plan again."""

import time
from collections import deque
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number
from .._random import fold_seed
from .._typing import shapechecked
from ..costs import GoalCost, evaluation_mode
from ..data import Observation
from ..errors import ConfigError, ShapeError
from ..models import WorldModel
from ..planners import Planner
from ._box import action_box
from ._decision import Decision
from ._eyes import encode_frames, processor_of, with_weights
from ._inverse_model import GoalConditionedInverseModel
from ._inverse_policy import check_fits
from ._lane import Lane
from ._policy import Policy
from ._state_goal import Goal, goal_embeddings

Limit = float | Sequence[float] | np.ndarray


@final
class MPCPolicy(Policy):
    """Receding-horizon control in the latent space of a world model, for a batch of environments.

    Every `frameskip` steps one frame enters the history (it is encoded once and never again). When an
    environment has no action left, the planner searches action blocks that bring the prediction to the goal
    embedding, starting from the last real frames (at most `model.history_size`) and the blocks executed
    between them; `receding_horizon` blocks are executed before the next search. With the planner's whole
    horizon, the default and LeWM's choice, the plan runs open loop to its end.

    The planner works in normalised blocks, bounded by the action box in the same units; what is executed is
    clipped to the box once more.

    Args:
        model: Its `processor` converts pixels and actions. A model in training mode is run in evaluation mode
            and left as it was.
        planner: Its `horizon` counts blocks.
        receding_horizon: Blocks executed before replanning, at most `planner.horizon`; None for all.
        action_low: Lower limit of raw actions, a number or one a component.
        action_high: Upper limit.
        bounded: Whether the search is bounded too. The released LeWM evaluation searches without bounds.
        seed: Each environment plans with its own stream made from this seed and its index, afresh at each
            `reset`, so that what one does never depends on the others.
        warm_start: Whether a search starts from the former plan, shifted by the executed blocks and continued
            with zeros; an `ICEMPlanner`'s elites are kept and shifted with it. It makes no difference when
            whole plans are executed. An inverse model proposes the start of every search instead.
        max_candidates: Most candidates in one call of the cost, over all environments; bounds the memory.
        time_budget: Seconds for one planning call, see `leworld.planners.plan`. One `act` makes one such call
            for each group of environments with equally long histories.

    Attributes:
        decisions: One record for each planning call since the last full `reset`, at most the last 1000.

    Raises:
        ConfigError: If the model has no processor, its processor no action statistics, or a setting is out of
            range.
        ShapeError: If an observation does not fit the environments that `reset` was called for.

    Source:
        Maes et al., "LeWorldModel", 2026, App. D: horizon 5, 5 executed, frameskip 5.

    Example:
        ```python
        import numpy as np
        import torch
        from leworld.control import MPCPolicy
        from leworld.data import Observation, Processor
        from leworld.models import WorldModel
        from leworld.planners import CEMPlanner

        class Brightness(WorldModel):  # the frame's mean is the state, an action adds to it
            history_size, embedding_dim, action_dim = 1, 1, 1

            def _encode(self, observations):
                return observations.mean((2, 3, 4))[..., None]

            def _predict(self, embeddings, actions):
                return embeddings + actions

            def _loss(self, batch, generator):
                raise NotImplementedError

        model = Brightness()
        model.processor = Processor(8, frameskip=1, action_dim=1, action_mean=(0.0,), action_std=(1.0,))
        policy = MPCPolicy(model, CEMPlanner(horizon=1))
        policy.reset(Observation(np.full((1, 8, 8, 3), 255, np.uint8)))
        action = policy.act(Observation(np.full((1, 8, 8, 3), 255, np.uint8)))
        assert abs(action.item()) < 0.01
        ```
    """

    def __init__(
        self,
        model: WorldModel,
        planner: Planner,
        *,
        receding_horizon: int | None = None,
        action_low: Limit = -1.0,
        action_high: Limit = 1.0,
        bounded: bool = True,
        seed: int = 0,
        warm_start: bool | GoalConditionedInverseModel = True,
        max_candidates: int | None = None,
        time_budget: float | None = None,
    ) -> None:
        processor = processor_of("MPCPolicy", model)
        if isinstance(warm_start, GoalConditionedInverseModel):
            check_fits("MPCPolicy", model, warm_start)
        if receding_horizon is not None:
            fix = f"Execute between 1 and all {planner.horizon} planned blocks"
            check_number(
                "MPCPolicy",
                "receding_horizon",
                receding_horizon,
                low=1,
                high=planner.horizon,
                integer=True,
                fix=fix,
            )
        check_number("MPCPolicy", "seed", seed, low=0, integer=True)
        if max_candidates is not None:
            check_number("MPCPolicy", "max_candidates", max_candidates, low=1, integer=True)
        if time_budget is not None:
            check_number("MPCPolicy", "time_budget", time_budget, low=0, open_low=True)
        self._low, self._high = action_box(
            "MPCPolicy", action_low, action_high, processor.action_dim, finite=bounded
        )
        self._bounds = processor.block_bounds(self._low, self._high) if bounded else None
        self._model = model
        self._processor = processor
        self._planner = planner
        self._executed_blocks = receding_horizon or planner.horizon
        self._seed = seed
        self._warm_start = warm_start
        self._max_candidates = max_candidates
        self._time_budget = time_budget
        self._lanes: list[Lane] = []
        self._step = 0
        self.decisions: deque[Decision] = deque(maxlen=1000)

    @shapechecked
    def reset(self, goal: Goal, *, environments: Sequence[int] | None = None) -> None:
        """Begin new episodes.

        Args:
            goal: What each environment should reach: an `Observation` of it, its embeddings (env, dim) as the
                model's `encode` makes them, or a `StateGoal`.
            environments: Which ones begin, one a goal, when the others go on; None for all.
        """
        embeddings = goal_embeddings("MPCPolicy.reset", goal, self._encode, self._model.embedding_dim)
        embeddings = with_weights(self._model, embeddings)
        indices = list(range(len(goal))) if environments is None else list(environments)
        if len(indices) != len(goal) or min(indices, default=0) < 0:
            raise ConfigError(
                "MPCPolicy.reset needs one goal for each index in `environments`",
                f"`environments={indices}` and `goal` has env={len(goal)}",
                "Pass the goals of exactly these environments",
            )
        if environments is not None and any(index >= len(self._lanes) for index in indices):
            raise ConfigError(
                f"MPCPolicy.reset needs `environments` below {len(self._lanes)}, their number",
                f"`environments` are {indices}",
                "Reset all environments once before resetting some",
            )
        if environments is None:
            self._lanes, self._step = [], 0
            self.decisions.clear()
        for index, embedding in zip(indices, embeddings, strict=True):
            lane = Lane(embedding, torch.Generator().manual_seed(fold_seed(self._seed, index)))
            self._lanes[index : index + 1] = [lane]

    @shapechecked
    def act(self, observation: Observation) -> Float[np.ndarray, "env action"]:
        """Return the next raw action of every environment, planning for those that have none left."""
        self._check_count(observation)
        seeing = [index for index, lane in enumerate(self._lanes) if lane.at_frame]
        if seeing:
            for index, embedding in zip(seeing, self._encode(observation.pixels[seeing]), strict=True):
                self._lanes[index].see(embedding, self._model.history_size)
        waiting = [index for index, lane in enumerate(self._lanes) if not lane.queue]
        kinds = {index: _kind(self._lanes[index]) for index in waiting}
        for kind in sorted(set(kinds.values())):
            self._replan([index for index in waiting if kinds[index] == kind])
        self._step += 1
        return np.stack([self._next_action(lane) for lane in self._lanes])

    def _check_count(self, observation: Observation) -> None:
        if len(observation) != len(self._lanes):
            raise ShapeError(
                f"MPCPolicy.act needs an observation of the {len(self._lanes)} environments it was reset for",
                f"`observation.pixels` has env={len(observation)}",
                "Call `reset(goal)` with one goal an environment first",
            )

    def _encode(self, pixels: np.ndarray) -> Tensor:
        return encode_frames(self._model, self._processor, pixels)

    def _replan(self, indices: list[int]) -> None:
        started = time.perf_counter()
        lanes = [self._lanes[index] for index in indices]
        context = torch.stack([torch.stack(lane.frames) for lane in lanes])
        past = None
        if context.shape[1] > 1:
            past = torch.stack([torch.stack(lane.blocks) for lane in lanes]).to(context)
        goal = torch.stack([lane.goal for lane in lanes])
        cost = GoalCost(self._model, goal, context=context, past_actions=past)
        plan = self._planner.plan(
            cost,
            batch=len(lanes),
            action_dim=self._processor.block_dim,
            init=self._first_guess(lanes, cost),
            bounds=self._bounds,
            generator=[lane.generator for lane in lanes],
            max_candidates=self._max_candidates,
            time_budget=self._time_budget,
        )
        surprise = self._surprise(lanes)
        queued = plan.actions[:, : self._executed_blocks].float().cpu()
        raw = self._processor.raw_actions(queued).flatten(1, 2).numpy().clip(self._low, self._high)
        elites = [None] * len(lanes) if plan.elites is None else list(plan.elites)
        for lane, actions, row, kept in zip(lanes, raw, plan.actions, elites, strict=True):
            lane.queue = list(actions)
            lane.advance(row, kept, self._executed_blocks)
        milliseconds = 1e3 * (time.perf_counter() - started)
        self.decisions.append(Decision(self._step, tuple(indices), plan, milliseconds, surprise))

    @torch.no_grad()
    def _surprise(self, lanes: list[Lane]) -> Tensor:
        before = [lane.before for lane in lanes]
        past = [history for history in before if history is not None]
        newest = torch.stack([lane.frames[-1] for lane in lanes])
        if len(past) < len(lanes):
            return newest.new_full((len(lanes),), torch.nan)
        frames = torch.stack([torch.stack(history[0]) for history in past])
        blocks = torch.stack([torch.stack(history[1]) for history in past]).to(frames)
        with evaluation_mode(self._model):
            predicted = self._model.predict(frames, blocks)[:, -1]
        return (predicted - newest).float().square().sum(-1)

    def _first_guess(self, lanes: list[Lane], cost: GoalCost) -> Tensor | None:
        if isinstance(self._warm_start, GoalConditionedInverseModel):
            return self._warm_start.propose(cost, self._planner.horizon)
        if not self._warm_start or all(lane.plan is None for lane in lanes):
            return None
        empty = cost.context.new_zeros((self._planner.horizon, self._processor.block_dim))
        plans = torch.stack([empty if lane.plan is None else lane.plan for lane in lanes])
        elites = [lane.elites for lane in lanes if lane.elites is not None]
        if len(elites) < len(lanes):
            return plans
        return torch.cat((plans.unsqueeze(1), torch.stack(elites)), dim=1)

    def _next_action(self, lane: Lane) -> np.ndarray:
        action = lane.queue.pop(0)
        lane.current.append(action)
        if len(lane.current) == self._processor.frameskip:
            executed = torch.from_numpy(np.stack(lane.current))
            lane.blocks.append(self._processor.action_blocks(executed)[0])
            lane.current = []
        return action


def _kind(lane: Lane) -> tuple[int, int, bool]:
    """What environments must share to be planned for in one call."""
    earlier = 0 if lane.before is None else len(lane.before[0])
    return len(lane.frames), earlier, lane.elites is not None
