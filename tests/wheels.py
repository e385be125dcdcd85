"""Wheels as a user gets them: installed into a folder, and run with what they require and nothing else."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging import requirements

ROOT = Path(__file__).resolve().parents[1]


def run(*command: object, cwd: Path, env: Mapping[str, str] | None = None, **extra: str) -> str:
    """Run this Python, in an environment of its own if one is given, and return what it printed."""
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**(os.environ if env is None else env), "OMP_NUM_THREADS": "1", **extra},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def install(wheel: Path, site: Path) -> None:
    """Put a wheel into a folder, without the network and without what it requires."""
    quiet = ("-q", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check")
    run("-m", "pip", "install", *quiet, "--target", site, wheel, cwd=site.parent)


def required(one: Distribution) -> list[Distribution]:
    """Everything that pip would install for a package without extras, itself not included."""
    found: dict[str, Distribution] = {}
    open_lines = list(one.requires or [])
    while open_lines:
        need = requirements.Requirement(open_lines.pop())
        name = re.sub(r"[-_.]+", "-", need.name).lower()
        if name in found or (need.marker is not None and not need.marker.evaluate({"extra": ""})):
            continue
        found[name] = distribution(need.name)
        open_lines += found[name].requires or []
    return list(found.values())


def link_packages(chosen: list[Distribution], place: Path) -> None:
    """Fill a folder with links to the packages of these distributions and to nothing else."""
    place.mkdir()
    for one in chosen:
        tops = {file.parts[0] for file in one.files or [] if file.parts[0] not in ("..", "__pycache__")}
        for top in tops - {path.name for path in place.iterdir()}:
            (place / top).symlink_to(Path(str(one.locate_file(top))).resolve())
