"""DINO-WM as stable-worldmodel saves it, its PreJEPA, with config: read into DINOWM and written of it.

The weights alone are read by `load_dinowm`. Here the config says which backbone made the features; a DINOv2's
tensors lie in the same file.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..._checks import describe, quoted
from ..._config import ModuleConfig
from ..._tensors import checked_tensors
from ...encoders import DINOv2Encoder
from ...errors import CheckpointError
from ...models import DINOWM
from ._from_dinowm import load_dinowm
from ._from_released import unwrap

_BASE = "stable_worldmodel.wm.prejepa"
PREJEPA_TARGETS = {"stable_worldmodel.wm.PreJEPA", f"{_BASE}.PreJEPA", f"{_BASE}.prejepa.PreJEPA"}
_RULE = "A PreJEPA of stable-worldmodel needs"
_FIX = "Restore the files, or build the encoder yourself and read the weights with `leworld.hub.load_dinowm`"
_FACTORY = {f"{_BASE}.module.create_backbone", f"{_BASE}.create_backbone"}
_WRAPPER = {"stable_pretraining.backbone.EvalOnly", "stable_pretraining.backbone.utils.EvalOnly"}
_BACKBONES = {384: "dinov2_small", 768: "dinov2_base", 1024: "dinov2_large"}
_HEAD = 64  # width of an attention head of DINOv2
_GRID = 37
_ORDER = (["proprio", "action"], ["action"])
_PREDICTOR = {
    "pool": ("cls", "mean"),
    "emb_dropout": (0, 0.0),
    "_target_": (f"{_BASE}.module.CausalPredictor",),
}
_OURS = [  # leworld's names to those of transformers, version 4, which files on the Hub have
    (r"encoder\.class_token$", "backbone.embeddings.cls_token"),
    (r"encoder\.positions$", "backbone.embeddings.position_embeddings"),
    (r"encoder\.patches\.projection\.", "backbone.embeddings.patch_embeddings.projection."),
    (r"encoder\.norm\.", "backbone.layernorm."),
    (r"encoder\.blocks\.(\d+)\.attention_scale$", r"backbone.encoder.layer.\1.layer_scale1.lambda1"),
    (r"encoder\.blocks\.(\d+)\.mlp_scale$", r"backbone.encoder.layer.\1.layer_scale2.lambda1"),
    (r"encoder\.blocks\.(\d+)\.attention_norm\.", r"backbone.encoder.layer.\1.norm1."),
    (r"encoder\.blocks\.(\d+)\.mlp_norm\.", r"backbone.encoder.layer.\1.norm2."),
    (r"encoder\.blocks\.(\d+)\.attention\.output\.", r"backbone.encoder.layer.\1.attention.output.dense."),
    (r"encoder\.blocks\.(\d+)\.mlp\.widen\.", r"backbone.encoder.layer.\1.mlp.fc1."),
    (r"encoder\.blocks\.(\d+)\.mlp\.narrow\.", r"backbone.encoder.layer.\1.mlp.fc2."),
    (r"(proprio|action)_encoder\.output\.", r"extra_encoders.\1.patch_embed."),
    (r"predictor\.positions$", "predictor.pos_embedding"),
    (r"predictor\.norm\.", "predictor.transformer.norm."),
    (r"predictor\.blocks\.(\d+)\.attention_norm\.", r"predictor.transformer.layers.\1.0.norm."),
    (r"predictor\.blocks\.(\d+)\.attention\.qkv\.", r"predictor.transformer.layers.\1.0.to_qkv."),
    (r"predictor\.blocks\.(\d+)\.attention\.output\.", r"predictor.transformer.layers.\1.0.to_out.0."),
    (r"predictor\.blocks\.(\d+)\.mlp_norm\.", r"predictor.transformer.layers.\1.1.net.0."),
    (r"predictor\.blocks\.(\d+)\.mlp\.widen\.", r"predictor.transformer.layers.\1.1.net.1."),
    (r"predictor\.blocks\.(\d+)\.mlp\.narrow\.", r"predictor.transformer.layers.\1.1.net.4."),
]
_SIZES = {  # axes of the tensors of a backbone that tell its sizes
    "layernorm.weight": 1,
    "encoder.layer.0.mlp.fc1.weight": 2,
    "embeddings.patch_embeddings.projection.weight": 4,
    "embeddings.position_embeddings": 3,
}
_QKV = re.compile(r"encoder\.blocks\.(\d+)\.attention\.qkv\.(weight|bias)")


def dinowm_from_swm(config: Mapping[str, Any], state: Mapping[str, Any]) -> DINOWM:
    """Build a model of `config.json` and the state dict beside it, in evaluation mode.

    Raises:
        CheckpointError: For another backbone than DINOv2, one that is not in the weights, further inputs than
            proprioception and actions, unknown settings, and missing, extra or misshapen tensors.
    """
    predictor = _mapping(config.get("predictor"), "predictor")
    for name, known in _PREDICTOR.items():
        if predictor.get(name, known[0]) not in known:
            got = f"it is {describe(predictor.get(name))}"
            raise CheckpointError(f"{_RULE} `predictor.{name}` to be one of {quoted(known)}", got, _FIX)
    extra = _mapping(config.get("extra_encoders"), "extra_encoders")
    order = list(_mapping(extra.get("modules", extra), "extra_encoders.modules"))
    order = [name for name in order if not name.startswith("_")]
    if order not in _ORDER:
        raise CheckpointError(
            f"{_RULE} extra encoders `proprio` and `action`, or `action`, in this order, to be a DINOWM",
            f"it has {quoted(order) or 'none'}",
            "Build a model of leworld's parts for other inputs",
        )
    tensors = unwrap(state)
    encoder = _encoder(_mapping(config.get("encoder"), "encoder"), tensors, predictor)
    return load_dinowm(
        tensors,
        encoder,
        history_size=_count(predictor, "num_frames"),
        head_dim=_count(predictor, "dim_head", 64),
        dropout=predictor.get("dropout", 0.0),
    )


def _encoder(
    config: Mapping[str, Any], tensors: Mapping[str, Any], predictor: Mapping[str, Any]
) -> DINOv2Encoder:
    inner = config
    if config.get("_target_") in _WRAPPER:
        values = [value for value in config.values() if isinstance(value, Mapping)]
        inner = values[0] if values else config
    name = str(inner.get("name"))
    if inner.get("_target_") not in _FACTORY or not re.match(
        r"(facebook/)?dinov2[_-](small|base|large)$", name
    ):
        raise CheckpointError(
            f"{_RULE} a backbone that leworld has, dinov2_small, dinov2_base or dinov2_large",
            f"its config names `{name}` by `{inner.get('_target_')}`",
            "Build the encoder, for example a HuggingFaceEncoder, and read the weights with "
            "`leworld.hub.load_dinowm(weights, encoder)`",
        )
    ends = {
        key.rpartition("backbone.")[2]: value
        for key, value in tensors.items()
        if isinstance(key, str) and "backbone." in key
    }
    norm, widen, patches, positions = (_sized(ends, name, axes) for name, axes in _SIZES.items())
    depth = len({key.split(".")[2] for key in ends if key.startswith("encoder.layer.")})
    width, patch, tokens = len(norm), patches.shape[-1], _count(predictor, "num_patches")
    side, grid = math.isqrt(tokens), math.isqrt(max(0, positions.shape[1] - 1))
    with torch.random.fork_rng(devices=[]):
        return DINOv2Encoder(
            {
                "hidden_dim": width,
                "depth": depth,
                "num_heads": max(1, width // _HEAD),
                "mlp_dim": len(widen),
            },
            image_size=side * patch,
            output="patches",
            position_interpolation="transformers",
            position_grid=max(1, grid),
            patch_size=patch,
        )


def _sized(tensors: Mapping[str, Any], name: str, axes: int) -> Tensor:
    tensor = tensors.get(name)
    if not isinstance(tensor, Tensor) or tensor.ndim != axes:
        raise CheckpointError(
            f"{_RULE} the tensors of its backbone beside the others",
            f"`backbone.{name}` is {describe(tensor)}",
            _FIX,
        )
    return tensor


def dinowm_to_swm(model: DINOWM) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the `config.json` and the state dict that stable-worldmodel has for a model.

    Raises:
        CheckpointError: For an encoder that is no DINOv2 of a published size with the positions of
            transformers, registers, a predictor whose actions are no part of the tokens, or other encoders of
            actions and proprioception than linear ones.
    """
    config = getattr(model, "config", None)
    given = config.arguments if isinstance(config, ModuleConfig) else {}
    encoder, predictor = (_arguments(given.get(name)) for name in ("encoder", "predictor"))
    backbone = model.encoder
    fits = {
        "an encoder that is no DINOv2Encoder of patches": isinstance(backbone, DINOv2Encoder)
        and encoder.get("output") == "patches",
        "positions that are interpolated as in another library": encoder.get("position_interpolation")
        == "transformers",
        "a DINOv2 of another size": model.visual_dim in _BACKBONES and encoder.get("position_grid") == _GRID,
        "register tokens": encoder.get("num_registers") == 0,
        "a predictor whose actions are not concatenated": predictor.get("conditioning") == "concatenate",
        "another encoder of actions": _class(given.get("action_encoder")) == "LinearEncoder",
        "another encoder of proprioception": model.proprio_encoder is None
        or _class(given.get("proprio_encoder")) == "LinearEncoder",
    }
    wrong = [what for what, fine in fits.items() if not fine]
    if wrong:
        raise CheckpointError(
            f"{_RULE} a DINOWM on DINOv2's patches as transformers makes them, with linear encoders",
            f"this one has {wrong[0]}",
            "Save it with `leworld.save`",
        )
    tensors: dict[str, Tensor] = {}
    for name, value in checked_tensors(model).items():
        tensors |= _their_tensors(name, value)
    count = model.latent_shape[0]
    hidden = model.visual_dim
    tensors["backbone.embeddings.mask_token"] = torch.zeros(1, hidden, dtype=torch.float32, device="cpu")
    frames = torch.arange(model.history_size, device="cpu", dtype=torch.int64).repeat_interleave(count)
    mask = (frames[:, None] >= frames[None]).to(torch.float32)[None, None]
    for layer in range(predictor["depth"]):
        tensors[f"predictor.transformer.layers.{layer}.0.bias"] = mask.clone()
    parts = {"proprio": model.proprio_encoder, "action": model.action_encoder}
    content = {
        "_target_": f"{_BASE}.PreJEPA",
        "history_size": model.history_size,
        "num_pred": 1,
        "interpolate_pos_encoding": True,
        "encoder": {"_target_": f"{_BASE}.module.create_backbone", "name": _BACKBONES[hidden]},
        "predictor": {
            "_target_": f"{_BASE}.module.CausalPredictor",
            "num_patches": count,
            "num_frames": model.history_size,
            "dim": tensors["predictor.pos_embedding"].shape[-1],
            "depth": predictor["depth"],
            "heads": predictor["num_heads"],
            "mlp_dim": predictor["mlp_dim"],
            "dim_head": predictor["head_dim"],
            "dropout": predictor["dropout"],
            "emb_dropout": 0.0,
        },
        "extra_encoders": {
            "_target_": "torch.nn.ModuleDict",
            "modules": {
                name: {
                    "_target_": f"{_BASE}.module.Embedder",
                    "in_chans": part.get_parameter("output.weight").shape[1],
                    "emb_dim": part.get_parameter("output.weight").shape[0],
                }
                for name, part in parts.items()
                if part is not None
            },
        },
    }
    return content, tensors


def _their_tensors(name: str, value: Tensor) -> dict[str, Tensor]:
    """Return a tensor under its name there: three for queries, keys and values, a convolution for a layer."""
    name = name.replace("encoder.module.", "encoder.", 1) if name.startswith("encoder.module.") else name
    qkv = _QKV.fullmatch(name)
    if qkv is not None:
        layer = f"backbone.encoder.layer.{qkv[1]}.attention.attention"
        parts = zip(("query", "key", "value"), value.chunk(3), strict=True)
        return {f"{layer}.{part}.{qkv[2]}": one.contiguous() for part, one in parts}
    for pattern, theirs in _OURS:
        match = re.match(pattern, name)
        if match is not None:
            new = match.expand(theirs) + name[match.end() :]
            return {new: value.unsqueeze(-1) if new.endswith("patch_embed.weight") else value}
    raise CheckpointError(f"{_RULE} its own tensors", f"there is `{name}`", "Save it with `leworld.save`")


def _arguments(config: object) -> Mapping[str, Any]:
    if not isinstance(config, ModuleConfig):
        return {}
    if config.class_name == "Frozen":
        return _arguments(config.arguments.get("module"))
    return config.arguments


def _class(config: object) -> str | None:
    return config.class_name if isinstance(config, ModuleConfig) else None


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CheckpointError(
            f"{_RULE} a mapping as `{where}` in its config", f"it is {describe(value)}", _FIX
        )
    return value


def _count(settings: Mapping[str, Any], name: str, usual: int | None = None) -> int:
    value = settings.get(name, usual)
    if type(value) is not int or not 1 <= value <= 100_000:
        raise CheckpointError(
            f"{_RULE} `predictor.{name}` to be an integer from 1 to 100000", f"it is {describe(value)}", _FIX
        )
    return value
