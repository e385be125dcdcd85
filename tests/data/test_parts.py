"""What a processor and a file make of cameras, vectors, rewards and choices."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from leworld.data import (
    Episodes,
    Observation,
    PicturePart,
    Processor,
    VectorPart,
    fit_processor,
    read_hdf5,
    write_hdf5,
)
from leworld.errors import ConfigError, NonFiniteError, ShapeError
from tests.data.fakes import random_episodes, sensing_episodes, tagged_episodes

FIXTURES = Path(__file__).parent / "fixtures"
PARTS = {
    "wrist": PicturePart(5, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)),
    "proprio": VectorPart((1.0, 2.0), (4.0, 0.0)),
}
READY = {"frameskip": 1, "action_dim": 1, "action_mean": (0.0,), "action_std": (1.0,)}


def test_a_processor_turns_parts_both_ways() -> None:
    rng = np.random.default_rng(0)
    processor = Processor(6, **READY, parts=PARTS)
    raw = Observation(
        rng.integers(0, 256, (3, 6, 6, 3), np.uint8),
        {
            "proprio": np.array([[5.0, 9.0], [1.0, 2.0], [-3.0, 2.0]]),
            "wrist": rng.integers(0, 256, (3, 5, 5, 3), np.uint8),
            "force": np.zeros((3, 2)),
        },
    )
    seen = processor.observations(raw)
    assert list(seen.parts) == ["pixels", "wrist", "proprio"]
    assert torch.equal(seen.pixels, processor.observations(torch.from_numpy(raw.pixels)))
    mean, std = (np.array(x) for x in (PARTS["wrist"].mean, PARTS["wrist"].std))
    due = np.moveaxis((raw["wrist"] / 255 - mean) / std, -1, -3)
    assert np.abs(seen["wrist"].numpy() - due).max() < 2e-6
    assert seen["proprio"].dtype == torch.float32
    assert seen["proprio"].tolist() == [[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]
    back = processor.raw_observations(seen)
    assert np.array_equal(back.pixels.numpy(), raw.pixels)
    assert np.array_equal(back["wrist"].numpy(), raw["wrist"])
    assert back["proprio"].tolist() == [[5.0, 2.0], [1.0, 2.0], [-3.0, 2.0]]
    assert np.array_equal(processor.raw_observations(seen.pixels).numpy(), raw.pixels)
    moved = processor.observations(raw.to("cpu").map(lambda part: part.unflatten(0, (3, 1))))
    assert torch.equal(moved["wrist"], seen["wrist"].unflatten(0, (3, 1)))


def test_pictures_beyond_the_range_are_clipped() -> None:
    processor = Processor(2, **READY)
    assert set(processor.raw_observations(torch.full((3, 2, 2), 1e6)).flatten().tolist()) == {255}
    assert set(processor.raw_observations(torch.full((3, 2, 2), -1e6)).flatten().tolist()) == {0}


def test_large_numbers_keep_their_differences() -> None:
    """A position around 1e9, rounded to float32 before its mean is subtracted, would become 0."""
    part = {"x": VectorPart((1e9,), (1.0,))}
    processor = Processor(None, **READY, parts=part)
    for values in (torch.tensor([[1e9 + 1]], dtype=torch.float64), torch.tensor([[10**9 + 1]])):
        assert processor.observations(Observation(parts={"x": values}))["x"].item() == 1.0


def test_json_keeps_parts_in_their_order() -> None:
    processor = Processor(6, **READY, parts=PARTS, fps=12.5)
    again = Processor.from_json(json.loads(json.dumps(processor.to_json(), sort_keys=True)))
    assert again == processor
    assert again.observation_parts == ("pixels", "wrist", "proprio")
    assert hash(again) == hash(processor)
    assert pickle.loads(pickle.dumps(processor)) == processor
    discrete = Processor(6, frameskip=2, action_dim=3, action_choices=3)
    assert Processor.from_json(discrete.to_json()) == discrete
    assert (discrete.action_mean, discrete.action_std) == ((0.0,) * 3, (1.0,) * 3)


def test_a_stored_processor_of_0_1_0_is_read_and_written_alike() -> None:
    stored = json.loads((FIXTURES / "processor_0_1_0.json").read_text(encoding="utf-8"))
    processor = Processor.from_json(stored)
    assert processor.observation_parts == ("pixels",)
    assert (dict(processor.parts), processor.fps, processor.action_choices) == ({}, None, None)
    assert processor.to_json() == stored


def test_choices_and_one_hot_are_inverse() -> None:
    processor = Processor(6, frameskip=2, action_dim=3, action_choices=3)
    index = torch.tensor([[0, 2], [1, 1]])
    hot = processor.one_hot(index)
    assert hot.shape == (2, 2, 3)
    assert torch.equal(processor.choices(hot), index)
    assert torch.equal(processor.choices(torch.tensor([0.2, 0.1, 0.4])), torch.tensor(2))
    blocks = processor.action_blocks(hot)
    assert torch.equal(processor.raw_actions(blocks)[:, 0], hot)
    assert [bound.tolist() for bound in processor.block_bounds(0.0, 1.0)] == [[0.0] * 6, [1.0] * 6]


def test_fit_measures_the_parts_it_is_given() -> None:
    data = sensing_episodes([6, 9])
    parts = {"wrist": 4, "proprio": None, "clock": None}
    processor = fit_processor(data, frameskip=1, image_size=8, parts=parts, image_statistics="imagenet")
    assert list(processor.parts) == ["wrist", "proprio", "clock"]
    assert processor.parts["wrist"] == PicturePart(4)
    proprio = processor.parts["proprio"]
    assert isinstance(proprio, VectorPart)
    values = data.columns["proprio"]
    np.testing.assert_allclose(proprio.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(proprio.std[:2], values.std(axis=0)[:2], rtol=1e-12)
    assert proprio.std[2] == 0.0
    assert processor.fps == 20.0
    with pytest.raises(ConfigError, match="4 x 6"):
        fit_processor(data, frameskip=1, image_size=8, parts=["wrist"])
    films = [np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)]
    data = Episodes.from_trajectories(films, [np.ones((4, 1))], columns={"wrist": films})
    fitted = fit_processor(data, frameskip=1, parts=["wrist"], image_statistics="fit")
    part = fitted.parts["wrist"]
    assert (part.mean, part.std) == (fitted.image_mean, fitted.image_std)
    np.testing.assert_allclose(part.mean, (films[0] / 255).mean(axis=(0, 1, 2)))


def test_one_hot_actions_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    films = [np.zeros((30, 4, 4, 3), np.uint8)]
    hot = np.eye(4, dtype=np.float32)[rng.choice(4, 29, p=[0.5, 0.3, 0.1, 0.1])]
    processor = fit_processor(Episodes.from_trajectories(films, [hot]), frameskip=1)
    assert (processor.action_mean, processor.action_std) == ((0.0,) * 4, (1.0,) * 4)
    assert processor.action_choices is None
    for other in (hot * 2, np.eye(4, dtype=np.float32)[np.zeros(29, int)], np.abs(hot - 0.01)):
        fitted = fit_processor(Episodes.from_trajectories(films, [other]), frameskip=1)
        assert fitted.action_mean != (0.0,) * 4
    single = Episodes.from_trajectories(films, [np.ones((29, 1), np.float32)])
    assert fit_processor(single, frameskip=1).action_mean == (1.0,)


def test_hdf5_keeps_all_of_it(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    data = sensing_episodes([4, 5, 3])
    write_hdf5(tmp_path / "all.h5", data)
    again = read_hdf5(tmp_path / "all.h5")
    assert again.fps == 20.0
    assert set(again.columns) == set(data.columns)
    for name, column in data.columns.items():
        np.testing.assert_array_equal(again.columns[name], column)
        assert again.columns[name].dtype == column.dtype
    with h5py.File(tmp_path / "all.h5") as file:
        assert file["wrist"].compression == "lzf"
        stored = file["reward"][()]
        assert file.attrs["fps"] == 20.0
    assert np.flatnonzero(np.isnan(stored)).tolist() == [0, 4, 9]  # with the frame that it came with
    assert stored[[1, 2, 3]].tolist() == [1.0, 0.5, 0.25]
    part = read_hdf5(tmp_path / "all.h5", episodes=[2, 0])
    np.testing.assert_array_equal(part.columns["reward"], data.select([2, 0]).columns["reward"])


def test_hdf5_keeps_vectors_alone_and_choices(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    data = Episodes.from_trajectories(
        None, [np.array([0, 2, 1])], columns={"proprio": [np.ones((4, 2))]}, action_choices=3
    )
    write_hdf5(tmp_path / "vectors.h5", data)
    again = read_hdf5(tmp_path / "vectors.h5")
    assert again.pixels is None
    assert again.action_choices == 3
    np.testing.assert_array_equal(again.actions, data.actions)


def test_rewards_that_belong_to_their_action_stay(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    base = tagged_episodes([3, 2])
    for reward in (np.arange(5.0), np.arange(5), np.array([np.nan, 1, 2, 3, np.nan])):
        data = Episodes(base.pixels, base.actions, lengths=base.lengths, columns={"reward": reward})
        write_hdf5(tmp_path / "data.h5", data, overwrite=True)
        np.testing.assert_array_equal(read_hdf5(tmp_path / "data.h5").columns["reward"], reward)


def test_a_stored_file_of_0_1_0_is_read() -> None:
    pytest.importorskip("h5py")
    data = read_hdf5(FIXTURES / "episodes_0_1_0.h5")
    rng = np.random.default_rng(0)
    films = [rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8) for n in (4, 3)]
    commands = [rng.normal(2.0, 1.0, (n - 1, 2)).astype(np.float32) for n in (4, 3)]
    np.testing.assert_array_equal(data.pixels, np.concatenate(films))
    np.testing.assert_array_equal(data.columns["wrist"], data.pixels)
    np.testing.assert_array_equal(data.actions[:3], commands[0])
    assert data.columns["reward"].tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert set(data.columns) == {"state", "reward", "wrist"}
    assert (data.fps, data.action_choices, data.environment_id) == (None, None, "fake/Old-v0")


def test_a_camera_channel_first_is_turned_when_named(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    data = random_episodes([4, 3])
    write_hdf5(tmp_path / "two.h5", data)
    with h5py.File(tmp_path / "two.h5", "r+") as file:
        del file.attrs["leworld_columns"]
        file.create_dataset("pixels_top", data=data.pixels.transpose(0, 3, 1, 2))
    assert not read_hdf5(tmp_path / "two.h5").columns
    named = read_hdf5(tmp_path / "two.h5", extra_columns=["pixels_top"])
    np.testing.assert_array_equal(named.columns["pixels_top"], data.pixels)


def test_what_a_model_would_misread_is_refused() -> None:
    processor = Processor(6, **READY, parts=PARTS)
    frames = np.zeros((2, 6, 6, 3), np.uint8)
    seen = {"wrist": frames, "proprio": np.zeros((2, 2))}
    with pytest.raises(ConfigError, match="`proprio` is missing among `pixels`, `wrist`"):
        processor.observations(Observation(frames, {"wrist": frames}))
    with pytest.raises(ShapeError, match="`proprio` with 2 numbers"):
        processor.observations(Observation(frames, {**seen, "proprio": np.zeros((2, 3))}))
    with pytest.raises(ShapeError, match="`wrist` as uint8 pictures"):
        processor.observations(Observation(frames, {**seen, "wrist": np.zeros((2, 2))}))


@pytest.mark.shapecheck
def test_what_a_model_would_compute_nan_from_is_refused() -> None:
    processor = Processor(6, **READY, parts=PARTS)
    frames = np.zeros((2, 6, 6, 3), np.uint8)
    with pytest.raises(NonFiniteError, match="`proprio`"):
        processor.observations(Observation(frames, {"wrist": frames, "proprio": np.full((2, 2), np.nan)}))
