"""Rollout and cost stay on the device: what a captured CUDA graph forbids is refused here, without a GPU.

The device is `meta`, which takes the path of an accelerator and holds no numbers: reading one fails, and so
does every shape that depends on them. Two modes refuse what it would let pass: copies from the host and new
data.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from leworld.costs import GoalCost
from leworld.models import WorldModel
from tests.models.cases import lewm
from tests.models.checks import plan_inputs
from tests.models.dinowm import dinowm

FROM_THE_HOST = (torch.tensor, torch.as_tensor, torch.from_numpy, Tensor.new_tensor)


class OneDevice(TorchDispatchMode):
    """Refuses operators that read, write or return a tensor elsewhere than on `meta`."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        assert all(tensor.is_meta for tensor in tensors), f"{func} leaves the device"
        return result


class NoNewData(TorchFunctionMode):
    """Refuses tensors made from Python numbers or arrays, which are copied from the host."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        assert func not in FROM_THE_HOST, f"{func} copies from the host"
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def check_capturable(model: WorldModel, time: int) -> None:
    """Call rollout and cost, every host access of which raises."""
    context, past, actions = plan_inputs(model, time, 5)
    goal = context[:, -1]
    cost = GoalCost(model, goal, context=context, past_actions=past)  # once a plan, outside a graph
    model.to("meta")
    cost.goal, start = goal.to("meta"), cost.start
    start.context, start.past_actions = context.to("meta"), past.to("meta")
    actions = actions.to("meta")
    with OneDevice(), NoNewData():
        assert model.rollout(cost.context, cost.past_actions, actions).shape == (2, 3, 5, *model.latent_shape)
        assert cost(actions).shape == (2, 3)


@pytest.mark.parametrize("time", [1, 3])
@pytest.mark.parametrize("history_size", [1, 3, 6])
def test_nothing_is_read_back_or_copied_from_the_host(history_size: int, time: int) -> None:
    check_capturable(lewm(history_size=history_size).eval(), time)


@pytest.mark.parametrize("time", [1, 3])
def test_tokens_neither(time: int) -> None:
    check_capturable(dinowm().eval(), time)


def reads_a_number(output: Tensor) -> Tensor:
    return output * output.abs().max().item()


def asks_for_the_truth(output: Tensor) -> Tensor:
    return output if output.isfinite().all() else -output


def picks_by_value(output: Tensor) -> Tensor:
    output[output > 0] += output[output > 0]
    return output


def copies_a_constant(output: Tensor) -> Tensor:
    return output * torch.tensor([2.0], device=output.device)


def uses_a_host_tensor(output: Tensor) -> Tensor:
    return output + torch.arange(output.shape[-1]).to(output)


@pytest.mark.parametrize(
    "spoil", [reads_a_number, asks_for_the_truth, picks_by_value, copies_a_constant, uses_a_host_tensor]
)
def test_host_access_is_refused(spoil: Callable[[Tensor], Tensor]) -> None:
    class Spoilt(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, inputs: Tensor) -> Tensor:
            return spoil(self.layer(inputs))

    model = lewm().eval()
    model.prediction_projector = Spoilt(model.prediction_projector)
    with pytest.raises((AssertionError, RuntimeError)):
        check_capturable(model, 1)
