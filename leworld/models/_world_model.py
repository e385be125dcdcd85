"""The contract of a world model, and the plain definition of a rollout."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import describe
from .._typing import checking, shapechecked
from ..data import ActionStatistics, Batch, Processor
from ..errors import ConfigError
from ._inputs import check_batch, check_input, check_last_axis, check_time
from ._losses import Losses


class WorldModel(nn.Module, ABC):
    """A network that embeds frames and predicts the embedding that follows an action.

    Costs, policies, training and evaluation know models by this class only. A subclass sets the four
    attributes below and writes `_encode`, `_predict` and `_loss`; the public methods here check what came in,
    once, and call them. It may also replace `_rollout` by something faster that returns the same: the one
    here is the definition and reads like it.

    Time: frame t is followed by action t, which leads to frame t + 1. An *action block* is the `frameskip`
    consecutive normalised actions between two kept frames, as one vector of size `action_dim`.

    Attributes:
        history_size: The most frames that `predict` sees.
        embedding_dim: Size of an embedding.
        action_dim: Size of an action block.
        processor: How pixels and actions of the world become the model's numbers and back; None if unknown.

    Raises:
        ShapeError: From every public method, for a wrong rank, an axis of the wrong size, an empty axis,
            integers in place of floats, or a floating-point type other than that of the weights (outside
            autocast).
        NonFiniteError: From every public method, for NaN or infinity in a tensor on the CPU. On an
            accelerator the check would wait for the device, so there NaN passes on to the result. While
            torch.compile or torch.export trace, and with the environment variable LEWORLD_SHAPECHECK=0,
            nothing is checked.

    Example:
        ```python
        import torch
        from leworld.models import WorldModel

        class Integrator(WorldModel):
            history_size, embedding_dim, action_dim = 1, 2, 2

            def _encode(self, observations):
                return observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings + actions

            def _loss(self, batch, generator):
                raise NotImplementedError

        actions = torch.ones(1, 4, 3, 2)
        future = Integrator().rollout(torch.zeros(1, 1, 2), torch.zeros(1, 0, 2), actions)
        assert future[0, 0].tolist() == [[1, 1], [2, 2], [3, 3]]
        ```
    """

    history_size: int
    embedding_dim: int
    action_dim: int
    processor: Processor | None = None

    def __init__(self) -> None:
        super().__init__()

    @shapechecked
    def encode(
        self, observations: Float[Tensor, "batch time channel height width"]
    ) -> Float[Tensor, "batch time dim"]:
        """Embed frames, each on its own (in training mode BatchNorm couples them).

        Args:
            observations: Normalised images, as `processor.observations` makes them.
        """
        if checking():
            check_input(self, "encode", "observations", observations)
        return self._encode(observations)

    @shapechecked
    def predict(
        self, embeddings: Float[Tensor, "batch time dim"], actions: Float[Tensor, "batch time action"]
    ) -> Float[Tensor, "batch time dim"]:
        """Predict the embedding after each frame.

        Output t sees frames and actions up to t and predicts frame t + 1.

        Args:
            embeddings: Embeddings of 1 to history_size consecutive frames.
            actions: The action block that leaves each of them.
        """
        if checking():
            check_input(self, "predict", "embeddings", embeddings)
            check_input(self, "predict", "actions", actions)
            check_last_axis(self, "predict", "embeddings", embeddings, "embedding_dim")
            check_last_axis(self, "predict", "actions", actions, "action_dim")
            check_time(self, "predict", "embeddings", embeddings, low=1, high=self.history_size)
        return self._predict(embeddings, actions)

    @shapechecked
    def rollout(
        self,
        context: Float[Tensor, "batch time dim"],
        past_actions: Float[Tensor, "batch time-1 action"],
        actions: Float[Tensor, "batch sample horizon action"],
    ) -> Float[Tensor, "batch sample horizon dim"]:
        """Imagine the embeddings that candidate action sequences lead to.

        Each step predicts from the last history_size frames, real or imagined, numbered anew from the start
        of that window. A context longer than history_size is welcome; only its end matters.

        Args:
            context: Embeddings of the last real frames, the newest last.
            past_actions: The action blocks between them, one fewer than frames.
            actions: Candidate action blocks; step 0 leaves the last context frame.

        Returns:
            The predicted embeddings only, without the context.
        """
        if checking():
            for name, tensor in (("context", context), ("actions", actions)):
                check_input(self, "rollout", name, tensor)
            if past_actions.shape[1]:
                check_input(self, "rollout", "past_actions", past_actions)
            check_last_axis(self, "rollout", "context", context, "embedding_dim")
            check_last_axis(self, "rollout", "past_actions", past_actions, "action_dim")
            check_last_axis(self, "rollout", "actions", actions, "action_dim")
        return self._rollout(context, past_actions, actions)

    @shapechecked
    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Losses:
        """Return the training loss of a batch of windows, and its parts.

        Args:
            batch: Windows of at least two frames and at most history_size + 1, with their action blocks.
            generator: Source of the regularizer's random numbers; None leaves it to the regularizer.

        Randomness: dropout draws from torch's global generator, whatever `generator` is.
        """
        if checking():
            check_batch(self, batch)
            check_last_axis(self, "loss", "batch.actions", batch.actions, "action_dim")
            high = self.history_size + 1
            check_time(self, "loss", "batch.observations", batch.observations, low=2, high=high)
        return self._loss(batch, generator)

    def forward(self, batch: Batch, *, generator: torch.Generator | None = None) -> Losses:
        """Return `loss(batch)`, so that wrappers such as DistributedDataParallel see the training step."""
        return self.loss(batch, generator=generator)

    def with_action_stats(self, statistics: ActionStatistics) -> Self:
        """Give this model's processor action statistics and return the model, which can then act.

        For published weights whose statistics are unknown; `data.action_statistics` computes them.

        Args:
            statistics: Mean and deviation of the raw actions; their source is kept and saved with the model.

        Raises:
            ConfigError: If the model has no processor, or actions of another size.
        """
        if not isinstance(statistics, ActionStatistics):
            raise ConfigError(
                "with_action_stats needs `statistics` to be a leworld.data.ActionStatistics",
                f"it is {describe(statistics)}",
                "Compute them with `leworld.data.action_statistics`",
            )
        processor = self.processor
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
        self.processor = replace(
            processor,
            action_mean=statistics.mean,
            action_std=statistics.std,
            statistics_source=statistics.source,
        )
        return self

    @abstractmethod
    def _encode(self, observations: Tensor) -> Tensor:
        """Embed frames, unchecked."""

    @abstractmethod
    def _predict(self, embeddings: Tensor, actions: Tensor) -> Tensor:
        """Predict the next embeddings, unchecked."""

    @abstractmethod
    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        """Compute the training loss, unchecked."""

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        batch, samples, horizon, _ = actions.shape
        frames = context.repeat_interleave(samples, dim=0)
        blocks = torch.cat([past_actions.repeat_interleave(samples, dim=0), actions.flatten(0, 1)], dim=1)
        for now in range(context.shape[1], context.shape[1] + horizon):
            window = slice(max(0, now - self.history_size), now)
            prediction = self._predict(frames[:, window], blocks[:, window])[:, -1:]
            frames = torch.cat([frames, prediction], dim=1)
        return frames[:, context.shape[1] :].unflatten(0, (batch, samples))
