"""Mistakes at the doors of `leworld.encoders`, and what they must say."""

import torch
from torch import nn

from leworld.data import Observation
from leworld.encoders import (
    ActionEncoder,
    ConvEncoder,
    DINOv2Encoder,
    FusedEncoder,
    HuggingFaceEncoder,
    ImpalaEncoder,
    LinearEncoder,
    NormedConvEncoder,
    PooledTokens,
    ResNetEncoder,
    SimNormAdapter,
    SimNormEncoder,
    TimmEncoder,
    VectorEncoder,
    ViTEncoder,
    dinov2_state_dict,
)
from leworld.errors import CheckpointError, ConfigError, LeWorldError, ShapeError
from tests.bad_input import BadInput
from tests.encoders.tokens import PatchTokens


def vit(**options) -> ViTEncoder:
    return ViTEncoder(
        **{"image_size": 8, "patch_size": 4, "hidden_dim": 6, "depth": 1, "num_heads": 2, **options}
    )


def dinov2(size=None, **options) -> DINOv2Encoder:
    size = {"hidden_dim": 6, "depth": 1, "num_heads": 2, "mlp_dim": 6} if size is None else size
    return DINOv2Encoder(size, **{"image_size": 8, "patch_size": 4, "position_grid": 2, **options})


def two_parts() -> FusedEncoder:
    return FusedEncoder({"pixels": ConvEncoder(8, 4, channels=(2,)), "proprio": VectorEncoder(3, 4)})


def resnet(**options) -> ResNetEncoder:
    return ResNetEncoder(8, 4, **{"blocks": (1, 1, 1, 1), "width": 2, **options})


def pooled_liar() -> PooledTokens:
    told = VectorEncoder(3, 4)
    told.num_tokens = 2
    return PooledTokens(told)


def vectors(**options) -> FusedEncoder:
    return FusedEncoder({"a": VectorEncoder(3, 4), "b": VectorEncoder(3, 4)}, 4, **options)


def two_cameras() -> FusedEncoder:
    return FusedEncoder({"a": PatchTokens(), "b": PatchTokens(embedding_dim=5)}, fusion="tile")


def liar() -> FusedEncoder:
    encoder = vectors(fusion="attention")
    told = PatchTokens()
    encoder._counts["a"], encoder._dims["a"] = told.num_tokens, told.embedding_dim
    return encoder


def row(name: str, case: str, call, error: type[LeWorldError], *mentions: str) -> BadInput:
    return BadInput(f"leworld.encoders.{name}", case, call, error, mentions)


IMAGE = torch.randn(2, 3, 8, 8)
PAIR = Observation(parts={"a": torch.randn(2, 3), "b": torch.randn(2, 3)})
ROWS: list[BadInput] = [
    row("NormedConvEncoder", "an odd side", lambda: NormedConvEncoder(6), ConfigError, "image_size=6"),
    row("NormedConvEncoder", "no width", lambda: NormedConvEncoder(8, (4, 0)), ConfigError, "channels"),
    row("NormedConvEncoder", "no stage", lambda: NormedConvEncoder(8, ()), ConfigError, "one stage"),
    row(
        "NormedConvEncoder",
        "other pictures",
        lambda: NormedConvEncoder(8, (4,))(torch.zeros(1, 3, 4, 4)),
        ShapeError,
        "(3, 8, 8)",
    ),
    row("ViTEncoder", "unknown size", lambda: ViTEncoder(size="tiniest"), ConfigError, "tiny"),
    row("ViTEncoder", "patch does not divide", lambda: ViTEncoder(64, 14), ConfigError, "patch_size=14"),
    row("ViTEncoder", "heads do not divide", lambda: vit(num_heads=4), ConfigError, "num_heads=4"),
    row("ViTEncoder", "no blocks", lambda: vit(depth=0), ConfigError, "depth"),
    row("ViTEncoder", "no time axis taken", lambda: vit()(IMAGE[None]), ShapeError, "4"),
    row("ViTEncoder", "tokens of no patches", lambda: vit().tokens(IMAGE[..., :0]), ShapeError, "multiples"),
    row("ViTEncoder", "one image alone", lambda: vit()(IMAGE[0]), ShapeError, "batch"),
    row("ViTEncoder", "channels last", lambda: vit()(IMAGE.permute(0, 2, 3, 1)), ShapeError, "multiples"),
    row("ViTEncoder", "grey image", lambda: vit()(IMAGE[:, :1]), ShapeError, "3 channels"),
    row("ViTEncoder", "side no multiple", lambda: vit()(IMAGE[..., :6]), ShapeError, "patch size 4"),
    row("ViTEncoder", "no pixels", lambda: vit()(IMAGE[..., :0]), ShapeError, "patch size 4"),
    row("ViTEncoder", "integer pixels", lambda: vit()(IMAGE.to(torch.uint8)), ShapeError, "processor"),
    row("LinearEncoder", "no entries", lambda: LinearEncoder(0), ConfigError, "in_dim"),
    row("LinearEncoder", "no embedding", lambda: LinearEncoder(3, 0), ConfigError, "embedding_dim"),
    row("LinearEncoder", "other vectors", lambda: LinearEncoder(3)(torch.zeros(2, 4)), ShapeError, "in_dim"),
    row("DINOv2Encoder", "unknown size", lambda: DINOv2Encoder("giant"), ConfigError, "large"),
    row("DINOv2Encoder", "a number missing", lambda: DINOv2Encoder({"depth": 2}), ConfigError, "hidden_dim"),
    row("DINOv2Encoder", "patch", lambda: dinov2(patch_size=3), ConfigError, "patch_size=3", "image_size=8"),
    row("DINOv2Encoder", "three sides", lambda: dinov2(image_size=(8, 8, 8)), ConfigError, "height"),
    row("DINOv2Encoder", "no such output", lambda: dinov2(output="mean"), ConfigError, "patches"),
    row("DINOv2Encoder", "registers", lambda: dinov2(num_registers=-1), ConfigError, "num_registers=-1"),
    row("DINOv2Encoder", "no grid", lambda: dinov2(position_grid=0), ConfigError, "position_grid"),
    row("DINOv2Encoder", "no table", lambda: dinov2(position_interpolation="x"), ConfigError, "torch_hub"),
    row("DINOv2Encoder", "side no multiple", lambda: dinov2()(IMAGE[..., :6]), ShapeError, "patch size 4"),
    row("DINOv2Encoder", "no batch", lambda: dinov2()(IMAGE[0]), ShapeError, "batch"),
    row("DINOv2Encoder", "grey image", lambda: dinov2()(IMAGE[:, :1]), ShapeError, "3 channels"),
    row("TimmEncoder", "no name", lambda: TimmEncoder(3), ConfigError, "create_model", "3"),
    row("TimmEncoder", "unknown", lambda: TimmEncoder("resnet19"), ConfigError, "`resnet19`", "list_models"),
    row("TimmEncoder", "a place", lambda: TimmEncoder("hf-hub:me/x"), ConfigError, "`hf-hub:me/x`"),
    row("TimmEncoder", "output", lambda: TimmEncoder("resnet18", output="mean"), ConfigError, "pooled"),
    row("TimmEncoder", "sides", lambda: TimmEncoder("resnet18", image_size=0), ConfigError, "image_size=0"),
    row("TimmEncoder", "options", lambda: TimmEncoder("resnet18", options=[3]), ConfigError, "by name"),
    row("TimmEncoder", "no batch", lambda: TimmEncoder("resnet18")(IMAGE[0]), ShapeError, "batch"),
    row("HuggingFaceEncoder", "a name", lambda: HuggingFaceEncoder("me/x"), ConfigError, "from_pretrained"),
    row("HuggingFaceEncoder", "no kind", lambda: HuggingFaceEncoder({}), ConfigError, "model_type", "vit"),
    row(
        "HuggingFaceEncoder",
        "no such setting",
        lambda: HuggingFaceEncoder({"model_type": "vit", "hidden_size": 8, "num_attention_heads": 3}),
        ConfigError,
        "vit",
    ),
    row("dinov2_state_dict", "no tensors", lambda: dinov2_state_dict({"a": 1}), CheckpointError, "by name"),
    row("dinov2_state_dict", "another network", lambda: dinov2_state_dict({}), CheckpointError, "torch.hub"),
    row("ConvEncoder", "odd size", lambda: ConvEncoder(50), ConfigError, "image_size=50", "16"),
    row("ConvEncoder", "no stages", lambda: ConvEncoder(channels=()), ConfigError, "0 stages"),
    row("ConvEncoder", "pooling", lambda: ConvEncoder(pooling="flat"), ConfigError, "flatten"),
    row("ConvEncoder", "norm", lambda: ConvEncoder(norm="layer"), ConfigError, "batch"),
    row("ConvEncoder", "fraction", lambda: ConvEncoder(embedding_dim=0.5), ConfigError, "embedding_dim"),
    row("ConvEncoder", "other size", lambda: ConvEncoder(16, 4, channels=(2,))(IMAGE), ShapeError, "16"),
    row("ConvEncoder", "rank", lambda: ConvEncoder(8, 4, channels=(2,))(IMAGE[0]), ShapeError, "batch"),
    row(
        "ConvEncoder",
        "integer pixels",
        lambda: ConvEncoder(8, 4, channels=(2,))(IMAGE.to(torch.uint8)),
        ShapeError,
        "processor",
    ),
    row("ActionEncoder", "no action", lambda: ActionEncoder(0, 4), ConfigError, "action_dim"),
    row("ActionEncoder", "smoothed", lambda: ActionEncoder(2, 4, smoothed_dim=0), ConfigError, "smoothed"),
    row(
        "ActionEncoder", "raw actions", lambda: ActionEncoder(10, 4)(IMAGE[..., :2]), ShapeError, "frameskip"
    ),
    row("ActionEncoder", "integers", lambda: ActionEncoder(8, 4)(IMAGE.long()), ShapeError, "floating-point"),
    row("VectorEncoder", "no entries", lambda: VectorEncoder(0), ConfigError, "in_dim"),
    row("VectorEncoder", "another size", lambda: VectorEncoder(3)(IMAGE), ShapeError, "in_dim", "8"),
    row("FusedEncoder", "no encoder", lambda: FusedEncoder({}), ConfigError, "one encoder for every part"),
    row("FusedEncoder", "no size", lambda: FusedEncoder({"a": nn.Flatten()}), ConfigError, "`a`", "Flatten"),
    row("FusedEncoder", "a point", lambda: FusedEncoder({"a.b": VectorEncoder(3, 4)}), ConfigError, "'a.b'"),
    row("FusedEncoder", "keys", lambda: FusedEncoder({"keys": VectorEncoder(3, 4)}), ConfigError, "'keys'"),
    row("FusedEncoder", "one tensor for two", lambda: two_parts()(IMAGE), ConfigError, "`pixels`, `proprio`"),
    row(
        "FusedEncoder",
        "a missing part",
        lambda: two_parts()(Observation(IMAGE)),
        ConfigError,
        "`proprio` is missing",
    ),
    row("FusedEncoder", "no fusion", lambda: vectors(fusion="tiles"), ConfigError, "`tile`"),
    row("FusedEncoder", "vectors to tile", lambda: vectors(fusion="tile"), ConfigError, "return tokens"),
    row("FusedEncoder", "tokens", lambda: FusedEncoder({"a": PatchTokens()}), ConfigError, "PooledTokens"),
    row("FusedEncoder", "sizes of tokens", lambda: two_cameras(), ConfigError, "one size", "6", "5"),
    row(
        "FusedEncoder", "heads", lambda: vectors(fusion="attention", num_heads=3), ConfigError, "num_heads=3"
    ),
    row("FusedEncoder", "dropout", lambda: vectors(input_dropout=1.5), ConfigError, "input_dropout=1.5"),
    row("FusedEncoder", "a", lambda: vectors(input_dropout={"a": -1}), ConfigError, "input_dropout of `a`"),
    row("FusedEncoder", "of nothing", lambda: vectors(input_dropout={"c": 0.1}), ConfigError, "'c'", "`a`"),
    row(
        "FusedEncoder",
        "the only part left out",
        lambda: FusedEncoder({"a": VectorEncoder(3)}, input_dropout=0.1),
        ConfigError,
        "two parts",
    ),
    row("FusedEncoder", "all blank", lambda: vectors()(PAIR, blank=("a", "b")), ConfigError, "leave one"),
    row("FusedEncoder", "blank is a text", lambda: vectors()(PAIR, blank="a"), ConfigError, 'blank=["a"]'),
    row("FusedEncoder", "blank unknown", lambda: vectors()(PAIR, blank=["c"]), ConfigError, "`b`"),
    row("FusedEncoder", "a liar", lambda: liar()(PAIR), ShapeError, "(batch, 4, 6)", "(2, 4)"),
    row("ResNetEncoder", "depth", lambda: ResNetEncoder(8, depth=50), ConfigError, "18 or 34", "50"),
    row("ResNetEncoder", "stages", lambda: resnet(blocks=(1, 1)), ConfigError, "four", "(1, 1)"),
    row("ResNetEncoder", "an empty stage", lambda: resnet(blocks=(1, 0, 1, 1)), ConfigError, "blocks"),
    row("ResNetEncoder", "blocks a number", lambda: resnet(blocks=4), ConfigError, "four"),
    row("ResNetEncoder", "no width", lambda: resnet(width=0), ConfigError, "width=0"),
    row("ResNetEncoder", "stem", lambda: resnet(stem="tiny"), ConfigError, "`small`"),
    row("ResNetEncoder", "norm", lambda: resnet(norm="layer"), ConfigError, "`group`"),
    row("ResNetEncoder", "pooling", lambda: resnet(pooling="max"), ConfigError, "`keypoints`"),
    row("ResNetEncoder", "no keypoints", lambda: resnet(num_keypoints=0), ConfigError, "num_keypoints"),
    row("ResNetEncoder", "other size", lambda: resnet()(IMAGE[..., :6]), ShapeError, "(3, 8, 8)"),
    row("ResNetEncoder", "grey", lambda: resnet()(IMAGE[:, :1]), ShapeError, "(3, 8, 8)"),
    row("ResNetEncoder", "integer pixels", lambda: resnet()(IMAGE.to(torch.uint8)), ShapeError, "processor"),
    row("SimNormEncoder", "too small", lambda: SimNormEncoder(38), ConfigError, "image_size=38", "39"),
    row("SimNormEncoder", "groups", lambda: SimNormEncoder(64, 3, simnorm_dim=7), ConfigError, "48"),
    row("SimNormEncoder", "strides", lambda: SimNormEncoder(strides=(2,)), ConfigError, "equally many"),
    row("SimNormEncoder", "other size", lambda: SimNormEncoder(64)(IMAGE), ShapeError, "(3, 64, 64)"),
    row("ImpalaEncoder", "no stage", lambda: ImpalaEncoder(8, channels=()), ConfigError, "one stage"),
    row("ImpalaEncoder", "no maps", lambda: ImpalaEncoder(8, channels=(4, 0)), ConfigError, "channels"),
    row("ImpalaEncoder", "size", lambda: ImpalaEncoder(0), ConfigError, "image_size"),
    row("ImpalaEncoder", "other size", lambda: ImpalaEncoder(9, 4)(IMAGE), ShapeError, "(3, 9, 9)"),
    row(
        "PooledTokens", "a vector", lambda: PooledTokens(VectorEncoder(3, 4)), ConfigError, "num_tokens", "4"
    ),
    row("PooledTokens", "no module", lambda: PooledTokens("patches"), ConfigError, "str"),
    row("PooledTokens", "pooling", lambda: PooledTokens(PatchTokens(), "cls"), ConfigError, "`attention`"),
    row(
        "PooledTokens",
        "heads",
        lambda: PooledTokens(PatchTokens(), "attention", num_heads=4),
        ConfigError,
        "num_heads=4",
        "6",
    ),
    row("SimNormAdapter", "no size", lambda: SimNormAdapter("patches", 8), ConfigError, "str"),
    row("SimNormAdapter", "groups", lambda: SimNormAdapter(VectorEncoder(3, 4), 9), ConfigError, "8", "9"),
    row(
        "SimNormAdapter", "size", lambda: SimNormAdapter(VectorEncoder(3, 4), 0), ConfigError, "embedding_dim"
    ),
    row(
        "SimNormAdapter", "tokens", lambda: SimNormAdapter(PatchTokens(), 8)(IMAGE), ShapeError, "(batch, 6)"
    ),
    row("PooledTokens", "a liar", lambda: pooled_liar()(IMAGE[:, 0, 0, :3]), ShapeError, "(batch, token, 4)"),
]
