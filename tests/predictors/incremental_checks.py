"""What every incremental predictor must do, as functions that raise AssertionError."""

from collections.abc import Callable

import torch
from torch import Tensor

from leworld.predictors import IncrementalPredictor
from tests.predictors.cases import CONDITION, DIM, TIME

Make = Callable[[], IncrementalPredictor]
BATCH, SAMPLES, HORIZON = 2, 3, 14


def inputs(known: int) -> list[Tensor]:
    """Known frames, their conditions, the candidates' conditions and frames; the first frame is shared."""
    generator = torch.Generator().manual_seed(known)
    shapes = (known, DIM), (known, CONDITION), (SAMPLES, HORIZON, CONDITION), (SAMPLES, HORIZON, DIM)
    tensors = [torch.randn(BATCH, *shape, generator=generator, dtype=torch.float64) for shape in shapes]
    tensors[3][:, :, 0] = tensors[3][:, :1, 0]
    return tensors


def extended(predictor: IncrementalPredictor, tensors: list[Tensor]) -> Tensor:
    *before, frames = tensors
    memory, outputs = predictor.prepare(*before), []
    for step in range(HORIZON):
        output, memory = predictor.extend(memory, frames[:, :, step])
        outputs.append(output)
    return torch.stack(outputs, dim=2)


def defined(predictor: IncrementalPredictor, tensors: list[Tensor]) -> Tensor:
    """The same by `forward`, one window a step."""
    past, past_conditions, conditions, frames = tensors
    rows = [tensor.repeat_interleave(SAMPLES, dim=0) for tensor in (past, past_conditions)]
    embeddings = torch.cat([rows[0], frames.flatten(0, 1)], dim=1)
    conditions = torch.cat([rows[1], conditions.flatten(0, 1)], dim=1)
    outputs = []
    for stop in range(past.shape[1] + 1, embeddings.shape[1] + 1):
        window = slice(max(0, stop - predictor.history_size) if predictor.slides else 0, stop)
        outputs.append(predictor(embeddings[:, window], conditions[:, window])[:, -1])
    return torch.stack(outputs, dim=1).unflatten(0, (BATCH, SAMPLES))


@torch.no_grad()
def check_extend_is_forward(make: Make) -> None:
    predictor = make().double().eval()
    for known in (0, 1, TIME - 1, TIME + 2):
        tensors = inputs(known)
        expected = defined(predictor, tensors)
        torch.testing.assert_close(extended(predictor, tensors), expected, rtol=1e-11, atol=1e-12)


def check_gradients_are_those_of_forward(make: Make) -> None:
    predictor = make().double().eval()
    tensors = [tensor.requires_grad_() for tensor in inputs(2)]
    wanted = tensors + list(predictor.parameters())
    weight = torch.randn(BATCH, SAMPLES, HORIZON, DIM, dtype=torch.float64)
    one, other = (
        torch.autograd.grad((way(predictor, tensors) * weight).sum(), wanted, materialize_grads=True)
        for way in (extended, defined)
    )
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def check_memory_serves_several_continuations(make: Make) -> None:
    predictor = make().double().eval()
    for gradient in (True, False):
        predictor.requires_grad_(gradient)
        with torch.set_grad_enabled(gradient):
            _continue_from_every_step(predictor)


def _continue_from_every_step(predictor: IncrementalPredictor) -> None:
    tensors = inputs(2)
    given = [tensor.clone() for tensor in tensors]
    *before, frames = tensors
    memories = [predictor.prepare(*before)]
    outputs = []
    for step in range(HORIZON):
        output, memory = predictor.extend(memories[-1], frames[:, :, step])
        outputs.append(output.clone())
        memories.append(memory)
    for step in range(HORIZON):
        predictor.extend(memories[step], -frames[:, :, step])
        again, _ = predictor.extend(memories[step], frames[:, :, step])
        assert torch.equal(again, outputs[step])
    assert all(torch.equal(one, other) for one, other in zip(tensors, given, strict=True))


def check_it_says_when_it_cannot(make: Make) -> None:
    assert make().eval().can_extend
    assert not make().train().can_extend
    for register in ("register_forward_hook", "register_forward_pre_hook"):
        for name, _ in make().named_modules():
            predictor = make().eval()
            handle = getattr(predictor.get_submodule(name), register)(lambda *_: None)
            assert not predictor.can_extend, name
            handle.remove()
            assert predictor.can_extend


ALL = [
    check_extend_is_forward,
    check_gradients_are_those_of_forward,
    check_memory_serves_several_continuations,
    check_it_says_when_it_cannot,
]
