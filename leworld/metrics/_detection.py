"""How well scores tell unusual from usual: the area under the ROC curve, and calibrated p-values."""

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_size, measured
from .._precision import back, double
from .._typing import shapechecked


@shapechecked
def auroc(unusual: Float[Tensor, " unusual"], usual: Float[Tensor, " usual"]) -> Float[Tensor, ""]:
    r"""Compute the probability that an unusual score is above a usual one; ties count one half.

    1 separates perfectly, 0.5 is chance. It is the area under the ROC curve and Mann-Whitney's U divided by
    its largest value, so it needs no threshold. Costs one sort.

    Args:
        unusual: Scores of what should be detected, at least 1.
        usual: Scores of normal cases, at least 1.

    Returns:
        One float64 value between 0 and 1.

    Raises:
        ShapeError: No scores, or not floating-point.
        NonFiniteError: NaN or infinite scores.

    Source:
        Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology, 1982.

    Example:
        ```python
        import torch
        from leworld.metrics import auroc

        assert auroc(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0])) == 0.875
        ```
    """
    for name, scores in (("unusual", unusual), ("usual", usual)):
        check_size("auroc", name, scores, 0, name, low=1, fix="Pass at least one score of either kind")
        check_finite("auroc", name, scores)
    ordered = double(measured("auroc", "usual", usual)).sort().values
    tested = double(measured("auroc", "unusual", unusual)).contiguous()  # or searchsorted warns
    below = torch.searchsorted(ordered, tested, side="left")
    up_to = torch.searchsorted(ordered, tested, side="right")
    return back((below + up_to).double().mean() / (2 * len(ordered)), usual.device)


@shapechecked
def conformal_p_values(
    scores: Float[Tensor, " score"], calibration: Float[Tensor, " calibration"]
) -> Float[Tensor, " score"]:
    r"""Compute for each score how often a normal one is at least as large, from a calibration set.

    $$ p(s) = \frac{1 + \#\{i : c_i \ge s\}}{1 + n} $$

    Where s and the n calibration scores are exchangeable, the probability of p <= a is at most a, whatever
    their distribution: an alarm at p <= 0.05 is false at most once in twenty normal frames. The smallest
    possible value is 1 / (n + 1). Costs one sort.

    Args:
        scores: Scores to judge.
        calibration: Scores of normal cases that nothing was fitted on, at least 1.

    Returns:
        One float64 value between 1 / (n + 1) and 1 for each score.

    Raises:
        ShapeError: No calibration scores, or not floating-point.
        NonFiniteError: NaN or infinite scores.

    Source:
        Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005 (conformal p-values).

    Example:
        ```python
        import torch
        from leworld.metrics import conformal_p_values

        p = conformal_p_values(torch.tensor([0.5, 9.0]), torch.tensor([1.0, 2.0, 3.0]))
        assert p.tolist() == [1.0, 0.25]
        ```
    """
    fix = "Pass scores of held-out normal frames"
    check_size("conformal_p_values", "calibration", calibration, 0, "calibration", low=1, fix=fix)
    check_finite("conformal_p_values", "scores", scores)
    check_finite("conformal_p_values", "calibration", calibration)
    ordered = double(measured("conformal_p_values", "calibration", calibration)).sort().values
    tested = double(measured("conformal_p_values", "scores", scores)).contiguous()
    below = torch.searchsorted(ordered, tested, side="left")
    return back((1 + len(ordered) - below).double() / (1 + len(ordered)), scores.device)
