"""TD-MPC2 as its authors' code computes it: networks, losses, one update, values of plans, plans."""

import math

import pytest
import torch
from torch import Tensor

from leworld.costs import ReturnCost
from leworld.data import Batch
from leworld.models import TDMPC2
from leworld.models._tdmpc2 import usual_discount
from leworld.planners import KeepGuesses, MPPIPlanner, Problem
from tests.models.tdmpc2 import draws, recorded, reference, replay, vectors

REFERENCE = reference()
NAMES = {
    "_encoder.state": "encoder",
    "_dynamics": "predictor.network",
    "_reward": "reward.network",
    "_termination": "termination.network",
    "_pi": "policy.network",
}


def close(one: Tensor, other: Tensor, absolute: float = 1e-5, relative: float = 0.0) -> None:
    torch.testing.assert_close(one, other.reshape(one.shape), atol=absolute, rtol=relative)


@torch.no_grad()
def test_networks() -> None:
    model, action = recorded(), REFERENCE["action"]
    latents = model.encode(vectors(REFERENCE["obs"].unsqueeze(1)))
    close(latents, REFERENCE["encode"])
    close(model.predict(latents, action.unsqueeze(1)), REFERENCE["next"])
    latents = latents[:, 0]
    close(model.reward.logits(latents, action), REFERENCE["reward_logits"])
    close(model.reward(latents, action), REFERENCE["reward"], relative=1e-5)
    drawn = model.policy.sample(latents, noise=REFERENCE["policy.draw00.normal"])
    close(drawn.actions, REFERENCE["policy.action"])
    close(model.policy(latents), REFERENCE["policy.mean"])
    close(model.policy.moments(latents)[1], REFERENCE["policy.log_std"])
    close(drawn.entropy, REFERENCE["policy.entropy"], relative=1e-5)
    close(drawn.scaled_entropy, REFERENCE["policy.scaled_entropy"], relative=1e-5)
    episodic = recorded("weights_episodic")
    z = episodic.encode(vectors(REFERENCE["obs"].unsqueeze(1)))[:, 0]
    close(z, REFERENCE["episodic.z"])
    close(episodic.termination(z), REFERENCE["episodic.termination"])


@torch.no_grad()
def test_values() -> None:
    model, action, latents = recorded(), REFERENCE["action"], REFERENCE["encode"]
    close(model.value.logits(latents, action), REFERENCE["q.all_logits"])
    close(model.value.logits(latents, action, target=True), REFERENCE["q.target_all_logits"])
    for reduce, theirs in (("min", "min"), ("mean", "avg")):
        for which in ("online", "target"):
            name = f"q.{theirs}.{which}"
            members = REFERENCE[f"{name}.draw00.permutation"][:2].tolist()
            values = model.value(latents, action, reduce=reduce, members=members, target=which == "target")
            close(values, REFERENCE[name], relative=1e-5)


def test_discounts() -> None:
    lengths, due = REFERENCE["discount.episode_lengths"].tolist(), REFERENCE["discount.values"].tolist()
    assert [usual_discount(int(length)) for length in lengths] == pytest.approx(due, abs=1e-6)


def update(kind: str) -> tuple[TDMPC2, Batch, str]:
    """The model with the recorded draws, and the recorded batch, the batch first and a row too many."""
    call = "update" if kind == "weights" else "episodic.update"
    model = recorded(kind).train()
    model.value.target_rate = 0.0  # which moved after the recorded step, not before it
    for head in model.value.heads:
        head.network.layers[0].dropout = 0.0
    noises = [noise.transpose(0, 1) for noise in draws(REFERENCE, call, "normal")]
    replay(model, noises, list(draws(REFERENCE, call, "permutation")))

    def longer(name: str) -> Tensor:
        rows = REFERENCE[f"{call}.{name}"].transpose(0, 1)
        return torch.cat((rows, torch.full_like(rows[:, :1], 7.0)), dim=1)  # which nothing may read

    columns = {name: longer(name).squeeze(-1) for name in ("reward", "terminated")}
    batch = Batch(vectors(REFERENCE[f"{call}.obs"].transpose(0, 1)), longer("action"), columns)
    return model, batch, call


def ours(theirs: str) -> str:
    """Leworld's name of a bias or weight of a network that is no ensemble."""
    network, place, leaf = theirs.rsplit(".", 2)
    layers = f"{NAMES[network]}.layers.{place}"
    plain = network in ("_reward", "_pi", "_termination") and place == "2"
    return f"{layers}.{leaf}" if plain else f"{layers}.linear.{leaf}"


@pytest.mark.parametrize("kind", ["weights", "weights_episodic"])
def test_one_update(kind: str) -> None:
    """Losses, gradients, and the weights after a step, by the recorded optimizers in the recorded order."""
    model, batch, call = update(kind)
    rows = {name: batch.columns[name][:, :-1] for name in batch.columns}
    reached = model.encode(batch.observations)[:, 1:].detach()
    noises, orders = (list(draws(REFERENCE, call, drawn)) for drawn in ("normal", "permutation"))
    replayed = recorded(kind).train()
    replay(replayed, [noises[0].transpose(0, 1)], orders[:1])
    targets = replayed._td_targets(rows["reward"], rows["terminated"], reached, None)
    close(targets, REFERENCE[f"{call}.td_target"].transpose(0, 1), relative=1e-5)

    losses = model.loss(batch)
    for name in ("consistency", "reward", "value", "termination"):
        if name in losses.values:
            close(losses.values[name], REFERENCE[f"{call}.{name}_loss"])
    total = torch.stack([term for name, term in losses.terms.items() if name != "policy"]).sum()
    close(total, REFERENCE[f"{call}.total_loss"])

    taught = [(n, p) for n, p in model.named_parameters() if p.requires_grad and not n.startswith("policy")]
    total.backward()
    for name in ("_dynamics.2.weight", "_encoder.state.0.weight", "_reward.2.weight"):
        close(model.get_parameter(ours(name)).grad, REFERENCE[f"{call}.grad.model.{name}"])
    assert all(p.grad is None for n, p in model.named_parameters() if n.startswith("policy"))
    norm = torch.nn.utils.clip_grad_norm_([p for _, p in taught], 20.0)
    close(norm, REFERENCE[f"{call}.grad_norm"], relative=1e-5)
    encoder = [p for n, p in taught if n.startswith("encoder")]
    others = [p for n, p in taught if not n.startswith("encoder")]
    groups = [{"params": encoder, "lr": 0.3 * 3e-4}, {"params": others}]
    with torch.no_grad():
        latents = torch.cat((model.encode(batch.observations)[:, :1], reached), dim=1)[:, :1]
        for action in batch.actions[:, :-1].unbind(1):
            following = model.predict(latents[:, -1:], action.unsqueeze(1))
            latents = torch.cat((latents, following), dim=1)
    torch.optim.Adam(groups, lr=3e-4).step()

    replay(model, [noises[1].transpose(0, 1)], orders[1:])
    model.scale.scale.fill_(1.0)
    loss, entropy = model._policy_loss(latents, None, learning=True)
    close(loss, REFERENCE[f"{call}.pi_loss"])
    close(entropy, REFERENCE[f"{call}.pi_entropy"], relative=1e-5)
    close(model.scale.scale, REFERENCE[f"{call}.pi_scale"])
    before = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    loss.backward()
    assert all(torch.equal(model.get_parameter(n).grad, g) for n, g in before.items())
    close(model.get_parameter(ours("_pi.2.weight")).grad, REFERENCE[f"{call}.grad.pi._pi.2.weight"])
    torch.nn.utils.clip_grad_norm_(model.policy.parameters(), 20.0)
    torch.optim.Adam(model.policy.parameters(), lr=3e-4, eps=1e-5).step()
    model.value.target_rate = 0.01
    model.value.update_targets()
    for name in ("_dynamics.2.bias", "_encoder.state.1.bias", "_pi.2.bias"):
        close(model.get_parameter(ours(name)).detach(), REFERENCE[f"{call}.after.{name}"], 1e-6)
    for theirs, heads in (("_Qs.params", "heads"), ("_target_Qs_params", "targets")):
        biases = [head.network.layers[2].bias.detach() for head in getattr(model.value, heads)]
        close(torch.stack(biases), REFERENCE[f"{call}.after.{theirs}.2.bias"], 1e-6)


@pytest.mark.parametrize("kind", ["weights", "weights_episodic"])
@torch.no_grad()
def test_value_of_a_trajectory(kind: str) -> None:
    call = "estimate" if kind == "weights" else "episodic.estimate"
    model = recorded(kind)
    replay(model, list(draws(REFERENCE, call, "normal")), list(draws(REFERENCE, call, "permutation")))
    cost = ReturnCost(model, context=REFERENCE[f"{call}.z"].unsqueeze(1), generator=torch.Generator())
    returns = -cost(REFERENCE[f"{call}.actions"].transpose(0, 1).unsqueeze(0))
    close(returns, REFERENCE[f"{call}.value"], 0.0, 1e-4)


def planner() -> KeepGuesses:
    """TD-MPC2's planner at the recorded size; its temperature of 0.5 multiplies."""
    return KeepGuesses(
        MPPIPlanner(
            3,
            24,
            num_iterations=3,
            temperature=2.0,
            scale="fixed",
            init_std=2.0,
            num_elites=6,
            min_std=0.05,
            returns="draw",
        )
    )


@pytest.mark.parametrize("call", ["plan.0", "plan.1"])
@torch.no_grad()
def test_planner(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The elite that is executed, and the mean that the next search begins from."""
    model = recorded()
    noises, orders = list(draws(REFERENCE, call, "normal")), list(draws(REFERENCE, call, "permutation"))
    latents = model.encode(vectors(REFERENCE["plan.obs"].unsqueeze(1)))
    proposed, here = [], latents[:, 0].expand(4, -1)
    for noise in noises[:3]:
        proposed.append(model.policy.sample(here, noise=noise).actions)
        here = model.predict(here.unsqueeze(1), proposed[-1].unsqueeze(1))[:, 0]
    rounds = noises[3:9]
    last = torch.zeros(1, 3, dtype=torch.float32)  # one more cost, of the plan
    replay(model, [*rounds[1::2], last], [*orders, orders[0]])
    steps = iter(rounds[0::2])

    def noise(self: Problem, shape: tuple[int, ...], iteration: int) -> Tensor:
        drawn = next(steps).transpose(0, 1)
        return torch.cat((torch.zeros_like(drawn[:1]), drawn)).unsqueeze(0)

    def uniform(self: Problem, *shape: int, iteration: int, stream: int = 0) -> Tensor:
        return 1 - (-next(draws(REFERENCE, call, "exponential")).double()).exp().unsqueeze(0)

    monkeypatch.setattr(Problem, "_noise", noise)
    monkeypatch.setattr(Problem, "uniform", uniform)
    start = torch.zeros(1, 1, 3, 3, dtype=torch.float32)
    if call == "plan.1":
        start[0, 0, :-1] = REFERENCE["plan.1.prev_mean"][1:]
    plan = planner().plan(
        ReturnCost(model, context=latents, generator=torch.Generator()),
        batch=1,
        action_dim=3,
        init=torch.cat((start, torch.stack(proposed, dim=1).unsqueeze(0)), dim=1),
        bounds=(-1.0, 1.0),
    )
    assert plan.elites is not None
    close(plan.elites[0, 0], REFERENCE[f"{call}.mean"])
    action = plan.actions[0, 0]
    if call == "plan.1":  # in training it explores
        action = (action + plan.trace.stds[-1][0, 0] * noises[-1]).clamp(-1, 1)
    close(action, REFERENCE[f"{call}.action"])
    assert math.isfinite(plan.cost.item())
