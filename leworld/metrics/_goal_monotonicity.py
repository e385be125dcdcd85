"""Whether latent distance shows the way to a goal."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import (
    check_finite,
    check_number,
    check_size,
    check_unmapped,
    describe,
    measured,
    plain_numbers,
)
from .._precision import double
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError


@final
@plain_numbers
@dataclass(frozen=True)
class GoalMonotonicity:
    """The share of steps toward a goal that lower the latent distance, by distance at the start.

    Attributes:
        edges: Borders of the distance bins; bin i holds distances from `edges[i]` to below `edges[i + 1]`.
        share: For each bin, the share of its steps that lower the latent distance; NaN in an empty bin.
        count: For each bin, the number of steps in it.

    Raises:
        ShapeError: Fields whose lengths do not belong together.

    Example:
        ```python
        from leworld.metrics import GoalMonotonicity

        result = GoalMonotonicity(edges=(0.0, 10.0, 20.0), share=(1.0, 0.5), count=(3, 1))
        assert result.overall == 0.875
        ```
    """

    edges: tuple[float, ...]
    share: tuple[float, ...]
    count: tuple[int, ...]

    def __post_init__(self) -> None:
        if not len(self.share) == len(self.count) == len(self.edges) - 1:
            raise ShapeError(
                "GoalMonotonicity needs one share and one count a bin, and one edge more",
                f"there are {len(self.share)}, {len(self.count)} and {len(self.edges)}",
                "Take it from `goal_monotonicity`",
            )

    @property
    def overall(self) -> float:
        """The share over all bins together; NaN when every bin is empty."""
        total = sum(self.count)
        lowered = sum(s * n for s, n in zip(self.share, self.count, strict=True) if n > 0)
        return lowered / total if total > 0 else float("nan")

    def __str__(self) -> str:
        rows = [f"{'start distance':>16}  {'steps':>6}  {'lowered':>8}"]
        for low, high, share, count in zip(
            self.edges[:-1], self.edges[1:], self.share, self.count, strict=True
        ):
            text = f"{share:8.1%}" if count else f"{'-':>8}"
            rows.append(f"{f'{low:g} to {high:g}':>16}  {count:>6}  {text}")
        rows.append(f"{'all':>16}  {sum(self.count):>6}  {self.overall:8.1%}")
        return "\n".join(rows)


@shapechecked
def goal_monotonicity(
    before: Float[Tensor, "step dim *rest"],
    after: Float[Tensor, "step dim *rest"],
    *,
    goal: Float[Tensor, "step dim *rest"],
    distance: Float[Tensor, " step"],
    edges: Sequence[float],
    measure: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> GoalMonotonicity:
    r"""Compute how often a small step toward a goal lowers the latent distance to it, by start distance.

    A planner that minimises the distance to a goal embedding follows it downhill. Where this share falls to
    one half, the distance is flat and tells the planner nothing. Costs one pass.

    $$ \text{share}_i = \operatorname{mean}_{n \in \text{bin } i}
       \big[\, \|z^{after}_n - z^{goal}_n\|^2 < \|z^{before}_n - z^{goal}_n\|^2 \,\big] $$

    Shapes:
        One step a row in all tensors; latents with several axes count over all of them.

    Args:
        before: Embeddings of the states that the steps leave.
        after: Embeddings of the states that the steps reach, each a little closer to its goal in the world.
        goal: Embeddings of the goals.
        distance: True distance from the state before the step to the goal, in the world's units.
        edges: Increasing borders of the distance bins, at least two. Steps outside all bins are not counted.
        measure: Distance of latents from goals, one number a step, in place of the squared one; for example a
            model's `latent_distance`.

    Raises:
        ShapeError: Tensors that disagree in shape, no steps, or not floating-point.
        NonFiniteError: NaN or infinite entries.
        ConfigError: Edges that do not increase, or fewer than two.

    Numerics:
        float64 (a `measure` in what it computes), no gradients. An equal distance (a collapsed embedding)
        counts as not lowered, so constant embeddings score 0.

    Example:
        ```python
        import torch
        from leworld.metrics import goal_monotonicity

        before = torch.tensor([[4.0], [9.0]])
        result = goal_monotonicity(
            before, before - 1, goal=torch.zeros(2, 1), distance=before[:, 0], edges=(0, 5, 10)
        )
        assert result.share == (1.0, 1.0)
        assert result.count == (1, 1)
        ```
    """
    owner = "goal_monotonicity"
    check_unmapped(owner, before=before, after=after, goal=goal, distance=distance)
    check_size(owner, "before", before, 0, "step", low=1, fix="Pass at least one step")
    check_size(owner, "before", before, 1, "dim", low=1, fix="Pass at least one component")
    for name, tensor in (("before", before), ("after", after), ("goal", goal), ("distance", distance)):
        check_finite(owner, name, tensor)
    for edge in edges:
        check_number(owner, "edges", edge, fix="Pass finite borders of distance bins")
    borders = tuple(float(edge) for edge in edges)
    if len(borders) < 2 or any(low >= high for low, high in itertools.pairwise(borders)):
        raise ConfigError(
            f"{owner} needs `edges` to hold at least two increasing numbers",
            f"`edges={borders}` was given",
            "Pass for example (0, 20, 40, 80)",
        )
    start, end = (
        _apart(measure, measured(owner, "latents", latents), measured(owner, "goal", goal))
        for latents in (before, after)
    )
    lowered = end < start
    inside = [(distance >= low) & (distance < high) for low, high in itertools.pairwise(borders)]
    count = tuple(int(mask.sum()) for mask in inside)
    share = tuple(float(double(lowered[mask]).mean()) for mask in inside)
    return GoalMonotonicity(edges=borders, share=share, count=count)


def _apart(
    measure: Callable[[Tensor, Tensor], Tensor] | None, latents: Tensor, goal: Tensor
) -> Float[Tensor, " step"]:
    if measure is None:
        return (double(latents) - double(goal)).square().flatten(1).sum(dim=-1)
    apart = measure(latents.clone(), goal.clone())
    if not isinstance(apart, Tensor) or apart.shape != latents.shape[:1]:
        raise ShapeError(
            "goal_monotonicity needs `measure` to return one distance for each step",
            f"it returned {describe(apart)} for {len(latents)} steps",
            "Sum over all axes behind the first",
        )
    return apart.clone()  # the measure may use its output's memory again
