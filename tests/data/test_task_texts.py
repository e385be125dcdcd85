import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from leworld.data import Episodes, open_hdf5, open_lerobot, open_store, read_hdf5, write_hdf5, write_store
from leworld.data._store import _shards, _write
from leworld.data._store._index import json_digest
from leworld.errors import ConfigError, DataError
from tests.data.fakes import random_episodes
from tests.data.robot_sets import RobotSet, lerobot, rewrite

TEXTS = ("push the T", None, "räume auf", "push the T", 'say "go", then stop\0')
KNOWN = replace(random_episodes([3, 4, 2, 3, 2]), task_texts=TEXTS)
PLAIN = random_episodes([2, 3], seed=1)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shards, "SHARD_BYTES", 1200)


def test_they_follow_their_episodes() -> None:
    assert KNOWN.task_texts == TEXTS
    assert KNOWN.select([4, 0, -4]).task_texts == (TEXTS[4], TEXTS[0], None)
    assert KNOWN.select(slice(1, 3)).task_texts == TEXTS[1:3]
    training, held_out = KNOWN.split(0.4, seed=0)
    for side in (training, held_out):
        first = {KNOWN.pixels[int(row)].tobytes(): place for place, row in enumerate(KNOWN.offsets)}
        places = [first[side.pixels[int(row)].tobytes()] for row in side.offsets]
        assert side.task_texts == (tuple(TEXTS[place] for place in places) if places != [1] else None)
    films, moves = [np.zeros((2, 8, 8, 3), np.uint8)] * 2, [np.ones((1, 2), np.float32)] * 2
    assert Episodes.from_trajectories(films, moves, task_texts=["a", "b"]).task_texts == ("a", "b")
    assert replace(PLAIN, task_texts=[None, None]).task_texts is None


@pytest.mark.parametrize("texts", [["one"], "ab", ["a", 3], ["a", "\ud800"], 7, ["a", b"b"]])
def test_others_are_refused(texts: object) -> None:
    with pytest.raises(ConfigError, match="a list of 2 texts, one an episode"):
        replace(PLAIN, task_texts=texts)


def test_a_store_keeps_them_through_append_and_merge(tmp_path: Path) -> None:
    write_store(tmp_path / "one", KNOWN)
    assert len(list((tmp_path / "one").glob("0*"))) > 1
    assert open_store(tmp_path / "one").task_texts == TEXTS
    plain = replace(PLAIN, environment_id=KNOWN.environment_id)
    write_store(tmp_path / "one", plain, append=True)
    assert open_store(tmp_path / "one").task_texts == (*TEXTS, None, None)
    write_store(tmp_path / "two", [plain, open_store(tmp_path / "one").select([2, 0])])
    assert open_store(tmp_path / "two").task_texts == (None, None, TEXTS[2], TEXTS[0])
    write_store(tmp_path / "three", plain)
    assert open_store(tmp_path / "three").task_texts is None
    assert "task_texts" not in (tmp_path / "three" / "index.json").read_text()


def test_a_call_with_other_texts_is_another_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_write, "finish", ended)
        with pytest.raises(KeyboardInterrupt):
            write_store(tmp_path, KNOWN)
    with pytest.raises(ConfigError, match="goes on only with the episodes"):
        write_store(tmp_path, replace(KNOWN, task_texts=[*TEXTS[:4], "another"]))
    write_store(tmp_path, KNOWN)
    assert open_store(tmp_path).task_texts == TEXTS


@pytest.mark.parametrize(
    "wrong",
    [
        ["push"],
        {"texts": ["a"], "text_of_episode": [0, 0]},
        {"texts": ["a"], "text_of_episode": [1]},
        {"texts": ["a"], "text_of_episode": [True]},
        {"texts": [3], "text_of_episode": [0]},
    ],
)
def test_an_index_with_wrong_texts_is_refused(wrong: object, tmp_path: Path) -> None:
    write_store(tmp_path, KNOWN.select([0]))
    index = json.loads((tmp_path / "index.json").read_text())
    index["shards"][0]["task_texts"] = wrong
    del index["digest"]
    (tmp_path / "index.json").write_text(json.dumps({**index, "digest": json_digest(index)}))
    with pytest.raises(DataError, match="a text, or none, for every episode"):
        open_store(tmp_path)


def test_an_hdf5_file_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_hdf5(path, KNOWN)
    assert read_hdf5(path).task_texts == TEXTS
    assert open_hdf5(path, episodes=[4, 1, 0]).task_texts == (TEXTS[4], None, TEXTS[0])
    write_hdf5(tmp_path / "b.h5", PLAIN)
    assert read_hdf5(tmp_path / "b.h5").task_texts is None
    for wrong in ("push", "[1", '{"texts": ["a"], "text_of_episode": [0]}', 7.0):
        with h5py.File(path, "r+") as file:
            file.attrs["leworld_task_texts"] = wrong
        with pytest.raises(DataError, match="`leworld_task_texts`"):
            read_hdf5(path)
    long = replace(KNOWN, task_texts=["x" * 2**20, None, None, None, None])
    with pytest.raises(DataError, match="Write a store"):
        write_hdf5(tmp_path / "c.h5", long)
    assert not (tmp_path / "c.h5").exists()


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_lerobot_tells_them(version: str, tmp_path: Path) -> None:
    known = RobotSet([4, 3, 5])
    folder = lerobot(tmp_path / "s", known, version=version, kind="image", files=[[0, 2], [1]])
    tasks = [["push"], ["lift", "turn"], []]
    if version == "v3.0":
        rewrite(folder / "meta/episodes/chunk-000/file-000.parquet", tasks=[tasks[0], tasks[2], tasks[1]])
    else:
        place = folder / "meta/episodes.jsonl"
        lines = [json.loads(line) for line in place.read_text().splitlines()]
        place.write_text(
            "\n".join(json.dumps(one | {"tasks": t}) for one, t in zip(lines, tasks, strict=True))
        )
    assert open_lerobot(folder).task_texts == ("push", "lift; turn", None)
    chosen = open_lerobot(folder, episodes=[1, 0])
    assert chosen.task_texts == ("lift; turn", "push")
    write_store(tmp_path / "packed", chosen)
    assert open_store(tmp_path / "packed").task_texts == chosen.task_texts
