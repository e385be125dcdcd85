import pytest
import torch

from leworld.encoders import ViTEncoder
from tests.nn import oracles


def awake(**options) -> ViTEncoder:
    encoder = ViTEncoder(
        **{"image_size": 8, "patch_size": 4, "hidden_dim": 6, "depth": 2, "num_heads": 2, **options}
    )
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return encoder.double()


@pytest.mark.parametrize(
    ("size", "dim", "heads", "mlp"), [("tiny", 192, 3, 768), ("small", 384, 6, 1536), ("base", 768, 12, 3072)]
)
def test_sizes(size, dim: int, heads: int, mlp: int) -> None:
    with torch.device("meta"):
        encoder = ViTEncoder(size=size)
    assert encoder.embedding_dim == dim
    assert len(encoder.blocks) == 12
    assert encoder.blocks[0].attention.num_heads == heads
    assert encoder.blocks[0].mlp.widen.out_features == mlp
    assert encoder.positions.shape == (1, 257, dim)


def test_tiny_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in ViTEncoder().parameters()) == 5_501_376


def test_it_is_its_formula_at_another_size() -> None:
    """Class token, positions resampled from 2 x 2 to 3 x 1, blocks, last LayerNorm."""
    encoder = awake()
    image = torch.randn(1, 3, 12, 4, dtype=torch.float64)
    patches = torch.stack([encoder.patches(image[:, :, 4 * i : 4 * i + 4])[0, 0] for i in range(3)])
    grid = encoder.positions[0, 1:].reshape(2, 2, 6).detach().numpy()
    positions = torch.from_numpy(oracles.resample_grid(grid, 3, 1).reshape(3, 6))
    tokens = torch.cat([encoder.class_token[0] + encoder.positions[0, :1], patches + positions])[None]
    for block in encoder.blocks:
        tokens = block(tokens)
    normal = torch.from_numpy(oracles.layer_norm(tokens[0, 0].detach().numpy(), 1e-12))
    expected = normal * encoder.norm.weight + encoder.norm.bias
    torch.testing.assert_close(encoder(image)[0], expected, atol=1e-10, rtol=1e-10)
    every = torch.from_numpy(oracles.layer_norm(tokens[0].detach().numpy(), 1e-12))
    every = every * encoder.norm.weight + encoder.norm.bias
    torch.testing.assert_close(encoder.tokens(image)[0], every, atol=1e-10, rtol=1e-10)


def test_without_positions_patches_may_be_permuted() -> None:
    encoder = awake()
    torch.nn.init.zeros_(encoder.positions)
    image = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(encoder(image), encoder(image.roll(4, dims=-1)), atol=1e-12, rtol=0)
    assert not torch.allclose(encoder(image), encoder(image.roll(1, dims=-1)), atol=1e-3)


def test_layer_norms_use_the_released_eps() -> None:
    encoder = awake()
    assert {m.eps for m in encoder.modules() if isinstance(m, torch.nn.LayerNorm)} == {1e-12}


def test_initial_weights_are_cut_normals() -> None:
    encoder = ViTEncoder(32, 8, depth=1)
    weight = encoder.blocks[0].mlp.widen.weight
    assert weight.abs().max() <= 0.04
    # A standard normal cut at two has variance 1 - 4 pdf(2) / (1 - 2 cdf(-2)) = 0.7737.
    assert abs(weight.std().item() / (0.02 * 0.7737**0.5) - 1) < 0.01
    assert not encoder.blocks[0].mlp.widen.bias.any()
