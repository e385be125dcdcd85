"""The tensor state of a module, as a file can hold it."""

from torch import Tensor, nn

from .._checks import check_finite
from ..errors import CheckpointError

_EXTRA_STATE = "_extra_state"
_PIECE = 2**18  # entries


def tensor_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and persistent buffers of `module`, and no extra state of other kinds."""
    state = module.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if name.rpartition(".")[2] != _EXTRA_STATE}


def is_finite(tensor: Tensor) -> bool:
    """Whether no entry is NaN or infinite, found out a piece at a time: a test of all at once copies all."""
    pieces = tensor.reshape(-1).split(_PIECE)
    return not tensor.is_floating_point() or all(bool(piece.isfinite().all()) for piece in pieces)


def checked_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensor state of `module` as a file can hold it: detached, on the CPU, contiguous.

    Raises:
        NonFiniteError: if a tensor holds NaN or infinity.
        CheckpointError: if two names share memory, since loading would part them.
    """
    tensors: dict[str, Tensor] = {}
    owners: dict[tuple[int, str], str] = {}
    for name, value in tensor_state(module).items():
        check_finite(
            "leworld.save", name, value, fix="Find the step at which training diverged, and save before it"
        )
        owner = owners.setdefault((value.untyped_storage().data_ptr(), str(value.device)), name)
        if owner != name and value.numel():
            raise CheckpointError(
                "leworld.save needs every tensor to own its memory",
                f"`{name}` shares it with `{owner}`",
                "Build the model with separate modules, or clone the tensor",
            )
        tensors[name] = value.detach().to("cpu").contiguous()
    return tensors
