"""The contract of a world model, and the plain definition of a rollout."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import describe
from .._lending import check_unchanged
from .._typing import checking, shapechecked
from ..data import ActionStatistics, Batch, Observation, Processor, TrainingEpisodes
from ..errors import ConfigError
from ..metrics import latent_distance
from ._hooks import at, copy_state, read_parts, watch
from ._inputs import (
    check_actions,
    check_batch,
    check_encoded,
    check_latents,
    check_leaving,
    check_parts,
    check_state,
    check_statistics,
    check_time,
)
from ._losses import Losses
from ._state import History, State


class WorldModel(nn.Module, ABC):
    """A network that turns what was sensed into latents and predicts the latent that follows an action.

    Costs, policies, training and evaluation know models by this class only. A subclass sets the attributes
    below and writes `_encode`, `_predict` and `_loss`; the public methods here check what came in, once, and
    call them. It may also replace `_rollout`, the plain definition here, by something faster that agrees.

    What these methods are given is a copy, to do with as they like, and what they return is copied where
    someone will keep it; only observations and batches, which are large, are handed over as they are, and
    changing one of those in place raises `ConfigError`.

    A latent has any shape: a vector (dim), tokens (token, dim). A model that reads one part of an observation
    gets that part's tensor in `_encode`, one that reads several an `Observation` of them.

    A model that carries a state from step to step (a recurrent one) writes `_observe`, `_imagine` and
    `_present` as well. Other models need not: their state is the `History` of their last latents.

    Time: frame t is followed by action t, which leads to frame t + 1. An *action block* is the `frameskip`
    consecutive normalised actions between two kept frames, as one vector of size `action_dim`.

    Attributes:
        history_size: The most frames that `predict` sees.
        latent_shape: Sizes of a latent's axes.
        embedding_dim: Size of a latent that is a vector; setting it sets `latent_shape`.
        action_dim: Size of an action block.
        observation_parts: Names of the parts that the model reads.
        batch_columns: Columns such as "reward" that `loss` reads from `batch.columns`.
        watches_spread: Whether training warns of latents that spread little; False for frozen or one-hot.
        clipped_apart: Names of parts such as a policy, whose gradients training clips by their own norm.
        processor: How the world's units become the model's numbers and back. Set it; `leworld.load` does.
        trained_on: The record of the episodes that it was trained on; None where there is none.

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
            history_size, latent_shape, action_dim = 1, (2,), 2

            def _encode(self, observations):
                return observations.mean(dim=(-2, -1))

            def _predict(self, latents, actions):
                return latents + actions

            def _loss(self, batch, generator):
                raise NotImplementedError

        actions = torch.ones(1, 4, 3, 2)
        future = Integrator().rollout(torch.zeros(1, 1, 2), torch.zeros(1, 0, 2), actions)
        assert future[0, 0].tolist() == [[1, 1], [2, 2], [3, 3]]
        ```
    """

    history_size: int
    latent_shape: tuple[int, ...]
    action_dim: int
    observation_parts: tuple[str, ...] = ("pixels",)
    batch_columns: tuple[str, ...] = ()
    watches_spread: bool = True
    clipped_apart: tuple[str, ...] = ()
    _processor: Processor | None = None
    trained_on: TrainingEpisodes | None = None

    def __init__(self) -> None:
        super().__init__()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        size = vars(cls).get("embedding_dim")
        if isinstance(size, int | np.integer):  # said as a class attribute
            type.__delattr__(cls, "embedding_dim")
            cls.latent_shape = (int(size),)
        if isinstance(vars(cls).get("processor"), Processor):
            cls._processor = vars(cls)["processor"]
            type.__delattr__(cls, "processor")

    @property
    def processor(self) -> Processor:
        """How the world's units become the model's numbers and back; an error where none was set."""
        if self._processor is None:
            raise ConfigError(
                f"{type(self).__name__} needs a `processor` to convert pixels and actions",
                "none was set, see `has_processor`",
                "Load the model with `leworld.load`, or set it to what `leworld.data.fit_processor` returns",
            )
        return self._processor

    @processor.setter
    def processor(self, processor: Processor | None) -> None:
        self._processor = processor

    @property
    def has_processor(self) -> bool:
        """Whether the model has a `processor`."""
        return self._processor is not None

    @property
    def carries_state(self) -> bool:
        """Whether a latent depends on what came before its frame: whether the model writes `_observe`."""
        return type(self)._observe is not WorldModel._observe

    @property
    def embedding_dim(self) -> int:
        """Size of a latent that is a vector."""
        if len(self.latent_shape) != 1:
            raise ConfigError(
                "A model's `embedding_dim` needs latents that are vectors",
                f"those of {type(self).__name__} have the shape {self.latent_shape}",
                "Read `latent_shape`",
            )
        return self.latent_shape[0]

    @embedding_dim.setter
    def embedding_dim(self, size: int) -> None:
        self.latent_shape = (size,)

    @shapechecked
    def encode(
        self,
        observations: Observation | Float[Tensor, "batch time *part"],
        actions: Float[Tensor, "batch block action"] | None = None,
    ) -> Float[Tensor, "batch time *latent"]:
        """Turn what was sensed into latents; each frame on its own (in training BatchNorm couples them).

        Args:
            observations: Normalised parts with the axes (batch, time, ...), as `processor.observations` makes
                them; a bare tensor for a model that reads one part. Parts that the model does not read are
                ignored.
            actions: The blocks that leave the frames, at least one fewer than frames. Only a model whose
                latents remember what was done reads them; others ignore them.
        """
        read = read_parts(self, observations)
        if checking():
            check_parts(self, "encode", "observations", read)
            if actions is not None and self.carries_state:
                check_leaving(self, read, actions)
        lent = watch(read)
        latents = self._encode(read) if actions is None else self._filter(read, actions.clone())
        if checking():
            check_encoded(self, latents)
        check_unchanged(f"{type(self).__name__}._encode", lent)
        return latents.clone()

    @shapechecked
    def predict(
        self, latents: Float[Tensor, "batch time *latent"], actions: Float[Tensor, "batch time action"]
    ) -> Float[Tensor, "batch time *latent"]:
        """Predict the latent after each frame.

        Output t sees frames and actions up to t and predicts frame t + 1.

        Args:
            latents: Latents of 1 to history_size consecutive frames.
            actions: The action block that leaves each of them.
        """
        if checking():
            check_latents(self, "predict", "latents", latents)
            check_actions(self, "predict", "actions", actions)
            check_time(self, "predict", "latents", latents, low=1, high=self.history_size)
        return self._predict(latents.clone(), actions.clone()).clone()

    @shapechecked
    def rollout(
        self,
        context: Float[Tensor, "batch time *latent"],
        past_actions: Float[Tensor, "batch time-1 action"],
        actions: Float[Tensor, "batch sample horizon action"],
    ) -> Float[Tensor, "batch sample horizon *latent"]:
        """Imagine the latents that candidate action sequences lead to.

        Each step predicts from the last history_size frames, real or imagined, numbered anew from the start
        of that window. A context longer than history_size is welcome; only its end matters.

        Args:
            context: Latents of the last real frames, the newest last.
            past_actions: The action blocks between them, one fewer than frames.
            actions: Candidate action blocks; step 0 leaves the last context frame.

        Returns:
            The predicted latents only, without the context.
        """
        if checking():
            check_latents(self, "rollout", "context", context)
            if past_actions.shape[1]:
                check_actions(self, "rollout", "past_actions", past_actions)
            check_actions(self, "rollout", "actions", actions)
        return self._rollout(context.clone(), past_actions.clone(), actions.clone())

    @shapechecked
    def observe(
        self,
        state: State,
        observation: Observation | Float[Tensor, " batch *part"],
        past_action: Float[Tensor, "batch action"] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> State:
        """Take in one more moment and return the new state; the old one is left as it was.

        Args:
            state: What the last call returned; None when an episode begins.
            observation: Normalised parts of this moment (batch, ...), as `model_input` makes them.
            past_action: The block that led here from the moment before; None when an episode begins.
            generator: Source of random numbers for a model whose states are drawn.

        Returns:
            Tensors, or tuples, mappings or dataclasses of them, with the batch as their first axis.
        """
        if (state is None) != (past_action is None):
            raise ConfigError(
                f"{type(self).__name__}.observe needs `state` and `past_action` together or neither",
                "one of them is None",
                "Pass both, or neither when an episode begins",
            )
        read = read_parts(self, observation)
        if checking():
            check_parts(self, "observe", "observation", read, time=False)
            if past_action is not None:
                check_actions(self, "observe", "past_action", past_action)
                check_state(self, "observe", state, len(past_action), "past_action")
        lent, past = watch(read), None if past_action is None else past_action.clone()
        state = self._observe(copy_state(state), read, past, generator)
        check_unchanged(f"{type(self).__name__}._observe", lent)
        return copy_state(state)

    @shapechecked
    def imagine(
        self,
        state: State,
        actions: Float[Tensor, "batch sample horizon action"],
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch sample horizon *latent"]:
        """Imagine the latents that candidates lead to from a state: `rollout` for a model of any kind.

        Args:
            state: What `observe` returned.
            actions: Candidate action blocks; step 0 leaves the moment of the state.
            generator: Source of random numbers for a model that draws its futures. A cost passes none, so
                that a planner sees one future a candidate.
        """
        if checking():
            check_actions(self, "imagine", "actions", actions)
            check_state(self, "imagine", state, len(actions), "actions")
        return self._imagine(copy_state(state), actions.clone(), generator)

    def present(self, state: State) -> Float[Tensor, " batch *latent"]:
        """Return the latents of the moment of `state`, which `observe` returned."""
        return self._present(copy_state(state)).clone()

    @shapechecked
    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Losses:
        """Return the training loss of a batch of windows, and its terms.

        Args:
            batch: Windows of at least two frames and at most history_size + 1, with their action blocks; one
                alone where neither a regularizer nor a BatchNorm compares them.
            generator: Source of the regularizer's random numbers; None leaves it to the regularizer.

        Randomness: dropout draws from torch's global generator, whatever `generator` is.
        """
        read = read_parts(self, batch.observations)
        if checking():
            check_batch(self, batch, read)
        lent = watch(read, {"batch.actions": batch.actions, **batch.columns})
        losses = self._loss(replace(batch, observations=read, columns=dict(batch.columns)), generator)
        check_unchanged(f"{type(self).__name__}._loss", lent)
        if not isinstance(losses, Losses):
            raise ConfigError(
                f"{type(self).__name__}._loss needs to return Losses",
                f"it returned {describe(losses)}",
                "Return `Losses({name: term, ...}, latents=...)`",
            )
        return losses

    def forward(self, batch: Batch, *, generator: torch.Generator | None = None) -> Losses:
        """Return `loss(batch)`, so that wrappers such as DistributedDataParallel see the training step."""
        return self.loss(batch, generator=generator)

    def latent_distance(self, one: Tensor, other: Tensor) -> Tensor:
        """Return how far latents (..., *latent) are from others, one number each (...).

        The squared distance summed over all latent axes, in float32 at least. Costs, surprise and evaluation
        measure with it; a model whose latent has parts that should count differently overrides it.

        Args:
            one: Latents.
            other: Latents that broadcast against them.
        """
        return latent_distance(one, other, axes=len(self.latent_shape))

    def with_action_stats(self, statistics: ActionStatistics) -> Self:
        """Give this model's processor action statistics and return the model, which can then act.

        For published weights whose statistics are unknown; `data.action_statistics` computes them.

        Args:
            statistics: Mean and deviation of the raw actions; their source is kept and saved with the model.

        Raises:
            ConfigError: If the model has no processor, or actions of another size.
        """
        check_statistics(statistics, self.processor)
        mean, std, source = statistics.mean, statistics.std, statistics.source
        self.processor = replace(self.processor, action_mean=mean, action_std=std, statistics_source=source)
        return self

    @abstractmethod
    def _encode(self, observations: Any, /) -> Tensor:
        """Turn frames into latents, unchecked: one part's tensor, or an `Observation` of several."""

    @abstractmethod
    def _predict(self, latents: Tensor, actions: Tensor, /) -> Tensor:
        """Predict the next latents, unchecked."""

    @abstractmethod
    def _loss(self, batch: Batch, generator: torch.Generator | None, /) -> Losses:
        """Compute the training loss, unchecked; `batch.observations` is what `_encode` takes."""

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor, /) -> Tensor:
        batch, samples, horizon, _ = actions.shape
        frames = context.repeat_interleave(samples, dim=0)
        blocks = torch.cat([past_actions.repeat_interleave(samples, dim=0), actions.flatten(0, 1)], dim=1)
        for now in range(context.shape[1], context.shape[1] + horizon):
            window = slice(max(0, now - self.history_size), now)
            prediction = self._predict(frames[:, window].clone(), blocks[:, window].clone())[:, -1:]
            frames = torch.cat([frames, prediction], dim=1)
        return frames[:, context.shape[1] :].unflatten(0, (batch, samples))

    def _observe(
        self, state: State, observation: Any, past_action: Tensor | None, generator: torch.Generator | None, /
    ) -> State:
        latents = self._encode(at(observation, (slice(None), None)))
        if past_action is None:
            return History(latents, latents.new_zeros(len(latents), 0, self.action_dim))
        latents = torch.cat((state.latents, latents), dim=1)[:, -self.history_size :]
        actions = torch.cat((state.actions, past_action.unsqueeze(1)), dim=1)
        return History(latents, actions[:, actions.shape[1] - latents.shape[1] + 1 :])

    def _imagine(self, state: State, actions: Tensor, generator: torch.Generator | None, /) -> Tensor:
        return self._rollout(state.latents, state.actions, actions)

    def _present(self, state: State, /) -> Tensor:
        return state.latents[:, -1]

    def _filter(self, observations: Any, actions: Tensor, /) -> Tensor:
        """Turn frames into latents, with what was done between them."""
        if not self.carries_state:
            return self._encode(observations)
        frames = observations if isinstance(observations, Tensor) else next(iter(observations.parts.values()))
        state, latents = None, []
        for t in range(frames.shape[1]):
            moment = at(observations, (slice(None), t))
            state = self._observe(state, moment, actions[:, t - 1] if t else None, None)
            latents.append(self._present(copy_state(state)).clone())
        return torch.stack(latents, dim=1)
