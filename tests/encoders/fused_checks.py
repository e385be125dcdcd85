"""What an encoder of several parts must do when some are left out, as functions that raise AssertionError."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from leworld.data import Observation
from leworld.encoders import FusedEncoder, VectorEncoder

Make = Callable[..., Any]
NAMES, DIM, ROWS, STAND_IN = ("a", "b", "c"), 2, 4000, 7.0


def built(make: Make, **options: Any) -> FusedEncoder:
    """One whose embedding is its parts side by side, and whose stand-ins are 7, 8, ..."""
    encoder = make({name: VectorEncoder(3, DIM) for name in NAMES}, DIM * len(NAMES), **options)
    torch.nn.init.eye_(encoder.output.weight)
    torch.nn.init.zeros_(encoder.output.bias)
    for i, stand_in in enumerate(encoder.absent):
        torch.nn.init.constant_(stand_in, STAND_IN + i)
    return encoder


def seen(rows: int = ROWS, seed: int = 0) -> Observation:
    generator = torch.Generator().manual_seed(seed)
    return Observation(parts={name: torch.randn(rows, 3, generator=generator) for name in NAMES})


def by_part(embedding: Tensor) -> Tensor:
    return embedding.unflatten(-1, (len(NAMES), DIM))


def left_out(encoder: FusedEncoder, chances: dict[str, float]) -> Tensor:
    """Return which parts were left out of which rows, having looked that all others are as they were."""
    observation = seen()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(5)
        trained = by_part(encoder.train()(observation))
        whole = by_part(encoder.eval()(observation))
    columns, learned = [], 0
    for i, name in enumerate(NAMES):
        stands_in = torch.full((DIM,), STAND_IN + learned)
        gone = (trained[:, i] == stands_in).all(-1)
        if not chances[name]:
            gone = torch.zeros_like(gone)
        learned += chances[name] > 0
        torch.testing.assert_close(trained[~gone, i], whole[~gone, i])
        columns.append(gone)
    return torch.stack(columns, dim=1)


def check_rates(make: Make) -> None:
    """As asked for, less the rows that would have lost all: each part gets back a third of these.

    Six standard errors of a frequency of 4000 rows: a false alarm in 5e8 for each of nine.
    """
    for chances in ({"a": 0.8, "b": 0.8, "c": 0.8}, {"a": 0.9, "b": 0.5, "c": 0.7}, {"a": 0.4, "c": 1.0}):
        asked = {name: chances.get(name, 0.0) for name in NAMES}
        one = len(set(asked.values())) == 1
        out = left_out(built(make, input_dropout=0.8 if one else chances), asked).double().mean(0)
        product = asked["a"] * asked["b"] * asked["c"]
        for i, name in enumerate(NAMES):
            due = asked[name] - product / len(NAMES)
            assert abs(out[i].item() - due) <= 6 * (due * (1 - due) / ROWS) ** 0.5, (name, out, due)


def check_never_all(make: Make) -> None:
    for chance in (0.5, 1.0):
        out = left_out(built(make, input_dropout=chance), dict.fromkeys(NAMES, chance))
        assert not out.all(1).any()
        assert out.sum(1).max() == len(NAMES) - 1


def check_rows_and_parts_are_drawn_alone(make: Make) -> None:
    """Six standard errors of a covariance of two fair coins, whose product has a deviation of a quarter."""
    chances = {"a": 0.5, "b": 0.5}
    out = left_out(built(make, input_dropout=chances), {**chances, "c": 0.0}).double()[:, :2] - 0.5
    bound = 6 * 0.25 / ROWS**0.5
    assert abs((out[:, 0] * out[:, 1]).mean().item()) < bound
    assert abs((out[1:, 0] * out[:-1, 0]).mean().item()) < bound


def check_evaluation_leaves_nothing_out(make: Make) -> None:
    encoder = built(make, input_dropout=0.9).eval()
    plain = built(FusedEncoder).eval()
    plain.encoders.load_state_dict(encoder.encoders.state_dict())
    torch.testing.assert_close(encoder(seen(50)), plain(seen(50)))


def check_blank_parts_are_not_read(make: Make) -> None:
    for options, due in (({"input_dropout": 0.5}, STAND_IN + 1), ({}, 0.0)):
        encoder, observation = built(make, **options).eval(), seen(5)
        whole, blank = by_part(encoder(observation)), by_part(encoder(observation, blank=("b",)))
        torch.testing.assert_close(blank[:, [0, 2]], whole[:, [0, 2]])
        assert torch.equal(blank[:, 1], torch.full((5, DIM), due))
        assert torch.equal(by_part(encoder(observation.select(("a", "c")), blank=["b"])), blank)


def check_the_stand_ins_learn(make: Make) -> None:
    encoder = built(make, input_dropout={"a": 0.5, "b": 0.5}).train()
    encoder(seen(200)).sum().backward()
    assert len(encoder.absent) == 2
    for stand_in in encoder.absent:
        assert stand_in.grad is not None
        assert bool((stand_in.grad > 50).all())  # of 200 rows, once each


ALL = [
    check_rates,
    check_never_all,
    check_rows_and_parts_are_drawn_alone,
    check_evaluation_leaves_nothing_out,
    check_blank_parts_are_not_read,
    check_the_stand_ins_learn,
]
