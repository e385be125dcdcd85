"""The plain rollout on a model whose answers are known in closed form."""

import numpy as np
import pytest
import torch
from torch import Tensor

from leworld.data import Batch, Processor
from leworld.errors import ConfigError
from leworld.models import Losses, WorldModel


class Summing(WorldModel):
    """Predicts the sum of the window's embeddings, weighted by position, plus the last action."""

    embedding_dim = action_dim = 2

    def __init__(self, history_size: int) -> None:
        super().__init__()
        self.history_size = history_size

    def _encode(self, observations: Tensor) -> Tensor:
        return observations.mean(dim=(-2, -1))[..., :2]

    def _predict(self, embeddings: Tensor, actions: Tensor) -> Tensor:
        weights = torch.arange(1, embeddings.shape[1] + 1, dtype=embeddings.dtype).view(-1, 1)
        return (embeddings * weights).cumsum(dim=1) / 4 + actions

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        raise NotImplementedError


@pytest.mark.parametrize("history_size", [1, 2, 3, 6])
@pytest.mark.parametrize("time", [1, 2, 3, 5])
@pytest.mark.parametrize("horizon", [1, 4])
def test_rollout_in_closed_form(history_size: int, time: int, horizon: int) -> None:
    rng = np.random.default_rng(0)
    context, past = rng.normal(size=(2, time, 2)), rng.normal(size=(2, time - 1, 2))
    actions = rng.normal(size=(2, 3, horizon, 2))
    expected = np.empty((2, 3, horizon, 2))
    for b, s in np.ndindex(2, 3):
        frames = list(context[b])
        for step in range(horizon):
            window = frames[-history_size:]
            weighted = sum((i + 1) / 4 * frame for i, frame in enumerate(window))
            frames.append(weighted + actions[b, s, step])
        expected[b, s] = frames[time:]
    rolled = Summing(history_size).rollout(*map(torch.from_numpy, (context, past, actions)))
    np.testing.assert_allclose(rolled.numpy(), expected, rtol=1e-12)


def test_a_model_without_parameters_takes_any_floating_point_type() -> None:
    model = Summing(2)
    for dtype in (torch.float32, torch.float64):
        frames = torch.ones(1, 2, 3, 4, 4, dtype=dtype)
        assert model.predict(model.encode(frames), torch.zeros(1, 2, 2, dtype=dtype)).dtype == dtype


def test_it_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        WorldModel()


PROCESSOR = Processor(8, frameskip=1, action_dim=2)


def test_a_processor_that_was_never_set_is_asked_for() -> None:
    model = Summing(1)
    assert not model.has_processor
    with pytest.raises(ConfigError, match="fit_processor"):
        _ = model.processor
    model.processor = PROCESSOR
    assert model.has_processor
    assert model.processor is PROCESSOR
    assert not Summing(1).has_processor
    model.processor = None
    assert not model.has_processor


def test_a_class_may_bring_its_processor() -> None:
    class Ready(Summing):
        processor = PROCESSOR  # pyright: ignore[reportAssignmentType] -- as in 0.1.0

    model = Ready(1)
    assert model.has_processor
    assert model.processor is PROCESSOR
    model.processor = None
    assert not model.has_processor
    assert Ready(1).has_processor
