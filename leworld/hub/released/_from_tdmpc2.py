"""Published weights of TD-MPC2, in the three layouts that its code has written, as a TDMPC2 of leworld."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..._checks import check_number, describe
from ..._files import local_path
from ..._tensors import shapes_only
from ..._typing import shapechecked
from ...encoders import SimNormEncoder
from ...errors import CheckpointError, ConfigError
from ...heads import GaussianPolicy, QEnsemble, ScalarHead, TerminationHead, TwoHot
from ...models import TDMPC2
from ...nn import NormedMLP
from ...predictors import SimNormPredictor
from ._files import check_tensors, read_pickle, read_safetensors
from ._from_released import alone, compare, unwrap

_RULE = "Weights of TD-MPC2 need exactly the tensors of its networks"
_FIX = "Check that the file is whole, and that it is of TD-MPC2 and of a single task"
_NETWORKS = {
    "_encoder.state": "encoder",
    "_dynamics": "predictor.network",
    "_reward": "reward.network",
    "_termination": "termination.network",
    "_pi": "policy.network",
}
_LAYER = re.compile(
    r"(_encoder\.state|_dynamics|_reward|_termination|_pi)\.(\d+)\.((?:ln\.)?(?:weight|bias))"
)
_PICTURE = re.compile(r"_encoder\.rgb\.([2468])\.(weight|bias)")
_Q = re.compile(r"_(Qs|target_Qs|detach_Qs)[._]params\.(\d+)(?:\.((?:ln\.)?(?:weight|bias)))?")
_NOTES = re.compile(r"_(?:target_Qs_|detach_Qs_|Qs\.)params\.__(?:batch_size|device)")
_LEAVES = ("weight", "bias", "ln.weight", "ln.bias")
Layers = dict[int, dict[str, Tensor]]


@shapechecked
def load_tdmpc2(
    weights: str | Path | Mapping[str, Any],
    *,
    discount: float = 0.99,
    history_size: int = 3,
    simnorm_dim: int = 8,
    image_size: int = 64,
    part: str = "proprio",
    on_left_over: Callable[[str], object] | None = None,
) -> TDMPC2:
    """Build a TD-MPC2 from published weights of a single task, in any of their three layouts.

    Sizes are read from the tensors, also the range of the policy's deviation where it is stored. What they do
    not tell are the arguments, whose defaults are the published ones. The layouts are told apart by what is
    in them: ensembles as numbered tensors (2023 to 2024), ensembles by layer and name (since), and networks
    whose normalisation stands as a layer of its own. The running scale of values is in none and starts at 1.

    Args:
        weights: The state dict, or a file of it: of `torch.save`, read as plain tensors, or safetensors.
        discount: Factor a step: the published code derives it from the length of an episode, 0.99 for 500.
        history_size: Steps of a training window.
        simnorm_dim: Size of the groups of SimNorm.
        image_size: Side of the pictures, for weights that read pictures.
        part: Name of the vector among the parts of an observation, for weights that read one.
        on_left_over: Called with the name of each entry that is in the file and not in the model: copies of
            the ensemble under `_detach_Qs_params`, which are compared with it, and notes of the library that
            wrote the file. Any other entry is refused.

    Returns:
        The model in evaluation mode. Its `processor` is None: pixels are expected in [-0.5, 0.5], vectors as
        the environment gives them and actions in [-1, 1], but frameskip and parts are in no weights.

    Raises:
        CheckpointError: For an unknown, missing or misshapen tensor, each named, or weights of many tasks.
        ConfigError: If an argument is out of range.

    Source: nicklashansen/tdmpc2 (common/world_model.py, layers.py), whose layouts these are.

    Example:
        ```python
        import torch
        from leworld.hub import load_tdmpc2

        def layer(rows, columns, *members):
            ones = torch.ones(*members, rows)
            normed = {"weight": torch.randn(*members, rows, columns), "bias": 0 * ones}
            return normed | {"ln.weight": ones, "ln.bias": 0 * ones}

        networks = {"_encoder.state": (6, 16), "_dynamics": (18, 16), "_reward": (18, 5), "_pi": (16, 4)}
        networks |= {"_Qs.params": (18, 5, 2), "_target_Qs_params": (18, 5, 2)}
        weights = {}
        for name, (columns, rows, *members) in networks.items():
            layers = [layer(8, columns, *members), layer(rows, 8, *members)]
            plain = name not in ("_encoder.state", "_dynamics")
            for i, tensors in enumerate(layers):
                kept = {k: v for k, v in tensors.items() if i == 0 or not plain or "ln" not in k}
                weights |= {f"{name}.{i}.{leaf}": value for leaf, value in kept.items()}
        model = load_tdmpc2(weights)
        assert model.action_dim == 2 and model.embedding_dim == 16
        ```
    """
    check_number("load_tdmpc2", "discount", discount, low=0.0, high=1.0, open_low=True)
    for name, value in (
        ("history_size", history_size),
        ("simnorm_dim", simnorm_dim),
        ("image_size", image_size),
    ):
        check_number("load_tdmpc2", name, value, low=1, integer=True)
    state, source = _state(weights)
    model, left_over = build_tdmpc2(
        unwrap(state),
        source,
        part,
        {"discount": discount},
        history_size=history_size,
        simnorm_dim=simnorm_dim,
        image_size=image_size,
    )
    if on_left_over is not None:
        for name in left_over:
            on_left_over(name)
    return model


def build_tdmpc2(
    state: Mapping[str, Any],
    source: str,
    part: str,
    settings: Mapping[str, Any],
    *,
    history_size: int,
    simnorm_dim: int,
    image_size: int,
    bins: tuple[float, float] = (-10.0, 10.0),
) -> tuple[TDMPC2, list[str]]:
    """Return the model of a state dict in evaluation mode, and the entries that are not in it.

    Args:
        state: In one of the three layouts.
        source: Where it is from, for messages.
        part: Name of the vector that the encoder reads.
        settings: Of TDMPC2, such as its discount.
        history_size: Steps of a training window.
        simnorm_dim: Size of the groups of SimNorm.
        image_size: Side of the pictures.
        bins: The lowest and the highest bin of rewards and values.
    """
    networks, pictures, ensembles, log_std, left_over = _sorted(state, source)
    options = {"history_size": history_size, "simnorm_dim": simnorm_dim, "image_size": image_size}
    model = _build(networks, pictures, ensembles, log_std, source, settings, part, bins=bins, **options)
    tensors = _named(networks, pictures, ensembles)
    due = {name: value for name, value in model.state_dict().items() if name != "scale.scale"}
    compare(due, tensors, f"{source}: {_RULE}", _FIX)
    memories: set[int] = set()
    own = {
        name: alone(tensors[name].detach().to("cpu", value.dtype, copy=True), memories)
        for name, value in due.items()
    }
    own["scale.scale"] = torch.ones((), dtype=torch.float32, device="cpu")
    model.load_state_dict(own, strict=True, assign=True)
    return model.eval(), left_over


def _state(weights: str | Path | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    if isinstance(weights, Mapping):
        state, source = weights, "The state dict"
    else:
        path = local_path(weights)
        state = read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path)
        source = str(path)
    inner = state.get("model")
    state = inner if isinstance(inner, Mapping) else state
    check_tensors(source, state)
    return state, source


def _sorted(
    state: Mapping[str, Any], source: str
) -> tuple[dict[str, Layers], dict[str, Tensor], dict[str, Layers], tuple[float, float], list[str]]:
    """Return the layers of each network, the tensors of the picture encoder, those of the ensembles, more."""
    networks: dict[str, Layers] = defaultdict(lambda: defaultdict(dict))
    ensembles: dict[str, Layers] = defaultdict(lambda: defaultdict(dict))
    pictures: dict[str, Tensor] = {}
    left_over: list[str] = []
    for key, value in state.items():
        layer, picture, q = (pattern.fullmatch(str(key)) for pattern in (_LAYER, _PICTURE, _Q))
        if isinstance(value, Tensor) and layer is not None:
            networks[layer[1]][int(layer[2])][layer[3]] = value
        elif isinstance(value, Tensor) and picture is not None:
            pictures[f"encoder.stages.{int(picture[1]) // 2 - 1}.{picture[2]}"] = value
        elif isinstance(value, Tensor) and q is not None:
            place, leaf = (int(q[2]), q[3]) if q[3] else (int(q[2]) // 4, _LEAVES[int(q[2]) % 4])
            ensembles[q[1]][place][leaf] = value
            left_over += [str(key)] if q[1] == "detach_Qs" else []
        elif _NOTES.fullmatch(str(key)) and not isinstance(value, Tensor):
            left_over.append(str(key))
        elif key not in ("log_std_min", "log_std_dif"):
            tasks = key in ("_task_emb.weight", "_action_masks")
            raise CheckpointError(
                f"{source} needs to be a state dict of TD-MPC2 for a single task",
                f"it holds `{key}` ({describe(value)})" + (", of a model of many tasks" if tasks else ""),
                "Take the weights of one task, such as `dog-run-1.pt`" if tasks else _FIX,
            )
    _check_ensembles(ensembles, source)
    low, width = (
        _number(state, name, usual, source) for name, usual in (("log_std_min", -10.0), ("log_std_dif", 12.0))
    )
    return (
        {name: _joined(layers) for name, layers in networks.items()},
        pictures,
        {name: dict(layers) for name, layers in ensembles.items()},
        (low, low + width),
        left_over,
    )


def _joined(layers: Layers) -> Layers:
    """Number the layers from 0, one that stands for the normalisation of the one before going into it."""
    joined: list[dict[str, Tensor]] = []
    for place in sorted(layers):
        tensors = layers[place]
        weight = tensors.get("weight")
        if joined and weight is not None and weight.ndim == 1 and "ln.weight" not in joined[-1]:
            joined[-1] |= {f"ln.{leaf}": value for leaf, value in tensors.items()}
        else:
            joined.append(dict(tensors))
    return dict(enumerate(joined))


def _number(state: Mapping[str, Any], name: str, usual: float, source: str) -> float:
    value = state.get(name, usual)
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.item()
    if value is usual:
        return usual
    raise CheckpointError(f"{source} needs `{name}` to be a single number", f"it is {describe(value)}", _FIX)


def _check_ensembles(ensembles: Mapping[str, Layers], source: str) -> None:
    """Refuse ensembles of different numbers of members, and copies of the heads that are none."""
    sizes = {
        value.shape[:1]
        for layers in ensembles.values()
        for tensors in layers.values()
        for value in tensors.values()
    }
    if len(sizes) > 1:
        raise CheckpointError(
            f"{source} needs ensembles of one number of members",
            f"their tensors have {sorted(tuple(size) for size in sizes)} of them",
            _FIX,
        )
    heads = ensembles.get("Qs", {})
    for place, tensors in ensembles.get("detach_Qs", {}).items():
        for leaf, value in tensors.items():
            other = heads.get(place, {}).get(leaf)
            if other is None or not torch.equal(value, other):
                raise CheckpointError(
                    f"{source} needs `_detach_Qs_params` to be a copy of `_Qs.params`",
                    f"layer {place} differs in its {leaf}",
                    "Restore the file, or drop these entries",
                )


def _build(
    networks: Mapping[str, Layers],
    pictures: Mapping[str, Tensor],
    ensembles: Mapping[str, Layers],
    log_std: tuple[float, float],
    source: str,
    settings: Mapping[str, Any],
    part: str,
    *,
    history_size: int,
    simnorm_dim: int,
    image_size: int,
    bins: tuple[float, float],
) -> TDMPC2:
    def widths(name: str, layers: Layers | None, axes: int = 2) -> tuple[int, ...]:
        """Return the sizes of what enters a network and of what each layer puts out, then its members."""
        weights = [] if not layers else [layers[place].get("weight") for place in sorted(layers)]
        if not weights or any(w is None or w.ndim != axes or 0 in w.shape for w in weights):
            raise CheckpointError(
                f"{source} needs the layers of `{name}`, weights with {axes} axes",
                f"it has {describe(weights)}",
                _FIX,
            )
        first = next(w for w in weights if w is not None)
        return (first.shape[-1], *(w.shape[-2] for w in weights if w is not None), first.shape[0])

    if bool(pictures) == ("_encoder.state" in networks):
        raise CheckpointError(
            f"{source} needs one encoder, of vectors or of pictures",
            f"it has {'both' if pictures else 'none'}",
            _FIX,
        )
    latent, *rolled, _ = widths("_dynamics", networks.get("_dynamics"))
    latent, actions = rolled[-1], latent - rolled[-1]
    read = {name: widths(name, networks.get(name)) for name in ("_reward", "_pi")}
    judged = widths("_Qs.params", ensembles.get("Qs"), axes=3)
    try:
        with torch.random.fork_rng(devices=[]), shapes_only():
            two_hot = TwoHot(num_bins=read["_reward"][-2], low=bins[0], high=bins[1])
            if pictures:
                first = pictures.get("encoder.stages.0.weight")
                rows, columns = (32, 9) if first is None or first.ndim != 4 else first.shape[:2]
                encoder = SimNormEncoder(image_size, rows, in_channels=columns, simnorm_dim=simnorm_dim)
            else:
                seen, *hidden, out, _ = widths("_encoder.state", networks["_encoder.state"])
                encoder = NormedMLP(seen, out, hidden_dims=hidden, simnorm_dim=simnorm_dim, part=part)
            over = networks.get("_termination")
            return TDMPC2(
                encoder,
                SimNormPredictor(
                    latent,
                    history_size,
                    condition_dim=actions,
                    hidden_dims=rolled[:-1],
                    simnorm_dim=simnorm_dim,
                ),
                reward=ScalarHead(latent, actions, hidden_dims=read["_reward"][1:-2], two_hot=two_hot),
                value=QEnsemble(
                    latent,
                    actions,
                    num_members=judged[-1],
                    num_drawn=min(2, judged[-1]),
                    hidden_dims=judged[1:-2],
                    two_hot=two_hot,
                ),
                policy=GaussianPolicy(latent, actions, hidden_dims=read["_pi"][1:-2], log_std=log_std),
                termination=None
                if over is None
                else TerminationHead(latent, hidden_dims=widths("_termination", over)[1:-2]),
                **settings,
            )
    except ConfigError as error:
        rule = f"{source} needs networks that fit together, with groups of simnorm_dim={simnorm_dim}"
        raise CheckpointError(rule, f"{error.rule}; {error.got}", error.fix) from error


def _named(
    networks: Mapping[str, Layers], pictures: Mapping[str, Tensor], ensembles: Mapping[str, Layers]
) -> dict[str, Tensor]:
    """Return every tensor under leworld's name."""
    tensors = dict(pictures)
    for name, layers in networks.items():
        tensors |= _renamed(f"{_NETWORKS[name]}.layers", layers)
    for name, ours in (("Qs", "heads"), ("target_Qs", "targets")):
        layers = ensembles.get(name, {})
        stacked = [value for tensors_of in layers.values() for value in tensors_of.values() if value.ndim]
        for member in range(min((len(value) for value in stacked), default=0)):
            own = {
                place: {leaf: value[member] for leaf, value in tensors_of.items() if value.ndim}
                for place, tensors_of in layers.items()
            }
            tensors |= _renamed(f"value.{ours}.{member}.network.layers", own)
    return tensors


def _renamed(prefix: str, layers: Layers) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for place, tensors in layers.items():
        inner = "linear." if "ln.weight" in tensors else ""
        for leaf, value in tensors.items():
            new = leaf.replace("ln.", "norm.") if leaf.startswith("ln.") else f"{inner}{leaf}"
            named[f"{prefix}.{place}.{new}"] = value
    return named
