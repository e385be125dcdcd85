"""What the shipped TwoRoom model knows and notices: position probes, surprise and open-loop rollouts.

Run it as `python -m benchmarks.measure_tworoom_tiny` from the repository's root.
"""

import numpy as np
import torch

import leworld
from benchmarks.harness import write_result
from leworld.envs import TwoRoomArena
from leworld.evaluation import Quantity, open_loop, probing, surprise, two_room_held_out

COMMAND = "python -m benchmarks.measure_tworoom_tiny"
MODEL = "lewm-tworoom-tiny"


def main(num_episodes: int = 100, seed: int = 0) -> None:
    """Measure on episodes that the model was not trained on and write three JSON files."""
    torch.set_num_threads(1)
    model, arena = leworld.load(MODEL), TwoRoomArena()
    if model.processor is None:
        raise SystemExit(f"{MODEL} has no processor")
    episodes = two_room_held_out(num_episodes, image_size=model.processor.image_size, seed=seed)
    doorway = np.abs(episodes.columns["state"][:, 0] - arena.wall) < 12.0
    settings = {"model": MODEL, "episodes": num_episodes, "seed": seed}
    noticed = surprise(model, episodes, world=arena, normal_events={"in the doorway": doorway}, seed=seed)
    print(noticed)
    write_result("tworoom_surprise", command=COMMAND, settings=settings, rows=[noticed.to_json()])
    imagined = open_loop(model, episodes, column="state", seed=seed)
    print(imagined)
    write_result("tworoom_open_loop", command=COMMAND, settings=settings, rows=[imagined.to_json()])
    known = probing(
        {"LeWM": model}, episodes, quantities={"position": Quantity("state")}, stride=2, seed=seed
    )
    print(known)
    write_result(
        "tworoom_probing", command=COMMAND, settings=settings | {"stride": 2}, rows=known.to_json()["rows"]
    )


if __name__ == "__main__":
    main()
