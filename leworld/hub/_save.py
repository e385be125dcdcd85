"""Save a world model as a folder that holds everything needed to act with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from .._checks import check_equal_size, describe
from .._tensors import unwrapped
from .._typing import shapechecked
from ..errors import ConfigError
from ..models import WorldModel
from ..serialise import save_module
from ._trained_on import TRAINED_ON, training_record
from .catalog._card import model_card
from .catalog._provenance import plain


@shapechecked
def save(
    model: nn.Module,
    folder: str | Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    card: str | None = None,
    address: str = "path/to/this/folder",
    overwrite: bool = False,
) -> Path:
    """Write `model` as `config.json`, `model.safetensors` and `README.md` into `folder`.

    Use it for any model that `leworld.load` should bring back: the folder holds the weights, the
    architecture, the processor (image and action statistics, frameskip, environment id) and the provenance,
    and nothing that runs code. What is saved is the model in memory: a part that was exchanged or a setting
    that was changed after it was built is either in the file or refused. The folder appears in one step,
    complete or not at all, and saving twice writes the same bytes. The cost is one pass over the weights, one
    write, and one build without memory.

    Args:
        model: A world model, every part of which is of a `configurable` class; its `processor`, if it has
            one, is saved too. One in `torch.compile`, `DistributedDataParallel`, `DataParallel` or
            `AveragedModel` is saved as what they wrap.
        folder: Where to write, `~` allowed. It may be missing or empty, or, with `overwrite`, hold an earlier
            checkpoint; anything else there is an error.
        provenance: JSON values to keep beside the weights. The model card shows `name`, `summary`, `licence`,
            `paper`, `command`, `training_data`, `limits` and `scores` (a list of `Score`) in places of their
            own and lists all others. The record of the training episodes, `model.trained_on`, is kept beside
            them under a key of its own.
        card: The text of `README.md`; None writes one from the config and the provenance.
        address: What that card tells readers to pass to `leworld.load`, such as a name of the catalogue. The
            default leaves it to them, since a folder's own path means nothing on another machine.
        overwrite: Replace an earlier checkpoint in `folder`.

    Returns:
        The folder, as an absolute path.

    Raises:
        CheckpointError: if the folder may not or cannot be written, if the class of a part is not
            configurable, or if the model was changed so that its config would build another one.
        ConfigError: if it is no world model.
        NonFiniteError: if a weight is NaN or infinite.
        ShapeError: if the processor's action blocks are not of the model's action size.

    Numerics: dtypes are kept as they are.

    Example:
        ```python
        import tempfile

        import leworld
        from leworld.encoders import ActionEncoder, ConvEncoder
        from leworld.nn import Projector
        from leworld.predictors import TransformerPredictor

        model = leworld.LeWM(
            ConvEncoder(image_size=16, embedding_dim=8, channels=(4, 4)),
            TransformerPredictor(8, history_size=1, depth=1, num_heads=2, head_dim=4, mlp_dim=16),
            action_encoder=ActionEncoder(4, 8),
            projector=Projector(8, hidden_dim=16),
            prediction_projector=Projector(8, hidden_dim=16),
        )
        with tempfile.TemporaryDirectory() as folder:
            leworld.save(model, f"{folder}/mine", provenance={"seed": 0})
            again = leworld.load(f"{folder}/mine")
        assert again.config == model.config and not again.training
        ```
    """
    model = world_model("leworld.save", model)
    facts = plain(provenance or {})
    facts.pop(TRAINED_ON, None)
    if model.has_processor:
        check_equal_size(
            "leworld.save",
            "the processor's `block_dim`",
            model.processor.block_dim,
            model.action_dim,
            expected_by="the model's `action_dim`",
            fix="Set `model.processor` to the one that its training data was prepared with",
        )
    return save_module(
        model,
        folder,
        provenance=facts | training_record(model),
        processor=model.processor.to_json() if model.has_processor else None,
        card=model_card(model, facts, address=address) if card is None else card,
        overwrite=overwrite,
    )


def world_model(owner: str, model: nn.Module) -> WorldModel:
    """Return the world model that `model` is or that one of torch's wrappers around it holds.

    Raises:
        ConfigError: if it is none; a wrapper of another kind is told by the attribute to pass.
    """
    inner = unwrapped(model)
    if isinstance(inner, WorldModel):
        return inner
    names = [name for name, part in inner.named_modules() if isinstance(part, WorldModel)]
    raise ConfigError(
        f"{owner} needs `model` to be a leworld.models.WorldModel",
        f"it is {f'a {type(inner).__name__} around one' if names else describe(inner)}",
        f"Pass `model.{names[0]}`"
        if names
        else "Pass a world model; `leworld.serialise.save_module` saves others",
    )
