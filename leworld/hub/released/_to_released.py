"""leworld's LeWM or PLDM in the layout of the published weights, so that its other readers load ours."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..._config import ModuleConfig
from ..._tensors import checked_tensors
from ...errors import CheckpointError
from ...models import WorldModel

_TARGETS = {"LeWM": "stable_worldmodel.wm.lewm.LeWM", "PLDM": "stable_worldmodel.wm.pldm.PLDM"}
_TRAINED_ALONG = ("regularizer.", "auxiliary.")  # heads of losses, which the layout does not hold
_MODULE = "stable_worldmodel.wm.lewm.module"
_BLOCK = r"encoder\.blocks\.(\d+)\."
_LAYER = r"predictor\.blocks\.(\d+)\."
_KEYS = [
    (r"encoder\.class_token$", r"encoder.embeddings.cls_token"),
    (r"encoder\.positions$", r"encoder.embeddings.position_embeddings"),
    (r"encoder\.patches\.projection\.", r"encoder.embeddings.patch_embeddings.projection."),
    (_BLOCK + r"attention\.(query|key|value)\.", r"encoder.encoder.layer.\1.attention.attention.\2."),
    (_BLOCK + r"attention\.output\.", r"encoder.encoder.layer.\1.attention.output.dense."),
    (_BLOCK + r"mlp\.widen\.", r"encoder.encoder.layer.\1.intermediate.dense."),
    (_BLOCK + r"mlp\.narrow\.", r"encoder.encoder.layer.\1.output.dense."),
    (_BLOCK + r"attention_norm\.", r"encoder.encoder.layer.\1.layernorm_before."),
    (_BLOCK + r"mlp_norm\.", r"encoder.encoder.layer.\1.layernorm_after."),
    (r"encoder\.norm\.", r"encoder.layernorm."),
    (r"predictor\.positions$", r"predictor.pos_embedding"),
    (r"predictor\.norm\.", r"predictor.transformer.norm."),
    (_LAYER + r"attention_norm\.", r"predictor.transformer.layers.\1.attn.norm."),
    (_LAYER + r"attention\.qkv\.", r"predictor.transformer.layers.\1.attn.to_qkv."),
    (_LAYER + r"attention\.output\.", r"predictor.transformer.layers.\1.attn.to_out.0."),
    (_LAYER + r"mlp_norm\.", r"predictor.transformer.layers.\1.mlp.net.0."),
    (_LAYER + r"mlp\.widen\.", r"predictor.transformer.layers.\1.mlp.net.1."),
    (_LAYER + r"mlp\.narrow\.", r"predictor.transformer.layers.\1.mlp.net.4."),
    (_LAYER + r"modulation\.linear\.", r"predictor.transformer.layers.\1.adaLN_modulation.1."),
    (r"action_encoder\.smooth\.", r"action_encoder.patch_embed."),
    (r"action_encoder\.widen\.", r"action_encoder.embed.0."),
    (r"action_encoder\.narrow\.", r"action_encoder.embed.2."),
    (r"projector\.widen\.", r"projector.net.0."),
    (r"projector\.norm\.", r"projector.net.1."),
    (r"projector\.narrow\.", r"projector.net.3."),
    (r"prediction_projector\.widen\.", r"pred_proj.net.0."),
    (r"prediction_projector\.norm\.", r"pred_proj.net.1."),
    (r"prediction_projector\.narrow\.", r"pred_proj.net.3."),
]
_PATTERNS = [(re.compile(pattern), name) for pattern, name in _KEYS]


def to_released(model: WorldModel) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the `config.json` and the state dict that the published layout has for `model`.

    Raises:
        CheckpointError: if the layout cannot express the model: it knows LeWM and PLDM with a ViT encoder, a
            transformer predictor whose conditions have the size of the embedding, and BatchNorm projectors.
    """
    config = getattr(model, "config", None)
    if not isinstance(config, ModuleConfig):
        raise _beyond("a model without a recorded config")
    content = _config(config)
    tensors = {
        _released_name(name): value
        for name, value in checked_tensors(model).items()
        if not name.startswith(_TRAINED_ALONG)
    }
    smooth = "action_encoder.patch_embed.weight"
    tensors[smooth] = tensors[smooth].unsqueeze(-1)  # there it is a convolution over time of width 1
    return content, tensors


def _config(config: ModuleConfig) -> dict[str, Any]:
    if config.class_name != "PLDM":
        _expect(config, "LeWM", "the model")
    parts = config.arguments
    return {
        "_target_": _TARGETS[config.class_name],
        "encoder": _encoder(parts["encoder"]),
        "predictor": _predictor(parts["predictor"]),
        "action_encoder": _action_encoder(parts["action_encoder"]),
        "projector": _projector(parts["projector"]),
        "pred_proj": _projector(parts["prediction_projector"]),
    }


def _encoder(config: Any) -> dict[str, Any]:
    given = _expect(config, "ViTEncoder", "the encoder")
    optional = {
        "hidden_size": given["hidden_dim"],
        "num_hidden_layers": given["depth"],
        "num_attention_heads": given["num_heads"],
        "intermediate_size": given["mlp_dim"],
        "num_channels": None if given["channels"] == 3 else given["channels"],
    }
    return {
        "_target_": "stable_pretraining.backbone.utils.vit_hf",
        "size": given["size"],
        "patch_size": given["patch_size"],
        "image_size": given["image_size"],
        "pretrained": False,
        "use_mask_token": False,
    } | {name: value for name, value in optional.items() if value is not None}


def _predictor(config: Any) -> dict[str, Any]:
    given = _expect(config, "TransformerPredictor", "the predictor")
    if given["condition_dim"] not in (None, given["embedding_dim"]):
        raise _beyond(f"a predictor with `condition_dim={given['condition_dim']}`")
    return {
        "_target_": f"{_MODULE}.Predictor",
        "num_frames": given["history_size"],
        "input_dim": given["embedding_dim"],
        "hidden_dim": given["embedding_dim"],
        "output_dim": given["embedding_dim"],
        "depth": given["depth"],
        "heads": given["num_heads"],
        "mlp_dim": given["mlp_dim"],
        "dim_head": given["head_dim"],
        "dropout": given["dropout"],
        "emb_dropout": given["embedding_dropout"],
    }


def _action_encoder(config: Any) -> dict[str, Any]:
    given = _expect(config, "ActionEncoder", "the action encoder")
    hidden, width = given["hidden_dim"], given["embedding_dim"]
    if hidden is not None and hidden % width:
        raise _beyond(f"an action encoder whose `hidden_dim={hidden}` is no multiple of its `embedding_dim`")
    return {
        "_target_": f"{_MODULE}.Embedder",
        "input_dim": given["action_dim"],
        "smoothed_dim": given["smoothed_dim"],
        "emb_dim": width,
        "mlp_scale": 4 if hidden is None else hidden // width,
    }


def _projector(config: Any) -> dict[str, Any]:
    given = _expect(config, "Projector", "every projector")
    return {
        "_target_": f"{_MODULE}.MLP",
        "input_dim": given["in_dim"],
        "output_dim": given["in_dim"] if given["out_dim"] is None else given["out_dim"],
        "hidden_dim": given["hidden_dim"],
        "norm_fn": {"_target_": "torch.nn.BatchNorm1d", "_partial_": True},
    }


def _expect(config: Any, name: str, what: str) -> Mapping[str, Any]:
    if not isinstance(config, ModuleConfig) or config.class_name != name:
        found = config.class_name if isinstance(config, ModuleConfig) else "nothing"
        raise _beyond(f"`{found}` as {what}, where it has `{name}`")
    return config.arguments


def _released_name(name: str) -> str:
    for pattern, released in _PATTERNS:
        match = pattern.match(name)
        if match:
            return match.expand(released) + name[match.end() :]
    raise _beyond(f"the tensor `{name}`")


def _beyond(what: str) -> CheckpointError:
    return CheckpointError(
        "The published layout needs a LeWM of the published kind",
        f"this is {what}",
        "Save it with `leworld.save`",
    )
