import pytest
import torch

from tests.models.rebuild import rebuild
from tests.predictors import checks
from tests.predictors.cases import PREDICTORS, TRACED
from tests.predictors.wrong import RIGHT, WRONG


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", PREDICTORS)
def test_conforms(name: str, check) -> None:
    check(PREDICTORS[name])


def rejecting(make) -> list[str]:
    caught = []
    for check in checks.ALL:
        try:
            check(make)
        except AssertionError:
            caught.append(check.__name__)
    return caught


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_predictor_is_rejected(wrong) -> None:
    assert WRONG[wrong] in rejecting(wrong)


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.__name__)
def test_the_right_ones_that_they_derive_from_are_not(right) -> None:
    assert not rejecting(right)


@pytest.mark.parametrize("name", PREDICTORS)
def test_rebuilds_from_its_config(name: str) -> None:
    predictor = PREDICTORS[name]().eval()
    twin = rebuild(predictor.config).eval()
    twin.load_state_dict(predictor.state_dict(), strict=True)
    assert torch.equal(twin(*checks.inputs()), predictor(*checks.inputs()))


@pytest.mark.parametrize("name", TRACED)
def test_compiles_without_a_graph_break(name: str) -> None:
    predictor = PREDICTORS[name]().eval()
    compiled = torch.compile(predictor, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*checks.inputs()), predictor(*checks.inputs()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", TRACED)
def test_exports_with_a_dynamic_batch(name: str) -> None:
    predictor = PREDICTORS[name]().eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(predictor, checks.inputs(3), dynamic_shapes=({0: batch}, {0: batch}))
    for count in (1, 7):
        pair = checks.inputs(count)
        torch.testing.assert_close(program.module()(*pair), predictor(*pair), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", PREDICTORS)
def test_half_precision_is_close(name: str) -> None:
    predictor = PREDICTORS[name]().eval()
    exact = predictor(*checks.inputs())
    half = predictor.bfloat16()(*(tensor.bfloat16() for tensor in checks.inputs()))
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).norm() < 0.05 * exact.norm()
