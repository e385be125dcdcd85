"""Reacher: two links that turn to a configuration."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, final

import numpy as np

from ..._checks import check_choice, plain_numbers, require
from ...evaluation import Quantity, StateRadius
from .._environments._task import EnvironmentTask
from .._registry import register
from ._drawing import EXTRA, Drawing, require_quietly
from ._simulation import ACCESS, PICTURE_SIZE, Simulation

_PURPOSE = "The task `reacher`"
_SHOULDER, _WRIST = 0, 1
_CRITERIA = {"wrapped": (_SHOULDER,), "published": ()}


@final
class ReacherTask(EnvironmentTask):
    """Turn dm_control's Reacher to a configuration of its two joints: the world of `lewm-reacher`.

    A state is shoulder and wrist in radians, and their velocities; an action is two torques, applied for two
    steps of 0.02 s. Pictures are drawn at 224 pixels, without the target that dm_control puts into the arena,
    and made smaller where another size is asked for. Data are gathered by smooth random actions. Needs the
    extra `mujoco`, and EGL or OSMesa for pictures.

    Args:
        criterion: "wrapped": both joints within 0.05 rad of the goal's, the shoulder, which turns freely, the
            short way round. "published": the shoulder's whole turns count, as in the published evaluation,
            which thereby refuses equal poses.

    Raises:
        MissingExtraError: dm_control or MuJoCo is not installed, or nothing draws (when environments are
            made).
        ConfigError: Another criterion.

    Source: the task `qpos_match` of stable-worldmodel's `swm/ReacherDMControl-v0` on Tassa et al., DeepMind
        Control Suite, 2018, arXiv 1801.00690. Differences: there the default criterion is the published one.

    Example:
        ```python
        import numpy as np
        from leworld.tasks import ReacherTask

        turned = np.array([[2 * np.pi, 0.0, 0.0, 0.0]]), np.zeros((1, 4))
        assert ReacherTask().reached(*turned).all()
        assert not ReacherTask("published").reached(*turned).any()
        ```
    """

    name = "reacher"
    environment_id = "swm/ReacherDMControl-v0"
    action_dim = 2
    episode_steps = 200
    access = ACCESS

    def __init__(self, criterion: Literal["wrapped", "published"] = "wrapped") -> None:
        check_choice("ReacherTask", "criterion", criterion, _CRITERIA)
        self.success = StateRadius(
            0.05, (_SHOULDER, _WRIST), _CRITERIA[criterion], norm="largest", distance_unit="rad"
        )
        self.success_words, self.distance_unit = self.success.success_words, "rad"

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """Both joints, and how fast they turn."""
        return {
            "shoulder": Quantity("state", (_SHOULDER,), "angle"),
            "wrist": Quantity("state", (_WRIST,), "angle"),
            "velocities": Quantity("state", (2, 3)),
        }

    @plain_numbers
    def make_one(self, index: int) -> "_Reacher":
        """Make one arm."""
        return _Reacher(*self._shared, _PURPOSE)

    @cached_property
    def _shared(self) -> tuple[Any, Drawing]:
        mujoco = require("mujoco", extra=EXTRA, purpose=_PURPOSE)
        suite = require_quietly("dm_control.suite.reacher", _PURPOSE)
        xml, assets = suite.get_model_and_assets()
        model = mujoco.MjModel.from_xml_string(xml.decode() if isinstance(xml, bytes) else xml, assets)
        model.mat("target").rgba[3] = 0.0
        return model, Drawing(model, "fixed", PICTURE_SIZE)


class _Reacher(Simulation):
    """One arm; episodes start anywhere within the joints' limits, at rest."""

    metadata = {"render_fps": 25}  # noqa: RUF012 -- as gymnasium has it

    def reset(self, *, seed: int | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw both joints, as dm_control does."""
        if seed is not None or not hasattr(self, "_generator"):
            self._generator = np.random.default_rng(seed)
        low, high = self.model.jnt_range[_WRIST]
        self.mujoco.mj_resetData(self.model, self.data)
        joints = self._generator.uniform((-np.pi, low), (np.pi, high))
        self.set_state(np.array([*joints, 0.0, 0.0]))
        return self.get_state(), {}

    def act(self, action: np.ndarray) -> None:
        """Apply the torques for two steps, the published action repeat."""
        self.data.ctrl[:] = action
        self.mujoco.mj_step(self.model, self.data, nstep=2)


register(ReacherTask())
