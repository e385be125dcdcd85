"""States of every structure, joined and taken apart: by key and field, never by place alone."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leworld.costs import GoalCost
from leworld.errors import NonFiniteError, ShapeError
from leworld.models import WorldModel, concatenate_states, state_layout, state_rows

ZEROS, ONES = torch.zeros(1, 2), torch.ones(1, 2)


@dataclass(frozen=True)
class Filtered:
    hidden: Tensor
    doubled: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "doubled", 2 * self.hidden)


def test_parts_of_a_mapping_are_joined_by_key() -> None:
    both = concatenate_states([{"hidden": ZEROS, "cell": ONES}, {"cell": ONES, "hidden": ZEROS}])

    assert not both["hidden"].any()
    assert both["cell"].all()


@pytest.mark.parametrize("other", [(ZEROS, ONES), {"hidden": ZEROS, "memory": ONES}, [ZEROS, ONES]])
def test_another_structure_with_equal_sizes_is_not_joined(other: object) -> None:
    mine = {"hidden": ZEROS, "cell": ONES}

    assert state_layout(mine) != state_layout(other)
    with pytest.raises(ShapeError, match="equal structure"):
        concatenate_states([mine, other])


def test_a_field_that_the_constructor_does_not_take_is_kept() -> None:
    both = concatenate_states([Filtered(ZEROS), Filtered(ONES)])

    assert torch.equal(state_rows(both, [1]).doubled, 2 * ONES)


def test_rows_in_a_tuple_are_rows() -> None:
    state = torch.arange(6).view(3, 2)

    assert torch.equal(state_rows(state, (2, 0)), state[[2, 0]])


def test_a_number_without_a_batch_axis_is_refused() -> None:
    with pytest.raises(ShapeError, match="first axis"):
        state_rows({"step": torch.tensor(3)}, [0])


class Drifting(WorldModel):
    """Its state is a vector that every frame adds to."""

    history_size, latent_shape, action_dim = 1, (3,), 1

    def _encode(self, observations):
        return observations.mean((3, 4))

    def _predict(self, latents, actions):
        return latents

    def _loss(self, batch, generator):
        raise NotImplementedError

    def _observe(self, state, observation, past_action, generator):
        seen = observation.mean((2, 3))
        return seen if state is None else state + seen + past_action

    def _imagine(self, state, actions, generator):
        return state[:, None, None] + actions.cumsum(2)

    def _present(self, state):
        return nn.functional.dropout(state, training=self.training)


FRAMES = torch.ones(2, 3, 3, 4, 4)


@pytest.mark.shapecheck
@pytest.mark.parametrize(
    ("actions", "error", "words"),
    [
        (torch.zeros(2, 1, 1), ShapeError, "between each two of 3 frames"),
        (torch.zeros(2, 2, 3), ShapeError, "action_dim = 1"),
        (torch.full((2, 2, 1), torch.nan), NonFiniteError, "actions"),
    ],
)
def test_actions_between_frames_are_checked(actions: Tensor, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Drifting().encode(FRAMES, actions)


def test_the_block_that_leaves_the_last_frame_is_not_read() -> None:
    blocks = torch.tensor([1.0, 1.0, torch.nan])[None, :, None].expand(2, -1, -1)

    assert Drifting().eval().encode(FRAMES, blocks)[0, :, 0].tolist() == [1, 3, 5]


@pytest.mark.shapecheck
def test_a_state_of_other_environments_is_refused() -> None:
    model = Drifting()
    state = model.observe(None, FRAMES[:, 0])

    with pytest.raises(ShapeError, match="batch=2"):
        model.imagine(state, torch.zeros(3, 1, 1, 1))
    with pytest.raises(ShapeError, match="batch=2"):
        model.observe(state, torch.ones(1, 3, 4, 4), torch.zeros(1, 1))


def test_a_cost_reads_the_present_in_evaluation_mode() -> None:
    model = Drifting().train()
    state = model.observe(None, torch.ones(64, 3, 4, 4))
    cost = GoalCost(model, torch.zeros(64, 3), state=state)

    assert torch.equal(cost.context[:, 0], state)
    assert model.training


def test_a_size_of_numpy_is_the_shape_of_latents() -> None:
    kind = type("Wide", (Drifting,), {"embedding_dim": np.int64(5)})

    assert kind().latent_shape == (5,)
