"""Backbones of the timm library as encoders."""

import math
import re
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
_NAME = re.compile(r"[a-z0-9][a-z0-9_.]{0,99}")

# Of `timm.create_model`: what fetches or reads files, and what the encoder itself decides.
_NOT_OPTIONS = frozenset(
    (
        "model_name",
        "pretrained",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "checkpoint_path",
        "cache_dir",
        "scriptable",
        "exportable",
        "no_jit",
        "features_only",
        "out_indices",
        "num_classes",
        "in_chans",
        "img_size",
    )
)


@final
@configurable
class TimmEncoder(nn.Module):
    """Encode pictures with a backbone of timm (`pip install "leworld[timm]"`).

    Reach for it to try one of timm's convolutional networks or transformers as the eye of a world model, with
    random weights or pretrained ones, trained along or held in `leworld.nn.Frozen`. By name it is made with
    random weights. Pretrained ones come with a backbone that you made,

        TimmEncoder(timm.create_model("resnet18", pretrained=True, num_classes=0))

    or from a file, by `leworld.serialise.load_weights` or `leworld.hub.pretrained`. A checkpoint holds the
    name and the weights; loading makes the backbone by its name, fetches nothing, and needs timm.

    Shapes:
        images (batch, channel, height, width) -> (batch, embedding_dim), or (batch, token, embedding_dim) for
        "patches", in reading order.

    Args:
        backbone: A name that timm knows, or a model that timm made, without a classifier (`num_classes=0`).
        image_size: Side of the pictures, or height and width; None is what timm says of the backbone. One of
            a fixed size, such as a ViT, is made for this size; others take any.
        output: "pooled" for the one vector that timm makes of the features, "cls" for the class token of a
            transformer, "patches" for a token for each patch or cell of the last feature map.
        options: Further arguments of `timm.create_model`, such as `{"drop_path_rate": 0.1}`. For a backbone
            that you made, those that it was made with beside its name, so that it can be made again.

    Attributes:
        embedding_dim: Size of the vector or of a token.
        num_tokens: Tokens of a picture of image_size; only with `output="patches"`.

    Raises:
        ConfigError: If timm does not know the backbone, it has a classifier, it has no class token where that
            is asked for, or an option is refused.
        ShapeError: If the backbone refuses the pictures, or returns something else than said.
        MissingExtraError: If timm is not installed.

    Numerics and randomness are the backbone's. In training its BatchNorms use batch statistics.

    Source: Wightman, PyTorch Image Models (huggingface/pytorch-image-models); the networks' own papers are
    named there.

    Example:
        ```python
        import torch
        from leworld.encoders import TimmEncoder
        from leworld.nn import Frozen

        encoder = Frozen(TimmEncoder("resnet18", image_size=64))
        assert encoder(torch.randn(2, 3, 64, 64)).shape == (2, encoder.embedding_dim) == (2, 512)
        ```
    """

    def __init__(
        self,
        backbone: str | nn.Module,
        *,
        image_size: int | Sequence[int] | None = None,
        output: Literal["pooled", "cls", "patches"] = "pooled",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        timm = require("timm", extra="timm", purpose="TimmEncoder")
        check_choice("TimmEncoder", "output", output, _OUTPUTS)
        _check_options(options)
        sides = None if image_size is None else sides_of("TimmEncoder", image_size)
        if isinstance(backbone, str):
            model = _create(timm, backbone, sides, options or {})
            name = backbone
        else:
            model: Any = backbone
            name = _name_of(backbone)
        if getattr(model, "num_classes", 0):
            raise ConfigError(
                "TimmEncoder needs a backbone without a classifier",
                f"this one tells {model.num_classes} classes apart",
                "Make it with `timm.create_model(..., num_classes=0)`",
            )
        if output == "cls" and getattr(model, "cls_token", None) is None:
            raise ConfigError(
                "TimmEncoder needs a transformer with a class token for `output='cls'`",
                f"`{name}` has none",
                'Take "pooled" or "patches"',
            )
        self.backbone: Any = model
        self.output = output
        self.name = name
        width = int(model.num_features)
        self.embedding_dim = int(getattr(model, "head_hidden_size", width)) if output == "pooled" else width
        if output == "patches":
            height, width = (
                sides_of("TimmEncoder", model.pretrained_cfg["input_size"][1:]) if sides is None else sides
            )
            cell = int(model.feature_info[-1]["reduction"])
            self.num_tokens = math.ceil(height / cell) * math.ceil(width / cell)

    @shapechecked
    def forward(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch dim"] | Float[Tensor, "batch token dim"]:
        """Encode the images."""
        if self.output == "pooled":
            return self._checked(self.backbone(images), images)
        features = self.backbone.forward_features(images)
        if self.output == "cls":
            return self._checked(features[:, 0], images)
        if features.ndim == 4:
            last = getattr(self.backbone, "output_fmt", "NCHW") == "NHWC"
            return self._checked(
                features.flatten(1, 2) if last else features.flatten(2).transpose(1, 2), images
            )
        return self._checked(features[:, getattr(self.backbone, "num_prefix_tokens", 0) :], images)

    def _checked(self, found: Tensor, images: Tensor) -> Tensor:
        if found.ndim != (3 if self.output == "patches" else 2) or found.shape[-1] != self.embedding_dim:
            raise ShapeError(
                f"TimmEncoder needs a backbone with `{self.output}` of {self.embedding_dim} numbers",
                f"of `images` {tuple(images.shape)} `{self.name}` made {tuple(found.shape)}",
                "Take another `output`, or leave out `options` that change what it returns",
            )
        return found

    def _rebuilt_from(self) -> dict[str, Any]:
        """Return what takes the place of a backbone that was handed over, in the record of the arguments."""
        return {"backbone": self.name}

    def _from_foreign(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a file of timm's under the names of this module's, without a classifier."""
        own = self.state_dict().keys()
        if not tensors.keys().isdisjoint(own):
            return tensors
        config = getattr(self.backbone, "pretrained_cfg", None) or {}
        said = config.get("classifier") or ()
        heads = (said,) if isinstance(said, str) else tuple(said)
        left = {name for name in tensors if any(name.startswith(f"{head}.") for head in heads)}
        return {
            f"backbone.{name}": value
            for name, value in tensors.items()
            if name not in left or f"backbone.{name}" in own
        }


def _create(timm: Any, name: str, sides: tuple[int, int] | None, options: Mapping[str, Any]) -> Any:
    if not _NAME.fullmatch(name) or not timm.is_model(name.partition(".")[0]):
        raise ConfigError(
            "TimmEncoder needs the name of an architecture that timm knows",
            f"it is {described_name(name)}",
            "See `timm.list_models()`",
        )
    name = name.partition(".")[0]  # what follows tells pretrained weights apart, and there are none
    config = timm.get_pretrained_cfg(name)
    fixed = sides is not None and bool(getattr(config, "fixed_input_size", False))
    try:
        return timm.create_model(
            name, pretrained=False, num_classes=0, **({"img_size": sides} if fixed else {}), **options
        )
    except Exception as error:  # timm's constructors raise whatever they do
        raise ConfigError(
            "TimmEncoder needs arguments that `timm.create_model` takes for this backbone",
            f"`{name}` raised {type(error).__name__}: {' '.join(str(error).split())[:200]}",
            "Look at `options` and `image_size`",
        ) from error


def _name_of(backbone: object) -> str:
    config = getattr(backbone, "pretrained_cfg", None)
    name = config.get("architecture") if isinstance(config, Mapping) else None
    if not isinstance(backbone, nn.Module) or not isinstance(name, str):
        raise ConfigError(
            "TimmEncoder needs `backbone` to be a name, or a model that `timm.create_model` made",
            f"it is {describe(backbone) if not isinstance(backbone, nn.Module) else type(backbone).__name__}",
            "For a module of your own write an encoder: a `configurable` class with an `embedding_dim`",
        )
    return name


def _check_options(options: object) -> None:
    if options is None:
        return
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise ConfigError(
            "TimmEncoder needs `options` to be arguments by name", f"it is {describe(options)}", "Pass a dict"
        )
    refused = sorted(_NOT_OPTIONS & options.keys())
    if refused:
        raise ConfigError(
            "TimmEncoder needs `options` that shape the backbone alone",
            f"they have {quoted(refused)}",
            "Say sizes by `image_size`; for pretrained weights make the backbone yourself and pass it",
        )
