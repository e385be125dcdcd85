"""How far a model can imagine: open-loop rollouts beside two baselines."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
import torch

from ..._checks import check_number, plain_numbers
from ...data import Episodes
from ...errors import DataError, ShapeError
from ...metrics import horizon_error
from ...models import WorldModel, processor_of
from ...probes import RidgeProbe
from .._columns import state_column
from .._latent_paths import distance, imagined_paths, latent_paths
from .._result import Result, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
@plain_numbers
@dataclass(frozen=True)
class OpenLoopResult(Result):
    """Error of imagined embeddings by number of steps ahead, for the model and its baselines.

    Attributes:
        latent: Mean latent distance (the model's own, squared unless it says otherwise) at every step, by
            `model`, `copy` (the last seen frame, again and again) and `shuffled` (the model with the actions
            of other windows).
        physical: Root mean squared distance of the probed state from the true one, in its units, likewise,
            and `probe`: what the probe itself errs on the true embeddings. Empty without a column.
        num_windows: Number of rollouts.

    Raises:
        ShapeError: Curves of different lengths, or none.

    Example:
        ```python
        from leworld.evaluation import OpenLoopResult

        latent = {"model": (0.1, 0.2), "copy": (1.0, 2.0), "shuffled": (1.5, 3.0)}
        result = OpenLoopResult(latent=latent, physical={}, num_windows=10)
        assert result.useful_steps == 2
        ```
    """

    latent: Mapping[str, tuple[float, ...]]
    physical: Mapping[str, tuple[float, ...]]
    num_windows: int

    kind: ClassVar[str] = "open_loop"

    def __post_init__(self) -> None:
        lengths = {len(curve) for curve in (*self.latent.values(), *self.physical.values())}
        if len(lengths) != 1 or 0 in lengths or not {"model", "copy", "shuffled"} <= set(self.latent):
            raise ShapeError(
                "OpenLoopResult needs curves of one length for `model`, `copy` and `shuffled`",
                f"there are {sorted(self.latent)} with lengths {sorted(lengths)}",
                "Take results from `open_loop`",
            )

    @property
    def useful_steps(self) -> int:
        """Number of steps from the first on at which the model is nearer to the truth than the copy."""
        pairs = list(zip(self.latent["model"], self.latent["copy"], strict=True))
        return next((step for step, (model, copy) in enumerate(pairs) if model >= copy), len(pairs))

    def table(self) -> str:
        """Return one line a step, with the errors of the model and its baselines."""
        curves = dict(self.latent)
        curves |= {f"{name}, state": curve for name, curve in self.physical.items()}
        widths = [max(len(name), 8) for name in curves]
        head = "  ".join(name.rjust(width) for name, width in zip(curves, widths, strict=True))
        lines = [f"steps  {head}"]
        for step, values in enumerate(zip(*curves.values(), strict=True), start=1):
            cells = (f"{value:.4g}".rjust(width) for value, width in zip(values, widths, strict=True))
            lines.append(f"{step:>5}  {'  '.join(cells)}")
        return "\n".join(lines)

    def _content(self) -> dict[str, Any]:
        return {"useful_steps": self.useful_steps} | asdict(self)

    def plot(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Draw the errors by step, in the latent space and of states, and write png, pdf or svg.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        parts = {"squared latent distance": self.latent, "distance of states": self.physical}
        shown = {label: curves for label, curves in parts.items() if curves}
        size = (3.8 * len(shown), 3.2)
        return draw(
            "OpenLoopResult.plot",
            path,
            lambda figure: _paint(figure, shown),
            overwrite=overwrite,
            size=size,
        )


def _paint(figure: "Figure", shown: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for panel, (label, curves) in zip(panels, shown.items(), strict=True):
        for name, curve in curves.items():
            panel.plot(range(1, len(curve) + 1), curve, marker="o", markersize=3, label=name)
        panel.set_xlabel("steps ahead")
        panel.set_ylabel(label)
        panel.legend(fontsize=8)


@plain_numbers
def open_loop(
    model: WorldModel,
    episodes: Episodes,
    *,
    horizon: int = 5,
    num_windows: int = 256,
    column: str | None = None,
    seed: int = 0,
) -> OpenLoopResult:
    """Let the model imagine the future of recorded episodes and measure how far it strays, step by step.

    Each rollout sees history_size frames of an episode (all of them so far, if the model carries a state) and
    then only its actions. Two baselines tell what the
    numbers are worth: copying the last frame (a model that is no better knows no dynamics), and the model
    with the actions of other rollouts (one that is as good ignores its actions). With a `column` a ridge
    probe, fitted on the other half of the episodes, turns embeddings into states, so that errors read in
    their units.

    Args:
        model: A world model with its processor, action statistics included.
        episodes: Episodes that the model was not trained on.
        horizon: Steps to imagine, each `frameskip` rows.
        num_windows: Rollouts, drawn uniformly among all possible ones without repetition; fewer where there
            are not so many, at least 2.
        column: Column of true states, or None.
        seed: Which windows, and which actions go with which in the shuffled baseline.

    Raises:
        ConfigError: A model without processor, or an option out of range.
        DataError: Episodes too short or too few, or no such column.
        NonFiniteError: The model's embeddings or predictions are NaN or infinite.

    Randomness:
        From `seed` only.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, Processor
        from leworld.evaluation import open_loop
        from leworld.models import WorldModel

        class Walker(WorldModel):
            history_size, embedding_dim, action_dim = 1, 3, 1

            def _encode(self, observations):
                return observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings + actions

            def _loss(self, batch, generator):
                raise NotImplementedError

        model = Walker()
        model.processor = Processor(
            2, frameskip=1, action_dim=1, image_mean=(0.0,) * 3, image_std=(1 / 255,) * 3,
            action_mean=(0.0,), action_std=(1.0,),
        )
        moves = np.random.default_rng(0).integers(-3, 4, (4, 30, 1))
        levels = 128 + np.cumsum(moves, axis=1) - moves
        episodes = Episodes(
            np.tile(levels.reshape(-1, 1, 1, 1), (1, 2, 2, 3)).astype(np.uint8),
            moves.reshape(-1, 1).astype(np.float32),
            lengths=np.full(4, 30),
        )
        result = open_loop(model, episodes, horizon=3)
        assert max(result.latent["model"]) < 1e-3 < min(result.latent["copy"])
        ```
    """
    owner = "open_loop"
    check_number(owner, "horizon", horizon, low=1, integer=True)
    check_number(owner, "num_windows", num_windows, low=2, integer=True)
    check_number(owner, "seed", seed, low=0, integer=True)
    paths = latent_paths(model, episodes, owner=owner)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(paths))
    used = order if column is None else order[: max(1, len(order) // 2)]
    reach = model.history_size
    starts = [(int(e), s) for e in used for s in range(len(paths[e]) - reach - horizon + 1)]
    if len(starts) < 2 or (column is not None and len(order) < 2):
        raise DataError(
            f"open_loop needs 2 windows of {reach} + {horizon} frames or more, and 2 episodes with a column",
            f"{len(paths)} episodes hold {len(starts)}",
            "Pass more or longer episodes, or a shorter horizon",
        )
    starts = [starts[i] for i in generator.permutation(len(starts))[:num_windows]]
    now = torch.stack([paths[e].latents[s + reach - 1 : s + reach] for e, s in starts])
    truth = torch.stack([paths[e].latents[s + reach : s + reach + horizon] for e, s in starts])
    actions = torch.stack([paths[e].blocks[s + reach - 1 : s + reach + horizon - 1] for e, s in starts])
    shift = int(generator.integers(1, len(starts)))
    imagined = {
        "model": imagined_paths(model, paths, starts, actions, owner=owner),
        "copy": now.expand_as(truth),
        "shuffled": imagined_paths(model, paths, starts, actions.roll(shift, dims=0), owner=owner),
    }
    latent = {name: tuple(distance(model, path, truth).mean(0).tolist()) for name, path in imagined.items()}
    physical = {}
    if column is not None:
        skip = processor_of(model, owner=owner).frameskip
        states = torch.from_numpy(state_column(owner, episodes, column)).double()
        of = [states[f : f + n : skip] for f, n in zip(episodes.offsets, episodes.lengths, strict=True)]
        others = order[len(used) :]
        fitted = torch.cat([paths[e].latents for e in others]).flatten(1), torch.cat([of[e] for e in others])
        probe = RidgeProbe(fitted[0].shape[1], fitted[1].shape[1], penalties=(1e-6,)).fit(*fitted)
        real = torch.stack([of[e][s + reach : s + reach + horizon] for e, s in starts])
        for name, path in (imagined | {"probe": truth}).items():
            physical[name] = tuple(horizon_error(probe(path.flatten(2)), real).sqrt().tolist())
    return OpenLoopResult(latent=latent, physical=physical, num_windows=len(starts))
