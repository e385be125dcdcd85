"""The paths and pictures of played episodes."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, UInt8

from ..._checks import describe
from ...errors import ShapeError


@final
@dataclass(frozen=True, eq=False)
class Recording:
    """Where one policy went on every pair, and what the first few episodes looked like.

    Attributes:
        states: States before the first and after every step, for every pair.
        frames: Pictures of the same moments, for the first few pairs.
        goal_frames: Pictures of the goals of these few pairs.

    Raises:
        ShapeError: Arrays that do not belong together.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import Recording

        recording = Recording(
            states=np.zeros((10, 51, 2), dtype=np.float32),
            frames=np.zeros((4, 51, 64, 64, 3), dtype=np.uint8),
            goal_frames=np.zeros((4, 64, 64, 3), dtype=np.uint8),
        )
        assert recording.states.shape[1] == recording.frames.shape[1]
        ```
    """

    states: Float[np.ndarray, "pair moment state"]
    frames: UInt8[np.ndarray, "recorded moment height width channel"]
    goal_frames: UInt8[np.ndarray, "recorded height width channel"]

    def __post_init__(self) -> None:
        states, frames, goals = self.states, self.frames, self.goal_frames
        fits = states.ndim == 3 and frames.ndim == 5 and goals.ndim == 4
        if not fits or frames.shape[1] != states.shape[1] or frames[:, 0].shape != goals.shape:
            raise ShapeError(
                "Recording needs states (pair, moment, state), frames (recorded, moment, height, width, "
                "channel) and goal frames (recorded, height, width, channel) that agree",
                f"they are {describe(states)}, {describe(frames)} and {describe(goals)}",
                "Take recordings from `goal_reaching`",
            )
        for name in ("states", "frames", "goal_frames"):
            object.__setattr__(self, name, getattr(self, name).copy())
