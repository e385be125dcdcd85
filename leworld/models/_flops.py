"""What imagining one candidate costs in floating-point operations, whatever the machine."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .._checks import check_number, describe, plain_numbers
from ..errors import ConfigError
from ..nn import evaluation_mode
from ._world_model import WorldModel


@plain_numbers
def rollout_flops(model: WorldModel, *, horizon: int, context: int = 1, cached: bool = True) -> int:
    """Count the floating-point operations of imagining one candidate, multiply and add as two.

    A search costs this many for each candidate of each iteration, on top of encoding its frames and its goal.
    Counted are matrix products, convolutions and attention, by `torch.utils.flop_counter` on tensors without
    values: it takes no arithmetic, and the same number comes out on every machine. Attention counts the pairs
    that a kernel is given, also those that a mask then hides.

    Args:
        model: A world model. Its mode is left as it was.
        horizon: Steps that are imagined.
        context: Real frames that the candidate starts from.
        cached: Whether to count the model's own `rollout`, which may keep what it knows of past frames, or
            the plain definition, which predicts every step from its whole window.

    Raises:
        ConfigError: If `model` is no world model, or a number is below 1.

    Example:
        ```python
        import leworld
        from leworld.models import rollout_flops

        model = leworld.load("lewm-tworoom-tiny")
        assert rollout_flops(model, horizon=10) == 2 * rollout_flops(model, horizon=5)  # it sees one frame
        ```
    """
    if not isinstance(model, WorldModel):
        raise ConfigError(
            "rollout_flops needs `model` to be a `leworld.models.WorldModel`",
            f"it is {describe(model)}",
            "Load one with `leworld.load`, or build one of its parts",
        )
    check_number("rollout_flops", "horizon", horizon, low=1, integer=True)
    check_number("rollout_flops", "context", context, low=1, integer=True)
    from torch.utils.flop_counter import FlopCounterMode  # brings triton with it

    weight = next(model.parameters(), None)
    dtype = torch.float32 if weight is None else weight.dtype

    def empty(*shape: int) -> Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    inputs = (
        empty(1, context, *model.latent_shape),
        empty(1, context - 1, model.action_dim),
        empty(1, 1, horizon, model.action_dim),
    )
    whole = _Rollout(model, cached)
    tensors = dict(whole.named_parameters()) | dict(whole.named_buffers())
    hollow = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    with evaluation_mode(model), torch.no_grad(), FlopCounterMode(display=False) as counter:
        functional_call(whole, hollow, inputs)
    return counter.get_total_flops()


class _Rollout(nn.Module):
    """A model's rollout as the call of a module, so that it can be made with other tensors."""

    def __init__(self, model: WorldModel, cached: bool) -> None:
        super().__init__()
        self.model = model
        self.cached = cached

    def forward(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        if self.cached:
            return self.model._rollout(context, past_actions, actions)
        return WorldModel._rollout(self.model, context, past_actions, actions)
