"""Block units against a dense unit of the same formula, categorical latents against counts."""

import pytest
import torch
from torch.nn import functional as F

from leworld.nn import BlockGRU, CategoricalLatents


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def awake(unit: BlockGRU) -> BlockGRU:
    for i, parameter in enumerate(unit.parameters()):
        parameter.data = 0.5 * drawn(*parameter.shape, seed=i)
    return unit


@pytest.mark.parametrize("num_blocks", [1, 2, 4])
def test_blocks_are_a_dense_unit_with_zeros_between_them(num_blocks: int) -> None:
    unit, inputs, states = awake(BlockGRU(3, 8, num_blocks=num_blocks)), drawn(5, 3), drawn(5, 8, seed=1)
    share = 8 // num_blocks
    own = torch.block_diag(*unit.hidden.weight[:, :share])
    common = torch.cat(tuple(unit.hidden.weight[:, share:]), dim=-1)
    mixed = states @ own + inputs @ common + unit.hidden.bias.flatten()
    mixed = mixed / (mixed.square().mean(-1, keepdim=True) + 1e-4).sqrt() * unit.norm.weight
    mixed = F.silu(mixed)
    gates = [
        mixed @ torch.block_diag(*weight) + bias.flatten()
        for weight, bias in zip(
            unit.gates.weight.chunk(3, dim=-1), unit.gates.bias.chunk(3, dim=-1), strict=True
        )
    ]
    reset, candidate, update = gates
    update = torch.sigmoid(update - 1)
    expected = update * torch.tanh(torch.sigmoid(reset) * candidate) + (1 - update) * states
    torch.testing.assert_close(unit(inputs, states), expected, atol=1e-5, rtol=1e-5)


def test_a_block_has_a_share_of_the_weights() -> None:
    dense, blocks = (
        sum(p.numel() for p in BlockGRU(8, 256, num_blocks=n).gates.parameters()) for n in (1, 8)
    )
    assert blocks - 3 * 256 == (dense - 3 * 256) / 8


def test_classes_come_as_often_as_they_are_likely() -> None:
    latents, logits, count = CategoricalLatents(0.1), drawn(2, 3), 20_000
    shares = latents.log_probabilities(logits).exp()
    assert shares.min() >= 0.1 / 3 - 1e-6
    torch.testing.assert_close(shares.sum(-1), torch.ones(2))
    counted = latents.sample(logits.expand(count, 2, 3), generator=torch.Generator().manual_seed(4)).mean(0)
    error = (shares * (1 - shares) / count).sqrt()
    assert ((counted - shares).abs() < 5 * error).all()  # by chance less often than once in a million
    assert torch.equal(latents(logits).argmax(-1), logits.argmax(-1))


def test_divergence_is_the_sum_over_variables_and_never_negative() -> None:
    latents, one, other = CategoricalLatents(0.0), drawn(4, 3, 5), drawn(4, 3, 5, seed=1)
    logs, others = one.log_softmax(-1), other.log_softmax(-1)
    expected = F.kl_div(others, logs, log_target=True, reduction="none").sum((-2, -1))
    torch.testing.assert_close(latents.divergence(one, other), expected)
    assert (CategoricalLatents().divergence(one, other) >= 0).all()
    # No class has a probability of 0, so that the divergence of certainties is finite.
    certain = 1e4 * torch.eye(5)[None, :3]
    assert CategoricalLatents().divergence(certain, certain.flip(1)).isfinite().all()
