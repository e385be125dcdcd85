"""Sub-goals from recorded episodes, for goals that lie farther away than a plan reaches."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .._checks import check_number, describe, plain_numbers
from .._typing import shapechecked
from ..data import Episodes
from ..errors import ConfigError
from ..models import WorldModel, processor_of, to_weights
from ._recorded_graph import recorded_graph
from ._situation import Situation, goal_cost


@final
@dataclass(frozen=True, eq=False)
class Subgoals:
    """What to aim at on the way to some goals.

    Attributes:
        latents: What to aim at: the goal itself where it is within reach, or where no recorded way leads to
            it.
        frame: Number of the recorded frame that is aimed at, -1 for the goal itself.
        blocks: Estimated blocks from here to the goal; infinite where no recorded way leads to it.

    Example:
        ```python
        import torch
        from leworld.control import Subgoals

        found = Subgoals(torch.zeros(1, 4), torch.tensor([-1]), torch.tensor([2.5]))
        assert int(found.frame) == -1  # the goal itself
        ```
    """

    latents: Float[Tensor, " env *latent"]
    frame: Int[Tensor, " env"]
    blocks: Float[Tensor, " env"]


@final
@plain_numbers
class RecordedSubgoals:
    r"""Aims at recorded frames on the way to a goal that is farther away than a plan reaches.

    Reach for it where goals lie several plans away, or behind something that a distance of latents does not
    see, such as a wall: `MPCPolicy(model, planner, cost=RecordedSubgoals(model, episodes))`. Nothing is
    trained; the episodes that the model was trained on will do.

    Recorded frames, a frameskip apart, become the nodes of a graph. Each leads to the next of its episode, at
    the cost of one block of actions, and to those of its nearest neighbours that look alike. With d the
    root of the model's distance and u its median over consecutive recorded frames, those cost

    $$ b(z, z') = d(z, z') / u $$

    blocks, and are alike if that is below 1: what is farther off may be near and still out of reach. Before
    each search the shortest way from the present latent to the goal's is looked up, and the planner aims at
    its last frame that is at most `reach` blocks away. A goal that is within reach is aimed at itself, and so
    is one to which no recorded way leads: then this is plain planning.

    Costs: one pass over the frames and their distances from one another when it is made, for each search a
    pass or so over the graph for every block of the way. 5000 frames take about 2 and 0.1 seconds.

    Args:
        model: The policy's model. One that carries a state from frame to frame is refused.
        episodes: Recorded episodes of its world, with the parts that its processor names.
        neighbours: Frames that look alike that each leads to, at most.
        reach: Blocks within which a frame or the goal is aimed at; the planner's horizon when None.
        max_frames: Recorded frames to use, a frameskip apart, from the first episodes on.
        cost: Makes the cost of a search from the situation, in which the sub-goals stand for the goals.

    Raises:
        ConfigError: A model without processor or one that carries a state, or an option out of range.
        DataError: Too few frames, or episodes in which nothing moves.
        NonFiniteError: Latents that are NaN or infinite.

    Source:
        Planning over what was seen before is that of Eysenbach, Salakhutdinov and Levine, Search on the
        Replay Buffer, 2019 (arXiv 1906.05253), with a learnt distance. Here the distance is that of the
        world model's latents in units of one block, and nothing is learnt.

    Example:
        ```python
        import torch
        import leworld
        from leworld.control import MPCPolicy, RecordedSubgoals
        from leworld.planners import CEMPlanner
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        seen = task_of(model).collect(10)
        subgoals = RecordedSubgoals(model, seen, neighbours=5)
        policy = MPCPolicy(model, CEMPlanner(num_samples=20, num_iterations=2), cost=subgoals)
        here = subgoals.frames[:1]
        found = subgoals.toward(here, here, reach=5)
        assert found.frame.tolist() == [-1]  # the goal is where we are
        ```
    """

    def __init__(
        self,
        model: WorldModel,
        episodes: Episodes,
        *,
        neighbours: int = 10,
        reach: float | None = None,
        max_frames: int = 5000,
        cost: Callable[[Situation], Callable[[Tensor], Tensor]] = goal_cost,
    ) -> None:
        owner = "RecordedSubgoals"
        processor_of(model, owner=owner)
        if model.carries_state:
            raise ConfigError(
                f"{owner} needs a model that embeds a frame on its own",
                f"{type(model).__name__} carries a state from frame to frame",
                "Plan without sub-goals, or with a windowed model",
            )
        if not isinstance(episodes, Episodes):
            raise ConfigError(
                f"{owner} needs `episodes` to be `leworld.data.Episodes`",
                f"it is {describe(episodes)}",
                "Read a recording with `read_hdf5`, or collect with a task",
            )
        if not callable(cost):
            raise ConfigError(
                f"{owner} needs `cost` to be a function of a Situation",
                f"it is {describe(cost)}",
                "Pass `lambda situation: ...`, or leave it out",
            )
        check_number(owner, "neighbours", neighbours, low=1, integer=True)
        check_number(owner, "max_frames", max_frames, low=2, integer=True)
        if reach is not None:
            check_number(owner, "reach", reach, low=1.0)
        self._graph = recorded_graph(
            model, episodes, neighbours=neighbours, max_frames=max_frames, owner=owner
        )
        self._model = model
        self._reach = reach
        self._cost = cost

    @property
    def frames(self) -> Float[Tensor, " frame *latent"]:
        """Latents of the recorded frames, by their numbers; a copy."""
        return self._graph.frames.clone()

    def __call__(self, situation: Situation) -> Callable[[Tensor], Tensor]:
        """Return the cost of a search that aims at sub-goals."""
        if situation.goal is None:
            return self._cost(situation)  # which says what it needs
        reach = situation.horizon if self._reach is None else self._reach
        aims = self.toward(situation.latents, situation.goal, reach=reach)
        return self._cost(replace(situation, goal=to_weights(self._model, aims.latents)))

    @torch.no_grad()
    @shapechecked
    def toward(
        self, latents: Float[Tensor, " env *latent"], goal: Float[Tensor, " env *latent"], *, reach: float
    ) -> Subgoals:
        """Return what to aim at from some latents on the way to goals.

        Args:
            latents: Where each environment is.
            goal: Where it shall be.
            reach: Blocks within which something is aimed at.
        """
        check_number("RecordedSubgoals.toward", "reach", reach, low=1.0)
        graph, here, there = self._graph, latents.float().cpu(), goal.float().cpu()
        left, following = graph.ways(graph.near(there))
        entering = graph.near(here)
        blocks, first = (entering + left).min(dim=1)
        aims, frames = there.clone(), torch.full((len(here),), -1, dtype=torch.int64, device="cpu")
        for row in range(len(here)):
            if not reach < blocks[row] < torch.inf:
                continue
            now = int(first[row])
            while True:
                further = int(following[row, now])
                if further == now or blocks[row] - left[row, further] > reach:
                    break
                now = further
            aims[row], frames[row] = graph.frames[now], now
        return Subgoals(aims.to(goal), frames, blocks)
