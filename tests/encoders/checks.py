"""What every image encoder must do, as functions that raise AssertionError."""

from collections.abc import Callable

import torch
from torch import nn

from tests.encoders.cases import SIZE

Make = Callable[[], nn.Module]


def images(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def check_shape(make: Make) -> None:
    """A vector, or with an attribute `num_tokens` so many tokens."""
    encoder = make()
    tokens = getattr(encoder, "num_tokens", None)
    due = (3, encoder.embedding_dim) if tokens is None else (3, tokens, encoder.embedding_dim)
    assert encoder(images()).shape == due


def check_rows_are_independent(make: Make) -> None:
    """An image's embedding does not depend on what else is in the batch, nor on its order."""
    encoder = make().eval()
    x = images()
    whole = encoder(x)
    torch.testing.assert_close(whole, torch.cat([encoder(x[i : i + 1]) for i in range(3)]), atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.flip(0), encoder(x.flip(0)), atol=1e-5, rtol=0)


def check_sees_the_whole_picture(make: Make) -> None:
    """Every pixel of every channel moves the embedding."""
    encoder = make().double()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = images(2).double().requires_grad_()
    embedding = encoder(x)
    (gradient,) = torch.autograd.grad((embedding * torch.randn_like(embedding)).sum(), x)
    # A ReLU may be off above a pixel in one image, hence over both and over a neighbourhood of 2 x 2 pixels.
    seen = nn.functional.avg_pool2d(gradient.abs().sum(0, keepdim=True), 2)
    assert bool((seen > 0).all())


def check_memory_layout_does_not_matter(make: Make) -> None:
    encoder = make().eval()
    x = images()
    torch.testing.assert_close(encoder(x), encoder(x.contiguous(memory_format=torch.channels_last)))


def check_every_parameter_learns(make: Make) -> None:
    encoder = make()
    for parameter in encoder.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    embedding = encoder(images())
    (embedding * torch.randn_like(embedding)).sum().backward()
    # A bias of the keys adds the same to all scores of a query, which the softmax ignores.
    flat = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-7]
    assert [name for name in flat if not name.endswith("key.bias")] == []


def check_frozen_it_stays_as_it_is(make: Make) -> None:
    """In evaluation mode and without gradients of its own; the picture still gets one."""
    encoder = make().eval().requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    x = images().requires_grad_()
    first, again = encoder(x), encoder(x)
    (gradient,) = torch.autograd.grad(first.square().sum(), x)
    assert torch.equal(first, again)
    assert bool(gradient.any())
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


ALL = [
    check_shape,
    check_rows_are_independent,
    check_sees_the_whole_picture,
    check_memory_layout_does_not_matter,
    check_every_parameter_learns,
    check_frozen_it_stays_as_it_is,
]
