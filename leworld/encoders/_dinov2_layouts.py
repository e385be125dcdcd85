"""The names that three libraries give to DINOv2's weights, and ours."""

import math
import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from .._checks import describe, described_name, plain_numbers
from ..errors import CheckpointError

_SHOWN = 4

# Ours on the left. `{i}` is the number of a block; three names are parts to be joined.
_HUB = {
    "class_token": "cls_token",
    "positions": "pos_embed",
    "patches.projection.weight": "patch_embed.proj.weight",
    "patches.projection.bias": "patch_embed.proj.bias",
    "norm.weight": "norm.weight",
    "norm.bias": "norm.bias",
}
_HUB_BLOCK = {
    "attention_scale": "ls1.gamma",
    "mlp_scale": "ls2.gamma",
    **{
        f"{ours}.{kind}": f"{theirs}.{kind}"
        for ours, theirs in {
            "attention_norm": "norm1",
            "attention.qkv": "attn.qkv",
            "attention.output": "attn.proj",
            "mlp_norm": "norm2",
            "mlp.widen": "mlp.fc1",
            "mlp.narrow": "mlp.fc2",
        }.items()
        for kind in ("weight", "bias")
    },
}
_TRANSFORMERS = {
    "class_token": "embeddings.cls_token",
    "positions": "embeddings.position_embeddings",
    "patches.projection.weight": "embeddings.patch_embeddings.projection.weight",
    "patches.projection.bias": "embeddings.patch_embeddings.projection.bias",
    "norm.weight": "layernorm.weight",
    "norm.bias": "layernorm.bias",
}
_TRANSFORMERS_BLOCK = {
    "attention_scale": "layer_scale1.lambda1",
    "mlp_scale": "layer_scale2.lambda1",
    **{
        f"{ours}.{kind}": f"{theirs}.{kind}"
        for ours, theirs in {
            "attention_norm": "norm1",
            "mlp_norm": "norm2",
            "mlp.widen": "mlp.fc1",
            "mlp.narrow": "mlp.fc2",
        }.items()
        for kind in ("weight", "bias")
    },
}
_ATTENTION = {
    4: (("attention.query", "attention.key", "attention.value"), "output.dense"),
    5: (("q_proj", "k_proj", "v_proj"), "o_proj"),
}
_REGISTERS = ("register_tokens", "reg_token", "embeddings.register_tokens")
_MASKS = ("mask_token", "embeddings.mask_token")  # of training; nothing here reads it


@plain_numbers
def dinov2_state_dict(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return DINOv2's weights under the names of `DINOv2Encoder`, for its `load_state_dict`.

    The layout is recognised by its names: that of torch.hub (facebookresearch/dinov2), of timm, and of
    transformers' `Dinov2Model`, the names of version 4, which files on the Hub have, or 5. Every tensor has
    to be there, once, in the shape that the others ask for; only `mask_token`, which training alone uses, may
    be absent and is left out. Tensors are not copied where one name becomes another.

    Args:
        tensors: By name, as `torch.load(..., weights_only=True)`, `safetensors.torch.load_file` or a module's
            `state_dict()` returns them.

    Raises:
        CheckpointError: If it is no such layout, or a tensor is missing, unexpected or misshapen.

    Source: the names are those of the three libraries; timm keeps no position for the class token where there
    are registers (it has added it to the token), so a position of zero stands in its place.

    Example:
        ```python
        import torch
        from leworld.encoders import dinov2_state_dict
        from leworld.errors import CheckpointError

        try:
            dinov2_state_dict({"cls_token": torch.zeros(1, 1, 8)})
        except CheckpointError as error:
            assert "pos_embed" in str(error)
        ```
    """
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise CheckpointError(
            "dinov2_state_dict needs tensors by name",
            f"it was given {describe(tensors)}",
            "Pass what `torch.load(..., weights_only=True)` or `safetensors.torch.load_file` returns",
        )
    table, library = _table(tensors)
    expected = [
        name for theirs in table.values() for name in (theirs if isinstance(theirs, tuple) else (theirs,))
    ]
    missing = [name for name in expected if name not in tensors]
    unexpected = [name for name in tensors if name not in {*expected, *_MASKS}]
    if missing or unexpected:
        raise _wrong(library, missing=missing, unexpected=unexpected)
    _check_shapes(tensors, table, library)
    found = {
        ours: torch.cat([tensors[name] for name in theirs]) if isinstance(theirs, tuple) else tensors[theirs]
        for ours, theirs in table.items()
    }
    if "reg_token" in tensors:
        positions = found["positions"]
        found["positions"] = torch.cat([positions.new_zeros(1, 1, positions.shape[-1]), positions], dim=1)
    return found


def _table(tensors: Mapping[str, Tensor]) -> tuple[dict[str, str | tuple[str, ...]], str]:
    """Return their names by ours, and the library's name."""
    if any(name.startswith(("embeddings.", "encoder.layer.")) for name in tensors):
        version = 5 if any(".attention.q_proj." in name for name in tensors) else 4
        library, whole, prefix = f"transformers {version}", _TRANSFORMERS, "encoder.layer."
        block = _transformers_block(version)
    elif "pos_embed" in tensors or "cls_token" in tensors:
        library = "timm" if "reg_token" in tensors or "mask_token" not in tensors else "torch.hub"
        whole, prefix, block = _HUB, "blocks.", dict[str, str | tuple[str, ...]](_HUB_BLOCK)
    else:
        raise CheckpointError(
            "dinov2_state_dict needs DINOv2's weights as torch.hub, timm or transformers name them",
            f"it was given {len(tensors)} tensors{_first(tensors)}",
            "Pass the state dict of the whole backbone, its names without a prefix",
        )
    table: dict[str, str | tuple[str, ...]] = dict(whole)
    registers = next((name for name in _REGISTERS if name in tensors), None)
    if registers is not None:
        table["register_tokens"] = registers
    for i in range(_depth(tensors, prefix)):
        for ours, theirs in block.items():
            names = (theirs,) if isinstance(theirs, str) else theirs
            full = tuple(f"{prefix}{i}.{name}" for name in names)
            table[f"blocks.{i}.{ours}"] = full[0] if len(full) == 1 else full
    return table, library


def _transformers_block(version: int) -> dict[str, str | tuple[str, ...]]:
    parts, output = _ATTENTION[version]
    return {
        **_TRANSFORMERS_BLOCK,
        **{
            f"attention.qkv.{kind}": tuple(f"attention.{part}.{kind}" for part in parts)
            for kind in ("weight", "bias")
        },
        **{f"attention.output.{kind}": f"attention.{output}.{kind}" for kind in ("weight", "bias")},
    }


def _depth(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """Return the number of blocks, at least one; a gap shows as blocks that are missing."""
    numbers = (re.match(rf"{re.escape(prefix)}(\d{{1,4}})\.", name) for name in tensors)
    return 1 + min(max((int(match[1]) for match in numbers if match), default=0), len(tensors))


def _check_shapes(
    tensors: Mapping[str, Tensor], table: Mapping[str, str | tuple[str, ...]], library: str
) -> None:
    """Compare every shape with what the width, the patches and the first MLP ask for."""
    shapes = {ours: [tensors[n] for n in ([t] if isinstance(t, str) else t)] for ours, t in table.items()}
    width = shapes["norm.weight"][0].numel()
    hidden = shapes["blocks.0.mlp.widen.bias"][0].numel()
    side = shapes["patches.projection.weight"][0].shape[-1:].numel()
    tokens = shapes["positions"][0].shape[-2:-1].numel()
    registers = shapes["register_tokens"][0].shape[-2:-1].numel() if "register_tokens" in shapes else 0
    before = 0 if "reg_token" in tensors else 1  # the class token's position
    grid = math.isqrt(max(tokens - before, 1))
    due: dict[str, tuple[int, ...]] = {
        "class_token": (1, 1, width),
        "positions": (1, before + grid**2, width),
        "register_tokens": (1, registers, width),
        "patches.projection.weight": (width, 3, side, side),
        "attention.output.weight": (width, width),
        "mlp.widen.weight": (hidden, width),
        "mlp.widen.bias": (hidden,),
        "mlp.narrow.weight": (width, hidden),
    }
    wrong = []
    for ours, parts in shapes.items():
        kind = re.sub(r"^blocks\.\d+\.", "", ours)
        for name, part in zip(_names(table[ours]), parts, strict=True):
            rows = width if len(parts) == 3 else 3 * width
            qkv = (rows, width) if kind.endswith("weight") else (rows,)
            shape = qkv if kind.startswith("attention.qkv") else due.get(kind, (width,))
            if tuple(part.shape) != shape:
                wrong.append(f"`{name}` has shape {tuple(part.shape)} where {shape} is due")
    if wrong:
        raise CheckpointError(_rule(library), "; ".join(wrong[:_SHOWN]) + _more(wrong), _FIX)


def _names(theirs: str | tuple[str, ...]) -> tuple[str, ...]:
    return (theirs,) if isinstance(theirs, str) else theirs


def _wrong(library: str, *, missing: list[str], unexpected: list[str]) -> CheckpointError:
    told = [
        f"{_listed(names)} {what}"
        for names, what in ((missing, "missing"), (unexpected, "unexpected"))
        if names
    ]
    return CheckpointError(_rule(library), " and ".join(told), _FIX)


_FIX = "Pass the state dict of the whole backbone, of a ViT-S, B or L, without a head"


def _rule(library: str) -> str:
    return f"dinov2_state_dict needs exactly the tensors of DINOv2's backbone, as {library} names them"


def _listed(names: list[str]) -> str:
    shown = ", ".join(described_name(name) for name in names[:_SHOWN])
    return f"{shown}{_more(names)} {'is' if len(names) == 1 else 'are'}"


def _more(items: list[str]) -> str:
    return f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""


def _first(names: Iterable[str]) -> str:
    shown = list(names)[:2]
    return f", the first {' and '.join(described_name(name) for name in shown)}" if shown else ""
