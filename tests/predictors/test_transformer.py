import pytest
import torch

from leworld.predictors import TransformerPredictor
from tests.predictors import checks
from tests.predictors.cases import CONDITION, DIM, SMALL, TIME
from tests.predictors.wrong import ungated


def test_before_training_it_is_the_normalised_input_with_positions() -> None:
    predictor = TransformerPredictor(DIM, TIME, **SMALL).double()
    embeddings, conditions = (tensor.double() for tensor in checks.inputs())
    positioned = embeddings + predictor.positions
    centred = positioned - positioned.mean(-1, keepdim=True)
    expected = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(predictor(embeddings, conditions), expected, rtol=1e-12, atol=1e-12)
    for block in predictor.blocks:
        assert not torch.allclose(ungated(block, embeddings, conditions), embeddings, atol=1e-2)


def test_one_training_step_wakes_every_parameter() -> None:
    """Zero gates pass no gradient to the branches; after one step of any size they do."""
    predictor = TransformerPredictor(DIM, TIME, **SMALL, dropout=0.0)
    target = torch.randn(8, TIME, DIM)
    optimizer = torch.optim.SGD(predictor.parameters(), lr=0.1)
    still = []
    for _ in range(2):
        optimizer.zero_grad()
        (predictor(*checks.inputs(8)) * target).sum().backward()
        still.append({n for n, p in predictor.named_parameters() if not p.grad.abs().max() > 0})
        optimizer.step()
    assert any("attention" in name for name in still[0])
    assert not any("modulation" in name for name in still[0])
    assert still[1] == set()


def test_dropout_acts_in_training_only() -> None:
    predictor = TransformerPredictor(DIM, TIME, **SMALL, dropout=0.5)
    plain = TransformerPredictor(DIM, TIME, **SMALL, dropout=0.0)
    for parameter in predictor.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    plain.load_state_dict(predictor.state_dict())
    assert not torch.equal(predictor(*checks.inputs()), predictor(*checks.inputs()))
    assert torch.equal(predictor.eval()(*checks.inputs()), plain(*checks.inputs()))


def test_embedding_dropout_acts_before_the_blocks() -> None:
    predictor = TransformerPredictor(DIM, TIME, **SMALL, dropout=0.0, embedding_dropout=1.0)
    assert not predictor(*checks.inputs()).any()


def test_released_size() -> None:
    with torch.device("meta"):
        predictor = TransformerPredictor(192)
    assert sum(p.numel() for p in predictor.parameters()) == 10_791_360
    assert predictor.history_size == 3
    assert predictor.blocks[0].attention.dropout == predictor.blocks[0].mlp.dropout == 0.1


def test_positions_start_as_standard_normals() -> None:
    positions = TransformerPredictor(4096, 16, depth=1, num_heads=1, head_dim=1, mlp_dim=1).positions
    # 65,536 numbers: 5 standard errors of their mean and of their variance.
    assert abs(positions.mean().item()) < 5 / 256
    assert abs(positions.var().item() - 1) < 5 * (2 / 65536) ** 0.5


@pytest.mark.parametrize("time", range(1, TIME + 1))
def test_the_condition_reaches_the_output_at_once(time: int) -> None:
    predictor = TransformerPredictor(DIM, TIME, **SMALL, dropout=0.0)
    for parameter in predictor.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    embeddings, conditions = checks.inputs(time=time)
    conditions.requires_grad_()
    (gradient,) = torch.autograd.grad(predictor(embeddings, conditions)[:, -1].square().sum(), conditions)
    assert bool((gradient.abs().amax(dim=2) > 0).all())
    assert gradient.shape[-1] == CONDITION
