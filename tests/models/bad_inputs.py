"""Mistakes at the doors of `leworld.models`, and what they must say."""

import numpy as np
import torch
from torch import nn

from leworld.data import Batch, Observation, Processor, RawBatch
from leworld.encoders import ActionEncoder, ConvEncoder, LinearEncoder
from leworld.errors import ConfigError, LeWorldError, NonFiniteError, ShapeError
from leworld.models import (
    DINOWM,
    PLDM,
    History,
    LeWM,
    Losses,
    concatenate_states,
    dinowm_settings,
    embed,
    embed_rows,
    model_batch,
    model_input,
    processor_of,
    rollout_flops,
    state_layout,
    state_rows,
    to_weights,
)
from leworld.nn import Projector, configurable
from leworld.predictors import IncrementalPredictor, TokenTransformerPredictor
from leworld.regularizers import SIGReg
from tests.bad_input import BadInput
from tests.models.bad_rssm_inputs import ROWS as RSSM_ROWS
from tests.models.bad_tdmpc2_inputs import ROWS as TDMPC2_ROWS
from tests.models.cases import batch, lewm
from tests.models.dinowm import PatchEncoder, dinowm
from tests.models.toys import Tokens


@configurable
class Sizeless(nn.Module):
    """An encoder that does not say its size."""

    def __init__(self) -> None:
        super().__init__()


def build(**parts) -> LeWM:
    right = lewm()
    names = ("encoder", "predictor", "action_encoder", "projector", "prediction_projector")
    return LeWM(**{name: getattr(right, name) for name in names} | parts)


def build_pldm(**parts) -> PLDM:
    right = lewm()
    names = ("encoder", "predictor", "action_encoder", "projector", "prediction_projector")
    return PLDM(**{name: getattr(right, name) for name in names} | parts)


def reading(what: str) -> nn.Module:
    regularizer = SIGReg(4)
    regularizer.reads = what
    return regularizer


def encode(frames: torch.Tensor) -> object:
    return lewm().encode(frames)


def predict(embeddings: torch.Tensor, actions: torch.Tensor) -> object:
    return lewm().predict(embeddings, actions)


class Undecided(IncrementalPredictor):
    """A predictor that does not say what becomes of its past."""

    embedding_dim, condition_dim, history_size = 5, 7, 3

    def prepare(self, embeddings, past_conditions, conditions):
        raise NotImplementedError

    def extend(self, memory, embeddings):
        raise NotImplementedError


def misstated() -> Tokens:
    model = Tokens()
    model.latent_shape = (4, 2)
    return model


def lossless() -> LeWM:
    model = lewm()
    model._loss = lambda batch, generator: {"loss": 1.0}
    return model


def token_predictor() -> TokenTransformerPredictor:
    return TokenTransformerPredictor(6, 4, condition_dim=3, depth=1, num_heads=1, head_dim=2, mlp_dim=4)


def tokens_of(encoder: nn.Module, action_encoder: nn.Module | None = None) -> DINOWM:
    predictor = token_predictor()
    return DINOWM(encoder, predictor, action_encoder=action_encoder or LinearEncoder(4, 3))


def of_parts() -> LeWM:
    """A model that reads a part which its processor does not know."""
    model = able()
    model.observation_parts = ("pixels", "proprio")
    return model


def able() -> LeWM:
    """A model with a processor."""
    model = lewm()
    model.processor = Processor(8, frameskip=2, action_dim=2, action_mean=(0.0, 0.0), action_std=(1.0, 1.0))
    return model


def raw_windows() -> RawBatch:
    return RawBatch(
        torch.zeros(2, 2, 8, 8, 3, dtype=torch.uint8),
        torch.zeros(2, 4, 2),
        torch.zeros(2, 2, dtype=torch.int64),
    )


def observe(state: object, frames: torch.Tensor) -> object:
    return lewm().observe(state, frames)


def rollout(context: torch.Tensor, past: torch.Tensor, actions: torch.Tensor) -> object:
    return lewm().rollout(context, past, actions)


def loss(frames: torch.Tensor, actions: torch.Tensor) -> object:
    return lewm().loss(Batch(frames, actions))


def row(name: str, case: str, call, error: type[LeWorldError], *mentions: str) -> BadInput:
    return BadInput(f"leworld.models.{name}", case, call, error, mentions)


X, A = batch().observations, batch().actions
OTHER = torch.float32 if X.dtype == torch.float64 else torch.float64  # than the weights
Z, B, C = torch.randn(2, 3, 5), torch.randn(2, 3, 4), torch.randn(2, 6, 5, 4)
PAST = B[:, :2]
HISTORY = History(Z, PAST)
FILM = np.zeros((2, 8, 8, 3), np.uint8)
NAN = float("nan")
ROWS: list[BadInput] = [
    *RSSM_ROWS,
    *TDMPC2_ROWS,
    row("LeWM", "negative weight", lambda: build(regularizer_weight=-0.1), ConfigError, "regularizer_weight"),
    row(
        "LeWM", "projector too small", lambda: build(projector=Projector(4)), ConfigError, "projector.in_dim"
    ),
    row(
        "LeWM",
        "action embedding",
        lambda: build(action_encoder=ActionEncoder(4, 6)),
        ConfigError,
        "condition_dim",
        "7 and 6",
    ),
    row("LeWM", "encoder of tokens", lambda: build(encoder=PatchEncoder()), ConfigError, "PooledTokens"),
    row("LeWM", "predictor of tokens", lambda: build(predictor=token_predictor()), ConfigError, "DINOWM"),
    row("LeWM", "encoder without a size", lambda: build(encoder=Sizeless()), ConfigError, "embedding_dim"),
    row("LeWM", "reads what", lambda: build(regularizer=reading("frames")), ConfigError, "`reads`", "frames"),
    row("LeWM", "no losses", lambda: build(auxiliary={}), ConfigError, "`auxiliary`", "None"),
    row(
        "LeWM",
        "a loss without a weight",
        lambda: build(auxiliary={"more": SIGReg(4)}),
        ConfigError,
        "`auxiliary_weights`",
        "`more`",
    ),
    row(
        "LeWM", "a weight without a loss", lambda: build(auxiliary_weights={"more": 1.0}), ConfigError, "none"
    ),
    row(
        "LeWM",
        "a negative weight of a loss",
        lambda: build(auxiliary={"more": SIGReg(4)}, auxiliary_weights={"more": -1.0}),
        ConfigError,
        "auxiliary_weights['more']",
    ),
    row(
        "LeWM",
        "a loss by a name of the model's own",
        lambda: build(auxiliary={"prediction": SIGReg(4)}, auxiliary_weights={"prediction": 1.0}),
        ConfigError,
        "`prediction`",
    ),
    row(
        "LeWM",
        "a loss by a name that no module can have",
        lambda: build(auxiliary={"a.b": SIGReg(4)}, auxiliary_weights={"a.b": 1.0}),
        ConfigError,
        "names that a module can have",
    ),
    row("PLDM", "another regularizer", lambda: build_pldm(regularizer=SIGReg(4)), ConfigError, "PLDMTerms"),
    row(
        "PLDM",
        "projector too small",
        lambda: build_pldm(projector=Projector(4)),
        ConfigError,
        "PLDM needs",
        "projector.in_dim",
    ),
    row("PLDM", "no projector", lambda: build_pldm(projector=None), ConfigError, "`encoder.embedding_dim`"),
    row("LeWM.encode", "no time axis", lambda: encode(X[:, 0]), ShapeError, "time"),
    row("LeWM.encode", "integer pixels", lambda: encode(X.to(torch.uint8)), ShapeError, "processor"),
    row("LeWM.encode", "channels last", lambda: encode(X.permute(0, 1, 3, 4, 2)), ShapeError, "channel"),
    row("LeWM.encode", "other size", lambda: encode(X[..., :4]), ShapeError, "(3, 8, 8)"),
    row("LeWM.encode", "float64", lambda: encode(X.to(OTHER)), ShapeError, "float32", "float64"),
    row("LeWM.encode", "empty", lambda: encode(X[:0]), ShapeError, "at least one"),
    row("LeWM.encode", "NaN", lambda: encode(X * NAN), NonFiniteError, "observations"),
    row("LeWM.encode", "one sample in training", lambda: encode(X[:1, :1]), ShapeError, "at least 2 samples"),
    row("LeWM.encode", "numpy", lambda: encode(X.numpy()), ShapeError, "observations"),
    row(
        "LeWM.predict",
        "window too long",
        lambda: predict(Z.repeat(1, 2, 1), B.repeat(1, 2, 1)),
        ShapeError,
        "3",
    ),
    row("LeWM.predict", "no frame", lambda: predict(Z[:, :0], B[:, :0]), ShapeError, "at least one"),
    row(
        "LeWM.predict",
        "raw actions",
        lambda: predict(Z, B[..., :2]),
        ShapeError,
        "action_dim = 4",
        "frameskip",
    ),
    row("LeWM.predict", "other embeddings", lambda: predict(B, B), ShapeError, "latent_shape = (5,)"),
    row("LeWM.predict", "fewer actions", lambda: predict(Z, B[:, :2]), ShapeError, "time=2"),
    row("LeWM.predict", "integer actions", lambda: predict(Z, B.long()), ShapeError, "floating-point"),
    row("LeWM.predict", "NaN action", lambda: predict(Z, B * NAN), NonFiniteError, "actions"),
    row("LeWM.rollout", "no sample axis", lambda: rollout(Z, PAST, C[:, 0]), ShapeError, "sample"),
    row("LeWM.rollout", "past as long as context", lambda: rollout(Z, B, C), ShapeError, "past_actions"),
    row(
        "LeWM.rollout", "raw actions", lambda: rollout(Z, PAST[..., :2], C[..., :2]), ShapeError, "frameskip"
    ),
    row("LeWM.rollout", "horizon 0", lambda: rollout(Z, PAST, C[:, :, :0]), ShapeError, "at least one"),
    row("LeWM.rollout", "other batch", lambda: rollout(Z, PAST, C[:1]), ShapeError, "batch=1"),
    row("LeWM.rollout", "frames, not embeddings", lambda: rollout(X, PAST, C), ShapeError, "context"),
    row("LeWM.rollout", "NaN candidate", lambda: rollout(Z, PAST, C * NAN), NonFiniteError, "actions"),
    row("LeWM.rollout", "NaN context", lambda: rollout(Z * NAN, PAST, C), NonFiniteError, "context"),
    row("LeWM.loss", "not a batch", lambda: lewm().loss(X), ConfigError, "batch", "Batch"),
    row("LeWM.loss", "one trajectory", lambda: loss(X[:1], A[:1]), ShapeError, "batch=1", "larger batch"),
    row("LeWM.loss", "one frame", lambda: loss(X[:, :1], A[:, :1]), ShapeError, "time=1"),
    row(
        "LeWM.loss",
        "window too long",
        lambda: loss(X.repeat(1, 2, 1, 1, 1), A.repeat(1, 2, 1)),
        ShapeError,
        "time=8",
    ),
    row("LeWM.loss", "fewer actions", lambda: loss(X, A[:, :3]), ShapeError, "(6, 4)", "(6, 3)"),
    row("LeWM.loss", "raw actions", lambda: loss(X, A[..., :2]), ShapeError, "frameskip"),
    row("LeWM.loss", "integer pixels", lambda: loss(X.to(torch.uint8), A), ShapeError, "processor"),
    row("LeWM.loss", "no time axis", lambda: loss(X[:, 0], A[:, 0]), ShapeError, "batch.observations"),
    row("LeWM.loss", "NaN pixels", lambda: loss(X * NAN, A), NonFiniteError, "observations"),
    row("LeWM.loss", "NaN actions", lambda: loss(X, A * NAN), NonFiniteError, "batch.actions"),
    row("LeWM.loss", "empty", lambda: loss(X[:0], A[:0]), ShapeError, "at least one"),
    row(
        "LeWM.observe", "state without action", lambda: observe(HISTORY, X[:, 0]), ConfigError, "past_action"
    ),
    row("LeWM.observe", "a time axis", lambda: observe(None, X), ShapeError, "(batch, channel"),
    row(
        "LeWM.observe",
        "a state of others",
        lambda: lewm().observe(HISTORY, X[:1, 0], B[:1, 0]),
        ShapeError,
        "batch=1",
        "state_rows",
    ),
    row("LeWM.imagine", "no state", lambda: lewm().imagine(None, C), ConfigError, "History", "None"),
    row("LeWM.imagine", "a state of others", lambda: lewm().imagine(HISTORY, C[:1]), ShapeError, "batch=1"),
    row("LeWM.imagine", "raw actions", lambda: lewm().imagine(HISTORY, C[..., :2]), ShapeError, "frameskip"),
    row("LeWM", "no `slides`", lambda: build(predictor=Undecided()), ConfigError, "`slides`"),
    row("Losses", "a number", lambda: Losses(1.0, latents=Z), ConfigError, "`terms`", "1.0"),  # pyright: ignore
    row("Losses", "no name", lambda: Losses({3: Z.sum()}, latents=Z), ConfigError, "`terms`"),  # pyright: ignore
    row("Losses", "no term", lambda: Losses({}, latents=Z), ConfigError, "at least one"),
    row("Losses", "a vector", lambda: Losses({"a": Z}, latents=Z), ShapeError, "`a`", "scalar"),
    row(
        "LeWM.encode",
        "latents of another shape",
        lambda: misstated().encode(X),
        ShapeError,
        "(4, 2)",
        "_encode",
    ),
    row(
        "LeWM.loss",
        "a loss that is no Losses",
        lambda: lossless().loss(batch()),
        ConfigError,
        "Return `Losses(",
    ),
    row(
        "check_knows_parts",
        "a part that the processor does not know",
        lambda: embed(of_parts(), Observation(FILM)),
        ConfigError,
        "it knows `pixels`",
        "parts=['proprio']",
    ),
    row("embed_rows", "no episodes", lambda: embed_rows(able(), FILM), ConfigError, "`episodes`", "Episodes"),  # type: ignore[arg-type]
    row("embed", "no processor", lambda: embed(lewm(), FILM), ConfigError, "none was set"),
    row("embed", "no model", lambda: embed(nn.Linear(1, 1), FILM), ConfigError, "embed", "WorldModel"),
    row("embed", "a batch of 0", lambda: embed(able(), FILM, batch_size=0), ConfigError, "batch_size=0"),
    row("embed", "floating-point frames", lambda: embed(able(), FILM / 255), ShapeError, "uint8"),
    row("model_batch", "no processor", lambda: model_batch(lewm(), raw_windows()), ConfigError, "processor"),
    row("model_batch", "a batch", lambda: model_batch(able(), batch()), ConfigError, "RawBatch", "Windows"),
    row("model_input", "no processor", lambda: model_input(lewm(), FILM), ConfigError, "processor"),
    row(
        "model_input",
        "another part",
        lambda: model_input(able(), Observation(parts={"proprio": np.zeros((2, 3))})),
        ConfigError,
        "`pixels`",
    ),
    row("processor_of", "a class", lambda: processor_of(LeWM, owner="me"), ConfigError, "me needs"),
    row("to_weights", "a picture", lambda: to_weights(lewm(), FILM), ShapeError, "tensor"),
    row("concatenate_states", "none", lambda: concatenate_states([]), ConfigError, "at least one"),
    row("concatenate_states", "other sizes", lambda: concatenate_states([Z, B]), ShapeError, "(3, 4)"),
    row("state_rows", "no tensor", lambda: state_rows({"step": 3}, [0]), ConfigError, "3", "tensors"),
    row("DINOWM", "negative weight", lambda: dinowm(proprio_weight=-1.0), ConfigError, "proprio_weight"),
    row(
        "DINOWM",
        "another grid",
        lambda: tokens_of(PatchEncoder(12, 4)),
        ConfigError,
        "4 tokens (2 x 2)",
        "9 tokens (3 x 3)",
        "12 pixels",
        "for pictures of 8 pixels",
    ),
    row(
        "DINOWM",
        "an encoder of vectors",
        lambda: tokens_of(ConvEncoder(8, 6, channels=(4, 4))),
        ConfigError,
        "num_tokens",
    ),
    row(
        "DINOWM",
        "features of another size",
        lambda: tokens_of(PatchEncoder(8, 4, 5)),
        ConfigError,
        "predictor.embedding_dim",
        "6 and 5",
    ),
    row(
        "DINOWM",
        "another action embedding",
        lambda: tokens_of(PatchEncoder(), LinearEncoder(4, 2)),
        ConfigError,
        "predictor.condition_dim",
        "action_encoder.embedding_dim",
    ),
    row(
        "DINOWM.encode",
        "pictures of another size",
        lambda: dinowm(proprio=False).encode(torch.zeros(1, 1, 3, 12, 12)),
        ShapeError,
        "4 tokens (2 x 2)",
        "12 x 12 pixels",
        "9 tokens (3 x 3)",
    ),
    row(
        "DINOWM.encode",
        "pictures alone",
        lambda: dinowm().encode(X),
        ConfigError,
        "2 parts",
        "`proprio`",
    ),
    row("dinowm_settings", "unknown", lambda: dinowm_settings("dinowm"), ConfigError, "`dino-wm`"),
    row(
        "DINOWMSettings",
        "of another model",
        lambda: dinowm_settings().check(lewm()),  # pyright: ignore
        ConfigError,
        "DINOWM",
    ),
    row("rollout_flops", "no model", lambda: rollout_flops(Z, horizon=2), ConfigError, "WorldModel"),  # pyright: ignore
    row("rollout_flops", "no step", lambda: rollout_flops(lewm(), horizon=0), ConfigError, "horizon=0"),
    row(
        "rollout_flops",
        "no frame",
        lambda: rollout_flops(lewm(), horizon=1, context=0),
        ConfigError,
        "context=0",
    ),
    row("state_layout", "no tensor", lambda: state_layout(("a",)), ConfigError, "'a'", "tensors"),
]
