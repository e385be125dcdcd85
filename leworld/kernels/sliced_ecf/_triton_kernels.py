"""The Triton kernels themselves; importing this file needs triton, so only `_triton.py` does, at first use.

Every fused multiply-add is written out, because whether a compiler contracts `a * b + c` differs by version.
"""

import triton  # pyright: ignore[reportMissingImports] -- an optional package
import triton.language as tl  # pyright: ignore[reportMissingImports] -- an optional package


@triton.jit
def unit_circle(y, turn, turn_rest):
    """Return cos and sin of `theta = (turn + turn_rest) * y * pi / 2`.

    The angle is counted in quarter turns, in two floats, so that taking whole turns off is exact. Without
    branches, about 30 instructions for the pair.
    """
    quarters = y * turn
    rest = tl.fma(y, turn_rest, tl.fma(y, turn, -quarters))
    rest = tl.where(tl.abs(quarters) < 8388608.0, rest, 0.0)  # beyond, the angle has no digits left
    whole = tl.floor(quarters + 0.5)
    r = ((quarters - whole) + rest) * 1.57079632679489662
    q = r * r
    sine = tl.fma(q, -1.9515295891e-4, 8.3321608736e-3)
    sine = tl.fma(q, sine, -1.6666654611e-1)
    sine = tl.fma(q * r, sine, r)
    cosine = tl.fma(q, 2.443315711809948e-5, -1.388731625493765e-3)
    cosine = tl.fma(q, cosine, 4.166664568298827e-2)
    cosine = tl.fma(q * q, cosine, tl.fma(q, -0.5, 1.0))
    quadrant = tl.fma(tl.floor(whole * 0.25), -4.0, whole)
    odd = (quadrant == 1.0) | (quadrant == 3.0)
    c = tl.where(odd, sine, cosine)
    s = tl.where(odd, cosine, sine)
    c = tl.where((quadrant == 1.0) | (quadrant == 2.0), -c, c)
    s = tl.where(quadrant >= 2.0, -s, s)
    return c, s


@triton.jit
def add_product(c, s, cj, sj, cos_sum, sin_sum):
    """Add real and imaginary part of (c + i s) (cj + i sj) to two sums."""
    return tl.fma(-s, sj, tl.fma(c, cj, cos_sum)), tl.fma(s, cj, tl.fma(c, sj, sin_sum))


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
):
    """Projections (group, sample, slice) -> sums (group, part, 2, knot, slice), one part of the samples each.

    A program owns COLUMNS slices and walks over its part of the samples, ROWS at a time; each thread keeps
    2 KNOTS sums an element, and threads meet once, at the end. Powers 1, 2, 3 and the multiples of 4 are
    made; each other one is the product of two of these, multiplied and summed by the same four instructions.
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
        c1, s1 = unit_circle(y, turn, turn_rest)
        # A missing row has the rotation 0, and so all its powers: it adds exactly nothing.
        c1 = tl.where(valid, c1, 0.0)
        s1 = tl.where(valid, s1, 0.0)
        c2 = tl.fma(c1, c1, -(s1 * s1))
        s2 = 2.0 * c1 * s1
        c3 = tl.fma(c2, c1, -(s2 * s1))
        s3 = tl.fma(c2, s1, s2 * c1)
        c4 = tl.fma(c2, c2, -(s2 * s2))
        s4 = 2.0 * c2 * s2
        c = c4
        s = s4
        added = ()
        for k in tl.static_range(1, KNOTS + 1):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
            cos_sum = sums[2 * k - 2]
            sin_sum = sums[2 * k - 1]
            if k == 1:
                cos_sum, sin_sum = cos_sum + c1, sin_sum + s1
            elif k == 2:
                cos_sum, sin_sum = cos_sum + c2, sin_sum + s2
            elif k == 3:
                cos_sum, sin_sum = cos_sum + c3, sin_sum + s3
            elif k % 4 == 0:
                if k > 4:
                    turned = tl.fma(c, c4, -(s * s4))
                    s = tl.fma(s, c4, c * s4)
                    c = turned
                cos_sum, sin_sum = cos_sum + c, sin_sum + s
            elif k % 4 == 1:
                cos_sum, sin_sum = add_product(c, s, c1, s1, cos_sum, sin_sum)
            elif k % 4 == 2:
                cos_sum, sin_sum = add_product(c, s, c2, s2, cos_sum, sin_sum)
            else:
                cos_sum, sin_sum = add_product(c, s, c3, s3, cos_sum, sin_sum)
            added = added + (cos_sum, sin_sum)  # noqa: RUF005 -- Triton knows no unpacking
        sums = added
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
    """Gradient of the sums (group, 2, knot, slice) -> gradient of the projections (group, sample, slice).

    The real part of a polynomial in exp(i theta), by Horner's rule in exp(2 i theta) for odd and even powers
    apart: half the depth, half the rounding error.
    """
    group = tl.program_id(2).to(tl.int64)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    inside = column < slices
    valid = (row < samples)[:, None] & inside[None, :]
    place = (group * samples + row.to(tl.int64)[:, None]) * slices + column[None, :]
    y = tl.load(y_ptr + place, mask=valid, other=0.0).to(tl.float32)
    c, s = unit_circle(y, turn, turn_rest)
    c2 = tl.fma(-2.0 * s, s, 1.0)
    s2 = 2.0 * s * c
    grad = grad_ptr + group * 2 * KNOTS * slices + column
    zero = tl.zeros((ROWS, COLUMNS), tl.float32)
    odd_re, odd_im, even_re, even_im = zero, zero, zero, zero
    for back in tl.static_range(KNOTS):  # pyright: ignore[reportGeneralTypeIssues] -- a compile-time loop
        # Knot number k is the power k + 1: even k are the odd powers.
        k = KNOTS - 1 - back
        scale = (k + 1) * spacing
        re = (scale * tl.load(grad + (KNOTS + k) * slices, mask=inside, other=0.0).to(tl.float32))[None, :]
        im = (scale * tl.load(grad + k * slices, mask=inside, other=0.0).to(tl.float32))[None, :]
        if k % 2 == 0:
            turned = tl.fma(odd_re, c2, tl.fma(-odd_im, s2, re))
            odd_im = tl.fma(odd_re, s2, tl.fma(odd_im, c2, im))
            odd_re = turned
        else:
            turned = tl.fma(even_re, c2, tl.fma(-even_im, s2, re))
            even_im = tl.fma(even_re, s2, tl.fma(even_im, c2, im))
            even_re = turned
    dy = tl.fma(odd_re, c, -(odd_im * s)) + tl.fma(even_re, c2, -(even_im * s2))
    tl.store(dy_ptr + place, dy, mask=valid)
