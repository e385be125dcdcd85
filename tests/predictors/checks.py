"""What every predictor must do, as functions that raise AssertionError."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.predictors.cases import CONDITION, DIM, TIME, reach

Make = Callable[[], nn.Module]


def inputs(batch: int = 3, time: int = TIME) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    embeddings = torch.randn(batch, time, DIM, generator=generator)
    return embeddings, torch.randn(batch, time, CONDITION, generator=generator)


def check_shape(make: Make) -> None:
    for time in range(1, TIME + 1):
        assert make()(*inputs(time=time)).shape == (3, time, DIM)


def check_causal(make: Make) -> None:
    """Changing an input changes its own output and later ones while it is seen, and no earlier one."""
    predictor = make().eval()
    pair = inputs()
    before = predictor(*pair)
    for which in (0, 1):
        for t in range(TIME):
            changed = [tensor.clone() for tensor in pair]
            changed[which][:, t] += inputs()[which][:, 0].flip(0, 1)
            difference = (predictor(*changed) - before).abs().amax(dim=(0, 2))
            forgotten = t + reach(predictor)
            assert bool((difference[:t] == 0).all())
            assert bool((difference[t:forgotten] > 1e-4).all())
            assert bool((difference[forgotten:] == 0).all())


def check_a_shorter_window_gives_the_same_start(make: Make) -> None:
    predictor = make().eval()
    embeddings, conditions = inputs()
    whole = predictor(embeddings, conditions)
    for time in range(1, TIME):
        part = predictor(embeddings[:, :time], conditions[:, :time])
        torch.testing.assert_close(part, whole[:, :time], atol=1e-5, rtol=0)


def check_rows_are_independent(make: Make) -> None:
    predictor = make().eval()
    embeddings, conditions = inputs()
    whole = predictor(embeddings, conditions)
    alone = [predictor(embeddings[i : i + 1], conditions[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(whole, torch.cat(alone), atol=1e-5, rtol=0)


def check_positions_matter(make: Make) -> None:
    """Equal frames at different times give different predictions, where there is a history."""
    predictor = make().eval()
    embeddings, conditions = inputs(time=1)
    output = predictor(embeddings.expand(-1, TIME, -1), conditions.expand(-1, TIME, -1))
    seen = min(reach(predictor), TIME)
    for t in range(1, seen):
        assert (output[:, t] - output[:, t - 1]).abs().max() > 1e-3
    torch.testing.assert_close(output[:, seen:], output[:, seen - 1 : -1])


def check_every_parameter_learns(make: Make) -> None:
    predictor = make()
    history_size = predictor.history_size
    output = predictor(*inputs(batch=8, time=TIME))
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in predictor.named_parameters():
        gradient = parameter.grad
        assert gradient is not None, name
        if name == "positions":
            gradient = gradient[:, : min(history_size, TIME)].abs().amin(dim=(0, 2))
            assert bool((gradient > 0).all())
        assert gradient.abs().max() > 1e-7, name


def check_evaluation_is_deterministic(make: Make) -> None:
    predictor = make().eval()
    assert torch.equal(predictor(*inputs()), predictor(*inputs()))


def check_frozen_it_stays_as_it_is(make: Make) -> None:
    """In evaluation mode and without gradients of its own; both inputs still get one."""
    predictor = make().eval().requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in predictor.state_dict().items()}
    pair = [tensor.requires_grad_() for tensor in inputs()]
    gradients = torch.autograd.grad(predictor(*pair).square().sum(), pair)
    assert all(bool(gradient.any()) for gradient in gradients)
    assert all(torch.equal(tensor, before[name]) for name, tensor in predictor.state_dict().items())


ALL = [
    check_shape,
    check_causal,
    check_a_shorter_window_gives_the_same_start,
    check_rows_are_independent,
    check_positions_matter,
    check_every_parameter_learns,
    check_evaluation_is_deterministic,
    check_frozen_it_stays_as_it_is,
]
