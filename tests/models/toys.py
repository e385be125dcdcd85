"""World models of every kind that the contract admits, small enough to be checked by hand."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leworld.data import Batch, Observation
from leworld.models import Losses, WorldModel


class Tokens(WorldModel):
    """Latents are two tokens of three numbers, each of which the actions and the mean token push."""

    history_size, latent_shape, action_dim = 2, (2, 3), 4

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.read = nn.Parameter(torch.randn(2 * 3, 3, generator=generator) / 2)
        self.push = nn.Parameter(torch.randn(2 * 3, 4, generator=generator) / 2)

    def _encode(self, observations: Tensor) -> Tensor:
        return (observations.mean((3, 4)) @ self.read.T).unflatten(-1, (2, 3))

    def _predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        weights = torch.arange(1, latents.shape[1] + 1).to(latents).view(-1, 1, 1)
        seen = (latents * weights).cumsum(1) / 4 + latents.mean(2, keepdim=True)
        return seen + (actions.cumsum(1) @ self.push.T).unflatten(-1, (2, 3))

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        return two_terms(self, self._encode(batch.observations), batch)


class Parts(WorldModel):
    """Reads two pictures and a vector."""

    history_size, latent_shape, action_dim = 3, (4,), 4
    observation_parts = ("pixels", "wrist", "proprio")

    def __init__(self) -> None:
        super().__init__()
        self.push = nn.Parameter(torch.eye(4) / 3)

    def _encode(self, observations: Observation) -> Tensor:
        first, second = (observations[name].mean((3, 4))[..., :1] for name in ("pixels", "wrist"))
        return torch.cat((first, second, observations["proprio"]), dim=-1)

    def _predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        return latents + actions @ self.push

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        return two_terms(self, self._encode(batch.observations), batch)


class Recurrent(WorldModel):
    """Carries a state from step to step, all of which its latent shows."""

    history_size, latent_shape, action_dim = 1, (5,), 4

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.advance = nn.GRUCell(4, 5)
            self.correct = nn.GRUCell(3, 5)

    def _encode(self, observations: Tensor) -> Tensor:
        blank = observations.new_zeros(observations.shape[:2].numel(), 5)
        return self.correct(observations.mean((3, 4)).flatten(0, 1), blank).unflatten(
            0, observations.shape[:2]
        )

    def _predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        return self.advance(actions.flatten(0, 1), latents.flatten(0, 1)).unflatten(0, latents.shape[:2])

    def _observe(
        self, state: Any, observation: Tensor, past_action: Tensor | None, generator: torch.Generator | None
    ) -> Any:
        seen = observation.mean((2, 3))
        before = (
            seen.new_zeros(len(seen), 5) if past_action is None else self.advance(past_action, state["h"])
        )
        return {"h": self.correct(seen, before)}

    def _present(self, state: Any) -> Tensor:
        return state["h"]

    def _imagine(self, state: Any, actions: Tensor, generator: torch.Generator | None) -> Tensor:
        h, rows = state["h"].repeat_interleave(actions.shape[1], dim=0), []
        for step in actions.flatten(0, 1).unbind(1):
            h = self.advance(step, h)
            rows.append(h)
        return torch.stack(rows, dim=1).unflatten(0, actions.shape[:2])

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        return two_terms(self, self._filter(batch.observations, batch.actions), batch)


class Rewarded(Tokens):
    """Learns rewards as well."""

    batch_columns = ("reward",)

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        losses = super()._loss(batch, generator)
        reward = F.mse_loss(losses.latents.sum((2, 3)), batch.columns["reward"]) * self.push.sum()
        return Losses({**losses.terms, "reward": reward}, latents=losses.latents, values=losses.values)


def two_terms(model: WorldModel, latents: Tensor, batch: Batch) -> Losses:
    predicted = model._predict(latents[:, :-1], batch.actions[:, :-1])
    spread = (latents.flatten(2).std(0) - 1).square().mean()
    return Losses(
        {"prediction": F.mse_loss(predicted, latents[:, 1:]), "spread": 0.5 * spread},
        latents=latents.detach(),
        values={"spread": spread},
    )


TOYS = (Tokens, Parts, Recurrent, Rewarded)


def toy_batch(model: WorldModel, size: int = 6) -> Batch:
    """Windows of as many frames as the model takes."""
    generator = torch.Generator().manual_seed(5)
    time = model.history_size + 1
    parts = {
        name: torch.randn(
            *((size, time, 2) if name == "proprio" else (size, time, 3, 8, 8)), generator=generator
        )
        for name in model.observation_parts
    }
    columns = {name: torch.randn(size, time, generator=generator) for name in model.batch_columns}
    return Batch(Observation(parts=parts), torch.randn(size, time, 4, generator=generator), columns)
