"""The transformer's window in both ways to attend, in pieces, and with parts that are not ours."""

import pytest
import torch
from torch import Tensor, nn

from leworld.predictors import TransformerPredictor
from tests.predictors import incremental_checks as checks
from tests.predictors.cases import DIM, INCREMENTAL, SMALL, TIME, awake

TRANSFORMERS = [name for name in INCREMENTAL if name.startswith("transformer")]


def transformer() -> TransformerPredictor:
    return awake(TransformerPredictor(DIM, TIME, **SMALL)).eval()


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_torchs_kernel_and_the_formula_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for few in (0, 8):
        monkeypatch.setattr("leworld.predictors._window._FEW", few)
        checks.check_extend_is_forward(INCREMENTAL[name])


@torch.no_grad()
def test_a_wide_mlp_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leworld.predictors._window._PIECE", 24)
    checks.check_extend_is_forward(transformer)
    checks.check_memory_serves_several_continuations(transformer)


def test_a_part_that_drops_or_is_replaced_stands_in_the_way() -> None:
    dropping = transformer()
    dropping.blocks[1].mlp.train()
    assert not dropping.can_extend
    for part in ("attention", "mlp", "modulation"):
        replaced = transformer()
        setattr(replaced.blocks[0], part, nn.Identity().eval())
        assert not replaced.can_extend


@pytest.mark.parametrize("name", ["attention.qkv", "attention.output", "mlp.widen", "modulation.linear"])
@torch.no_grad()
def test_another_linear_layer_is_called_and_not_cut(name: str) -> None:
    """A layer in the place of one of ours, for example with a low-rank change, must count as it is."""

    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    predictor = transformer()
    for block in predictor.blocks:
        ours = block.get_submodule(name)
        layer = Doubled(ours.in_features, ours.out_features, bias=ours.bias is not None)
        layer.load_state_dict(ours.state_dict())
        block.set_submodule(name, layer)
    assert predictor.eval().can_extend
    checks.check_extend_is_forward(lambda: predictor)


@torch.no_grad()
def test_shared_frames_are_computed_once_a_trajectory() -> None:
    """Keys of shared frames have one row for all candidates, and so does what they are computed from."""
    predictor = transformer()
    tokens = []
    blocks = predictor.blocks[0].attention_norm
    plain = blocks.forward
    blocks.forward = lambda given: tokens.append(tuple(given.shape)) or plain(given)
    like = next(predictor.parameters())
    past, past_conditions, conditions, frames = (tensor.to(like) for tensor in checks.inputs(TIME - 1))
    memory = predictor.prepare(past, past_conditions, conditions)
    for step in range(3):
        _, memory = predictor.extend(memory, frames[:, :, step])
    batch, samples = checks.BATCH, checks.SAMPLES
    assert tokens == [
        (3, batch, 1, DIM),
        (1, batch, samples, DIM),
        (2, batch, 1, DIM),
        (2, batch, samples, DIM),
        (1, batch, 1, DIM),
        (3, batch, samples, DIM),
    ]
