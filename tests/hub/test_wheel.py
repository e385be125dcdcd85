"""What `pip install leworld` puts on a machine: the package, what it requires, and the models in it."""

from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.wheels import ROOT, install, link_packages, required, run

pytest.importorskip("hatchling", reason="the build backend is not installed")

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
shipped = [name for name in leworld.list_checkpoints() if leworld.checkpoint_info(name).repository is None]
worlds = []
for name in shipped:
    model = leworld.load(name)
    assert Path(sys.modules[type(model).__module__].__file__).is_relative_to(site)
    assert model.processor.action_mean is not None and not model.training
    worlds.append(model.processor.environment_id)
try:
    leworld.load("lewm-pusht")
except leworld.errors.CheckpointError as error:
    assert "does not answer" in str(error) or "asked the network" in str(error), error
else:
    raise AssertionError("the network was not cut off")
print(*worlds)
"""


def test_an_installed_wheel_loads_its_models_without_a_network(tmp_path: Path) -> None:
    """In an interpreter that sees the standard library, the wheel, and what the wheel requires: no extra."""
    run("-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site, packages = tmp_path / "site", tmp_path / "packages"
    install(wheel, site)
    tops = {path.name for path in site.iterdir() if path.suffix != ".dist-info"} - {"bin"}
    assert tops == {"leworld"}
    (installed,) = distributions(path=[str(site)])
    link_packages(required(installed), packages)
    present = {path.name for path in packages.iterdir()}
    assert {"torch", "safetensors", "huggingface_hub"} <= present
    assert not {"h5py", "lightning", "gymnasium", "onnx", "matplotlib", "pytest"} & present
    cut_off = {"HF_ENDPOINT": NOWHERE, "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE}
    told = run("-S", "-c", LOAD, site, packages, cwd=tmp_path, **cut_off, HF_HOME=str(tmp_path / "home"))
    assert set(told.split()) >= {"leworld/TwoRoom-v0", "leworld/Arm-v0"}
    assert not list((tmp_path / "home").rglob("*.safetensors"))
