"""Episodes on disk are measured as those in memory are, a few rows at a time."""

import numpy as np
import pytest
import torch

import leworld
from leworld.data import Episodes
from leworld.evaluation import (
    Quantity,
    diagnose,
    frame_latents,
    open_loop,
    perturb,
    probing,
    surprise,
    training_overlap,
)
from leworld.models import embed_rows
from leworld.probes import RidgeProbe
from leworld.tasks import task_of
from tests.data.lazy import SparingColumn, sparing

MOST = 310  # vanish takes the median of 301 frames


@pytest.fixture(scope="module")
def model():
    return leworld.load("lewm-tworoom-tiny")


@pytest.fixture(scope="module")
def known(model) -> Episodes:
    episodes = task_of(model).held_out(8, seed=4)
    assert episodes.num_rows > 2 * MOST
    return episodes


@pytest.fixture(scope="module")
def lazy(known: Episodes) -> Episodes:
    return sparing(known, MOST)


def test_latents_and_probes(model, known, lazy) -> None:
    rows = np.array([700, 3, 3, 12])
    assert torch.equal(embed_rows(model, lazy), embed_rows(model, known))
    assert torch.equal(embed_rows(model, lazy, rows=rows), embed_rows(model, known)[rows])
    assert torch.equal(
        frame_latents(model, lazy, stride=3).latents, frame_latents(model, known, stride=3).latents
    )
    encoders = {"model": model, "mean": lambda pixels: torch.from_numpy(pixels).float().mean((1, 2))}
    tables = [
        probing(
            encoders,
            episodes,
            quantities={"position": Quantity("state")},
            probes={"linear": RidgeProbe},
            progress=False,
        )
        for episodes in (lazy, known)
    ]
    assert repr(tables[0]) == repr(tables[1])  # NaN is no equal of itself


def test_surprise(model, known, lazy) -> None:
    found = [surprise(model, episodes, progress=False) for episodes in (lazy, known)]
    assert str(found[0]) == str(found[1])
    assert len(found[0].rows) == 5


@pytest.mark.parametrize("kind", ["teleport", "colour", "freeze", "reversal", "vanish"])
@pytest.mark.parametrize("with_world", [False, True])
def test_perturbed_pictures_stay_on_disk(model, known, lazy, kind, with_world) -> None:
    world = task_of(model).world if with_world else None
    made, due = (perturb(episodes, kind, frameskip=5, world=world, seed=1) for episodes in (lazy, known))
    assert not isinstance(made.episodes.pixels, np.ndarray)
    np.testing.assert_array_equal(by_parts(made.episodes), due.episodes.pixels)
    for name, column in due.episodes.columns.items():
        np.testing.assert_array_equal(made.episodes.columns[name], column)


def by_parts(episodes: Episodes) -> np.ndarray:
    pieces = [episodes.pixels[first : first + 100] for first in range(0, episodes.num_rows, 100)]
    return np.concatenate(pieces)


def test_diagnosis_and_open_loop(model, known, lazy) -> None:
    found = [diagnose(model, episodes, num_problems=6, num_plans=6) for episodes in (lazy, known)]
    assert str(found[0]) == str(found[1])
    loops = [open_loop(model, episodes, horizon=3, column="state") for episodes in (lazy, known)]
    assert loops[0] == loops[1]
    assert training_overlap(model, lazy) == training_overlap(model, known)


def test_whoever_reads_all_at_once_is_seen(lazy) -> None:
    assert isinstance(lazy.pixels, SparingColumn)
    with pytest.raises(AssertionError, match="asked for at once"):
        lazy.observation(("pixels",))
