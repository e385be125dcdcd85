"""DINO-WM on features of its own: an encoder that learns from frames without actions, then a predictor."""

from dataclasses import replace

from ..._random import fold_seed, seeded_globals, usual_defaults
from ...data import Windows
from ...encoders import DINOv2Encoder, LinearEncoder
from ...models import DINOWM, WorldModel
from ...nn import Projector
from ...predictors import TokenTransformerPredictor
from ...training import Devices, train
from ._contender import BuildRequest, Contender
from ._frame_features import FrameFeatures

_ENCODER, _PREDICTOR = 0x454E43, 0x505245  # streams of seeds
_GRID = 4
_CONDITION = 10
_WEIGHT = 0.05  # LeJEPA's


def dinowm(request: BuildRequest) -> WorldModel:
    """Train a small vision transformer on frames without actions, freeze it, and put a token predictor on it.

    The grid is 4 x 4 patches, each a token of the recipe's `embedding_dim`; the predictor's blocks are as
    many and as wide as those of the recipe's LeWM.
    """
    recipe, processor = request.recipe, request.processor
    dim, settings = recipe.embedding_dim, recipe.settings
    size = processor.image_size or 64
    sizes = {"hidden_dim": dim, "depth": 2, "num_heads": 2, "mlp_dim": 4 * dim}
    with usual_defaults(), seeded_globals(fold_seed(settings.seed, _ENCODER)):
        encoder = DINOv2Encoder(
            sizes, image_size=size, patch_size=size // _GRID, position_grid=_GRID, output="patches"
        )
        features = FrameFeatures(
            encoder,
            Projector(dim, hidden_dim=8 * dim),
            processor,
            regularizer_weight=_WEIGHT,
            num_slices=recipe.num_slices,
            history_size=recipe.history_size,  # windows of as many frames as all models get
        )
    if request.num_steps:
        train(
            features,
            Windows(request.episodes, features.history_size, frameskip=processor.frameskip),
            folder=request.folder,
            settings=replace(settings, num_steps=request.num_steps, must_save=False),
            progress=False,
            devices=Devices(accelerator="cpu"),
        )
    with usual_defaults(), seeded_globals(fold_seed(settings.seed, _PREDICTOR)):
        model = DINOWM(
            encoder,
            TokenTransformerPredictor(
                dim,
                _GRID**2,
                history_size=recipe.history_size,
                condition_dim=_CONDITION,
                depth=2,
                num_heads=2,
                head_dim=16,
                mlp_dim=8 * dim,
                dropout=0.0,
            ),
            action_encoder=LinearEncoder(processor.block_dim, _CONDITION),
        )
    model.processor = processor
    return model


DINOWM_CONTENDER = Contender(
    build=dinowm,
    loss_weights=("regularizer_weight",),
    pretraining_share=0.5,
    note="its encoder learns from neighbouring frames of the data, without actions, in half of the steps",
)
