"""Several predictors that were started differently."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import describe
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError
from ._incremental import IncrementalPredictor

_SIZES = ("embedding_dim", "condition_dim", "history_size")


@final
@dataclass(frozen=True)
class EnsembleMemory:
    """Where a rollout of an `EnsemblePredictor` stands.

    Args:
        members: The memory of each member.
    """

    members: tuple[Any, ...]


@final
@configurable
class EnsemblePredictor(IncrementalPredictor):
    """Predict the mean of several predictors, and tell by their spread where they know little.

        output = 1/k sum_i predictor_i(z, c)
        spread = 1/dim sum_d 1/k sum_i (predictor_i(z, c)_d - output_d)^2

    Members that were started differently and trained on the same data agree where the data decide, and differ
    where nothing was seen. Their spread is a measure of surprise for one step, and as a cost it keeps a
    planner where the model knows. It costs as many predictors. A rollout continues from the mean.

    A mean can be right while its members are wrong. A loss on the output, as a `LeWM`'s, therefore trains the
    mean and lets the members drift apart; where the spread shall mean something, add a loss on `members`.

    Shapes:
        embeddings (batch, time, embedding_dim), conditions (batch, time, condition_dim) ->
        (batch, time, embedding_dim).

    Args:
        predictors: Two or more, each built on its own, so that they start with different weights.

    Attributes:
        embedding_dim: The members'; so are condition_dim and history_size.
        slides: The members', True for those that are not incremental.

    Raises:
        ConfigError: If there are fewer than two, one stands twice, or they differ in their sizes or in what
            they forget.

    Source: Lakshminarayanan et al., 2016 (arXiv 1612.01474), without adversarial training; the spread is the
    disagreement of Pathak et al., 2019 (arXiv 1906.04161), equation 1, averaged over components.

    Example:
        ```python
        import torch
        from leworld.predictors import EnsemblePredictor, MLPPredictor

        predictor = EnsemblePredictor([MLPPredictor(8, hidden_dim=16) for _ in range(3)])
        embeddings, conditions = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
        each = predictor.members(embeddings, conditions)
        assert torch.allclose(predictor(embeddings, conditions), each.mean(0), atol=1e-6)
        assert torch.all(predictor.spread(embeddings, conditions) > 0)
        ```
    """

    def __init__(self, predictors: Sequence[nn.Module]) -> None:
        super().__init__()
        listed = isinstance(predictors, list | tuple | nn.ModuleList)
        if not listed or not all(isinstance(one, nn.Module) for one in predictors) or len(predictors) < 2:
            raise ConfigError(
                "EnsemblePredictor needs `predictors` to list two predictors at least",
                f"it is {describe(predictors)}",
                "Pass for example [MLPPredictor(8) for _ in range(5)]",
            )
        if len({id(one) for one in predictors}) < len(predictors):
            raise ConfigError(
                "EnsemblePredictor needs predictors with weights of their own",
                "one of them stands in `predictors` twice",
                "Build each anew: [MLPPredictor(8) for _ in range(5)]",
            )
        sizes = [tuple(getattr(one, name, None) for name in _SIZES) for one in predictors]
        if len(set(sizes)) > 1 or not all(isinstance(size, int) for size in sizes[0]):
            raise ConfigError(
                f"EnsemblePredictor needs predictors that say the same {', '.join(_SIZES)}",
                f"they say {sizes}",
                "Build all with the same sizes",
            )
        slides = {bool(getattr(one, "slides", True)) for one in predictors}
        if len(slides) > 1:
            raise ConfigError(
                "EnsemblePredictor needs predictors that all forget what leaves their window, or none",
                "some say `slides=True` and some `slides=False`",
                "Put recurrent ones into an ensemble of their own",
            )
        self.predictors = nn.ModuleList(predictors)
        self.embedding_dim, self.condition_dim, self.history_size = cast(tuple[int, int, int], sizes[0])
        self.slides = slides.pop()

    @property
    def can_extend(self) -> bool:
        """Whether `extend` would now compute what `forward` does: whether each member's would."""
        members = (isinstance(one, IncrementalPredictor) and one.can_extend for one in self.predictors)
        return super().can_extend and all(members)

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "batch time dim"], conditions: Float[Tensor, "batch time condition"]
    ) -> Float[Tensor, "batch time dim"]:
        """Predict the embedding that follows each time step: the mean of the members."""
        return self.members(embeddings, conditions).mean(0)

    @shapechecked
    def members(
        self, embeddings: Float[Tensor, "batch time dim"], conditions: Float[Tensor, "batch time condition"]
    ) -> Float[Tensor, "member batch time dim"]:
        """Return what each member predicts.

        Args:
            embeddings: (batch, time, embedding_dim).
            conditions: (batch, time, condition_dim).
        """
        return torch.stack([predictor(embeddings, conditions) for predictor in self.predictors])

    @shapechecked
    def spread(
        self, embeddings: Float[Tensor, "batch time dim"], conditions: Float[Tensor, "batch time condition"]
    ) -> Float[Tensor, "batch time"]:
        """Return the variance among the members, averaged over components.

        Args:
            embeddings: (batch, time, embedding_dim), real frames or those of a rollout.
            conditions: (batch, time, condition_dim), the action embeddings that leave them.
        """
        return self.members(embeddings, conditions).var(0, unbiased=False).mean(-1)

    @shapechecked
    def prepare(
        self,
        embeddings: Float[Tensor, "batch time dim"],
        past_conditions: Float[Tensor, "batch time condition"],
        conditions: Float[Tensor, "batch sample horizon condition"],
    ) -> EnsembleMemory:
        """Return the memory that a rollout starts from: each member's.

        Args:
            embeddings: The known frames before the newest.
            past_conditions: The action embeddings that leave them.
            conditions: The candidates' action embeddings.

        Raises:
            ConfigError: If a member is no `IncrementalPredictor`.
        """
        return EnsembleMemory(
            tuple(one.prepare(embeddings, past_conditions, conditions) for one in self._incremental())
        )

    @shapechecked
    def extend(
        self, memory: EnsembleMemory, embeddings: Float[Tensor, "batch sample dim"]
    ) -> tuple[Float[Tensor, "batch sample dim"], EnsembleMemory]:
        """Append each candidate's newest frame and predict the next one: the mean of the members.

        Args:
            memory: What `prepare` or the last `extend` returned.
            embeddings: The newest frame of each candidate.
        """
        pairs = zip(self._incremental(), memory.members, strict=True)
        outputs, after = zip(*(one.extend(known, embeddings) for one, known in pairs), strict=True)
        return torch.stack(outputs).mean(0), EnsembleMemory(after)

    def _incremental(self) -> list[IncrementalPredictor]:
        members = [one for one in self.predictors if isinstance(one, IncrementalPredictor)]
        if len(members) < len(self.predictors):
            raise ConfigError(
                "EnsemblePredictor.prepare needs members that are incremental",
                f"it has {', '.join(type(one).__name__ for one in self.predictors)}",
                "Look at `can_extend` first, and call it on windows where that is False",
            )
        return members
