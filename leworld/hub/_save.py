"""Save a world model as a folder that holds everything needed to act with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._typing import shapechecked
from ..models import WorldModel
from ._folder import replaced_folder
from ._paths import local_path
from ._prepare import prepare


@shapechecked
def save(
    model: WorldModel,
    folder: str | Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    card: str | None = None,
    address: str = "path/to/this/folder",
) -> Path:
    """Write `model` as `config.json`, `model.safetensors` and `README.md` into `folder`.

    Use it for any model that `leworld.load` should bring back: the folder holds the weights, the
    architecture, the processor (image and action statistics, frameskip, environment id) and the provenance,
    and nothing that runs code. The folder appears in one step, complete or not at all, and saving twice
    writes the same bytes. The cost is one pass over the weights and one write.

    Args:
        model: A world model of a class that leworld knows; its `processor`, if it has one, is saved too.
        folder: Where to write, `~` allowed. It may be missing, empty, or hold an earlier checkpoint, which is
            replaced; anything else there is an error.
        provenance: JSON values to keep beside the weights. The model card shows `name`, `summary`, `licence`,
            `paper`, `command`, `training_data`, `limits` and `scores` (a list of `Score`) in places of their
            own and lists all others.
        card: The text of `README.md`; None writes one from the config and the provenance.
        address: What that card tells readers to pass to `leworld.load`, such as a name of the catalogue. The
            default leaves it to them, since a folder's own path means nothing on another machine.

    Returns:
        The folder, as an absolute path.

    Raises:
        CheckpointError: if the folder holds something else or cannot be written, if a class of the model is
            not leworld's, or if a part was exchanged after the model was built.
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
    target = local_path(folder)
    files = prepare(model, provenance=provenance, card=card, address=address)
    with replaced_folder(target) as fresh:
        files.write(fresh)
    return target
