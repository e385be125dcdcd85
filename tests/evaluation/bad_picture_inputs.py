"""Mistakes with imagined rollouts and maps of embeddings, and what users must be told."""

import numpy as np
import torch

from leworld.errors import ConfigError, DataError, LeWorldError, NonFiniteError, ShapeError
from leworld.evaluation import ImaginedRollouts, LatentMap, imagined_rollouts, latent_map
from tests.bad_input import BadInput
from tests.decoders.worlds import DotModel, films
from tests.evaluation.imagined import decoder

NAN = float("nan")


def _imagine(case: str, error: type[LeWorldError], *mentions: str, model=None, episodes=None, **options):
    def call() -> object:
        chosen = {"decoder": decoder(), "horizon": 2, **options}
        who, what = DotModel() if model is None else model(), films(6, 6) if episodes is None else episodes
        return imagined_rollouts(who, what, **chosen)

    return BadInput("leworld.evaluation.imagined_rollouts", case, call, error, mentions)


def _blind() -> DotModel:
    model = DotModel()
    model.processor = None
    return model


def _sick() -> DotModel:
    return DotModel(drift=NAN)


def _broken():
    artist = decoder()
    artist.background.data.fill_(NAN)
    return artist


def _other():
    from leworld.decoders import CrossAttentionDecoder

    return CrossAttentionDecoder(5, 16, patch_size=8, hidden_dim=8, depth=1)


def _rollouts(**changes) -> ImaginedRollouts:
    frames, latents = np.zeros((2, 3, 4, 4, 3), np.uint8), torch.zeros(2, 3, 5)
    parts = {
        "true_frames": frames,
        "decoded_frames": frames,
        "imagined_frames": frames,
        "true_latents": latents,
        "imagined_latents": latents,
        "episodes": np.zeros(2, int),
    }
    return ImaginedRollouts(**(parts | changes))


def _record(case: str, call, error: type[LeWorldError], *mentions: str, member: str = "") -> BadInput:
    return BadInput(f"leworld.evaluation.ImaginedRollouts{member}", case, call, error, mentions)


def _map(case: str, error: type[LeWorldError], *mentions: str, embeddings=None, **options) -> BadInput:
    x = torch.randn(20, 4) if embeddings is None else embeddings
    return BadInput("leworld.evaluation.latent_map", case, lambda: latent_map(x, **options), error, mentions)


def _picture(case: str, call, error: type[LeWorldError], *mentions: str, member: str = "") -> BadInput:
    return BadInput(f"leworld.evaluation.LatentMap{member}", case, call, error, mentions)


_STATES = np.zeros((2, 3, 2), np.float32)
_PLANE = LatentMap(np.zeros((10, 2)), "pca")
ROWS = [
    _imagine("a class", ConfigError, "model", model=lambda: DotModel),
    _imagine("no processor", ConfigError, "processor", model=_blind),
    _imagine("pixels", ConfigError, "episodes", episodes=films().pixels),
    _imagine("no decoder", ConfigError, "CrossAttentionDecoder", decoder=None),
    _imagine("decoder of another model", ConfigError, "size 2", "5", decoder=_other()),
    _imagine("no horizon", ConfigError, "horizon", horizon=0),
    _imagine("no rollouts", ConfigError, "num_rollouts", num_rollouts=0),
    _imagine("seed", ConfigError, "seed", seed=-1),
    _imagine("too short", DataError, "1 + 9 frames", horizon=9),
    _imagine("no such column", DataError, "position", column="position"),
    _imagine("too few episodes", DataError, "4 episodes", "3", episodes=films(3), column="state"),
    _imagine("NaN model", NonFiniteError, "rollout", model=_sick),
    _imagine("NaN decoder", NonFiniteError, "decoder", decoder=_broken()),
    _record(
        "frames", lambda: _rollouts(imagined_frames=np.zeros((2, 3, 4, 5, 3), np.uint8)), ShapeError, "5"
    ),
    _record("latents", lambda: _rollouts(imagined_latents=torch.zeros(2, 3, 4)), ShapeError, "latents"),
    _record("some states", lambda: _rollouts(true_states=_STATES), ShapeError, "all three"),
    _record("episodes", lambda: _rollouts(episodes=np.zeros(3, int)), ShapeError, "episodes"),
    _record(
        "no states", lambda: _rollouts().state_errors("imagined"), DataError, "column", member=".state_errors"
    ),
    _record("kind", lambda: _rollouts().state_errors("true"), ConfigError, "decoded", member=".state_errors"),
    _record(
        "none drawn", lambda: _rollouts().plot("x.png", num_rollouts=0), ConfigError, "0", member=".plot"
    ),
    _map("method", ConfigError, "pca", "tsne", method="umap"),
    _map("no components", ConfigError, "num_components", num_components=0),
    _map("more than there are", ConfigError, "at most 4", num_components=5),
    _map("four for t-SNE", ConfigError, "at most 3", num_components=4, method="tsne", num_neighbors=5),
    _map("neighbours", ConfigError, "20 samples", "30", method="tsne"),
    _map("seed", ConfigError, "seed", seed=-1),
    _map("one sample", ShapeError, "(1, 4)", embeddings=torch.ones(1, 4)),
    _map("one axis", ShapeError, "(4,)", embeddings=torch.ones(4)),
    _map("no dimensions", ShapeError, "(5, 0)", embeddings=torch.ones(5, 0)),
    _map("integers", ShapeError, "floating", embeddings=torch.ones(5, 4).long()),
    _map("NaN", NonFiniteError, "embeddings", embeddings=torch.full((5, 4), NAN)),
    _picture("method", lambda: LatentMap(np.zeros((9, 2)), "lda"), ConfigError, "pca"),
    _picture("one axis", lambda: LatentMap(np.zeros(9), "pca"), ShapeError, "(9,)"),
    _picture("NaN", lambda: LatentMap(np.full((9, 2), NAN), "pca"), NonFiniteError, "18 of 18"),
    _picture(
        "shares", lambda: LatentMap(np.zeros((9, 2)), "pca", explained_variance=(1.0,)), ShapeError, "(1.0,)"
    ),
    _picture(
        "values of other samples",
        lambda: _PLANE.plot("x.png", values=np.zeros(9)),
        ShapeError,
        "(10,)",
        member=".plot",
    ),
    _picture(
        "a whole state",
        lambda: _PLANE.plot("x.png", values=np.zeros((10, 2))),
        ShapeError,
        "component",
        member=".plot",
    ),
    _picture(
        "a line",
        lambda: LatentMap(np.zeros((9, 1)), "pca").plot("x.png"),
        ConfigError,
        "2 components",
        member=".plot",
    ),
]
