"""The benchmarks of the regularizers: their gates refuse what is wrong, and the committed tables repeat."""

import inspect
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

import leworld.regularizers
from benchmarks.harness import RESULTS
from benchmarks.regularizers import cost, noise, peers, power, suite
from benchmarks.regularizers.departures import MULTIVARIATE, UNIVARIATE, datasets
from leworld.errors import MissingExtraError
from tests.regularizers.conformance import draw
from tests.regularizers.published import published_sigreg


def committed(name: str) -> dict:
    return json.loads((RESULTS / f"regularizers_{name}.json").read_text(encoding="utf-8"))


class Peer(nn.Module):
    """A SIGReg as other packages have it, with directions from the global generator."""

    def __init__(self, scale: float = 1.0, slices: int = 64) -> None:
        super().__init__()
        self.scale, self.slices = scale, slices

    def forward(self, samples: Tensor) -> Tensor:
        directions = torch.randn(samples.shape[-1], self.slices)
        return self.scale * published_sigreg(samples, directions / directions.norm(dim=0))


def test_a_peer_that_agrees_passes_and_leaves_global_randomness_alone() -> None:
    before = torch.random.get_rng_state()
    errors = peers.gate("lightly", Peer(), draw(2, 40, 12, dtype=torch.float32), slices=64)
    assert errors["value_error"] <= 1e-6
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("wrong", [Peer(1 + 1e-5), Peer(1 / 40), Peer(slices=63)])
def test_a_peer_that_differs_is_not_timed(wrong: nn.Module) -> None:
    with pytest.raises(SystemExit, match="lightly differs"):
        peers.gate("lightly", wrong, draw(2, 40, 12, dtype=torch.float32), slices=64)


def test_a_missing_peer_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PEERS, "lightly", ("no_such_package_here", "x.py", lambda module: Peer()))
    message = r"but lightly is not\. Run `pip install --no-deps lightly torch-world stable-worldmodel einops`"
    with pytest.raises(MissingExtraError, match=message):
        peers.load("lightly")


def test_only_the_file_of_a_peer_is_executed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "peer_with_needs"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('torchvision')")
    (package / "loss.py").write_text("import torch\n\nclass SIGReg(torch.nn.Identity):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)

    def build(module: ModuleType) -> nn.Module:
        return module.SIGReg()

    monkeypatch.setitem(peers.PEERS, "lightly", ("peer_with_needs", "loss.py", build))
    assert isinstance(peers.load("lightly"), nn.Identity)
    sys.modules.pop("_peer_with_needs_sigreg")


def test_the_suite_goes_on_without_peers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    for module in (cost, noise, power):
        monkeypatch.setattr(module, "run", lambda name=module.__name__: done.append(name))
    monkeypatch.setitem(peers.PEERS, "lightly", ("no_such_package_here", "x.py", lambda module: Peer()))
    suite.run("cpu")
    assert len(done) == 3
    assert "stays as it is" in capsys.readouterr().out
    suite.run("cuda")
    assert len(done) == 3


def test_peers_take_at_least_ten_times_as_long() -> None:
    result = committed("peers")
    assert tuple(result["settings"]["shape"]) == (4, 128, 192)
    assert result["settings"]["slices"] == 1024
    assert result["environment"]["threads"] == 1
    rows = {row["what"]: row for row in result["rows"]}
    assert result["rows"][0]["what"].startswith("SIGReg")
    for name in peers.PEERS:
        assert rows[name]["times_longer"] >= 10
        assert rows[name]["value_error"] <= 1e-6
        assert rows[name]["gradient_error"] <= 1e-5
        assert re.match(r"\d+\.\d+", rows[name]["version"])


@pytest.mark.parametrize("samples", ["normal", "spectrum"])
@pytest.mark.parametrize(("dim", "kind", "slices"), [(16, "gaussian", 256), (192, "orthogonal", 512)])
def test_noise_repeats_with_another_seed(samples: str, dim: int, kind: str, slices: int) -> None:
    (row,) = (
        row
        for row in committed("noise")["rows"]
        if (row["samples"], row["dim"], row["directions"], row["slices"]) == (samples, dim, kind, slices)
    )
    again = noise.measure(noise.embeddings(samples, dim), slices, kind, draws=24, seed=5)
    assert again["exact"] == pytest.approx(row["exact"], rel=1e-5)
    assert again["gradient_cosine"] == pytest.approx(row["gradient_cosine"], abs=0.03)
    assert again["gradient_error"] == pytest.approx(row["gradient_error"], rel=0.2)
    assert 0.5 < again["value_sd"] / row["value_sd"] < 2


def test_noise_refuses_slices_of_another_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = leworld.regularizers.SIGReg
    monkeypatch.setattr(noise, "SIGReg", lambda slices, **kwargs: narrow(slices, t_max=2.0, **kwargs))
    with pytest.raises(SystemExit, match="nothing was written"):
        noise.measure(noise.embeddings("spectrum", 16), 256, "gaussian", draws=8)


def test_noise_falls_with_slices_and_less_of_it_is_orthogonal() -> None:
    cosines = {
        (row["samples"], row["dim"], row["directions"], row["slices"]): row["gradient_cosine"]
        for row in committed("noise")["rows"]
    }
    for samples, dim in (("normal", 16), ("normal", 192), ("spectrum", 16), ("spectrum", 192)):
        for kind in noise.KINDS:
            found = [cosines[samples, dim, kind, slices] for slices in noise.SLICES]
            assert found == sorted(found)
        for slices in noise.SLICES:
            assert (
                cosines[samples, dim, "orthogonal", slices] > cosines[samples, dim, "gaussian", slices] - 0.01
            )


def family() -> set[str]:
    """Exported regularizers of samples; others say by `reads` that they take trajectories or actions."""
    return {
        name
        for name, value in vars(leworld.regularizers).items()
        if inspect.isclass(value)
        and issubclass(value, nn.Module)
        and "generator" in inspect.signature(value.forward).parameters
        and getattr(value, "reads", "samples") == "samples"
    }


def test_cost_and_power_hold_the_whole_family() -> None:
    other_targets = {"RDMReg"}  # what is far from a Gaussian for the others is its aim
    for name, due in (("cost", family()), ("power", family() - other_targets)):
        rows = [row for row in committed(name)["rows"] if row.get("kind") != "univariate"]
        assert {re.split(r"[(,]", row["what"])[0] for row in rows} == due
    assert [row["what"] for row in committed("cost")["rows"]] == list(cost.modules())
    assert committed("cost")["rows"][0] == committed("cost")["rows"][0] | {"what": "SIGReg", "ratio": 1.0}


def test_every_module_of_the_cost_table_has_a_gradient() -> None:
    for name, module in cost.modules().items():
        samples = draw(2, 20, 6, dtype=torch.float32).requires_grad_()
        (gradient,) = torch.autograd.grad(module(samples), samples)
        assert gradient.norm() > 0, name


AGAIN = ("SIGReg", "ExactSIGReg", "VCReg", "WeakSIGReg", "SlicedNormality(Watson())")


@pytest.mark.parametrize("name", AGAIN)
def test_power_repeats_with_other_samples(name: str) -> None:
    (row,) = (row for row in committed("power")["rows"] if row["what"] == name)
    regularizer = power.REGULARIZERS[name]().eval()

    def values(change: str, count: int, seed: int) -> Tensor:
        parts = datasets(MULTIVARIATE[change], (count, power.NUM_SAMPLES, power.DIM), seed=seed)
        with torch.no_grad():
            return torch.stack([regularizer(part) for part in parts])

    null = values("none", 500, 21)
    # Three standard errors of a share of 150 draws beyond a threshold of 500, and of the committed share.
    for change in ("none", "shift", "narrow", "low rank"):
        assert power.share_above(null, values(change, 150, 22)) == pytest.approx(
            row["power"][change], abs=0.17
        )


def test_power_refuses_a_test_of_another_level() -> None:
    power.gate("fair", 0.06, 2000, 300)
    with pytest.raises(SystemExit, match="nothing was written"):
        power.gate("greedy", 0.15, 2000, 300)


@pytest.mark.parametrize("name", [n for n in MULTIVARIATE if n not in ("shift", "wide", "narrow")])
def test_departures_keep_mean_and_mean_variance(name: str) -> None:
    samples = datasets(MULTIVARIATE[name], (20_000, 16), seed=3)
    assert samples.mean(0).abs().max() < 0.06
    assert abs(samples.var(0).mean().item() - 1) < 0.03


@pytest.mark.parametrize("name", [n for n in UNIVARIATE if n not in ("shift", "wide", "narrow")])
def test_univariate_departures_keep_mean_and_variance(name: str) -> None:
    samples = datasets(UNIVARIATE[name], (20_000, 16), seed=3)
    assert samples.mean().abs() < 0.02
    assert abs(samples.var().item() - 1) < 0.03


def test_dependence_is_without_correlation_and_low_rank_is_low() -> None:
    dependent = datasets(MULTIVARIATE["dependence"], (50_000, 4), seed=3)
    assert abs((dependent[:, 0] * dependent[:, 2]).mean()) < 0.03
    assert torch.equal(dependent[:, 0].abs(), dependent[:, 2].abs())
    assert torch.linalg.matrix_rank(datasets(MULTIVARIATE["low rank"], (100, 16), seed=3)) == 12
