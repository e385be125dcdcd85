"""Cameras of a LeRobot data set: frames of videos, and pictures that lie in the tables."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._files import identity
from ...errors import DataError
from .._lazy import LazyColumn
from .._readers._folder import DataFolder, optional, reading, rule
from .._readers._images import decoded
from .._readers._parquet import ParquetTable
from .._readers._video import Clip, VideoFrames
from ._meta import Info, Place

_MOST_START = 1e-3  # seconds that an episode's first stamp may be from 0


def video_frames(
    owner: str,
    folder: DataFolder,
    info: Info,
    camera: str,
    *,
    chosen: np.ndarray,
    stamps: np.ndarray | None,
    tolerance: float,
) -> VideoFrames:
    """Return one camera; `stamps` are the rows' times in their episodes, None to take frames by number."""
    places = info.videos[camera]
    firsts, totals = [], dict.fromkeys((place.file for place in places), 0)
    for place, length in zip(places, info.lengths.tolist(), strict=True):
        firsts.append(totals[place.file])
        totals[place.file] += length
    clips, end = [], 0
    for number in chosen.tolist():
        place, length = places[number], int(info.lengths[number])
        end += length
        file = folder.file(place.file)
        if stamps is None:
            clips.append(Clip(file, length, first=firsts[number], total=totals[place.file]))
        else:
            clips.append(Clip(file, length, times=place.start + stamps[end - length : end]))
    return VideoFrames(owner, clips, tolerance=tolerance)


def check_stamps(path: Path, stamps: np.ndarray, lengths: np.ndarray) -> None:
    """Raise `DataError` where stamps are no seconds from the start of their episodes."""
    starts = np.cumsum(lengths) - lengths
    first = stamps[starts]
    wrong = np.flatnonzero(~(np.abs(first) <= _MOST_START))
    if wrong.size:
        raise DataError(
            rule(path, "`timestamp` in seconds from the start of each episode"),
            f"episode {wrong[0]} begins at {first[wrong[0]]:.6g}, as a clock on the wall would say",
            "Pass frames='number' to take the frames of a video as the rows one by one",
        )


def check_places(path: Path, camera: str, places: Sequence[Place], lengths: np.ndarray, fps: float) -> None:
    """Raise `DataError` where episodes overlap in a file, or last another time than their rows."""
    last: dict[str, tuple[int, float]] = {}
    for number, (place, length) in enumerate(zip(places, lengths.tolist(), strict=True)):
        if place.end is None:
            continue
        lasts, due = place.end - place.start, length / fps
        before, end = last.get(place.file, (number, 0.0))
        if not abs(lasts - due) <= 0.5 / fps:
            got = f"episode {number} has {length} rows, {due:.6g} s, and its place lasts {lasts:.6g} s"
        elif not place.start >= end - 0.5 / fps:
            got = (
                f"episode {number} begins at {place.start:.6g} s, before episode {before} ends at {end:.6g} s"
            )
        else:
            last[place.file] = number, place.end
            continue
        raise DataError(
            rule(path, f"a place of its own for every episode in the videos of `{camera}`"),
            f"{got}: the data set was merged or cut wrongly",
            "Pass frames='number' where the videos hold the episodes' frames in order, or merge again",
        )


class TablePictures(LazyColumn):
    """A camera whose pictures lie in parquet tables, as the bytes of PNG or JPEG files.

    Reading a row reads the row group that it is in; the last one is remembered.
    """

    def __init__(self, owner: str, files: Sequence[Path], name: str, rows: np.ndarray) -> None:
        self._owner, self._files, self._name = owner, list(files), name
        self._identities = [identity(file) for file in files]
        self._groups: list[tuple[int, int, int]] = []  # file, row group, rows
        for number, file in enumerate(files):
            groups = ParquetTable(owner, file).row_groups
            self._groups += [(number, group, count) for group, count in enumerate(groups)]
        self._ends = np.cumsum([count for _, _, count in self._groups])
        self._rows = rows  # where each row of the column lies in the files
        self._last: tuple[int, int, Any] | None = None  # process, number of the group, its pictures
        self.shape = (len(rows), *self._picture(int(rows[0])).shape)
        self.dtype = np.dtype(np.uint8)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Decode rows."""
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for place in np.argsort(self._rows[rows], kind="stable").tolist():
            picture = self._picture(int(self._rows[rows[place]]))
            if picture.shape != self.shape[1:]:
                raise DataError(
                    rule(self._files[0], f"pictures of one size in `{self._name}`"),
                    f"row {rows[place]} has {picture.shape[:2]} and row 0 has {self.shape[1:3]}",
                    "Write them at one size, or leave the camera out with `cameras=`",
                )
            found[place] = picture
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_last": None}

    def _picture(self, row: int) -> np.ndarray:
        number = int(np.searchsorted(self._ends, row, side="right"))
        file, group, count = self._groups[number]
        path = self._files[file]
        if self._last is None or self._last[:2] != (os.getpid(), number):
            with reading(path, "to be there"):
                same = identity(path) == self._identities[file]
            if not same:
                raise DataError(
                    rule(path, "to stay as it is while it is in use"), "it was written to", "Open it again"
                )
            values = ParquetTable(self._owner, path).raw(self._name, group)
            self._last = os.getpid(), number, values
        value = self._last[2][row - (int(self._ends[number]) - count)].as_py()
        raw = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(raw, bytes):
            raise DataError(
                rule(path, f"the bytes of a picture in every row of `{self._name}`"),
                f"row {row} has {type(raw).__name__}",
                "Write the data set again with the pictures inside, as `push_to_hub` does",
            )
        optional("PIL.Image", self._owner)
        return decoded(self._owner, path, io.BytesIO(raw))
