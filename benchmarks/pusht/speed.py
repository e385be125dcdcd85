"""Steps and pictures of Push-T a second, beside gym-pusht where that is installed.

    python -m benchmarks.pusht.speed

One thread, CPU time, all in turn in one process. gym-pusht (`pip install gym-pusht "pymunk<7"`) draws with
pygame and OpenCV; its step measures the coverage of its goal as well. `processes` is gymnasium's
`AsyncVectorEnv` of single environments, timed by the CPU time of its processes together.
"""

import os
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from benchmarks.harness import paired, write_result
from leworld.envs import PushT, PushTDrawing, PushTVector

SIZE = 64
COPIES = (1, 10, 50)
STEPS = {1: 60, 10: 12, 50: 4}
DRAWN = 500


def stepping(envs: Any, count: int) -> Callable[[], None]:
    """Return a function that steps a started environment `count` times with random actions."""
    rng = np.random.default_rng(0)
    shape, low, high = envs.action_space.shape, envs.action_space.low, envs.action_space.high
    envs.reset(seed=0)

    def steps() -> None:
        for _ in range(count):
            envs.step(rng.uniform(low, high, shape).astype(np.float32))

    return steps


def pushing(physics: list[Any], count: int) -> Callable[[], None]:
    """Return a function that moves without drawing."""
    action = np.array([0.3, -0.2])

    def steps() -> None:
        for one in physics:
            for _ in range(count):
                one.step(action)

    return steps


def peer(copies: int) -> Any:
    """Return gym-pusht with pictures of the same size."""
    import gym_pusht
    import gymnasium

    def make() -> Any:
        return gymnasium.make(
            f"{gym_pusht.__name__}/PushT-v0",
            obs_type="pixels",
            observation_width=SIZE,
            observation_height=SIZE,
            disable_env_checker=True,
        )

    return make() if copies == 1 else SyncVectorEnv([make] * copies)


def rates(functions: dict[str, Callable[[], None]], amounts: dict[str, int], repeats: int) -> list[dict]:
    """Return a row for each function: units a second, and how many times those of the last one."""
    timed = paired(functions, repeats=repeats)
    last = list(timed)[-1]
    per_unit = {name: row["median_ms"] / amounts[name] for name, row in timed.items()}
    return [
        {"what": name, "per_second": 1e3 / ms, "times_the_last": per_unit[last] / ms, "last": last}
        for name, ms in per_unit.items()
    ]


def processes(copies: int, count: int) -> dict[str, float]:
    """Return environment steps a second of CPU time, all processes of an AsyncVectorEnv together."""

    def spent() -> float:
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system

    def run(steps: int) -> float:
        before = spent()
        envs = AsyncVectorEnv([lambda: PushT(SIZE)] * copies)
        stepping(envs, steps)()
        envs.close()  # children count once they have ended
        return spent() - before

    return {"per_second": copies * count / (run(count + 1) - run(1))}


def main() -> None:
    """Measure, print and write the JSON."""
    torch.set_num_threads(1)
    has_peer = find_spec("gym_pusht") is not None
    rows: list[dict[str, Any]] = []
    for copies in COPIES:
        count = STEPS[copies]
        vector = PushTVector(copies, SIZE, max_episode_steps=None, autoreset_mode="Disabled")
        functions = {"PushTVector": stepping(vector, count)}
        if copies == 1:
            functions = {"PushT": stepping(PushT(SIZE), count)} | functions
        else:
            single = SyncVectorEnv([lambda: PushT(SIZE)] * copies)
            functions["PushT in SyncVectorEnv"] = stepping(single, count)
        if has_peer:
            functions["gym-pusht"] = stepping(peer(copies), count)
        amounts = dict.fromkeys(functions, copies * count)
        rows += [
            {"kind": "steps with pictures", "copies": copies} | row for row in rates(functions, amounts, 7)
        ]
        physics = vector._physics
        row = rates({"physics": pushing(physics, count)}, {"physics": copies * count}, 7)[0]
        rows.append({"kind": "steps without pictures", "copies": copies} | row)
    for copies in COPIES[1:2]:
        row = {"what": "PushT in processes", **processes(copies, 60)}
        rows.append({"kind": "steps with pictures", "copies": copies} | row)
    rows += pictures()
    for row in rows:
        print(row)
    write_result(
        "pusht_speed",
        command="python -m benchmarks.pusht.speed",
        settings={
            "image_size": SIZE,
            "gym_pusht": version("gym-pusht") if has_peer else "not installed",
            "pymunk": version("pymunk"),
            "numpy": version("numpy"),
        },
        rows=rows,
    )


def pictures() -> list[dict[str, Any]]:
    """Return rates of drawing many states at once."""
    rng = np.random.default_rng(0)
    states = np.zeros((DRAWN, 7))
    states[:, :2], states[:, 2:4] = rng.uniform(50, 450, (DRAWN, 2)), rng.uniform(100, 400, (DRAWN, 2))
    states[:, 4] = rng.uniform(0, 2 * np.pi, DRAWN)
    rows = []
    for size, style in ((64, "smooth"), (96, "smooth"), (64, "published"), (224, "published")):
        drawing = PushTDrawing(size, style=style)
        drawn = states[: DRAWN if style == "smooth" else DRAWN // 10]
        name = f"{style} {size}"
        row = rates({name: lambda d=drawing, s=drawn: d.render(s)}, {name: len(drawn)}, 5)[0]
        rows.append({"kind": "pictures", "copies": len(drawn)} | row)
    return rows


if __name__ == "__main__":
    main()
