"""TD-MPC2 as stable-worldmodel saves it, read into leworld's TDMPC2 and written of it.

It is TD-MPC2's network under other names: its encoder of one vector, its dynamics, heads and ensembles are
ours, number for number. What is not there: a termination head. What is not here: encoders of pictures, or of
several parts, which it joins before SimNorm.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..._checks import describe, quoted
from ..._config import ModuleConfig
from ..._tensors import checked_tensors
from ...errors import CheckpointError
from ...models import TDMPC2
from ._from_released import unwrap
from ._from_tdmpc2 import build_tdmpc2

TDMPC2_TARGETS = {"stable_worldmodel.wm.tdmpc2.TDMPC2", "stable_worldmodel.wm.tdmpc2.tdmpc2.TDMPC2"}
_RULE = "A TD-MPC2 of stable-worldmodel needs"
_FIX = "Restore the files, or check that config and weights belong together"
_NETWORKS = {"dynamics": "_dynamics", "reward": "_reward", "pi": "_pi"}
_LAYER = re.compile(r"(dynamics|reward|pi)\.(\d+\..+)")
_ENCODER = re.compile(r"extra_encoders\.([^.]+)\.(\d+\..+)")
_MEMBER = re.compile(r"(qs|target_qs)\.(\d+)\.(\d+\..+)")
_TERMS = {"consistency_coef": "consistency", "reward_coef": "reward", "value_coef": "value"}
_LOG_STD = (-10.0, 2.0)
_OURS = [
    (r"encoder\.layers\.1\.norm\.(\w+)$", r"extra_encoders.{part}.2.\1"),
    (r"encoder\.layers\.(\d+)\.", r"extra_encoders.{part}.\1."),
    (r"predictor\.network\.layers\.(\d+)\.", r"dynamics.\1."),
    (r"reward\.network\.layers\.(\d+)\.", r"reward.\1."),
    (r"policy\.network\.layers\.(\d+)\.", r"pi.\1."),
    (r"value\.heads\.(\d+)\.network\.layers\.(\d+)\.", r"qs.\1.\2."),
    (r"value\.targets\.(\d+)\.network\.layers\.(\d+)\.", r"target_qs.\1.\2."),
]


def tdmpc2_from_swm(config: Mapping[str, Any], state: Mapping[str, Any]) -> TDMPC2:
    """Build a model of `config.json` and the state dict beside it, in evaluation mode.

    Raises:
        CheckpointError: For pictures or several parts, a missing setting, and missing, extra or misshapen
            tensors.
    """
    whole = _mapping(config.get("cfg"), "cfg")
    settings = _mapping(whole.get("wm"), "cfg.wm")
    named, parts, scale = _renamed(unwrap(state))
    said = list(_mapping(settings.get("encoding"), "cfg.wm.encoding"))
    if parts != set(said) or len(said) != 1:
        raise CheckpointError(
            f"{_RULE} an encoder of one vector, to be leworld's",
            f"its config reads {quoted(said)} and its weights {quoted(sorted(parts)) or 'pictures'}",
            "Train one that reads one part, or build the model of leworld's parts yourself",
        )
    bins = tuple(_number(settings, name, None) for name in ("vmin", "vmax"))
    model, _ = build_tdmpc2(
        named,
        "A TD-MPC2 of stable-worldmodel",
        said[0],
        {
            "discount": _number(settings, "discount", 0.99),
            "step_decay": _number(settings, "rho", 0.5),
            "entropy_weight": _number(settings, "entropy_coef", 1e-4),
            "weights": {ours: _number(settings, name, None) for name, ours in _TERMS.items()},
        },
        history_size=int(_number(settings, "horizon", 3)),
        simnorm_dim=int(_number(settings, "simnorm_dim", 8)),
        image_size=64,
        bins=(bins[0], bins[1]),
    )
    with torch.no_grad():
        model.scale.scale.copy_(scale.reshape(()))
    return model


def tdmpc2_to_swm(model: TDMPC2) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the `config.json` and the state dict that stable-worldmodel has for a model.

    Raises:
        CheckpointError: For what it cannot express: a termination head, an encoder of pictures or of another
            depth, networks of other widths than one, another range of the policy's deviation.
    """
    config = getattr(model, "config", None)
    given = config.arguments if isinstance(config, ModuleConfig) else {}
    parts = {
        name: _arguments(given.get(name)) for name in ("encoder", "predictor", "reward", "value", "policy")
    }
    encoder = parts["encoder"]
    widths = {
        tuple(parts[name].get("hidden_dims", ())) for name in ("predictor", "reward", "value", "policy")
    }
    part, hidden = encoder.get("part"), tuple(encoder.get("hidden_dims", ()))
    inner = next(iter(widths))
    fits = {
        "a termination head": model.termination is None,
        "an encoder that is no vector's NormedMLP with one hidden layer": isinstance(part, str)
        and len(hidden) == 1,
        "networks that are not all of two equal hidden layers": len(widths) == 1
        and len(inner) == 2
        and inner[0] == inner[1],
        "a policy whose deviation has another range": tuple(model.policy.log_std) == _LOG_STD,
        "layers without LayerNorm and Mish": all(
            (parts[name].get("norm", "layer"), parts[name].get("activation", "mish")) == ("layer", "mish")
            for name in ("encoder", "reward")
        ),
        "bins that are not equally spaced after symlog": model.reward.two_hot.spacing == "symlog",
    }
    wrong = [what for what, fine in fits.items() if not fine]
    if wrong:
        raise CheckpointError(
            f"{_RULE} a model of its kind: one vector, two hidden layers of one width, no termination",
            f"this one has {wrong[0]}",
            "Save it with `leworld.save`",
        )
    bins = model.reward.two_hot
    tensors = {}
    for name, value in checked_tensors(model).items():
        new = "scale.value" if name == "scale.scale" else _their_name(name, str(part))
        tensors[new] = value.reshape(1) if name == "scale.scale" else value
    content = {
        "_target_": "stable_worldmodel.wm.tdmpc2.TDMPC2",
        "_recursive_": False,
        "cfg": {
            "action_dim": model.action_dim,
            "extra_dims": {
                "action": model.action_dim,
                part: tensors[f"extra_encoders.{part}.0.weight"].shape[1],
            },
            "wm": {
                "name": "tdmpc2",
                "encoding": {part: model.embedding_dim},
                "enc_dim": hidden[0],
                "mlp_dim": inner[0],
                "simnorm_dim": encoder["simnorm_dim"],
                "num_q": len(model.value.heads),
                "num_bins": bins.num_bins,
                "vmin": bins.low,
                "vmax": bins.high,
                "tau": model.value.target_rate,
                "horizon": model.history_size,
                "discount": model.discount,
                "rho": model.step_decay,
                "entropy_coef": model.entropy_weight,
                **{theirs: model.weights[ours] for theirs, ours in _TERMS.items()},
            },
        },
    }
    return content, tensors


def _renamed(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], set[str], Tensor]:
    """Return tensors under the names of TD-MPC2's own code, the parts that are read, and the scale."""
    named: dict[str, Tensor] = {}
    parts: set[str] = set()
    members: dict[str, dict[int, Tensor]] = {}
    scale = state.get("scale.value")
    for key, value in state.items():
        layer, encoder, member = (pattern.fullmatch(str(key)) for pattern in (_LAYER, _ENCODER, _MEMBER))
        if not isinstance(value, Tensor) or str(key).startswith(("cnn.", "pixel_encoder.")):
            named[str(key)] = value
        elif layer is not None:
            named[f"{_NETWORKS[layer[1]]}.{layer[2]}"] = value
        elif encoder is not None:
            parts.add(encoder[1])
            named[f"_encoder.state.{encoder[2]}"] = value
        elif member is not None:
            ensemble = "_Qs.params" if member[1] == "qs" else "_target_Qs_params"
            members.setdefault(f"{ensemble}.{member[3]}", {})[int(member[2])] = value
        elif key != "scale.value":
            named[str(key)] = value
    if any(name.startswith(("cnn.", "pixel_encoder.")) for name in named):
        parts.add("pixels")
    for name, found in members.items():
        shapes = {value.shape for value in found.values()}
        if sorted(found) != list(range(len(found))) or len(shapes) != 1:
            raise CheckpointError(
                f"{_RULE} ensembles of equal members, numbered from 0",
                f"`{name}` is there for {sorted(found)}, of shapes {sorted(map(tuple, shapes))}",
                _FIX,
            )
        named[name] = torch.stack([found[i] for i in range(len(found))])
    if not isinstance(scale, Tensor) or scale.numel() != 1:
        raise CheckpointError(f"{_RULE} `scale.value`, a single number", f"it is {describe(scale)}", _FIX)
    return named, parts, scale


def _their_name(name: str, part: str) -> str:
    for pattern, theirs in _OURS:
        match = re.match(pattern, name)
        if match is not None:
            rest = name[match.end() :].replace("linear.", "").replace("norm.", "ln.")
            return match.expand(theirs).replace("{part}", part) + rest
    raise CheckpointError(f"{_RULE} its own tensors", f"there is `{name}`", "Save it with `leworld.save`")


def _arguments(config: object) -> Mapping[str, Any]:
    return config.arguments if isinstance(config, ModuleConfig) else {}


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CheckpointError(
            f"{_RULE} a mapping as `{where}` in its config", f"it is {describe(value)}", _FIX
        )
    return value


def _number(settings: Mapping[str, Any], name: str, usual: float | None) -> float:
    value = settings.get(name, usual)
    try:  # Hydra keeps 1e-4 as text
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise CheckpointError(
            f"{_RULE} a finite number as `cfg.wm.{name}` in its config", f"it is {describe(value)}", _FIX
        )
    return number
