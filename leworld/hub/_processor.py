"""The processor of a stored world model."""

from ..data import Processor
from ..errors import CheckpointError, LeWorldError
from ..serialise import StoredModule


def stored_processor(stored: StoredModule) -> Processor | None:
    """Return the processor that a stored model has, None if it has none.

    Raises:
        CheckpointError: if what the file says makes none.
    """
    if stored.processor is None:
        return None
    rule = f"{stored.source} needs a valid `processor`"
    try:
        return Processor.from_json(stored.processor)
    except LeWorldError as error:
        raise CheckpointError(rule, str(error), "Fix that field") from error
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(rule, f"reading it raised {error!r}", "Save the model again") from error
