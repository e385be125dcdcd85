"""Further losses beside a model's own, and regularizers that read time or actions: called, saved, trained."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import leworld
from leworld.data import Batch
from leworld.errors import CheckpointError, ConfigError
from leworld.models import PLDM, LeWM
from leworld.nn import Projector
from leworld.regularizers import Centred, EndpointInverseDynamics, RDMReg, SIGReg, TemporalSimilarity
from leworld.training import train
from tests.models.cases import _parts, batch
from tests.training.tiny import fingerprint, tiny_model, tiny_settings, tiny_windows


def further() -> dict[str, nn.Module]:
    return {"endpoint": EndpointInverseDynamics(5, 4, horizon=3, hidden_dim=6), "slow": TemporalSimilarity()}


def rich(cls: type = LeWM, **options) -> LeWM | PLDM:
    """A model with a regularizer that reads time (LeWM) and two further losses."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        if cls is LeWM:
            options = {"regularizer": Centred(SIGReg(8)), **options}
        losses = {"auxiliary": further(), "auxiliary_weights": {"endpoint": 0.5, "slow": 2.0}}
        return cls(**(_parts("conv", 3, 0.0) | losses | options))


@pytest.mark.parametrize("cls", [LeWM, PLDM])
def test_every_loss_is_a_term_by_its_name(cls: type) -> None:
    model, data = rich(cls).eval(), batch()
    losses = model.loss(data, generator=torch.Generator().manual_seed(2))
    z = losses.latents
    endpoint = model.auxiliary["endpoint"](z, data.actions)
    torch.testing.assert_close(losses.values["endpoint"], endpoint)
    torch.testing.assert_close(losses.terms["endpoint"], 0.5 * endpoint)
    torch.testing.assert_close(losses.terms["slow"], 2 * z.diff(dim=1).square().mean())
    torch.testing.assert_close(losses.total, torch.stack(list(losses.terms.values())).sum())
    if cls is LeWM:
        centred = (z - z.mean(1, keepdim=True)).transpose(0, 1)
        due = SIGReg(8)(centred, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(losses.values["regularizer"], due)
    losses.total.backward()
    assert model.auxiliary["endpoint"].head[0].weight.grad.abs().max() > 0


class Meddler(nn.Module):
    """A loss of one's own, which is free to change what it is given."""

    def __init__(self, reads: str) -> None:
        super().__init__()
        self.reads = reads
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, *inputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.shapes = [tuple(one.shape) for one in inputs]
        return sum((one.detach().zero_().sum() for one in inputs), torch.zeros(()))


@pytest.mark.parametrize(
    ("reads", "shapes"),
    [
        ("samples", [(4, 6, 5)]),
        ("trajectories", [(6, 4, 5)]),
        ("actions", [(6, 4, 5), (6, 4, 4)]),
    ],
)
def test_a_loss_is_called_with_what_it_reads_and_may_change_it(
    reads: str, shapes: list[tuple[int, ...]]
) -> None:
    own, data = Meddler(reads), batch()
    model = LeWM(
        **_parts("conv", 3, 0.0), regularizer=own, auxiliary={"own": own}, auxiliary_weights={"own": 1.0}
    )
    before = data.actions.clone()
    losses = model.loss(data)
    assert own.shapes == shapes
    assert torch.equal(data.actions, before)
    assert losses.latents.abs().max() > 0


@pytest.mark.parametrize("cls", [LeWM, PLDM])
def test_all_of_it_is_saved_as_it_is_in_memory(cls: type, tmp_path: Path) -> None:
    model = rich(cls)
    model.auxiliary_weights["slow"] = 3.0
    model.auxiliary["slow"] = TemporalSimilarity()
    again = leworld.load(leworld.save(model, tmp_path / "m"))
    assert type(again) is cls
    assert again.auxiliary_weights == {"endpoint": 0.5, "slow": 3.0}
    state = {k: v for k, v in again.state_dict().items() if isinstance(v, Tensor)}
    assert "auxiliary.endpoint.head.0.weight" in state
    for name, value in model.state_dict().items():
        if not name.endswith("_extra_state"):
            assert torch.equal(value, state[name]), name
    model.auxiliary["endpoint"].head[0] = nn.Linear(10, 7)
    with pytest.raises(CheckpointError, match=r"endpoint\.head\.0"):
        leworld.save(model, tmp_path / "other")
    milder = {"endpoint": 0.1, "slow": 0.0}
    assert leworld.load(tmp_path / "m", replace={"auxiliary_weights": milder}).auxiliary_weights == milder
    plain = leworld.load(tmp_path / "m", replace={"auxiliary": None, "auxiliary_weights": None})
    assert not [name for name in plain.state_dict() if name.startswith("auxiliary")]


def trained(folder: Path, steps: int) -> LeWM | PLDM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        plain = tiny_model(dropout=0.0)
        parts = ("encoder", "predictor", "action_encoder", "projector", "prediction_projector")
        model = LeWM(
            **{name: getattr(plain, name) for name in parts},
            regularizer=Centred(SIGReg(8), window=None),
            auxiliary={"endpoint": EndpointInverseDynamics(6, 4, horizon=2, hidden_dim=6)},
            auxiliary_weights={"endpoint": 0.5},
        )
    model.processor = plain.processor
    settings = tiny_settings(num_steps=steps)
    return train(model, tiny_windows(), folder=folder, settings=settings, progress=False)


def test_it_trains_and_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head learns along, its term is logged, and the directions go on where they were."""
    whole = trained(tmp_path / "whole", 20)
    assert "endpoint" in (tmp_path / "whole" / "metrics.csv").read_text().splitlines()[0]
    original, steps = Centred.forward, [0]

    def forward(self, *args, **options):
        steps[0] += 1
        if steps[0] == 16:
            raise KeyboardInterrupt
        return original(self, *args, **options)

    monkeypatch.setattr(Centred, "forward", forward)
    with pytest.raises(BaseException):  # noqa: B017, PT011 -- Lightning ends a run that is interrupted by exiting
        trained(tmp_path / "cut", 20)
    monkeypatch.undo()
    assert (tmp_path / "cut" / "state.ckpt").exists()
    assert fingerprint(trained(tmp_path / "cut", 20)) == fingerprint(whole)


def test_it_exports_without_its_losses(tmp_path: Path) -> None:
    model = trained(tmp_path / "run", 2).eval()
    folder = leworld.hub.export(model, tmp_path / "out", format="pt2")
    names = set(torch.export.load(folder / "predictor.pt2").state_dict)
    assert not [name for name in names if "auxiliary" in name or "regularizer" in name]


def test_sparse_latents_of_lpwm() -> None:
    """Rectified projectors with RDMReg: exact zeros, and every part still learns."""
    parts = _parts("conv", 3, 0.0)
    parts["projector"] = Projector(6, 5, hidden_dim=9, rectify=True)
    parts["prediction_projector"] = Projector(5, hidden_dim=9, rectify=True)
    model = LeWM(**parts, regularizer=RDMReg(32), regularizer_weight=1.0)
    data = batch(64)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(30):
        losses = model.loss(data)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    assert 0.2 < (losses.latents == 0).double().mean() < 0.8
    assert losses.latents.min() == 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_horizon_beyond_the_window_is_told() -> None:
    model = rich()
    data = batch(time=3)
    with pytest.raises(leworld.errors.ShapeError, match="time=3"):
        model.loss(Batch(data.observations, data.actions))


def test_a_class_in_place_of_a_loss_is_told() -> None:
    with pytest.raises(ConfigError, match="modules"):
        rich(auxiliary={"slow": TemporalSimilarity}, auxiliary_weights={"slow": 1.0})
