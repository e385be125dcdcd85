"""Tokens pooled to a vector, against the formulas, and within a FusedEncoder."""

import torch

from leworld.data import Observation
from leworld.encoders import FusedEncoder, PooledTokens, VectorEncoder
from tests.encoders.tokens import PatchTokens

IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_poolings_are_their_formulas() -> None:
    encoder = PatchTokens()
    tokens = encoder(IMAGES)
    torch.testing.assert_close(PooledTokens(encoder)(IMAGES), tokens.sum(1) / 4)
    assert torch.equal(PooledTokens(encoder, "max")(IMAGES), tokens.max(dim=1).values)
    module = PooledTokens(encoder, "attention", num_heads=3)
    assert module.attention is not None
    pool, heads = module.attention, []
    for i in range(3):
        head = slice(2 * i, 2 * i + 2)
        weights = torch.softmax(pool.key(tokens)[..., head] @ pool.query[head] / 2**0.5, dim=1)
        heads.append((weights[..., None] * pool.value(tokens)[..., head]).sum(1))
    torch.testing.assert_close(module(IMAGES), pool.output(torch.cat(heads, dim=-1)))


def test_the_order_of_tokens_does_not_matter() -> None:
    upside_down = torch.cat([IMAGES[..., 4:, :], IMAGES[..., :4, :]], dim=-2)  # the same patches
    for pooling in ("mean", "max", "attention"):
        module = PooledTokens(PatchTokens(), pooling)
        torch.testing.assert_close(module(upside_down), module(IMAGES))


def test_it_is_a_vector_encoder_for_others() -> None:
    both = FusedEncoder({"pixels": PooledTokens(PatchTokens()), "proprio": VectorEncoder(2, 4)}, 5)
    seen = Observation(IMAGES, {"proprio": torch.randn(3, 2)})
    assert both(seen).shape == (3, 5)
    tiled = FusedEncoder({"pixels": PatchTokens(), "proprio": VectorEncoder(2, 4)}, 6, fusion="tile")
    pooled = PooledTokens(tiled)
    assert pooled.observation_parts == ("pixels", "proprio")
    assert not hasattr(pooled, "num_tokens")
    torch.testing.assert_close(pooled(seen), tiled(seen).mean(1))
    assert not hasattr(PooledTokens(PatchTokens()), "observation_parts")
