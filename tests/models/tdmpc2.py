"""The recorded TD-MPC2 (tests/fixtures/tdmpc2_mini), small ones of our own, and recorded draws."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from leworld.data import Observation
from leworld.encoders import SimNormEncoder
from leworld.heads import GaussianPolicy, PolicySample, QEnsemble, ScalarHead, TerminationHead, TwoHot
from leworld.hub import load_tdmpc2
from leworld.models import TDMPC2
from leworld.nn import NormedMLP
from leworld.predictors import SimNormPredictor
from tests.models.rewarded import ACTION, HORIZON

FIXTURE = Path(__file__).parent.parent / "fixtures" / "tdmpc2_mini"
LATENT = 8


def reference() -> dict[str, Tensor]:
    return load_file(FIXTURE / "reference.safetensors")


def weights(kind: str = "weights") -> dict[str, Tensor]:
    return load_file(FIXTURE / f"{kind}.safetensors")


def recorded(kind: str = "weights", **options: Any) -> TDMPC2:
    discount = float(reference()["discount"])
    return load_tdmpc2(weights(kind), **{"discount": discount, **options})


def vectors(values: Tensor) -> Observation:
    return Observation(parts={"proprio": values})


def replay(model: TDMPC2, noises: list[Tensor], orders: list[Tensor]) -> None:
    """Let the model draw what was recorded, in order; latents have leading axes, noise fits the last ones."""
    noise, order = iter(noises), iter(orders)

    def drawn(latents: Tensor, *, generator: torch.Generator | None = None) -> PolicySample:
        return GaussianPolicy.sample(
            model.policy, latents, noise=next(noise).reshape(*latents.shape[:-1], -1)
        )

    model.policy.sample = drawn  # type: ignore[method-assign]
    model.value.draw = lambda generator=None: tuple(next(order)[:2].tolist())  # type: ignore[method-assign]


def draws(found: dict[str, Tensor], call: str, kind: str) -> Iterator[Tensor]:
    """The recorded draws of one kind in one call, in order."""
    names = sorted(name for name in found if name.startswith(f"{call}.draw") and name.endswith(kind))
    yield from (found[name] for name in names)


def tdmpc2(
    encoder: str = "vector", *, episodic: bool = True, dropout: float = 0.0, in_dim: int = 3, **options: Any
) -> TDMPC2:
    """A small model, with every parameter away from its initial value."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hidden, two_hot = (12,), TwoHot(num_bins=9, low=-3.0, high=3.0)
        read = (
            NormedMLP(in_dim, LATENT, hidden_dims=(10,), simnorm_dim=4)
            if encoder == "vector"
            else SimNormEncoder(8, 2, kernels=(3, 2), strides=(2, 1), simnorm_dim=4)
        )
        model = TDMPC2(
            read,
            SimNormPredictor(LATENT, HORIZON, condition_dim=ACTION, hidden_dims=hidden, simnorm_dim=4),
            reward=ScalarHead(LATENT, ACTION, hidden_dims=hidden, two_hot=two_hot),
            value=QEnsemble(
                LATENT, ACTION, num_members=3, hidden_dims=hidden, two_hot=two_hot, dropout=dropout
            ),
            policy=GaussianPolicy(LATENT, ACTION, hidden_dims=hidden),
            termination=TerminationHead(LATENT, hidden_dims=hidden) if episodic else None,
            **options,
        )
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator)
    return model
