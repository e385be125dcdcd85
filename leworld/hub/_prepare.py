"""The contents of a checkpoint folder, checked before any of it is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from torch import Tensor, nn

from .._checks import check_equal_size
from .._config import ModuleConfig
from ..errors import CheckpointError
from ..models import WorldModel
from ._build import build
from ._card import model_card
from ._json import json_text
from ._provenance import plain
from ._registry import registered, resolve
from ._schema import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, CheckpointConfig
from ._tensors import checked_tensors, tensor_state
from ._weights import write_weights


@final
@dataclass(frozen=True)
class PreparedFiles:
    """The three files of a checkpoint, in memory."""

    tensors: dict[str, Tensor]
    config: str
    card: str

    def write(self, folder: Path) -> None:
        """Write the files, the config last: without it a folder is no checkpoint."""
        write_weights(folder / WEIGHTS_FILE, self.tensors)
        (folder / CARD_FILE).write_text(self.card, encoding="utf-8")
        (folder / CONFIG_FILE).write_text(self.config, encoding="utf-8")


def prepare(
    model: WorldModel, *, provenance: Mapping[str, Any] | None, card: str | None, address: str
) -> PreparedFiles:
    """Check a model and everything to be said about it; see `save` for what is refused."""
    config = getattr(model, "config", None)
    if not isinstance(config, ModuleConfig):
        raise CheckpointError(
            "leworld.save needs a model that knows its constructor's arguments",
            f"`model` is a {type(model).__name__} without a recorded config",
            "Save one of leworld's own models, such as `LeWM`",
        )
    if model.processor is not None:
        check_equal_size(
            "leworld.save",
            "the processor's `block_dim`",
            model.processor.block_dim,
            model.action_dim,
            expected_by="the model's `action_dim`",
            fix="Set `model.processor` to the one that its training data was prepared with",
        )
    content = CheckpointConfig(
        architecture=config.to_json(), processor=model.processor, provenance=plain(provenance or {})
    )
    _check_rebuilds(config, model)
    return PreparedFiles(
        tensors=checked_tensors(model),
        config=json_text(content.to_json(), owner="leworld.save"),
        card=model_card(content, model, address=address) if card is None else card,
    )


def _check_rebuilds(config: ModuleConfig, model: WorldModel) -> None:
    """Refuse a model whose parts were exchanged after it was built: loading would not bring them back."""
    shadow = build(config.to_json(), _own_classes(model), where="leworld.save: model")
    rebuilt = {name: tuple(tensor.shape) for name, tensor in tensor_state(shadow).items()}
    for name, tensor in tensor_state(model).items():
        if rebuilt.pop(name, None) != tuple(tensor.shape):
            rebuilt[name] = ()
            break
    if rebuilt:
        raise CheckpointError(
            "leworld.save needs a model with the parts that it was built from",
            f"`{next(iter(rebuilt))}` is not what its recorded config would build",
            "Build the model with the parts that it shall have, then load its weights",
        )


def _own_classes(model: WorldModel) -> dict[str, type[nn.Module]]:
    """Return the classes in `model` that are not leworld's, by name; `load` will ask for them."""
    own: dict[str, type[nn.Module]] = {}
    for module in model.modules():
        config = vars(module).get("config")
        if not isinstance(config, ModuleConfig):
            continue
        name, cls = config.class_name, type(module)
        is_known = name in registered()
        known = resolve(name, {}, where="leworld.save: model") if is_known else own.setdefault(name, cls)
        if known is not cls:
            raise CheckpointError(
                "leworld.save needs classes with names of their own",
                f"`{cls.__module__}.{cls.__qualname__}` is called like the one of `{known.__module__}`",
                "Rename yours",
            )
    return own
