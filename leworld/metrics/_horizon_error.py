"""How far imagined embeddings stray from the true ones, step by step."""

from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_size, measured
from .._precision import back, double
from .._typing import shapechecked


@shapechecked
def horizon_error(
    predicted: Float[Tensor, "batch horizon dim"], truth: Float[Tensor, "batch horizon dim"]
) -> Float[Tensor, " horizon"]:
    r"""Compute the mean squared distance between imagined and true embeddings at every step of a rollout.

    $$ e_h = \operatorname{mean}_b \| \hat z_{b,h} - z_{b,h} \|^2 $$

    Read it beside what copying the last frame gives: a model is of use up to the step at which its error
    meets the copy's. Costs one pass.

    Args:
        predicted: Embeddings, or states that a probe reads off them; step 0 is one step ahead.
        truth: The true ones.

    Returns:
        One float64 value a step, in squared units of the embedding, summed over components.

    Raises:
        ShapeError: Shapes that differ, an empty axis, or not floating-point.
        NonFiniteError: NaN or infinite entries.

    Numerics:
        float64, no gradients.

    Example:
        ```python
        import torch
        from leworld.metrics import horizon_error

        truth = torch.zeros(2, 3, 2)
        imagined = torch.tensor([0.0, 1.0, 2.0])[None, :, None].expand(2, 3, 2)
        assert horizon_error(imagined, truth).tolist() == [0.0, 2.0, 8.0]
        ```
    """
    for axis, meaning in enumerate(("batch", "horizon", "dim")):
        fix = f"Pass at least one {meaning}"
        check_size("horizon_error", "predicted", predicted, axis, meaning, low=1, fix=fix)
    check_finite("horizon_error", "predicted", predicted)
    check_finite("horizon_error", "truth", truth)
    gap = double(measured("horizon_error", "predicted", predicted)) - double(
        measured("horizon_error", "truth", truth)
    )
    return back(gap.square().sum(dim=-1).mean(dim=0), predicted.device)
