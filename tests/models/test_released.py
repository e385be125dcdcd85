"""The released layout: parity with recorded outputs of the released code, and what is refused."""

import copy
import json

import pytest
import torch
from torch import Tensor

from leworld.errors import CheckpointError, ConfigError
from leworld.hub.released._from_released import from_released
from leworld.hub.released._to_released import to_released
from leworld.models import PLDM, LeWM
from leworld.regularizers import InverseDynamics, PLDMTerms
from tests.models.cases import FIXTURES, newer_names, released

CONFIG, WEIGHTS, REFERENCE = released()
GENERATIONS = {"transformers 4": WEIGHTS, "transformers 5.9": newer_names(WEIGHTS)}
WRAPPINGS = {
    "plain": lambda state: state,
    "model.": lambda state: {f"model.{key}": value for key, value in state.items()},
    "module.": lambda state: {f"module.{key}": value for key, value in state.items()},
    "module.model.": lambda state: {f"module.model.{key}": value for key, value in state.items()},
    "state_dict": lambda state: {"state_dict": state},
    "state_dict, model.": lambda state: {
        "state_dict": {f"model.{k}": v for k, v in state.items()},
        "epoch": 3,
    },
}


@pytest.fixture(params=GENERATIONS)
def model(request: pytest.FixtureRequest) -> LeWM:
    return from_released(CONFIG, GENERATIONS[request.param])


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_the_newer_names_differ() -> None:
    assert set(GENERATIONS["transformers 4"]) & set(GENERATIONS["transformers 5.9"])
    assert "encoder.layers.0.attention.q_proj.weight" in GENERATIONS["transformers 5.9"]
    assert not [key for key in GENERATIONS["transformers 5.9"] if "dense" in key]


@torch.no_grad()
def test_encode(model: LeWM) -> None:
    close(model.encode(REFERENCE["pixels"]), REFERENCE["emb"])
    close(model.encode(REFERENCE["goal"]), REFERENCE["goal_emb"])


@torch.no_grad()
def test_actions_and_prediction(model: LeWM) -> None:
    close(model.action_encoder(REFERENCE["actions"]), REFERENCE["act_emb"])
    close(model.predict(REFERENCE["emb"], REFERENCE["actions"]), REFERENCE["prediction"])


@pytest.mark.parametrize("frames", [1, 3])
@torch.no_grad()
def test_rollout_and_goal_cost(model: LeWM, frames: int) -> None:
    recorded = REFERENCE[f"rollout_history{frames}"]
    close(recorded[:, 0, :frames], REFERENCE["emb"][:, :frames])
    context = model.encode(REFERENCE["pixels"][:, :frames])
    rolled = model.rollout(context, REFERENCE["actions"][:, : frames - 1], REFERENCE["candidates"])
    close(rolled, recorded[:, :, frames:])
    cost = (rolled[:, :, -1] - model.encode(REFERENCE["goal"])).square().sum(-1)
    close(cost, REFERENCE[f"cost_history{frames}"])


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_prefixes_and_wrapping(wrapping: str) -> None:
    model = from_released(CONFIG, WRAPPINGS[wrapping](WEIGHTS))
    plain = from_released(CONFIG, WEIGHTS)
    assert not model.training
    for key, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


def full_size() -> tuple[dict, dict[str, Tensor]]:
    """Config and zero weights of the published size, from the table of their names and shapes."""
    table = json.loads((FIXTURES / "official_lewm_shapes.json").read_text())
    state = {}
    for name, shape in table["shapes"].items():
        stem = name.split(".*.")[0]
        for i in range(table["repeats"][stem] if ".*." in name else 1):
            dtype = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
            state[name.replace("*", str(i))] = torch.zeros(shape, dtype=dtype)
    config = copy.deepcopy(CONFIG)
    config["encoder"] = {
        "_target_": "stable_pretraining.backbone.utils.vit_hf",
        "size": "tiny",
        "patch_size": 14,
        "image_size": 224,
        "pretrained": False,
        "use_mask_token": False,
    }
    config["predictor"] |= {
        "input_dim": 192, "hidden_dim": 192, "output_dim": 192, "depth": 6, "heads": 16, "mlp_dim": 2048,
        "dim_head": 64,
    }  # fmt: skip
    config["action_encoder"]["emb_dim"] = 192
    for name in ("projector", "pred_proj"):
        config[name] |= {"input_dim": 192, "hidden_dim": 2048, "output_dim": 192}
    return config, state


def test_full_size_has_the_published_tensors() -> None:
    config, state = full_size()
    model = from_released(config, state)
    own = {key: value for key, value in model.state_dict().items() if not key.startswith("regularizer.")}
    assert len(own) == len(state) == 303
    assert sum(p.numel() for p in model.parameters()) == 18_034_478
    assert sum(b.numel() for b in model.buffers() if b.dtype != torch.int64) == 4 * 2048
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert parts == {
        "encoder": 5_501_376,
        "predictor": 10_791_360,
        "action_encoder": 156_206,
        "projector": 792_768,
        "prediction_projector": 792_768,
        "regularizer": 0,
    }
    assert all(not value.any() for value in own.values())
    assert (model.history_size, model.embedding_dim, model.action_dim) == (3, 192, 10)


def test_the_block_size_comes_from_the_tensor() -> None:
    """Cube's blocks have 25 entries whatever the config says."""
    state = dict(WEIGHTS)
    state["action_encoder.patch_embed.weight"] = torch.zeros(10, 25, 1)
    assert from_released(CONFIG, state).action_dim == 25


def pldm_config() -> dict:
    """The same network as the baseline's training script saves it."""
    config = copy.deepcopy(CONFIG)
    config["_target_"] = "stable_worldmodel.wm.pldm.PLDM"
    for name in ("predictor", "action_encoder", "projector", "pred_proj"):
        config[name]["_target_"] = (
            "stable_worldmodel.wm.pldm.module." + config[name]["_target_"].split(".")[-1]
        )
    return config


@torch.no_grad()
def test_a_released_pldm_is_a_pldm() -> None:
    model = from_released(pldm_config(), WEIGHTS)
    assert isinstance(model, PLDM)
    assert not model.training
    assert model.regularizer.weights["covariance"] == 12.0
    close(model.encode(REFERENCE["pixels"]), REFERENCE["emb"])
    close(model.predict(REFERENCE["emb"], REFERENCE["actions"]), REFERENCE["prediction"])
    head = InverseDynamics(model.embedding_dim, model.action_dim)
    terms = PLDMTerms(1.0, inverse_dynamics=head, inverse_dynamics_weight=1.0)
    again = from_released(pldm_config(), WEIGHTS, replace={"regularizer": terms})
    assert again.regularizer is terms
    config, state = to_released(again)
    assert config["_target_"] == pldm_config()["_target_"]
    assert state.keys() == WEIGHTS.keys()
    with pytest.raises(ConfigError, match="regularizer_weight"):
        from_released(pldm_config(), WEIGHTS, replace={"regularizer_weight": 0.1})


def test_a_baseline_saved_as_the_lewm_of_its_parts_becomes_a_pldm() -> None:
    model = from_released(CONFIG, WEIGHTS)
    parts = ("encoder", "predictor", "action_encoder", "projector", "prediction_projector")
    baseline = PLDM(**{name: getattr(model, name) for name in parts})
    assert to_released(baseline)[1].keys() == WEIGHTS.keys()


def test_full_size_pldm_has_the_published_tensors() -> None:
    config, state = full_size()
    config["_target_"] = "stable_worldmodel.wm.pldm.PLDM"
    assert len(from_released(config, state).state_dict()) == len(state) == 303


def changed(path: str, value) -> dict:
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split(".")
    node = config
    for name in parents:
        node = node[name]
    if value is None:
        del node[last]
    else:
        node[last] = None if value is Null else value
    return config


Null = object()
BAD_CONFIGS = {
    "a callable as target": ("_target_", "os.system", "stable_worldmodel.wm.lewm.LeWM"),
    "a callable inside": ("projector.norm_fn._target_", "os.system", "BatchNorm1d"),
    "another norm": ("projector.norm_fn._target_", "torch.nn.LayerNorm", "BatchNorm1d"),
    "unknown field": ("encoder.image_sise", 28, "Did you mean `image_size`"),
    "extra part": ("decoder", {"_target_": "x"}, "decoder"),
    "missing part": ("predictor", None, "`predictor`"),
    "missing field": ("predictor.depth", None, "`depth`"),
    "no mapping": ("encoder", "vit", "mapping"),
    "hidden width": ("predictor.hidden_dim", 48, "hidden_dim"),
    "other activation": ("encoder.hidden_act", "relu", "hidden_act"),
    "patch size": ("encoder.patch_size", 5, "patch_size"),
    "unknown size": ("encoder.size", "tinny", "tiny"),
    "depth a string": ("predictor.depth", "2", "depth"),
    "a bomb of blocks": ("predictor.depth", 100_000, "more blocks"),
    "a bomb of blocks in the encoder": ("encoder.num_hidden_layers", 100_000, "more blocks"),
    "a bomb of width": ("projector.hidden_dim", 100_000, "projector"),
    "a bomb of pixels": ("encoder.image_size", 70_000, "encoder.positions"),
    "a list as target": ("encoder._target_", ["os.system"], "vit_hf"),
    "null where a number is due": ("predictor.depth", Null, "depth"),
    "no number of heads": ("predictor.heads", True, "heads"),
    "other depth": ("predictor.depth", 3, "missing"),
    "other width": ("predictor.mlp_dim", 41, "(40, 24)"),
    "other history": ("predictor.num_frames", 4, "positions"),
    "mlp_scale no number": ("action_encoder.mlp_scale", "x", "mlp_scale"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_bad_config_is_refused(case: str) -> None:
    path, value, mention = BAD_CONFIGS[case]
    with pytest.raises(CheckpointError) as caught:
        from_released(changed(path, value), WEIGHTS)
    assert mention in str(caught.value)


BAD_STATES = {
    "missing": (lambda s: {k: v for k, v in s.items() if "query" not in k}, "attention.query"),
    "left over": (lambda s: s | {"encoder.layernorm.extra": torch.zeros(1)}, "encoder.norm.extra"),
    "unknown": (lambda s: s | {"decoder.weight": torch.zeros(1)}, "decoder.weight"),
    "no tensor": (lambda s: s | {"encoder.layernorm.bias": "x"}, "encoder.layernorm.bias"),
    "not a name": (lambda s: s | {3: torch.zeros(1)}, "`3`"),
    "shape": (lambda s: s | {"encoder.layernorm.bias": torch.zeros(3)}, "(3,)"),
    "both generations": (lambda s: s | newer_names(s), "generation"),
    "empty": (lambda s: {}, "tensors (0)"),
    "whole checkpoint": (lambda s: {"epoch": 3, "optimizer": {}}, "epoch"),
    "kernel of 3": (lambda s: s | {"action_encoder.patch_embed.weight": torch.zeros(10, 10, 3)}, "10, 10"),
    "a number": (lambda s: s | {"action_encoder.patch_embed.weight": torch.zeros(())}, "smooth"),
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_a_bad_state_dict_is_refused(case: str) -> None:
    spoil, mention = BAD_STATES[case]
    with pytest.raises(CheckpointError) as caught:
        from_released(CONFIG, spoil(dict(WEIGHTS)))
    assert mention in str(caught.value)


def test_weights_are_copied() -> None:
    state = {key: value.clone() for key, value in WEIGHTS.items()}
    model = from_released(CONFIG, state)
    state["encoder.layernorm.weight"].zero_()
    assert torch.equal(model.encoder.norm.weight, WEIGHTS["encoder.layernorm.weight"])
