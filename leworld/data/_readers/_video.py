"""Frames of video files as a column: each decoded exactly, by its place in the file, when it is asked for."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..._files import Identity, identity
from ...errors import DataError
from .._lazy import LazyColumn
from ._folder import optional, reading, rule

# The demuxer follows from the name alone: guessed from the content, a text that calls itself a video could
# be a list of other files and addresses, which FFmpeg would open.
_DEMUXERS = {
    ".mp4": "mov",
    ".m4v": "mov",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "matroska",
    ".avi": "avi",
}
VIDEO_SUFFIXES = tuple(_DEMUXERS)
_MOST_PIXELS = 2**26  # of a frame
_MOST_OPEN = 16


@dataclass(frozen=True)
class Clip:
    """Rows of one episode that lie one after another in a video file.

    Attributes:
        file: The video.
        rows: Their number.
        first: Number of the frame in the file that is the first row.
        total: Frames that the file must have, where that is known.
        times: Seconds in the file at which the rows lie, in place of `first`.
    """

    file: Path
    rows: int
    first: int = 0
    total: int | None = None
    times: np.ndarray | None = None


class VideoFrames(LazyColumn):
    """One camera whose frames are in video files. It can be pickled; every process opens the files itself.

    By number, a file must hold the frames of all its rows. By time, each row takes the frame nearest to its
    time, which must not be further away than `tolerance`.
    """

    def __init__(self, owner: str, clips: Sequence[Clip], *, tolerance: float = 0.0) -> None:
        self._owner, self._tolerance = owner, tolerance
        self._clips = list(clips)
        self._ends = np.cumsum([clip.rows for clip in clips])
        known: dict[Path, int] = {}
        self._file_of = np.array([known.setdefault(clip.file, len(known)) for clip in clips])
        self._files = list(known)
        self._identities = [_identity(path) for path in self._files]
        height, width = _size(owner, self._files[0])
        self.shape = (int(self._ends[-1]), height, width, 3)
        self.dtype = np.dtype(np.uint8)
        self._numbers: dict[int, np.ndarray] = {}  # by clip, once its file was looked at

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Decode rows, those of one file in the order in which they lie there."""
        with _locks.setdefault(os.getpid(), Lock()):  # a decoder stands at one place
            return self._read(rows)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        clips = np.searchsorted(self._ends, rows, side="right")
        for file in np.unique(self._file_of[clips]).tolist():
            video = self._video(file)
            places = np.flatnonzero(self._file_of[clips] == file)
            numbers = np.array([self._number(int(clips[place]), int(rows[place])) for place in places])
            for place in np.argsort(numbers, kind="stable").tolist():
                with reading(video.path, f"a frame {numbers[place]} that can be decoded"):
                    found[places[place]] = video.frame(int(numbers[place]), self.shape[1:3])
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_numbers": {}}

    def _number(self, clip: int, row: int) -> int:
        first = int(self._ends[clip]) - self._clips[clip].rows
        return int(self._numbers[clip][row - first])

    def _video(self, file: int) -> "_Video":
        """Return an open file, whose frames were compared with the rows when it was first opened."""
        path, known = self._files[file], self._identities[file]
        if _identity(path) != known:
            raise DataError(
                rule(path, "to stay as it is while it is in use"),
                "it was written to since it was opened",
                "Open it again",
            )
        video = _opened(self._owner, path, known)
        for clip in np.flatnonzero(self._file_of == file).tolist():
            if clip not in self._numbers:
                self._numbers[clip] = _frame_numbers(video, self._clips[clip], self._tolerance)
        return video


def _frame_numbers(video: "_Video", clip: Clip, tolerance: float) -> np.ndarray:
    """Return the number of the frame in the file for each row of a clip."""
    count = len(video.times)
    if clip.times is None:
        numbers = clip.first + np.arange(clip.rows)
        if numbers[-1] >= count or clip.total not in (None, count):
            due = f"exactly {clip.total} frames" if clip.total else f"at least {numbers[-1] + 1} frames"
            raise DataError(
                rule(video.path, f"{due}, one for each row"),
                f"it has {count}",
                "Write the video again, or leave its episodes out",
            )
        return numbers
    after = np.clip(np.searchsorted(video.times, clip.times), 1, max(count - 1, 1))
    before = after - 1
    after = np.minimum(after, count - 1)
    closer = np.abs(video.times[after] - clip.times) < np.abs(video.times[before] - clip.times)
    numbers = np.where(closer, after, before)
    errors = np.abs(video.times[numbers] - clip.times)
    worst = int(np.argmax(errors))
    shared = np.flatnonzero(np.diff(numbers) < 1)
    if errors[worst] > tolerance or shared.size:
        rate = (count - 1) / (video.times[-1] - video.times[0]) if count > 1 else 0.0
        got = (
            f"row {worst} of an episode is at {clip.times[worst]:.6g} s and the nearest of {count} frames, "
            f"{rate:.4g} a second, {errors[worst]:.3g} s away"
            if errors[worst] > tolerance
            else f"rows {shared[0]} and {shared[0] + 1} of an episode would be the same frame"
        )
        raise DataError(
            rule(video.path, f"a frame of its own within {tolerance:g} s of the time of each row"),
            got,
            "Where its frames are the rows one by one, pass frames='number'; where its clock is only "
            "coarse, a larger `tolerance`",
        )
    return numbers


class _Video:
    """An open video file of one process: when its frames are shown, and the frames."""

    def __init__(self, owner: str, path: Path, known: Identity) -> None:
        self.path, self.process, self.identity = path, os.getpid(), known
        self._container, self._stream = _stream(owner, path)
        stamps, keys = [], []
        with reading(path, "a readable video"):
            for packet in self._container.demux(self._stream):
                if packet.pts is not None and not packet.is_discard:
                    stamps.append(packet.pts)
                    keys.append(packet.is_keyframe)
        order = np.argsort(np.array(stamps, np.int64), kind="stable")
        self._stamps = np.array(stamps, np.int64)[order]
        self._keys = np.flatnonzero(np.array(keys, bool)[order])
        if len(stamps) == 0 or (np.diff(self._stamps) == 0).any():
            raise DataError(
                rule(path, "frames with a time of their own"),
                "two have the same" if stamps else "it has none",
                "Write the video again",
            )
        self.times = self._stamps * float(self._stream.time_base)
        self._frames: Any = None
        self._next = 0  # number of the frame that comes next, where `_frames` is there

    def frame(self, number: int, size: tuple[int, ...]) -> np.ndarray:
        """Return one frame, decoded from the last key frame before it or from where the decoder stands."""
        start = int(np.searchsorted(self._keys, number, side="right")) - 1
        key = int(self._keys[start]) if start >= 0 else 0
        found = None
        if self._frames is not None and key <= self._next <= number:
            found = self._decoded(number)
        while found is None:
            self._seek(key)
            found = self._decoded(number)
            if found is None and start < 0:
                raise ValueError("no picture was decoded for it")
            start -= 1
            key = int(self._keys[start]) if start >= 0 else 0
        if (found.height, found.width) != size:
            raise DataError(
                rule(self.path, f"frames of {size[0]}x{size[1]} pixels, as the first video has"),
                f"frame {number} has {found.height}x{found.width}",
                "Leave its episodes out with `episodes=`, or write the videos at one size",
            )
        return _rgb(found)

    def _seek(self, key: int) -> None:
        self._frames = None
        self._container.seek(int(self._stamps[key]), stream=self._stream, backward=True)
        self._frames = self._container.decode(self._stream)

    def _decoded(self, number: int) -> Any:
        """Decode until a frame comes; None where the decoder has passed it."""
        wanted = self._stamps[number]
        for frame in self._frames:
            if frame.pts is not None and frame.pts >= wanted:
                self._next = int(np.searchsorted(self._stamps, frame.pts)) + 1
                return frame if frame.pts == wanted else None
        self._frames = None
        return None


def _rgb(frame: Any) -> np.ndarray:
    """Return a frame as an array, converted by this thread alone; before 16, PyAV knew no others."""
    try:
        return frame.to_ndarray(format="rgb24", threads=1)
    except TypeError:
        return frame.to_ndarray(format="rgb24")


def _stream(owner: str, path: Path) -> tuple[Any, Any]:
    """Open a file and return it with its one stream of pictures."""
    av = optional("av", owner)
    demuxer = _DEMUXERS.get(path.suffix.lower())
    if demuxer is None:
        raise DataError(
            rule(path, f"the name of a video, which ends in one of {', '.join(_DEMUXERS)}"),
            f"it ends in {path.suffix!r}",
            "Rename it if it is one",
        )
    with reading(path, "to be a video"):
        container = av.open(str(path), format=demuxer)
        if len(container.streams.video) == 0:
            raise DataError(rule(path, "a stream of pictures"), "it has none", "Write the video again")
        stream = container.streams.video[0]
        codec = stream.codec_context
        height, width = codec.height, codec.width
        if not (0 < height * width <= _MOST_PIXELS and stream.time_base):
            raise DataError(
                rule(path, f"frames of at most {_MOST_PIXELS} pixels"),
                f"it declares {height}x{width}",
                "Write the video again",
            )
        # One thread: a process that was forked has none of its parent's.
        codec.thread_count = 1
        codec.options = {"max_pixels": str((height + 256) * (width + 256))}
    return container, stream


def _size(owner: str, path: Path) -> tuple[int, int]:
    """Return height and width that a file declares."""
    container, stream = _stream(owner, path)
    with container:
        return stream.codec_context.height, stream.codec_context.width


def frame_rate(owner: str, path: Path) -> float | None:
    """Return the frames a second that a file declares, None where it does not."""
    container, stream = _stream(owner, path)
    with container:
        rate = stream.average_rate
        return float(rate) if rate else None


def frame_count(owner: str, path: Path) -> int:
    """Return how many frames a file has."""
    return len(_opened(owner, path, _identity(path)).times)


_videos: "OrderedDict[Path, _Video]" = OrderedDict()  # the one that was used last comes last
_locks: dict[int, Lock] = {}  # by process: a fork may come while a thread holds one
_inherited: list[_Video] = []  # of the process that forked this one: FFmpeg might wait for threads left there


def _opened(owner: str, path: Path, known: Identity) -> _Video:
    if _videos and next(iter(_videos.values())).process != os.getpid():
        _inherited.extend(_videos.values())
        _videos.clear()
    video = _videos.get(path)
    if video is None or video.identity != known:
        video = _Video(owner, path, known)
        _videos[path] = video
    _videos.move_to_end(path)
    while len(_videos) > _MOST_OPEN:
        _videos.popitem(last=False)
    return video


def _identity(path: Path) -> Identity:
    with reading(path, "to be there"):
        return identity(path)
