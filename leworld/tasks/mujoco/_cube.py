"""OGBench's Cube: a robot arm moves one cube."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, final

import numpy as np

from ..._checks import plain_numbers
from ...evaluation import Quantity, StateRadius
from .._environments._task import EnvironmentTask
from .._registry import register
from .._task import CollectingPolicy
from ._drawing import Drawing, require_quietly
from ._simulation import ACCESS, PICTURE_SIZE, Simulation

_PURPOSE = "The task `cube`"
_CUBE = (14, 15, 16)  # its position in the state, after six joints of the arm and eight of the gripper
_GRIPPER = (
    "ur5e/robotiq/black",
    "ur5e/robotiq/pad_gray",
)  # materials that the published pictures have purple
_NOISE = np.array([1.0, 1.0, 1.0, 3.0, 10.0])


@final
class CubeTask(EnvironmentTask):
    """Move the cube of OGBench's `cube-single` to a place with a robot arm: the world of `lewm-cube`.

    A state is 21 positions and 20 velocities of arm, gripper and cube, an action five relative motions in -1
    to 1: x, y and z (5 cm each), yaw (0.3 rad) and gripper. A goal is reached with the cube within 4 cm, the
    published criterion. Pictures are drawn at 224 pixels from the published camera, without a mark at the
    goal, and made smaller where another size is asked for. Data are gathered by OGBench's own closed-loop
    expert with noise, which picks the cube up and puts it down at one random place after the other. Needs the
    extra `mujoco`, and EGL or OSMesa for pictures.

    Raises:
        MissingExtraError: ogbench or MuJoCo is not installed, or nothing draws (when environments are made).

    Source: Park et al., OGBench, 2025, arXiv 2410.20092, as `swm/OGBCube-v0` of stable-worldmodel shows it.
        Differences: goals go on after they are reached, and after every action the arm's pose is computed
        anew, where the original acts upon and shows one that is 2 ms old.

    Example:
        ```python
        import numpy as np
        from leworld.tasks import CubeTask

        state, goal = np.zeros((2, 41))
        goal[15] = 0.03
        assert CubeTask().reached(state, goal) and CubeTask().distance(state, goal) == 0.03
        ```
    """

    name = "cube"
    environment_id = "swm/OGBCube-v0"
    action_dim = 5
    episode_steps = 200
    success = StateRadius(0.04, _CUBE, distance_unit="m")
    success_words = "with the cube within 4 cm of the goal's"
    distance_unit = "m"
    access = ACCESS

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """Joints of the arm, the gripper's opening, and where the cube is and how it is turned."""
        return {
            "arm": Quantity("state", tuple(range(6))),
            "gripper": Quantity("state", (6,)),
            "cube position": Quantity("state", _CUBE),
            "cube orientation": Quantity("state", (17, 18, 19, 20), "quaternion"),
        }

    @plain_numbers
    def make_one(self, index: int) -> "_Cube":
        """Make one arm with its cube."""
        return _Cube(*self._shared)

    def hint(self, env: "_Cube") -> dict[str, np.ndarray]:
        """What the expert would do now."""
        return {"expert": env.expert_action()}

    def collecting_policy(self) -> CollectingPolicy:
        """OGBench's expert with noise."""
        return _follow_expert

    @cached_property
    def _shared(self) -> tuple[Any, Drawing]:
        cubes = require_quietly("ogbench.manipspace.envs.cube_env", _PURPOSE)
        world = cubes.CubeEnv(
            "single",
            ob_type="states",
            mode="data_collection",
            visualize_info=False,
            terminate_at_goal=False,
            width=PICTURE_SIZE,
            height=PICTURE_SIZE,
        )
        world.reset(seed=0)
        for material in _GRIPPER:
            world.model.mat(material).rgba[:3] = (0.61, 0.28, 0.82)
        return world, Drawing(world.model, "front_pixels", PICTURE_SIZE)


class _Cube(Simulation):
    """One arm with its cube. OGBench's environment is compiled once and lent the data of each copy."""

    metadata = {"render_fps": 20}  # noqa: RUF012 -- as gymnasium has it

    def __init__(self, world: Any, drawing: Drawing) -> None:
        super().__init__(world.model, drawing, _PURPOSE)
        self._world = world
        oracles = require_quietly("ogbench.manipspace.oracles.markov.cube_markov", _PURPOSE)
        self._expert = oracles.CubeMarkovOracle(env=world)
        self._generator = np.random.default_rng()
        self._noise = 0.0

    def reset(self, *, seed: int | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw where arm and cube are, and where the expert is to put the cube."""
        if seed is not None:
            self._generator = np.random.default_rng(seed)
        self._lend().reset()
        self._noise = self._generator.uniform(0.0, 0.1)
        self._set_out()
        self.set_state(self.get_state())
        return self.get_state(), {}

    def act(self, action: np.ndarray) -> None:
        """Move the effector relative to where it is, as OGBench does."""
        self._lend().step(action)

    def expert_action(self) -> np.ndarray:
        """Return what OGBench's expert does now, with noise, and choose its next errand where one is done."""
        world = self._lend()
        action = self._expert.select_action(None, world.compute_ob_info())
        if self._expert.done:
            world.set_new_target(return_info=False)
            self._set_out()
        return np.clip(action + self._noise * _NOISE * self._generator.normal(size=5), -1.0, 1.0)

    def _lend(self) -> Any:
        """Let OGBench's environment work on this copy, and draw its random numbers."""
        self._world._data, self._world._np_random = self.data, self._generator
        return self._world

    def _set_out(self) -> None:
        """Start an errand of the expert's; its own `reset` would draw from numpy's global generator."""
        expert = self._expert
        expert._done, expert._step, expert._max_step = False, 0, 200
        expert._final_pos = self._generator.uniform(*self._world._arm_sampling_bounds)
        expert._final_yaw = self._generator.uniform(-np.pi, np.pi)


def _follow_expert(info: Mapping[str, Any]) -> np.ndarray:
    return np.asarray(info["expert"], np.float32)


register(CubeTask())
