"""An ensemble: mean and spread by their formulas, members that differ, members that cannot be extended."""

import copy

import pytest
import torch
from torch import Tensor

from leworld.errors import ConfigError
from leworld.predictors import EnsemblePredictor, LinearPredictor, MLPPredictor, TransformerPredictor
from tests.predictors import checks
from tests.predictors.cases import CONDITION, DIM, SMALL, TIME, mlp


def make(cls: type[EnsemblePredictor] = EnsemblePredictor) -> EnsemblePredictor:
    return cls([mlp() for _ in range(3)])


def check_mean_and_spread(cls: type[EnsemblePredictor]) -> None:
    predictor, pair = make(cls), checks.inputs()
    each = [one(*pair).double() for one in predictor.predictors]
    mean = (each[0] + each[1] + each[2]) / 3
    spread = sum((one - mean) ** 2 for one in each) / 3
    torch.testing.assert_close(predictor(*pair).double(), mean, atol=1e-6, rtol=0)
    torch.testing.assert_close(predictor.members(*pair).double(), torch.stack(each))
    torch.testing.assert_close(predictor.spread(*pair).double(), spread.mean(-1), atol=1e-6, rtol=1e-5)


def check_members_start_differently(cls: type[EnsemblePredictor]) -> None:
    predictor, pair = make(cls), checks.inputs()
    members = predictor.members(*pair)
    for i in range(3):
        for j in range(i):
            assert (members[i] - members[j]).abs().amax(-1).min() > 1e-3
    assert bool((predictor.spread(*pair) > 1e-4).all())


def check_spread_has_a_gradient(cls: type[EnsemblePredictor]) -> None:
    """Also where members agree, as a planner may well find."""
    predictor = make(cls)
    for one in predictor.predictors[1:]:
        one.load_state_dict(predictor.predictors[0].state_dict())
    pair = [tensor.requires_grad_() for tensor in checks.inputs()]
    gradients = torch.autograd.grad(predictor.spread(*pair).sum(), pair)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


class EqualMembers(EnsemblePredictor):
    def __init__(self, predictors) -> None:
        super().__init__([copy.deepcopy(predictors[0]) for _ in predictors])


class TwoEqualMembers(EnsemblePredictor):
    def __init__(self, predictors) -> None:
        super().__init__([*predictors[:-1], copy.deepcopy(predictors[0])])


class FirstMember(EnsemblePredictor):
    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.members(embeddings, conditions)[0]


class StandardDeviation(EnsemblePredictor):
    def spread(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return super().spread(embeddings, conditions).sqrt()


class DividesByOneLess(EnsemblePredictor):
    def spread(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.members(embeddings, conditions).var(0).mean(-1)


class SpreadOverComponents(EnsemblePredictor):
    def spread(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.members(embeddings, conditions).mean(0).var(-1)


CHECKS = {
    check.__name__: check
    for check in (check_mean_and_spread, check_members_start_differently, check_spread_has_a_gradient)
}
WRONG = {
    EqualMembers: "check_members_start_differently",
    TwoEqualMembers: "check_members_start_differently",
    FirstMember: "check_mean_and_spread",
    StandardDeviation: "check_spread_has_a_gradient",
    DividesByOneLess: "check_mean_and_spread",
    SpreadOverComponents: "check_mean_and_spread",
}


@pytest.mark.parametrize("check", CHECKS)
def test_conforms(check: str) -> None:
    CHECKS[check](EnsemblePredictor)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_ensemble_is_rejected(wrong) -> None:
    with pytest.raises(AssertionError):
        CHECKS[WRONG[wrong]](wrong)


def test_members_of_any_kind_that_agree_on_what_they_forget() -> None:
    both = EnsemblePredictor([mlp(), TransformerPredictor(DIM, TIME, **SMALL)])
    assert both.slides
    assert (both.embedding_dim, both.condition_dim, both.history_size) == (DIM, CONDITION, TIME)
    assert both.eval().can_extend
    assert not both.train().can_extend


class Plain(torch.nn.Module):
    """A predictor of a user's own that is not incremental."""

    embedding_dim, condition_dim, history_size = DIM, CONDITION, TIME

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return embeddings + conditions.sum(-1, keepdim=True)


def test_a_member_that_cannot_be_extended_leaves_windows() -> None:
    predictor = EnsemblePredictor([Plain(), LinearPredictor(DIM, TIME, condition_dim=CONDITION)]).eval()
    assert predictor.slides
    assert not predictor.can_extend
    embeddings, conditions = checks.inputs()
    assert predictor(embeddings, conditions).shape == (3, TIME, DIM)
    with pytest.raises(ConfigError, match="Plain"):
        predictor.prepare(embeddings, conditions, conditions[:, None])


def test_the_spread_is_small_where_data_were_and_large_where_none_were() -> None:
    """Trained on a piece of the line, three members agree there and nowhere else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        predictor = EnsemblePredictor([MLPPredictor(1, 1, condition_dim=1, hidden_dim=32) for _ in range(3)])
        optimizer = torch.optim.Adam(predictor.parameters(), lr=1e-2)
        frames, pushes = torch.rand(64, 1, 1) * 2 - 1, torch.rand(64, 1, 1) * 2 - 1
        for _ in range(200):
            optimizer.zero_grad()
            error = predictor.members(frames, pushes) - torch.sin(3 * frames) - pushes
            error.square().mean().backward()
            optimizer.step()
        with torch.no_grad():
            inside = predictor.spread(frames, pushes).mean()
            outside = predictor.spread(frames + 4, pushes).mean()
    assert outside > 20 * inside
