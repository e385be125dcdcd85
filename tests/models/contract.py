"""What every world model must do, as functions that raise AssertionError."""

from collections.abc import Callable

import torch

from leworld.data import Batch, Observation
from leworld.models import WorldModel, concatenate_states, state_rows
from tests.models.checks import check_rollout_is_causal, check_rollout_is_the_hand_loop
from tests.models.toys import toy_batch

Make = Callable[[], WorldModel]


def moment(batch: Batch, t: int) -> Observation:
    return batch.observations.at((slice(None), t))


@torch.no_grad()
def check_states_are_the_filter(make: Make) -> None:
    """Taking frames in one by one shows the latents that `encode` gives with the actions between them."""
    model = make().eval()
    data = toy_batch(model)
    latents = model.encode(data.observations, data.actions)
    state = model.observe(None, moment(data, 0))
    for t in range(latents.shape[1]):
        if t:
            state = model.observe(state, moment(data, t), data.actions[:, t - 1])
        torch.testing.assert_close(model.present(state), latents[:, t], rtol=1e-5, atol=1e-6)


@torch.no_grad()
def check_imagine_continues_the_state(make: Make) -> None:
    """From any state, also one of a sliding window, it is what a rollout from the real frames gives."""
    model = make().eval()
    data = toy_batch(model)
    generator = torch.Generator().manual_seed(8)
    state, latents, blocks = None, [], []
    for step in range(model.history_size + 2):
        t = step % data.actions.shape[1]
        block = torch.randn(6, model.action_dim, generator=generator) if step else None
        state = model.observe(state, moment(data, t), block)
        latents.append(model.present(state))
        blocks += [] if block is None else [block]
        context = torch.stack(latents[-model.history_size :], dim=1)
        past = torch.stack([latents[0].new_zeros(6, model.action_dim), *blocks], dim=1)
        actions = torch.randn(6, 3, 4, model.action_dim, generator=generator)
        expected = model.rollout(context, past[:, past.shape[1] - context.shape[1] + 1 :], actions)
        torch.testing.assert_close(model.imagine(state, actions), expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def check_states_are_rows(make: Make) -> None:
    """A state's rows can be taken apart and joined, and nothing of one environment reaches another."""
    model = make().eval()
    data = toy_batch(model)
    state = model.observe(None, moment(data, 0))
    before = model.present(state).clone()
    parts = [state_rows(state, slice(row, row + 1)) for row in range(6)]
    actions = torch.randn(6, 2, 3, model.action_dim, generator=torch.Generator().manual_seed(9))
    whole = model.imagine(state, actions)
    swapped = concatenate_states([parts[row] for row in (5, 4, 3, 2, 1, 0)])
    torch.testing.assert_close(model.imagine(swapped, actions.flip(0)).flip(0), whole, rtol=1e-5, atol=1e-6)
    alone = model.observe(parts[2], moment(data, 1).at([2]), data.actions[2:3, 0])
    together = model.observe(state, moment(data, 1), data.actions[:, 0])
    torch.testing.assert_close(model.present(alone)[0], model.present(together)[2], rtol=1e-5, atol=1e-6)
    assert torch.equal(model.present(state), before), "a state was changed in place"


@torch.no_grad()
def check_distance_counts_every_axis(make: Make) -> None:
    model = make()
    one = torch.randn(2, 3, *model.latent_shape, generator=torch.Generator().manual_seed(1))
    moved = one.clone()
    moved.flatten(2)[0, 1] += 2.0
    expected = torch.zeros(2, 3)
    expected[0, 1] = 4.0 * moved[0, 1].numel()
    torch.testing.assert_close(model.latent_distance(one, moved), expected, rtol=1e-4, atol=1e-4)


def check_losses_add_up(make: Make) -> None:
    model = make()
    data = toy_batch(model)
    losses = model.loss(data, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(losses.total, torch.stack(list(losses.terms.values())).sum())
    assert losses.latents.shape == (*data.actions.shape[:2], *model.latent_shape)
    assert not losses.latents.requires_grad
    losses.total.backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


@torch.no_grad()
def check_only_its_parts_are_read(make: Make) -> None:
    model = make().eval()
    data = toy_batch(model)
    more = Observation(parts=dict(data.observations.parts), state=torch.full((6, 1), torch.nan))
    torch.testing.assert_close(model.encode(more), model.encode(data.observations))


CONTRACT = [
    check_rollout_is_the_hand_loop,
    check_rollout_is_causal,
    check_states_are_the_filter,
    check_imagine_continues_the_state,
    check_states_are_rows,
    check_distance_counts_every_axis,
    check_losses_add_up,
    check_only_its_parts_are_read,
]
