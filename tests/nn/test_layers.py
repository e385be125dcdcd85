"""MLP, AdaLN-zero and the blocks against plain definitions."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from leworld.nn import MLP, AdaLNZero, ConditionedBlock, PatchEmbedding, TransformerBlock, modulate
from tests.nn import oracles


def test_mlp_is_its_formula() -> None:
    mlp = MLP(4, 9).double()
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    w1, b1, w2, b2 = (p.detach().numpy() for p in mlp.parameters())
    expected = oracles.gelu(x.numpy() @ w1.T + b1) @ w2.T + b2
    np.testing.assert_allclose(mlp(x).detach().numpy(), expected, atol=1e-12)


def test_modulate_is_its_formula() -> None:
    values, shift, scale = torch.randn(3, 2, 5, dtype=torch.float64)
    torch.testing.assert_close(
        modulate(values, shift=shift, scale=scale), values * (1 + scale) + shift, rtol=1e-13, atol=1e-13
    )


def test_adaln_order_is_shift_scale_gate_twice() -> None:
    adaln = AdaLNZero(2, 3)
    torch.nn.init.zeros_(adaln.linear.weight)
    adaln.linear.bias.data = torch.arange(12.0)
    values = [m.tolist() for m in adaln(torch.randn(3))]
    assert values == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]


def test_adaln_applies_silu_before_the_linear_layer() -> None:
    adaln = AdaLNZero(1, 1).double()
    torch.nn.init.ones_(adaln.linear.weight)
    condition = torch.tensor([0.7], dtype=torch.float64)
    expected = 0.7 / (1 + np.exp(-0.7))
    assert all(abs(m.item() - expected) < 1e-12 for m in adaln(condition))


@pytest.mark.parametrize("condition_dim", [None, 5])
def test_conditioned_block_is_the_identity_before_training(condition_dim: int | None) -> None:
    block = ConditionedBlock(8, 2, head_dim=3, mlp_dim=16, condition_dim=condition_dim, dropout=0.5)
    x = torch.randn(2, 4, 8)
    assert torch.equal(block(x, torch.randn(2, 4, condition_dim or 8)), x)


def test_conditioned_block_is_its_formula() -> None:
    block = ConditionedBlock(6, 2, head_dim=4, mlp_dim=10).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x, condition = torch.randn(2, 1, 3, 6, dtype=torch.float64)
    a1, a2, a3, m1, m2, m3 = block.modulation(condition)

    def inner(norm: torch.nn.LayerNorm, values: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor):
        outer = torch.from_numpy(oracles.layer_norm(values.detach().numpy(), 1e-6)) * (1 + scale) + shift
        plain = torch.from_numpy(oracles.layer_norm(outer.detach().numpy(), 1e-5))
        return plain * norm.weight + norm.bias

    middle = x + a3 * block.attention(inner(block.attention_norm, x, a1, a2))
    expected = middle + m3 * block.mlp(inner(block.mlp_norm, middle, m1, m2))
    torch.testing.assert_close(block(x, condition), expected, rtol=1e-10, atol=1e-10)


def test_transformer_block_is_its_formula() -> None:
    block = TransformerBlock(6, 2, mlp_dim=10).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 3, 6, dtype=torch.float64)

    def norm(layer: torch.nn.LayerNorm, values: torch.Tensor) -> torch.Tensor:
        return (
            torch.from_numpy(oracles.layer_norm(values.detach().numpy(), 1e-12)) * layer.weight + layer.bias
        )

    middle = x + block.attention(norm(block.attention_norm, x))
    expected = middle + block.mlp(norm(block.mlp_norm, middle))
    torch.testing.assert_close(block(x), expected, rtol=1e-10, atol=1e-10)


def test_patches_come_in_reading_order() -> None:
    """A projection that sums the first channel of a patch shows which patch became which token."""
    embedding = PatchEmbedding(1, 2, channels=2)
    torch.nn.init.zeros_(embedding.projection.bias)
    embedding.projection.weight.data = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2).clone()
    image = torch.zeros(1, 2, 4, 6)
    image[0, 0] = torch.arange(6).view(2, 3).repeat_interleave(2, 0).repeat_interleave(2, 1) / 4
    image[0, 1] = 100
    assert embedding(image).flatten().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "layer",
    [MLP(4, 8, dropout=0.5), ConditionedBlock(4, 2, head_dim=2, mlp_dim=8, dropout=0.5)],
    ids=lambda layer: type(layer).__name__,
)
def test_dropout_acts_in_training_only(layer: torch.nn.Module) -> None:
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 3, 4)
    inputs = (x,) if isinstance(layer, MLP) else (x, torch.randn(1, 3, 4))
    layer.train()
    assert not torch.equal(layer(*inputs), layer(*inputs))
    layer.eval()
    assert torch.equal(layer(*inputs), layer(*inputs))


def test_gelu_is_the_exact_one() -> None:
    mlp = MLP(1, 1).double()
    for parameter, value in zip(mlp.parameters(), (1.0, 0.0, 1.0, 0.0), strict=True):
        parameter.data.fill_(value)
    x = torch.linspace(-4, 4, 41, dtype=torch.float64).unsqueeze(-1)
    error = (mlp(x) - F.gelu(x, approximate="tanh")).abs().max()
    assert error > 1e-4
    np.testing.assert_allclose(mlp(x).detach().numpy(), oracles.gelu(x.numpy()), atol=1e-14)
