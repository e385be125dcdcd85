"""States of every structure, joined and taken apart: by key and field, never by place alone."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from leworld.errors import ShapeError
from leworld.models import concatenate_states, state_layout, state_rows

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
