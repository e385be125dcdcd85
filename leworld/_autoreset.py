"""What a vector environment says about how it starts new episodes."""

from typing import Any

_MODES = {"nextstep": "NextStep", "samestep": "SameStep", "disabled": "Disabled"}


def autoreset_mode(env: Any) -> str | None:
    """Return "NextStep", "SameStep" or "Disabled", None if the environment does not say, else what it says.

    Gymnasium's enum, its values ("NextStep") and its names ("NEXT_STEP") all count, in any case of letters.
    """
    said = (getattr(env, "metadata", None) or {}).get("autoreset_mode")
    return None if said is None else autoreset_value(said)


def autoreset_value(said: object) -> str:
    """Return the value of a mode that is told as gymnasium's enum, its value or its name; else what it is."""
    value = str(getattr(said, "value", said))
    return _MODES.get(value.replace("_", "").lower(), value)
