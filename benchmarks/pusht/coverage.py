"""What the collecting policy of Push-T covers, beside the published data.

Run it as `python -m benchmarks.pusht.coverage`; it writes benchmarks/results/pusht_coverage.json. The
published statistics are the constants of DINO-WM's data set class (datasets/pusht_dset.py), in pixels of 512,
pixels a second and radians; its angle lies in [0, 2 pi) as ours.
"""

from typing import Any

import click
import numpy as np

from benchmarks.harness import write_result
from leworld.tasks import get_task

COMPONENTS = ("agent x", "agent y", "block x", "block y", "angle", "velocity x", "velocity y")
PUBLISHED = {
    "mean": (236.6155, 264.5674, 255.1307, 266.3721, 1.9584, -2.9303, 2.5431),
    "std": (101.1202, 87.0112, 52.7054, 57.4971, 1.7556, 74.8456, 74.1401),
    "action std": (0.2019, 0.2002),
}
MOVED, TURNED = 0.05, 1e-3  # pixels and radians a step, from which on the block counts as pushed
LATER = 25


def turns(change: np.ndarray) -> np.ndarray:
    """The way from one angle to another, the short way round."""
    return np.abs((change + np.pi) % (2 * np.pi) - np.pi)


@click.command(help=__doc__)
@click.option("--episodes", "num_episodes", default=400, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(num_episodes: int, seed: int) -> None:
    """Collect, count and write."""
    task = get_task("pusht")
    episodes = task.collect(num_episodes, seed=seed, image_size=8, progress=True)
    rows = np.asarray(episodes.columns["state"], np.float64)
    states = rows.reshape(num_episodes, -1, rows.shape[1])
    actions = episodes.actions[np.isfinite(episodes.actions).all(axis=1)]
    moved = np.linalg.norm(np.diff(states[..., 2:4], axis=1), axis=-1)
    turned = turns(np.diff(states[..., 4], axis=1))
    after, before = states[:, LATER:], states[:, :-LATER]
    facts: dict[str, Any] = {
        "mean": rows.mean(axis=0).tolist(),
        "std": rows.std(axis=0).tolist(),
        "action std": actions.std(axis=0).tolist(),
        "pushed": float(((moved > MOVED) | (turned > TURNED)).mean()),
        "block px an episode": float(moved.sum(axis=1).mean()),
        "turned rad an episode": float(turned.sum(axis=1).mean()),
        "block px in 25 steps": float(np.median(np.linalg.norm((after - before)[..., 2:4], axis=-1))),
        "agent px in 25 steps": float(np.median(np.linalg.norm((after - before)[..., :2], axis=-1))),
        "solved at the start": float(task.reached(before, after).mean()),
        "outside": float(((rows[:, :2] < 0) | (rows[:, :2] > 512)).any(axis=1).mean()),
    }
    settings = {"episodes": num_episodes, "steps": task.episode_steps, "seed": seed, "later": LATER}
    settings |= {"components": list(COMPONENTS), "published": PUBLISHED}
    write_result(
        "pusht_coverage", command="python -m benchmarks.pusht.coverage", settings=settings, rows=[facts]
    )


if __name__ == "__main__":
    main()
