"""Noise that is a function of (seed, iteration, stream, index) alone, and sums in a fixed order.

Every row of a batch owns a seed, so its noise does not depend on which other rows are drawn beside it, on
the thread count, or on how a batch was split. On a CPU, torch's generator is seeded anew for every draw,
which is the fastest way there. Elsewhere the counter-based Philox4x32-10 in torch int64 arithmetic draws all
rows at once, without a state to share or a value to read back. So a CPU and a GPU draw different noise.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Checked against
the known-answer vectors that the authors publish with Random123. Seeds are mixed by SplitMix64's finalizer
(Steele, Lea and Flood, 2014).
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

_WORD, _LONG = 2**32 - 1, 2**64 - 1
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_GRAIN = 32768  # torch reduces tensors of fewer numbers in one thread (at::internal::GRAIN_SIZE)


def row_seeds(generator: torch.Generator | Sequence[torch.Generator] | None, rows: int) -> Tensor:
    """Draw one 63-bit seed a row, int64 of shape (rows,), on the CPU or on the generator's device.

    One generator is drawn from in sequence: two calls for 2 and 3 rows give the seeds of one call for 5. A
    sequence holds one generator a row. Without a generator every row gets seed 0.
    """
    if generator is None:
        return torch.zeros(rows, dtype=torch.int64)
    if isinstance(generator, torch.Generator):
        if generator.device.type == "cpu":  # one call draws what one call a row draws
            return torch.randint(0, 2**63 - 1, (rows,), generator=generator, dtype=torch.int64)
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
    """Draw uniform numbers in [0, 1), of shape (row, *shape), with at least 24 random bits each."""
    if seeds.device.type == "cpu":
        return _draw_rows(seeds, shape, (iteration, stream), dtype, torch.Tensor.uniform_)
    return philox_uniform(seeds, math.prod(shape), iteration=iteration, stream=stream, dtype=dtype).unflatten(
        1, shape
    )


def normal_rows(
    seeds: Tensor,
    shape: tuple[int, ...],
    *,
    iteration: int,
    stream: int = 0,
    dtype: torch.dtype = torch.float32,
    out: Tensor | None = None,
) -> Tensor:
    """Draw standard normal numbers (row, *shape); rows of one seed share memory, so do not write to it.

    On a CPU, `out` is overwritten by the result if it has the right shape: what an earlier call returned.
    """
    if seeds.device.type == "cpu":
        return _draw_rows(seeds, shape, (iteration, stream), dtype, torch.Tensor.normal_, out)
    return philox_normal(seeds, math.prod(shape), iteration=iteration, stream=stream, dtype=dtype).unflatten(
        1, shape
    )


def _draw_rows(
    seeds: Tensor,
    shape: tuple[int, ...],
    indices: tuple[int, int],
    dtype: torch.dtype,
    fill: Callable[..., Tensor],
    out: Tensor | None = None,
) -> Tensor:
    """Fill each row from torch's CPU generator, seeded by 32 bits mixed from the row's seed and `indices`."""
    place = ((indices[1] << 32) + indices[0] + 1) * 0x9E3779B97F4A7C15
    states = []
    for seed in seeds.tolist():
        mixed = (seed + place) & _LONG
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _LONG
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _LONG
        states.append(mixed >> 32)
    source = torch.Generator()
    alike = len(states) > 1 and len(set(states)) == 1
    drawn = out[:1] if alike and out is not None else out
    if drawn is None:
        drawn = torch.empty((1 if alike else len(states), *shape), dtype=dtype)
    for state, row in zip(states, drawn.unbind(0), strict=False):
        fill(row, generator=source.manual_seed(state))
    return drawn.expand(len(states), *shape) if alike else drawn


def philox_uniform(
    seeds: Tensor, count: int, *, iteration: int, stream: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw `count` uniform numbers in [0, 1) a seed, with 24 random bits each."""
    drawn = words(seeds, count, iteration=iteration, stream=stream)
    return (drawn >> 8).to(dtype) * 2.0**-24


def philox_normal(
    seeds: Tensor, count: int, *, iteration: int, stream: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw `count` standard normal numbers a seed, two from each pair of words (Box and Muller, 1958).

    The largest magnitude that can occur is sqrt(64 ln 2) = 6.66.
    """
    pairs = words(seeds, count + count % 2, iteration=iteration, stream=stream).unflatten(1, (-1, 2))
    radius = ((pairs[..., 0] + 1).to(dtype) * 2.0**-32).log().mul(-2.0).sqrt()
    angle = pairs[..., 1].to(dtype) * (math.tau * 2.0**-32)
    return torch.stack((radius * angle.cos(), radius * angle.sin()), dim=-1).flatten(1)[:, :count]


def fixed_sum(values: Tensor, dim: int) -> Tensor:
    """Sum along `dim` in a fixed order; axis 0 holds the rows of the batch and is not `dim`.

    `Tensor.sum` may order its additions by the whole tensor's shape and by the number of threads. Here each
    result depends only on the row that it sums, bit for bit on a CPU. There, one thread sums a contiguous
    tensor row by row in an order given by a row's shape, and torch takes one thread below a size. Longer rows
    and other devices get pairwise additions.
    """
    size = values.shape[1:].numel()
    if values.shape[dim] == 0:
        return values.sum(dim)
    if values.device.type == "cpu" and size < _GRAIN:
        values = values.contiguous()
        if values.numel() < _GRAIN or torch.get_num_threads() == 1:
            return values.sum(dim)
        return torch.cat([part.sum(dim) for part in values.split((_GRAIN - 1) // size)])
    values = values.movedim(dim, 0)
    while (size := values.shape[0]) > 1:
        half = size // 2
        paired = values[:half] + values[half : 2 * half]
        if size % 2:
            paired[0] += values[-1]
        values = paired
    return values[0]


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Sum `values` (row, sample, ...) with `weights` (row, sample) over the samples, in a fixed order.

    In float32 on a CPU every row is a bag of an embedding, whose samples are added one after the other.
    """
    rows, count = weights.shape
    if weights.device.type != "cpu" or not weights.dtype == values.dtype == torch.float32:
        return fixed_sum(weights.reshape(rows, count, *(1,) * (values.ndim - 2)) * values, 1)
    table, ends = values.reshape(rows * count, -1), torch.arange(0, rows * count, count)
    summed = embedding_bag(
        torch.arange(rows * count), table, ends, mode="sum", per_sample_weights=weights.reshape(-1)
    )
    return summed.view(rows, *values.shape[2:])
