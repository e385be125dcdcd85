"""What every public method of a world model checks before it computes."""

import torch
from torch import Tensor, nn

from .._checks import check_finite, describe
from ..data import Batch
from ..errors import ShapeError


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


def check_batch(model: nn.Module, batch: Batch) -> None:
    """Refuse a training batch with wrong axes, integers, or actions that do not go with the frames."""
    owner = f"{type(model).__name__}.loss"
    axes = {
        "observations": ("batch", "time", "channel", "height", "width"),
        "actions": ("batch", "time", "action"),
    }
    for name, expected in axes.items():
        tensor = getattr(batch, name)
        if not isinstance(tensor, Tensor) or tensor.ndim != len(expected) or not tensor.is_floating_point():
            raise ShapeError(
                f"{owner} needs `batch.{name}` to be floating-point with axes ({', '.join(expected)})",
                f"it is {describe(tensor)}",
                "Make the batch with `leworld.data.to_batch`, which applies the model's `processor`",
            )
        check_input(model, "loss", f"batch.{name}", tensor)
    frames, actions = batch.observations.shape[:2], batch.actions.shape[:2]
    if frames != actions:
        raise ShapeError(
            f"{owner} needs one action block for every frame",
            f"`batch.observations` has (batch, time) = {tuple(frames)} and `batch.actions` {tuple(actions)}",
            "Give the last frame of a window a block too; it may be zeros",
        )
    if len(batch.observations) < 2:
        raise ShapeError(
            f"{owner} needs at least 2 trajectories, as its regularizer compares them",
            f"`batch.observations` is {describe(batch.observations)}, i.e. batch=1",
            "Use a larger batch",
        )


def check_last_axis(model: nn.Module, method: str, name: str, tensor: Tensor, attribute: str) -> None:
    """Refuse a tensor whose last axis is not the size that the model's attribute names."""
    due = getattr(model, attribute)
    if tensor.shape[-1] != due:
        fixes = {
            "action_dim": "Pass action blocks: frameskip consecutive actions joined into one vector, "
            "as `processor.action_blocks` makes them",
            "embedding_dim": "Pass embeddings that this model's `encode` returned",
        }
        raise ShapeError(
            f"{type(model).__name__}.{method} needs `{name}` with {attribute} = {due} on the last axis",
            f"`{name}` is {describe(tensor)}",
            fixes[attribute],
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
