"""Push-T as a gymnasium environment."""

from collections.abc import Sequence
from typing import Any, Literal, final

import numpy as np

from ..._checks import plain_numbers, require

require("gymnasium", extra="pusht", purpose="PushT")
require("pymunk", extra="pusht", purpose="PushT")
import gymnasium  # noqa: E402 -- after the check

from .._options import check_render_mode, check_seed, check_started  # noqa: E402
from ._drawing import PushTDrawing, published_drawing  # noqa: E402
from ._options import (  # noqa: E402
    action_space,
    check_choices,
    clipped,
    draw_task,
    proprio,
    read_actions,
    read_options,
)
from ._physics import PushTPhysics  # noqa: E402
from ._success import PushTSuccess, check_success  # noqa: E402


@final
@plain_numbers
class PushT(gymnasium.Env[np.ndarray, np.ndarray]):
    """Push a T-shaped block to a place and an angle, from pixels: the Push-T task of LeWorldModel.

    Reach for `PushTVector` to gather data or to evaluate. Made by `gymnasium.make("leworld/PushT-v0")` with
    episodes of at most 100 steps, or directly without that limit.

    The world is 512 x 512, x to the right and y downward. A state is 7 numbers: the agent's x and y, the
    block's x, y and angle in [0, 2 pi), and the agent's velocity. The block's place is the middle of its
    bar's outer edge.

    Observation: uint8 picture (image_size, image_size, 3), see `PushTDrawing`. The green figure in it is
    decoration and not the goal.
    Action: `Box(-1, 1, (2,), float32)`, relative: for a tenth of a second the agent is driven toward the
    point 100 times the action away from where it stands. Larger actions are carried out as they are, up to
    1e6. Neither block nor walls stop the agent; it may leave the picture.
    Reward: 1 in a step that ends at the goal by `success`, else 0. Such a step also sets `terminated`.
    Info: `state` and `goal` (float64, 7), `proprio` and `goal_proprio` (of the agent: x, y and velocity),
    `goal_pixels` (the picture of the goal).

    `reset` draws start and goal alike: agent in [50, 450), block in [100, 400), any angle, at rest; where
    agent, block or walls overlap, they are pushed apart for one sub-step. `reset(options={"state": ...,
    "goal": ...})` sets either or both, exactly.

    Args:
        image_size: Pixels per side of an observation.
        style: `"published"` or `"smooth"`, see `PushTDrawing`.
        show_goal: Whether the decoration is drawn.
        success: When a state counts as the goal; None is the published criterion, `PushTSuccess()`.
        action_choices: Pairs (x, y): the action is then the number of one of them, of the space `Discrete`.
        clip_agent: Whether the agent's target is kept inside the picture. Off, as published.
        render_mode: None, or "rgb_array": `render()` returns the published 224 x 224 picture.

    Raises:
        MissingExtraError: gymnasium or pymunk is not installed (at the import of the class).
        ConfigError: A setting or an option is out of its range, or an action beyond 1e6 either way.
        ShapeError: A state has not 7 numbers, or an action not 2.
        NonFiniteError: A state or an action is NaN or infinite.

    Numerics: float64 throughout. An episode repeats to the bit from its seed, or from its start and actions.
    One that is started again from a recorded state in the middle of a push may differ by a few hundredths of
    a unit, because contacts have a history.

    Randomness: starts and goals come from the environment's own generator, set by `reset(seed=...)`.

    Source: Chi et al., "Diffusion Policy", 2023, arXiv:2303.04137, in the form of DINO-WM (Zhou et al., 2024,
    arXiv:2411.04983) and LeWorldModel (Maes et al., 2026, arXiv:2603.19312).

    Example:
        ```python
        import numpy as np
        from leworld.envs import PushT

        env = PushT()
        start = [256, 420, 256, 256, np.pi / 4, 0, 0]
        pixels, info = env.reset(seed=0, options={"state": start, "goal": start})
        for _ in range(3):
            pixels, reward, terminated, truncated, info = env.step(np.array([0, -1], dtype=np.float32))
        assert np.allclose(info["state"][2:5], [256.91945, 251.734176, 0.733893], atol=1e-4)
        ```
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 -- as gymnasium has it

    def __init__(
        self,
        image_size: int = 64,
        *,
        style: Literal["published", "smooth"] | None = None,
        show_goal: bool = True,
        success: PushTSuccess | None = None,
        action_choices: Sequence[tuple[float, float]] | np.ndarray | None = None,
        clip_agent: bool = False,
        render_mode: str | None = None,
    ) -> None:
        check_render_mode("PushT", render_mode)
        self.drawing = PushTDrawing(image_size, style=style, show_goal=show_goal)
        self.image_size = self.drawing.image_size
        self.success = check_success("PushT", success)
        self.action_choices = check_choices("PushT", action_choices)
        self.clip_agent = bool(clip_agent)
        self.render_mode = render_mode
        self.action_space = action_space(self.action_choices)
        self.observation_space = gymnasium.spaces.Box(0, 255, (self.image_size, self.image_size, 3), np.uint8)
        self._physics = PushTPhysics()
        self._goal = self._physics.state()
        self._goal_pixels = self.drawing.paint(self._goal)
        self._started = False

    @plain_numbers
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; `options` may set `state` and `goal`."""
        given = read_options("PushT.reset", options, num_envs=None)
        check_seed("PushT.reset", seed)
        super().reset(seed=seed)
        _, self._goal = draw_task(self.np_random, self._physics, given["state"], given["goal"])
        self._goal_pixels = self.drawing.paint(self._goal)
        self._started = True
        return self._observed()

    def step(self, action: np.ndarray | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move once. `truncated` is always False here; gymnasium's time limit sets it."""
        checked = read_actions("PushT.step", action, self.action_choices, num_envs=None)
        check_started("PushT.step", self._started)
        self._physics.step(clipped(checked, self._physics.state()) if self.clip_agent else checked)
        pixels, info = self._observed()
        reached = bool(self.success.reached(info["state"], self._goal))
        return pixels, float(reached), reached, False, info

    def render(self) -> np.ndarray | None:
        """Return the published 224 x 224 picture, or None without a render mode."""
        if self.render_mode is None:
            return None
        check_started("PushT.render", self._started)
        return published_drawing(self.drawing.show_goal).paint(self._physics.state())

    def _observed(self) -> tuple[np.ndarray, dict[str, Any]]:
        state = self._physics.state()
        return self.drawing.paint(state), {
            "state": state,
            "goal": self._goal.copy(),
            "goal_pixels": self._goal_pixels.copy(),
            "proprio": proprio(state),
            "goal_proprio": proprio(self._goal),
        }
