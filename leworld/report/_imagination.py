"""Imagined against true futures, as pictures."""

import numpy as np
import torch

from ..evaluation import ImaginedRollouts
from ..metrics import psnr
from ._html import check_result, paragraph, picture
from ._png import row, still
from ._section import Section

TITLE = "Imagination"
_MOST_ROLLOUTS = 4
_TILE = 84


def imagination_section(rollouts: ImaginedRollouts) -> Section:
    """Show what the model imagines beside what happened, made visible by a decoder.

    Args:
        rollouts: What `leworld.evaluation.imagined_rollouts` returned.

    Raises:
        ConfigError: Another kind of result.

    Example:
        ```python
        import numpy as np
        import torch
        from leworld.evaluation import ImaginedRollouts
        from leworld.report import imagination_section

        frames, latents = np.zeros((1, 3, 8, 8, 3), np.uint8), torch.zeros(1, 3, 4)
        rollouts = ImaginedRollouts(
            true_frames=frames,
            decoded_frames=frames,
            imagined_frames=frames,
            true_latents=latents,
            imagined_latents=latents,
            episodes=np.zeros(1, np.int64),
        )
        assert "imagined" in imagination_section(rollouts).body
        ```
    """
    check_result("imagination_section", "rollouts", rollouts, ImaginedRollouts, "`imagined_rollouts`")
    count, moments = rollouts.true_frames.shape[:2]
    quality = {
        "imagined": _psnr(rollouts.imagined_frames, rollouts.true_frames),
        "decoded": _psnr(rollouts.decoded_frames, rollouts.true_frames),
    }
    lead = (
        f"The model sees a few frames, then only the actions of {moments - 1} further steps. A decoder, "
        "trained for looking only, turns embeddings into pictures: the true embeddings (decoded: the best "
        "that it can show) and the imagined ones. They differ from the true pictures by "
        f"{quality['decoded']:.1f} dB (decoded) and {quality['imagined']:.1f} dB (imagined); more is nearer."
    )
    body = paragraph(lead)
    if rollouts.true_states is not None and rollouts.imagined_states is not None:
        gap = np.linalg.norm(rollouts.imagined_states - rollouts.true_states, axis=-1)
        middle = float(np.median(gap[:, -1]))
        body += paragraph(
            f"Read off the last imagined embedding by a probe, the state is {middle:.3g} units from the "
            f"truth in the median of {count} rollouts."
        )
    parts = []
    for index in range(min(_MOST_ROLLOUTS, count)):
        rows = ""
        for name, frames in (
            ("true", rollouts.true_frames),
            ("decoded", rollouts.decoded_frames),
            ("imagined", rollouts.imagined_frames),
        ):
            alt = f"Rollout {index + 1}, {name}: the last seen frame and {moments - 1} steps after it."
            rows += f"<span>{name}</span>{picture(still(row(frames[index])), alt, width=_TILE * moments)}"
        parts.append(f'<div><h3>Rollout {index + 1}</h3><div class="rollout">{rows}</div></div>')
    body += f'<div class="pairs">{"".join(parts)}</div>'
    return Section(TITLE, body)


def _psnr(frames: np.ndarray, truth: np.ndarray) -> float:
    """Mean over frames after the last seen one."""
    one, two = (
        torch.from_numpy(part[:, 1:].astype(np.float32) / 255).movedim(-1, -3) for part in (frames, truth)
    )
    values = psnr(one, two)
    finite = values[values.isfinite()]
    return float(finite.mean()) if len(finite) else float("inf")
