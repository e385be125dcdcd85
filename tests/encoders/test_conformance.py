import pytest
import torch

from tests.encoders import checks
from tests.encoders.cases import IMAGE_ENCODERS, TOKEN_ENCODERS, TRACED
from tests.encoders.wrong import WRONG, Right
from tests.models.rebuild import rebuild

ENCODERS = IMAGE_ENCODERS | TOKEN_ENCODERS


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ENCODERS)
def test_conforms(name: str, check) -> None:
    check(ENCODERS[name])


def rejecting(make) -> list[str]:
    caught = []
    for check in checks.ALL:
        try:
            check(make)
        except AssertionError:
            caught.append(check.__name__)
    return caught


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_encoder_is_rejected(wrong) -> None:
    assert WRONG[wrong] in rejecting(wrong)


def test_the_right_one_that_they_derive_from_is_not() -> None:
    assert not rejecting(Right)


@pytest.mark.parametrize("name", ENCODERS)
def test_rebuilds_from_its_config(name: str) -> None:
    encoder = ENCODERS[name]()
    twin = rebuild(encoder.config)
    twin.load_state_dict(encoder.state_dict(), strict=True)
    x = checks.images()
    assert torch.equal(twin(x), encoder(x))


@pytest.mark.parametrize("name", TRACED)
def test_compiles_without_a_graph_break(name: str) -> None:
    encoder = ENCODERS[name]().eval()
    compiled = torch.compile(encoder, fullgraph=True, backend="aot_eager")
    x = checks.images()
    torch.testing.assert_close(compiled(x), encoder(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", TRACED)
def test_exports_with_a_dynamic_batch(name: str) -> None:
    encoder = ENCODERS[name]().eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(encoder, (checks.images(3),), dynamic_shapes=({0: batch},))
    for count in (1, 7):
        x = checks.images(count)
        torch.testing.assert_close(program.module()(x), encoder(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_half_precision_is_close(name: str) -> None:
    encoder = ENCODERS[name]().eval()
    x = checks.images()
    exact = encoder(x)
    half = encoder.bfloat16()(x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).norm() < 0.05 * exact.norm()
