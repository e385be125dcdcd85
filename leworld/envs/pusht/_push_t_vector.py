"""Many Push-Ts at once as one gymnasium vector environment."""

from collections.abc import Sequence
from typing import Any, Literal, final

import numpy as np

from ..._checks import plain_numbers, require

require("gymnasium", extra="pusht", purpose="PushTVector")
require("pymunk", extra="pusht", purpose="PushTVector")
from gymnasium.vector import AutoresetMode  # noqa: E402 -- after the check

from .._vector import VectorWorld  # noqa: E402
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
class PushTVector(VectorWorld):
    """`num_envs` independent `PushT`s in one process that are drawn together.

    Reach for it to gather data and to evaluate. Made by `gymnasium.make_vec("leworld/PushT-v0",
    num_envs=...)` or directly. Environment i behaves to the bit like a `PushT` reset with `seed + i`. What
    `PushT` describes gets a leading axis: observations (num_envs, image_size, image_size, 3), info `state`
    (num_envs, 7), and so on; every entry of info is valid for every environment in every step.

    `autoreset_mode` says what follows the end of an episode, in gymnasium's words; see `TwoRoomVector`.

    Args:
        num_envs: Number of environments.
        image_size: Pixels per side of an observation.
        style: `"published"` or `"smooth"`, see `PushTDrawing`.
        show_goal: Whether the decoration is drawn.
        success: When a state counts as the goal; None is the published criterion, `PushTSuccess()`.
        action_choices: Pairs (x, y): an action is then the number of one of them; the space is
            `MultiDiscrete`.
        clip_agent: Whether the agent's target is kept inside the picture.
        max_episode_steps: Steps after which an episode is truncated, or None for no limit.
        autoreset_mode: A `gymnasium.vector.AutoresetMode`, its value ("NextStep") or its name ("NEXT_STEP"),
            in any case of letters.
        render_mode: None, or "rgb_array": `render()` returns the published 224 x 224 pictures.

    Raises:
        MissingExtraError: gymnasium or pymunk is not installed (at the import of the class).
        ConfigError: A setting or an option is out of its range, or an action beyond 1e6 either way.
        ShapeError: States are not of shape (num_envs, 7), or actions not (num_envs, 2).
        NonFiniteError: A state or an action is NaN or infinite.

    Randomness: each environment has its own generator; `reset(seed=s)` seeds number i with `s + i`, and a
    sequence of seeds gives one to each.

    Source: as `PushT`.

    Example:
        ```python
        import numpy as np
        from leworld.envs import PushTVector

        envs = PushTVector(4, autoreset_mode="Disabled")
        pixels, info = envs.reset(seed=0)
        pixels, reward, terminated, truncated, info = envs.step(np.zeros((4, 2), dtype=np.float32))
        assert pixels.shape == (4, 64, 64, 3) and info["proprio"].shape == (4, 4)
        ```
    """

    def __init__(
        self,
        num_envs: int = 1,
        image_size: int = 64,
        *,
        style: Literal["published", "smooth"] | None = None,
        show_goal: bool = True,
        success: PushTSuccess | None = None,
        action_choices: Sequence[tuple[float, float]] | np.ndarray | None = None,
        clip_agent: bool = False,
        max_episode_steps: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        self.success = check_success("PushTVector", success)
        self.action_choices = check_choices("PushTVector", action_choices)
        super().__init__(
            num_envs,
            image_size,
            action_space=action_space(self.action_choices),
            blank=np.zeros(7),
            max_episode_steps=max_episode_steps,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.drawing = PushTDrawing(image_size, style=style, show_goal=show_goal)
        self.clip_agent = bool(clip_agent)
        self._physics = [PushTPhysics() for _ in range(self.num_envs)]

    @plain_numbers
    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode everywhere, or where `options["reset_mask"]` says.

        `options` may set `state` and `goal`, arrays (num_envs, 7).
        """
        return super().reset(seed=seed, options=options)

    def _read_options(self, owner: str, options: dict[str, Any] | None) -> dict[str, np.ndarray | None]:
        return read_options(owner, options, num_envs=self.num_envs)

    def _begin(self, index: int, state: np.ndarray | None, goal: np.ndarray | None) -> None:
        self._state[index], self._goal[index] = draw_task(
            self._generators[index], self._physics[index], state, goal
        )

    def _check_actions(self, actions: np.ndarray) -> np.ndarray:
        return read_actions("PushTVector.step", actions, self.action_choices, num_envs=self.num_envs)

    def _move(self, moving: np.ndarray, actions: np.ndarray) -> None:
        for index in moving:
            action, physics = actions[index], self._physics[index]
            physics.step(clipped(action, self._state[index]) if self.clip_agent else action)
            self._state[index] = physics.state()

    def _reached(self) -> np.ndarray:
        return self.success.reached(self._state, self._goal)

    def _paint(self, states: np.ndarray) -> np.ndarray:
        return self.drawing.paint(states)

    def _paint_with_goals(self) -> np.ndarray:
        return published_drawing(self.drawing.show_goal).paint(self._state)

    def _described(self) -> dict[str, np.ndarray]:
        return {"proprio": proprio(self._state), "goal_proprio": proprio(self._goal)}
