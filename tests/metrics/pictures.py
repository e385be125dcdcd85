"""What PSNR and SSIM must satisfy, told by closed forms and by loops over windows, and mistakes in them."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from leworld.metrics import psnr, ssim


def _pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def check_psnr(measure) -> None:
    black = torch.zeros(3, 4, 5)
    # One of 60 entries off by 1: mean squared error 1/60, by hand.
    one = black.clone()
    one[1, 2, 3] = 1.0
    assert math.isclose(float(measure(one, black)), 10 * math.log10(60), rel_tol=1e-12)
    # A tenth off everywhere is 20 dB, a hundredth 40; in bytes, 25.5 off of 255 is 20 dB again.
    assert math.isclose(float(measure(black.double() + 0.1, black.double())), 20.0, rel_tol=1e-12)
    assert math.isclose(float(measure(black.double() - 0.01, black.double())), 40.0, rel_tol=1e-12)
    assert math.isclose(float(measure(black + 25.5, black, data_range=255.0)), 20.0, rel_tol=1e-12)
    assert float(measure(black, black)) == math.inf
    # Each picture on its own, numpy as the oracle; leading axes kept.
    x, y = _pictures(2, 3, 1, 6, 7), _pictures(2, 3, 1, 6, 7, seed=1)
    values = measure(x, y)
    assert values.shape == (2, 3)
    for index in np.ndindex(2, 3):
        error = np.square(x[index].numpy() - y[index].numpy()).mean()
        assert math.isclose(float(values[index]), -10 * math.log10(error), rel_tol=1e-12)


def _ssim_by_loops(x: np.ndarray, y: np.ndarray, size: int, sigma: float, data_range: float) -> float:
    """Equations 13 to 17 of Wang et al. 2004, one window after the other, variances around the mean."""
    place = np.arange(size) - (size - 1) / 2
    weight = np.exp(-(place[:, None] ** 2 + place[None, :] ** 2) / (2 * sigma**2))
    weight /= weight.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    found = []
    for channel in range(len(x)):
        for row in range(x.shape[1] - size + 1):
            for column in range(x.shape[2] - size + 1):
                p = x[channel, row : row + size, column : column + size]
                q = y[channel, row : row + size, column : column + size]
                mp, mq = (weight * p).sum(), (weight * q).sum()
                vp, vq = (weight * (p - mp) ** 2).sum(), (weight * (q - mq) ** 2).sum()
                joint = (weight * (p - mp) * (q - mq)).sum()
                brightness = (2 * mp * mq + c1) / (mp**2 + mq**2 + c1)
                found.append(brightness * (2 * joint + c2) / (vp + vq + c2))
    return float(np.mean(found))


def check_ssim(measure) -> None:
    x, y = _pictures(2, 2, 13, 15), _pictures(2, 2, 13, 15, seed=1)
    y = 0.6 * x + 0.4 * y
    values = measure(x, y)
    assert values.shape == (2,)
    for index in range(2):
        oracle = _ssim_by_loops(x[index].numpy(), y[index].numpy(), 11, 1.5, 1.0)
        assert math.isclose(float(values[index]), oracle, rel_tol=1e-9)
    oracle = _ssim_by_loops(255 * x[0].numpy(), 255 * y[0].numpy(), 5, 0.8, 255.0)
    assert math.isclose(
        float(measure(255 * x[0], 255 * y[0], data_range=255.0, window_size=5, sigma=0.8)),
        oracle,
        rel_tol=1e-9,
    )
    torch.testing.assert_close(measure(x, x), torch.ones(2).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(measure(y, x), values, atol=1e-12, rtol=0)
    # Flat pictures a and b: only the brightness term is left, in closed form.
    flat = torch.full((1, 12, 12), 0.3).double()
    bright = torch.full((1, 12, 12), 0.7).double()
    expected = (2 * 0.3 * 0.7 + 1e-4) / (0.3**2 + 0.7**2 + 1e-4)
    assert math.isclose(float(measure(flat, bright)), expected, rel_tol=1e-6)
    # Contrast by a factor about a mean of zero: (2 k v + c2) / ((1 + k^2) v + c2), in a window of one size
    # of picture, where everything but v is known; v by hand from the weights.
    wave = torch.tensor([1.0, -1.0]).repeat(6)[:11].double()
    place = torch.arange(11).double() - 5
    weight = torch.exp(-place.square() / 4.5)
    weight /= weight.sum()
    mean = float((weight * wave).sum())
    picture = (wave - mean).expand(1, 11, 11)
    v = 1.0 - mean**2
    expected = (2 * 0.5 * v + 9e-4) / (1.25 * v + 9e-4)
    assert math.isclose(float(measure(0.5 * picture, picture)), expected, rel_tol=1e-9)
    # Structure turned over is negative.
    assert float(measure(-picture, picture)) < -0.99


def ssim_with(x, y, *, data_range=1.0, window_size=11, sigma=1.5, flat=False, pad=0, unbiased=False, k2=0.03):
    place = torch.arange(window_size).double() - (window_size - 1) / 2
    weight = torch.ones_like(place) if flat else torch.exp(-place.square() / (2 * sigma**2))
    weight = weight / weight.sum()
    window = (weight[:, None] * weight)[None, None]

    def around(picture):
        return F.conv2d(picture, window, padding=pad)

    p, q = x.double().flatten(0, -3)[:, None], y.double().flatten(0, -3)[:, None]
    mp, mq = around(p), around(q)
    scale = window_size**2 / (window_size**2 - 1) if unbiased else 1.0
    vp, vq = scale * (around(p * p) - mp**2), scale * (around(q * q) - mq**2)
    joint = scale * (around(p * q) - mp * mq)
    c1, c2 = (0.01 * data_range) ** 2, (k2 * data_range) ** 2
    value = (2 * mp * mq + c1) * (2 * joint + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
    return value.mean(dim=(-3, -2, -1)).reshape(x.shape[:-2]).mean(-1)


WRONG_PSNR = {
    "natural logarithm": lambda x, y, **o: psnr(x, y, **o) * math.log(10),
    "sum for mean": lambda x, y, **o: psnr(x, y, **o) - 10 * math.log10(x[0].numel()),
    "amplitude scale": lambda x, y, **o: 2 * psnr(x, y, **o),
    "range forgotten": lambda x, y, data_range=1.0: psnr(x, y),
    "all pictures at once": lambda x, y, **o: psnr(x.flatten(0, -3), y.flatten(0, -3), **o).expand(
        x.shape[:-3]
    ),
    "clipped": lambda x, y, **o: psnr(x.clamp(0, 1), y.clamp(0, 1), **o),
    "capped": lambda x, y, **o: psnr(x, y, **o).clamp(max=100.0),
}
WRONG_SSIM = {
    "box window": lambda x, y, **o: ssim_with(x, y, flat=True, **o),
    "padded": lambda x, y, **o: ssim_with(x, y, pad=5, **o),
    "unbiased": lambda x, y, **o: ssim_with(x, y, unbiased=True, **o),
    "other constant": lambda x, y, **o: ssim_with(x, y, k2=0.01, **o),
    "fixed window": lambda x, y, data_range=1.0, **o: ssim(x, y, data_range=data_range),
    "range forgotten": lambda x, y, data_range=1.0, **o: ssim(x, y, **o),
    "distance for similarity": lambda x, y, **o: 1 - ssim(x, y, **o),
    "absolute": lambda x, y, **o: ssim(x, y, **o).abs(),
}
