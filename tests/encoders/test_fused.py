"""An encoder of several parts: each is read, by its own encoder, and a LeWM reads them through it."""

import json

import pytest
import torch
from torch.nn import functional as F

import leworld
from leworld import encoders
from leworld.data import Batch, Observation
from leworld.encoders import ActionEncoder, ConvEncoder, FusedEncoder, VectorEncoder
from leworld.models import LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor
from leworld.serialise import load_module, save_module
from tests.encoders import fused_checks as checks
from tests.encoders.fused_wrong import WRONG
from tests.encoders.tokens import PatchTokens

PARTS = ("pixels", "wrist", "proprio")


def encoder(fusion: str = "concatenate", **options) -> FusedEncoder:
    cameras = {
        name: ConvEncoder(8, 4, channels=(4,)) if fusion == "concatenate" else PatchTokens()
        for name in ("pixels", "wrist")
    }
    return FusedEncoder(
        {**cameras, "proprio": VectorEncoder(3, 4, hidden_dim=8)}, 6, fusion=fusion, **options
    )


def seen(*leading: int, seed: int = 0) -> Observation:
    generator = torch.Generator().manual_seed(seed)
    frames = [torch.randn(*leading, 3, 8, 8, generator=generator) for _ in range(2)]
    joints = torch.randn(*leading, 3, generator=generator)
    return Observation(frames[0], {"wrist": frames[1], "proprio": joints})


def test_concatenation_is_a_linear_layer_of_what_each_encoder_says() -> None:
    module, sensed = encoder(), seen(5)
    by_hand = [module.encoders[name](sensed[name]) for name in PARTS]
    assert module.observation_parts == PARTS
    assert not hasattr(module, "num_tokens")
    assert torch.equal(module(sensed), module.output(torch.cat(by_hand, dim=-1)))


def test_tiling_hands_every_vector_to_every_token() -> None:
    module, sensed = encoder("tile"), seen(5)
    assert module.num_tokens == 8
    embedding = module(sensed)
    assert embedding.shape == (5, 8, 6)
    joints = module.encoders["proprio"](sensed["proprio"])
    for i, camera in enumerate(("pixels", "wrist")):
        tokens = module.encoders[camera](sensed[camera])
        for token in range(4):
            due = module.output(torch.cat([tokens[:, token], joints], dim=-1)) + module.part_embeddings[i]
            torch.testing.assert_close(embedding[:, 4 * i + token], due)


def test_tiling_one_camera_needs_no_embedding_of_the_part() -> None:
    module = FusedEncoder({"pixels": PatchTokens(), "proprio": VectorEncoder(3, 4)}, 6, fusion="tile")
    assert not hasattr(module, "part_embeddings")
    assert module(seen(2)).shape == (2, 4, 6)


def test_attention_is_its_formula() -> None:
    module, sensed = encoder("attention", num_heads=2).double(), seen(5).map(torch.Tensor.double)
    tokens = []
    for i, name in enumerate(PARTS):
        part = module.encoders[name](sensed[name])
        part = part if part.ndim == 3 else part[:, None]
        tokens.append(F.linear(part, *module.projections[name].parameters()) + module.part_embeddings[i])
    rows, pool = torch.cat(tokens, dim=1), module.pooling
    mixed = []
    for head in (slice(0, 3), slice(3, 6)):
        key, value = pool.key(rows)[..., head], pool.value(rows)[..., head]
        weights = torch.softmax(key @ pool.query[head] / 3**0.5, dim=1)
        mixed.append(torch.einsum("bt,btd->bd", weights, value))
    assert not hasattr(module, "num_tokens")
    torch.testing.assert_close(module(sensed), pool.output(torch.cat(mixed, dim=-1)))


@pytest.mark.parametrize("fusion", ["concatenate", "tile", "attention"])
@pytest.mark.parametrize("name", PARTS)
def test_every_part_moves_the_embedding_of_its_own_row_only(name: str, fusion: str) -> None:
    module, sensed = encoder(fusion), seen(5)
    parts = {key: part.clone() for key, part in sensed.parts.items()}
    parts[name][2] += 1.0
    moved = (module(Observation(parts=parts)) - module(sensed)).abs().flatten(1).amax(-1)
    assert moved[2] > 1e-3
    assert moved[[0, 1, 3, 4]].max() == 0


@pytest.mark.parametrize("fusion", ["concatenate", "tile", "attention"])
def test_every_fusion_leaves_out_and_learns_and_compiles(fusion: str) -> None:
    module, sensed = encoder(fusion, input_dropout=0.6), seen(64)
    module(sensed).square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert all(bool((stand_in.grad != 0).any()) for stand_in in module.absent)
    still = module.eval().requires_grad_(False)
    blank = still(sensed, blank=["pixels"])
    other = Observation(parts={**sensed.parts, "pixels": sensed["pixels"] + 1})
    assert torch.equal(blank, still(other, blank=["pixels"]))
    compiled = torch.compile(still, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(sensed), still(sensed))


@pytest.mark.parametrize("fusion", ["concatenate", "tile", "attention"])
def test_a_file_holds_it(fusion: str, tmp_path) -> None:
    module = encoder(fusion, input_dropout={"proprio": 0.25}).eval()
    torch.nn.init.normal_(module.absent[0])
    again = load_module(save_module(module, tmp_path / "m"), FusedEncoder, classes=[PatchTokens]).eval()
    assert again.input_dropout == {"pixels": 0.0, "wrist": 0.0, "proprio": 0.25}
    for blank in ((), ("proprio",)):
        assert torch.equal(again(seen(3), blank=blank), module(seen(3), blank=blank))


def test_a_file_that_calls_it_by_its_earlier_name_is_read(tmp_path) -> None:
    module = encoder()
    folder = save_module(module, tmp_path / "m")
    content = json.loads((folder / "config.json").read_text())
    architecture = content["architecture"]
    content["architecture"] = {
        "class": "PartsEncoder", "encoders": architecture["encoders"], "embedding_dim": 6
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(content))
    assert torch.equal(load_module(folder, FusedEncoder).eval()(seen(3)), module.eval()(seen(3)))
    with pytest.warns(DeprecationWarning, match="called `FusedEncoder` now"):
        assert encoders.PartsEncoder is FusedEncoder


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.__name__)
def test_leaves_parts_out_as_it_should(check) -> None:
    check(FusedEncoder)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_one_that_leaves_parts_out_wrongly_is_rejected(wrong) -> None:
    check = next(check for check in checks.ALL if check.__name__ == WRONG[wrong])
    with pytest.raises(AssertionError):
        check(wrong)


def test_a_model_reads_the_parts_of_its_encoder_and_comes_back_from_a_file(tmp_path) -> None:
    model = LeWM(
        encoder(),
        TransformerPredictor(4, history_size=2, depth=1, num_heads=1, head_dim=4, mlp_dim=8),
        action_encoder=ActionEncoder(2, 4),
        projector=Projector(6, 4, hidden_dim=8),
        prediction_projector=Projector(4, hidden_dim=8),
    )
    assert model.observation_parts == PARTS
    losses = model.loss(Batch(seen(6, 3), torch.randn(6, 3, 2)))
    losses.total.backward()
    assert all(parameter.grad is not None for parameter in model.encoder.parameters())
    again = leworld.load(leworld.save(model, tmp_path / "model"))
    sensed = seen(2, 3, seed=1)
    assert torch.equal(model.eval().encode(sensed), again.encode(sensed))
