"""What the folder `meta` of a LeRobot data set says: its features, its episodes, and where they lie."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..._checks import describe
from ...errors import DataError
from .._arguments import is_unicode
from .._hdf5_layout import shown
from .._readers._folder import DataFolder, count_of, rule
from .._readers._parquet import ParquetTable, stacked

INFO = "meta/info.json"
_V2, _V3 = "v2", "v3"
_MOST_EPISODES = 10**7
_FIELD = re.compile(r"\{(\w+)(?::0?(\d{1,2})d)?\}")
_CONVERT = "Convert it with lerobot's own scripts to v2.1 or v3.0"


@dataclass(frozen=True)
class Feature:
    """A column as info.json declares it: its kind, and for numbers the shape of one row."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def is_camera(self) -> bool:
        """Whether it holds pictures."""
        return self.dtype in ("video", "image")


@dataclass(frozen=True)
class Place:
    """Where one camera of an episode lies: its file, and the second in it at which the episode begins."""

    file: str
    start: float
    end: float | None


# Numbers and lengths of episodes, their tables, by camera where they lie, and their tasks in words.
_Listed: TypeAlias = tuple[np.ndarray, np.ndarray, list[str], dict[str, list["Place"]], Sequence[str | None]]


@dataclass(frozen=True)
class Info:
    """What info.json says, and one entry an episode from the tables beside it.

    Attributes:
        fps: Frames a second.
        features: Columns by name.
        lengths: Rows of each episode.
        numbers: Their numbers in the data set.
        tables: The parquet file of each.
        videos: By camera, where it lies for each episode.
        task_texts: What was to be done in each, several tasks joined by "; ".
    """

    fps: float
    features: Mapping[str, Feature]
    lengths: np.ndarray
    numbers: np.ndarray
    tables: Sequence[str]
    videos: Mapping[str, Sequence[Place]]
    task_texts: Sequence[str | None]


def is_lerobot(folder: DataFolder) -> bool:
    """Whether a folder looks like a LeRobot data set."""
    return INFO in folder


def read_info(owner: str, folder: DataFolder) -> Info:
    """Read the folder `meta`."""
    content = folder.json(INFO)
    version = content.get("codebase_version")
    if not isinstance(version, str) or version[:2] not in (_V2, _V3):
        raise DataError(
            rule(folder.path, "LeRobot's version 2 or 3 in meta/info.json"),
            f"`codebase_version` is {describe(version)}",
            _CONVERT,
        )
    fps = content.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < 1e6:
        raise _wrong(folder, "a number above 0 as `fps`", fps)
    features = _features(folder, content.get("features"))
    cameras = [name for name, feature in features.items() if feature.dtype == "video"]
    read = _episodes_of_3 if version.startswith(_V3) else _episodes_of_2
    numbers, lengths, tables, videos, texts = read(owner, folder, content, cameras)
    for name, due in (("total_episodes", len(lengths)), ("total_frames", int(lengths.sum()))):
        if name in content and content[name] != due:
            raise DataError(
                rule(folder.path, f"as many episodes and frames as meta/info.json counts (`{name}`)"),
                f"that is {describe(content[name])}, and the list of episodes has {due}",
                "The recording or the download was interrupted: fetch or record it again",
            )
    return Info(float(fps), features, lengths, numbers, tables, videos, texts)


def _features(folder: DataFolder, content: object) -> dict[str, Feature]:
    if not isinstance(content, dict) or not content:
        raise _wrong(folder, "a mapping as `features`", content)
    found = {}
    for name, told in content.items():
        dtype = told.get("dtype") if isinstance(told, dict) else None
        sizes = told.get("shape") if isinstance(told, dict) else None
        if not isinstance(dtype, str):
            raise _wrong(folder, f"a type for `{shown(name)}`", told)
        if isinstance(sizes, list) and not _is_depth(told):  # texts of newer sets have no shape
            found[name] = Feature(dtype, tuple(count_of(folder.path, "shape", size) for size in sizes))
    return found


def _is_depth(told: Mapping[str, Any]) -> bool:
    """Whether a camera measures distances, which are no colours."""
    details = told.get("info")
    return isinstance(details, dict) and any("is_depth_map" in key and details[key] for key in details)


def _episodes_of_2(
    owner: str, folder: DataFolder, content: Mapping[str, Any], cameras: Sequence[str]
) -> _Listed:
    lines = folder.json_lines("meta/episodes.jsonl")
    numbers = [count_of(folder.path, "episode_index", line.get("episode_index")) for line in lines]
    lengths = [count_of(folder.path, "length", line.get("length"), low=1) for line in lines]
    chunk = count_of(folder.path, "chunks_size", content.get("chunks_size", 1000), low=1)
    fields = [{"episode_chunk": number // chunk, "episode_index": number} for number in numbers]
    tables = [_filled(folder, content, "data_path", values) for values in fields]
    videos = {
        camera: [
            Place(_filled(folder, content, "video_path", {**values, "video_key": camera}), 0.0, None)
            for values in fields
        ]
        for camera in cameras
    }
    return (
        _checked(folder, np.array(numbers, np.int64), np.array(lengths, np.int64)),
        np.array(lengths, np.int64),
        tables,
        videos,
        [_text(line.get("tasks")) for line in lines],
    )


def _episodes_of_3(
    owner: str, folder: DataFolder, content: Mapping[str, Any], cameras: Sequence[str]
) -> _Listed:
    wanted = ["episode_index", "length", "data/chunk_index", "data/file_index"]
    for camera in cameras:
        stem = f"videos/{camera}"
        wanted += [
            f"{stem}/{part}" for part in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
        ]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    texts: list[str | None] = []
    place = folder.folder("meta").folder("episodes")
    for chunk in place.names(folders=True):
        inner = place.folder(chunk)
        for name in inner.names(suffixes=(".parquet",)):
            table = ParquetTable(owner, inner.file(name))
            for column in wanted:
                parts[column].append(table.numbers(column))
            listed = table.raw("tasks").to_pylist() if "tasks" in table.names else [None] * table.rows
            texts += map(_text, listed)
    if not parts["length"]:
        raise DataError(
            rule(folder.path, "tables in meta/episodes"), "there are none", "Fetch the data set again"
        )
    columns = {name: stacked(folder.path, name, found) for name, found in parts.items()}
    for name, column in columns.items():
        kinds = "iuf" if name.endswith("timestamp") else "iu"
        if column.ndim != 1 or column.dtype.kind not in kinds or len(column) == 0:
            raise DataError(
                rule(folder.path, f"one number an episode as `{name}` in meta/episodes"),
                f"it is {describe(column)}",
                "Fetch the data set again",
            )
    order = np.argsort(columns["episode_index"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    numbers = _checked(folder, columns["episode_index"], columns["length"])

    def at(stem: str, key: str, values: Mapping[str, object]) -> list[str]:
        chunks, files = columns[f"{stem}/chunk_index"], columns[f"{stem}/file_index"]
        known: dict[tuple[int, int], str] = {}
        return [
            known.setdefault(
                pair, _filled(folder, content, key, {**values, "chunk_index": pair[0], "file_index": pair[1]})
            )
            for pair in zip(chunks.tolist(), files.tolist(), strict=True)
        ]

    tables = at("data", "data_path", {})
    videos = {}
    for camera in cameras:
        stem = f"videos/{camera}"
        starts, ends = (columns[f"{stem}/{side}_timestamp"].astype(np.float64) for side in ("from", "to"))
        files = at(stem, "video_path", {"video_key": camera})
        videos[camera] = [Place(*each) for each in zip(files, starts.tolist(), ends.tolist(), strict=True)]
    return numbers, columns["length"].astype(np.int64), tables, videos, [texts[place] for place in order]


def _text(tasks: object) -> str | None:
    """Return the tasks of an episode as one text, None where they are none."""
    several = tasks if isinstance(tasks, list) else [tasks]
    known = [task for task in several if is_unicode(task) and task]
    return "; ".join(known) or None


def _checked(folder: DataFolder, numbers: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the numbers of episodes, which differ, ascend, and have rows."""
    if len(numbers) == 0 or len(numbers) > _MOST_EPISODES:
        raise DataError(
            rule(folder.path, "at least one episode, and not more than ten million"),
            f"its list of episodes has {len(numbers)}",
            "Fetch the data set again",
        )
    wrong = np.flatnonzero(np.diff(numbers) < 1)
    if wrong.size:
        raise DataError(
            rule(folder.path, "every episode once, in order"),
            f"episode {numbers[wrong[0] + 1]} follows {numbers[wrong[0]]}",
            "It may have been merged wrongly: merge it again",
        )
    if lengths.min() < 1 or lengths.max() >= 2**40:
        raise DataError(
            rule(folder.path, "at least one row for every episode"),
            f"the lengths are from {lengths.min()} to {lengths.max()}",
            "Fetch or record the data set again",
        )
    return numbers.astype(np.int64)


def _filled(folder: DataFolder, content: Mapping[str, Any], key: str, values: Mapping[str, object]) -> str:
    """Put values into a pattern of info.json; only plain fields are known, so that it can do nothing else."""
    pattern = content.get(key)
    if not isinstance(pattern, str) or len(pattern) > 1000:
        raise _wrong(folder, f"a pattern of file names as `{key}`", pattern)

    def value(match: re.Match[str]) -> str:
        name, width = match.groups()
        if name not in values:
            raise _wrong(folder, f"fields among {sorted(values)} in `{key}`", pattern)
        found = values[name]
        return f"{found:0{int(width)}d}" if width and isinstance(found, int) else str(found)

    return _FIELD.sub(value, pattern)


def _wrong(folder: DataFolder, need: str, got: object) -> DataError:
    return DataError(
        rule(folder.path, f"{need} in meta/info.json"), f"it has {shown(describe(got))}", _CONVERT
    )
