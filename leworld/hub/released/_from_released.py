"""The layout of the published LeWM weights, read into LeWM or PLDM: a Hydra tree and a plain state dict.

The Hydra tree names callables by `_target_`; none is ever imported: a fixed table says which may appear and
which fields each may carry. The state dict is renamed by one table, whichever generation of `transformers`
wrote it, compared with the model that the config describes, and loaded strictly.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..._checks import describe, nearest, quoted
from ..._tensors import shapes_only
from ...encoders import ActionEncoder, ViTEncoder
from ...errors import CheckpointError, ConfigError, ShapeError
from ...models import PLDM, LeWM
from ...nn import Projector
from ...predictors import TransformerPredictor
from ...regularizers import PLDMTerms, SIGReg

_REQUIRED = object()
_RULE = "A released checkpoint needs exactly the tensors of the LeWM that its config describes"
_FIX = "Check that config and weights belong together"
_MODULE = ("stable_worldmodel.wm.lewm.module.", "stable_worldmodel.wm.pldm.module.", "module.", "")
_VIT = {"stable_pretraining.backbone.utils.vit_hf"}
_PREDICTOR = {f"{prefix}{name}" for prefix in _MODULE for name in ("Predictor", "ARPredictor")}
_EMBEDDER = {f"{prefix}Embedder" for prefix in _MODULE}
_MLP = {f"{prefix}MLP" for prefix in _MODULE}
_LEWM = {"stable_worldmodel.wm.lewm.LeWM", "stable_worldmodel.wm.lewm.JEPA", "jepa.JEPA"}
_PLDM = {"stable_worldmodel.wm.pldm.PLDM", "stable_worldmodel.wm.pldm.pldm.PLDM"}
_NORM = {"torch.nn.BatchNorm1d", "torch.nn.modules.batchnorm.BatchNorm1d"}
_ACT = {"torch.nn.GELU", "torch.nn.modules.activation.GELU"}

_VIT_FIELDS = {
    "size": "tiny", "scale": None, "patch_size": 16, "image_size": 224, "pretrained": False,
    "use_mask_token": False, "hidden_size": None, "num_hidden_layers": None, "num_attention_heads": None,
    "intermediate_size": None, "num_channels": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
    "qkv_bias": True, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
_PREDICTOR_FIELDS = {
    "num_frames": _REQUIRED, "input_dim": _REQUIRED, "hidden_dim": _REQUIRED, "output_dim": None,
    "depth": _REQUIRED, "heads": _REQUIRED, "mlp_dim": _REQUIRED, "dim_head": 64, "dropout": 0.0,
    "emb_dropout": 0.0,
}  # fmt: skip
_EMBEDDER_FIELDS = {"input_dim": 10, "smoothed_dim": 10, "emb_dim": 10, "mlp_scale": 4}
_MLP_FIELDS = {
    "input_dim": _REQUIRED, "hidden_dim": _REQUIRED, "output_dim": None, "norm_fn": _REQUIRED, "act_fn": None,
}  # fmt: skip
_PARTS = ("encoder", "predictor", "action_encoder", "projector", "pred_proj")

_FIXED = {"use_mask_token", "hidden_act", "layer_norm_eps", "qkv_bias"} | {
    "hidden_dropout_prob", "attention_probs_dropout_prob",
}  # fmt: skip
_COUNTS = {
    "patch_size", "image_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_channels",
    "intermediate_size", "num_frames", "input_dim", "hidden_dim", "output_dim", "depth", "heads", "mlp_dim",
    "dim_head", "smoothed_dim", "emb_dim", "mlp_scale",
}  # fmt: skip

# The one table of names, released to ours. Encoder blocks come in two generations, transformers 4 first.
_OUTSIDE = {
    "encoder.embeddings": "encoder", "encoder.layernorm": "encoder.norm",
    "encoder.embeddings.patch_embeddings.projection": "encoder.patches.projection",
    "predictor": "predictor", "predictor.transformer.norm": "predictor.norm",
    "action_encoder.patch_embed": "action_encoder.smooth", "action_encoder.embed.0": "action_encoder.widen",
    "action_encoder.embed.2": "action_encoder.narrow", "projector.net.0": "projector.widen",
    "projector.net.1": "projector.norm", "projector.net.3": "projector.narrow",
    "pred_proj.net.0": "prediction_projector.widen", "pred_proj.net.1": "prediction_projector.norm",
    "pred_proj.net.3": "prediction_projector.narrow",
}  # fmt: skip
_LEAVES = {"cls_token": "class_token", "position_embeddings": "positions", "pos_embedding": "positions"}
_ENCODER_BLOCK = {
    "attention.attention.query": "attention.query", "attention.q_proj": "attention.query",
    "attention.attention.key": "attention.key", "attention.k_proj": "attention.key",
    "attention.attention.value": "attention.value", "attention.v_proj": "attention.value",
    "attention.output.dense": "attention.output", "attention.o_proj": "attention.output",
    "intermediate.dense": "mlp.widen", "mlp.fc1": "mlp.widen",
    "output.dense": "mlp.narrow", "mlp.fc2": "mlp.narrow",
    "layernorm_before": "attention_norm", "layernorm_after": "mlp_norm",
}  # fmt: skip
_PREDICTOR_BLOCK = {
    "attn.norm": "attention_norm", "attn.to_qkv": "attention.qkv", "attn.to_out.0": "attention.output",
    "mlp.net.0": "mlp_norm", "mlp.net.1": "mlp.widen", "mlp.net.4": "mlp.narrow",
    "adaLN_modulation.1": "modulation.linear",
}  # fmt: skip
_BLOCK = re.compile(r"(encoder|predictor)\.(?:encoder\.layer|layers|transformer\.layers)\.(\d+)\.(.+)")


def from_released(
    config: Mapping[str, Any],
    state: Mapping[str, Any],
    *,
    replace: Mapping[str, Any] | None = None,
    take_over: bool = False,
) -> LeWM | PLDM:
    """Build a model from a released `config.json` and the contents of its `weights.pt`, in evaluation mode.

    A PLDM where the config names one; a baseline that was saved as the LeWM which its parts make is a LeWM.

    Args:
        config: The parsed JSON. Nothing in it is instantiated or imported.
        state: The state dict, possibly under "state_dict" and with keys prefixed by `model.` or `module.`.
        replace: Another `regularizer`, or a LeWM's `regularizer_weight`; neither is in the layout.
        take_over: Whether the model may keep the tensors themselves, so that none is in memory twice.

    Raises:
        CheckpointError: For unknown, missing or unsupported settings and missing, extra or misshapen tensors.
        ConfigError: If `replace` names anything else.
    """
    is_pldm = config.get("_target_") in _PLDM
    usual = PLDMTerms() if is_pldm else SIGReg()  # not filled from the file: built for good
    replace = {"regularizer": usual, **(replace or {})}
    known = {"regularizer"} if is_pldm else {"regularizer", "regularizer_weight"}
    strangers = sorted(replace.keys() - known)
    if strangers:
        raise ConfigError(
            f"`replace` can give weights in the published layout {quoted(sorted(known))} only",
            f"it has `{strangers[0]}`",
            "Convert them with `leworld.hub.convert`, which writes leworld's own layout, and load that",
        )
    tensors = _rename(unwrap(state))
    try:
        with torch.random.fork_rng(devices=[]), shapes_only():
            model = _build(config, tensors, replace)
    except (ConfigError, ShapeError) as error:
        rule = "A released config needs settings that leworld's LeWM accepts"
        raise CheckpointError(rule, str(error).rstrip("."), "Restore the file") from error
    due = {key: value for key, value in model.state_dict().items() if not key.startswith("regularizer.")}
    compare(due, tensors, _RULE, _FIX)
    kept = {f"regularizer.{key}": value for key, value in model.regularizer.state_dict().items()}
    memories: set[int] = set()
    own = {
        key: alone(tensors.pop(key).detach().to("cpu", value.dtype, copy=not take_over), memories)
        for key, value in due.items()
    }
    model.load_state_dict({**kept, **own}, strict=True, assign=True)
    return model.eval()


def alone(tensor: Tensor, memories: set[int]) -> Tensor:
    """Return `tensor`, or a copy if it shares its memory; `memories` holds what is in use, and grows."""
    memory = tensor.untyped_storage()
    is_whole = tensor.is_contiguous() and memory.nbytes() == tensor.numel() * tensor.element_size()
    if not is_whole or memory.data_ptr() in memories:
        tensor = tensor.clone(memory_format=torch.contiguous_format)
    memories.add(tensor.untyped_storage().data_ptr())
    return tensor


def _build(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], beyond: Mapping[str, Any]
) -> LeWM | PLDM:
    top = _fields(config, "config", _LEWM | _PLDM, dict.fromkeys(_PARTS, _REQUIRED))
    vit = _fields(top["encoder"], "encoder", _VIT, _VIT_FIELDS)
    for name in sorted(_FIXED):
        _demand("encoder", name, vit[name], _VIT_FIELDS[name])
    inner = _fields(top["predictor"], "predictor", _PREDICTOR, _PREDICTOR_FIELDS)
    _demand("predictor", "hidden_dim", inner["hidden_dim"], inner["input_dim"])
    _demand("predictor", "output_dim", inner["output_dim"] or inner["input_dim"], inner["input_dim"])
    embedder = _fields(top["action_encoder"], "action_encoder", _EMBEDDER, _EMBEDDER_FIELDS)
    smooth = tensors.get("action_encoder.smooth.weight")
    if max(inner["depth"], vit["num_hidden_layers"] or 1) > len(tensors):
        raise CheckpointError(_RULE, f"there are more blocks than tensors ({len(tensors)})", _FIX)
    return (PLDM if config["_target_"] in _PLDM else LeWM)(
        ViTEncoder(
            vit["image_size"],
            vit["patch_size"],
            size=vit["scale"] or vit["size"],
            hidden_dim=vit["hidden_size"],
            depth=vit["num_hidden_layers"],
            num_heads=vit["num_attention_heads"],
            mlp_dim=vit["intermediate_size"],
            channels=vit["num_channels"],
        ),
        TransformerPredictor(
            inner["input_dim"],
            inner["num_frames"],
            depth=inner["depth"],
            num_heads=inner["heads"],
            head_dim=inner["dim_head"],
            mlp_dim=inner["mlp_dim"],
            dropout=inner["dropout"],
            embedding_dropout=inner["emb_dropout"],
        ),
        # The block size follows from frameskip and task when a training script ran: the tensor knows it.
        action_encoder=ActionEncoder(
            embedder["input_dim"] if smooth is None or smooth.ndim != 2 else smooth.shape[1],
            embedder["emb_dim"],
            smoothed_dim=embedder["smoothed_dim"],
            hidden_dim=embedder["mlp_scale"] * embedder["emb_dim"],
        ),
        projector=_projector(top["projector"], "projector"),
        prediction_projector=_projector(top["pred_proj"], "pred_proj"),
        **beyond,
    )


def _projector(data: Any, where: str) -> Projector:
    fields = _fields(data, where, _MLP, _MLP_FIELDS)
    _fields(fields["norm_fn"], f"{where}.norm_fn", _NORM, {"_partial_": True})
    if fields["act_fn"] is not None:
        _fields(fields["act_fn"], f"{where}.act_fn", _ACT, {"_partial_": True})
    return Projector(fields["input_dim"], fields["output_dim"], hidden_dim=fields["hidden_dim"])


def _fields(data: Any, where: str, targets: set[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of one node with defaults filled in, its `_target_` and names being known."""
    if not isinstance(data, Mapping):
        rule = f"A released config needs a mapping as `{where}`"
        raise CheckpointError(rule, f"it is {describe(data)}", "Restore the file")
    target = data.get("_target_")
    if not isinstance(target, str) or target not in targets:
        rule = f"A released config needs a known `_target_` in `{where}`"
        raise CheckpointError(rule, f"it is `{target}`", nearest(str(target), targets))
    for name in data.keys() - {"_target_"}:
        if name not in known:
            rule = f"A released config needs known fields in `{where}`"
            raise CheckpointError(rule, f"it has `{name}`", nearest(name, known))
    fields = {**known, **{name: value for name, value in data.items() if name != "_target_"}}
    missing = sorted(name for name, value in fields.items() if value is _REQUIRED)
    if missing:
        rule = f"A released config needs `{missing[0]}` in `{where}`"
        raise CheckpointError(rule, "it is missing", "Restore the file")
    for name in sorted(_COUNTS & fields.keys()):
        value = fields[name]
        optional = value is None and known[name] is None
        if not optional and not (type(value) is int and 1 <= value <= 100_000):
            rule = f"A released config needs `{where}.{name}` to be an integer from 1 to 100000"
            raise CheckpointError(rule, f"it is {describe(value)}", "Restore the file")
    return fields


def _demand(where: str, name: str, value: Any, due: Any) -> None:
    if value != due:
        rule = f"leworld's LeWM needs `{where}.{name}` = {due!r}"
        raise CheckpointError(rule, f"the config has {describe(value)}", "Restore the file, or train anew")


def unwrap(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tensors of a state dict, without what wrappers put around them and before their names."""
    inner = state.get("state_dict")
    state = inner if isinstance(inner, Mapping) else state
    for prefix in ("module.", "model."):
        if state and all(isinstance(key, str) and key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _rename(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors under leworld's names, the action encoder's convolution becoming linear."""
    tensors: dict[str, Tensor] = {}
    for key, value in state.items():
        new = _new_name(key) if isinstance(key, str) and isinstance(value, Tensor) else None
        if new is None:
            raise CheckpointError(
                "A released checkpoint needs a state dict of LeWM",
                f"it holds `{key}` ({describe(value)})",
                "Pass the plain state dict `weights.pt`, not a whole training checkpoint",
            )
        if new in tensors:
            raise CheckpointError(
                "A released checkpoint needs one generation of names",
                f"`{key}` and another key both are leworld's `{new}`",
                "Drop one of the two",
            )
        kernel = new == "action_encoder.smooth.weight" and value.ndim == 3
        tensors[new] = value.squeeze(-1) if kernel else value
    return tensors


def _new_name(key: str) -> str | None:
    path, _, leaf = key.rpartition(".")
    match = _BLOCK.fullmatch(path)
    if match is None:
        part = _OUTSIDE.get(path)
        return None if part is None else f"{part}.{_LEAVES.get(leaf, leaf)}"
    room, number, path = match.groups()
    part = (_ENCODER_BLOCK if room == "encoder" else _PREDICTOR_BLOCK).get(path)
    return None if part is None else f"{room}.blocks.{number}.{part}.{leaf}"


def compare(due: Mapping[str, Tensor], tensors: Mapping[str, Tensor], rule: str, fix: str) -> None:
    """Refuse tensors of other names or shapes than those that are due."""
    missing, extra = sorted(due.keys() - tensors.keys()), sorted(tensors.keys() - due.keys())
    if missing or extra:
        got = f"{len(missing)} are missing {missing[:3]} and {len(extra)} are left over {extra[:3]}"
        raise CheckpointError(rule, got, fix)
    for key, value in due.items():
        if tensors[key].shape != value.shape:
            got = f"`{key}` has shape {tuple(tensors[key].shape)} where {tuple(value.shape)} is due"
            raise CheckpointError(rule, got, fix)
