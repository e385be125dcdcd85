"""Whether a model's latent distance falls on the way to a goal."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from ..._checks import check_number
from ...envs import TwoRoomArena
from ...errors import ConfigError
from ...metrics import GoalMonotonicity, goal_monotonicity
from ...models import WorldModel
from .._encode import encode_frames
from ._pairs import distances
from ...tasks.tworoom._pairs import draw_in_rooms


def metric_monotonicity(
    model: WorldModel,
    arena: TwoRoomArena,
    *,
    num_steps: int = 2000,
    step_size: float = 5.0,
    edges: Sequence[float] = (10, 20, 40, 60, 80, 110, 150),
    seed: int = 0,
) -> GoalMonotonicity:
    """Measure how often one step straight toward a goal in the same room lowers the latent distance to it.

    The planner's cost is that distance, so this is a picture of the cost before any planning: a share near 1
    at all distances means that the goal draws from everywhere, a share falling toward one half means that the
    distance saturates and far goals look alike. Costs three encoded frames a step.

    Starts and goals are uniform in one room, given that their distance lies in a bin; every bin gets as equal
    a part of `num_steps` as possible.

    Args:
        model: A world model with its processor.
        arena: The arena that draws the frames.
        num_steps: Steps to measure, over all bins.
        step_size: Length of a step in arena units; the default is one action at full speed.
        edges: Borders of the bins of start distance, at least 1 apart, from at least `step_size` to at
            most 150.
        seed: Which starts and goals are drawn.

    Returns:
        The share of steps that lower the latent distance, by start distance.

    Raises:
        ConfigError: The model has no processor, or an option is out of range.
        NonFiniteError: The model's embeddings are NaN or infinite.

    Randomness:
        From `seed` only.

    Example:
        ```python
        from leworld.data import Processor
        from leworld.envs import TwoRoomArena
        from leworld.evaluation import metric_monotonicity
        from leworld.models import WorldModel

        class Flat(WorldModel):
            history_size, embedding_dim, action_dim = 1, 3, 2

            def _encode(self, observations):
                return 0 * observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings

            def _loss(self, batch, generator):
                raise NotImplementedError

        model = Flat()
        model.processor = Processor(16, frameskip=5, action_dim=2)
        assert metric_monotonicity(model, TwoRoomArena(), num_steps=12).overall == 0.0
        ```
    """
    owner = "metric_monotonicity"
    check_number(owner, "num_steps", num_steps, low=1, integer=True)
    check_number(owner, "step_size", step_size, low=0, open_low=True)
    check_number(owner, "seed", seed, low=0, integer=True)
    for edge in edges:
        check_number(owner, "edges", edge, low=step_size, high=150)
    borders = tuple(float(edge) for edge in edges)
    if len(borders) < 2 or any(high - low < 1 for low, high in itertools.pairwise(borders)):
        raise ConfigError(
            f"{owner} needs `edges` to hold at least two numbers that increase by 1 or more",
            f"`edges={borders}` was given",
            "Pass for example (10, 20, 40, 80)",
        )
    start, goal = _draw(arena, borders, num_steps, np.random.default_rng(seed))
    apart = distances(start, goal)
    after = (start + (goal - start) * (step_size / apart)[:, None]).astype(np.float32)
    processor = getattr(model, "processor", None)
    size = 1 if processor is None else processor.image_size  # without one, encode_frames says what is missing
    before_z, after_z, goal_z = (
        encode_frames(model, arena.render(position, size), owner=owner) for position in (start, after, goal)
    )
    return goal_monotonicity(before_z, after_z, goal=goal_z, distance=torch.from_numpy(apart), edges=borders)


def _draw(
    arena: TwoRoomArena, borders: tuple[float, ...], num_steps: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs in one room with equally many in every bin of distance."""
    quota = np.full(len(borders) - 1, num_steps // (len(borders) - 1))
    quota[: num_steps - int(quota.sum())] += 1
    kept: list[np.ndarray] = []
    while quota.sum() > 0:
        drawn = draw_in_rooms(arena, 4096, generator).reshape(-1, 2, 2)
        together = (drawn[:, 0, 0] < arena.wall) == (drawn[:, 1, 0] < arena.wall)
        bins = np.digitize(distances(drawn[:, 0], drawn[:, 1]), borders) - 1
        for index in range(len(quota)):
            found = drawn[together & (bins == index)][: quota[index]]
            quota[index] -= len(found)
            kept.append(found)
    pairs = np.concatenate(kept)
    return pairs[:, 0], pairs[:, 1]
