"""Mistakes at the doors of `leworld.nn`, and what they must say."""

import torch
from torch import nn

from leworld.errors import ConfigError, LeWorldError, ShapeError
from leworld.nn import (
    MLP,
    AdaLNZero,
    BlockGRU,
    CategoricalLatents,
    ConditionedBlock,
    Conditioning,
    Frozen,
    NormedLinear,
    NormedMLP,
    PatchEmbedding,
    Projector,
    RepReLU,
    SelfAttention,
    SimNorm,
    TransformerBlock,
    configurable,
    evaluation_mode,
    interpolate_positions,
    modulate,
)
from tests.bad_input import BadInput


@configurable
class Holder(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part


def conditioned(**options) -> ConditionedBlock:
    return ConditionedBlock(8, 2, **{"head_dim": 4, "mlp_dim": 16, **options})


def table(*shape: int) -> torch.Tensor:
    return torch.randn(*shape)


def row(name: str, case: str, call, error: type[LeWorldError], *mentions: str) -> BadInput:
    return BadInput(f"leworld.nn.{name}", case, call, error, mentions)


X = torch.randn(2, 3, 8)
INT = torch.ones(2, 3, 8, dtype=torch.int64)
ROWS: list[BadInput] = [
    BadInput(
        "leworld.nn.evaluation_mode",
        "a class",
        lambda: evaluation_mode(nn.Dropout).__enter__(),
        ConfigError,
        ("Dropout", "instance"),
    ),
    row("modulate", "shapes differ", lambda: modulate(X, shift=X[..., :4], scale=X), ShapeError, "dim"),
    row("modulate", "integers", lambda: modulate(INT, shift=X, scale=X), ShapeError, "floating-point"),
    row("AdaLNZero", "no width", lambda: AdaLNZero(0, 4), ConfigError, "`dim=0`"),
    row("AdaLNZero", "condition size", lambda: AdaLNZero(8, 4)(X), ShapeError, "condition_dim", "8"),
    row("Conditioning", "no width", lambda: Conditioning(0, 4), ConfigError, "`dim=0`"),
    row("Conditioning", "kind", lambda: Conditioning(8, 8, kind="add"), ConfigError, "`film`"),
    row("Conditioning", "values", lambda: Conditioning(4, 8)(X, X), ShapeError, "`values`", "4"),
    row("Conditioning", "size", lambda: Conditioning(8, 4)(X, X), ShapeError, "`condition`", "condition_dim"),
    row("Conditioning", "axes", lambda: Conditioning(8, 8)(X, X[:1]), ShapeError, "batch=(1, 3)"),
    row("MLP", "dropout above 1", lambda: MLP(8, 8, dropout=1.5), ConfigError, "dropout"),
    row("MLP", "wrong last axis", lambda: MLP(4, 8)(X), ShapeError, "tokens", "4"),
    row("MLP", "integers", lambda: MLP(8, 8)(INT), ShapeError, "floating-point"),
    row("SelfAttention", "heads", lambda: SelfAttention(8, 3), ConfigError, "num_heads=3", "dim=8"),
    row("SelfAttention", "wrong last axis", lambda: SelfAttention(4, 2)(X), ShapeError, "tokens"),
    row("SelfAttention", "no batch axis", lambda: SelfAttention(8, 2)(X[0]), ShapeError, "batch"),
    row("SelfAttention", "no heads", lambda: SelfAttention(8, 0), ConfigError, "num_heads"),
    row(
        "SelfAttention", "dropout a string", lambda: SelfAttention(8, 2, dropout="a"), ConfigError, "dropout"
    ),
    row("TransformerBlock", "heads", lambda: TransformerBlock(8, 3, mlp_dim=8), ConfigError, "num_heads"),
    row("TransformerBlock", "eps", lambda: TransformerBlock(8, 2, mlp_dim=8, eps=-1.0), ConfigError, "eps"),
    row("TransformerBlock", "last axis", lambda: TransformerBlock(4, 2, mlp_dim=8)(X), ShapeError, "tokens"),
    row("ConditionedBlock", "mlp", lambda: conditioned(mlp_dim=0), ConfigError, "hidden_dim"),
    row("ConditionedBlock", "condition", lambda: conditioned()(X, X[..., :4]), ShapeError, "condition"),
    row("ConditionedBlock", "tokens", lambda: conditioned()(X[..., :4], X), ShapeError, "tokens"),
    row(
        "ConditionedBlock",
        "one condition",
        lambda: conditioned()(X, X[:, :1]),
        ShapeError,
        "`tokens` = 1",
        "every frame",
    ),
    row(
        "ConditionedBlock",
        "no tokens in a frame",
        lambda: conditioned(tokens_per_frame=0),
        ConfigError,
        "tokens_per_frame",
    ),
    row(
        "SelfAttention",
        "half a frame",
        lambda: SelfAttention(8, 2, causal=True, tokens_per_frame=2)(X[:, :3]),
        ShapeError,
        "token=3",
        "whole frames",
    ),
    row(
        "TransformerBlock",
        "an attention of another width",
        lambda: TransformerBlock(8, 2, mlp_dim=8, attention=SelfAttention(4, 2)),
        ConfigError,
        "attention.dim=4",
    ),
    row("PatchEmbedding", "no patch", lambda: PatchEmbedding(8, 0), ConfigError, "patch_size"),
    row(
        "PatchEmbedding",
        "channels last",
        lambda: PatchEmbedding(8, 4)(torch.randn(2, 8, 8, 3)),
        ShapeError,
        "3 channels",
    ),
    row(
        "PatchEmbedding",
        "side no multiple",
        lambda: PatchEmbedding(8, 4)(torch.randn(2, 3, 8, 10)),
        ShapeError,
        "multiples",
        "10",
    ),
    row(
        "PatchEmbedding",
        "integer pixels",
        lambda: PatchEmbedding(8, 4)(torch.ones(2, 3, 8, 8, dtype=torch.uint8)),
        ShapeError,
        "processor",
    ),
    row(
        "interpolate_positions",
        "no class token",
        lambda: interpolate_positions(table(1, 16, 4), grid_height=2, grid_width=2),
        ShapeError,
        "class token",
    ),
    row(
        "interpolate_positions",
        "no rows",
        lambda: interpolate_positions(table(1, 17, 4), grid_height=0, grid_width=2),
        ConfigError,
        "grid_height",
    ),
    row(
        "interpolate_positions",
        "two axes",
        lambda: interpolate_positions(table(17, 4), grid_height=2, grid_width=2),
        ShapeError,
        "positions",
    ),
    row("RepReLU", "integers", lambda: RepReLU()(INT), ShapeError, "floating-point"),
    row(
        "interpolate_positions",
        "unknown method",
        lambda: interpolate_positions(table(1, 17, 4), grid_height=2, grid_width=2, method="linear"),
        ConfigError,
        "cubic_offset",
    ),
    row(
        "TransformerBlock",
        "scale",
        lambda: TransformerBlock(8, 2, mlp_dim=8, layer_scale="1"),
        ConfigError,
        "layer_scale",
    ),
    row("Frozen", "no module", lambda: Frozen(nn.Linear), ConfigError, "module"),
    row("Frozen", "no source", lambda: Frozen(nn.ReLU(), stored="reference"), ConfigError, "`source`"),
    row("Frozen", "stored", lambda: Frozen(nn.ReLU(), stored="here"), ConfigError, "reference"),
    row("Frozen", "half a source", lambda: Frozen(nn.ReLU(), source={"file": "x"}), ConfigError, "sha256"),
    row("BlockGRU", "no multiple", lambda: BlockGRU(3, 8, num_blocks=3), ConfigError, "3 and 8"),
    row("BlockGRU", "no input", lambda: BlockGRU(0, 8), ConfigError, "input_dim=0"),
    row("BlockGRU", "other inputs", lambda: BlockGRU(3, 8)(X, X), ShapeError, "input_dim"),
    row("BlockGRU", "other states", lambda: BlockGRU(8, 16)(X, X), ShapeError, "state_dim"),
    row("CategoricalLatents", "a share of 2", lambda: CategoricalLatents(2.0), ConfigError, "unimix"),
    row("CategoricalLatents", "integers", lambda: CategoricalLatents()(INT), ShapeError, "floating-point"),
    row(
        "CategoricalLatents.divergence",
        "another class",
        lambda: CategoricalLatents().divergence(X, X[..., :4]),
        ShapeError,
        "other",
    ),
    row(
        "CategoricalLatents.balanced_divergence",
        "negative nats",
        lambda: CategoricalLatents().balanced_divergence(X, X, free_nats=-1.0),
        ConfigError,
        "free_nats",
    ),
    row("SimNorm", "no group", lambda: SimNorm(0), ConfigError, "`group_dim=0`"),
    row("SimNorm", "no multiple", lambda: SimNorm(3)(X), ShapeError, "group_dim=3", "(2, 3, 8)"),
    row("SimNorm", "integers", lambda: SimNorm(4)(INT), ShapeError, "floating-point"),
    row("NormedLinear", "no width", lambda: NormedLinear(8, 0), ConfigError, "`out_dim=0`"),
    row("NormedLinear", "norm", lambda: NormedLinear(8, 8, norm="batch"), ConfigError, "`layer`"),
    row("NormedLinear", "groups", lambda: NormedLinear(8, 8, simnorm_dim=3), ConfigError, "3 and 8"),
    row("NormedLinear", "last axis", lambda: NormedLinear(4, 8)(X), ShapeError, "in_dim"),
    row("NormedMLP", "a width of 0", lambda: NormedMLP(8, 8, hidden_dims=(0,)), ConfigError, "hidden_dims"),
    row("NormedMLP", "activation", lambda: NormedMLP(8, 8, activation="relu"), ConfigError, "`silu`"),
    row("NormedMLP", "groups", lambda: NormedMLP(8, 8, simnorm_dim=3), ConfigError, "3 and 8"),
    row("NormedMLP", "last axis", lambda: NormedMLP(4, 8)(X), ShapeError, "in_dim"),
    row("Projector", "last axis", lambda: Projector(4, hidden_dim=8)(X), ShapeError, "in_dim"),
    row("Projector", "one sample", lambda: Projector(8)(X[:1, :1]), ShapeError, "at least 2 samples"),
    row("Projector", "empty", lambda: Projector(8).eval()(X[:0]), ShapeError, "at least 1 sample"),
    row("Projector", "integers", lambda: Projector(8)(INT), ShapeError, "floating-point"),
    row("Projector", "fraction", lambda: Projector(8, hidden_dim=2.5), ConfigError, "hidden_dim"),
    row("configurable", "no class", lambda: configurable(nn.Identity()), ConfigError, "class"),  # type: ignore[call-overload]
    row(
        "configurable",
        "plain module inside",
        lambda: Holder(nn.Identity()).config.to_json(),
        ConfigError,
        "configurable",
        "Identity",
    ),
]
