"""Telling a collapsing embedding from one that is still finding its size."""

from collections.abc import Mapping
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_number, check_size, plain_numbers
from .._typing import shapechecked
from ..metrics import effective_rank

_MAX_ROWS = 512


@final
class CollapseWarning(UserWarning):
    """The embedding of a model in training is collapsing; the message says how it shows and what to do.

    Example:
        ```python
        import warnings
        from leworld.training import CollapseWarning

        with warnings.catch_warnings():
            warnings.simplefilter("error", CollapseWarning)  # stop a run that collapses
        ```
    """


@final
@plain_numbers
class CollapseMonitor:
    """Watches the spread and rank of embeddings during training and says in words when they collapse.

    A predictor finds it easiest to foresee embeddings that never change. Without enough regularization the
    whole embedding shrinks or flattens, slowly, while the loss falls and probes and even planning hardly
    notice; so neither loss nor success shows it. Two numbers do:

    - spread: the standard deviation over all embeddings of a batch, averaged over dimensions. Regularizers
      that ask for a Gaussian bring it to 1. It counts as collapsing when it has been below `min_std` over the
      last `patience` steps and has not risen by a tenth since its lowest point there. Small but growing is no
      collapse: some models start there.
    - rank: the effective rank of the centred embeddings, between 1 (all on a line) and dim. It counts as
      collapsing when it has been below `min_rank` over the last `patience` steps (never if dim is 1).

    A healthy regularized run passes the first test by a wide margin; a run without regularization fails it
    for good after a few hundred steps. The state can change back: `collapsing` tells the present one.

    Args:
        min_std: Spread below which an embedding may be collapsing, above 0. A quarter of a Gaussian's.
        min_rank: Effective rank below which all embeddings lie nearly on a line.
        patience: Steps that a symptom must last, at least 1.

    Raises:
        ConfigError: A setting is out of range.

    Attributes:
        collapsing: Whether the last update showed a collapse.

    Source:
        Effective rank: Garrido et al., RankMe, 2023, arXiv 2210.02885. The rule is our own.

    Example:
        ```python
        import torch
        from leworld.training import CollapseMonitor

        monitor = CollapseMonitor(patience=20)
        embeddings = torch.randn(64, 2, 8, generator=torch.Generator().manual_seed(0))
        messages = [monitor.update(step, 0.9**step * embeddings) for step in range(0, 100, 10)]
        assert monitor.collapsing and sum(message is not None for message in messages) == 1
        ```
    """

    def __init__(self, min_std: float = 0.25, min_rank: float = 1.5, *, patience: int = 100) -> None:
        check_number("CollapseMonitor", "min_std", min_std, low=0.0, open_low=True)
        check_number("CollapseMonitor", "min_rank", min_rank, low=1.0)
        check_number("CollapseMonitor", "patience", patience, low=1, integer=True)
        self.min_std = min_std
        self.min_rank = min_rank
        self.patience = patience
        self.collapsing = False
        self._rows: list[tuple[int, float, float]] = []
        self._first: tuple[int, float, float] | None = None

    @shapechecked
    def update(self, step: int, embeddings: Float[Tensor, "*batch dim"]) -> str | None:
        """Look at the embeddings of one step.

        Args:
            step: Optimizer steps taken so far; must not decrease from call to call.
            embeddings: At least 2, all leading axes together are the sample. The rank looks at 512 of them.

        Returns:
            A warning in plain words when a collapse shows for the first time or again after a recovery, else
            None.
        """
        rows = embeddings.detach().flatten(0, -2).float().cpu()
        check_size(
            "CollapseMonitor", "embeddings", rows, 0, "sample", low=2, fix="Pass the embeddings of a batch"
        )
        check_finite("CollapseMonitor", "embeddings", rows)
        spread = float(rows.std(dim=0).mean())
        rank = float(effective_rank(rows[:_MAX_ROWS], center=True))
        row = (int(step), spread, rank)
        self._first = self._first or row
        # One row from before the window is kept, so that the rows span it.
        recent = [index for index, old in enumerate(self._rows) if old[0] > step - self.patience]
        oldest = recent[0] if recent else len(self._rows)
        self._rows = [*self._rows[max(0, oldest - 1) :], row]
        spans = step - self._rows[0][0] >= self.patience
        spreads = [old[1] for old in self._rows]
        shrunk = max(spreads) < self.min_std and spread <= 1.1 * min(spreads)
        flat = rows.shape[1] > 1 and max(old[2] for old in self._rows) < self.min_rank
        before = self.collapsing
        unhealthy = spread < self.min_std or (rows.shape[1] > 1 and rank < self.min_rank)
        self.collapsing = unhealthy if before else spans and (shrunk or flat)
        return self._message(row, rows.shape[1], shrunk) if self.collapsing and not before else None

    def state_dict(self) -> dict[str, Any]:
        """Return what `update` remembers, as plain data."""
        return {"rows": list(self._rows), "first": self._first, "collapsing": self.collapsing}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        rows = [(int(step), float(spread), float(rank)) for step, spread, rank in state["rows"]]
        first = None if state["first"] is None else tuple(state["first"])
        self._rows, self._first, self.collapsing = rows, first, bool(state["collapsing"])

    def _message(self, row: tuple[int, float, float], dim: int, shrunk: bool) -> str:
        step, spread, rank = row
        first = self._first or row
        if shrunk:
            symptom = (
                f"their standard deviation was {first[1]:.2g} at step {first[0]} and is {spread:.2g} at "
                f"step {step}, where a healthy embedding is near 1"
            )
        else:
            symptom = f"at step {step} they lie nearly on a line"
        return (
            f"The embeddings are collapsing: {symptom} (effective rank {first[2]:.3g} then, {rank:.3g} "
            f"now, of {dim}). The prediction error shrinks along with them, which is no progress. Raise "
            "the regularizer's weight (`regularizer_weight`, lambda), or the batch size, which strengthens "
            "SIGReg in proportion."
        )
