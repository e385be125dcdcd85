"""Whether a model's latent distance falls on the way to a goal."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..._checks import describe
from ...data import Observation
from ...errors import ConfigError
from ...metrics import GoalMonotonicity, goal_monotonicity
from ...models import WorldModel, embed, processor_of
from .._latent_paths import distance as latent_distance
from .._state_world import StateWorld
from ._goal_steps import GoalSteps


def metric_monotonicity(model: WorldModel, steps: GoalSteps, *, world: StateWorld) -> GoalMonotonicity:
    """Measure how often a small step toward a goal lowers the latent distance to it.

    The planner's cost is that distance, so this is a picture of the cost before any planning: a share near 1
    at all distances means that the goal draws from everywhere, a share falling toward one half means that the
    distance saturates and far goals look alike. Costs three encoded frames a step.

    Args:
        model: A world model with its processor.
        steps: Steps toward goals; a task's `goal_steps` draws them.
        world: Draws the frames of states; a task's `world`. If the model reads further parts, a method
            `sense(states)` of it returns them by name, as `StateTask.sense` does.

    Returns:
        The share of steps that lower the latent distance, by start distance.

    Raises:
        ConfigError: The model has no processor, or something else than steps or a world.
        NonFiniteError: The model's embeddings are NaN or infinite.

    Example:
        ```python
        from leworld.data import Processor
        from leworld.evaluation import metric_monotonicity
        from leworld.models import WorldModel
        from leworld.tasks import get_task

        class Flat(WorldModel):
            history_size, embedding_dim, action_dim = 1, 3, 10

            def _encode(self, observations):
                return 0 * observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings

            def _loss(self, batch, generator):
                raise NotImplementedError

        model, task = Flat(), get_task("tworoom")
        model.processor = Processor(16, frameskip=5, action_dim=2)
        steps = task.goal_steps(12)
        assert metric_monotonicity(model, steps, world=task.world).overall == 0.0
        ```
    """
    owner = "metric_monotonicity"
    if not isinstance(steps, GoalSteps) or not isinstance(world, StateWorld):
        raise ConfigError(
            f"{owner} needs `steps` to be GoalSteps and a `world` that can render states",
            f"`steps` is {describe(steps)} and `world` is {describe(world)}",
            "Pass what a task's `goal_steps()` returns, and its `world`",
        )
    before, after, goal = (
        _latents(model, world, states, owner=owner) for states in (steps.start, steps.after, steps.goal)
    )
    return goal_monotonicity(
        before,
        after,
        goal=goal,
        distance=torch.from_numpy(steps.distance),
        edges=steps.edges,
        measure=partial(latent_distance, model),
    )


def _latents(model: WorldModel, world: StateWorld, states: np.ndarray, *, owner: str) -> Tensor:
    """Embed what an agent senses in some states, each on its own."""
    size = processor_of(model, owner=owner).image_size
    pixels = None if size is None else np.array(world.render(states.copy(), size))
    sense = getattr(world, "sense", None)
    return embed(model, Observation(pixels, {} if sense is None else sense(states.copy())), owner=owner)
