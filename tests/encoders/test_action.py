import numpy as np
import torch

from leworld.encoders import ActionEncoder, ConvEncoder


def test_action_encoder_is_its_formula() -> None:
    encoder = ActionEncoder(6, 5, smoothed_dim=3).double()
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    w0, b0, w1, b1, w2, b2 = (p.detach().numpy() for p in encoder.parameters())
    hidden = (x.numpy() @ w0.T + b0) @ w1.T + b1
    expected = hidden / (1 + np.exp(-hidden)) @ w2.T + b2
    np.testing.assert_allclose(encoder(x).detach().numpy(), expected, atol=1e-12)
    assert encoder.widen.out_features == 20


def test_action_encoder_takes_any_leading_axes() -> None:
    encoder = ActionEncoder(6, 5)
    x = torch.randn(2, 3, 4, 6)
    torch.testing.assert_close(encoder(x)[1, 2, 3], encoder(x[1, 2, 3]))


def test_conv_default_is_the_small_one() -> None:
    encoder = ConvEncoder()
    assert sum(p.numel() for p in encoder.parameters()) == 448 + 4640 + 18496 + 36928 + 32 * 1025


def test_conv_activations_keep_their_scale() -> None:
    """He's initialisation: the mean square before each ReLU is about that of the input."""
    encoder = ConvEncoder(64, 8, channels=(64, 64, 64))
    x = torch.randn(8, 3, 64, 64)
    with torch.no_grad():
        for stage in encoder.stages:
            before = stage(x)
            inside = before[..., 2:-2, 2:-2]
            assert 0.5 < inside.square().mean() / (x.square().mean()) < 4.5
            x = before.relu()
