"""Noise that is a function of (seed, iteration, stream, index) alone, and sums in a fixed order.

Every row of a batch owns a seed, so its noise does not depend on which other rows are drawn beside it, on
the thread count, or on how a batch was split. On a CPU, torch's generator draws, seeded anew for every row
and iteration. On other devices the counter-based Philox4x32-10 in torch int64 arithmetic draws all rows at
once, without a state to share or a value to read back. So a CPU and a GPU draw different noise.

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
        return torch.zeros(rows, dtype=torch.int64, device="cpu")
    if isinstance(generator, torch.Generator):
        if generator.device.type == "cpu":  # one call draws what one call a row draws
            return torch.randint(0, 2**63 - 1, (rows,), generator=generator, dtype=torch.int64, device="cpu")
        generator = [generator] * rows
    drawn = [
        torch.randint(0, 2**63 - 1, (1,), generator=source, device=source.device, dtype=torch.int64)
        for source in generator
    ]
    return torch.cat(drawn) if drawn else torch.zeros(0, dtype=torch.int64, device="cpu")


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


def words(seeds: Tensor, count: int, *, iteration: int | range, stream: int = 0) -> Tensor:
    """Give `count` 32-bit words a seed, int64 (row, count); a longer draw begins with a shorter one.

    For a range of iterations (row, iteration, count).
    """
    blocks = torch.arange((count + 3) // 4, dtype=torch.int64, device=seeds.device)
    zero = torch.zeros_like(blocks)
    turn = zero + iteration if isinstance(iteration, int) else _column(iteration, seeds.device)
    counter = (blocks, turn, zero + stream, zero)
    column = seeds.reshape(-1, *(1,) * turn.ndim)
    key = (column & _WORD, column >> 32)
    return philox(counter, key).flatten(-2)[..., :count]


def _column(iterations: range, device: torch.device) -> Tensor:
    return torch.arange(iterations.start, iterations.stop, dtype=torch.int64, device=device).unsqueeze(1)


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
        return _draw_rows(seeds, shape, iteration, stream, dtype, torch.Tensor.uniform_)
    return philox_uniform(seeds, math.prod(shape), iteration=iteration, stream=stream, dtype=dtype).unflatten(
        1, shape
    )


def normal_rows(
    seeds: Tensor,
    shape: tuple[int, ...],
    *,
    iteration: int | range,
    stream: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Draw standard normal numbers (row, *shape); rows of one seed share memory, so do not write to them.

    For a range of iterations (row, iteration, *shape): what single calls return, drawn together.
    """
    if seeds.device.type != "cpu":
        drawn = philox_normal(seeds, math.prod(shape), iteration=iteration, stream=stream, dtype=dtype)
        return drawn.unflatten(-1, shape)
    return _draw_rows(seeds, shape, iteration, stream, dtype, torch.Tensor.normal_)


def _draw_rows(
    seeds: Tensor,
    shape: tuple[int, ...],
    iteration: int | range,
    stream: int,
    dtype: torch.dtype,
    fill: Callable[..., Tensor],
) -> Tensor:
    """Fill from torch's CPU generator, seeded anew for every row and iteration."""
    turns = (iteration,) if isinstance(iteration, int) else iteration
    rows = _distinct(seeds)
    states = [_mixed(seed, (stream << 32) + turn) for seed in rows for turn in turns]
    source = torch.Generator()
    drawn = torch.empty((len(states), *shape), dtype=dtype, device="cpu")
    for state, row in zip(states, drawn.unbind(0), strict=True):
        fill(row, generator=source.manual_seed(state))
    several = () if isinstance(iteration, int) else (len(iteration),)
    return drawn.view(len(rows), *several, *shape).expand(len(seeds), *several, *shape)


def _distinct(seeds: Tensor) -> list[int]:
    """Return the seeds, or one of them if all are the same."""
    numbers = seeds.tolist()
    return numbers[:1] if len(set(numbers)) == 1 else numbers


def _mixed(seed: int, index: int) -> int:
    """Return 32 bits for a seed and an index."""
    mixed = (seed + (index + 1) * 0x9E3779B97F4A7C15) & _LONG
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _LONG
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _LONG
    return mixed >> 32


def philox_uniform(
    seeds: Tensor, count: int, *, iteration: int, stream: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw `count` uniform numbers in [0, 1) a seed, with 24 random bits each."""
    drawn = words(seeds, count, iteration=iteration, stream=stream)
    return (drawn >> 8).to(dtype) * 2.0**-24


def philox_normal(
    seeds: Tensor,
    count: int,
    *,
    iteration: int | range,
    stream: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Draw `count` standard normal numbers a seed, two from each pair of words (Box and Muller, 1958).

    The largest magnitude that can occur is sqrt(64 ln 2) = 6.66.
    """
    pairs = words(seeds, count + count % 2, iteration=iteration, stream=stream).unflatten(-1, (-1, 2))
    radius = ((pairs[..., 0] + 1).to(dtype) * 2.0**-32).log().mul(-2.0).sqrt()
    angle = pairs[..., 1].to(dtype) * (math.tau * 2.0**-32)
    return torch.stack((radius * angle.cos(), radius * angle.sin()), dim=-1).flatten(-2)[..., :count]


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
    order = torch.arange(rows * count, dtype=torch.int64, device=values.device)
    summed = embedding_bag(
        order,
        values.reshape(rows * count, -1),
        order[::count].contiguous(),
        mode="sum",
        per_sample_weights=weights.reshape(-1),
    )
    return summed.view(rows, *values.shape[2:])
