"""Count the moments of a piece of work, kill it at some, let it go on, and compare what it leaves."""

import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

_WRITING = os.O_WRONLY | os.O_RDWR
_CHILD_SECONDS = 600  # a child that hangs ends by itself
_NAMED = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


class Subject(Protocol):
    """A module with the work; see the package."""

    def work(self, folder: Path) -> None:
        """Do it, or go on with it."""

    def outcome(self, folder: Path) -> str:
        """Return what whole work leaves."""


@dataclass(frozen=True)
class Kill:
    """One kill: its moment, what happened there, and what was wrong afterwards, if anything."""

    moment: int
    what: str
    fault: str | None


@dataclass
class Findings:
    """All kills of a subject, and how many moments its work has."""

    moments: int = 0
    kills: list[Kill] = field(default_factory=list)


class _Clock:
    """Counts moments in a process, and kills it at one of them, a file half written where one is open."""

    def __init__(self) -> None:
        self.folder = ""
        self.count = 0
        self.last = -1
        self.torn = False
        self.report: Path | None = None

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Take part in the interpreter's own notes of what it does with files."""
        if not self.folder or not args or not isinstance(args[0], str | os.PathLike):
            return
        path = os.fspath(args[0])
        if not isinstance(path, str) or not path.startswith(self.folder):
            return
        if event == "open" and isinstance(args[2], int) and args[2] & _WRITING:
            self.tick(f"open {Path(path).name}", path if args[2] & os.O_APPEND else None)
        elif event in _NAMED:
            self.tick(f"{event.removeprefix('os.')} {Path(path).name}", path)

    def tick(self, what: str, path: str | None = None) -> None:
        """Count one moment."""
        self.count += 1
        if self.count != self.last:
            return
        self.folder = ""  # what follows is not counted
        if self.report is not None:
            self.report.write_text(what)
        if self.torn and path is not None and os.path.isfile(path):
            if what.startswith("open"):
                with open(path, "a") as file:
                    file.write("7,0.12")
            elif what.startswith("rename"):
                os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)


_clock = _Clock()


def moment(what: str) -> None:
    """Name a moment at which the work may be killed, beside those of files."""
    if _clock.folder:
        _clock.tick(what)


def survive(subject: Subject | Any, *, count: int, seed: int) -> Findings:
    """Kill `subject` at `count` moments drawn by `seed`, each time in a new folder, and let it go on.

    Each run is a fork of this process, which must have started no threads: a fork copies the locks that they
    hold, and would wait for them for ever.
    """
    if threading.active_count() > 1:
        raise RuntimeError(
            "kills need a process of their own without threads: run `python -m benchmarks.kills`"
        )
    sys.addaudithook(_clock.audit)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        whole = root / "whole"
        notes = root / "notes"
        fault = _in_child(lambda: _counted(subject, whole, notes))
        if fault is not None:
            raise RuntimeError(f"the work fails without any kill: {fault}")
        findings = Findings(int(notes.read_text().partition("\n")[0]))
        due = notes.read_text().partition("\n")[2]
        draw = np.random.default_rng(seed)
        chosen = draw.choice(findings.moments, size=min(count, findings.moments), replace=False) + 1
        for last in sorted(int(one) for one in chosen):
            torn = bool(draw.integers(2))
            findings.kills.append(_killed(subject, root / f"{last}", last, torn, due))
    return findings


def _killed(subject: Any, folder: Path, last: int, torn: bool, due: str) -> Kill:
    report = folder.with_suffix(".what")

    def doomed() -> None:
        _clock.last, _clock.torn, _clock.report = last, torn, report
        _start(folder)
        subject.work(folder)

    def goes_on() -> None:
        if hasattr(subject, "after_kill"):
            subject.after_kill(folder)
        subject.work(folder)
        found = subject.outcome(folder)
        if found != due:
            raise AssertionError(f"it left {_first_difference(found, due)}")

    ended = _in_child(doomed)
    if ended != "signal 9":
        return Kill(last, "never", f"the work was not killed: {ended}")
    what = report.read_text() + (", torn" if torn else "")
    return Kill(last, what, _in_child(goes_on))


def _counted(subject: Any, folder: Path, notes: Path) -> None:
    _start(folder)
    subject.work(folder)
    _clock.folder = ""
    notes.write_text(f"{_clock.count}\n{subject.outcome(folder)}")


def _start(folder: Path) -> None:
    folder.mkdir()
    _clock.folder, _clock.count = str(folder), 0


def _in_child(task: Callable[[], None]) -> str | None:
    """Run `task` in a fork of this process and say what went wrong there, or None."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_CHILD_SECONDS)
            os.close(reader)
            task()
            code = 0
        except BaseException as error:
            text = "".join(traceback.format_exception(error))[-4000:]
            os.write(writer, text.encode())
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        told = stream.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        return f"signal {-status}"
    return (told.strip() or f"exit code {status}") if status else None


def _first_difference(found: str, due: str) -> str:
    for ours, theirs in zip(found.splitlines(), due.splitlines(), strict=False):
        if ours != theirs:
            return f"{ours!r} instead of {theirs!r}"
    return f"{len(found.splitlines())} lines instead of {len(due.splitlines())}"
