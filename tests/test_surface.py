"""The public names, held against an inventory that is edited in the same change."""

import json

import leworld
from tests._source import ROOT, exported_names, public_objects, rooms

INVENTORY = json.loads((ROOT / "tests" / "public_names.json").read_text(encoding="utf-8"))


def test_public_names_match_the_inventory() -> None:
    assert {room: list(exported_names(room)) for room in rooms()} == INVENTORY["rooms"]


def test_headline_names_match_the_inventory() -> None:
    assert sorted(set(dir(leworld)) - set(rooms()) - {"__version__"}) == INVENTORY["headline"]


def test_every_listed_room_and_headline_name_resolves() -> None:
    assert set(dir(leworld)) >= set(rooms())
    for name in dir(leworld):
        assert getattr(leworld, name) is not None


def test_each_object_has_one_public_path() -> None:
    paths: dict[int, list[str]] = {}
    for path, value in public_objects().items():
        paths.setdefault(id(value), []).append(path)
    assert not [shared for shared in paths.values() if len(shared) > 1]


def test_headline_names_are_the_rooms_own_objects() -> None:
    values = {id(value) for value in public_objects().values()}
    assert all(id(getattr(leworld, name)) in values for name in INVENTORY["headline"])
