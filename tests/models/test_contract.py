"""The contract of world models over models of every kind, and wrong ones that it rejects."""

import pytest
import torch
from torch import Tensor

from leworld.models import History, Losses, WorldModel
from tests.models.cases import ENCODERS, lewm, pldm
from tests.models.contract import CONTRACT
from tests.models.rssm import rssm
from tests.models.tdmpc2 import tdmpc2
from tests.models.toys import TOYS, Recurrent, Tokens

MODELS = {toy.__name__: toy for toy in TOYS} | {name: lambda name=name: lewm(name) for name in ENCODERS}
MODELS |= {"TDMPC2": lambda: tdmpc2(in_dim=2), "TDMPC2 of pictures": lambda: tdmpc2("picture")}
MODELS |= {
    "RSSM": rssm,
    "RSSM without pictures": lambda: rssm("no picture"),
    "RSSM alone": lambda: rssm(learns=False),
}
MODELS |= {"RSSM of choices": lambda: rssm(discrete=True)}
MODELS |= {"PLDM": pldm, "original PLDM": lambda: pldm(variant="original", open_loop=True)}


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_conforms(name: str, check) -> None:
    check(MODELS[name])


class ActionsShiftedInTheState(Tokens):
    """Remembers the block before the last in place of the last."""

    def _observe(self, state, observation, past_action, generator):
        new = super()._observe(state, observation, past_action, generator)
        return new if state is None else History(new.latents, new.actions.roll(1, dims=0))


class HistoryOneShort(Tokens):
    """Keeps one frame fewer than `predict` sees."""

    def _observe(self, state, observation, past_action, generator):
        new = super()._observe(state, observation, past_action, generator)
        return History(new.latents[:, -1:], new.actions[:, :0])


class ForgetsTheAction(Recurrent):
    def _observe(self, state, observation, past_action, generator):
        blank = None if past_action is None else torch.zeros_like(past_action)
        return super()._observe(state, observation, blank, generator)

    def _filter(self, observations, actions):
        return Recurrent._filter(Recurrent(), observations, actions)


class ChangesItsState(Recurrent):
    """Around the public method: what `_observe` does to its argument is done to a copy."""

    def observe(self, state, observation, past_action=None, *, generator=None):
        new = super().observe(state, observation, past_action, generator=generator)
        if state is not None:
            state["h"].add_(1.0)
        return new


class StateOfTheFirstRow(Recurrent):
    def _imagine(self, state, actions, generator):
        return super()._imagine({"h": state["h"][:1].expand_as(state["h"])}, actions, generator)


class DistanceOverTheLastAxis(Tokens):
    def latent_distance(self, one: Tensor, other: Tensor) -> Tensor:
        return (one - other).square().sum(-1).mean(-1)


class ATermTwice(Tokens):
    def _loss(self, batch, generator):
        losses = super()._loss(batch, generator)
        twice = Losses(losses.terms, latents=losses.latents)
        object.__setattr__(twice, "total", losses.total + losses.terms["spread"])
        return twice


class ReadsEverything(Tokens):
    def encode(self, observations, actions=None):
        latents = super().encode(observations, actions)
        state = getattr(observations, "state", None)
        return latents if state is None else latents + state[0, 0]


class TokensMixedUp(Tokens):
    """Rolls out with the tokens of a latent in another order."""

    def _rollout(self, context, past_actions, actions):
        return super()._rollout(context.flip(2), past_actions, actions)


WRONG: dict[type[WorldModel], str] = {
    ActionsShiftedInTheState: "check_imagine_continues_the_state",
    HistoryOneShort: "check_imagine_continues_the_state",
    ForgetsTheAction: "check_states_are_the_filter",
    ChangesItsState: "check_states_are_rows",
    StateOfTheFirstRow: "check_states_are_rows",
    DistanceOverTheLastAxis: "check_distance_counts_every_axis",
    ATermTwice: "check_losses_add_up",
    ReadsEverything: "check_only_its_parts_are_read",
    TokensMixedUp: "check_rollout_is_the_hand_loop",
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_model_is_rejected(wrong: type[WorldModel]) -> None:
    (check,) = [check for check in CONTRACT if check.__name__ == WRONG[wrong]]
    with pytest.raises(AssertionError):
        check(wrong)
