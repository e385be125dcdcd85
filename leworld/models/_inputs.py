"""What every public method of a world model checks before it computes."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .._checks import check_finite, describe
from ..data import ActionStatistics, Batch, Observation, Processor
from ..errors import ConfigError, ShapeError
from ._state import History, State, map_state


def check_input(model: nn.Module, method: str, name: str, tensor: Tensor) -> None:
    """Refuse an empty tensor, a foreign floating-point type and, on the CPU, NaN and infinity."""
    owner = f"{type(model).__name__}.{method}"
    if not tensor.numel():
        raise ShapeError(
            f"{owner} needs at least one entry along every axis of `{name}`",
            f"`{name}` is {describe(tensor)}",
            "Pass at least one trajectory, frame, candidate and step",
        )
    weight = next(model.parameters(), None)
    if (
        weight is not None
        and weight.dtype != tensor.dtype
        and not torch.is_autocast_enabled(tensor.device.type)
    ):
        dtype = str(weight.dtype).removeprefix("torch.")
        raise ShapeError(
            f"{owner} needs `{name}` in the floating-point type of its weights, {dtype}",
            f"`{name}` is {describe(tensor)}",
            f"Convert one of them, for example `{name}.to(torch.{dtype})`",
        )
    if tensor.device.type == "cpu":
        check_finite(owner, name, tensor)


def check_parts(
    model: nn.Module, method: str, name: str, read: Observation | Tensor, *, time: bool = True
) -> None:
    """Check every part that a model reads; `pixels` are pictures, with the channel first."""
    names = getattr(model, "observation_parts", ("",))
    parts = read.parts if isinstance(read, Observation) else {names[0]: read}
    leading = ("batch", "time") if time else ("batch",)
    sizes = set()
    for part, tensor in parts.items():
        label = f"{name}[{part!r}]" if isinstance(read, Observation) else name
        picture = part == "pixels"
        axes = (*leading, "channel", "height", "width") if picture else (*leading, "...")
        fits = isinstance(tensor, Tensor) and tensor.is_floating_point()
        fits = fits and (tensor.ndim == len(axes) if picture else tensor.ndim >= len(axes))
        if not fits:
            raise ShapeError(
                f"{type(model).__name__}.{method} needs `{label}` to be floating-point with axes "
                f"({', '.join(axes)})",
                f"it is {describe(tensor)}",
                "Normalise it with the model's `processor`: `processor.observations(raw)`",
            )
        check_input(model, method, label, tensor)
        sizes.add(tuple(tensor.shape[: len(leading)]))
    if len(sizes) > 1:
        raise ShapeError(
            f"{type(model).__name__}.{method} needs parts with equal ({', '.join(leading)})",
            f"they have {sorted(sizes)}",
            "Pass parts that were sensed at the same moments",
        )


def check_batch(model: nn.Module, batch: Batch, read: Observation | Tensor) -> None:
    """Refuse a training batch with wrong axes, integers, or actions that do not go with the frames."""
    owner = f"{type(model).__name__}.loss"
    check_parts(model, "loss", "batch.observations", read)
    actions = batch.actions
    if not isinstance(actions, Tensor) or actions.ndim != 3 or not actions.is_floating_point():
        raise ShapeError(
            f"{owner} needs `batch.actions` to be floating-point with axes (batch, time, action)",
            f"it is {describe(actions)}",
            "Make the batch with `leworld.data.to_batch`, which applies the model's `processor`",
        )
    check_actions(model, "loss", "batch.actions", actions)
    first = next(iter(read.parts.values())) if isinstance(read, Observation) else read
    if first.shape[:2] != actions.shape[:2]:
        raise ShapeError(
            f"{owner} needs one action block for every frame",
            f"`batch.observations` has (batch, time) = {tuple(first.shape[:2])} and `batch.actions` "
            f"{tuple(actions.shape[:2])}",
            "Give the last frame of a window a block too; it may be zeros",
        )
    comparing = _comparing_part(model) if len(first) < 2 else None
    if comparing is not None:
        raise ShapeError(
            f"{owner} needs at least 2 trajectories, as its {comparing} compares them",
            f"`batch.observations` is {describe(first)}, i.e. batch=1",
            "Use a larger batch",
        )
    history_size = getattr(model, "history_size", 1)
    check_time(model, "loss", "batch.observations", first, low=2, high=history_size + 1)
    for name in getattr(model, "batch_columns", ()):
        if name not in batch.columns:
            raise ConfigError(
                f"{owner} needs the column `{name}`",
                f"`batch.columns` holds {sorted(batch.columns) or 'nothing'}",
                f"Take data that have it, and cut windows with `columns=[{name!r}]`",
            )


def _comparing_part(model: nn.Module) -> str | None:
    """Name a part to which a batch is a sample, if there is one."""
    if getattr(model, "regularizer", None) is not None or getattr(model, "auxiliary", None):
        return "regularizer"
    normed = any(isinstance(part, _BatchNorm) and part.training for part in model.modules())
    return "BatchNorm" if normed else None


def check_actions(model: nn.Module, method: str, name: str, tensor: Tensor) -> None:
    """Refuse actions that are no blocks of the model's size."""
    check_input(model, method, name, tensor)
    due = getattr(model, "action_dim", None)
    if tensor.shape[-1] != due:
        raise ShapeError(
            f"{type(model).__name__}.{method} needs `{name}` with action_dim = {due} on the last axis",
            f"`{name}` is {describe(tensor)}",
            "Pass action blocks: frameskip consecutive actions joined into one vector, as "
            "`processor.action_blocks` makes them",
        )


def check_encoded(model: nn.Module, latents: object) -> None:
    """Refuse what a model's own `_encode` returned where it is not what the model says of itself."""
    due = getattr(model, "latent_shape", None)
    if not isinstance(latents, Tensor) or due is None or tuple(latents.shape[2:]) != tuple(due):
        raise ShapeError(
            f"{type(model).__name__}._encode needs to return latents (batch, time, *latent) of its "
            f"`latent_shape`, {due}",
            f"it returned {describe(latents)}",
            "Set `latent_shape` to the sizes behind (batch, time)",
        )


def check_latents(model: nn.Module, method: str, name: str, tensor: Tensor) -> None:
    """Refuse latents (batch, time, ...) of another shape than the model's."""
    check_input(model, method, name, tensor)
    due = tuple(getattr(model, "latent_shape", ()))
    if tuple(tensor.shape[2:]) != due:
        raise ShapeError(
            f"{type(model).__name__}.{method} needs `{name}` of latent_shape = {due} behind (batch, time)",
            f"`{name}` is {describe(tensor)}",
            "Pass latents that this model's `encode` returned",
        )


def check_time(model: nn.Module, method: str, name: str, tensor: Tensor, *, low: int, high: int) -> None:
    """Refuse a tensor with fewer or more frames along time than the model can take."""
    time = tensor.shape[1]
    if not low <= time <= high:
        raise ShapeError(
            f"{type(model).__name__}.{method} needs from {low} to {high} frames along time",
            f"`{name}` is {describe(tensor)}, i.e. time={time}",
            f"Pass windows of at most {high} frames, which the model's `history_size` sets",
        )


def check_state(model: nn.Module, method: str, state: State, batch: int, of: str) -> None:
    """Refuse what is no state of a model, and one of another number of environments than the input `of`."""
    owner = f"{type(model).__name__}.{method}"
    if not getattr(model, "carries_state", False) and not isinstance(state, History):
        raise ConfigError(
            f"{owner} needs `state` to be what `observe` returned, a History",
            f"it is {describe(state)}",
            "Call `observe(None, observation)` when an episode begins",
        )
    sizes: set[int] = set()

    def note(tensor: Tensor) -> Tensor:
        sizes.add(len(tensor))
        return tensor

    map_state(note, state)
    if sizes - {batch}:
        raise ShapeError(
            f"{owner} needs a state of as many environments as `{of}`",
            f"its tensors have batch={', '.join(map(str, sorted(sizes)))} and `{of}` has batch={batch}",
            "Take the rows that belong together with `leworld.models.state_rows`",
        )


def check_leaving(model: nn.Module, observations: Observation | Tensor, actions: Tensor) -> None:
    """Refuse actions that a model with a state cannot take from frame to frame in `encode`."""
    frames = observations if isinstance(observations, Tensor) else next(iter(observations.parts.values()))
    owner, due = f"{type(model).__name__}.encode", frames.shape[1] - 1
    if actions.shape[1] < due:
        raise ShapeError(
            f"{owner} needs an action block between each two of {due + 1} frames",
            f"`actions` has block={actions.shape[1]}",
            f"Pass at least {due}",
        )
    if due:
        check_actions(model, "encode", "actions", actions[:, :due])


def check_statistics(statistics: object, processor: Processor) -> None:
    """Refuse action statistics that a processor cannot take."""
    if not isinstance(statistics, ActionStatistics):
        raise ConfigError(
            "with_action_stats needs `statistics` to be a leworld.data.ActionStatistics",
            f"it is {describe(statistics)}",
            "Compute them with `leworld.data.action_statistics`",
        )
    if len(statistics.mean) != processor.action_dim:
        raise ConfigError(
            f"with_action_stats needs statistics of {processor.action_dim} action components",
            f"these have {len(statistics.mean)}",
            "Compute them from data of the environment that the model was trained for",
        )
