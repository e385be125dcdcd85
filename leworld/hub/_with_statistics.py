"""Action statistics for a model that came without."""

from dataclasses import replace

from .._typing import shapechecked
from ..errors import ConfigError
from ..models import WorldModel
from ._statistics import ActionStatistics


@shapechecked
def with_action_stats(model: WorldModel, statistics: ActionStatistics) -> WorldModel:
    """Give the processor of `model` action statistics and return the model, which can then act.

    Args:
        model: A model with a processor, for example a published one whose statistics are unknown.
        statistics: What `action_statistics` computed; its source is kept with the model and saved with it.

    Raises:
        ConfigError: if the model has no processor, or actions of another size.

    Example:
        ```python
        import leworld
        from leworld.hub import ActionStatistics, with_action_stats

        model = leworld.load("lewm-tworoom-tiny")
        with_action_stats(model, ActionStatistics((0.0, 0.0), (0.5, 0.5), source="my own episodes"))
        assert model.processor.statistics_source == "my own episodes"
        ```
    """
    processor = model.processor
    if processor is None:
        raise ConfigError(
            "with_action_stats needs a model with a processor",
            "`model.processor` is None, so image size and frameskip are unknown as well",
            "Set `model.processor = leworld.data.Processor(...)` instead",
        )
    if len(statistics.mean) != processor.action_dim:
        raise ConfigError(
            f"with_action_stats needs statistics of {processor.action_dim} action components",
            f"these have {len(statistics.mean)}",
            "Compute them from data of the environment that the model was trained for",
        )
    model.processor = replace(
        processor,
        action_mean=statistics.mean,
        action_std=statistics.std,
        statistics_source=statistics.source,
    )
    return model
