"""Stand-ins of the shape of mujoco, dm_control and ogbench, for the tests of their adapters.

They hold the few names that the adapters use, and simple motions; pictures are drawn in numpy.
"""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from leworld.tasks.mujoco import _drawing


class MjModel:
    def __init__(self, positions: int, velocities: int) -> None:
        self.nq, self.nv = positions, velocities
        self.jnt_range = np.radians([[0.0, 0.0], [-160.0, 160.0]])
        self.materials: dict[str, Any] = {}

    @classmethod
    def from_xml_string(cls, xml: str, assets: dict[str, bytes]) -> "MjModel":
        assert (xml, assets) == ("<reacher/>", {"common": b""})
        return cls(2, 2)

    def mat(self, name: str) -> Any:
        return self.materials.setdefault(name, SimpleNamespace(rgba=np.ones(4)))


class MjData:
    def __init__(self, model: MjModel) -> None:
        self.qpos, self.qvel, self.ctrl = np.zeros(model.nq), np.zeros(model.nv), np.zeros(2)
        self.qacc_warmstart = np.zeros(model.nv)


def _step(model: MjModel, data: MjData, nstep: int) -> None:
    assert nstep == 2, "the published action repeat"
    for _ in range(nstep):
        data.qvel += 0.3 * np.clip(data.ctrl, -1, 1)
        data.qpos += 0.02 * data.qvel
    data.qacc_warmstart += 1.0


def _reset(model: MjModel, data: MjData) -> None:
    data.__init__(model)  # type: ignore[misc]


class CubeEnv:
    """An arm that carries its cube wherever it goes."""

    _arm_sampling_bounds = np.array([[0.25, -0.35, 0.2], [0.6, 0.35, 0.35]])
    _object_bounds = np.array([[0.3, -0.3, 0.02], [0.55, 0.3, 0.02]])

    def __init__(self, env_type: str, **options: Any) -> None:
        assert env_type == "single"
        assert options["mode"] == "data_collection"
        assert not options["terminate_at_goal"]
        assert not options["visualize_info"]
        self.model = MjModel(21, 20)
        self._data, self._np_random = MjData(self.model), np.random.default_rng(0)
        self.targets: dict[int, np.ndarray] = {}

    def reset(self, seed: int | None = None) -> None:
        _reset(self.model, self._data)
        self._data.qpos[14:17] = self._np_random.uniform(*self._object_bounds)
        self._data.qpos[17] = 1.0
        self.set_new_target(return_info=False)

    def set_new_target(self, return_info: bool) -> None:
        self.targets[id(self._data)] = self._np_random.uniform(*self._object_bounds)

    def step(self, action: np.ndarray) -> None:
        assert action.shape == (5,)
        self._data.qpos[:5] += 0.1 * action
        self._data.qpos[14:17] += 0.05 * action[:3]

    def compute_ob_info(self) -> dict[str, Any]:
        return {"cube": self._data.qpos[14:17].copy(), "target": self.targets[id(self._data)]}


class CubeMarkovOracle:
    def __init__(self, env: CubeEnv) -> None:
        self._done, self._step, self._max_step = True, 0, 0

    @property
    def done(self) -> bool:
        return self._done

    def select_action(self, ob: None, info: dict[str, Any]) -> np.ndarray:
        self._done = bool(np.linalg.norm(info["target"] - info["cube"]) < 0.05)
        return np.clip(np.append(10 * (info["target"] - info["cube"]), [0.0, 1.0]), -1, 1)


def _draw(self: _drawing.Drawing, data: MjData) -> np.ndarray:
    values = np.concatenate([data.qpos, data.qvel])
    waves = 127 * (1 + np.sin(3 * values[:, None] + np.arange(8)))
    rows = waves.astype(np.uint8).repeat(max(1, 224 // len(values)), axis=0)
    return np.broadcast_to(rows[:, :, None], (*rows.shape, 3)).copy()


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-ins where the adapters import from."""
    mujoco = ModuleType("mujoco")
    mujoco.__dict__.update(
        MjModel=MjModel,
        MjData=MjData,
        mj_step=_step,
        mj_resetData=_reset,
        mj_forward=lambda model, data: None,
    )
    found = {"mujoco": mujoco}
    for name, contents in {
        "dm_control.suite.reacher": {"get_model_and_assets": lambda: (b"<reacher/>", {"common": b""})},
        "ogbench.manipspace.envs.cube_env": {"CubeEnv": CubeEnv},
        "ogbench.manipspace.oracles.markov.cube_markov": {"CubeMarkovOracle": CubeMarkovOracle},
    }.items():
        parts = name.split(".")
        for size in range(1, len(parts) + 1):
            found.setdefault(".".join(parts[:size]), ModuleType(".".join(parts[:size])))
        found[name].__dict__.update(contents)
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(_drawing.Drawing, "draw", _draw)
