"""Wrong ways to compute the sums; the suite must reject each."""

import torch
from torch import Tensor

from tests.kernels.conformance import formula


def _in_float32(embeddings: Tensor, directions: Tensor, **settings: object) -> Tensor:
    return formula(embeddings.float(), directions, **settings)  # type: ignore[arg-type]


def swaps_parts(embeddings: Tensor, directions: Tensor, **settings: object) -> Tensor:
    return _in_float32(embeddings, directions, **settings).flip(-3)


def means_for_sums(embeddings: Tensor, directions: Tensor, **settings: object) -> Tensor:
    return _in_float32(embeddings, directions, **settings) / embeddings.shape[-2]


def starts_at_zero(embeddings: Tensor, directions: Tensor, *, spacing: float, num_knots: int) -> Tensor:
    return formula(embeddings.float(), directions, spacing=spacing * (1 - 1 / num_knots), num_knots=num_knots)


def projects_in_half(embeddings: Tensor, directions: Tensor, **settings: object) -> Tensor:
    return formula(embeddings.bfloat16(), directions.bfloat16(), **settings).float()  # type: ignore[arg-type]


def forgets_the_last_sample(embeddings: Tensor, directions: Tensor, **settings: object) -> Tensor:
    return _in_float32(embeddings[..., :-1, :], directions, **settings)


def stops_the_sine(embeddings: Tensor, directions: Tensor, **settings: object) -> Tensor:
    value = _in_float32(embeddings, directions, **settings)
    return torch.cat([value[..., :1, :, :], value[..., 1:, :, :].detach()], dim=-3)


def chebyshev(embeddings: Tensor, directions: Tensor, *, spacing: float, num_knots: int) -> Tensor:
    """The two-term recurrence in float32 loses digits where the angle is small."""
    angle = embeddings.float() @ directions * spacing
    factor = 2 * angle.cos()
    parts = []
    for before, now in ((torch.ones_like(angle), angle.cos()), (torch.zeros_like(angle), angle.sin())):
        rows = []
        for _ in range(num_knots):
            rows.append(now.sum(-2))
            before, now = now, factor * now - before
        parts.append(torch.stack(rows, -2))
    return torch.stack(parts, -3)


def reads_the_storage(embeddings: Tensor, directions: Tensor, **settings: object) -> Tensor:
    """Takes strided memory for contiguous memory."""
    detached = embeddings.detach()
    size = detached.numel()
    storage = detached.as_strided((size,), (1,), 0) if size else detached
    wrong = storage.reshape(embeddings.shape) + 0 * embeddings.nan_to_num()
    return _in_float32(wrong, directions, **settings)


WRONG = (
    swaps_parts,
    means_for_sums,
    starts_at_zero,
    projects_in_half,
    forgets_the_last_sample,
    stops_the_sine,
    chebyshev,
    reads_the_storage,
)
