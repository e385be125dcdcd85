"""A gated recurrent unit whose large matrices are cut into blocks: the sequence model of DreamerV3."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number, plain_numbers
from .._typing import shapechecked
from ..errors import ConfigError
from ._checks import check_last_axis


@final
@plain_numbers
class BlockGRU(nn.Module):
    r"""A gated recurrent unit of `num_blocks` blocks, each with its share of the state and all of the input.

    With h_g the state of block g and x the input,

    $$ m = \operatorname{SiLU}(\operatorname{RMSNorm}([W_g [h_g, x]]_g)), \qquad
       (r_g, c_g, u_g) = V_g m_g $$

    $$ h'_g = \sigma(u_g - 1) \tanh(\sigma(r_g) c_g) + (1 - \sigma(u_g - 1)) h_g $$

    where the norm is taken over all blocks together, which is where they meet. A state of D numbers needs
    about 1 / num_blocks of a dense unit's D^2 weights; with one block it is a dense unit.

    Shapes:
        inputs (*batch, input_dim), states (*batch, state_dim) -> (*batch, state_dim).

    Args:
        input_dim: Size of what comes in.
        state_dim: Size of the state, a multiple of num_blocks.
        num_blocks: Number of blocks.

    Raises:
        ConfigError: If a size is below 1, or num_blocks does not divide state_dim.
        ShapeError: If a last axis has another size.

    Randomness: weights are drawn from torch's global generator as `NormedLinear` with "rms" draws them, each
    block by what it is fed with.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), in the form of its code of 2024 and later
    (danijar/dreamerv3, rssm.py), with one hidden layer; RMSNorm with eps 1e-4.

    Example:
        ```python
        import torch
        from leworld.nn import BlockGRU

        unit, states = BlockGRU(3, 16, num_blocks=4), torch.zeros(2, 16)
        for inputs in torch.randn(5, 2, 3):
            states = unit(inputs, states)
        assert states.shape == (2, 16) and states.abs().max() < 1
        ```
    """

    def __init__(self, input_dim: int, state_dim: int, *, num_blocks: int = 8) -> None:
        super().__init__()
        for name, value in (("input_dim", input_dim), ("state_dim", state_dim), ("num_blocks", num_blocks)):
            check_number("BlockGRU", name, value, low=1, integer=True)
        if state_dim % num_blocks:
            raise ConfigError(
                "BlockGRU needs `num_blocks` to divide `state_dim`",
                f"they are {num_blocks} and {state_dim}",
                "Take a state that is a multiple of the number of blocks",
            )
        share = state_dim // num_blocks
        self.hidden = _BlockLinear(share + input_dim, share, num_blocks)
        self.norm = nn.RMSNorm(state_dim, eps=1e-4)
        self.gates = _BlockLinear(share, 3 * share, num_blocks)
        self.input_dim = input_dim
        self.state_dim = state_dim
        self.num_blocks = num_blocks

    @shapechecked
    def forward(
        self, inputs: Float[Tensor, "*batch dim"], states: Float[Tensor, "*batch state"]
    ) -> Float[Tensor, "*batch state"]:
        """Return the states after one more input."""
        check_last_axis("BlockGRU", "inputs", inputs, self.input_dim, "input_dim")
        check_last_axis("BlockGRU", "states", states, self.state_dim, "state_dim")
        blocks = states.unflatten(-1, (self.num_blocks, -1))
        everywhere = inputs.unsqueeze(-2).expand(*inputs.shape[:-1], self.num_blocks, inputs.shape[-1])
        mixed = self.hidden(torch.cat((blocks, everywhere), dim=-1)).flatten(-2)
        mixed = F.silu(self.norm(mixed)).unflatten(-1, (self.num_blocks, -1))
        reset, candidate, update = self.gates(mixed).chunk(3, dim=-1)
        update = torch.sigmoid(update - 1)
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        return (update * candidate + (1 - update) * blocks).flatten(-2)


class _BlockLinear(nn.Module):
    """One linear layer a block, (*batch, block, in) -> (*batch, block, out)."""

    def __init__(self, in_dim: int, out_dim: int, num_blocks: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_blocks, in_dim, out_dim))
        self.bias = nn.Parameter(torch.empty(num_blocks, out_dim))
        std = 1.1368 / math.sqrt(in_dim)
        nn.init.trunc_normal_(self.weight, std=std, a=-2 * std, b=2 * std)
        nn.init.zeros_(self.bias)

    def forward(self, values: Tensor) -> Tensor:
        """Apply the layers."""
        return torch.einsum("...gi,gio->...go", values, self.weight) + self.bias
