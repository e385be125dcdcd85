"""DINO-WM's folders: tensors of all episodes, padded to one length, and a video or a tensor for each."""

import io
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..._checks import describe, nearest, plain_numbers
from ..._files import identity
from ...errors import ConfigError, DataError
from .._arguments import chosen_episodes, path_of
from .._episodes import Episodes
from .._lazy import LazyColumn
from ._columns import PIXELS, action_rows, assembled, joined
from ._folder import DataFolder, reading, rule
from ._video import Clip, VideoFrames

_OWNER = "open_dino_wm"
STATES_FILE = "states.pth"
_LENGTHS = ("seq_lengths.pth", "seq_lengths.pkl")
_ACTIONS = ("rel_actions", "actions", "abs_actions")
_MOST_PICKLE = 2**26


@plain_numbers
def open_dino_wm(
    path: str | os.PathLike[str],
    *,
    actions: str | None = None,
    episodes: slice | Sequence[int] | None = None,
    fps: float | None = None,
    environment_id: str | None = None,
) -> Episodes:
    """Open one folder of DINO-WM's data (`train`, `val`, or that of a maze), pictures left on disk.

    `states.pth`, `rel_actions.pth` and so on hold (episode, time, dim) padded to the longest episode,
    `seq_lengths` the true lengths, `obses` a video or a tensor of pictures for each. States become `state`,
    velocities `velocity`. Needs PyAV (extra `robots`) for videos. Tensors are read without running code of
    the files, and so are lengths in a pickle.

    Row t holds frame t and the action taken there, in the file's units: pixels, a hundred times what
    stable-worldmodel's Push-T takes.

    Args:
        path: The folder with `states.pth`.
        actions: Name of the actions' file without `.pth`; unless given, the first that is there of
            `rel_actions`, `actions` and `abs_actions`.
        episodes: Which episodes, as a slice or a list of numbers.
        fps: Frames a second; the format does not say. Push-T has 10.
        environment_id: Where the data comes from.

    Raises:
        DataError: A file is missing or damaged, shapes do not agree, or an episode has too few pictures.
        ConfigError: An episode does not exist, or an argument is of another kind.
        MissingExtraError: PyAV is not installed.

    Source:
        gaoyuezhou/dino_wm, datasets/pusht_dset.py and point_maze_dset.py.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        import torch
        from leworld.data import open_dino_wm

        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "obses").mkdir()
            torch.save(torch.zeros(1, 4, 5), place / "states.pth")
            torch.save(torch.ones(1, 4, 2), place / "actions.pth")
            torch.save(torch.tensor([3]), place / "seq_lengths.pth")
            torch.save(torch.zeros(3, 8, 8, 3, dtype=torch.uint8), place / "obses" / "episode_000.pth")
            episodes = open_dino_wm(place)
            assert episodes.pixels.shape == (3, 8, 8, 3) and episodes.columns["state"].shape == (3, 5)
        ```
    """
    if not isinstance(actions, str | None):
        raise ConfigError(
            f"{_OWNER} needs `actions` to be a name", f"it is {describe(actions)}", "Pass a text"
        )
    folder = DataFolder(path_of(_OWNER, path))
    states = _tensor(folder, STATES_FILE)
    name = actions or _first_there(folder)
    commands = _tensor(folder, f"{name}.pth")
    arrays = {"state": states, "action": commands}
    if "velocities.pth" in folder:
        arrays["velocity"] = _tensor(folder, "velocities.pth")
    for label, array in arrays.items():
        if array.ndim != 3 or array.shape[:2] != states.shape[:2]:
            raise DataError(
                rule(folder.path, "tensors (episode, time, dim) for the same episodes and times"),
                f"`{label}` is {array.shape} and the states are {states.shape}",
                "Fetch the data set again",
            )
    all_lengths = _lengths(folder, states)
    chosen = chosen_episodes(_OWNER, folder.path, len(all_lengths), episodes)
    lengths = all_lengths[chosen]
    spans = list(zip(chosen.tolist(), lengths.tolist(), strict=True))
    cut = {label: np.concatenate([array[n, :count] for n, count in spans]) for label, array in arrays.items()}
    columns = {PIXELS: _pictures(folder, spans)} | {label: cut[label] for label in cut if label != "action"}
    return assembled(
        folder.path,
        columns,
        action_rows(cut["action"]),
        lengths=lengths,
        fps=fps,
        environment_id=environment_id,
    )


def _first_there(folder: DataFolder) -> str:
    there = [name for name in _ACTIONS if f"{name}.pth" in folder]
    if not there:
        raise DataError(
            rule(folder.path, "rel_actions.pth, actions.pth or abs_actions.pth"),
            "there is none",
            f"Name the file with `actions=`. {nearest('actions', folder.names(suffixes=('.pth',)))}",
        )
    return there[0]


def _tensor(folder: DataFolder, name: str) -> np.ndarray:
    """Return a stored tensor of numbers as an array; nothing in the file is run."""
    path = folder.file(name)
    with reading(path, "to be one tensor, saved by torch"):
        found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found, torch.Tensor) or found.layout != torch.strided:
            raise ValueError(f"it holds {describe(found)}")
        if found.untyped_storage().nbytes() < found.numel() * found.element_size():
            raise ValueError("it repeats its values, so that it would be larger than its file")
        if found.dtype in (torch.bfloat16, torch.float16):
            found = found.float()
        return found.detach().numpy()


class _Lengths(pickle.Unpickler):
    """Reads whole numbers, numpy's too, and knows no other class."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the two classes that a number of numpy is made of."""
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "scalar":
            return _number
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _number(dtype: np.dtype, raw: bytes) -> int:
    if np.dtype(dtype).kind not in "iu":
        raise pickle.UnpicklingError("a length is no whole number")
    return int(np.frombuffer(raw, dtype, 1)[0])


def _lengths(folder: DataFolder, states: np.ndarray) -> np.ndarray:
    """Return the rows of each episode, all that there are where no file says."""
    file = next((name for name in _LENGTHS if name in folder), None)
    if file is None:
        return np.full(states.shape[0], states.shape[1], np.int64)
    if file.endswith(".pth"):
        found: Any = _tensor(folder, file).reshape(-1)
    else:
        raw = folder.text(file, limit=_MOST_PICKLE)
        with reading(folder.path / file, "to be a list of whole numbers", fix="Save it with torch.save"):
            found = _Lengths(io.BytesIO(raw)).load()
    plain = isinstance(found, np.ndarray) or (
        isinstance(found, list | tuple) and all(type(one) is int for one in found)
    )
    lengths = np.array(found[: len(states) + 1] if plain else [], np.float64)
    sound = len(lengths) == len(states) > 0 and lengths.min() >= 1 and lengths.max() <= states.shape[1]
    if not sound or (lengths % 1).any():
        raise DataError(
            rule(folder.path, f"{len(states)} whole numbers from 1 to {states.shape[1]} in {file}"),
            f"it has {describe(found)}",
            "Fetch the data set again",
        )
    return lengths.astype(np.int64)


def _pictures(folder: DataFolder, spans: Sequence[tuple[int, int]]) -> Any:
    inner = folder.folder("obses")
    stem = f"episode_{spans[0][0]:03d}"
    if f"{stem}.pth" not in inner:
        return VideoFrames(_OWNER, [Clip(inner.file(f"episode_{n:03d}.mp4"), count) for n, count in spans])
    films = [_TensorFrames(inner.file(f"episode_{n:03d}.pth"), count) for n, count in spans]
    return joined(folder.path, PIXELS, films)


class _TensorFrames(LazyColumn):
    """The pictures of one episode, in a file of their own; it is read whole for any of them."""

    def __init__(self, path: Path, rows: int) -> None:
        self._path, self._rows, self._identity = path, rows, identity(path)
        self.dtype = np.dtype(np.uint8)
        self.shape = self._frames().shape

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows."""
        if identity(self._path) != self._identity:
            raise DataError(
                rule(self._path, "to stay as it is while it is in use"), "it was written to", "Open it again"
            )
        return self._frames()[rows]

    def _frames(self) -> np.ndarray:
        frames = _tensor(DataFolder(self._path.parent), self._path.name)
        whole = frames.dtype.kind == "f" and frames.size and (frames % 1 == 0).all() and frames.max() <= 255
        if frames.dtype.kind == "f" and whole and frames.min() >= 0:
            frames = frames.astype(np.uint8)
        if frames.ndim == 4 and frames.shape[3] != 3 and frames.shape[1] == 3:
            frames = frames.transpose(0, 2, 3, 1)
        if frames.ndim != 4 or frames.dtype != np.uint8 or frames.shape[3] != 3 or len(frames) < self._rows:
            raise DataError(
                rule(self._path, f"at least {self._rows} pictures from 0 to 255, (time, height, width, 3)"),
                f"it has {describe(frames)}",
                "Fetch the data set again, or leave the episode out with `episodes=`",
            )
        return frames[: self._rows]
