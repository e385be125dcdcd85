"""The Triton kernels themselves; importing this file needs triton, so only `_triton.py` does, at first use.

Every fused multiply-add is written out, because whether a compiler contracts `a * b + c` differs by version.
"""

import triton  # pyright: ignore[reportMissingImports] -- an optional package
import triton.language as tl  # pyright: ignore[reportMissingImports] -- an optional package


@triton.jit
def quarter_turns(y, turn, turn_rest):
    """Split `(turn + turn_rest) y` into a fraction within a half of 0, and how often 1 went, modulo 4.

    In two floats, so that taking whole turns off is exact. `turn` has few digits, so that small multiples of
    it are exact too. Adding 1.5 * 2^23 rounds to an integer and leaves it in the last bits.
    """
    turns = y * turn
    rest = tl.fma(y, turn_rest, tl.fma(y, turn, -turns))
    rest = tl.where(tl.abs(turns) < 8388608.0, rest, 0.0)  # beyond, the angle has no digits left
    rounded = (turns + rest) + 12582912.0
    return (turns - (rounded - 12582912.0)) + rest, rounded.to(tl.int32, bitcast=True) & 3


@triton.jit
def circle(fraction, quadrant):
    """Return cos and sin of `fraction + quadrant` quarter turns, without branches."""
    r = fraction * 1.57079632679489662
    q = r * r
    sine = tl.fma(q, -1.9515295891e-4, 8.3321608736e-3)
    sine = tl.fma(q, sine, -1.6666654611e-1)
    sine = tl.fma(q * r, sine, r)
    cosine = tl.fma(q, 2.443315711809948e-5, -1.388731625493765e-3)
    cosine = tl.fma(q, cosine, 4.166664568298827e-2)
    cosine = tl.fma(q * q, cosine, tl.fma(q, -0.5, 1.0))
    even = (quadrant & 1) == 0
    c = tl.where(even, cosine, sine).to(tl.int32, bitcast=True) ^ (((quadrant + 1) & 2) << 30)
    s = tl.where(even, sine, cosine).to(tl.int32, bitcast=True) ^ ((quadrant & 2) << 30)
    return c.to(tl.float32, bitcast=True), s.to(tl.float32, bitcast=True)


@triton.jit
def unit_circle(y, turn, turn_rest):
    """Return cos and sin of `theta = (turn + turn_rest) * y * pi / 2`."""
    fraction, quadrant = quarter_turns(y, turn, turn_rest)
    return circle(fraction, quadrant)


@triton.jit
def unit_circle_twice(y, turn, turn_rest):
    """Return cos and sin of theta and of 2 theta, as exact as each other."""
    fraction, quadrant = quarter_turns(y, turn, turn_rest)
    c, s = circle(fraction, quadrant)
    rounded = 2.0 * fraction + 12582912.0
    doubled = 2 * quadrant + (rounded.to(tl.int32, bitcast=True) & 3)
    c2, s2 = circle(2.0 * fraction - (rounded - 12582912.0), doubled)
    return c, s, c2, s2


@triton.jit
def add_product(c, s, cj, sj, cos_sum, sin_sum):
    """Add real and imaginary part of (c + i s) (cj + i sj) to two sums."""
    return tl.fma(-s, sj, tl.fma(c, cj, cos_sum)), tl.fma(s, cj, tl.fma(c, sj, sin_sum))


@triton.jit
def add_power(sums, cosine, sine, k: tl.constexpr, REDUCE: tl.constexpr):
    """Return the sums for knot k with cos and sin of k theta added, over the columns first if told."""
    if REDUCE:
        cosine, sine = tl.sum(cosine, 1), tl.sum(sine, 1)
    return sums[2 * k - 2] + cosine, sums[2 * k - 1] + sine


@triton.jit
def add_powers(
    sums, y, valid, turn, turn_rest, KNOTS: tl.constexpr, DIRECT: tl.constexpr, REDUCE: tl.constexpr
):
    """Return the 2 KNOTS sums with cos and sin of k theta added, k = 1..KNOTS, where `valid`.

    Powers 1, 2, 3 and the multiples of 4 are made; each other one is the product of two of these, multiplied
    and summed by the same four instructions unless the columns are summed first. DIRECT takes a sine and a
    cosine a knot instead: dearer, but no rounding error grows with the knot.
    """
    added = ()
    if DIRECT:
        for k in tl.static_range(1, KNOTS + 1):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
            c, s = unit_circle(y, k * turn, k * turn_rest)
            c, s = tl.where(valid, c, 0.0), tl.where(valid, s, 0.0)
            added = added + add_power(sums, c, s, k, REDUCE)
    else:
        c1, s1 = unit_circle(y, turn, turn_rest)
        # A missing sample has the rotation 0, and so all its powers: it adds exactly nothing.
        c1 = tl.where(valid, c1, 0.0)
        s1 = tl.where(valid, s1, 0.0)
        one = tl.where(valid, 1.0, 0.0)
        c2 = tl.fma(-2.0 * s1, s1, one)
        s2 = 2.0 * c1 * s1
        c3 = tl.fma(c2, c1, -(s2 * s1))
        s3 = tl.fma(c2, s1, s2 * c1)
        c4 = tl.fma(-2.0 * s2, s2, one)
        s4 = 2.0 * c2 * s2
        c = c4
        s = s4
        for k in tl.static_range(1, KNOTS + 1):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
            if k == 1:
                added = added + add_power(sums, c1, s1, k, REDUCE)  # pyright: ignore[reportArgumentType] -- a constant
            elif k == 2:
                added = added + add_power(sums, c2, s2, k, REDUCE)  # pyright: ignore[reportArgumentType] -- a constant
            elif k == 3:
                added = added + add_power(sums, c3, s3, k, REDUCE)  # pyright: ignore[reportArgumentType] -- a constant
            elif k % 4 == 0:
                if k > 4:
                    turned = tl.fma(c, c4, -(s * s4))
                    s = tl.fma(s, c4, c * s4)
                    c = turned
                added = added + add_power(sums, c, s, k, REDUCE)
            else:
                cj, sj = c1, s1
                if k % 4 == 2:
                    cj, sj = c2, s2
                elif k % 4 == 3:
                    cj, sj = c3, s3
                if REDUCE:
                    added = added + add_power(
                        sums, tl.fma(c, cj, -(s * sj)), tl.fma(s, cj, c * sj), k, REDUCE
                    )
                else:
                    added = added + add_product(c, s, cj, sj, sums[2 * k - 2], sums[2 * k - 1])
    return added


@triton.jit
def slope(y, grad, inside, slices, spacing, turn, turn_rest, KNOTS: tl.constexpr, AXIS: tl.constexpr):
    """Return the derivative by y of the sums weighted by their gradient, one slice along the axis not AXIS.

    The real part of a polynomial in z = exp(i theta), by Horner's rule in z^2 for odd and even powers apart:
    half the depth, half the rounding error. z^2 comes from the doubled angle and not from z, because its
    error is what grows.
    """
    c, s, c2, s2 = unit_circle_twice(y, turn, turn_rest)
    zero = tl.zeros_like(y)
    odd_re, odd_im, even_re, even_im = zero, zero, zero, zero
    for back in tl.static_range(KNOTS):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
        # Knot number k is the power k + 1: even k are the odd powers.
        k = KNOTS - 1 - back
        scale = (k + 1) * spacing
        re = scale * tl.load(grad + (KNOTS + k) * slices, mask=inside, other=0.0).to(tl.float32)
        im = scale * tl.load(grad + k * slices, mask=inside, other=0.0).to(tl.float32)
        re, im = tl.expand_dims(re, AXIS), tl.expand_dims(im, AXIS)
        if k % 2 == 0:
            turned = tl.fma(odd_re, c2, tl.fma(-odd_im, s2, re))
            odd_im = tl.fma(odd_re, s2, tl.fma(odd_im, c2, im))
            odd_re = turned
        else:
            turned = tl.fma(even_re, c2, tl.fma(-even_im, s2, re))
            even_im = tl.fma(even_re, s2, tl.fma(even_im, c2, im))
            even_re = turned
    return tl.fma(odd_re, c, -(odd_im * s)) + tl.fma(even_re, c2, -(even_im * s2))


@triton.jit
def ep_fwd(
    y_ptr,
    out_ptr,
    samples,
    slices,
    rows_a_part,
    turn,
    turn_rest,
    KNOTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DIRECT: tl.constexpr,
):
    """Projections (group, sample, slice) -> sums (group, part, 2, knot, slice), one part of the samples each.

    A program owns COLUMNS slices and walks over its part of the samples, ROWS at a time; each thread keeps
    2 KNOTS sums an element, and threads meet once, at the end.
    """
    part = tl.program_id(1)
    group = tl.program_id(2).to(tl.int64)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    row = tl.arange(0, ROWS)
    inside = column < slices
    first = part * rows_a_part
    last = tl.minimum(first + rows_a_part, samples)
    base = y_ptr + group * samples * slices + column[None, :]
    sums = ()
    for _ in tl.static_range(2 * KNOTS):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
        sums = sums + (tl.zeros((ROWS, COLUMNS), tl.float32),)  # noqa: RUF005 -- Triton knows no unpacking
    for start in range(first, last, ROWS):
        n = start + row
        valid = (n < last)[:, None] & inside[None, :]
        y = tl.load(base + n.to(tl.int64)[:, None] * slices, mask=valid, other=0.0).to(tl.float32)
        sums = add_powers(sums, y, valid, turn, turn_rest, KNOTS, DIRECT, False)  # pyright: ignore[reportArgumentType] -- a constant
    out = out_ptr + (group * tl.num_programs(1) + part) * 2 * KNOTS * slices + column
    for k in tl.static_range(KNOTS):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
        tl.store(out + k * slices, tl.sum(sums[2 * k], 0), mask=inside)
        tl.store(out + (KNOTS + k) * slices, tl.sum(sums[2 * k + 1], 0), mask=inside)


@triton.jit
def ep_bwd(
    y_ptr,
    grad_ptr,
    dy_ptr,
    samples,
    slices,
    spacing,
    turn,
    turn_rest,
    KNOTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Gradient of the sums (group, 2, knot, slice) -> gradient of the projections (group, sample, slice)."""
    group = tl.program_id(2).to(tl.int64)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    inside = column < slices
    valid = (row < samples)[:, None] & inside[None, :]
    place = (group * samples + row.to(tl.int64)[:, None]) * slices + column[None, :]
    y = tl.load(y_ptr + place, mask=valid, other=0.0).to(tl.float32)
    grad = grad_ptr + group * 2 * KNOTS * slices + column
    dy = slope(y, grad, inside, slices, spacing, turn, turn_rest, KNOTS, 0)  # pyright: ignore[reportArgumentType] -- a constant
    tl.store(dy_ptr + place, dy, mask=valid)


@triton.jit
def directions_tile(a_ptr, column, inside, start, dim, slices, DIMS: tl.constexpr, WIDEN: tl.constexpr):
    """Load the coordinates from `start` of some directions (dim, slice), one direction a row."""
    d = start + tl.arange(0, DIMS)
    mask = inside[:, None] & (d < dim)[None, :]
    a = tl.load(a_ptr + d.to(tl.int64)[None, :] * slices + column[:, None], mask=mask, other=0.0)
    return a.to(tl.float32) if WIDEN else a


@triton.jit
def add_projections(y, a, z_ptr, n, valid, start, dim, DIMS: tl.constexpr, WIDEN: tl.constexpr):
    """Add directions times samples over the coordinates from `start`: directions on the matrix unit's rows.

    So a thread holds few directions and many samples of each, and adds most samples up by itself.
    """
    d = start + tl.arange(0, DIMS)
    mask = valid[None, :] & (d < dim)[:, None]
    z = tl.load(z_ptr + n.to(tl.int64)[None, :] * dim + d[:, None], mask=mask, other=0.0)
    return tl.dot(a, z.to(tl.float32) if WIDEN else z, acc=y, input_precision="ieee")


@triton.jit
def fused_fwd(
    z_ptr,
    a_ptr,
    out_ptr,
    samples,
    slices,
    dim,
    rows_a_part,
    turn,
    turn_rest,
    KNOTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DIMS: tl.constexpr,
    STEPS: tl.constexpr,
    WIDEN: tl.constexpr,
    DIRECT: tl.constexpr,
):
    """Samples (group, sample, dim), directions (dim, slice) -> sums (group, part, 2, knot, slice).

    As `ep_fwd`, with COLUMNS directions projected ROWS samples at a time, DIMS coordinates a step. With
    STEPS above 0 the directions have that many steps and are loaded once; else again for every ROWS samples.
    """
    part = tl.program_id(1)
    group = tl.program_id(2).to(tl.int64)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    inside = column < slices
    first = part * rows_a_part
    last = tl.minimum(first + rows_a_part, samples)
    base = z_ptr + group * samples * dim
    kept = ()
    for step in tl.static_range(STEPS):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
        kept = kept + (directions_tile(a_ptr, column, inside, step * DIMS, dim, slices, DIMS, WIDEN),)  # noqa: RUF005 -- Triton knows no unpacking
    sums = ()
    for _ in tl.static_range(2 * KNOTS):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
        sums = sums + (tl.zeros((COLUMNS,), tl.float32),)  # noqa: RUF005 -- Triton knows no unpacking
    for start in range(first, last, ROWS):
        n = start + tl.arange(0, ROWS)
        y = tl.zeros((COLUMNS, ROWS), tl.float32)
        if STEPS:
            for step in tl.static_range(STEPS):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
                y = add_projections(y, kept[step], base, n, n < last, step * DIMS, dim, DIMS, WIDEN)
        else:
            for at in range(0, dim, DIMS):
                a = directions_tile(a_ptr, column, inside, at, dim, slices, DIMS, WIDEN)
                y = add_projections(y, a, base, n, n < last, at, dim, DIMS, WIDEN)
        valid = inside[:, None] & (n < last)[None, :]
        sums = add_powers(sums, y, valid, turn, turn_rest, KNOTS, DIRECT, True)  # pyright: ignore[reportArgumentType] -- a constant
    out = out_ptr + (group * tl.num_programs(1) + part) * 2 * KNOTS * slices + column
    for k in tl.static_range(KNOTS):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
        tl.store(out + k * slices, sums[2 * k], mask=inside)
        tl.store(out + (KNOTS + k) * slices, sums[2 * k + 1], mask=inside)


@triton.jit
def fused_bwd(
    z_ptr,
    a_ptr,
    grad_ptr,
    dy_ptr,
    samples,
    slices,
    dim,
    first_slice,
    last_slice,
    spacing,
    turn,
    turn_rest,
    KNOTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DIMS: tl.constexpr,
    WIDEN: tl.constexpr,
):
    """Project again and differentiate: -> gradient (slice, group, sample) of some slices' projections."""
    group = tl.program_id(2).to(tl.int64)
    column = first_slice + tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    n = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    inside = column < last_slice
    base = z_ptr + group * samples * dim
    y = tl.zeros((COLUMNS, ROWS), tl.float32)
    for at in range(0, dim, DIMS):
        a = directions_tile(a_ptr, column, inside, at, dim, slices, DIMS, WIDEN)
        y = add_projections(y, a, base, n, n < samples, at, dim, DIMS, WIDEN)
    grad = grad_ptr + group * 2 * KNOTS * slices + column
    dy = slope(y, grad, inside, slices, spacing, turn, turn_rest, KNOTS, 1)  # pyright: ignore[reportArgumentType] -- a constant
    row = ((column - first_slice).to(tl.int64) * tl.num_programs(2) + group) * samples
    valid = inside[:, None] & (n < samples)[None, :]
    tl.store(dy_ptr + row[:, None] + n[None, :], dy, mask=valid)
