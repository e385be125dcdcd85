"""Names of the package: `import *` brings a room's own, and a wrong one is told the nearest."""

import importlib
import json
import subprocess
import sys
import types

import pytest

import leworld
from leworld._names import public_names, room_names
from tests._source import ROOT, rooms

NAMES = json.loads((ROOT / "tests" / "public_names.json").read_text(encoding="utf-8"))["rooms"]


def star(room: str) -> set[str]:
    """What `from room import *` brings."""
    space: dict[str, object] = {}
    exec(f"from {room} import *", space)
    return set(space) - {"__builtins__"}


def wrong_star(room: str, due: list[str]) -> set[str]:
    """Names that `import *` brings too many or too few."""
    return star(room) ^ set(due)


@pytest.mark.parametrize("room", rooms())
def test_star_import_brings_a_rooms_names(room: str) -> None:
    assert not wrong_star(f"leworld.{room}", NAMES[room])
    module = importlib.import_module(f"leworld.{room}")
    assert dir(module) == NAMES[room] == list(public_names(f"leworld.{room}"))


def test_star_import_of_the_package() -> None:
    assert star("leworld") == set(leworld.__all__)


def test_a_room_that_brings_what_it_imports_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = types.ModuleType("planted_room")
    planted.Own, planted.Any = object(), object()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "planted_room", planted)
    assert wrong_star("planted_room", ["Own"]) == {"Any"}
    planted.__all__ = []  # type: ignore[attr-defined]
    assert wrong_star("planted_room", ["Own"]) == {"Own"}


def told(room: str, name: str) -> str:
    """What an access to a name that a room has not says."""
    module = importlib.import_module(room)
    assert not hasattr(module, name)
    with pytest.raises(AttributeError) as error:
        getattr(module, name)
    return str(error.value)


def misspelt(name: str) -> str:
    """Another case, and a letter twice."""
    return (name[0] + name[1] + name[1:]).swapcase()


@pytest.mark.parametrize("room", rooms())
def test_a_misspelt_name_is_told_the_nearest(room: str) -> None:
    for name in NAMES[room]:
        near = told(f"leworld.{room}", misspelt(name)).lower()  # `plan` and `Plan` are equally near
        assert f"did you mean `leworld.{room}.{name.lower()}`?" in near, name


@pytest.mark.parametrize("room", rooms())
def test_a_name_of_another_room_is_told_where_it_is(room: str) -> None:
    for name in set(NAMES[room]) - set(dir(leworld)):
        assert told("leworld", name).endswith(f": it is `leworld.{room}.{name}`")
    elsewhere = "errors" if room != "errors" else "nn"
    for name in set(NAMES[room]) - set(vars(importlib.import_module(f"leworld.{elsewhere}"))):
        assert f"`leworld.{room}.{name}`" in told(f"leworld.{elsewhere}", name)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("from leworld import CemPlanner", "`leworld.CEMPlanner`"),
        ("from leworld import ViTEncoder", "`leworld.encoders.ViTEncoder`"),
        ("from leworld import plannners", "`leworld.planners`"),
        ("from leworld.regularizers import VICreg", "`leworld.regularizers.VICReg`"),
        ("from leworld.planners import LeWM", "`leworld.models.LeWM`"),
        ("from leworld.errors import ConfigEror", "`leworld.errors.ConfigError`"),
        ("from leworld.training import train_tworoom", "TwoRoomRecipe"),
        ("from leworld import nothing_like_it_at_all", "has no attribute 'nothing_like_it_at_all'"),
    ],
)
def test_an_import_of_a_wrong_name_says_as_much(statement: str, words: str) -> None:
    with pytest.raises(ImportError) as error:
        exec(statement)
    assert words in str(error.value)


def test_an_access_and_a_look_are_attribute_errors() -> None:
    for name in ("SIGreg", "_private", "__wrapped__", "train_tworoom"):
        assert not hasattr(leworld, name)
        assert not hasattr(leworld.training, name)
    assert "Did you mean" not in told("leworld", "_SIGReg")
    assert room_names("leworld.nn")[1]() == NAMES["nn"]


def test_modules_of_a_room_are_still_imported() -> None:
    from leworld import _checks
    from leworld.planners import _cem

    assert isinstance(_cem, types.ModuleType)
    assert isinstance(_checks, types.ModuleType)


def test_python_dash_m() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "leworld", "--version"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, f"leworld {leworld.__version__}\n")
