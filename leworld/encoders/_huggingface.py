"""Backbones of the transformers library as encoders."""

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, final

from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_choice, describe, described_name, quoted, require
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ._sides import sides_of

_OUTPUTS = ("pooled", "cls", "patches")

# Kinds of models that make features of pictures and nothing else; some others fetch parts of themselves.
_KINDS = (
    "beit",
    "clip_vision_model",
    "convnext",
    "convnextv2",
    "data2vec-vision",
    "deit",
    "dinov2",
    "dinov2_with_registers",
    "dinov3_convnext",
    "dinov3_vit",
    "ijepa",
    "resnet",
    "siglip_vision_model",
    "swin",
    "swinv2",
    "vit",
    "vit_msn",
)
_OF_A_RUN = ("transformers_version", "architectures", "dtype", "torch_dtype", "id2label", "label2id")
_REFUSED = frozenset({"attn_implementation", "auto_map", "quantization_config", "trust_remote_code"})


@final
@configurable
class HuggingFaceEncoder(nn.Module):
    """Encode pictures with a vision backbone of transformers (`pip install "leworld[transformers]"`).

    Reach for it to use a network that the Hugging Face Hub has weights for as the eye of a world model,
    trained along or held in `leworld.nn.Frozen`:

        HuggingFaceEncoder(transformers.AutoModel.from_pretrained("google/vit-base-patch16-224-in21k"))

    A checkpoint holds the backbone's config and weights; loading makes it from that config, fetches nothing,
    runs no code but transformers' own, and needs transformers. For DINOv2 there is `DINOv2Encoder`, which
    needs nothing.

    Shapes:
        images (batch, channel, height, width) -> (batch, embedding_dim), or (batch, token, embedding_dim) for
        "patches", in reading order.

    Args:
        backbone: A model such as `ViTModel` or `Dinov2Model`, or its config by names with the `model_type`,
            such as `{"model_type": "vit", "hidden_size": 192}`, for one with random weights.
        image_size: Side of the pictures, or height and width; None is what the config says. Other sizes work
            where the backbone interpolates its positions.
        output: "cls" for the class token after the last norm, "patches" for the patch tokens, "pooled" for
            what the backbone itself pools.

    Attributes:
        embedding_dim: Size of the vector or of a token.
        num_tokens: Tokens of a picture of image_size; only with `output="patches"`.

    Raises:
        ConfigError: If the backbone is of a kind that is not known here, or cannot be made.
        ShapeError: If the backbone has no such output, or refuses the pictures.
        MissingExtraError: If transformers is not installed.

    Numerics and randomness are the backbone's.

    Source: huggingface/transformers; the networks' own papers are named there.

    Example:
        ```python
        import torch
        from leworld.encoders import HuggingFaceEncoder

        config = {"model_type": "vit", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        encoder = HuggingFaceEncoder({**config, "intermediate_size": 32, "image_size": 32})
        assert encoder(torch.randn(2, 3, 32, 32)).shape == (2, encoder.embedding_dim) == (2, 16)
        ```
    """

    def __init__(
        self,
        backbone: nn.Module | Mapping[str, Any],
        *,
        image_size: int | Sequence[int] | None = None,
        output: Literal["cls", "patches", "pooled"] = "cls",
    ) -> None:
        super().__init__()
        transformers = require("transformers", extra="transformers", purpose="HuggingFaceEncoder")
        check_choice("HuggingFaceEncoder", "output", output, _OUTPUTS)
        model: Any = _create(transformers, backbone) if isinstance(backbone, Mapping) else backbone
        config: Any = getattr(model, "config", None)
        kind = getattr(config, "model_type", None)
        if not isinstance(model, nn.Module) or kind not in _KINDS:
            raise ConfigError(
                f"HuggingFaceEncoder needs a model of transformers of a kind in {quoted(_KINDS)}",
                f"it is {type(model).__name__} of the kind {described_name(kind)}",
                "Load one by `transformers.AutoModel.from_pretrained(...)`, or write an encoder of your own",
            )
        sizes = getattr(config, "hidden_sizes", None)
        self.embedding_dim = int(sizes[-1] if sizes else config.hidden_size)
        plain = not any(hasattr(config, name) for name in ("hidden_sizes", "depths"))  # one grid all through
        self.patch_size = int(config.patch_size) if plain else None
        self.native_size = getattr(config, "image_size", None)
        self.model: Any = model
        self.output = output
        self.interpolates = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
        if output != "pooled" and self.patch_size is None:
            raise ConfigError(
                f"HuggingFaceEncoder needs a vision transformer of one grid for `output='{output}'`",
                f"`{kind}` is none",
                'Take "pooled", or `TimmEncoder`, whose feature maps become tokens',
            )
        if output == "patches" and self.patch_size is not None:
            given = config.image_size if image_size is None else image_size
            height, width = sides_of("HuggingFaceEncoder", given)
            self.num_tokens = (height // self.patch_size) * (width // self.patch_size)

    @shapechecked
    def forward(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch dim"] | Float[Tensor, "batch token dim"]:
        """Encode the images."""
        height, width = images.shape[-2:]
        other = self.interpolates and (height, width) != (self.native_size, self.native_size)
        answer = self.model(images, **({"interpolate_pos_encoding": True} if other else {}))
        if self.output == "pooled":
            found = getattr(answer, "pooler_output", None)
            return self._checked(None if found is None else found.flatten(1), images)
        tokens, cell = answer.last_hidden_state, self.patch_size or 1
        before = tokens.shape[1] - (height // cell) * (width // cell)  # the class token, and registers
        if before < 0 or (self.output == "cls" and not before):
            return self._checked(None, images)
        return self._checked(tokens[:, 0] if self.output == "cls" else tokens[:, before:], images)

    def _checked(self, found: Tensor | None, images: Tensor) -> Tensor:
        if found is None or found.shape[-1] != self.embedding_dim:
            shape = "none" if found is None else f"one of shape {tuple(found.shape)}"
            raise ShapeError(
                f"HuggingFaceEncoder needs a backbone with `{self.output}` of {self.embedding_dim} numbers",
                f"of `images` {tuple(images.shape)} {type(self.model).__name__} made {shape}",
                f"Take another `output` of {quoted(_OUTPUTS)}",
            )
        return found

    def _rebuilt_from(self) -> dict[str, Any]:
        """Return what takes the place of a backbone that was handed over, in the record of the arguments."""
        config: Any = self.model.config
        own = {
            name: value
            for name, value in {**config.to_diff_dict(), "model_type": config.model_type}.items()
            if not name.startswith("_") and name not in _OF_A_RUN and value is not None
        }
        return {"backbone": json.loads(json.dumps(own))}

    def _from_foreign(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a backbone's file under the names of this module's."""
        own = self.state_dict().keys()
        if not tensors.keys().isdisjoint(own):
            return tensors
        return {f"model.{name}": value for name, value in tensors.items()}


def _create(transformers: Any, config: Mapping[str, Any]) -> Any:
    kind = config.get("model_type")
    if kind not in _KINDS:
        raise ConfigError(
            "HuggingFaceEncoder needs a `model_type` that it knows",
            f"it is {describe(kind)}",
            f"Known: {quoted(_KINDS)}",
        )
    refused = sorted(name for name in map(str, config) if name in _REFUSED or name.startswith("_"))
    if refused:
        raise ConfigError(
            "HuggingFaceEncoder needs a config of sizes and settings of the network alone",
            f"it has {quoted(refused)}",
            "Leave these out, or make the model yourself and pass it",
        )
    try:
        settings = {name: _listed(value) for name, value in config.items() if name != "model_type"}
        made = transformers.AutoConfig.for_model(kind, **settings)
        return transformers.AutoModel.from_config(made)
    except Exception as error:  # transformers' constructors raise whatever they do
        raise ConfigError(
            "HuggingFaceEncoder needs a config that transformers takes",
            f"`{kind}` raised {type(error).__name__}: {' '.join(str(error).split())[:200]}",
            f"See the arguments of transformers' config for `{kind}`",
        ) from error


def _listed(value: Any) -> Any:
    """Return a checkpoint's tuple as the list that transformers wants."""
    return [_listed(item) for item in value] if isinstance(value, tuple) else value
