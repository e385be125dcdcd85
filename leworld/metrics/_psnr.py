"""PSNR: how close a picture comes to another one, on a logarithmic scale."""

from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_number, check_size, measured
from .._precision import back, double
from .._typing import shapechecked
from ._pictures import check_same_shape


@shapechecked
def psnr(
    predicted: Float[Tensor, "*batch channel height width"],
    truth: Float[Tensor, "*other channel height width"],
    *,
    data_range: float = 1.0,
) -> Float[Tensor, "*batch"]:
    r"""Compute the peak signal-to-noise ratio of each picture in decibels; higher is closer.

    $$ \mathrm{PSNR} = 10 \log_{10} \frac{L^2}{\operatorname{mean}_{c,y,x} (\hat x - x)^2} $$

    with L the `data_range`. Ten decibels more are a tenth of the squared error. It weighs every pixel alike,
    so a picture that is mostly background scores high without its object: read it beside the PSNR of the
    mean picture, or on the pixels around the object. Costs one pass.

    Args:
        predicted: Pictures, for example of a decoder.
        truth: The true ones.
        data_range: Distance of black and white: 1 for pictures from 0 to 1, 255 for bytes made floats.

    Returns:
        One float64 value a picture, infinity where both are equal. To average, take the mean of the values,
        as most papers do, and say so: the PSNR of the mean error is lower.

    Raises:
        ShapeError: Shapes that differ, no pixels, or not floating-point.
        NonFiniteError: NaN or infinite entries.
        ConfigError: `data_range` is not positive.

    Numerics:
        float64, no gradients. Values outside the range are not clipped.

    Example:
        ```python
        import torch
        from leworld.metrics import psnr

        truth = torch.rand(2, 3, 8, 8)
        assert torch.allclose(psnr(truth + 0.1, truth), torch.tensor(20.0).double(), atol=1e-4)
        ```
    """
    check_number("psnr", "data_range", data_range, low=0.0, open_low=True)
    for axis, meaning in ((-3, "channel"), (-2, "height"), (-1, "width")):
        check_size("psnr", "predicted", predicted, axis, meaning, low=1, fix="Pass pictures with pixels")
    check_same_shape("psnr", predicted, truth)
    check_finite("psnr", "predicted", predicted)
    check_finite("psnr", "truth", truth)
    error = (
        (double(measured("psnr", "predicted", predicted)) - double(measured("psnr", "truth", truth)))
        .square()
        .mean(dim=(-3, -2, -1))
    )
    return back(10 * (data_range**2 / error).log10(), predicted.device)
