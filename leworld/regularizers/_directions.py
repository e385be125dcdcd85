"""Fresh directions a step, the same on every rank and again after a resume, without asking the device."""

from typing import Any

import torch
from torch import Tensor, nn

from .._checks import accumulation_dtype, check_number
from .._random import fold_seed
from ._samplers import SAMPLERS

MOST_SLICES = 1_000_000  # a call


class Directions(nn.Module):
    """Draws `num` directions a call, in the way called `kind`, from a seed and a step counter.

    The counter is a CPU tensor outside the buffers: it stays on the host when the module moves, so that
    reading it waits for no device, it advances in training mode only, and it travels in the state dict as
    extra state. A state dict without it still loads strictly and leaves the counter as it is. Equal seeds and
    counters give equal directions, so ranks that step together need not communicate.
    """

    step: Tensor

    def __init__(self, owner: str, num: int, *, seed: int, kind: str = "gaussian") -> None:
        super().__init__()
        check_number(owner, "num_slices", num, low=1, high=MOST_SLICES, integer=True)
        check_number(owner, "seed", seed, low=0, integer=True)
        self.num = int(num)
        self.seed = int(seed)
        self.kind = kind
        self.step = torch.zeros((), dtype=torch.int64, device="cpu")

    def forward(
        self,
        dim: int,
        *,
        device: torch.device,
        dtype: torch.dtype,
        generator: torch.Generator | None = None,
        num: int | None = None,
    ) -> Tensor:
        """Return (dim, num) directions; a given generator replaces seed and counter."""
        num = self.num if num is None else num
        if generator is not None:
            return SAMPLERS[self.kind](dim, num, generator=generator, device=device, dtype=dtype)
        return _draw(self.step, self.seed, self.kind, dim, num, self.training, device, dtype)

    def for_embeddings(
        self, embeddings: Tensor, generator: torch.Generator | None, *, dim: int | None = None
    ) -> Tensor:
        """Return directions for embeddings (..., dim): on their device, in their accumulation dtype."""
        return self(
            embeddings.shape[-1] if dim is None else dim,
            device=embeddings.device,
            dtype=accumulation_dtype(embeddings.dtype),
            generator=generator,
        )

    def extra_repr(self) -> str:
        """Show how directions are drawn."""
        return f"kind={self.kind!r}"

    def get_extra_state(self) -> Tensor:
        """Return the step counter."""
        return self.step.clone()

    def set_extra_state(self, state: Tensor) -> None:
        """Set the step counter."""
        self.step.fill_(int(state))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        state_dict.setdefault(f"{prefix}_extra_state", self.get_extra_state())
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


@torch.library.custom_op("leworld::draw_directions", mutates_args=("step",))
def _draw(
    step: Tensor,
    seed: int,
    kind: str,
    dim: int,
    num: int,
    advance: bool,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    source = "cpu" if kind == "sobol" else device  # Sobol points are made on the CPU, from a number there
    generator = torch.Generator(source).manual_seed(fold_seed(seed, int(step)))
    if advance:
        step += 1
    return SAMPLERS[kind](dim, num, generator=generator, device=device, dtype=dtype)


@_draw.register_fake
def _(
    step: Tensor,
    seed: int,
    kind: str,
    dim: int,
    num: int,
    advance: bool,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    return step.new_empty((dim, num), device=device, dtype=dtype)
