"""How the predictors of this room word tensors that do not fit."""

from torch import Tensor

from .._checks import check_size
from ..errors import ShapeError


def check_last_axis(owner: str, name: str, tensor: Tensor, due: int) -> None:
    """Refuse a tensor whose last axis has not `due` entries."""
    check_last_axes(owner, name, tensor, (due,))


def check_last_axes(owner: str, name: str, tensor: Tensor, due: tuple[int, ...]) -> None:
    """Refuse a tensor whose last axes are not those of a vector (dim) or of tokens (token, dim)."""
    if tuple(tensor.shape[-len(due) :]) != due:
        entries = (
            f"{due[0]} entries on the last axis" if len(due) == 1 else f"(token, dim) = {due} at the end"
        )
        raise ShapeError(
            f"{owner} needs `{name}` with {entries}",
            f"`{name}` has shape {tuple(tensor.shape)}",
            "Pass what the model's projector and action encoder return",
        )


def check_frames(owner: str, embeddings: Tensor, conditions: Tensor, *, dim: int, condition_dim: int) -> None:
    """Refuse a sequence of no frames, or of frames or conditions of another size."""
    check_size(owner, "embeddings", embeddings, 1, "time", low=1, fix="Pass the newest frame at least")
    check_last_axis(owner, "embeddings", embeddings, dim)
    check_last_axis(owner, "conditions", conditions, condition_dim)


def check_start(
    owner: str,
    embeddings: Tensor,
    past_conditions: Tensor,
    conditions: Tensor,
    *,
    latent: tuple[int, ...],
    condition_dim: int,
) -> None:
    """Refuse what no rollout can start from."""
    check_last_axes(owner, "embeddings", embeddings, latent)
    check_last_axis(owner, "past_conditions", past_conditions, condition_dim)
    check_last_axis(owner, "conditions", conditions, condition_dim)


def check_next(
    owner: str, embeddings: Tensor, conditions: Tensor, *, step: int, latent: tuple[int, ...]
) -> None:
    """Refuse frames of other candidates than those of `conditions`, or one after the last of its steps."""
    check_last_axes(owner, "embeddings", embeddings, latent)
    batch, samples, horizon, _ = conditions.shape
    if step == horizon or embeddings.shape[:2] != (batch, samples):
        raise ShapeError(
            f"{owner}.extend needs frames for {batch} x {samples} candidates, once for each of the {horizon} "
            "steps that `prepare` got `conditions` for",
            f"`embeddings` has shape {tuple(embeddings.shape)}, at step {step}",
            "Expand shared frames over the candidates, and prepare with the conditions of all steps",
        )
