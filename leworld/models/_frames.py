"""The one way from raw frames to latents and losses: the model's own processor, device and dtype."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from .._checks import check_finite, check_number, describe, plain_numbers, quoted
from .._typing import shapechecked
from ..data import Batch, Episodes, Observation, Processor, RawBatch, to_batch
from ..errors import ConfigError
from ..nn import evaluation_mode
from ._world_model import WorldModel


def processor_of(model: WorldModel, *, owner: str) -> Processor:
    """Return the model's processor, or say in `owner`'s name what is missing.

    Args:
        model: A world model.
        owner: Who asks, for the message.

    Raises:
        ConfigError: If `model` is no world model, has no processor, or one that makes other action blocks.

    Example:
        ```python
        import leworld
        from leworld.models import processor_of

        assert processor_of(leworld.load("lewm-tworoom-tiny"), owner="my script").frameskip == 5
        ```
    """
    if not isinstance(model, WorldModel):
        raise ConfigError(
            f"{owner} needs `model` to be a `leworld.models.WorldModel`",
            f"`model` is {describe(model)}",
            "Load one with `leworld.load`, or subclass WorldModel",
        )
    if not model.has_processor:
        raise ConfigError(
            f"{owner} needs a model whose `processor` converts pixels and actions",
            "none was set",
            "Load the model with `leworld.load`, or set `model.processor` to what `fit_processor` returns",
        )
    processor = model.processor
    if processor.block_dim != model.action_dim:
        raise ConfigError(
            f"{owner} needs action blocks of the model's size, action_dim={model.action_dim}",
            f"its processor makes blocks of {processor.frameskip} x {processor.action_dim} numbers",
            "Use the processor that the model was trained with",
        )
    check_knows_parts(model, processor, owner=owner)
    return processor


def check_knows_parts(model: WorldModel, processor: Processor, *, owner: str) -> None:
    """Raise `ConfigError` unless the processor knows every part of an observation that the model reads.

    Args:
        model: A world model.
        processor: Its processor.
        owner: Who asks, for the message.

    Example:
        ```python
        import leworld
        from leworld.models import check_knows_parts

        model = leworld.load("lewm-tworoom-tiny")
        assert check_knows_parts(model, model.processor, owner="my script") is None
        ```
    """
    known = processor.observation_parts
    if not set(model.observation_parts) <= set(known):
        parts = [name for name in model.observation_parts if name != "pixels"]
        raise ConfigError(
            f"{owner} needs a processor that knows what the model reads, {quoted(model.observation_parts)}",
            f"it knows {quoted(known)}",
            f"Make it with `fit_processor(episodes, ..., parts={parts})`",
        )


@shapechecked
def to_weights(model: WorldModel, tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Move a tensor to where the model's weights live, in their dtype.

    Args:
        model: A world model; one without weights computes in float32 on the CPU.
        tensor: Floating-point numbers.

    Example:
        ```python
        import torch
        import leworld
        from leworld.models import to_weights

        model = leworld.load("lewm-tworoom-tiny")
        assert to_weights(model, torch.zeros(3, dtype=torch.float64)).dtype == torch.float32
        ```
    """
    weight = next(model.parameters(), None)
    return tensor.float() if weight is None else tensor.to(weight.device, weight.dtype)


def model_input(model: WorldModel, raw: Observation | np.ndarray) -> Observation:
    """Normalise what was sensed, for `encode` and `observe`: on the model's device, in its dtype.

    Args:
        model: A world model with its processor.
        raw: Parts with one leading axis, as environments and data give them; an array stands for `pixels`.

    Raises:
        ConfigError: If the model has no processor, or a part that it reads is missing.

    Example:
        ```python
        import numpy as np
        import leworld
        from leworld.models import model_input

        seen = model_input(leworld.load("lewm-tworoom-tiny"), np.zeros((2, 64, 64, 3), np.uint8))
        assert seen["pixels"].shape == (2, 3, 64, 64)
        ```
    """
    processor = processor_of(model, owner="model_input")
    observation = raw if isinstance(raw, Observation) else Observation(raw)
    known = [name for name in processor.observation_parts if name in observation]
    weight = next(model.parameters(), None)
    device = torch.device("cpu") if weight is None else weight.device
    sensed = (observation.select(known) if known else observation).to(device)
    read = processor.observations(sensed).select(model.observation_parts)
    return read.map(lambda part: to_weights(model, part))


def model_batch(model: WorldModel, raw: RawBatch) -> Batch:
    """Normalise raw windows for `loss`: on the model's device, in its dtype.

    `to_batch` with the model's own processor, then converted to the weights, since a processor gives float32
    and a model in float64 learns from float64.

    Args:
        model: A world model with its processor.
        raw: Windows cut with the processor's frameskip.

    Raises:
        ConfigError: If the model has no processor, or a part that it reads is missing.
        ShapeError: If frames and actions do not fit the processor's frameskip or action size.

    Example:
        ```python
        import torch
        import leworld
        from leworld.data import RawBatch
        from leworld.models import model_batch

        model = leworld.load("lewm-tworoom-tiny").double()
        frames = torch.zeros(2, 2, 64, 64, 3, dtype=torch.uint8)
        raw = RawBatch(frames, torch.zeros(2, 10, 2), torch.zeros(2, 2, dtype=torch.int64))
        assert model.loss(model_batch(model, raw)).total.dtype == torch.float64
        ```
    """
    processor = processor_of(model, owner="model_batch")
    if not isinstance(raw, RawBatch):
        raise ConfigError(
            "model_batch needs `raw` to be a RawBatch",
            f"it is {describe(raw)}",
            "Take windows from Windows, as `windows.__getitems__(indices)` gives them",
        )
    weight = next(model.parameters(), None)
    batch = to_batch(raw if weight is None else raw.to(weight.device), processor)

    def converted(part: Tensor) -> Tensor:
        return to_weights(model, part) if part.is_floating_point() else part

    seen = batch.observations
    return replace(
        batch,
        observations=seen.map(converted) if isinstance(seen, Observation) else converted(seen),
        actions=converted(batch.actions),
        columns={name: converted(column) for name, column in batch.columns.items()},
    )


@plain_numbers
@torch.no_grad()
def embed(
    model: WorldModel,
    raw: Observation | np.ndarray,
    *,
    owner: str = "embed",
    batch_size: int = 256,
    on_progress: Callable[[int], object] | None = None,
) -> Float[Tensor, " frame *latent"]:
    """Return the latent of every frame on its own, in evaluation mode; float32 on the CPU.

    Args:
        model: A world model with its processor. Its mode is left as it was.
        raw: Parts with the frames along their first axis, as environments and data give them; an array stands
            for `pixels`.
        owner: Who asks, for error messages.
        batch_size: Frames at a time, which bounds the memory.
        on_progress: Called with the number of frames that were embedded, after each batch.

    Raises:
        ConfigError: If the model has no processor, or a part that it reads is missing.
        NonFiniteError: If a latent is NaN or infinite.

    Example:
        ```python
        import numpy as np
        import leworld
        from leworld.models import embed

        model = leworld.load("lewm-tworoom-tiny")
        assert embed(model, np.zeros((3, 64, 64, 3), np.uint8)).shape == (3, *model.latent_shape)
        ```
    """
    processor_of(model, owner=owner)
    check_number(owner, "batch_size", batch_size, low=1, integer=True)
    observation = raw if isinstance(raw, Observation) else Observation(raw)
    starts = range(0, len(observation), batch_size)
    pieces = (observation.at(slice(first, first + batch_size)) for first in starts)
    return _embedded(model, pieces, owner=owner, on_progress=on_progress)


@plain_numbers
@torch.no_grad()
def embed_rows(
    model: WorldModel,
    episodes: Episodes,
    *,
    rows: Int[np.ndarray, " row"] | None = None,
    owner: str = "embed_rows",
    batch_size: int = 256,
    on_progress: Callable[[int], object] | None = None,
) -> Float[Tensor, " row *latent"]:
    """Return the latent of the frames in some rows of episodes, each on its own, as `embed` does.

    Only `batch_size` frames are in memory at a time, so that episodes on disk may be larger than it.

    Args:
        model: A world model with its processor. Its mode is left as it was.
        episodes: Episodes with the parts that the processor names.
        rows: Row numbers, in any order; all rows unless given.
        owner: Who asks, for error messages.
        batch_size: Frames at a time.
        on_progress: Called with the number of frames that were embedded, after each batch.

    Raises:
        ConfigError: If the model has no processor, a part that it names is missing, or there is no such row.
        NonFiniteError: If a latent is NaN or infinite.

    Example:
        ```python
        import numpy as np
        import leworld
        from leworld.data import Episodes
        from leworld.models import embed_rows

        model = leworld.load("lewm-tworoom-tiny")
        frames = np.zeros((3, 64, 64, 3), np.uint8)
        episodes = Episodes(frames, np.zeros((3, 2), np.float32), lengths=np.array([3]))
        assert embed_rows(model, episodes, rows=np.array([2, 0])).shape == (2, *model.latent_shape)
        ```
    """
    names = processor_of(model, owner=owner).observation_parts
    check_number(owner, "batch_size", batch_size, low=1, integer=True)
    if not isinstance(episodes, Episodes):
        raise ConfigError(
            f"{owner} needs `episodes` to be an Episodes",
            f"it is {describe(episodes)}",
            "Open a file with `leworld.data.open_episodes`, or pass frames to `embed`",
        )
    rows = np.arange(episodes.num_rows) if rows is None else np.asarray(rows)
    starts = range(0, len(rows), batch_size)
    pieces = (episodes.observation(names, rows[first : first + batch_size]) for first in starts)
    return _embedded(model, pieces, owner=owner, on_progress=on_progress)


def _embedded(
    model: WorldModel,
    pieces: Iterable[Observation],
    *,
    owner: str,
    on_progress: Callable[[int], object] | None,
) -> Tensor:
    parts = []
    with evaluation_mode(model):
        for piece in pieces:
            read = model_input(model, piece)
            parts.append(model.encode(read.map(lambda part: part.unsqueeze(1)))[:, 0].float().cpu())
            if on_progress is not None:
                on_progress(len(read))
    latents = (
        torch.cat(parts) if parts else torch.zeros(0, *model.latent_shape, dtype=torch.float32, device="cpu")
    )
    check_finite(owner, "model.encode(...)", latents, fix="Check the weights that make the embeddings")
    return latents
