"""Which actions may be NaN: those of an episode's last row, and no others."""

import numpy as np


def describe_bad_action(actions: np.ndarray, lengths: np.ndarray) -> str | None:
    """Say which action is NaN or infinite although it must be finite, or None if all is well."""
    finite = np.isfinite(actions).all(axis=1)
    if finite.all():
        return None
    last = np.zeros(len(actions), bool)
    last[np.cumsum(lengths) - 1] = True
    bad = np.flatnonzero(~finite & ~(last & np.isnan(actions).all(axis=1)))
    if bad.size == 0:
        return None
    row = int(bad[0])
    episode = int(np.searchsorted(np.cumsum(lengths), row, side="right"))
    step = row - int(lengths[:episode].sum())
    return (
        f"{bad.size} of {len(actions)} rows are not, the first at row {row} (step {step} of the "
        f"{int(lengths[episode])} of episode {episode}): {actions[row].tolist()}"
    )
