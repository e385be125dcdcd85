"""LeWM's rollout against the plain definition: values, gradients, dtypes, arithmetic, when it steps aside."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from leworld.encoders import ActionEncoder, ConvEncoder
from leworld.models import LeWM, WorldModel, _joint_embedding
from leworld.nn import Frozen, Projector
from leworld.predictors import GRUPredictor, TransformerPredictor
from tests.models.cases import lewm

SIZES = list(itertools.product([1, 2, 3, 4, 6], [1, 2, 3, 5, 8], [1, 2, 5, 14]))
ROWS = [(1, 1), (1, 7), (3, 1), (2, 4)]


def inputs(model: LeWM, seed: int, *sizes: int, dtype: torch.dtype | None = None) -> list[Tensor]:
    """Context, past actions and candidates for (batch, sample, time, horizon), in torch's default dtype."""
    batch, samples, time, horizon = sizes
    generator = torch.Generator().manual_seed(seed)
    shapes = (
        (batch, time, model.embedding_dim),
        (batch, time - 1, model.action_dim),
        (batch, samples, horizon, model.action_dim),
    )
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


def plain(model: LeWM, *arguments: Tensor) -> Tensor:
    return WorldModel._rollout(model, *arguments)


@pytest.mark.parametrize("history_size", [1, 2, 3, 4, 6])
@torch.no_grad()
def test_it_is_the_definition(history_size: int) -> None:
    single, double = lewm(history_size=history_size).eval(), lewm(history_size=history_size).eval().double()
    for seed, (_, time, horizon) in enumerate(size for size in SIZES if size[0] == history_size):
        sizes = *ROWS[seed % len(ROWS)], time, horizon
        arguments = inputs(single, seed, *sizes)
        torch.testing.assert_close(
            single.rollout(*arguments), plain(single, *arguments), atol=1e-5, rtol=1e-5
        )
        arguments = [tensor.double() for tensor in arguments]
        torch.testing.assert_close(
            double.rollout(*arguments), plain(double, *arguments), atol=1e-12, rtol=1e-11
        )


@pytest.mark.parametrize("time", [1, 3])
@pytest.mark.parametrize("history_size", [1, 3, 6])
def test_gradients_are_those_of_the_definition(history_size: int, time: int) -> None:
    model = lewm(history_size=history_size).eval().double()
    arguments = [t.requires_grad_() for t in inputs(model, 1, 2, 3, time, 6, dtype=torch.float64)]
    wanted = [t for t in arguments if t.numel()] + list(model.predictor.parameters())
    weight = torch.randn(2, 3, 6, model.embedding_dim, dtype=torch.float64)
    gradients = [
        torch.autograd.grad((rolled * weight).sum(), wanted, allow_unused=True, materialize_grads=True)
        for rolled in (model.rollout(*arguments), plain(model, *arguments))
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@torch.no_grad()
def test_new_weights_count_at_once() -> None:
    model = lewm().eval()
    arguments = inputs(model, 2, 2, 3, 2, 5)
    model.rollout(*arguments)
    for tensor in (*model.parameters(), model.prediction_projector.norm.running_mean):
        tensor.add_(0.1)
    torch.testing.assert_close(model.rollout(*arguments), plain(model, *arguments), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("time", [1, 2, 4])
@torch.no_grad()
def test_half_precision_is_as_close_as_the_definition(time: int) -> None:
    """Both differ from float32 by rounding; ours by at most twice as much."""
    model = lewm().eval()
    arguments = inputs(model, 3, 2, 50, time, 5)
    exact = plain(model, *arguments)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = [rolled.float() - exact for rolled in (model.rollout(*arguments), plain(model, *arguments))]
    model = model.bfloat16()
    arguments = [tensor.bfloat16() for tensor in arguments]
    half = [rolled.float() - exact for rolled in (model.rollout(*arguments), plain(model, *arguments))]
    for ours, theirs in (mixed, half):
        assert ours.norm() < 2 * theirs.norm()
        assert ours.norm() < 0.1 * exact.norm()


def released(device: str) -> LeWM:
    """The released predictor, action encoder and head; the image encoder plays no part."""
    with torch.device(device):
        return LeWM(
            ConvEncoder(8, 192, channels=(4, 4)),
            TransformerPredictor(192),
            action_encoder=ActionEncoder(10, 192),
            projector=Projector(192),
            prediction_projector=Projector(192),
        ).eval()


@pytest.mark.parametrize("time", [1, 3])
@torch.no_grad()
def test_it_needs_at_most_two_thirds_of_the_arithmetic(time: int) -> None:
    model = released("meta")
    arguments = [tensor.to("meta") for tensor in inputs(model, 4, 1, 300, time, 5)]
    counts = []
    for rollout in (model._rollout, lambda *arguments: plain(model, *arguments)):
        with FlopCounterMode(display=False) as counter:
            assert rollout(*arguments).shape == (1, 300, 5, 192)
        counts.append(counter.get_total_flops())
    assert counts[1] / counts[0] > 1.5


def test_dropout_batch_statistics_and_hooks_get_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*args, **kwargs):
        calls.append(1)
        return incremental(*args, **kwargs)

    incremental = _joint_embedding.incremental_rollout
    monkeypatch.setattr(_joint_embedding, "incremental_rollout", counted)
    model = lewm(dropout=0.5).eval()
    arguments = inputs(model, 5, 2, 3, 2, 4)
    model.rollout(*arguments)
    assert len(calls) == 1
    for part in (model.predictor, model.action_encoder, model.prediction_projector):
        part.train()
        model.rollout(*arguments)
        part.eval()
    seen = []
    handle = model.predictor.blocks[0].register_forward_hook(lambda *_: seen.append(1))
    model.rollout(*arguments)
    handle.remove()
    assert len(calls) == 1
    assert len(seen) == 4
    torch.manual_seed(1)
    first = model.train().rollout(*arguments)
    torch.manual_seed(1)
    assert torch.equal(first, plain(model, *arguments))


def without_memory(model: LeWM) -> None:
    prepare = model.predictor.prepare
    model.predictor.prepare = lambda embeddings, past, conditions: prepare(
        embeddings[:, :0], past[:, :0], conditions
    )


def actions_shared(model: LeWM) -> None:
    """Every candidate gets the first one's modulations."""
    prepare = model.predictor.prepare
    model.predictor.prepare = lambda embeddings, past, conditions: prepare(
        embeddings, past, conditions[:, :1].expand_as(conditions)
    )


@pytest.mark.parametrize("spoil", [without_memory, actions_shared])
@torch.no_grad()
def test_a_wrong_predictor_would_be_noticed(spoil) -> None:
    model = lewm().eval()
    arguments = inputs(model, 6, 2, 3, 2, 4)
    expected = plain(model, *arguments)
    spoil(model)
    assert (model.rollout(*arguments) - expected).abs().max() > 1e-3


@pytest.mark.parametrize("layers", [1, 2])
def test_a_frozen_predictor_rolls_out_as_the_one_inside_does(layers: int) -> None:
    model = lewm(history_size=2)
    dim, conditions = model.embedding_dim, model.predictor.condition_dim
    model.predictor = GRUPredictor(dim, 2, condition_dim=conditions)
    model.eval()
    arguments = inputs(model, 0, 2, 3, 4, 6)
    expected = model.rollout(*arguments)
    assert not torch.allclose(expected, plain(model, *arguments), atol=1e-4)  # it remembers older frames
    for _ in range(layers):
        model.predictor = Frozen(model.predictor)
    assert torch.equal(model.rollout(*arguments), expected)
    model.predictor.register_forward_hook(lambda *_: None)
    assert torch.equal(model.rollout(*arguments), plain(model, *arguments))
