"""A small explorer of random weights, made once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from leworld.explorer import Explorer
from leworld.explorer._server import Server
from leworld.planners import CEMPlanner
from leworld.tasks import get_task, two_room_held_out
from tests.hub.examples import tiny_lewm


def quick() -> CEMPlanner:
    return CEMPlanner(horizon=2, num_samples=8, num_elites=2, num_iterations=2)


def explorer(*, task: bool = True) -> Explorer:
    return _explorer(task)


@cache
def _explorer(task: bool) -> Explorer:
    episodes = two_room_held_out(5, image_size=16)
    return Explorer(tiny_lewm(), episodes, task=get_task("tworoom") if task else None, planner=quick())


@contextmanager
def served(shown: Explorer) -> Iterator[Server]:
    """Serve in a thread, and close everything at the end."""
    server = Server(shown, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
