"""A batch of one trajectory is a batch where no part of the model compares trajectories."""

import pytest
import torch
from torch import nn

from leworld.data import Batch
from leworld.errors import ShapeError
from leworld.models import WorldModel
from leworld.regularizers import SIGReg
from tests.models.rewarded import batch
from tests.models.rssm import rssm
from tests.models.tdmpc2 import tdmpc2

MODELS = {"TDMPC2": tdmpc2, "RSSM": rssm}


def row(data: Batch, index: int) -> Batch:
    """One trajectory of a batch."""
    chosen = slice(index, index + 1)
    columns = {name: column[chosen] for name, column in data.columns.items()}
    return Batch(data.observations.map(lambda part: part[chosen]), data.actions[chosen], columns)


@pytest.mark.parametrize("name", MODELS)
def test_one_trajectory_teaches(name: str) -> None:
    model: WorldModel = MODELS[name]().train()
    losses = model.loss(row(batch(model), 0), generator=torch.Generator().manual_seed(0))
    losses.total.backward()
    slopes = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert losses.total.isfinite()
    assert sum(float(slope.abs().sum()) for slope in slopes) > 0


@torch.no_grad()
def test_the_loss_of_a_batch_is_the_mean_of_those_of_its_trajectories() -> None:
    model = tdmpc2().eval()
    data = batch(model)
    whole = model.loss(data).terms
    single = [model.loss(row(data, index)).terms for index in range(6)]
    for name in ("consistency", "reward"):
        mean = torch.stack([terms[name] for terms in single]).mean()
        torch.testing.assert_close(mean, whole[name])


def test_what_compares_trajectories_still_needs_two() -> None:
    model = tdmpc2()
    one = row(batch(model), 0)
    model.predictor.add_module("norm", nn.BatchNorm1d(4))
    with pytest.raises(ShapeError, match="at least 2 trajectories, as its BatchNorm compares them"):
        model.train().loss(one)
    assert model.eval().loss(one).total.isfinite()  # by its running averages
    model = rssm()
    model.regularizer = SIGReg(4)
    with pytest.raises(ShapeError, match="at least 2 trajectories, as its regularizer compares them"):
        model.loss(row(batch(model), 0))
