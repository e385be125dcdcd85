"""The decoder against torch's own attention, patch by patch."""

import pytest
import torch
from torch import nn

from leworld.decoders import CrossAttentionDecoder
from tests.decoders import checks


def torch_attention(layer: nn.Module, dim: int, heads: int, *, one_key: bool) -> nn.MultiheadAttention:
    """torch's attention with the layer's weights; with one key, with queries and keys of its own choice."""
    attention = nn.MultiheadAttention(dim, heads, batch_first=True, dtype=torch.float64)
    if not one_key:
        weights = [layer.query.weight, layer.key.weight, layer.value.weight]
        attention.in_proj_weight.data = torch.cat(weights).detach()
        attention.in_proj_bias.data = torch.cat([layer.query.bias, layer.key.bias, layer.value.bias]).detach()
    else:
        attention.in_proj_weight.data[2 * dim :] = layer.value.weight.detach()
        attention.in_proj_bias.data[2 * dim :] = layer.value.bias.detach()
    attention.out_proj.weight.data = layer.output.weight.detach()
    attention.out_proj.bias.data = layer.output.bias.detach()
    return attention


@pytest.mark.parametrize("num_keys", [1, 3])
@torch.no_grad()
def test_it_is_its_formula(num_keys: int) -> None:
    """Also says why one key needs no weights for queries and keys: torch's attention ignores them then."""
    dim, heads = 12, 3

    def make() -> nn.Module:
        return CrossAttentionDecoder(
            6, 8, patch_size=4, hidden_dim=dim, depth=2, num_heads=heads, num_keys=num_keys
        )

    decoder = checks.awake(make)
    z = checks.embeddings().double()
    memory = decoder.memory(z).reshape(3, num_keys, dim)
    tokens = decoder.queries.expand(3, -1, -1)
    for layer in decoder.layers:
        attention = torch_attention(layer, dim, heads, one_key=num_keys == 1)
        asking = tokens if num_keys == 1 else layer.query_norm(tokens)
        tokens = tokens + attention(asking, memory, memory, need_weights=False)[0]
        hidden = nn.functional.gelu(layer.mlp.widen(layer.mlp_norm(tokens)))
        tokens = tokens + layer.mlp.narrow(hidden)
    patches = decoder.norm(tokens) @ decoder.output.weight.T
    pictures = decoder(z)
    for patch in range(4):
        row, column = divmod(patch, 2)
        window = (..., slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
        expected = patches[:, patch].reshape(3, 3, 4, 4) + decoder.background[window]
        torch.testing.assert_close(pictures[window], expected, atol=1e-10, rtol=0)


def test_the_published_sizes() -> None:
    """196 query tokens for a 224-pixel picture in patches of 16, from one 192-dimensional embedding."""
    with torch.device("meta"):
        decoder = CrossAttentionDecoder(192)
        assert decoder(torch.empty(2, 192)).shape == (2, 3, 224, 224)
    assert decoder.queries.shape[1] == 196
    assert decoder.memory.in_features == 192
    assert decoder.output.out_features == 16 * 16 * 3


def test_queries_start_as_waves_of_their_place() -> None:
    """Neighbours are alike, all patches differ, and each axis is told on its own."""
    queries = CrossAttentionDecoder(4, 64, patch_size=8, hidden_dim=64).queries.detach()[0]
    assert abs(float(queries.square().mean()) - 1) < 0.05
    gap = torch.cdist(queries, queries).reshape(8, 8, 8, 8)
    assert float((gap.reshape(64, 64) + 9 * torch.eye(64)).min()) > 1.0
    for y in range(7):
        for x in range(7):
            assert gap[y, x, y, x + 1] < gap[y, x, y, (x + 5) % 8]
            torch.testing.assert_close(gap[y, x, y, x + 1], gap[0, x, 0, x + 1])
            torch.testing.assert_close(gap[y, x, y + 1, x], gap[x, y, x, y + 1])
    odd = CrossAttentionDecoder(4, 8, patch_size=4, hidden_dim=6, num_heads=1).queries.detach()[0]
    assert float((torch.cdist(odd, odd) + torch.eye(4)).min()) > 0.5


def test_one_key_holds_no_weights_that_could_not_learn() -> None:
    names = {name for name, _ in CrossAttentionDecoder(4, 8, patch_size=4).named_parameters()}
    assert not [name for name in names if ".query" in name or ".key" in name]
