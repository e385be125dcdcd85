"""Mistakes in opening the data sets of other programs; what their files may hold wrongly is tested beside."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from leworld.data import (
    Episodes,
    action_shift,
    open_dino_wm,
    open_episodes,
    open_hdf5_groups,
    open_lerobot,
    open_minari,
    open_recordings,
    open_swm_folder,
    open_zarr,
    write_store,
)
from leworld.errors import ConfigError, DataError
from tests.bad_input import BadInput
from tests.data.bad_processor_inputs import row
from tests.data.fakes import random_episodes

READERS: dict[str, Callable[..., object]] = {
    "open_dino_wm": open_dino_wm,
    "open_hdf5_groups": open_hdf5_groups,
    "open_lerobot": open_lerobot,
    "open_minari": open_minari,
    "open_recordings": open_recordings,
    "open_swm_folder": open_swm_folder,
    "open_zarr": open_zarr,
}


def _in_folder(use: Callable[[Path], object]) -> Callable[[], object]:
    def call() -> object:
        with tempfile.TemporaryDirectory() as folder:
            return use(Path(folder))

    return call


def _grouped(folder: Path, **options: object) -> object:
    with h5py.File(folder / "demo.hdf5", "w") as file:
        file["data/demo_0/actions"] = np.ones((4, 2))
        file["data/demo_0/obs/front"] = np.zeros((4, 8, 8, 3), np.uint8)
    return open_hdf5_groups(folder / "demo.hdf5", **options)  # type: ignore[arg-type]


def _stored(folder: Path) -> object:
    write_store(folder, random_episodes([3]))
    return open_episodes(folder, cameras="top")


READER_ROWS: list[BadInput] = [
    *(
        row(name, "nothing there", lambda reader=reader: reader("nowhere"), DataError, "nowhere")
        for name, reader in READERS.items()
    ),
    *(
        row(name, "no path", lambda reader=reader: reader(3), ConfigError, "`path` is 3")
        for name, reader in READERS.items()
    ),
    *(row(name, "an empty folder", _in_folder(reader), DataError) for name, reader in READERS.items()),
    row(
        "open_lerobot",
        "an unknown way to find frames",
        lambda: open_lerobot("nowhere", frames="count"),  # type: ignore[arg-type]
        ConfigError,
        "`frames`",
    ),
    row("open_episodes", "no such camera", _in_folder(_stored), ConfigError, "`top`", "`pixels`"),
    row(
        "open_hdf5_groups",
        "no such camera",
        _in_folder(lambda folder: _grouped(folder, cameras="top")),
        ConfigError,
        "`top`",
        "`front`",
    ),
    row(
        "open_hdf5_groups",
        "no such column",
        _in_folder(lambda folder: _grouped(folder, columns=["state"])),
        DataError,
        "`state`",
        "`obs/front`",
    ),
    row(
        "open_hdf5_groups",
        "no such episode",
        _in_folder(lambda folder: _grouped(folder, episodes=[1])),
        ConfigError,
        "1 episodes",
        "[1]",
    ),
    row(
        "action_shift",
        "too few rows",
        lambda: action_shift(
            Episodes(
                None, np.ones((4, 1), np.float32), lengths=np.array([4]), columns={"state": np.ones((4, 2))}
            )
        ),
        DataError,
        "40 rows",
    ),
    row(
        "action_shift",
        "no such column",
        lambda: action_shift(random_episodes([9])),
        ConfigError,
        "`state`",
    ),
]
