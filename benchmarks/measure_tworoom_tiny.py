"""What the shipped TwoRoom model knows and notices: position probes, surprise and open-loop rollouts.

Run it as `python -m benchmarks.measure_tworoom_tiny` from the repository's root. It writes three JSON files;
name some of `surprise`, `probing` and `open_loop` to measure these only.
"""

import sys
from dataclasses import replace

import numpy as np
import torch

import leworld
from benchmarks.harness import write_result
from leworld.data import Episodes
from leworld.envs import TwoRoomArena
from leworld.evaluation import Quantity, open_loop, prediction_errors, probing, surprise
from leworld.models import WorldModel
from leworld.probes import LogisticProbe, MLPProbe, RidgeProbe
from leworld.tasks import two_room_held_out

COMMAND = "python -m benchmarks.measure_tworoom_tiny"
MODEL = "lewm-tworoom-tiny"
RATES = (0.05, 0.01, 0.001, 0.0001)
DOORWAY = 12.0  # an agent whose centre is nearer to the wall than this stands in the door
CHUNK = 200


def held_out(num: int, seed: int) -> Episodes:
    """Episodes that no model was trained on, with the number of the agent's room as a column."""
    episodes = two_room_held_out(num, image_size=64, seed=seed)
    room = (episodes.columns["state"][:, :1] > TwoRoomArena.wall).astype(np.float32)
    return replace(episodes, columns={**episodes.columns, "room": room})


def measure_surprise(model: WorldModel, num_events: int, num_calibration: int, seed: int) -> None:
    """Calibrate on some episodes, disturb others, and count alarms there and at door crossings."""
    seeds = range(seed + 1, seed + 1 + num_calibration // CHUNK)
    scores = torch.cat([s for extra in seeds for s in prediction_errors(model, held_out(CHUNK, extra))])
    episodes = held_out(num_events, seed)
    at_the_door = np.abs(episodes.columns["state"][:, 0] - TwoRoomArena.wall) < DOORWAY
    noticed = surprise(
        model,
        episodes,
        world=TwoRoomArena(),
        false_alarm_rates=RATES,
        calibration=scores,
        normal_events={"at the door": at_the_door},
        seed=seed,
        progress=True,
    )
    print(noticed)
    settings = {"model": MODEL, "events": num_events, "calibration": num_calibration, "seed": seed}
    write_result("tworoom_surprise", command=COMMAND, settings=settings, rows=[noticed.to_json()])


def measure_open_loop(model: WorldModel, num_episodes: int, seed: int) -> None:
    """Imagine five blocks from recorded frames."""
    imagined = open_loop(model, held_out(num_episodes, seed), column="state", seed=seed)
    print(imagined)
    settings = {"model": MODEL, "episodes": num_episodes, "seed": seed}
    write_result("tworoom_open_loop", command=COMMAND, settings=settings, rows=[imagined.to_json()])


def measure_probing(model: WorldModel, num_episodes: int, seed: int) -> None:
    """Read position and room off the embedding."""
    episodes = held_out(num_episodes, seed)
    options = {"stride": 2, "seed": seed, "progress": True}
    position = probing(
        {"LeWM": model},
        episodes,
        quantities={"position": Quantity("state")},
        probes={"linear": RidgeProbe, "MLP": MLPProbe},
        **options,
    )
    room = probing(
        {"LeWM": model},
        episodes,
        quantities={"room": Quantity("room", kind="class")},
        probes={"logistic": LogisticProbe},
        **options,
    )
    print(position, room, sep="\n\n")
    settings = {"model": MODEL, "episodes": num_episodes, "seed": seed, "stride": 2}
    rows = position.to_json()["rows"] + room.to_json()["rows"]
    write_result("tworoom_probing", command=COMMAND, settings=settings, rows=rows)


def main(chosen: list[str]) -> None:
    """Measure on episodes that the model was not trained on."""
    torch.set_num_threads(1)
    model = leworld.load(MODEL)
    if not chosen or "surprise" in chosen:
        measure_surprise(model, 500, 1200, seed=0)
    if not chosen or "open_loop" in chosen:
        measure_open_loop(model, 100, seed=0)
    if not chosen or "probing" in chosen:
        measure_probing(model, 100, seed=0)


if __name__ == "__main__":
    main(sys.argv[1:])
