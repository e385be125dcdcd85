"""The recorded RSSM (tests/fixtures/rssm_mini), and small ones of our own."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from leworld.decoders import NormedConvDecoder
from leworld.encoders import NormedConvEncoder
from leworld.heads import (
    ActorCritic,
    CategoricalPolicy,
    GaussianPolicy,
    ScalarHead,
    StateValue,
    TerminationHead,
    TwoHot,
)
from leworld.models import RSSM
from leworld.nn import NormedMLP, configurable
from leworld.predictors import StateSpacePredictor
from leworld.regularizers import SIGReg
from tests.models.rewarded import ACTION, HORIZON

FIXTURE = Path(__file__).parent.parent / "fixtures" / "rssm_mini"
STATE, LATENT = 8, 8 + 3 * 4


def reference() -> dict[str, Tensor]:
    return load_file(FIXTURE / "reference.safetensors")


@configurable
class Given(nn.Module):
    """Embeddings as they are."""

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.embedding_dim, self.observation_parts = embedding_dim, ("proprio",)

    def forward(self, values: Tensor) -> Tensor:
        return values


def recorded() -> RSSM:
    """The recorded weights; what it reads are the recorded embeddings."""
    predictor = StateSpacePredictor(
        32, 4, condition_dim=3, num_variables=4, num_classes=6, hidden_dim=12, action_limit=1.0
    )
    model = RSSM(Given(10), predictor, decoder=NormedMLP(56, 10, hidden_dims=(8,)))
    theirs = load_file(FIXTURE / "weights.safetensors")
    ours = {name: _ours(name, value) for name, value in theirs.items()}
    missing = model.load_state_dict(dict(ours.values()), strict=False)
    assert not missing.unexpected_keys
    assert all(name.startswith("decoder.") for name in missing.missing_keys)
    assert len({name for name, _ in ours.values()}) == len(theirs)
    return model.eval()


_READ = ("state", "variables", "action")
_PARTS = {"0": "linear", "1": "norm"}


def _ours(name: str, value: Tensor) -> tuple[str, Tensor]:
    """The name and layout of one of their weights in this library."""
    net, _, rest = name.partition(".")
    kind = rest.rpartition(".")[2]
    if net == "_deter_net" and rest.startswith("_dyn_in"):
        which, part = rest.removeprefix("_dyn_in")[0], rest.split(".")[1]
        return f"predictor.read_{_READ[int(which)]}.{_PARTS[part]}.{kind}", value
    if net == "_deter_net" and ".norm_0." in rest:
        return f"predictor.unit.norm.{kind}", value
    if net == "_deter_net":
        layer = "hidden" if "_dyn_hid" in rest else "gates"
        blocks = value.permute(2, 1, 0) if kind == "weight" else value.unflatten(0, (8, -1))
        return f"predictor.unit.{layer}.{kind}", blocks.contiguous()
    prefix = "predictor.prior" if net == "_img_net" else "posterior"
    last = 2 if net == "_img_net" else 1
    stem = rest.split(".")[0]
    if stem.endswith("logit"):
        return f"{prefix}.layers.{last}.{kind}", value
    part = "norm" if "_n_" in stem else "linear"
    return f"{prefix}.layers.{stem[-1]}.{part}.{kind}", value


def rssm(encoder: str = "picture", *, learns: bool = True, discrete: bool = False, **options: Any) -> RSSM:
    """A small model, with every parameter away from its initial value."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        small: dict[str, Any] = {"hidden_dims": (10,)}
        predictor = StateSpacePredictor(
            STATE,
            HORIZON,
            condition_dim=ACTION,
            num_variables=3,
            num_classes=4,
            hidden_dim=10,
            num_blocks=2,
        )
        read: nn.Module
        if encoder == "picture":
            read = NormedConvEncoder(8, (4, 6))
            decoder: nn.Module = NormedConvDecoder(LATENT, 8, channels=(4, 6))
        else:
            read, decoder = NormedMLP(3, 6, norm="rms", **small), NormedMLP(LATENT, 3, **small)
        if encoder == "no picture":
            read = NormedConvEncoder(8, (4, 6))
            decoder = NormedMLP(LATENT, read.embedding_dim, **small)
            options = {"regularizer": SIGReg(num_slices=16), **options}
        if learns:
            bins = TwoHot("symexp", 9, low=-3.0, high=3.0)
            kind = CategoricalPolicy if discrete else GaussianPolicy
            options = {
                "reward": ScalarHead(LATENT, two_hot=bins, **small),
                "termination": TerminationHead(LATENT, **small),
                "actor_critic": ActorCritic(
                    kind(LATENT, ACTION, **small), StateValue(LATENT, two_hot=bins, **small), horizon=3
                ),
                **options,
            }
        model = RSSM(read, predictor, **{"decoder": decoder, **options})
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model
