import numpy as np
import pytest
import torch

from leworld.nn import SelfAttention
from leworld.nn._attention import _attend, _attend_few
from tests.nn import oracles


def heads(tokens: torch.Tensor, attention: SelfAttention) -> list[np.ndarray]:
    """Queries, keys and values as (batch, token, head, head_dim), by plain matrix products."""
    if attention.fused:
        projections = (tokens @ attention.qkv.weight.T).split(attention.qkv.out_features // 3, dim=-1)
    else:
        projections = [
            tokens @ layer.weight.T + layer.bias
            for layer in (attention.query, attention.key, attention.value)
        ]
    return [p.detach().numpy().reshape(*p.shape[:2], attention.num_heads, -1) for p in projections]


@pytest.mark.parametrize("tokens", [1, 3, 4, 5, 9])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_attention_is_its_formula(tokens: int, causal: bool, fused: bool) -> None:
    attention = SelfAttention(6, 2, head_dim=5, bias=not fused, fused=fused, causal=causal).double()
    x = torch.randn(2, tokens, 6, dtype=torch.float64)
    query, key, value = heads(x, attention)
    mixed = np.stack(
        [
            np.concatenate(
                [
                    oracles.attention(query[b, :, h], key[b, :, h], value[b, :, h], causal=causal)
                    for h in range(2)
                ],
                axis=-1,
            )
            for b in range(2)
        ]
    )
    expected = mixed @ attention.output.weight.detach().numpy().T + attention.output.bias.detach().numpy()
    np.testing.assert_allclose(attention(x).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_both_paths_agree_in_value_and_gradient(causal: bool) -> None:
    inputs = [torch.randn(3, 3, 2, 8, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    results = [path(*inputs, causal, 0.0) for path in (_attend, _attend_few)]
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)
    weight = torch.randn_like(results[0])
    gradients = [torch.autograd.grad(result, inputs, weight) for result in results]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("path", [_attend, _attend_few])
def test_dropout_keeps_the_mean_of_the_weights(path) -> None:
    """Equal scores over 4 values of 1: a result is the kept share over its probability, of mean 1."""
    zeros, ones = torch.zeros(20000, 4, 1, 1), torch.ones(20000, 4, 1, 1)
    mixed = path(zeros, zeros, ones, False, 0.5)
    # The mean of 80,000 sums of 4 weights, each 1/2 or 0, has standard error 1 / sqrt(4 * 80000): 5 of these.
    assert abs(mixed.mean().item() - 1) < 5 / (4 * 80000) ** 0.5
    assert set(mixed.flatten().tolist()) == {0.0, 0.5, 1.0, 1.5, 2.0}


def test_attention_ignores_the_order_of_tokens_unless_causal() -> None:
    order = torch.tensor([2, 0, 1])
    x = torch.randn(1, 3, 8)
    free, causal = SelfAttention(8, 2), SelfAttention(8, 2, causal=True)
    torch.testing.assert_close(free(x[:, order]), free(x)[:, order])
    assert not torch.allclose(causal(x[:, order]), causal(x)[:, order], atol=1e-3)
