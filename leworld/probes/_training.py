"""Gradient fitting with early stopping, shared by the probes that have no closed form."""

import math

import torch
from torch import Tensor, nn

from .._checks import check_number
from .._precision import double
from .._tensors import home
from ..errors import NonFiniteError
from ._probe import Pair, Probe

_CHUNK = 4096
_SIGNIFICANT = 1e-4  # an epoch counts as progress when it lowers the validation error by this share


class GradientProbe(Probe):
    """A probe whose network is trained with AdamW on standardised samples; subclasses build the network."""

    input_mean: Tensor
    input_std: Tensor
    target_mean: Tensor

    def __init__(
        self,
        embedding_dim: int,
        target_dim: int,
        *,
        learning_rate: float,
        weight_decay: float,
        batch_size: int,
        max_epochs: int,
        patience: int,
    ) -> None:
        super().__init__(embedding_dim, target_dim)
        owner = type(self).__name__
        check_number(owner, "learning_rate", learning_rate, low=0, open_low=True)
        check_number(owner, "weight_decay", weight_decay, low=0)
        for name, value in (("batch_size", batch_size), ("max_epochs", max_epochs), ("patience", patience)):
            check_number(owner, name, value, low=1, integer=True)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.register_buffer("input_mean", torch.zeros(embedding_dim, dtype=torch.float64))
        self.register_buffer("input_std", torch.ones(embedding_dim, dtype=torch.float64))
        self.register_buffer("target_mean", torch.zeros(target_dim, dtype=torch.float64))
        self.network: nn.Module = nn.Identity()

    def _value_fault(self) -> str | None:
        flat = bool((self.input_std <= 0).any())
        return "`input_std` holds a number that is not above 0" if flat else super()._value_fault()

    def _validation_purpose(self) -> str | None:
        return "tell when to stop"

    def _fit(
        self, embeddings: Tensor, targets: Tensor, held: Pair | None, generator: torch.Generator | None
    ) -> None:
        if held is None:
            raise RuntimeError("unreachable: `fit` asks for validation samples")
        source = torch.Generator().manual_seed(0) if generator is None else generator
        rows = double(embeddings).flatten(0, -2)
        self.input_mean = rows.mean(dim=0)
        spread = rows.std(dim=0, correction=0)
        still = spread <= 16 * torch.finfo(torch.float64).eps * rows.abs().amax(dim=0)
        self.input_std = spread.where(~still, torch.finfo(torch.float64).max)  # still components become 0
        self.target_mean = targets.mean(dim=0)
        std = targets.std(dim=0, correction=0)
        self.network.to(embeddings.device)
        initialise(self.network, source)
        answers, held_answers = (
            ((y - self.target_mean) / std).to(embeddings.device, torch.float32) for y in (targets, held[1])
        )
        with torch.enable_grad():
            self._train(self._inputs(embeddings), answers, (self._inputs(held[0]), held_answers), source)
        self.network.requires_grad_(False)

    def _train(self, inputs: Tensor, answers: Tensor, held: Pair, generator: torch.Generator) -> None:
        self.network.requires_grad_(True)
        decayed = [weight for weight in self.network.parameters() if weight.ndim > 1]
        others = [weight for weight in self.network.parameters() if weight.ndim <= 1]
        groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=self.weight_decay)
        best, waited = self._error(*held), 0
        kept = {name: value.clone() for name, value in self.network.state_dict().items()}
        for epoch in range(self.max_epochs):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / self.max_epochs))
            shuffled = torch.randperm(
                len(inputs), generator=generator, dtype=torch.int64, device=generator.device
            )
            for rows in shuffled.to(inputs.device).split(self.batch_size):
                optimizer.zero_grad(set_to_none=True)
                nn.functional.mse_loss(self.network(inputs[rows]), answers[rows]).backward()
                optimizer.step()
            error = self._error(*held)
            waited = 0 if error < best * (1 - _SIGNIFICANT) else waited + 1
            if error < best:
                best = error
                kept = {name: value.clone() for name, value in self.network.state_dict().items()}
            if waited >= self.patience or not math.isfinite(error):
                break
        if not math.isfinite(best):
            raise NonFiniteError(
                f"{type(self).__name__}.fit needs a finite validation error",
                "it is NaN or infinite from the first weights on",
                "Look for enormous values in the embeddings or targets",
            )
        self.network.load_state_dict(kept)

    @torch.no_grad()
    def _error(self, inputs: Tensor, answers: Tensor) -> float:
        parts = zip(inputs.split(_CHUNK), answers.split(_CHUNK), strict=True)
        return sum(float((self.network(x) - y).square().sum()) for x, y in parts) / answers.numel()

    def _inputs(self, embeddings: Tensor) -> Tensor:
        return ((double(embeddings) - self.input_mean) / self.input_std).to(embeddings.device, torch.float32)

    def _predict(self, embeddings: Tensor) -> Tensor:
        tail = len(self._axes)
        flat = embeddings.reshape(-1, *embeddings.shape[embeddings.ndim - tail :])
        guess = double(torch.cat([self.network(part) for part in self._inputs(flat).split(_CHUNK)]))
        guess = guess * self.target_std + self.target_mean
        return guess.reshape(*embeddings.shape[: embeddings.ndim - tail], self.target_dim)


def linear(in_dim: int, out_dim: int) -> nn.Linear:
    """Build a layer without drawing from the global generator; `initialise` fills it."""
    layer = nn.Linear(in_dim, out_dim, device="meta", dtype=torch.float32).to_empty(device=home())
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
    return layer


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw matrices with the variance 1 / fan-in; vectors and the last layer start at 0.

    So the first prediction is the mean of the training targets, and training can only stop at something that
    is no worse on the validation samples.
    """
    for module in network.modules():
        for weight in module.parameters(recurse=False):
            drawn = torch.zeros(weight.shape, dtype=torch.float32, device=generator.device)
            if weight.ndim > 1:
                drawn.normal_(generator=generator).div_(math.sqrt(weight.shape[-1]))
            weight.data.copy_(drawn)
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    last.weight.data.zero_()
