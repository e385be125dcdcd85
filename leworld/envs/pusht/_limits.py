"""How large states and actions of Push-T may be: beyond, squares and sums would overflow."""

import numpy as np

from ..._checks import check_float_array
from ...errors import ConfigError

MOST_ACTION, MOST_STATE = 1e6, 1e12


def check_actions(owner: str, name: str, actions: object, *, shape: str) -> np.ndarray:
    """Return actions as float64, or raise an error that speaks for `owner`."""
    array = check_float_array(owner, name, actions, shape=shape).astype(np.float64)
    _check_most(owner, name, array, MOST_ACTION, fix="Clip actions to the range of the action space, [-1, 1]")
    return array


def check_states(owner: str, name: str, states: object, *, shape: str) -> np.ndarray:
    """Return states as float64, or raise an error that speaks for `owner`."""
    array = check_float_array(owner, name, states, shape=shape).astype(np.float64)
    _check_most(owner, name, array, MOST_STATE, fix="Pass places in pixels of a picture of 512")
    return array


def _check_most(owner: str, name: str, array: np.ndarray, most: float, *, fix: str) -> None:
    worst = float(np.abs(array).max(initial=0.0))
    if worst > most:
        raise ConfigError(f"{owner} needs `{name}` of at most {most:g} either way", f"one is {worst:g}", fix)
