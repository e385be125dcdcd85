"""C at every small size, around its lanes, blocks and tiles: it writes all numbers and none beside them."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from leworld.errors import NonFiniteError
from leworld.kernels._library import Library, pointer, row_pointer
from leworld.kernels.sliced_ecf import _native as ecf
from leworld.kernels.sliced_ecf import _reference
from leworld.kernels.sphere_mixture import Mixture, _pairs, _table
from leworld.kernels.sphere_mixture import _native as sphere
from leworld.regularizers import ExactSIGReg
from tests.kernels.conformance import draw
from tests.kernels.test_library import RUNNABLE, at_level

__all__ = ["at_level"]  # a fixture: every test here runs at each level that the processor has
pytestmark = pytest.mark.skipif(not RUNNABLE, reason="nothing was built")

SAMPLES = (0, 1, 3, 4, 5, 31, 32, 33, 65)
SLICES = (0, 1, 7, 8, 9, 16, 17, 33)
KNOTS = (1, 2, 8, 64)
GUARD = 64  # numbers on each side, which must stay as they are


def guarded(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return a tensor of NaN that lies within a larger one of sevens, and the larger one."""
    whole = torch.full((math.prod(shape) + 2 * GUARD,), 7.0, dtype=torch.float32)
    inside = whole[GUARD : len(whole) - GUARD].fill_(math.nan)
    return inside.view(shape), whole


def check_guard(whole: Tensor) -> None:
    assert bool((whole[:GUARD] == 7).all()), "C wrote before the beginning"
    assert bool((whole[len(whole) - GUARD :] == 7).all()), "C wrote past the end"


@pytest.fixture
def fenced(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Let what C fills lie between guards."""
    fences: list[Tensor] = []

    def empty(*shape: object, dtype: torch.dtype, device: str) -> Tensor:
        sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape  # type: ignore[arg-type]
        if dtype != torch.float32:
            return torch.zeros(sizes, dtype=dtype, device=device)  # type: ignore[arg-type]
        inside, whole = guarded(sizes)  # type: ignore[arg-type]
        fences.append(whole)
        return inside

    monkeypatch.setattr(torch, "empty", empty)
    return fences


@pytest.mark.parametrize("samples", SAMPLES)
def test_sums_and_their_gradient_at_every_size(at_level: str, fenced: list[Tensor], samples: int) -> None:
    for groups, slices, knots in itertools.product((0, 2), SLICES, KNOTS):
        y = draw(groups, samples, slices, dtype=torch.float32)
        grad = draw(groups, 2, knots, slices, seed=1, dtype=torch.float32)
        found = ecf.sums(y, 0.2, knots), ecf.sums_backward(grad, y, 0.2)
        exact = (
            _reference.sums(y.double(), 0.2, knots),
            _reference.sums_backward(grad.double(), y.double(), 0.2),
        )
        for one, other in zip(found, exact, strict=True):
            torch.testing.assert_close(one.double(), other, rtol=0, atol=2e-5 * (1 + knots) ** 1.5)
    for whole in fenced:
        check_guard(whole)


@pytest.mark.parametrize("samples", [1, 2, 7, 8, 9, 17, 257, 264])
def test_discrepancy_at_every_size(at_level: str, fenced: list[Tensor], samples: int) -> None:
    for groups, dim, wanted in itertools.product((1, 2), (1, 7, 16, 33), (False, True)):
        pairs, points = (Mixture(dim, (0.3, 1.5), weights) for weights in ((0.5, 0.5), (0.2, 0.9)))
        z = draw(groups, samples, dim, dtype=torch.float32)
        found, expected = (
            sphere.discrepancy(pairs, points, z, wanted),
            _pairs.discrepancy(_table, pairs, points, z, wanted),
        )
        assert found is not None
        for one, other in zip(found, expected, strict=True):
            assert (one is None) == (other is None) == (not wanted and other is not expected[0])
            if one is not None and other is not None:
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * samples)
    for whole in fenced:
        check_guard(whole)


def test_a_distance_that_no_table_holds_is_read_from_its_end(at_level: str) -> None:
    """With frequencies next to 0 no distance is far, and the square of one may exceed float32."""
    mixture = Mixture(3, (1e-21,), (1.0,))
    far = torch.tensor([[[1.8e19, 0.0, 0.0], [-1.8e19, 0.0, 0.0]]], dtype=torch.float32)
    found = sphere.discrepancy(mixture, mixture, far, True)
    assert found is not None
    assert found[0].shape == (1,)
    with pytest.raises(NonFiniteError, match=r"1\.8e\+19"):
        ExactSIGReg(t_max=1e-21)(far)


def test_guards_notice_a_write_beside_them() -> None:
    for place in (0, -1):
        inside, whole = guarded((2, 3))
        inside.fill_(1.0)
        check_guard(whole)
        whole[GUARD - 1 if place == 0 else len(whole) - GUARD] = 1.0
        with pytest.raises(AssertionError, match="C wrote"):
            check_guard(whole)


def _lazily_negative() -> Tensor:
    return torch.complex(torch.zeros(3, 4), torch.ones(3, 4)).conj().imag


HOSTILE = {
    "double": lambda: torch.zeros(3, 4, dtype=torch.float64),
    "half": lambda: torch.zeros(3, 4, dtype=torch.float16),
    "integers of that size": lambda: torch.zeros(3, 4, dtype=torch.int32),
    "meta": lambda: torch.zeros(3, 4, device="meta"),
    "another shape": lambda: torch.zeros(4, 3),
    "a view of other strides": lambda: torch.zeros(4, 3).mT,
    "expanded rows": lambda: torch.zeros(1, 4, dtype=torch.float32).expand(3, 4),
    "expanded columns": lambda: torch.zeros(3, 1).expand(3, 4),
    "every second column": lambda: torch.zeros(3, 8)[:, ::2],
    "sparse": lambda: torch.zeros(3, 4).to_sparse(),
    "negated when read": _lazily_negative,
    "zeros without memory": lambda: _zeros_without_memory(),
    "memory given back": lambda: _without_memory(torch.zeros(3, 4)),
    "a stand-in": lambda: _fake(),
}
ROWS_SERVE = ("expanded rows",)  # rows are read where they are


def _without_memory(tensor: Tensor) -> Tensor:
    tensor.untyped_storage().resize_(0)
    return tensor


def _zeros_without_memory() -> Tensor:
    return torch.ops.aten._efficientzerotensor([3, 4])


def _fake() -> Tensor:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        return torch.zeros(3, 4, dtype=torch.float32)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_pointer_to_what_is_not_there_leaves_python(name: str) -> None:
    hostile = HOSTILE[name]()
    with pytest.raises(RuntimeError, match="C needs contiguous"):
        pointer(hostile, 3, 4)
    if name in ROWS_SERVE:
        assert row_pointer(hostile, 3, 4) == hostile.data_ptr()
        return
    with pytest.raises(RuntimeError, match="C needs rows"):
        row_pointer(hostile, 3, 4)


def test_a_pointer_to_what_is_there_leaves_python() -> None:
    mine = torch.zeros(3, 4, dtype=torch.float32).as_subclass(type("Mine", (Tensor,), {}))
    for good in (
        torch.zeros(3, 4, dtype=torch.float32),
        torch.zeros(5, 4, dtype=torch.float32)[2:],
        torch.nn.Parameter(torch.zeros(3, 4, dtype=torch.float32)),
        mine,
    ):
        assert pointer(good, 3, 4) == row_pointer(good, 3, 4) == good.data_ptr()
    column = torch.zeros(
        1, 3, dtype=torch.float32
    ).mT  # one number a row, so the stride of columns means nothing
    assert column.stride(-1) != 1
    assert row_pointer(column, 3, 1) == pointer(column, 3, 1)


def test_library_is_what_was_compiled() -> None:
    assert all(isinstance(library, Library) for library in (ecf._library(), sphere.load(sphere._SOURCE)))
