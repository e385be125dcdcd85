"""What the docs say of the decoder is what the committed measurement holds, and its ruler measures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tworoom.decoder import find_agent
from leworld.envs import TwoRoomArena

RESULT = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "tworoom_decoder.json"


def read() -> dict[str, Any]:
    return json.loads(RESULT.read_text(encoding="utf-8"))


def check(result: dict[str, Any]) -> None:
    """At least 25 dB and far above a picture without the agent; at most 10 units off, by every ruler."""
    decoded, mean, *steps = result["rows"]
    assert (decoded["pictures"], mean["pictures"]) == ("decoded", "mean frame")
    assert result["settings"]["held_out_episodes"] >= 200
    assert decoded["psnr"]["low"] >= 25.0
    for name in ("psnr", "psnr_around_agent"):
        assert decoded[name]["low"] >= mean[name]["high"] + 10.0
    assert decoded["agent_found"] >= 0.9
    last = steps[-1]
    assert last["step"] == len(steps) == 5
    assert result["settings"]["rollouts"] >= 100
    rulers = [last[name] for name in ("ridge probe", "mlp probe", "picture")]
    assert last["strictest_median"] == max(ruler["value"] for ruler in rulers)
    assert max(ruler["high"] for ruler in rulers) <= 10.0
    assert last["agent that stays"]["low"] >= 20.0


def test_the_committed_measurement_meets_its_bounds() -> None:
    check(read())


@pytest.mark.parametrize("fault", ["blurred", "blank", "lost", "still"])
def test_a_worse_measurement_is_seen(fault: str) -> None:
    result = read()
    decoded, mean, last = result["rows"][0], result["rows"][1], result["rows"][-1]
    if fault == "blurred":
        decoded["psnr"] = {"value": 25.0, "low": 24.5, "high": 25.5}
    elif fault == "blank":
        decoded["psnr_around_agent"] = mean["psnr_around_agent"]
    elif fault == "lost":
        last["picture"] |= {"value": 11.0, "high": 12.0}
    else:
        last["agent that stays"] |= {"low": 3.0}
    with pytest.raises(AssertionError):
        check(result)


def test_the_centre_of_red_is_where_the_agent_is() -> None:
    arena = TwoRoomArena()
    corners = np.array([[21.0, 21.0], [203.0, 203.0], [100.0, 150.3], [124.0, 60.1], [112.0, 49.0]])
    frames = arena.render(corners, 64)
    place, found = find_agent(frames)
    assert found.all()
    assert np.linalg.norm(place - corners, axis=-1).max() < 0.5
    # No agent in a picture without one, in the mean of many pictures, and in a faint one.
    everywhere = np.stack([np.linspace(30, 95, 40), np.linspace(30, 190, 40)], axis=-1)
    empty = np.maximum(frames[0], frames[1])
    mean = arena.render(everywhere, 64).mean(axis=0).astype(np.uint8)
    faint = (0.8 * empty + 0.2 * frames[0]).astype(np.uint8)
    assert not find_agent(np.stack([empty, mean, faint]))[1].any()
