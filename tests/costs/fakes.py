"""Small latent models with exact dynamics."""

import torch
from torch import Tensor, nn


class LinearLatent(nn.Module):
    """z' = decay * z + action, with optional dropout to make training mode matter."""

    action_dim = 2

    def __init__(self, decay: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.tensor(decay))
        self.dropout = nn.Dropout(dropout)
        self.seen: list[tuple[Tensor, Tensor]] = []

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        self.seen.append((context, past_actions))
        state = context[:, None, -1].expand(-1, actions.shape[1], -1)
        states = []
        for step in range(actions.shape[2]):
            state = self.dropout(self.decay * state + actions[:, :, step])
            states.append(state)
        return torch.stack(states, dim=2)


class Patches:
    """Latents with a token axis: "batch time token dim"."""

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        return context[:, None, -1:] + actions.cumsum(2)[:, :, :, None]
