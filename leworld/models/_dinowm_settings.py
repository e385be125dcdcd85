"""What DINO-WM was trained with, generation by generation."""

from dataclasses import dataclass, replace
from typing import Literal, final

from torch import nn

from .._checks import check_choice, plain_numbers
from .._typing import shapechecked
from ..data import Processor
from ..encoders import DINOv2Encoder, LinearEncoder
from ..errors import ConfigError
from ..predictors import TokenTransformerPredictor
from ._dinowm import DINOWM
from ._sizes import grid

_HALF = (0.5, 0.5, 0.5)
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@final
@plain_numbers
@dataclass(frozen=True)
class DINOWMSettings:
    """The settings of one generation of DINO-WM: pictures, features and sizes that belong together.

    A predictor's positions are for one grid of tokens, and it knows the features of pictures that were
    normalised in one way, by an encoder that fits its positions to them in one way. Weights tell the grid and
    the sizes alone.

    Attributes:
        name: How `dinowm_settings` calls it.
        image_size: Side of the pictures that the encoder sees, in pixels.
        image_mean: Mean of red, green and blue on the scale 0 to 1.
        image_std: Their standard deviations.
        position_interpolation: See `leworld.encoders.DINOv2Encoder`.
        proprio_dim: Size of the encoding of what is felt, as part of a token.
        source: Where the settings stand, and what differs from them here.
        action_embedding_dim: Size of an action block's embedding.
        history_size: Frames of the predictor's window; 1 for the authors' Wall, Rope and Granular.
        frameskip: Environment steps in a block; 1 for Rope and Granular.
        patch_size: Side of a patch in pixels.
        visual_dim: Size of a patch's features, DINOv2's "small".

    Example:
        ```python
        from leworld.models import dinowm_settings

        settings = dinowm_settings("dino-wm")
        assert (settings.image_size, settings.num_tokens) == (196, 14 * 14)
        ```
    """

    name: str
    image_size: int
    image_mean: tuple[float, float, float]
    image_std: tuple[float, float, float]
    position_interpolation: Literal["torch_hub", "timm", "transformers"]
    proprio_dim: int
    source: str
    action_embedding_dim: int = 10
    history_size: int = 3
    frameskip: int = 5
    patch_size: int = 14
    visual_dim: int = 384

    @property
    def num_tokens(self) -> int:
        """Tokens of a picture."""
        return (self.image_size // self.patch_size) ** 2

    @plain_numbers
    def model(
        self,
        action_dim: int,
        proprio_dim: int | None = None,
        *,
        encoder: nn.Module | None = None,
        history_size: int | None = None,
        proprio_weight: float = 1.0,
    ) -> DINOWM:
        """Build the model of the published size with new weights.

        Args:
            action_dim: Size of an action block.
            proprio_dim: Size of the part `proprio`; None for the form without it.
            encoder: Makes the patch features, with its weights; a new `DINOv2Encoder` when None, whose
                weights `leworld.encoders.dinov2_state_dict` helps to load.
            history_size: Another window.
            proprio_weight: See `DINOWM`.

        Raises:
            ConfigError: If the encoder makes another grid of tokens or other features.
        """
        if encoder is None:
            encoder = DINOv2Encoder(
                "small",
                image_size=self.image_size,
                output="patches",
                position_interpolation=self.position_interpolation,
                patch_size=self.patch_size,
            )
        felt = 0 if proprio_dim is None else self.proprio_dim
        predictor = TokenTransformerPredictor(
            self.visual_dim + felt,
            self.num_tokens,
            history_size=self.history_size if history_size is None else history_size,
            condition_dim=self.action_embedding_dim,
        )
        return DINOWM(
            encoder,
            predictor,
            action_encoder=LinearEncoder(action_dim, self.action_embedding_dim),
            proprio_encoder=None if proprio_dim is None else LinearEncoder(proprio_dim, self.proprio_dim),
            proprio_weight=proprio_weight,
        )

    def processor(self, processor: Processor) -> Processor:
        """Return a processor that makes pictures as these settings have them, all else left as it is.

        Args:
            processor: Of the environment, as `leworld.data.fit_processor` makes it.
        """
        return replace(
            processor, image_size=self.image_size, image_mean=self.image_mean, image_std=self.image_std
        )

    @shapechecked
    def check(self, model: DINOWM) -> None:
        """Raise `ConfigError` unless a model, and its processor if it has one, are of these settings.

        Args:
            model: A DINO-WM, for example one of published weights.
        """
        tokens, _ = model.latent_shape
        if tokens != self.num_tokens or model.visual_dim != self.visual_dim:
            raise ConfigError(
                f"The settings `{self.name}` need {grid(self.num_tokens)} of {self.visual_dim} numbers, of "
                f"pictures of {self.image_size} pixels",
                f"the model has {grid(tokens)} of {model.visual_dim}, of pictures of "
                f"{round(tokens**0.5) * self.patch_size} pixels with such patches",
                _others(tokens, self.name),
            )
        processor = model.processor if model.has_processor else None
        due = (self.image_size, self.image_mean, self.image_std)
        if processor is not None and due != (
            processor.image_size,
            processor.image_mean,
            processor.image_std,
        ):
            raise ConfigError(
                f"The settings `{self.name}` need pictures of {self.image_size} pixels with mean "
                f"{self.image_mean} and deviation {self.image_std}",
                f"the model's processor makes {processor.image_size} pixels with mean {processor.image_mean} "
                f"and deviation {processor.image_std}",
                f"Set `model.processor = dinowm_settings({self.name!r}).processor(model.processor)`",
            )


_SETTINGS = {
    settings.name: settings
    for settings in (
        DINOWMSettings(
            "dino-wm",
            196,
            _HALF,
            _HALF,
            "torch_hub",
            10,
            "gaoyuezhou/dino_wm, conf/train.yaml and models/visual_world_model.py: pictures of 224 pixels "
            "are normalised and then resized to 196; here they are resized at once",
        ),
        DINOWMSettings(
            "stable-worldmodel",
            224,
            *_IMAGENET,
            "transformers",
            10,
            "stable-worldmodel, scripts/train/prejepa.py as it stands",
        ),
        DINOWMSettings(
            "stable-worldmodel-196",
            196,
            *_IMAGENET,
            "transformers",
            10,
            "the baseline checkpoints beside the published LeWM weights, whose positions are for 3 x 196 "
            "tokens (lucas-maes/le-wm, pull request 8)",
        ),
        DINOWMSettings(
            "jepa-wms",
            224,
            _HALF,
            _HALF,
            "torch_hub",
            20,
            "facebookresearch/jepa-wms, its reproduction of DINO-WM",
        ),
    )
}


@plain_numbers
def dinowm_settings(name: str = "dino-wm") -> DINOWMSettings:
    """Return the settings of a generation of DINO-WM by name.

    | name | pictures | tokens | colours | positions |
    |---|---|---|---|---|
    | dino-wm | 196 px | 14 x 14 | mean and deviation 0.5 | torch.hub's |
    | stable-worldmodel | 224 px | 16 x 16 | ImageNet's | transformers' |
    | stable-worldmodel-196 | 196 px | 14 x 14 | ImageNet's | transformers' |
    | jepa-wms | 224 px | 16 x 16 | mean and deviation 0.5 | torch.hub's |

    Args:
        name: One of them.

    Raises:
        ConfigError: For another name.

    Example:
        ```python
        from leworld.models import dinowm_settings

        assert dinowm_settings("stable-worldmodel").num_tokens == 256
        ```
    """
    check_choice("dinowm_settings", "name", name, _SETTINGS)
    return _SETTINGS[name]


def _others(tokens: int, name: str) -> str:
    others = [one.name for one in _SETTINGS.values() if one.num_tokens == tokens and one.name != name]
    if not others:
        return "Take weights of one of the published grids"
    return f"Use {' or '.join(f'`dinowm_settings({other!r})`' for other in others)}"
