"""Imagined rollouts beside the true ones: frames, embeddings and states."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ..._checks import check_choice, check_number, describe, plain_numbers
from ...errors import DataError, ShapeError
from .._result import Result, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
@dataclass(frozen=True, eq=False)
class ImaginedRollouts(Result):
    """What happened, what the decoder makes of it, and what the model imagined, for some rollouts.

    Moment 0 is the last frame that the model saw; from moment 1 on the imagination knows only the actions.
    The table and the JSON hold mean errors by moment, no frames.

    Attributes:
        true_frames: The recorded frames.
        decoded_frames: The decoder on the embeddings of the true frames: the most that it can show.
        imagined_frames: The decoder on the imagined embeddings.
        true_latents: Embeddings of the true frames.
        imagined_latents: Imagined embeddings; moment 0 is the true one.
        episodes: Which episode each rollout comes from.
        true_states: Recorded states, or None where no column was asked for.
        decoded_states: What the probe reads off the true embeddings, or None.
        imagined_states: What the probe reads off the imagined embeddings, or None.

    Raises:
        ShapeError: Arrays that do not belong together.

    Example:
        ```python
        import numpy as np
        import torch
        from leworld.evaluation import ImaginedRollouts

        frames, latents = np.zeros((2, 6, 8, 8, 3), np.uint8), torch.zeros(2, 6, 4)
        states = np.zeros((2, 6, 2), np.float32)
        rollouts = ImaginedRollouts(
            true_frames=frames, decoded_frames=frames, imagined_frames=frames,
            true_latents=latents, imagined_latents=latents, episodes=np.array([0, 1]),
            true_states=states, decoded_states=states, imagined_states=states + [3.0, 4.0],
        )
        assert (rollouts.state_errors("imagined") == 5.0).all()
        ```
    """

    true_frames: UInt8[np.ndarray, "rollout moment height width channel"]
    decoded_frames: UInt8[np.ndarray, "rollout moment height width channel"]
    imagined_frames: UInt8[np.ndarray, "rollout moment height width channel"]
    true_latents: Float[Tensor, "rollout moment *latent"]
    imagined_latents: Float[Tensor, "rollout moment *latent"]
    episodes: Int[np.ndarray, " rollout"]
    true_states: Float[np.ndarray, "rollout moment state"] | None = None
    decoded_states: Float[np.ndarray, "rollout moment state"] | None = None
    imagined_states: Float[np.ndarray, "rollout moment state"] | None = None

    kind: ClassVar[str] = "imagined_rollouts"

    def __post_init__(self) -> None:
        frames = (self.true_frames, self.decoded_frames, self.imagined_frames)
        latents = (self.true_latents, self.imagined_latents)
        states = (self.true_states, self.decoded_states, self.imagined_states)
        given = [one for one in states if one is not None]
        lead = tuple(self.true_frames.shape[:2])
        fits = (
            self.true_frames.ndim == 5
            and all(one.shape == self.true_frames.shape for one in frames)
            and all(one.ndim >= 3 and one.shape == latents[0].shape for one in latents)
            and len(given) in (0, 3)
            and all(one.ndim == 3 and one.shape == given[0].shape for one in given)
            and all(tuple(one.shape[:2]) == lead for one in (*latents, *given))
            and self.episodes.shape == lead[:1]
        )
        if not fits or not all(lead):
            raise ShapeError(
                "ImaginedRollouts needs frames, latents and states (all three or none) of the same rollouts "
                "and moments",
                f"frames are {', '.join(map(describe, frames))}, "
                f"latents {', '.join(map(describe, latents))}, "
                f"states {', '.join(map(describe, given)) or 'None'}, episodes {describe(self.episodes)}",
                "Take rollouts from `imagined_rollouts`",
            )

    def state_errors(self, kind: Literal["imagined", "decoded"]) -> Float[np.ndarray, "rollout moment"]:
        """Return the distance of the probed states from the true ones, in their units.

        Args:
            kind: "imagined" for what the model imagined, "decoded" for what the probe itself errs on the
                embeddings of the true frames.

        Raises:
            DataError: There are no states.
            ConfigError: Another kind.
        """
        check_choice("ImaginedRollouts.state_errors", "kind", kind, ("imagined", "decoded"))
        read = self.imagined_states if kind == "imagined" else self.decoded_states
        if read is None or self.true_states is None:
            raise DataError(
                "ImaginedRollouts.state_errors needs states",
                "these rollouts have none",
                "Call `imagined_rollouts` with a `column`",
            )
        return np.linalg.norm(read.astype(np.float64) - self.true_states, axis=-1)

    def latent_errors(self) -> Float[np.ndarray, "rollout moment"]:
        """Return the squared distance of imagined and true latents over all their axes; 0 at moment 0."""
        gap = self.imagined_latents.double() - self.true_latents.double()
        return torch.linalg.vector_norm(gap.flatten(2), dim=-1).square().numpy()

    def _curves(self) -> dict[str, list[float]]:
        curves = {"latent error": self.latent_errors().mean(axis=0).tolist()}
        if self.true_states is not None:
            curves["state error"] = self.state_errors("imagined").mean(axis=0).tolist()
            curves["state error, decoded"] = self.state_errors("decoded").mean(axis=0).tolist()
        return curves

    def table(self) -> str:
        """Return one line a moment, with the mean errors of what was imagined."""
        curves = self._curves()
        lines = [f"{len(self.episodes)} rollouts", "moment  " + "  ".join(curves)]
        for moment, values in enumerate(zip(*curves.values(), strict=True)):
            cells = (f"{value:.4g}".rjust(len(name)) for name, value in zip(curves, values, strict=True))
            lines.append(f"{moment:>6}  {'  '.join(cells)}")
        return "\n".join(lines)

    def _content(self) -> dict[str, Any]:
        return {"episodes": self.episodes.tolist()} | {
            name.replace(", ", "_").replace(" ", "_"): curve for name, curve in self._curves().items()
        }

    @plain_numbers
    def plot(self, path: str | os.PathLike[str], *, num_rollouts: int = 4, overwrite: bool = False) -> Path:
        """Draw the first rollouts, true frames above decoded above imagined, and write png, pdf or svg.

        Raises:
            ConfigError: `num_rollouts` is not a positive integer.
            MissingExtraError: matplotlib is not installed.
        """
        check_number("ImaginedRollouts.plot", "num_rollouts", num_rollouts, low=1, integer=True)
        count = min(num_rollouts, len(self.episodes))
        return draw(
            "ImaginedRollouts.plot",
            path,
            lambda figure: _paint(figure, self, count),
            overwrite=overwrite,
            size=(1.3 * self.true_frames.shape[1] + 0.6, 1.3 * 3 * count + 0.4),
            dpi=120,
        )


def _paint(figure: "Figure", rollouts: ImaginedRollouts, count: int) -> None:
    films = {
        "true": rollouts.true_frames,
        "decoded": rollouts.decoded_frames,
        "imagined": rollouts.imagined_frames,
    }
    moments = rollouts.true_frames.shape[1]
    panels = figure.subplots(3 * count, moments, squeeze=False)
    for rollout in range(count):
        for line, (name, film) in enumerate(films.items()):
            for moment in range(moments):
                panel = panels[3 * rollout + line, moment]
                panel.imshow(film[rollout, moment], interpolation="nearest")
                panel.set_xticks([])
                panel.set_yticks([])
                if moment == 0:
                    panel.set_ylabel(name, fontsize=8)
                if rollout == line == 0:
                    panel.set_title("seen" if moment == 0 else f"+{moment}", fontsize=8)
