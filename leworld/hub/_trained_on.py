"""The record of a model's training episodes, in and out of its checkpoint."""

from dataclasses import replace
from typing import Any

from .._digests import weights_digest
from ..data import TrainingEpisodes
from ..errors import CheckpointError, ConfigError
from ..models import WorldModel
from ..serialise import StoredModule

TRAINED_ON = "leworld.trained_on"  # of the provenance


def training_record(model: WorldModel) -> dict[str, Any]:
    """Return what a checkpoint's provenance says of the episodes that `model` was trained on.

    A record that is of other weights than the model has counts as incomplete: nobody knows what changed them.
    """
    record = model.trained_on
    if record is None or (not record.complete and not record.digests):
        return {}
    if record.weights != weights_digest(model):
        record = replace(record, complete=False)
    return {TRAINED_ON: record.to_json()}


def stored_record(stored: StoredModule) -> TrainingEpisodes:
    """Return the record that a checkpoint has; where there is none, one that names nothing.

    Raises:
        CheckpointError: if the file says something that is no record.
    """
    if TRAINED_ON not in stored.provenance:
        return TrainingEpisodes(digests=(), complete=False)
    try:
        return TrainingEpisodes.from_json(stored.provenance[TRAINED_ON])
    except ConfigError as error:
        raise CheckpointError(
            f"{stored.source} needs a valid `{TRAINED_ON}` in its provenance", str(error), "Restore the file"
        ) from error


def of_these_weights(model: WorldModel) -> TrainingEpisodes:
    """Return the record of a model that was just loaded, as one of the weights that it has."""
    record = model.trained_on or TrainingEpisodes(digests=(), complete=False)
    return replace(record, weights=weights_digest(model)) if record.digests else record
