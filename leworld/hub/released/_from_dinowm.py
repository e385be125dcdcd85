"""Published weights of DINO-WM, of its authors and of stable-worldmodel, read into leworld's DINOWM.

Both name the tensors of predictor, proprio and action encoder alike. The authors' checkpoints are pickled
modules, which are refused; stable-worldmodel's state dicts hold the attention's masks among the weights.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..._checks import check_number, describe
from ..._files import local_path
from ..._tensors import shapes_only
from ..._typing import shapechecked
from ...encoders import DINOv2Encoder, LinearEncoder, dinov2_state_dict
from ...errors import CheckpointError, ConfigError
from ...models import DINOWM
from ...predictors import TokenTransformerPredictor
from ._files import check_tensors, read_pickle, read_safetensors
from ._from_released import alone, compare, unwrap

_RULE = "Weights of DINO-WM need exactly the tensors of its predictor and its two encoders"
_FIX = "Check that the file is whole, and that it is of DINO-WM"
_CONVERT = (
    "Where you trust the file and have the code that made it, run `parts = torch.load(path, "
    "weights_only=False)` and `torch.save({f'{name}.{key}': value for name, part in parts.items() if "
    "isinstance(part, torch.nn.Module) for key, value in part.state_dict().items()}, 'weights.pt')`, and "
    "load that"
)
_ENCODER = re.compile(r"(?:backbone\.backbone|backbone|encoder\.base_model|encoder)\.(.+)")
_EXTRA = re.compile(r"(?:extra_encoders\.)?(proprio|action)(?:_encoder)?\.patch_embed\.(weight|bias)")
_LAYER = re.compile(r"predictor\.transformer\.layers\.(\d+)\.(.+)\.(weight|bias)")
_MASK = re.compile(r"predictor\.transformer\.layers\.(\d+)\.0\.bias")
_BLOCK = {
    "0.norm": "attention_norm", "0.to_qkv": "attention.qkv", "0.to_out.0": "attention.output",
    "1.net.0": "mlp_norm", "1.net.1": "mlp.widen", "1.net.4": "mlp.narrow",
}  # fmt: skip
_OUTSIDE = {
    "predictor.pos_embedding": "predictor.positions",
    "predictor.transformer.norm.weight": "predictor.norm.weight",
    "predictor.transformer.norm.bias": "predictor.norm.bias",
}


@shapechecked
def load_dinowm(
    weights: str | Path | Mapping[str, Any],
    encoder: nn.Module,
    *,
    history_size: int = 3,
    head_dim: int = 64,
    dropout: float = 0.1,
    proprio_weight: float = 1.0,
) -> DINOWM:
    """Build a DINO-WM from published weights: a state dict of its authors' code or of stable-worldmodel.

    Sizes are read from the tensors. What they do not tell are the arguments, whose defaults are the published
    ones. The names are `predictor.*` and `proprio_encoder.*`, `action_encoder.*` (or `extra_encoders.*`);
    without the proprio encoder it is the form "noprop". Masks that stable-worldmodel stores
    (`predictor.transformer.layers.L.0.bias`) are compared with what the model does and left out; the authors'
    decoder is left out too.

    Args:
        weights: The state dict, or a file of it: of `torch.save`, read as plain tensors, or safetensors.
        encoder: Makes the patch features, with its weights, see `DINOWM`. Features have to be those that the
            predictor was trained on: `leworld.models.dinowm_settings` tells picture size, pixel statistics
            and interpolation of each generation. If the weights hold the encoder's own tensors under
            `backbone.` or `encoder.`, they are loaded into it: under the names that `encoder` gives them, or,
            for a `DINOv2Encoder`, those of its libraries.
        history_size: Frames of the predictor's window.
        head_dim: Width of an attention head.
        dropout: Dropout of the predictor for further training.
        proprio_weight: See `DINOWM`.

    Returns:
        The model in evaluation mode. Its `processor` is None: statistics of actions and proprioception are in
        no weights.

    Raises:
        CheckpointError: For a pickled module, an unknown, missing or misshapen tensor, another mask, or
            positions of another grid of tokens than the encoder makes.
        ConfigError: If an argument is out of range.

    Source: gaoyuezhou/dino_wm (models/vit.py, proprio.py) and stable-worldmodel (wm/prejepa), whose layouts
    these are.

    Example:
        ```python
        import torch
        from torch import nn
        from leworld.hub import load_dinowm

        class Patches(nn.Module):
            num_tokens, embedding_dim = 4, 12

            def forward(self, images):
                return nn.functional.unfold(images, 2, stride=2).transpose(1, 2)

        layer, width = "predictor.transformer.layers.0", 12 + 3
        weights = {
            "predictor.pos_embedding": torch.randn(1, 3 * 4, width),
            f"{layer}.0.to_qkv.weight": torch.randn(3 * 8, width),
            f"{layer}.0.to_out.0.weight": torch.randn(width, 8),
            f"{layer}.0.to_out.0.bias": torch.zeros(width),
            f"{layer}.1.net.1.weight": torch.randn(16, width),
            f"{layer}.1.net.1.bias": torch.zeros(16),
            f"{layer}.1.net.4.weight": torch.randn(width, 16),
            f"{layer}.1.net.4.bias": torch.zeros(width),
            "action_encoder.patch_embed.weight": torch.randn(3, 10, 1),
            "action_encoder.patch_embed.bias": torch.zeros(3),
        }
        for norm in (f"{layer}.0.norm", f"{layer}.1.net.0", "predictor.transformer.norm"):
            weights |= {f"{norm}.weight": torch.ones(width), f"{norm}.bias": torch.zeros(width)}
        model = load_dinowm(weights, Patches(), head_dim=4)
        assert model.action_dim == 10 and model.latent_shape == (4, 12)
        ```
    """
    for name, value in (("history_size", history_size), ("head_dim", head_dim)):
        check_number("load_dinowm", name, value, low=1, integer=True)
    check_number("load_dinowm", "dropout", dropout, low=0.0, high=1.0)
    check_number("load_dinowm", "proprio_weight", proprio_weight, low=0.0)
    state, source = _state(weights)
    tensors, masks, features = _sorted(unwrap(state), source)
    model = _build(tensors, encoder, source, history_size, head_dim, dropout, proprio_weight)
    for name, mask in masks.items():
        _check_mask(name, mask, model, source)
    parts = {key: value for key, value in model.state_dict().items() if not key.startswith("encoder.")}
    compare(parts, tensors, _RULE, _FIX)
    memories: set[int] = set()
    own = {
        key: alone(tensors[key].detach().to("cpu", value.dtype, copy=True), memories)
        for key, value in parts.items()
    }
    for name in ("predictor", "action_encoder", "proprio_encoder"):
        part = getattr(model, name)
        if part is not None:
            whole = {key.partition(".")[2]: value for key, value in own.items() if key.startswith(f"{name}.")}
            part.load_state_dict(whole, strict=True, assign=True)
    _load_encoder(encoder, features, source)
    return model.eval()


def _state(weights: str | Path | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    if isinstance(weights, Mapping):
        check_tensors("The state dict", weights)
        return weights, "The state dict"
    path = local_path(weights)
    try:
        state = read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path)
    except CheckpointError as error:
        if "it pickles other objects" not in error.got:
            raise
        raise CheckpointError(error.rule, error.got, _CONVERT) from error
    check_tensors(str(path), state)
    return state, str(path)


def _sorted(
    state: Mapping[str, Any], source: str
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Return the model's tensors under leworld's names, the masks, and the tensors of the encoder."""
    tensors: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    features: dict[str, Tensor] = {}
    for key, value in state.items():
        if isinstance(key, str) and isinstance(value, Tensor):
            name = _new_name(key)
            match = _ENCODER.fullmatch(key)
            if name is not None:
                if name in tensors:
                    got = f"`{key}` and another key are both leworld's `{name}`"
                    raise CheckpointError(
                        f"{source} needs one tensor of each name", got, "Drop one of the two"
                    )
                kernel = name.endswith("encoder.output.weight") and value.ndim == 3 and value.shape[-1] == 1
                tensors[name] = value.squeeze(-1) if kernel else value
                continue
            if _MASK.fullmatch(key):
                masks[key] = value
                continue
            if match is not None:
                features[match[1]] = value
                continue
            if key.startswith("decoder."):
                continue
        raise CheckpointError(
            f"{source} needs to be a state dict of DINO-WM",
            f"it holds `{key}` ({describe(value)})",
            _CONVERT if isinstance(value, nn.Module) else "Pass the plain state dict of the model",
        )
    return tensors, masks, features


def _new_name(key: str) -> str | None:
    if key in _OUTSIDE:
        return _OUTSIDE[key]
    extra, layer = _EXTRA.fullmatch(key), _LAYER.fullmatch(key)
    if extra is not None:
        return f"{extra[1]}_encoder.output.{extra[2]}"
    part = None if layer is None else _BLOCK.get(layer[2])
    return None if layer is None or part is None else f"predictor.blocks.{layer[1]}.{part}.{layer[3]}"


def _build(
    tensors: Mapping[str, Tensor],
    encoder: nn.Module,
    source: str,
    history_size: int,
    head_dim: int,
    dropout: float,
    proprio_weight: float,
) -> DINOWM:
    def axes(name: str, count: int) -> tuple[int, ...]:
        tensor = tensors.get(name)
        if tensor is None or tensor.ndim != count or 0 in tensor.shape:
            got = "it is missing" if tensor is None else f"it is {describe(tensor)}"
            raise CheckpointError(f"{source} needs `{name}` with {count} axes", got, _FIX)
        return tuple(tensor.shape)

    _, rows, width = axes("predictor.positions", 3)
    inner = axes("predictor.blocks.0.attention.qkv.weight", 2)[0] // 3
    mlp_dim = axes("predictor.blocks.0.mlp.widen.weight", 2)[0]
    condition, action_dim = axes("action_encoder.output.weight", 2)
    felt = axes("proprio_encoder.output.weight", 2) if "proprio_encoder.output.weight" in tensors else None
    depth = len({name.split(".")[2] for name in tensors if name.startswith("predictor.blocks.")})
    if inner % head_dim or rows % history_size or condition >= width:
        got = f"queries are {inner} wide, positions {rows}, tokens {width} wide, their actions {condition}"
        raise CheckpointError(
            f"{source} needs heads of `head_dim={head_dim}` and positions for `history_size={history_size}` "
            "frames",
            got,
            "Pass the `head_dim` and `history_size` that the predictor was trained with",
        )
    with torch.random.fork_rng(devices=[]), shapes_only():
        predictor = TokenTransformerPredictor(
            width - condition,
            rows // history_size,
            history_size=history_size,
            condition_dim=condition,
            depth=depth,
            num_heads=inner // head_dim,
            head_dim=head_dim,
            mlp_dim=mlp_dim,
            dropout=dropout,
        )
        action_encoder = LinearEncoder(action_dim, condition)
        proprio_encoder = None if felt is None else LinearEncoder(felt[1], felt[0])
    try:
        return DINOWM(
            encoder,
            predictor,
            action_encoder=action_encoder,
            proprio_encoder=proprio_encoder,
            proprio_weight=proprio_weight,
        )
    except ConfigError as error:
        raise CheckpointError(
            f"{source} needs an `encoder` that makes what its predictor was trained on: {rows} positions are "
            f"{history_size} frames of {rows // history_size} tokens, {width} numbers each",
            f"{error.rule}; {error.got}",
            error.fix,
        ) from error


def _check_mask(name: str, mask: Tensor, model: DINOWM, source: str) -> None:
    frames = torch.arange(model.history_size, dtype=torch.int64, device="cpu").repeat_interleave(
        model.latent_shape[0]
    )
    due = frames[:, None] >= frames[None]
    if tuple(mask.shape) != (1, 1, *due.shape) or not torch.equal(mask[0, 0].cpu() != 0, due):
        raise CheckpointError(
            f"{source} needs masks by which a token sees the tokens of its frame and of earlier ones",
            f"`{name}` is {describe(mask)} and says something else",
            "Check `history_size`; a predictor with another mask is none of DINOWM's",
        )


def _load_encoder(encoder: nn.Module, features: Mapping[str, Tensor], source: str) -> None:
    if not features:
        return
    held = getattr(encoder, "module", None)  # of one that stands around another, to freeze it
    encoder = held if isinstance(held, nn.Module) else encoder
    due = encoder.state_dict()
    if isinstance(encoder, DINOv2Encoder) and features.keys() != due.keys():
        features = dinov2_state_dict(features)
    compare(
        due,
        features,
        f"{source} needs the tensors of `backbone` under the names that `encoder` gives them",
        "Load the encoder's weights yourself, and pass the others only: `{k: v for k, v in weights.items() "
        "if not k.startswith(('backbone.', 'encoder.'))}`",
    )
    encoder.load_state_dict(features)
