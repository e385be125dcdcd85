"""Noise that is a function of (seed, stream, index) alone: Philox4x32-10 in torch int64 arithmetic.

A counter-based generator has no state to share, so every row of a batch can own a seed and its noise does not
depend on which other rows are drawn beside it, on the device's thread count, or on how a batch was split.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Checked against
the known-answer vectors that the authors publish with Random123.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def row_seeds(generator: torch.Generator | Sequence[torch.Generator] | None, rows: int) -> Tensor:
    """Draw one 63-bit seed a row, int64 of shape (rows,), on the CPU or on the generator's device.

    One generator is drawn from in sequence: two calls for 2 and 3 rows give the seeds of one call for 5. A
    sequence holds one generator a row. Without a generator every row gets seed 0.
    """
    if generator is None:
        return torch.zeros(rows, dtype=torch.int64)
    if isinstance(generator, torch.Generator):
        generator = [generator] * rows
    drawn = [
        torch.randint(0, 2**63 - 1, (1,), generator=source, device=source.device, dtype=torch.int64)
        for source in generator
    ]
    return torch.cat(drawn) if drawn else torch.zeros(0, dtype=torch.int64)


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor]) -> Tensor:
    """Encrypt counters: four int64 tensors holding 32-bit words, two key words -> (..., 4) 32-bit words.

    The two multiplications of a round are done as one on stacked words. The product of two 32-bit words may
    exceed int64; it wraps, and both 32-bit halves stay right.
    """
    shape = torch.broadcast_shapes(*(word.shape for word in (*counter, *key)))
    even, odd = (
        torch.stack([counter[word].expand(shape) for word in words_of]) for words_of in ((0, 2), (3, 1))
    )
    one = even.new_ones((1,) * len(shape))
    multipliers = torch.stack([one * _MULTIPLIERS[0], one * _MULTIPLIERS[1]])  # filled on the device: no copy
    steps = torch.stack([one * _KEY_STEPS[1], one * _KEY_STEPS[0]])
    keys = torch.stack([key[1], key[0]])
    for _ in range(_ROUNDS):
        product = even * multipliers
        # even holds (c0, c2) and odd (c3, c1): each high half meets its partner, and only even needs a swap
        even = ((product >> 32) & _WORD).bitwise_xor_(odd).bitwise_xor_(keys).flip(0)
        odd = product.bitwise_and_(_WORD)
        keys = (keys + steps) & _WORD
    return torch.stack((even[0], odd[1], even[1], odd[0]), dim=-1)


def words(seeds: Tensor, count: int, *, iteration: int, stream: int = 0) -> Tensor:
    """Give `count` 32-bit words a seed, int64 (row, count); a longer draw begins with a shorter one."""
    blocks = torch.arange((count + 3) // 4, device=seeds.device).unsqueeze(0)
    zero = torch.zeros_like(blocks)
    counter = (blocks, zero + iteration, zero + stream, zero)
    key = ((seeds & _WORD).unsqueeze(1), (seeds >> 32).unsqueeze(1))
    return philox(counter, key).flatten(1)[:, :count]


def uniform_rows(
    seeds: Tensor,
    shape: tuple[int, ...],
    *,
    iteration: int,
    stream: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Draw uniform numbers in [0, 1), of shape (row, *shape), with 24 random bits each."""
    drawn = words(seeds, math.prod(shape), iteration=iteration, stream=stream)
    return ((drawn >> 8).to(dtype) * 2.0**-24).unflatten(1, shape)


def normal_rows(
    seeds: Tensor,
    shape: tuple[int, ...],
    *,
    iteration: int,
    stream: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Draw standard normal numbers (row, *shape), two from each pair of words (Box and Muller, 1958).

    The largest magnitude that can occur is sqrt(64 ln 2) = 6.66.
    """
    count = math.prod(shape)
    pairs = words(seeds, count + count % 2, iteration=iteration, stream=stream).unflatten(1, (-1, 2))
    radius = ((pairs[..., 0] + 1).to(dtype) * 2.0**-32).log().mul(-2.0).sqrt()
    angle = pairs[..., 1].to(dtype) * (math.tau * 2.0**-32)
    drawn = torch.stack((radius * angle.cos(), radius * angle.sin()), dim=-1).flatten(1)
    return drawn[:, :count].unflatten(1, shape)


def tree_sum(values: Tensor, dim: int) -> Tensor:
    """Sum along `dim` by pairwise additions in a fixed order.

    `Tensor.sum` may order its additions by the whole tensor's shape and by the number of threads. Here each
    result depends only on the entries that it sums, bit for bit.
    """
    values = values.movedim(dim, 0)
    if values.shape[0] == 0:
        return values.new_zeros(values.shape[1:])
    while (size := values.shape[0]) > 1:
        half = size // 2
        paired = values[:half] + values[half : 2 * half]
        values = paired if size % 2 == 0 else torch.cat((paired, values[2 * half :]))
    return values[0]
