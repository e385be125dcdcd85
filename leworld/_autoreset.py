"""What a vector environment says about how it starts new episodes."""

from typing import Any

_MODES = {"nextstep": "NextStep", "samestep": "SameStep", "disabled": "Disabled"}


def autoreset_mode(env: Any) -> str | None:
    """Return "NextStep", "SameStep" or "Disabled", None if the environment does not say, else what it says.

    Gymnasium's enum, its values ("NextStep") and its names ("NEXT_STEP") all count, in any case of letters.
    """
    said = (getattr(env, "metadata", None) or {}).get("autoreset_mode")
    if said is None:
        return None
    value = str(getattr(said, "value", said))
    return _MODES.get(value.replace("_", "").lower(), value)
