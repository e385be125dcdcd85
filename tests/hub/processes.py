"""Child processes for tests of what only separate processes show, without a fresh import of torch for each.

The children are forked from one server that has imported torch and leworld, but not huggingface_hub, which
reads its environment variables when it is imported: that happens in the child, under the child's environment.
Where there is no fork, each child is a fresh interpreter.
"""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

PATIENCE = 600  # seconds to wait for a Hub, as many as a test has: no machine is too slow for the loopback
CONTEXT = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
PRELOADED = ["torch", "safetensors.torch", "leworld", "leworld.hub", "leworld.models", "leworld.regularizers"]
PRELOADED += ["leworld.encoders", "leworld.predictors", "leworld.nn", "beartype"]
PRELOADED += [
    "httpx2",
    "yaml",
    "filelock",
    "tqdm.auto",
    "tests.hub.processes",
]  # of huggingface_hub, harmless


class Child:
    """A running child that calls a function of a module; `pipe` carries what it sends."""

    def __init__(self, job: Callable[..., object], *arguments: Any, **environment: str) -> None:
        if os.name != "nt":
            CONTEXT.set_forkserver_preload(PRELOADED)
        self.pipe, theirs = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_run, args=(theirs, environment, job, *arguments), daemon=True)
        self._process.start()
        theirs.close()

    def kill(self) -> None:
        self._process.kill()

    def finish(self) -> tuple[int | None, Any]:
        """Wait for the end; return the exit code and what the job returned, or the error's text."""
        try:
            result = self.pipe.recv()
        except EOFError:
            result = None
        self._process.join()
        return self._process.exitcode, result


def _run(
    pipe: Connection, environment: Mapping[str, str], job: Callable[..., object], *arguments: Any
) -> None:
    os.environ.update(environment)
    try:
        result = job(*arguments)
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    pipe.send(result)


def hub_environment(home: str, url: str, **more: str) -> dict[str, str]:
    """The variables that make huggingface_hub keep to `home` and to the Hub at `url`."""
    return {
        "HF_HOME": home,
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_ETAG_TIMEOUT": str(PATIENCE),
        "HF_HUB_DOWNLOAD_TIMEOUT": str(PATIENCE),
        **more,
    }


def without_privileges() -> None:
    """Make this process one that file permissions bind: root becomes nobody, others are so already."""
    if os.name != "nt" and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
