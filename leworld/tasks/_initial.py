"""A trained model as the beginning of another training."""

from dataclasses import replace
from typing import Any

from .._checks import describe
from ..data import Processor
from ..errors import ConfigError
from ..models import WorldModel


def ready_model(model: object, measured: Processor, *, owner: str) -> WorldModel:
    """Return the model with a processor that fits the data whose statistics were `measured`.

    It keeps its own processor, in whose units its weights think; only where that knows no action statistics,
    as of some published models, those of the data are taken.
    """
    if not isinstance(model, WorldModel):
        raise ConfigError(
            f"{owner} needs `initial` to be a world model",
            f"it is {describe(model)}",
            "Pass what `leworld.load` returns",
        )
    known = model.processor if model.has_processor else measured
    fits = (known.action_dim, known.action_choices) == (measured.action_dim, measured.action_choices)
    if not fits or known.block_dim != model.action_dim:
        raise ConfigError(
            f"{owner} needs `initial` to take the actions of the data, {_actions(measured)}",
            f"it takes {_actions(known)}, in blocks of {model.action_dim}",
            "Train a new model, or take one of that robot",
        )
    if known.action_mean is None and known.action_choices is None:
        known = replace(known, action_mean=measured.action_mean, action_std=measured.action_std)
    model.processor = known
    return model


def _actions(processor: Processor) -> str:
    if processor.action_choices is not None:
        return f"one of {processor.action_choices} choices"
    return f"{processor.action_dim} components"


def origin(facts: dict[str, Any], weights: str) -> dict[str, Any]:
    """Return a recipe's provenance for a model that had been trained before: its sizes are not ours."""
    recipe = {"settings": facts["recipe"]["settings"], "initial_weights": weights}
    return {
        **{name: facts[name] for name in ("training_data",) if name in facts},
        "name": "fine-tuned",
        "summary": "A model that was trained further.",
        "recipe": recipe,
    }
