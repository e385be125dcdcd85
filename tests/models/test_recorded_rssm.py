"""The recurrent state space as r2dreamer's and DreamerV3's code compute it."""

import pytest
import torch
from torch import Tensor

from leworld.nn import CategoricalLatents
from tests.models.rssm import recorded, reference

REFERENCE = reference()


def close(one: Tensor, other: Tensor, absolute: float = 1e-5) -> None:
    torch.testing.assert_close(one, other, atol=absolute, rtol=0)


def chosen(kind: str) -> tuple[Tensor, Tensor]:
    return REFERENCE[f"{kind}.deter"], REFERENCE[f"{kind}.stoch"]


@torch.no_grad()
def test_states_and_logits() -> None:
    """From the recorded variables, so that no tie can turn a draw; and the draws from the recorded noise."""
    model = recorded()
    predictor, (states, variables) = model.predictor, chosen("observe")
    for t in range(5):
        before = predictor.join(states[:, t - 1], variables[:, t - 1])
        begins = REFERENCE["reset"][:, t].bool().unsqueeze(-1)
        before = torch.where(begins, torch.zeros_like(before), before)
        actions = torch.where(begins, 0.0, REFERENCE["action"][:, t])
        found = predictor.advance(before, actions)
        close(found, states[:, t])
        latents, posterior = model._corrected(found, REFERENCE["embed"][:, t])
        close(posterior, REFERENCE["observe.posterior_logits"][:, t])
        close(predictor.prior_logits(found), REFERENCE["observe.prior_logits"][:, t])
        close(latents[..., :32], REFERENCE["features"][:, t, 24:])
        drawn = predictor.variables.sample(posterior, noise=REFERENCE["observe.gumbel"][:, t])
        assert torch.equal(drawn, variables[:, t])


@torch.no_grad()
def test_a_whole_sequence_is_taken_in_by_observe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that begins no second episode, through the public methods, with the recorded noise."""
    model = recorded()
    rows, time = [0, 2], 5
    noise = iter(REFERENCE["observe.gumbel"][rows].unbind(1))
    sample = CategoricalLatents.sample

    def replayed(self: CategoricalLatents, logits: Tensor, *, generator: object = None) -> Tensor:
        return sample(self, logits, noise=next(noise))

    monkeypatch.setattr(CategoricalLatents, "sample", replayed)
    state, source = None, torch.Generator()
    for t in range(time):
        action = REFERENCE["action"][rows, t] if t else None
        state = model.observe(state, REFERENCE["embed"][rows, t], action, generator=source)
        due = torch.cat((REFERENCE["features"][rows, t, 24:], REFERENCE["features"][rows, t, :24]), dim=-1)
        close(model.present(state), due)
    noise = iter(REFERENCE["imagine.gumbel"][rows].unbind(1))
    ahead = model.imagine(state, REFERENCE["imagine.action"][rows].unsqueeze(1), generator=source)[:, 0]
    states, variables = (part[rows] for part in chosen("imagine"))
    close(ahead, model.predictor.join(states, variables))
    close(model.predictor.prior_logits(states), REFERENCE["imagine.prior_logits"][rows])


@torch.no_grad()
def test_one_step() -> None:
    predictor = recorded().predictor
    before = predictor.join(*chosen("initial"))
    close(predictor.advance(before, REFERENCE["action"][:, 0]), REFERENCE["step.deter"])


def test_log_probabilities_and_entropy() -> None:
    logs = CategoricalLatents(0.01).log_probabilities(REFERENCE["observe.posterior_logits"])
    close(logs, REFERENCE["unimix.log_probs"])
    close(-(logs.exp() * logs).sum((-2, -1)), REFERENCE["unimix.entropy"])


@pytest.mark.parametrize(("kind", "unimix"), [("kl_raw", 0.0), ("kl_unimix", 0.01)])
@pytest.mark.parametrize("free_nats", [0, 1, 5])
def test_divergences_and_their_gradients(kind: str, unimix: float, free_nats: int) -> None:
    posterior, prior = (REFERENCE[f"observe.{one}_logits"].requires_grad_() for one in ("posterior", "prior"))
    found = CategoricalLatents(unimix).balanced_divergence(posterior, prior, free_nats=float(free_nats))
    name = f"{kind}.free{free_nats}"
    for value, which, logits, other in zip(
        found, ("dyn", "rep"), (prior, posterior), (posterior, prior), strict=True
    ):
        close(value.detach(), REFERENCE[f"{name}.{which}"])
        taught = "prior" if which == "dyn" else "posterior"
        gradient, none = torch.autograd.grad(
            value.mean(), (logits, other), retain_graph=True, allow_unused=True
        )
        close(gradient, REFERENCE[f"{name}.grad_{taught}_of_{which}_mean"])
        assert none is None or not none.any()
        given_away = value.detach() <= free_nats
        assert not gradient[given_away].any()
    if free_nats == 5 and kind == "kl_raw":
        assert int((found[0] <= 5).sum()) == 10


def test_draws_are_straight_through() -> None:
    logits = REFERENCE["sample_r2.logits"].requires_grad_()
    latents = CategoricalLatents(0.01)
    drawn = latents.sample(logits, noise=REFERENCE["sample_r2.gumbel"])
    assert torch.equal(drawn.detach(), REFERENCE["sample_r2.onehot"])
    weight = REFERENCE["sample_r2.weight"]
    through, plain = (
        torch.autograd.grad((weight * one).sum(), logits)[0]
        for one in (drawn, latents.log_probabilities(logits).exp())
    )
    close(through, plain, 0.0)  # of the probabilities themselves; r2dreamer adds the noise to them
