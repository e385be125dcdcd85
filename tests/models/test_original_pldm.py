"""The original PLDM of leworld's parts: IMPALA, a GRU whose state is the embedding, 16 steps in open loop."""

import pytest
import torch
from torch.nn import functional as F

from leworld.data import Batch
from leworld.encoders import ImpalaEncoder
from leworld.models import PLDM, WorldModel
from leworld.predictors import GRUPredictor
from leworld.regularizers import InverseDynamics, PLDMTerms

STEPS, DIM, ACTION = 16, 6, 2


def original() -> PLDM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = InverseDynamics(DIM, ACTION, hidden_dim=8, activation="relu")
        return PLDM(
            ImpalaEncoder(image_size=16, embedding_dim=DIM, channels=(2, 2, 2)),
            GRUPredictor(DIM, STEPS, condition_dim=ACTION, state="embedding", layer_norm=True),
            action_encoder=None,
            projector=None,
            prediction_projector=None,
            regularizer=PLDMTerms(
                3.9843,
                6.9238,
                time_std_weight=0.24535,
                similarity_weight=0.74242,
                inverse_dynamics_weight=1.072,
                inverse_dynamics=head,
                variant="original",
            ),
            open_loop=True,
        )


def windows() -> Batch:
    generator = torch.Generator().manual_seed(1)
    frames = torch.randn(8, STEPS + 1, 3, 16, 16, generator=generator)
    return Batch(frames, torch.randn(8, STEPS + 1, ACTION, generator=generator))


def test_sizes_come_from_the_parts_that_are_there() -> None:
    model = original()
    assert (model.history_size, model.latent_shape, model.action_dim) == (STEPS, (DIM,), ACTION)


@pytest.mark.parametrize("training", [True, False])
def test_training_rolls_out_from_the_first_frame(training: bool) -> None:
    """h_0 = z_0 and h_t+1 = LayerNorm(GRU(a_t, h_t)), whichever way the rollout is computed."""
    model, data = original().train(training), windows()
    losses = model.loss(data)
    z, cell = losses.latents, model.predictor.cells[0]
    h, states = z[:, 0], []
    for t in range(STEPS):
        gates = [
            F.linear(x, w, b).chunk(3, dim=-1)
            for x, w, b in (
                (data.actions[:, t], cell.weight_ih, cell.bias_ih),
                (h, cell.weight_hh, cell.bias_hh),
            )
        ]
        reset, update = (torch.sigmoid(gates[0][i] + gates[1][i]) for i in (0, 1))
        new = torch.tanh(gates[0][2] + reset * gates[1][2])
        norm = model.predictor.norm
        h = F.layer_norm((1 - update) * new + update * h, (DIM,), norm.weight, norm.bias)
        states.append(h)
    due = (torch.stack(states, dim=1) - z[:, 1:]).square().mean()
    torch.testing.assert_close(losses.terms["prediction"], due, rtol=1e-4, atol=1e-6)
    assert losses.terms.keys() == {
        "prediction", "std", "covariance", "time_std", "similarity", "inverse_dynamics"
    }  # fmt: skip


def test_every_part_learns_through_the_rollout() -> None:
    model, data = original(), windows()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    values = []
    for _ in range(15):
        losses = model.loss(data)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        values.append(losses.total.item())
    assert values[-1] < 0.8 * values[0]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.predictor.parameters())


@torch.no_grad()
def test_planning_takes_one_step_a_step_from_the_newest_frame() -> None:
    model = original().eval()
    generator = torch.Generator().manual_seed(2)
    context, past = torch.randn(2, 1, DIM, generator=generator), torch.zeros(2, 0, ACTION)
    actions = torch.randn(2, 3, 20, ACTION, generator=generator)
    rolled = model.rollout(context, past, actions)
    torch.testing.assert_close(rolled, WorldModel._rollout(model, context, past, actions))
