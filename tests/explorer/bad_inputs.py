"""Mistakes that users make with the explorer, and what they must be told."""

import dataclasses
import socket
from functools import cache

from leworld.errors import ConfigError, DataError
from leworld.explorer import Explorer, serve
from leworld.tasks import two_room_held_out
from tests.bad_input import BadInput
from tests.explorer.examples import explorer, quick
from tests.hub.examples import tiny_lewm


def _row(name, case, error, mentions, call):
    return BadInput(f"leworld.explorer.{name}", case, call, error, mentions)


def _make(case, error, mentions, *, model=None, episodes=None, **options):
    def call():
        data = two_room_held_out(2, image_size=16) if episodes is None else episodes
        return Explorer(tiny_lewm() if model is None else model, data, **options)

    return _row("Explorer", case, error, mentions, call)


@cache
def _blind():
    data = two_room_held_out(2, image_size=16)
    return dataclasses.replace(data, pixels=None)


def _question(name, case, mentions, *, error=ConfigError, task=True, **fields):
    def call():
        asked = {"frame": 0, "goal_episode": 0, "goal_frame": 3} | fields
        return getattr(explorer(task=task), name)(asked.pop("episode", 0), **asked)

    return _row(f"Explorer.{name}", case, error, mentions, call)


def _taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        serve(explorer(), port=other.getsockname()[1])


ROWS = [
    _make("a name for a model", ConfigError, ("`model`", "WorldModel"), model="lewm-pusht"),
    _make("a path for episodes", ConfigError, ("`episodes`", "Episodes"), episodes="held.h5"),
    _make("a name for a task", ConfigError, ("`task`", "Task"), task="tworoom"),
    _make("a name for a planner", ConfigError, ("`planner`", "Planner"), planner="cem"),
    _make("negative seed", ConfigError, ("seed",), seed=-1),
    _row(
        "Explorer",
        "no pictures",
        DataError,
        ("pixels", "camera"),
        lambda: Explorer(tiny_lewm(), _blind(), planner=quick()),
    ),
    _row("Explorer.episode", "no such one", ConfigError, ("episode",), lambda: explorer().episode(99)),
    _row("Explorer.episode", "half of one", ConfigError, ("episode",), lambda: explorer().episode(0.5)),
    _row(
        "Explorer.disturb",
        "the first frame",
        ConfigError,
        ("event",),
        lambda: explorer().disturb(0, frame=0, kind="freeze"),
    ),
    _row(
        "Explorer.disturb",
        "an unknown kind",
        ConfigError,
        ("freeze",),
        lambda: explorer().disturb(0, frame=3, kind="freez"),
    ),
    _question("plan", "no such frame", ("frame",), frame=999),
    _question("plan", "no such goal", ("episode",), goal_episode=-1),
    _question("play", "no such frame", ("frame",), goal_frame=999),
    _question("play", "no task", ("task",), task=False),
    _question("play", "a goal that is reached", ("solved",), goal_frame=0),
    _row("serve", "a model", ConfigError, ("Explorer",), lambda: serve(tiny_lewm())),
    _row("serve", "no port", ConfigError, ("port",), lambda: serve(explorer(), port=70000)),
    _row("serve", "a port that is taken", ConfigError, ("free port",), _taken),
    _row("serve", "no function", ConfigError, ("on_ready",), lambda: serve(explorer(), on_ready="print")),
]
