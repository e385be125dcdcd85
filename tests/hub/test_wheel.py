"""What `pip install leworld` puts on a machine: the package, what it requires, and the model in it."""

import os
import re
import subprocess
import sys
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="the build backend is not installed")
requirements = pytest.importorskip("packaging.requirements")

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9"
LOAD = """
import socket, sys
from pathlib import Path
site, packages = sys.argv[1:]
assert not any("site-packages" in path for path in sys.path), sys.path
sys.path[:0] = [site, packages]

def cut_off(*args):
    raise AssertionError(f"asked the network for {args[-1]}")

socket.socket.connect = socket.getaddrinfo = cut_off
import leworld
assert Path(leworld.__file__).is_relative_to(site), leworld.__file__
model = leworld.load("lewm-tworoom-tiny")
assert Path(sys.modules[type(model).__module__].__file__).is_relative_to(site)
assert model.processor.action_mean is not None and not model.training
try:
    leworld.load("lewm-pusht")
except leworld.errors.CheckpointError as error:
    assert "does not answer" in str(error) or "asked the network" in str(error), error
else:
    raise AssertionError("the network was not cut off")
print(model.processor.environment_id)
"""


def run(*command: object, cwd: Path, **extra: str) -> str:
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **extra},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


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


def test_an_installed_wheel_loads_its_model_without_a_network(tmp_path: Path) -> None:
    """In an interpreter that sees the standard library, the wheel, and what the wheel requires: no extra."""
    run("-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site, packages = tmp_path / "site", tmp_path / "packages"
    quiet = ("-q", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check")
    run("-m", "pip", "install", *quiet, "--target", site, wheel, cwd=tmp_path)
    tops = {path.name for path in site.iterdir() if path.suffix != ".dist-info"} - {"bin"}
    assert tops == {"leworld"}
    (installed,) = distributions(path=[str(site)])
    link_packages(required(installed), packages)
    present = {path.name for path in packages.iterdir()}
    assert {"torch", "safetensors", "huggingface_hub"} <= present
    assert not {"h5py", "lightning", "gymnasium", "onnx", "matplotlib", "pytest"} & present
    cut_off = {"HF_ENDPOINT": NOWHERE, "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE}
    told = run("-S", "-c", LOAD, site, packages, cwd=tmp_path, **cut_off, HF_HOME=str(tmp_path / "home"))
    assert told == "leworld/TwoRoom-v0"
    assert not list((tmp_path / "home").rglob("*.safetensors"))
