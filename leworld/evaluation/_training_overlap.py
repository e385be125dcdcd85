"""Whether a model was trained on the episodes that it is measured on, as far as that is known."""

from dataclasses import dataclass
from typing import final

from .._checks import describe, plain_numbers
from .._digests import weights_digest
from ..data import Episodes, episode_digests
from ..errors import ConfigError
from ..models import WorldModel


@final
@dataclass(frozen=True)
class TrainingOverlap:
    """What is known about episodes and the training set of a model.

    Attributes:
        num_episodes: Episodes that were looked up.
        shared: Numbers of those that are in the training set, as far as it is known.
        num_known: Episodes of the training set that are known.
        complete: Whether these are all that the model was trained on, by the record that came with it.

    Example:
        ```python
        from leworld.evaluation import TrainingOverlap

        overlap = TrainingOverlap(num_episodes=5, shared=(0, 3), num_known=1000, complete=True)
        assert "2 of these 5 episodes" in overlap.sentence and overlap.unseen == (1, 2, 4)
        ```
    """

    num_episodes: int
    shared: tuple[int, ...]
    num_known: int
    complete: bool

    @property
    def num_shared(self) -> int:
        """How many are in the training set; one that occurs twice counts twice."""
        return len(self.shared)

    @property
    def unseen(self) -> tuple[int, ...]:
        """Numbers of the other episodes."""
        shared = set(self.shared)
        return tuple(number for number in range(self.num_episodes) if number not in shared)

    @property
    def sentence(self) -> str:
        """What is known, in words."""
        count, known = self.num_episodes, f"{self.num_known:,}"
        these = "this 1 episode" if count == 1 else f"these {count:,} episodes"
        if self.num_shared:
            least = "" if self.complete else "at least "
            verb = "was" if self.num_shared == 1 else "were"
            return f"{least}{self.num_shared:,} of {these} {verb} in the training set of the model"
        if self.complete:
            return f"none of {these} was trained on, by the model's record of the {known} that were"
        if self.num_known:
            return (
                f"none of {these} is among the {known} that the model is known to be trained on, and it is "
                "not known which others it was trained on"
            )
        return "it is not known which episodes the model was trained on"


@plain_numbers
def training_overlap(model: WorldModel, episodes: Episodes) -> TrainingOverlap:
    """Look up which of `episodes` a model was trained on, in the record that training left with it.

    The record, `model.trained_on`, holds a short digest of every training episode and travels with the
    checkpoint. Episodes are the same if their frames (the parts that the model reads) and actions are, byte
    for byte; a cut or resized recording is another one. Where there is no record, or the weights have changed
    since it was made, the answer says that it is not known. What an initial model had seen that did not come
    from leworld is on no record.

    Costs one pass over all bytes of the episodes, at about 1 GB a second, and one over the weights.

    Args:
        model: The model.
        episodes: The episodes.

    Raises:
        ConfigError: No model, or no episodes.

    Example:
        ```python
        import leworld
        from leworld.evaluation import training_overlap
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        overlap = training_overlap(model, task_of(model).held_out(2))
        assert "not known" in overlap.sentence  # this checkpoint is older than such records
        ```
    """
    for name, value, kind in (("model", model, WorldModel), ("episodes", episodes, Episodes)):
        if not isinstance(value, kind):
            raise ConfigError(
                f"training_overlap needs `{name}` to be a {kind.__name__}",
                f"`{name}` is {describe(value)}",
                f"Pass a {kind.__name__}",
            )
    record = model.trained_on
    if record is None or not record.digests:
        return TrainingOverlap(len(episodes), (), 0, complete=False)
    complete = record.complete and record.weights == weights_digest(model)
    try:
        digests = episode_digests(episodes, record.parts)
    except ConfigError:  # they lack a part, so that nothing can be compared
        return TrainingOverlap(len(episodes), (), 0, complete=False)
    known = set(record.digests)
    shared = tuple(number for number, one in enumerate(digests) if one in known)
    return TrainingOverlap(len(episodes), shared, len(known), complete=complete)
