"""What `pip install leworld` puts on a machine: the package, and the model that comes with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="the build backend is not installed")

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9"
LOAD = """
import sys
from pathlib import Path
import leworld
assert Path(leworld.__file__).is_relative_to(sys.argv[1]), leworld.__file__
model = leworld.load("lewm-tworoom-tiny")
assert Path(sys.modules[type(model).__module__].__file__).is_relative_to(sys.argv[1])
assert model.processor.action_mean is not None and not model.training
print(model.processor.environment_id)
"""


def run(*command: object, cwd: Path, **extra: str) -> str:
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **extra},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_an_installed_wheel_loads_its_model_without_a_network(tmp_path: Path) -> None:
    run("-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    target = tmp_path / "site"
    quiet = ("-q", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check")
    run("-m", "pip", "install", *quiet, "--target", target, wheel, cwd=tmp_path)
    tops = {path.name for path in target.iterdir() if path.suffix != ".dist-info"} - {"bin"}
    assert tops == {"leworld"}
    cut_off = {"HF_ENDPOINT": NOWHERE, "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE}
    home = {"HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(target)}
    told = run("-c", LOAD, target, cwd=tmp_path, **cut_off, **home)
    assert told == "leworld/TwoRoom-v0"
    assert not (tmp_path / "home").exists()
