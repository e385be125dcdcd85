"""SSIM: whether two pictures agree in local brightness, contrast and structure."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .._checks import check_finite, check_number, check_size, measured
from .._precision import back, double
from .._typing import shapechecked
from ._pictures import check_same_shape

_K1, _K2 = 0.01, 0.03


@shapechecked
def ssim(
    predicted: Float[Tensor, "*batch channel height width"],
    truth: Float[Tensor, "*other channel height width"],
    *,
    data_range: float = 1.0,
    window_size: int = 11,
    sigma: float = 1.5,
) -> Float[Tensor, "*batch"]:
    r"""Compute the mean structural similarity of each picture; 1 for equal ones, lower for others.

    $$ \mathrm{SSIM} = \operatorname{mean} \frac{(2 \mu_x \mu_y + C_1)(2 \sigma_{xy} + C_2)}
       {(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)} $$

    with means, variances and covariance of the pixels around each place, weighted by a Gaussian window whose
    weights sum to 1, and $C_1 = (0.01 L)^2$, $C_2 = (0.03 L)^2$, L the `data_range`. The mean runs over all
    places where the window fits into the picture, and over channels. Beside PSNR it tells blur (structure
    lost) from a shift of brightness. Where both pictures are one flat colour, as around a small object, it is
    1, so the warning about backgrounds holds here as well. Costs 10 separable convolutions.

    Args:
        predicted: Pictures, at least as large as the window.
        truth: The true ones.
        data_range: Distance of black and white.
        window_size: Side of the window in pixels.
        sigma: Standard deviation of the window in pixels.

    Returns:
        One float64 value a picture, between -1 and 1. Swapping the pictures changes nothing.

    Raises:
        ShapeError: Shapes that differ, pictures smaller than the window, or not floating-point.
        NonFiniteError: NaN or infinite entries.
        ConfigError: An option out of range.

    Numerics:
        float64, no gradients.

    Source:
        Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From Error Visibility to Structural
        Similarity, IEEE Transactions on Image Processing 13(4), 2004, equations 13 to 17, with the window
        (11 pixels, sigma 1.5) and constants given there. The paper treats grey pictures; here each channel
        is one, and the picture is not made smaller first.

    Example:
        ```python
        import torch
        from leworld.metrics import ssim

        truth = torch.rand(2, 3, 16, 16)
        assert torch.allclose(ssim(truth, truth), torch.ones(2).double())
        assert (ssim(1 - truth, truth) < 0).all()
        ```
    """
    owner = "ssim"
    check_number(owner, "data_range", data_range, low=0.0, open_low=True)
    check_number(owner, "window_size", window_size, low=1, integer=True)
    check_number(owner, "sigma", sigma, low=0.0, open_low=True)
    check_size(owner, "predicted", predicted, -3, "channel", low=1, fix="Pass pictures with pixels")
    for axis, meaning in ((-2, "height"), (-1, "width")):
        fix = "Pass larger pictures, or a smaller `window_size`"
        check_size(owner, "predicted", predicted, axis, meaning, low=window_size, fix=fix)
    check_same_shape(owner, predicted, truth)
    check_finite(owner, "predicted", predicted)
    check_finite(owner, "truth", truth)
    height, width = truth.shape[-2:]
    x = double(measured("ssim", "predicted", predicted)).reshape(-1, 1, height, width)
    y = double(measured("ssim", "truth", truth)).reshape(-1, 1, height, width)
    place = torch.arange(window_size, dtype=torch.float64, device=x.device) - (window_size - 1) / 2
    weight = torch.exp(-0.5 * (place / sigma).square())
    weight /= weight.sum()

    def around(picture: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(picture, weight[None, None, :, None]), weight[None, None, None, :])

    mean_x, mean_y = around(x), around(y)
    spread = around(x * x) - mean_x.square() + around(y * y) - mean_y.square()
    joint = around(x * y) - mean_x * mean_y
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * joint + c2)
    similarity /= (mean_x.square() + mean_y.square() + c1) * (spread + c2)
    value = similarity.mean(dim=(-3, -2, -1)).reshape(truth.shape[:-2]).mean(dim=-1)
    return back(value, predicted.device)
