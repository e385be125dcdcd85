"""An encoder of several parts: each is read, by its own encoder, and a LeWM reads them through it."""

import pytest
import torch

import leworld
from leworld.data import Batch, Observation
from leworld.encoders import ActionEncoder, ConvEncoder, PartsEncoder, VectorEncoder
from leworld.models import LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor


def encoder() -> PartsEncoder:
    cameras = {name: ConvEncoder(8, 4, channels=(4,)) for name in ("pixels", "wrist")}
    return PartsEncoder({**cameras, "proprio": VectorEncoder(3, 4, hidden_dim=8)}, 6)


def seen(*leading: int, seed: int = 0) -> Observation:
    generator = torch.Generator().manual_seed(seed)
    frames = [torch.randn(*leading, 3, 8, 8, generator=generator) for _ in range(2)]
    joints = torch.randn(*leading, 3, generator=generator)
    return Observation(frames[0], {"wrist": frames[1], "proprio": joints})


def test_it_is_a_linear_layer_of_what_each_encoder_says() -> None:
    module, sensed = encoder(), seen(5)
    by_hand = [module.encoders[name](sensed[name]) for name in ("pixels", "wrist", "proprio")]
    assert module.observation_parts == ("pixels", "wrist", "proprio")
    assert torch.equal(module(sensed), module.output(torch.cat(by_hand, dim=-1)))


@pytest.mark.parametrize("name", ["pixels", "wrist", "proprio"])
def test_every_part_moves_the_embedding_of_its_own_row_only(name: str) -> None:
    module, sensed = encoder(), seen(5)
    parts = {key: part.clone() for key, part in sensed.parts.items()}
    parts[name][2] += 1.0
    moved = (module(Observation(parts=parts)) - module(sensed)).abs().amax(-1)
    assert moved[2] > 1e-3
    assert moved[[0, 1, 3, 4]].max() == 0


def test_a_model_reads_the_parts_of_its_encoder_and_comes_back_from_a_file(tmp_path) -> None:
    model = LeWM(
        encoder(),
        TransformerPredictor(4, history_size=2, depth=1, num_heads=1, head_dim=4, mlp_dim=8),
        action_encoder=ActionEncoder(2, 4),
        projector=Projector(6, 4, hidden_dim=8),
        prediction_projector=Projector(4, hidden_dim=8),
    )
    assert model.observation_parts == ("pixels", "wrist", "proprio")
    losses = model.loss(Batch(seen(6, 3), torch.randn(6, 3, 2)))
    losses.total.backward()
    assert all(parameter.grad is not None for parameter in model.encoder.parameters())
    again = leworld.load(leworld.save(model, tmp_path / "model"))
    sensed = seen(2, 3, seed=1)
    assert torch.equal(model.eval().encode(sensed), again.encode(sensed))
