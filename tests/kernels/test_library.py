"""What was compiled at install is loaded, at every level of instructions, or the reason is told."""

import functools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from leworld.errors import KernelUnavailableError
from leworld.kernels import _library, ecf_sums, explain
from leworld.kernels._library import Library, load, pointer
from leworld.kernels.sliced_ecf import _native as ecf
from leworld.kernels.sphere_mixture import _native as sphere
from leworld.regularizers import ExactSIGReg, SIGReg
from tests.kernels.conformance import CHECKS, Sums, draw

SOURCES = (ecf._SOURCE, sphere._SOURCE)
LEVELS = ("baseline", "avx2", "avx512")
FOUND = load(ecf._SOURCE)
RUNNABLE = LEVELS[: LEVELS.index(FOUND.level) + 1] if isinstance(FOUND, Library) else ()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.parent.name)
def test_where_there_is_a_compiler_the_library_is_there_and_up_to_date(source: Path) -> None:
    found = load(source)
    assert isinstance(found, Library), f"{found}; in a clone `python hatch_build.py` builds it"


@pytest.fixture(params=RUNNABLE)
def at_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for module in (ecf, sphere):
        library = load(module._SOURCE)
        assert isinstance(library, Library)
        found = replace(library, level=request.param)
        monkeypatch.setattr(module, "load", lambda _, found=found: found)
    return request.param


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_level_that_this_processor_has_conforms(at_level: str, check: Callable[[Sums], None]) -> None:
    check(functools.partial(ecf_sums, implementation="native"))


def test_exact_sigreg_at_every_level(at_level: str) -> None:
    found, expected = (draw(2, 77, 24, dtype=torch.float32).requires_grad_() for _ in range(2))
    value, wanted = (
        ExactSIGReg(implementation=name)(z) for name, z in (("native", found), ("table", expected))
    )
    torch.testing.assert_close(value, wanted, rtol=1e-5, atol=1e-6)
    gradients = torch.autograd.grad(value, found), torch.autograd.grad(wanted, expected)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the C file and of what was made of it, where they can be spoilt."""
    monkeypatch.setattr(_library, "_FOLDER", tmp_path)
    for path in (ecf._SOURCE, ecf._SOURCE.with_name("libnative.so"), ecf._SOURCE.parents[1] / "_levels.c"):
        if path.exists():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / "_native.c"


def reason(source: Path) -> str:
    found = load.__wrapped__(source)
    assert isinstance(found, str)
    assert "reinstall leworld" in found
    return found


@pytest.mark.skipif(not RUNNABLE, reason="nothing was built")
@pytest.mark.parametrize("changed", ["_native.c", "_levels.c"])
def test_a_library_of_another_source_is_seen(package: Path, changed: str) -> None:
    assert isinstance(load.__wrapped__(package), Library)
    with package.with_name(changed).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert "built from another source" in reason(package)


def test_what_keeps_a_library_from_being_used_is_told(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = package.with_name("libnative.so")
    library.write_bytes(b"no library")
    assert "does not load" in reason(package)
    library.unlink()
    assert "never installed" in reason(package)
    package.with_name("not_built.txt").write_text("no C compiler `cc` was found\n", encoding="utf-8")
    assert "no C compiler `cc` was found" in reason(package)
    monkeypatch.setenv("LEWORLD_NATIVE", "0")
    assert load.__wrapped__(package) == "the environment variable LEWORLD_NATIVE is 0"


def test_without_c_torch_serves_and_the_name_raises_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ecf, sphere):
        monkeypatch.setattr(module, "load", lambda _: "its C was not compiled: reinstall leworld")
    z = torch.zeros(4, 2)
    for operation in ("ecf_sums", "sphere_discrepancy"):
        lines = explain(operation, z).splitlines()
        assert lines[0] == "native: its C was not compiled: reinstall leworld"
        assert lines[1] in ("cpu: chosen", "table: chosen")
    ecf_sums(z, torch.eye(2), spacing=0.1, num_knots=2)
    for call in (
        lambda: ecf_sums(z, torch.eye(2), spacing=0.1, num_knots=2, implementation="native"),
        lambda: SIGReg(4, implementation="native")(z[None]),
        lambda: ExactSIGReg(implementation="native")(z[None]),
    ):
        with pytest.raises(KernelUnavailableError, match="was not compiled: reinstall leworld"):
            call()


def test_c_is_given_no_tensor_of_another_kind() -> None:
    good = torch.zeros(3, 4)
    assert pointer(good, 3, 4) == good.data_ptr()
    for bad in (good.double(), good.mT, good[:2], good[:, :3], good.to("meta"), good.half()):
        with pytest.raises(RuntimeError, match="C needs contiguous"):
            pointer(bad, 3, 4)


@pytest.mark.skipif(not RUNNABLE, reason="nothing was built")
def test_c_refuses_what_it_would_read_or_write_past() -> None:
    y, grad = torch.zeros(1, 40, 8), torch.zeros(1, 2, 3, 8)
    with pytest.raises(RuntimeError, match="at most 64 knots"):
        ecf.sums(y, 0.1, 65)
    for wrong in (y.double(), y.half(), y.to("meta")):
        with pytest.raises(RuntimeError, match="C needs"):
            ecf.sums(wrong, 0.1, 3)
        with pytest.raises(RuntimeError, match="C needs"):
            ecf.sums_backward(grad, wrong, 0.1)
    for short in (grad[..., :7], grad[:, :1], grad.double()):
        with pytest.raises(RuntimeError, match="C needs"):
            ecf.sums_backward(short, y, 0.1)
    mixture = sphere.Mixture(8, (1.0,), (1.0,))
    for wrong in (y.double(), y.half(), y.to("meta")):
        with pytest.raises(RuntimeError, match="C needs rows"):
            sphere.discrepancy(mixture, mixture, wrong, True)


@pytest.mark.skipif(not RUNNABLE, reason="nothing was built")
@pytest.mark.parametrize("default", [{"dtype": torch.float64}, {"device": "meta"}])
def test_torchs_defaults_reach_no_buffer(default: dict) -> None:
    """What C writes to is float32 on the CPU whatever torch makes by default; tables are built anew."""
    y, grad, samples = draw(1, 40, 8), draw(1, 2, 3, 8), draw(2, 9, 5)
    y, grad, samples = (tensor.float() for tensor in (y, grad, samples))
    mixture = sphere.Mixture(5, (1.0,), (1.0,))

    def everything() -> list[torch.Tensor]:
        sphere._table._build.cache_clear()
        sphere._table._reference._gauss.cache_clear()
        ecf._computes.cache_clear()
        found = sphere.discrepancy(mixture, mixture, samples, True)
        assert found is not None
        assert found[1] is not None
        return [ecf.sums(y, 0.2, 3), ecf.sums_backward(grad, y, 0.2), *found]

    expected = everything()
    usual = torch.get_default_dtype()
    try:
        torch.set_default_dtype(default.get("dtype", torch.float32))
        torch.set_default_device(default.get("device"))
        found = everything()
    finally:
        torch.set_default_dtype(usual)
        torch.set_default_device(None)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
