"""PreJEPA and TDMPC2 as stable-worldmodel saves them: read, written, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import leworld
from leworld.data import Observation
from leworld.encoders import DINOv2Encoder, LinearEncoder
from leworld.errors import CheckpointError, ConfigError
from leworld.hub import convert
from leworld.hub.released import _swm_prejepa
from leworld.models import DINOWM, TDMPC2
from leworld.predictors import TokenTransformerPredictor

State = dict[str, Tensor]
CFG = {
    "dataset_name": "pusht_expert_train",
    "action_dim": 2,
    "extra_dims": {"action": 2, "state": 7},
    "wm": {
        "horizon": 5,
        "mlp_dim": 24,
        "enc_dim": 12,
        "simnorm_dim": 4,
        "num_q": 3,
        "rho": 0.6,
        "tau": 0.01,
        "consistency_coef": 20.0,
        "reward_coef": 0.2,
        "value_coef": 0.1,
        "discount": 0.98,
        "entropy_coef": "1e-4",
        "num_bins": 11,
        "vmin": -6,
        "vmax": 2,
        "encoding": {"state": 16},
    },
}
CONFIG = {"_target_": "stable_worldmodel.wm.tdmpc2.TDMPC2", "_recursive_": False, "cfg": CFG}


def tdmpc2_state() -> State:
    """Every tensor under the names that the class there gives them, drawn at random."""
    draw = torch.Generator().manual_seed(0)

    def linear(name: str, columns: int, rows: int, *, normed: bool = True) -> State:
        made = {f"{name}.weight": torch.randn(rows, columns, generator=draw) / columns**0.5}
        made[f"{name}.bias"] = 0.1 * torch.randn(rows, generator=draw)
        return made | (norm(f"{name}.ln", rows) if normed else {})

    def norm(name: str, size: int) -> State:
        weight = 1 + 0.1 * torch.randn(size, generator=draw)
        return {f"{name}.weight": weight, f"{name}.bias": 0.1 * torch.randn(size, generator=draw)}

    state = {"scale.value": torch.tensor([3.0])}
    state |= linear("extra_encoders.state.0", 7, 12) | linear("extra_encoders.state.1", 12, 16, normed=False)
    state |= norm("extra_encoders.state.2", 16)
    networks = {"dynamics": (18, 16), "reward": (18, 11), "pi": (16, 4)}
    networks |= {f"{kind}.{i}": (18, 11) for kind in ("qs", "target_qs") for i in range(3)}
    for name, (columns, rows) in networks.items():
        last = linear(f"{name}.2", 24, rows, normed=name == "dynamics")
        state |= linear(f"{name}.0", columns, 24) | linear(f"{name}.1", 24, 24) | last
    return state


def write(folder: Path, config: Any, state: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    torch.save(state, folder / "weights.pt")
    return folder


class Plain:
    """That class, computed from its tensors: layers, SimNorm, and numbers out of bins."""

    def __init__(self, state: State) -> None:
        self.state = state

    def normed(self, name: str, x: Tensor, act: Callable[[Tensor], Tensor] = F.mish) -> Tensor:
        x = self.linear(name, x)
        return act(
            F.layer_norm(x, x.shape[-1:], self.state[f"{name}.ln.weight"], self.state[f"{name}.ln.bias"])
        )

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def simnorm(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, 4)).softmax(-1).flatten(-2)

    def network(self, name: str, x: Tensor) -> Tensor:
        return self.linear(f"{name}.2", self.normed(f"{name}.1", self.normed(f"{name}.0", x)))

    def encode(self, x: Tensor) -> Tensor:
        x = self.linear("extra_encoders.state.1", self.normed("extra_encoders.state.0", x))
        weight, bias = (self.state[f"extra_encoders.state.2.{leaf}"] for leaf in ("weight", "bias"))
        return self.simnorm(F.layer_norm(x, x.shape[-1:], weight, bias))

    def dynamics(self, x: Tensor) -> Tensor:
        hidden = self.normed("dynamics.1", self.normed("dynamics.0", x))
        return self.normed("dynamics.2", hidden, self.simnorm)

    def number(self, name: str, x: Tensor) -> Tensor:
        mean = (self.network(name, x).softmax(-1) * torch.linspace(-6, 2, 11)).sum(-1)
        return mean.sign() * (mean.abs().exp() - 1)


@torch.no_grad()
def test_tdmpc2_computes_what_theirs_does(tmp_path: Path) -> None:
    state = tdmpc2_state()
    model = leworld.load(write(tmp_path / "theirs", CONFIG, state))
    assert isinstance(model, TDMPC2)
    plain, draw = Plain(state), torch.Generator().manual_seed(1)
    seen, actions = torch.randn(4, 1, 7, generator=draw), torch.randn(4, 1, 2, generator=draw)
    latents = model.encode(Observation(parts={"state": seen}))
    torch.testing.assert_close(latents, plain.encode(seen))
    both = torch.cat((latents, actions), dim=-1)
    torch.testing.assert_close(model.predict(latents, actions), plain.dynamics(both))
    torch.testing.assert_close(model.reward(latents, actions), plain.number("reward", both))
    for i, (head, target) in enumerate(zip(model.value.heads, model.value.targets, strict=True)):
        torch.testing.assert_close(head(latents, actions), plain.number(f"qs.{i}", both))
        torch.testing.assert_close(target(latents, actions), plain.number(f"target_qs.{i}", both))
    torch.testing.assert_close(model.policy(latents), plain.network("pi", latents)[..., :2].tanh())
    assert model.scale.scale == 3
    assert (model.discount, model.step_decay, model.history_size) == (0.98, 0.6, 5)
    assert (model.weights["reward"], model.entropy_weight) == (0.2, 1e-4)


def test_tdmpc2_there_and_back(tmp_path: Path) -> None:
    state = tdmpc2_state()
    theirs = write(tmp_path / "theirs", CONFIG, state)
    ours = convert(theirs, tmp_path / "ours")
    back = convert(ours, tmp_path / "back", layout="released")
    again = torch.load(back / "weights.pt", weights_only=True)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], value) for name, value in state.items())
    config = json.loads((back / "config.json").read_text())
    assert (config["_target_"], config["_recursive_"]) == (CONFIG["_target_"], False)
    written = config["cfg"]["wm"]
    assert {name: written[name] for name in CFG["wm"]} == CFG["wm"] | {"entropy_coef": 1e-4}
    assert config["cfg"]["extra_dims"] == CFG["extra_dims"]
    assert config["cfg"]["action_dim"] == 2


def _without(state: State, start: str) -> State:
    return {name: value for name, value in state.items() if not name.startswith(start)}


REFUSED: dict[str, tuple[Callable[[dict, State], tuple[Any, State]], str]] = {
    "pictures": (
        lambda config, state: (config, state | {"cnn.0.weight": torch.zeros(32, 3, 7, 7)}),
        "one vector.*pixels",
    ),
    "two parts": (
        lambda config, state: (
            config,
            state | {n.replace("state", "arm"): v for n, v in state.items() if n.startswith("extra")},
        ),
        "one vector",
    ),
    "a member missing": (lambda config, state: (config, _without(state, "qs.1.")), "numbered from 0"),
    "no scale": (lambda config, state: (config, _without(state, "scale")), "scale.value"),
    "no settings": (lambda config, state: ({**config, "cfg": {}}, state), "cfg.wm"),
    "no bins": (
        lambda config, state: (
            {**config, "cfg": {"wm": {k: v for k, v in CFG["wm"].items() if k != "vmin"}}},
            state,
        ),
        "vmin",
    ),
    "another tensor": (
        lambda config, state: (config, state | {"extra.weight": torch.zeros(2)}),
        "extra.weight",
    ),
    "a tensor missing": (lambda config, state: (config, _without(state, "pi.0.ln")), "missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_another_tdmpc2_is_refused(case: str, tmp_path: Path) -> None:
    spoil, words = REFUSED[case]
    folder = write(tmp_path / "theirs", *spoil(CONFIG, tdmpc2_state()))
    with pytest.raises(CheckpointError, match=words):
        leworld.load(folder)


def test_a_tdmpc2_that_theirs_cannot_be(tmp_path: Path) -> None:
    leworld.save(TDMPC2.of_size("1M", 2, observation_dim=4, episodic=True), tmp_path / "episodic")
    with pytest.raises(CheckpointError, match="termination"):
        convert(tmp_path / "episodic", tmp_path / "out", layout="released")
    with pytest.raises(ConfigError, match="replace"):
        leworld.load(write(tmp_path / "theirs", CONFIG, tdmpc2_state()), replace={"discount": 0.5})


def prejepa(*, proprio: bool = True, **options: Any) -> DINOWM:
    """On a backbone that is narrower than any that is published."""
    size = {"hidden_dim": 64, "depth": 2, "num_heads": 1, "mlp_dim": 128}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        given = {"image_size": 28, "output": "patches", "position_interpolation": "transformers"}
        model = DINOWM(
            DINOv2Encoder(size, **given | options),
            TokenTransformerPredictor(
                64 + 4 * proprio,
                4,
                condition_dim=3,
                depth=2,
                num_heads=2,
                head_dim=8,
                mlp_dim=16,
                dropout=0.2,
            ),
            action_encoder=LinearEncoder(10, 3),
            proprio_encoder=LinearEncoder(5, 4) if proprio else None,
        )
        for weight in model.parameters():
            weight.data += 0.1 * torch.randn_like(weight)
    return model.eval()


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_swm_prejepa._BACKBONES, 64, "dinov2_small")


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("proprio", [True, False])
@torch.no_grad()
def test_prejepa_there_and_back(proprio: bool, tmp_path: Path) -> None:
    model = prejepa(proprio=proprio)
    leworld.save(model, tmp_path / "ours")
    theirs = convert(tmp_path / "ours", tmp_path / "theirs", layout="released")
    config = json.loads((theirs / "config.json").read_text())
    state = torch.load(theirs / "weights.pt", weights_only=True)
    assert list(config["extra_encoders"]["modules"]) == ["proprio"] * proprio + ["action"]
    assert config["predictor"]["dim"] == 64 + 4 * proprio + 3
    assert state["predictor.transformer.layers.1.0.bias"].shape == (1, 1, 12, 12)
    assert state["backbone.embeddings.mask_token"].shape == (1, 64)
    assert state["extra_encoders.action.patch_embed.weight"].shape == (3, 10, 1)
    again = leworld.load(theirs)
    assert isinstance(again, DINOWM)
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    parts = {"pixels": torch.randn(2, 3, 3, 28, 28)} | ({"proprio": torch.randn(2, 3, 5)} if proprio else {})
    latents = model.encode(Observation(parts=parts))
    assert torch.equal(again.encode(Observation(parts=parts)), latents)
    actions = torch.randn(2, 3, 10)
    assert torch.equal(again.predict(latents, actions), model.predict(latents, actions))


def _change(config: dict, *path: str, value: Any) -> dict:
    changed = json.loads(json.dumps(config))
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return changed


CHANGES: dict[str, tuple[Callable[[dict, State], tuple[Any, State]], str]] = {
    "another backbone": (
        lambda config, state: (_change(config, "encoder", "name", value="facebook/vit-mae-base"), state),
        "vit-mae-base.*load_dinowm",
    ),
    "another factory": (
        lambda config, state: (_change(config, "encoder", "_target_", value="os.system"), state),
        "os.system",
    ),
    "actions first": (
        lambda config, state: (
            _change(
                config,
                "extra_encoders",
                "modules",
                value=dict(reversed(config["extra_encoders"]["modules"].items())),
            ),
            state,
        ),
        "in this order",
    ),
    "a backbone elsewhere": (lambda config, state: (config, _without(state, "backbone.")), "backbone"),
    "dropout of tokens": (
        lambda config, state: (_change(config, "predictor", "emb_dropout", value=0.5), state),
        "emb_dropout",
    ),
    "dropout in words": (
        lambda config, state: (_change(config, "predictor", "dropout", value="a bit"), state),
        "dropout",
    ),
    "another predictor": (
        lambda config, state: (_change(config, "predictor", "_target_", value="mine.Predictor"), state),
        "_target_",
    ),
    "no sizes": (
        lambda config, state: (_change(config, "predictor", "num_patches", value="4"), state),
        "num_patches",
    ),
    "another tensor": (
        lambda config, state: (config, state | {"pixel_token": torch.zeros(2)}),
        "pixel_token",
    ),
}


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("case", CHANGES)
def test_another_prejepa_is_refused(case: str, tmp_path: Path) -> None:
    spoil, words = CHANGES[case]
    config, state = _swm_prejepa.dinowm_to_swm(prejepa())
    with pytest.raises(CheckpointError, match=words):
        leworld.load(write(tmp_path / "theirs", *spoil(config, state)))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("options", "words"),
    [({"position_interpolation": "timm"}, "interpolated"), ({"num_registers": 2}, "register tokens")],
)
def test_a_prejepa_that_theirs_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        _swm_prejepa.dinowm_to_swm(prejepa(**options))


def test_a_backbone_of_no_published_size() -> None:
    with pytest.raises(CheckpointError, match="another size"):
        _swm_prejepa.dinowm_to_swm(prejepa())
