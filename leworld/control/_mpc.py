"""Plan, execute a part, look, plan again."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from .._checks import check_number, describe, plain_numbers
from .._random import fold_seed
from .._typing import Limits, shapechecked
from ..data import Observation
from ..errors import ConfigError, ShapeError
from ..models import (
    WorldModel,
    concatenate_states,
    model_input,
    processor_of,
    state_layout,
    state_rows,
    to_weights,
)
from ..nn import evaluation_mode
from ..planners import OverRanks, Planner
from ._action_limits import limit_arrays
from ._decision import Decision
from ._inverse_model import GoalConditionedInverseModel
from ._memory import Memory
from ._placement import place_cost, place_guesses
from ._policy import Policy
from ._situation import Situation, former_plan, goal_cost
from ._state_goal import Goal, goal_latents

Cost: TypeAlias = Callable[[Situation], Callable[[Tensor], Tensor]]
Proposal: TypeAlias = Callable[[Situation], Tensor | None]


@final
@plain_numbers
class MPCPolicy(Policy):
    """Receding-horizon control in the latent space of a world model, for a batch of environments.

    Every `frameskip` steps one frame enters the model's state of its environment (it is encoded once and
    never again). When an environment has no action left, the planner searches action blocks of low cost from
    there; `receding_horizon` blocks are executed before the next search. With the planner's whole horizon,
    the default and LeWM's choice, the plan runs open loop to its end.

    The planner works in normalised blocks, bounded by the action limits in the same units; what is executed
    is clipped to the limits once more. Of a model of discrete actions the most likely choice of each step is
    executed, and `act` returns its index.

    A call that raises, for example because the cost ran out of memory, leaves the policy as it was: calling
    again goes on.

    Args:
        model: Its `processor` converts observations and actions. A model in training mode is run in
            evaluation mode and left as it was.
        planner: Its `horizon` counts blocks. `OverRanks(planner)` shares the environments among processes.
        cost: Makes the cost of a search from a `Situation`; `goal_cost` unless given. Reward, constraints,
            surprise or a distance in a probe's space go here, and none of them needs a goal. It is shown
            candidates on the model's device, in its dtype, unless it has a `device` and `dtype` of its own.
        propose: Makes first guesses from a `Situation`: (env, horizon, action), or with a guess axis behind
            env, of which the first is where the search begins and all compete in its first iteration. The
            former plan unless given; an inverse model is taken as it is; None begins every search at zero.
        receding_horizon: Blocks executed before replanning, at most `planner.horizon`; None for all.
        action_limits: Lowest and highest raw action, each a number or one a component.
        bounded: Whether the search is bounded too. The released LeWM evaluation searches without bounds.
        seed: Each environment plans with its own stream made from this seed and its index, afresh at each
            `reset`, so that what one does never depends on the others.
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
            history_size, latent_shape, action_dim = 1, (1,), 1

            def _encode(self, observations):
                return observations.mean((2, 3, 4))[..., None]

            def _predict(self, latents, actions):
                return latents + actions

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
        cost: Cost = goal_cost,
        propose: Proposal | GoalConditionedInverseModel | None = former_plan,
        receding_horizon: int | None = None,
        action_limits: Limits = (-1.0, 1.0),
        bounded: bool = True,
        seed: int = 0,
        max_candidates: int | None = None,
        time_budget: float | None = None,
    ) -> None:
        processor = processor_of(model, owner="MPCPolicy")
        for name, value in (("cost", cost), ("propose", propose)):
            if not (callable(value) or (name == "propose" and value is None)):
                raise ConfigError(
                    f"MPCPolicy needs `{name}` to be a function of a Situation",
                    f"it is {describe(value)}",
                    "Pass `lambda situation: ...`, or leave it out",
                )
        if isinstance(propose, GoalConditionedInverseModel):
            propose.check_fits(model, owner="MPCPolicy")
        if receding_horizon is not None:
            fix = f"Execute between 1 and all {planner.horizon} planned blocks"
            high = planner.horizon
            check_number(
                "MPCPolicy", "receding_horizon", receding_horizon, low=1, high=high, integer=True, fix=fix
            )
        check_number("MPCPolicy", "seed", seed, low=0, integer=True)
        if max_candidates is not None:
            check_number("MPCPolicy", "max_candidates", max_candidates, low=1, integer=True)
        if time_budget is not None:
            check_number("MPCPolicy", "time_budget", time_budget, low=0, open_low=True)
        if processor.action_choices is not None:
            action_limits = (0.0, 1.0)  # one-hot
        self._low, self._high = limit_arrays(
            action_limits, processor.action_dim, owner="MPCPolicy", finite=bounded
        )
        self._bounds = processor.block_bounds(self._low, self._high) if bounded else None
        self._model = model
        self._processor = processor
        self._planner = planner
        self._cost = cost
        self._propose = propose
        self._executed_blocks = receding_horizon or planner.horizon
        self._seed = seed
        self._max_candidates = max_candidates
        self._time_budget = time_budget
        self._memories: list[Memory] | None = None  # None: one for each environment of the first observation
        self._step = 0
        self.decisions: deque[Decision] = deque(maxlen=1000)

    @shapechecked
    def reset(self, goal: Goal | None = None, *, environments: Sequence[int] | None = None) -> None:
        """Begin new episodes.

        Args:
            goal: What each environment should reach: an `Observation` of it, its latents (env, *latent) as
                the model's `encode` makes them, or a `StateGoal`. None where the cost needs no goal.
            environments: Which ones begin, one a goal, when the others go on; None for all.
        """
        latents = None
        if goal is not None:
            latents = to_weights(self._model, goal_latents("MPCPolicy.reset", goal, self._model))
        if environments is None:
            fresh = None if latents is None else [Memory(latent) for latent in latents]
            self._memories, self._step = fresh, 0
            self.decisions.clear()
            return
        indices = list(environments)
        num_goals = len(indices) if latents is None else len(latents)
        if len(indices) != num_goals or min(indices, default=0) < 0 or len(set(indices)) < len(indices):
            raise ConfigError(
                "MPCPolicy.reset needs one goal for each index in `environments`, each named once",
                f"`environments={indices}` and `goal` has env={num_goals}",
                "Pass the goals of exactly these environments",
            )
        memories = list(self._memories or ())
        if any(index >= len(memories) for index in indices):
            raise ConfigError(
                f"MPCPolicy.reset needs `environments` below {len(memories)}, their number",
                f"`environments` are {indices}",
                "Reset all environments once before resetting some",
            )
        for row, index in enumerate(indices):
            memories[index] = Memory(None if latents is None else latents[row])
        self._memories = memories

    @shapechecked
    def act(self, observation: Observation) -> np.ndarray:
        """Return the next raw action of every environment, planning for those that have none left.

        Returns:
            Float32 (env, action); for discrete actions the index of each choice, int64 (env).
        """
        memories = self._memories_for(observation)
        memories = self._observe(memories, observation)
        decisions = []
        waiting = [index for index, memory in enumerate(memories) if not memory.queue]
        kinds = {index: _kind(memories[index]) for index in waiting}
        for kind in sorted(set(kinds.values()), key=str):
            indices = [index for index in waiting if kinds[index] == kind]
            decision, planned = self._plan([memories[index] for index in indices], tuple(indices))
            decisions.append(decision)
            for index, memory in zip(indices, planned, strict=True):
                memories[index] = memory
        actions, memories = zip(*(self._next_action(memory) for memory in memories), strict=True)
        executed = np.stack(actions)
        if self._processor.action_choices is not None:
            executed = self._processor.choices(torch.from_numpy(executed)).numpy()
        self._memories, self._step = list(memories), self._step + 1
        self.decisions.extend(decisions)
        return executed

    def _memories_for(self, observation: Observation) -> list[Memory]:
        if not len(observation):
            raise ShapeError(
                "MPCPolicy.act needs an observation of at least one environment",
                "`observation` has env=0",
                "Pass one row an environment",
            )
        if self._memories is None:
            return [Memory(None) for _ in range(len(observation))]
        if len(observation) != len(self._memories):
            raise ShapeError(
                f"MPCPolicy.act needs an observation of the {len(self._memories)} environments it was reset "
                "for",
                f"`observation` has env={len(observation)}",
                "Call `reset(goal)` with one goal an environment first",
            )
        return list(self._memories)

    @torch.no_grad()
    def _observe(self, memories: list[Memory], observation: Observation) -> list[Memory]:
        """Take the frame into the states of those environments that have executed a whole block."""
        seeing = [index for index, memory in enumerate(memories) if memory.at_frame]
        if not seeing:
            return memories
        seen = model_input(self._model, observation.at(seeing))
        groups: dict[object, list[int]] = {}
        for row, index in enumerate(seeing):
            groups.setdefault(_layout(memories[index].state), []).append(row)
        memories = list(memories)
        for rows in groups.values():
            group = [memories[seeing[row]] for row in rows]
            blocks = [memory.block for memory in group if memory.block is not None]
            state = concatenate_states([memory.state for memory in group]) if blocks else None
            with evaluation_mode(self._model):
                past = to_weights(self._model, torch.stack(blocks)) if blocks else None
                state = self._model.observe(state, seen.at(rows), past)
            for place, (row, memory) in enumerate(zip(rows, group, strict=True)):
                before = None if memory.block is None else (memory.state, memory.block)
                own = state_rows(state, slice(place, place + 1))
                memories[seeing[row]] = replace(memory, state=own, before=before, block=None)
        return memories

    def _plan(self, memories: list[Memory], indices: tuple[int, ...]) -> tuple[Decision, list[Memory]]:
        started = time.perf_counter()
        seeds = [
            fold_seed(self._seed, index, memory.num_plans)
            for index, memory in zip(indices, memories, strict=True)
        ]
        bounds = None if self._bounds is None else (self._bounds[0].clone(), self._bounds[1].clone())
        over = self._planner if isinstance(self._planner, OverRanks) else None
        rows = slice(0, len(memories)) if over is None else over.rows(len(memories))
        mine, numbers, plan = memories[rows], indices[rows], None
        with evaluation_mode(self._model):  # a situation each, so that none can change what another sees
            latents = self._situation(memories, indices).latents
            if mine:
                plan = self._planner.plan(
                    place_cost(self._cost(self._situation(mine, numbers)), self._model),
                    batch=len(mine),
                    action_dim=self._processor.block_dim,
                    init=self._proposed(mine, numbers),
                    bounds=bounds,
                    generator=[torch.Generator().manual_seed(seed) for seed in seeds[rows]],
                    max_candidates=self._max_candidates,
                    time_budget=self._time_budget,
                )
        if over is not None:
            plan = over.gather(plan)
        if plan is None:
            raise RuntimeError("unreachable: some environment waits for a plan")
        surprise = self._surprise(memories, latents)
        queued = plan.actions[:, : self._executed_blocks].float().cpu()
        actions = self._processor.raw_actions(queued).flatten(1, 2)
        if self._processor.action_choices is not None:
            actions = self._processor.one_hot(self._processor.choices(actions))
        raw = actions.numpy().clip(self._low, self._high)
        elites = [None] * len(memories) if plan.elites is None else list(plan.elites)
        planned = [
            memory.planned(actions, row, kept, self._executed_blocks)
            for memory, actions, row, kept in zip(memories, raw, plan.actions, elites, strict=True)
        ]
        milliseconds = 1e3 * (time.perf_counter() - started)
        return Decision(self._step, indices, plan, milliseconds, surprise), planned

    @torch.no_grad()
    def _situation(self, memories: list[Memory], indices: tuple[int, ...]) -> Situation:
        state = concatenate_states([memory.state for memory in memories])
        goals = [memory.goal for memory in memories if memory.goal is not None]
        kept = [memory.guesses for memory in memories if memory.guesses is not None]
        former = None
        if kept:  # equally many in all of them, or none yet
            empty = torch.zeros_like(kept[0])
            former = torch.stack([empty if memory.guesses is None else memory.guesses for memory in memories])
        return Situation(
            model=self._model,
            state=state,
            latents=self._model.present(state),
            goal=torch.stack(goals) if len(goals) == len(memories) else None,
            horizon=self._planner.horizon,
            former=former,
            environments=indices,
            num_plans=tuple(memory.num_plans for memory in memories),
        )

    @torch.no_grad()
    def _proposed(self, memories: list[Memory], indices: tuple[int, ...]) -> Tensor | None:
        if self._propose is None:
            return None
        situation = self._situation(memories, indices)
        if isinstance(self._propose, GoalConditionedInverseModel):
            return self._propose.propose(situation.goal_cost(), situation.horizon)
        return place_guesses(self._propose(situation), self._model)

    @torch.no_grad()
    def _surprise(self, memories: list[Memory], latents: Tensor) -> Tensor:
        """Return how far the newest latents lie from what the model predicted one block earlier."""
        before = [memory.before for memory in memories if memory.before is not None]
        if len(before) < len(memories):
            return latents.new_full((len(memories),), torch.nan)
        state = concatenate_states([past for past, _ in before])
        blocks = to_weights(self._model, torch.stack([block for _, block in before]))
        with evaluation_mode(self._model):
            predicted = self._model.imagine(state, blocks[:, None, None])[:, 0, 0]
        return self._model.latent_distance(predicted, latents).clone()

    def _next_action(self, memory: Memory) -> tuple[np.ndarray, Memory]:
        action, executed = memory.queue[0], (*memory.executed, memory.queue[0])
        block = memory.block
        if len(executed) == self._processor.frameskip:
            block = self._processor.action_blocks(torch.from_numpy(np.stack(executed)))[0]
            executed = ()
        return action, replace(memory, queue=memory.queue[1:], executed=executed, block=block)


def _kind(memory: Memory) -> tuple[object, ...]:
    """What environments must share to be planned for in one call."""
    before = None if memory.before is None else memory.before[0]
    kept = 1 if memory.guesses is None else len(memory.guesses)
    return _layout(memory.state), _layout(before), kept


def _layout(state: object | None) -> tuple[object, ...]:
    return () if state is None else state_layout(state)
