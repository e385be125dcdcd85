"""What every decoder must do, as functions that raise AssertionError."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from tests.decoders.cases import DIM, SIZE

Make = Callable[[], nn.Module]


def embeddings(count: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))


def awake(make: Make) -> nn.Module:
    """In double precision, with every weight far from its start, so that nothing hides behind a small one."""
    decoder = make().double()
    generator = torch.Generator().manual_seed(2)
    for parameter in decoder.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator).double() * 0.5
    return decoder


def check_shape(make: Make) -> None:
    decoder = make()
    assert decoder(embeddings()).shape == (3, 3, SIZE, SIZE)
    assert decoder(embeddings(1)).shape == (1, 3, SIZE, SIZE)
    assert decoder.embedding_dim == DIM
    assert decoder.image_size == SIZE


def check_rows_are_independent(make: Make) -> None:
    """A picture does not depend on what else is in the batch, nor on its order, in training or evaluation."""
    decoder = awake(make)
    z = embeddings().double()
    for mode in (True, False):
        whole = decoder.train(mode)(z)
        one_by_one = torch.cat([decoder(z[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(whole, one_by_one, atol=1e-9, rtol=0)
        torch.testing.assert_close(whole.flip(0), decoder(z.flip(0)), atol=1e-9, rtol=0)
    torch.testing.assert_close(decoder.train()(z), decoder.eval()(z), atol=0, rtol=0)


def check_every_pixel_sees_every_component(make: Make) -> None:
    """Each component of the embedding moves each pixel of each channel."""
    decoder = awake(make)
    z = embeddings(1).double()
    moved = decoder(z + 0.1 * torch.eye(DIM).double())
    assert moved.shape == (DIM, 3, SIZE, SIZE)
    assert bool(((moved - decoder(z)).abs() > 1e-9).all())


def check_embeddings_differ_in_the_picture(make: Make) -> None:
    pictures = awake(make)(embeddings(2).double())
    assert bool((pictures[0] - pictures[1]).abs().flatten(1).amax(dim=1).min() > 1e-6)


def check_starts_from_grey(make: Make) -> None:
    """At the start pictures are nearly one grey: no pixel is saturated, none is favoured."""
    pictures = make()(embeddings(64))
    assert bool((pictures - 0.5).abs().max() < 0.2)


def check_every_parameter_learns(make: Make) -> None:
    decoder = awake(make)
    pictures = decoder(embeddings(8).double())
    (pictures * torch.randn_like(pictures)).sum().backward()
    flat = [n for n, p in decoder.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-9]
    # A bias of the keys adds the same to all scores of a query, which the softmax ignores.
    assert [name for name in flat if not name.endswith("key.bias")] == []


def check_learns_where_things_are(make: Make) -> None:
    """Four embeddings, four pictures with a white square in one quarter each: all are told apart."""
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(4, DIM, generator=generator)
    pictures = torch.zeros(4, 3, SIZE, SIZE)
    half = SIZE // 2
    for index in range(4):
        row, column = divmod(index, 2)
        pictures[index, :, row * half : (row + 1) * half, column * half : (column + 1) * half] = 1.0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = make()
    assert decoder(z).shape == pictures.shape
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = F.mse_loss(decoder(z), pictures)
        loss.backward()
        optimizer.step()
    assert loss < 0.02  # the mean picture has 0.1875


ALL = [
    check_shape,
    check_rows_are_independent,
    check_every_pixel_sees_every_component,
    check_embeddings_differ_in_the_picture,
    check_starts_from_grey,
    check_every_parameter_learns,
    check_learns_where_things_are,
]
