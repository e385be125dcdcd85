"""`extend` equals the last output of `forward`, however a window is split, and the wrong ways do not."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from leworld.predictors import TransformerPredictor
from leworld.predictors._incremental import Conditions, Memory
from tests.predictors import checks
from tests.predictors.cases import DIM, PREDICTORS, SMALL, TIME, awake

Extend = Callable[[TransformerPredictor, Tensor, Conditions, Memory | None], tuple[Tensor, Memory]]
SPLITS = [
    split for n in range(1, TIME + 1) for split in itertools.product(range(1, TIME + 1), repeat=n)
    if sum(split) <= TIME
]  # fmt: skip


def plain(predictor: TransformerPredictor, embeddings: Tensor, conditions: Conditions, memory: Memory | None):
    return predictor.extend(embeddings, conditions, memory=memory)


def in_parts(extend: Extend, predictor: TransformerPredictor, split: tuple[int, ...]) -> Tensor:
    embeddings, conditions = (tensor.double() for tensor in checks.inputs())
    prepared = predictor.prepare_conditions(conditions)
    memory, output, first = None, None, 0
    for size in split:
        part = slice(first, first + size)
        output, memory = extend(predictor, embeddings[:, part], prepared[part], memory)
        first += size
    assert output is not None
    return output


@torch.no_grad()
def check_extend(extend: Extend, predictor: TransformerPredictor) -> None:
    predictor = predictor.double().eval()
    whole = predictor(*(tensor.double() for tensor in checks.inputs()))
    for split in SPLITS:
        expected = whole[:, sum(split) - 1]
        torch.testing.assert_close(in_parts(extend, predictor, split), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", PREDICTORS)
@pytest.mark.parametrize("few", [True, False], ids=["formula", "kernel"])
def test_extend_is_forward(name: str, few: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not few:
        monkeypatch.setattr("leworld.nn._incremental._FEW", 0)
    check_extend(plain, PREDICTORS[name]())


def forgets(predictor: TransformerPredictor, embeddings: Tensor, conditions: Conditions, memory):
    return predictor.extend(embeddings, conditions)


def counts_from_zero(predictor: TransformerPredictor, embeddings: Tensor, conditions: Conditions, memory):
    before, time = 0 if memory is None else len(memory), embeddings.shape[1]
    shift = predictor.positions[:, :time] - predictor.positions[:, before : before + time]
    return predictor.extend(embeddings + shift, conditions, memory=memory)


def keeps_the_first_condition(predictor: TransformerPredictor, embeddings: Tensor, conditions, memory):
    repeated = tuple(
        tuple(one[:1].expand(len(one), *one.shape[1:]) for one in block) for block in conditions.modulations
    )
    return predictor.extend(embeddings, replace(conditions, modulations=repeated), memory=memory)


def remembers_the_newest_only(predictor: TransformerPredictor, embeddings: Tensor, conditions, memory):
    output, seen = predictor.extend(embeddings, conditions, memory=memory)
    blocks = tuple(replace(b, keys=b.keys[:-1] + b.keys[:1]) for b in seen.blocks)
    return output, Memory(blocks)


@pytest.mark.parametrize(
    "wrong", [forgets, counts_from_zero, keeps_the_first_condition, remembers_the_newest_only]
)
def test_a_wrong_extend_is_rejected(wrong: Extend) -> None:
    with pytest.raises(AssertionError):
        check_extend(wrong, PREDICTORS["transformer"]())


@pytest.mark.parametrize("few", [True, False], ids=["formula", "kernel"])
@torch.no_grad()
def test_rows_share_a_memory_by_broadcasting(few: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not few:
        monkeypatch.setattr("leworld.nn._incremental._FEW", 0)
    predictor = PREDICTORS["transformer"]().double().eval()
    generator = torch.Generator().manual_seed(1)
    past = torch.randn(2, 1, 2, DIM, generator=generator, dtype=torch.float64)
    new = torch.randn(2, 5, 2, DIM, generator=generator, dtype=torch.float64)
    conditions = torch.randn(2, 5, 4, 5, generator=generator, dtype=torch.float64)
    conditions[:, :, :2] = conditions[:, :1, :2]
    prepared = predictor.prepare_conditions(conditions)
    _, memory = predictor.extend(past, predictor.prepare_conditions(conditions[:, :1, :2]))
    shared, _ = predictor.extend(new, prepared[2:], memory=memory)
    windows = torch.cat([past.expand(-1, 5, -1, -1), new], dim=2).flatten(0, 1)
    expected = predictor(windows, conditions.flatten(0, 1))[:, -1].unflatten(0, (2, 5))
    torch.testing.assert_close(shared, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("gradient", [True, False])
def test_two_continuations_of_one_memory_do_not_disturb_each_other(gradient: bool) -> None:
    predictor = PREDICTORS["transformer"]().eval().requires_grad_(gradient)
    with torch.set_grad_enabled(gradient):
        _continue_twice(predictor)


def _continue_twice(predictor: TransformerPredictor) -> None:
    embeddings, conditions = checks.inputs()
    given = embeddings.clone()
    prepared = predictor.prepare_conditions(conditions)
    _, memory = predictor.extend(embeddings[:, :1], prepared[:1])
    first, _ = predictor.extend(embeddings[:, 1:2], prepared[1:2], memory=memory)
    predictor.extend(embeddings[:, 2:3], prepared[2:3], memory=memory)
    again, _ = predictor.extend(embeddings[:, 1:2], prepared[1:2], memory=memory)
    assert torch.equal(first, again)
    assert torch.equal(embeddings, given)
    assert len(memory) == 1


@torch.no_grad()
def test_a_wide_mlp_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = PREDICTORS["transformer"]().double().eval()
    whole = in_parts(plain, predictor, (TIME,))
    monkeypatch.setattr("leworld.nn._incremental._PIECE", 24)
    torch.testing.assert_close(in_parts(plain, predictor, (TIME,)), whole, rtol=1e-12, atol=1e-12)


def test_what_stands_in_the_way_is_noticed() -> None:
    def fresh() -> TransformerPredictor:
        return awake(TransformerPredictor(DIM, TIME, **SMALL)).eval()

    assert fresh().can_extend
    assert not fresh().train().can_extend
    dropping = fresh()
    dropping.blocks[1].mlp.train()
    assert not dropping.can_extend
    hooked = fresh()
    handle = hooked.blocks[0].attention.register_forward_hook(lambda *_: None)
    assert not hooked.can_extend
    handle.remove()
    assert hooked.can_extend
    for part in ("attention", "mlp", "modulation"):
        replaced = fresh()
        setattr(replaced.blocks[0], part, nn.Identity())
        assert not replaced.can_extend


@pytest.mark.parametrize("name", ["attention.qkv", "attention.output", "mlp.widen", "modulation.linear"])
@torch.no_grad()
def test_another_linear_layer_is_called_and_not_cut(name: str) -> None:
    """A layer in the place of one of ours, for example with a low-rank change, must count as it is."""

    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    predictor = PREDICTORS["transformer"]()
    for block in predictor.blocks:
        ours = block.get_submodule(name)
        layer = Doubled(ours.in_features, ours.out_features, bias=ours.bias is not None)
        layer.load_state_dict(ours.state_dict())
        block.set_submodule(name, layer)
    assert predictor.eval().can_extend
    check_extend(plain, predictor)
