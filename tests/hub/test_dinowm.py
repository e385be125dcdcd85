"""DINO-WM's published weights in both layouts: recorded outputs, and what is refused."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from leworld.costs import GoalCost
from leworld.data import Batch
from leworld.encoders import DINOv2Encoder
from leworld.errors import CheckpointError, ConfigError
from leworld.hub import load_dinowm
from leworld.hub.released._from_dinowm import _BLOCK
from leworld.models import DINOWM
from leworld.predictors import TokenTransformerPredictor
from tests._source import ROOT
from tests.models.dinowm import FIXTURE, Given, PatchEncoder, reference, seen, weights

REFERENCE = reference()
LAYOUTS = ("dinowm", "swm")
State = dict[str, Any]


def loaded(state: Any = None, **options: Any) -> DINOWM:
    state = weights("dinowm") if state is None else state
    return load_dinowm(state, Given(4, 16), **{"head_dim": 8, **options})


def close(one: Tensor, other: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(one, other, atol=tolerance, rtol=0)


@pytest.fixture(params=LAYOUTS)
def model(request: pytest.FixtureRequest) -> DINOWM:
    return load_dinowm(FIXTURE / f"weights_{request.param}.safetensors", Given(4, 16), head_dim=8)


@pytest.mark.parametrize("frames", [1, 2, 3])
@torch.no_grad()
def test_predictor(model: DINOWM, frames: int) -> None:
    """All of its output, the action's part too; the recorded input has a part of its own on every token."""
    predictor = model.predictor
    tokens = REFERENCE["predictor.input"][:, : 4 * frames] + predictor.positions[:, : 4 * frames]
    for block in predictor.blocks:
        tokens = block(tokens)
    close(predictor.norm(tokens), REFERENCE[f"predictor.output.{frames}"])


def test_window_loss_and_gradients(model: DINOWM) -> None:
    window = seen(REFERENCE["window.visual"], REFERENCE["window.proprio"])
    latents = model.encode(window)
    close(latents, REFERENCE["window.z"][..., :18])
    actions = REFERENCE["window.action"]
    close(model.action_encoder(actions), REFERENCE["window.z"][:, :, 0, 18:])
    close(model.predict(latents[:, :3], actions[:, :3]), REFERENCE["window.prediction"][..., :18])
    losses = model.loss(Batch(window, actions))
    close(losses.total, REFERENCE["window.loss"], 1e-6)
    for part in ("visual", "proprio"):
        close(losses.logged[part], REFERENCE[f"window.loss_{part}"], 1e-6)
    losses.total.backward()
    ours = {
        "predictor.pos_embedding": "predictor.positions",
        "predictor.transformer.layers.0.0.to_qkv.weight": "predictor.blocks.0.attention.qkv.weight",
        "predictor.transformer.norm.weight": "predictor.norm.weight",
        "proprio_encoder.patch_embed.weight": "proprio_encoder.output.weight",
        "action_encoder.patch_embed.weight": "action_encoder.output.weight",
    }
    for name, own in ours.items():
        gradient = model.get_parameter(own).grad
        close(gradient, REFERENCE[f"window.grad.{name}"].reshape(gradient.shape), 1e-6)


@torch.no_grad()
def test_rollout_and_objectives(model: DINOWM) -> None:
    context = model.encode(seen(REFERENCE["rollout.visual"], REFERENCE["rollout.proprio"]))
    goal = model.encode(seen(REFERENCE["goal.visual"], REFERENCE["goal.proprio"]))[:, 0]
    actions = REFERENCE["rollout.actions"]
    rolled = model.rollout(context, context.new_zeros(2, 0, 6), actions)
    recorded = REFERENCE["rollout.z"]
    close(rolled, recorded[:, :, 1:, :, :18])
    close(rolled[..., 0, 16:], REFERENCE["rollout.proprio_emb"][:, :, 1:])
    # The published code writes the next action over the part that it predicted.
    close(model.action_encoder(actions), recorded[:, :, :5, 0, 18:])
    close(GoalCost(model, goal, context=context)(actions), REFERENCE["objective.last"])
    path = GoalCost(model, goal, context=context, along="path", base=2.0)(actions)
    start = model.latent_distance(context[:, 0], goal)[:, None]
    close((start + 62 * path) / 63 / 6, REFERENCE["objective.all_base2"])


def test_both_layouts_are_one_model_and_the_sizes_are_read() -> None:
    one, other = (loaded(weights(layout)) for layout in LAYOUTS)
    assert one.config == other.config
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    assert (one.latent_shape, one.action_dim, one.history_size) == ((4, 18), 6, 3)
    assert one.predictor.blocks[0].attention.num_heads == 2
    assert not any(part.training for part in one.modules())
    assert all(parameter.requires_grad for parameter in one.predictor.parameters())


def test_weights_are_copied() -> None:
    state = weights("dinowm")
    model = loaded(state)
    kept = model.predictor.positions.clone()
    state["predictor.pos_embedding"].zero_()
    assert torch.equal(model.predictor.positions, kept)


def test_files_of_torch_and_wrappers(tmp_path: Path) -> None:
    for wrapped in (
        weights("swm"),
        {"state_dict": weights("swm")},
        {f"model.{k}": v for k, v in weights("swm").items()},
    ):
        torch.save(wrapped, tmp_path / "weights.pt")
        model = load_dinowm(tmp_path / "weights.pt", Given(4, 16), head_dim=8)
        assert torch.equal(model.predictor.positions, weights("swm")["predictor.pos_embedding"])


def renamed(state: State) -> State:
    """As the authors' modules are called one by one."""
    return {re.sub(r"^extra_encoders\.(\w+)\.", r"\1_encoder.", key): value for key, value in state.items()}


def test_names_of_the_authors_modules_and_without_proprio() -> None:
    authors = renamed(weights("dinowm")) | {"decoder.dec.weight": torch.zeros(2)}
    assert loaded(authors).proprio_dim == 2
    state = {key: value for key, value in weights("dinowm").items() if "proprio" not in key}
    model = load_dinowm(state, Given(4, 18), head_dim=8)
    assert model.observation_parts == ("pixels",)


@pytest.mark.parametrize("prefix", ["backbone.", "backbone.backbone.", "encoder.", "encoder.base_model."])
def test_the_encoders_own_tensors_are_loaded(prefix: str) -> None:
    stored, encoder = PatchEncoder(8, 4, 16), PatchEncoder(8, 4, 16)
    state = weights("swm") | {f"{prefix}{key}": value for key, value in stored.state_dict().items()}
    model = load_dinowm(state, encoder, head_dim=8)
    assert torch.equal(model.encoder.layer.weight, stored.layer.weight)
    assert not model.encoder.layer.weight.requires_grad


@torch.no_grad()
def test_a_backbone_of_stable_worldmodel_comes_along() -> None:
    """DINOv2 as transformers names it, inside the wrapper of stable-pretraining."""
    folder = ROOT / "tests" / "fixtures" / "dinov2_mini"
    backbone = load_file(folder / "weights_transformers.safetensors")
    recorded = load_file(folder / "reference.safetensors")
    size = {"hidden_dim": 24, "depth": 2, "num_heads": 3, "mlp_dim": 48}
    encoder = DINOv2Encoder(
        size, image_size=42, position_grid=5, output="patches", position_interpolation="transformers"
    ).float()
    predictor = TokenTransformerPredictor(24, 9, condition_dim=4, depth=1, num_heads=1, head_dim=8, mlp_dim=8)
    ours = {"positions": "pos_embedding", "norm": "transformer.norm"} | {
        f"blocks.0.{one}": f"transformer.layers.0.{other}" for other, one in _BLOCK.items()
    }
    state = {f"backbone.backbone.{key}": value for key, value in backbone.items()}
    for key, value in predictor.float().state_dict().items():
        name = next(one for one in ours if key.startswith(one))
        state["predictor." + key.replace(name, ours[name])] = value
    state |= {
        "extra_encoders.action.patch_embed.weight": torch.randn(4, 6, 1, dtype=torch.float32),
        "extra_encoders.action.patch_embed.bias": torch.randn(4, dtype=torch.float32),
    }
    model = load_dinowm(state, encoder, head_dim=8)
    pixels = recorded["pixels.42x42"].unsqueeze(1)
    close(model.encode(pixels)[:, 0], recorded["transformers.42x42.patch"])


class Around(nn.Module):
    """Stands around an encoder and says what it says."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.num_tokens, self.embedding_dim = module, module.num_tokens, module.embedding_dim

    def forward(self, images: Tensor) -> Tensor:
        return self.module(images)


def test_an_encoder_inside_another_module_is_filled() -> None:
    stored, encoder = PatchEncoder(8, 4, 16), Around(PatchEncoder(8, 4, 16))
    state = weights("swm") | {f"backbone.{key}": value for key, value in stored.state_dict().items()}
    load_dinowm(state, encoder, head_dim=8)
    assert torch.equal(encoder.module.layer.weight, stored.layer.weight)


class Module(nn.Module):
    """Pickled whole, as the authors save theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Conv1d(6, 2, 1)


def test_pickled_modules_are_refused_with_advice(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "predictor": Module()}, tmp_path / "model_3.pth")
    with pytest.raises(CheckpointError, match="weights_only=False") as caught:
        load_dinowm(tmp_path / "model_3.pth", Given(4, 16))
    assert "run code" in caught.value.got
    with pytest.raises(CheckpointError, match="weights_only=False"):
        load_dinowm({"predictor": Module()}, Given(4, 16))


def test_the_advice_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the error says to run, on a checkpoint of modules as the authors have them."""
    path, module = tmp_path / "model_3.pth", Module().float()
    torch.save({"epoch": 3, "action_encoder": module}, path)
    with pytest.raises(CheckpointError) as caught:
        load_dinowm(path, Given(4, 16))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"torch": torch, "path": path}
    for command in re.findall("`(.+?)`", caught.value.fix):
        exec(command, names)
    parts = torch.load("weights.pt", weights_only=True)
    state = {key: value for key, value in renamed(weights("dinowm")).items() if "action" not in key} | parts
    model = load_dinowm(state, Given(4, 16), head_dim=8)
    assert torch.equal(model.action_encoder.output.weight, module.patch_embed.weight[..., 0])


def mask(change: Callable[[Tensor], Tensor]) -> Callable[[State], State]:
    name = "predictor.transformer.layers.1.0.bias"
    return lambda state: state | {name: change(state[name])}


BAD: dict[str, tuple[Callable[[State], State], str]] = {
    "another mask": (mask(lambda m: torch.ones_like(m)), "layers.1.0.bias"),
    "a mask of tokens": (mask(lambda m: torch.ones_like(m).tril()), "layers.1.0.bias"),
    "a mask of other frames": (mask(lambda m: m[..., :8, :8]), "(1, 1, 8, 8)"),
    "missing": (lambda s: {k: v for k, v in s.items() if "1.net.4" not in k}, "mlp.narrow"),
    "no positions": (lambda s: {k: v for k, v in s.items() if "pos_emb" not in k}, "predictor.positions"),
    "no actions": (lambda s: {k: v for k, v in s.items() if "action" not in k}, "action_encoder"),
    "left over": (
        lambda s: s | {"predictor.transformer.layers.7.0.norm.bias": torch.zeros(20)},
        "blocks.7",
    ),
    "unknown": (lambda s: s | {"predictor.pool.weight": torch.zeros(1)}, "predictor.pool.weight"),
    "misshapen": (lambda s: s | {"predictor.transformer.norm.bias": torch.zeros(3)}, "(3,)"),
    "no tensor": (lambda s: s | {"epoch": 3}, "`epoch`"),
    "both names": (lambda s: s | renamed(s), "another key"),
    "not finite": (lambda s: s | {"predictor.transformer.norm.bias": torch.full((20,), torch.nan)}, "NaN"),
    "an encoder of other names": (lambda s: s | {"backbone.embeddings.cls": torch.zeros(1)}, "backbone"),
    "a kernel of 3": (
        lambda s: s | {"extra_encoders.action.patch_embed.weight": torch.zeros(2, 6, 3)},
        "2 axes",
    ),
    "empty": (lambda s: {}, "missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_other_weights_are_refused(case: str) -> None:
    spoil, mention = BAD[case]
    with pytest.raises(CheckpointError) as caught:
        loaded(spoil(dict(weights("swm"))))
    assert mention in str(caught.value)


def test_another_grid_is_told_in_tokens_and_pixels() -> None:
    """le-wm PR 8: positions of 196 tokens against an encoder that makes 256 of a picture."""
    state = weights("dinowm")
    state["predictor.pos_embedding"] = torch.zeros(1, 3 * 196, 20)
    with pytest.raises(CheckpointError) as caught:
        load_dinowm(state, PatchEncoder(224, 14, 16), head_dim=8)
    told = str(caught.value)
    for mention in (
        "588 positions",
        "196 tokens (14 x 14)",
        "256 tokens (16 x 16)",
        "224 pixels",
        "196 pixels",
    ):
        assert mention in told


@pytest.mark.parametrize(
    ("options", "error", "mention"),
    [
        ({"history_size": 0}, ConfigError, "history_size"),
        ({"head_dim": 7}, CheckpointError, "head_dim=7"),
        ({"history_size": 5}, CheckpointError, "history_size=5"),
        ({"history_size": 2}, CheckpointError, "6 tokens"),
        ({"dropout": 1.5}, ConfigError, "dropout"),
        ({"proprio_weight": -1.0}, ConfigError, "proprio_weight"),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception], mention: str) -> None:
    with pytest.raises(error, match=mention):
        loaded(**options)


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="`weight`"):
        load_dinowm(tmp_path / "other.safetensors", Given(4, 16))
    (tmp_path / "weights.pt").write_bytes(b"PK\x03\x04damaged")
    with pytest.raises(CheckpointError, match="zip archive"):
        load_dinowm(tmp_path / "weights.pt", Given(4, 16))
