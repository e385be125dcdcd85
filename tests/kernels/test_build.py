"""Wheels built with and without a C compiler, from the repository and its sdist, at work in odd homes."""

import os
import shutil
import tarfile
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.wheels import ROOT, install, link_packages, required, run

pytest.importorskip("hatchling", reason="the build backend is not installed")

HAS_COMPILER = shutil.which("cc") is not None
NO_COMPILER = {"CC": "/nonexistent/cc"}
LIBRARIES = {"leworld/kernels/sliced_ecf/libnative.so", "leworld/kernels/sphere_mixture/libnative.so"}
NOTE = "leworld/kernels/not_built.txt"
COMPILED = [
    pytest.param("compiled", marks=pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler")),
    "pure",
]

# Nothing may be compiled when a wheel is used, and nothing of its user looked up.
WORK = """
import os, pwd, subprocess, sys
from pathlib import Path
site, packages, case = sys.argv[1:]
assert not any("site-packages" in path for path in sys.path), sys.path
sys.path[:0] = [site, packages]
sys.dont_write_bytecode = True
import torch

def forbidden(*args, **kwargs):
    raise AssertionError(f"leworld asked for {args}")

subprocess.Popen.__init__ = os.system = forbidden
if case != "plain":
    nobody = 54321  # a uid without an entry in the list of users
    if os.geteuid() == 0:
        os.setreuid(nobody, -1)
    else:
        os.getuid = lambda: nobody
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        pass
    else:
        raise AssertionError("somebody is called nobody")
import leworld
from leworld.errors import KernelUnavailableError
from leworld.kernels import explain
from leworld.planners import CEMPlanner
from leworld.regularizers import ExactSIGReg, SIGReg

assert Path(leworld.__file__).is_relative_to(site), leworld.__file__
z = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
for module in (SIGReg(16), ExactSIGReg()):
    (gradient,) = torch.autograd.grad(module(z, generator=torch.Generator()), z)
    assert gradient.isfinite().all() and gradient.abs().sum() > 0
found = CEMPlanner(horizon=2, num_samples=64).plan(
    lambda actions: (actions - 0.3).square().sum((2, 3)), batch=2, action_dim=1
)
assert found.cost.max() < 1e-3, found.cost
for implementation in ("ecf_sums", "sphere_discrepancy"):
    print(explain(implementation, torch.zeros(4, 2)).splitlines()[0])
try:
    SIGReg(16, implementation="native")(z)
except KernelUnavailableError as error:
    print("refused:", " ".join(str(error).split()))
"""


def build(source: Path, target: str, into: Path, **env: str) -> Path:
    run("-m", "hatchling", "build", "-t", target, "-d", into, cwd=source, **env)
    (built,) = into.iterdir()
    return built


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="module")
def sources(folder: Path) -> dict[str, Path]:
    """Where wheels are built from: the repository, and what its sdist holds."""
    sdist = build(ROOT, "sdist", folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return {"repository": ROOT, "sdist": unpacked}


@pytest.fixture(scope="module")
def wheels(folder: Path, sources: dict[str, Path]) -> dict[tuple[str, str], Path]:
    built = {}
    for name, source in sources.items():
        built[name, "pure"] = build(source, "wheel", folder / f"{name}-pure", **NO_COMPILER)
        if HAS_COMPILER:
            built[name, "compiled"] = build(source, "wheel", folder / f"{name}-compiled")
    return built


def test_the_sdist_holds_what_building_needs_and_nothing_built(sources: dict[str, Path]) -> None:
    held = {path.relative_to(sources["sdist"]).as_posix() for path in sources["sdist"].rglob("*")}
    assert {"hatch_build.py", "pyproject.toml", "leworld/kernels/_levels.c"} <= held
    assert {path.replace("libnative.so", "_native.c") for path in LIBRARIES} <= held
    assert not {path for path in held if path.endswith((".so", "not_built.txt"))}


@pytest.mark.parametrize("source", ["repository", "sdist"])
@pytest.mark.parametrize("kind", COMPILED)
def test_a_wheel_holds_its_libraries_or_says_why_not(
    wheels: dict[tuple[str, str], Path], source: str, kind: str
) -> None:
    wheel = wheels[source, kind]
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        if kind == "compiled":
            assert held >= LIBRARIES
            assert NOTE not in held
            assert "-py3-none-" in wheel.name
            assert "-any" not in wheel.name
        else:
            assert not {name for name in held if name.endswith(".so")}
            assert "no C compiler `/nonexistent/cc` was found" in archive.read(NOTE).decode()
            assert wheel.name.endswith("-py3-none-any.whl")


def homes(folder: Path, case: str) -> dict[str, str]:
    """Return an environment in which nothing tells of a home, or of one that cannot be written."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("HOME", "XDG", "USER"))}
    bare |= {"PATH": "/nonexistent", "TMPDIR": str(folder)}
    if case == "no home":
        return bare
    home = folder / "home"
    home.mkdir(exist_ok=True)
    home.chmod(0o500 if case == "read-only home" else 0o755)
    return bare | {"HOME": str(home)}


@pytest.mark.parametrize(
    ("source", "case"), [("repository", "no home"), ("repository", "read-only home"), ("sdist", "plain")]
)
@pytest.mark.parametrize("kind", COMPILED)
def test_a_wheel_works_in_any_home(
    folder: Path, wheels: dict[tuple[str, str], Path], kind: str, source: str, case: str
) -> None:
    """In an interpreter that sees the standard library, the wheel, and what the wheel requires."""
    site, packages = folder / f"{source}-{kind}-site", folder / "packages"
    if not site.exists():
        install(wheels[source, kind], site)
    if not packages.exists():
        (installed,) = distributions(path=[str(site)])
        link_packages(required(installed), packages)
    env = homes(folder, case)
    told = run("-S", "-c", WORK, site, packages, case, cwd=folder, env=env).splitlines()
    if kind == "compiled":
        assert told == ["native: chosen"] * 2
    else:
        why = "its C was not compiled when leworld was installed (no C compiler `/nonexistent/cc` was found"
        assert all(line.startswith(f"native: {why}") for line in told[:2])
        assert why in told[2]
        assert "reinstall leworld where there is a C compiler" in told[2]
    if "HOME" in env:
        assert not list(Path(env["HOME"]).iterdir())


EDITABLE = "from hatchling.build import build_editable; build_editable(__import__('sys').argv[1])"


@pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler")
def test_an_editable_install_builds_in_place_and_again(sources: dict[str, Path], tmp_path: Path) -> None:
    """New libraries for changed C; none is left of what could not be built again."""
    clone = shutil.copytree(sources["sdist"], tmp_path / "clone")
    run("-c", EDITABLE, tmp_path, cwd=clone)
    first = {name: (clone / name).read_bytes() for name in LIBRARIES}
    assert not (clone / NOTE).exists()
    with (clone / "leworld/kernels/sliced_ecf/_native.c").open("a", encoding="utf-8") as file:
        file.write("\n")
    run("hatch_build.py", cwd=clone)
    changed = {name for name in LIBRARIES if (clone / name).read_bytes() != first[name]}
    assert changed == {"leworld/kernels/sliced_ecf/libnative.so"}
    run("-c", EDITABLE, tmp_path, cwd=clone, **NO_COMPILER)
    assert not any((clone / name).exists() for name in LIBRARIES)
    assert "/nonexistent/cc" in (clone / NOTE).read_text(encoding="utf-8")


@pytest.mark.skipif(os.name != "posix", reason="C is compiled on Linux and macOS only")
def test_a_compiler_that_fails_fails_no_install(sources: dict[str, Path], tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'no such flag' >&2\nexit 1\n", encoding="utf-8")
    compiler.chmod(0o755)
    wheel = build(sources["sdist"], "wheel", tmp_path / "dist", CC=str(compiler))
    with zipfile.ZipFile(wheel) as archive:
        assert "failed: no such flag" in archive.read(NOTE).decode()
