"""DINOv2 against what three libraries computed with the same weights, and the layouts that it reads."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file

from leworld.encoders import DINOv2Encoder, dinov2_state_dict
from leworld.errors import CheckpointError, ConfigError
from leworld.hub import export
from leworld.nn import Frozen, interpolate_positions
from tests._source import ROOT
from tests.training.test_frozen import model_of

FOLDER = ROOT / "tests" / "fixtures" / "dinov2_mini"
RULES = {"hub": "torch_hub", "timm": "timm", "transformers": "transformers"}
SIZES = ["70x70", "42x42", "56x98"]
RECORDED = load_file(FOLDER / "reference.safetensors")


def weights(layout: str) -> dict[str, torch.Tensor]:
    if layout != "transformers-5":
        return load_file(FOLDER / f"weights_{layout}.safetensors")
    names = {"attention.attention.query": "attention.q_proj", "attention.attention.key": "attention.k_proj"}
    names |= {"attention.attention.value": "attention.v_proj", "attention.output.dense": "attention.o_proj"}
    new = {}
    for name, value in weights("transformers").items():
        old = next((old for old in names if old in name), "")
        new[name.replace(old, names[old]) if old else name] = value
    return new


def mini(**options) -> DINOv2Encoder:
    size = {"hidden_dim": 24, "depth": 2, "num_heads": 3, "mlp_dim": 48}
    return DINOv2Encoder(size, **{"image_size": 70, "position_grid": 5, **options}).eval()


def loaded(layout: str = "hub", **options) -> DINOv2Encoder:
    encoder = mini(**options)
    encoder.load_state_dict(dinov2_state_dict(weights(layout)))
    return encoder


def pixels(size: str) -> torch.Tensor:
    return RECORDED[f"pixels.{size}"]


@pytest.mark.float32
@pytest.mark.parametrize("layout", ["hub", "timm", "transformers", "transformers-5"])
@pytest.mark.parametrize("library", RULES)
@pytest.mark.parametrize("size", SIZES)
def test_it_is_the_recorded_network(layout: str, library: str, size: str) -> None:
    vector = loaded(layout, position_interpolation=RULES[library])
    tokens = loaded(layout, position_interpolation=RULES[library], output="patches")
    x = pixels(size)
    table = vector.position_table(*x.shape[-2:])
    torch.testing.assert_close(table, RECORDED[f"{library}.{size}.pos"], atol=2e-6, rtol=0)
    torch.testing.assert_close(vector(x), RECORDED[f"{library}.{size}.cls"], atol=1e-5, rtol=0)
    torch.testing.assert_close(tokens(x), RECORDED[f"{library}.{size}.patch"], atol=1e-5, rtol=0)


@pytest.mark.float32
@pytest.mark.parametrize("size", SIZES[1:])
def test_the_rules_differ_by_far_more_than_rounding(size: str) -> None:
    """Else the test above could not tell one from another."""
    x = pixels(size)
    found = [loaded(position_interpolation=rule, output="patches")(x) for rule in RULES.values()]
    for i in range(3):
        assert (found[i] - found[i - 1]).abs().max() > 0.1


def keys_kernel(distance: torch.Tensor, a: float) -> torch.Tensor:
    x = distance.abs()
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0))


def side_weights(native: int, size: int, method: str) -> torch.Tensor:
    """The matrix that resamples one side, entry by entry, in float64."""
    matrix = torch.zeros(size, native, dtype=torch.float64)
    for i in range(size):
        if method == "cubic_antialiased":
            scale = native / size
            wide, centre = max(scale, 1.0), scale * (i + 0.5)
            taps = torch.arange(native, dtype=torch.float64)
            row = keys_kernel((taps + 0.5 - centre) / wide, -0.5)
            matrix[i] = row / row.sum()
            continue
        offset = 0.1 if method == "cubic_offset" else 0.0
        source = torch.tensor((i + 0.5) * native / (size + offset) - 0.5, dtype=torch.float64)
        for tap in range(int(source.floor()) - 1, int(source.floor()) + 3):
            matrix[i, min(max(tap, 0), native - 1)] += keys_kernel(source - tap, -0.75)
    return matrix


@pytest.mark.parametrize("method", ["cubic", "cubic_offset", "cubic_antialiased"])
@pytest.mark.parametrize("grid", [(2, 2), (3, 7), (9, 4), (16, 16)])
def test_interpolation_is_its_formula(method, grid: tuple[int, int]) -> None:
    table = torch.randn(1, 1 + 36, 3, dtype=torch.float64)
    found = interpolate_positions(table, grid_height=grid[0], grid_width=grid[1], method=method)
    rows, columns = (side_weights(6, size, method) for size in grid)
    expected = torch.einsum("ia,jb,abd->ijd", rows, columns, table[0, 1:].view(6, 6, 3)).flatten(0, 1)
    torch.testing.assert_close(found[0, 1:], expected, atol=1e-10, rtol=0)
    assert torch.equal(found[:, 0], table[:, 0])


@pytest.mark.parametrize(
    ("size", "count", "dim"),
    [("small", 22_056_192, 384), ("base", 86_579_712, 768), ("large", 304_367_616, 1024)],
)
def test_sizes_have_the_published_numbers_of_parameters(size, count: int, dim: int) -> None:
    """Those of torch.hub without its `mask_token`: 22,056,576 less 384 for the small one."""
    with torch.device("meta"):
        encoder = DINOv2Encoder(size)
    assert encoder.embedding_dim == dim
    assert sum(parameter.numel() for parameter in encoder.parameters()) == count


def test_registers_enter_after_the_positions_and_leave_before_the_output() -> None:
    encoder = mini(num_registers=3, output="patches").double()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = pixels("56x98").double()
    tokens = torch.cat([encoder.class_token, encoder.patches(x)], dim=1) + encoder.position_table(56, 98)
    tokens = torch.cat([tokens[:, :1], encoder.register_tokens, tokens[:, 1:]], dim=1)
    for block in encoder.blocks:
        branch = block.attention(block.attention_norm(tokens))
        tokens = tokens + block.attention_scale * branch
        tokens = tokens + block.mlp_scale * block.mlp(block.mlp_norm(tokens))
    torch.testing.assert_close(encoder(x), encoder.norm(tokens)[:, 4:], atol=1e-10, rtol=0)
    assert encoder(x).shape == (1, 4 * 7, 24)


@pytest.mark.parametrize("rule", RULES.values())
def test_with_registers_every_library_interpolates_alike(rule) -> None:
    encoder = mini(num_registers=1, position_interpolation=rule)
    expected = interpolate_positions(
        encoder.positions, grid_height=4, grid_width=7, method="cubic_antialiased"
    )
    assert torch.equal(encoder.position_table(56, 98), expected)


def test_registers_are_read_from_each_layout() -> None:
    registers = torch.randn(1, 4, 24, dtype=torch.float32)
    hub, hugging = weights("hub"), weights("transformers")
    hub["register_tokens"], hugging["embeddings.register_tokens"] = registers, registers
    found = dinov2_state_dict(hub)
    assert all(torch.equal(found[name], value) for name, value in dinov2_state_dict(hugging).items())
    mini(num_registers=4).load_state_dict(found)
    timm = weights("timm")  # which has no position for the class token then, but has added it
    timm["reg_token"], table = registers, timm["pos_embed"]
    timm["pos_embed"], timm["cls_token"] = table[:, 1:], timm["cls_token"] + table[:, :1]
    encoders = [mini(num_registers=4).float() for _ in range(2)]
    for encoder, tensors in zip(encoders, (found, dinov2_state_dict(timm)), strict=True):
        encoder.load_state_dict(tensors)
    torch.testing.assert_close(encoders[0](pixels("42x42")), encoders[1](pixels("42x42")), atol=1e-5, rtol=0)


def test_mask_token_may_be_absent_and_is_dropped() -> None:
    tensors = weights("hub")
    assert "mask_token" in tensors
    with_it = dinov2_state_dict(tensors)
    del tensors["mask_token"]
    without = dinov2_state_dict(tensors)
    assert with_it.keys() == without.keys() == mini().state_dict().keys()


def spoil(tensors: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    name = next(name for name in tensors if re.search(r"\.1\.norm2\.weight$", name))
    value = tensors[name]
    if how == "missing":
        del tensors[name]
    elif how == "unexpected":
        tensors["head.weight"] = value
    elif how == "misshapen":
        tensors[name] = value[:-1]
    return tensors


@pytest.mark.parametrize("layout", ["hub", "timm", "transformers", "transformers-5"])
@pytest.mark.parametrize("how", ["missing", "unexpected", "misshapen"])
def test_every_layout_is_strict(layout: str, how: str) -> None:
    tensors = weights(layout)
    dinov2_state_dict(tensors)
    with pytest.raises(CheckpointError) as told:
        dinov2_state_dict(spoil(tensors, how))
    name = "head.weight" if how == "unexpected" else "1.norm2.weight"
    assert name in str(told.value)
    assert {"missing": "missing", "unexpected": "unexpected", "misshapen": "(23,)"}[how] in str(told.value)


@pytest.mark.parametrize("layout", ["hub", "transformers"])
def test_a_shape_that_is_wrong_anywhere_is_found(layout: str) -> None:
    right = weights(layout)
    for name, value in right.items():
        if "mask_token" not in name:
            with pytest.raises(CheckpointError, match="has shape"):
                dinov2_state_dict({**right, name: torch.zeros(*value.shape, 2)})


def test_a_block_that_is_left_out_is_missing() -> None:
    tensors = {name: value for name, value in weights("hub").items() if not name.startswith("blocks.0.")}
    with pytest.raises(CheckpointError, match=r"`blocks\.0\..* are missing"):
        dinov2_state_dict(tensors)


def test_the_settings_are_recorded_and_checked() -> None:
    encoder = mini(position_interpolation="transformers", output="patches", image_size=(28, 42))
    assert encoder.config.arguments["position_interpolation"] == "transformers"
    assert encoder.config.arguments["image_size"] == [28, 42]
    assert encoder.num_tokens == 6
    assert not hasattr(mini(), "num_tokens")
    with pytest.raises(ConfigError, match="torch_hub"):
        mini(position_interpolation="dinov2")
    literal = DINOv2Encoder.__init__.__annotations__["position_interpolation"]
    assert set(get_args(literal)) == set(RULES.values())


@pytest.mark.parametrize("rule", ["torch_hub"])
def test_interpolated_positions_reach_onnx(rule, tmp_path: Path) -> None:
    """The export compares its programs with the model, positions of 2 x 2 patches from a table of 3 x 3."""
    size = {"hidden_dim": 12, "depth": 1, "num_heads": 3, "mlp_dim": 12}
    encoder = DINOv2Encoder(size, image_size=8, patch_size=4, position_grid=3, position_interpolation=rule)
    torch.nn.init.normal_(encoder.positions)
    facts = json.loads((export(model_of(Frozen(encoder)), tmp_path / "robot") / "export.json").read_text())
    assert facts["programs"]["encoder"]["largest_difference"] < 1e-4
