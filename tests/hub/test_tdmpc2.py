"""The three layouts of TD-MPC2's published weights, what is left over, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from leworld.errors import CheckpointError
from leworld.hub import load_tdmpc2
from leworld.models import TDMPC2
from tests.models.tdmpc2 import FIXTURE, recorded, weights

State = dict[str, Any]
LEAVES = ("weight", "bias", "ln.weight", "ln.bias")
NOTES = [
    f"{ensemble}.{note}"
    for ensemble in ("_Qs.params", "_detach_Qs_params", "_target_Qs_params")
    for note in ("__batch_size", "__device")
]


def with_notes(state: State) -> State:
    """As torch.save writes it today, with what the library of the ensembles adds."""
    return state | {note: torch.Size([5]) if note.endswith("size") else None for note in NOTES}


def numbered(state: State) -> State:
    """The oldest layout: ensembles as numbered tensors."""
    old: State = {}
    for name, value in state.items():
        for new, prefix in (("_Qs.params.", "_Qs.params"), ("_target_Qs_params.", "_target_Qs.params")):
            if name.startswith(new):
                layer, leaf = name.removeprefix(new).split(".", 1)
                old[f"{prefix}.{4 * int(layer) + LEAVES.index(leaf)}"] = value
        if not name.startswith(("_Qs", "_target", "_detach", "log_std")):
            old[name] = value
    return old


def flat(state: State) -> State:
    """Linear layer, normalisation and activation each an entry of its own, and one before them all."""
    found: State = {}
    for name, value in numbered(state).items():
        if name.startswith(("_Qs", "_target")):
            found[name] = value
            continue
        network, layer, leaf = _cut(name)
        place = 3 * layer + (1 if network == "_encoder.state" else 0)
        normal = leaf.startswith("ln.")
        found[f"{network}.{place + normal}.{leaf.removeprefix('ln.')}"] = value
    return found


def _cut(name: str) -> tuple[str, int, str]:
    parts = name.split(".")
    place = next(i for i, part in enumerate(parts) if part.isdigit())
    return ".".join(parts[:place]), int(parts[place]), ".".join(parts[place + 1 :])


def same(one: TDMPC2, other: TDMPC2) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("layout", [numbered, flat])
@pytest.mark.parametrize("kind", ["weights", "weights_episodic"])
def test_all_layouts_are_one_model(kind: str, layout) -> None:
    left_over: list[str] = []
    model = recorded(kind)
    assert same(load_tdmpc2(layout(weights(kind)), on_left_over=left_over.append), model)
    assert not left_over
    assert not model.training
    assert not model.has_processor
    assert (model.latent_shape, model.action_dim, model.history_size) == ((32,), 3, 3)
    assert (model.termination is None) == (kind == "weights")


def test_a_file_of_torch_and_what_is_left_over(tmp_path: Path) -> None:
    left_over: list[str] = []
    torch.save({"model": with_notes(weights())}, tmp_path / "dog-run-1.pt")
    model = load_tdmpc2(tmp_path / "dog-run-1.pt", on_left_over=left_over.append)
    assert same(model, recorded())
    copies = [name for name in weights() if name.startswith("_detach_Qs_params")]
    assert sorted(left_over) == sorted([*copies, *NOTES])
    assert same(load_tdmpc2(FIXTURE / "weights.safetensors"), model)


def test_weights_are_copied() -> None:
    state = weights()
    model = load_tdmpc2(state)
    kept = model.reward.network.layers[0].linear.weight.clone()
    state["_reward.0.weight"].zero_()
    assert torch.equal(model.reward.network.layers[0].linear.weight, kept)


def test_the_stored_range_of_deviations_is_taken() -> None:
    state = weights() | {"log_std_min": torch.tensor(-5.0), "log_std_dif": torch.tensor(6.0)}
    assert load_tdmpc2(state).policy.log_std == (-5.0, 1.0)


def test_weights_that_read_pictures() -> None:
    state = {n: w for n, w in weights().items() if not n.startswith(("_encoder", "_detach"))}
    draw = torch.Generator().manual_seed(0)
    for i, (columns, kernel) in enumerate(((9, 7), (8, 5), (8, 3), (8, 3))):
        state[f"_encoder.rgb.{2 * i + 2}.weight"] = torch.randn(8, columns, kernel, kernel, generator=draw)
        state[f"_encoder.rgb.{2 * i + 2}.bias"] = torch.randn(8, generator=draw)
    model = load_tdmpc2(state, image_size=47)
    assert model.observation_parts == ("pixels",)
    assert model.encode(torch.randn(2, 1, 9, 47, 47)).shape == (2, 1, 32)


REFUSED: dict[str, tuple[State, str]] = {
    "many tasks": (weights() | {"_task_emb.weight": torch.zeros(30, 96)}, "`_task_emb.weight`.*many tasks"),
    "another tensor": (weights() | {"_value.0.weight": torch.zeros(2, 2)}, "`_value.0.weight`"),
    "a note of something else": (weights() | {"_Qs.params.__layout": "x"}, "__layout"),
    "a tensor missing": ({n: w for n, w in weights().items() if n != "_pi.0.ln.bias"}, "1 are missing"),
    "a network missing": ({n: w for n, w in weights().items() if "_reward" not in n}, "`_reward`"),
    "targets missing": ({n: w for n, w in weights().items() if "_target" not in n}, "are missing"),
    "a copy that is none": (
        weights() | {"_detach_Qs_params.0.bias": torch.zeros(5, 24)},
        "copy of `_Qs.params`",
    ),
    "a member too many": (weights() | {"_Qs.params.1.bias": torch.zeros(6, 24)}, "number of members"),
    "a range of many": (weights() | {"log_std_min": torch.zeros(3)}, "`log_std_min`.*single number"),
    "another shape": (weights() | {"_pi.1.bias": torch.zeros(23)}, "policy.network.layers.1.linear.bias"),
    "NaN": (weights() | {"_pi.1.bias": torch.full((24,), torch.nan)}, "NaN"),
    "no encoder": ({n: w for n, w in weights().items() if "_encoder" not in n}, "one encoder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_model_is_refused(name: str) -> None:
    state, words = REFUSED[name]
    with pytest.raises(CheckpointError, match=words):
        load_tdmpc2(state)


def test_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CheckpointError, match="simnorm_dim=5"):
        load_tdmpc2(weights(), simnorm_dim=5)
