"""The encoder of joints and other vectors: its formula, any leading axes, every entry alone."""

import math

import torch

from leworld.encoders import VectorEncoder


def test_it_is_its_formula() -> None:
    encoder = VectorEncoder(3, 5, hidden_dim=4).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    hidden = x @ encoder.widen.weight.T + encoder.widen.bias
    hidden = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
    torch.testing.assert_close(encoder(x), hidden @ encoder.output.weight.T + encoder.output.bias)
    assert encoder.embedding_dim == 5
    assert not hasattr(encoder, "num_tokens")


def test_leading_axes_and_rows_are_kept_apart() -> None:
    encoder, x = VectorEncoder(3, 5), torch.randn(2, 4, 3)
    whole = encoder(x)
    torch.testing.assert_close(whole[1, 2], encoder(x[1, 2]))
    x[0, 0, 0] = float("nan")
    after = encoder(x)
    assert after[0, 0].isnan().all()
    torch.testing.assert_close(after[1], whole[1])


def test_every_entry_is_read_and_the_scale_is_left_to_the_processor() -> None:
    encoder, x = VectorEncoder(7, 5), torch.randn(8, 7, requires_grad=True)
    (gradient,) = torch.autograd.grad(encoder(x).square().sum(), x)
    assert bool((gradient.abs() > 0).all())
    assert (encoder(100 * x) - encoder(x)).norm() > 10 * encoder(x).norm()
