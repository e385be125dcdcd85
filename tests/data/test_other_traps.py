"""Data sets that can be read and would be read wrongly: what each reader has to notice."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("zarr")
import zarr
from PIL import Image

from leworld.data import open_recordings, open_zarr
from leworld.errors import DataError
from tests.data.other_sets import KNOWN, recordings


def rewritten(path: Path, head: str, change=lambda cells: cells) -> None:
    lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
    path.write_text("\n".join([head, *(",".join(change(cells)) for cells in lines)]) + "\n")


def test_columns_of_actions_in_another_order_are_put_in_order(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "r", video=False)
    swap = [2, 0, 4, 1, 3]
    rewritten(
        folder / "run 9.csv",
        "action.z,action.x,angle,action.y,force",
        lambda cells: [cells[place] for place in swap],
    )
    episodes = open_recordings(folder)
    np.testing.assert_array_equal(episodes.actions, KNOWN.actions)
    np.testing.assert_allclose(episodes.columns["force"], KNOWN.state[:, 0])


def test_columns_of_actions_that_some_tables_lack_are_told(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "r", video=False)
    rewritten(folder / "run 9.csv", "action.x,action.y,depth,force,angle")
    with pytest.raises(DataError, match=r"same names in every table.*run 9 has `action\.x`, `action\.y`\."):
        open_recordings(folder)


def test_an_action_that_is_no_number_is_told_and_not_left_out(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "r", video=False)
    path = folder / "run 8.csv"
    lines = path.read_text().splitlines()
    lines[3] = ",".join([lines[3].split(",")[0], "off", *lines[3].split(",")[2:]])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"a number in every row of `action\.y` of run 8.*row 2 holds 'off'"):
        open_recordings(folder)


def test_empty_cells_are_missing_numbers(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "r", video=False)
    path = folder / "run 8.csv"
    whole = path.read_text()
    lines = whole.splitlines()
    lines[2] = ",".join([*lines[2].split(",")[:3], " ", lines[2].split(",")[4]])
    path.write_text("\n".join(lines) + "\n")
    force = open_recordings(folder).columns["force"]
    assert np.flatnonzero(np.isnan(force)).tolist() == [1]
    lines[2] = "," + ",".join(lines[2].split(",")[1:])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="finite `actions`"):
        open_recordings(folder)


def test_pictures_of_sixteen_bits_are_told(tmp_path: Path) -> None:
    """Converted, everything from 255 on would be white."""
    folder = recordings(tmp_path / "r", video=False)
    depth = np.linspace(0, 4000, 400).reshape(20, 20).astype(np.uint16)
    for path in folder.glob("*/*.png"):
        Image.fromarray(depth).save(path)
    with pytest.raises(DataError, match=r"pictures of 8 bits a channel.*mode I;16"):
        open_recordings(folder)


@pytest.mark.parametrize("low", [0.0, -0.5])
def test_pictures_from_0_to_1_are_told_behind_a_black_one(low: float, tmp_path: Path) -> None:
    """Or normalised about 0, whose first is black as well."""
    root = zarr.open_group(zarr.storage.LocalStore(tmp_path / "b"), mode="w", zarr_format=2)
    frames = np.random.default_rng(0).uniform(low, low + 0.9, (4, 6, 6, 3)).astype(np.float32)
    frames[0] = 0
    values = {
        "data/img": frames,
        "data/action": np.zeros((4, 2), np.float32),
        "meta/episode_ends": np.array([4]),
    }
    for name, value in values.items():
        root.create_array(name, data=value, config={"write_empty_chunks": True})
    episodes = open_zarr(tmp_path / "b")
    assert not episodes.pixels[[0]].any()
    with pytest.raises(DataError, match=r"pictures from 0 to 255 in `data/img`"):
        episodes.pixels[[1, 2]]
