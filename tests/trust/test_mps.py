"""Nothing asks for float64 on a device that lacks it, and the numbers are those of the CPU."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from leworld import costs, metrics, normality, probes, regularizers
from leworld._targets import Kind
from leworld.kernels import ecf_sums
from tests._source import public_objects
from tests.normality.conformance import STATISTICS
from tests.normality.multivariate import MULTIVARIATE
from tests.regularizers.conformance import REGULARIZERS
from tests.regularizers.family import FAMILY
from tests.trust.mac import LACKING, MacTensor, mac


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


SAMPLES, PATHS, PICTURES = draw(24, 4), draw(3, 5, 4), draw(2, 3, 16, 16).sigmoid()
SCORES = draw(9).abs()
Call = tuple[Callable[..., Any], tuple[Tensor, ...]]


def fitted(probe: probes.Probe) -> Callable[..., Any]:
    """Fit on the first rows with the rest for validation; predict all."""

    def run(embeddings: Tensor, answers: Tensor) -> Tensor:
        probe.fit(
            embeddings[:16],
            answers[:16],
            validation_embeddings=embeddings[16:],
            validation_targets=answers[16:],
        )
        probe.score(embeddings[16:], answers[16:])
        return probe(embeddings)

    return run


def surprise(context: Tensor, reference: Tensor, actions: Tensor) -> Tensor:
    class Integrator:
        def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
            return context[:, None, -1:] + actions.cumsum(2)

    return costs.SurpriseCost(Integrator(), context=context, reference=reference)(actions)


def seeded(regularizer: nn.Module) -> Callable[[Tensor], Tensor]:
    """With a generator on the CPU, since no pretended device has one."""
    return lambda x: regularizer(x, generator=torch.Generator().manual_seed(1))


def inverse_dynamics(embeddings: Tensor, actions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    loss = regularizers.InverseDynamics(4, 2)
    return functional_call(loss, {"head.weight": weight, "head.bias": bias}, (embeddings, actions))


def endpoint(embeddings: Tensor, actions: Tensor, *weights: Tensor) -> Tensor:
    loss = regularizers.EndpointInverseDynamics(4, 2, horizon=1, hidden_dim=6)
    named = zip(dict(loss.named_parameters()), weights, strict=True)
    return functional_call(loss, dict(named), (embeddings, actions))


def monotone(before: Tensor, after: Tensor, far: Tensor) -> Any:
    return metrics.goal_monotonicity(before, after, goal=after * 0, distance=far, edges=(0, 1, 9))


def classes(size: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.arange(size) % 2, 2).float()


OF_METRICS: dict[str, Call] = {
    "auroc": (metrics.auroc, (SCORES, SCORES + 1)),
    "conformal_p_values": (metrics.conformal_p_values, (SCORES, SCORES + 1)),
    "effective_rank": (metrics.effective_rank, (SAMPLES,)),
    "goal_monotonicity": (monotone, (SAMPLES, 0.9 * SAMPLES, SAMPLES[:, 0].abs())),
    "horizon_error": (metrics.horizon_error, (PATHS, PATHS + 1)),
    "latent_distance": (metrics.latent_distance, (SAMPLES, SAMPLES + 1)),
    "lidar": (metrics.lidar, (PATHS,)),
    "paired_t_test": (metrics.paired_t_test, (SCORES, draw(9, seed=1))),
    "participation_ratio": (metrics.participation_ratio, (SAMPLES,)),
    "plan_rank": (metrics.plan_rank, (SCORES, draw(9, 5, seed=1))),
    "psnr": (metrics.psnr, (PICTURES, 0.9 * PICTURES)),
    "sliced_normality": (lambda x: metrics.sliced_normality(x, normality.Watson()), (SAMPLES,)),
    "ssim": (metrics.ssim, (PICTURES, 0.9 * PICTURES)),
    "within_episode_share": (metrics.within_episode_share, (SAMPLES, torch.arange(len(SAMPLES)) // 4)),
    "temporal_straightness": (metrics.temporal_straightness, (PATHS,)),
}
OF_PROBES: dict[str, Call] = {
    "RidgeProbe": (fitted(probes.RidgeProbe(4, 2)), (SAMPLES, SAMPLES[:, :2] + 1)),
    "KNNProbe": (fitted(probes.KNNProbe(4, 2, num_neighbors=(3,))), (SAMPLES, SAMPLES[:, :2])),
    "LogisticProbe": (fitted(probes.LogisticProbe(4, 2)), (SAMPLES, classes(24))),
}
OTHERS: dict[str, Call] = {
    "SurpriseCost": (surprise, (draw(1, 1, 4), SAMPLES, draw(1, 3, 2, 4))),
    "ecf_sums": (lambda x: ecf_sums(x, x.new_ones(4, 2) / 2, spacing=0.2, num_knots=3), (SAMPLES,)),
    "sliced_statistic": (
        lambda x: normality.sliced_statistic(normality.Watson(), x, directions=x.new_ones(4, 2) / 2),
        (SAMPLES,),
    ),
    "VICReg": (regularizers.VICReg(), (SAMPLES, SAMPLES + 1)),
    "TemporalSimilarity": (regularizers.TemporalSimilarity(), (PATHS,)),
    "TemporalStraightening": (regularizers.TemporalStraightening(), (PATHS,)),
    "TemporalVCReg": (regularizers.TemporalVCReg(), (PATHS,)),
    "Centred": (seeded(regularizers.Centred(regularizers.VCReg(), window=None)), (draw(32, 3, 4),)),
    "PLDMTerms": (regularizers.PLDMTerms(), (draw(32, 3, 4), draw(32, 3, 2))),
    "EndpointInverseDynamics": (
        endpoint,
        (PATHS, PATHS[..., :2], draw(6, 8), draw(6), draw(2, 6, seed=1), draw(2, seed=1)),
    ),
    "InverseDynamics": (inverse_dynamics, (PATHS, PATHS[..., :2], draw(2, 8), draw(2))),
}
P_VALUES: dict[str, Call] = {
    name: (lambda values, s=statistic: s.p_value(values, 24), (SCORES,))
    for name, statistic in STATISTICS.items()
} | {
    name: (lambda values, s=statistic: s.p_value(values, 4, dim=2), (SCORES,))
    for name, statistic in MULTIVARIATE.items()
}
REGULARIZING = {**REGULARIZERS, **{name: make for name, (make, _) in FAMILY.items()}}
MODULES: dict[str, Call] = {
    **{name: (statistic, (SAMPLES,)) for name, statistic in (STATISTICS | MULTIVARIATE).items()},
    **{name: (seeded(make()), (SAMPLES,)) for name, make in REGULARIZING.items()},
}
CALLS: dict[str, Call] = {
    **{f"metrics {name}": call for name, call in OF_METRICS.items()},
    **{f"probes {name}": call for name, call in OF_PROBES.items()},
    **{f"p_value {name}": call for name, call in P_VALUES.items()},
    **{f"module {name}": call for name, call in MODULES.items()},
    **OTHERS,
}


def numbers(found: Any) -> list[float]:
    """All numbers of a result, wherever it holds them."""
    if isinstance(found, MacTensor):
        found = found.held
    if isinstance(found, Tensor):
        return found.detach().double().flatten().tolist()
    if isinstance(found, float | int):
        return [float(found)]
    if isinstance(found, tuple | list):
        return [number for part in found for number in numbers(part)]
    return [number for part in vars(found).values() for number in numbers(part)]


def check_runs_on_mps(call: Call) -> None:
    function, inputs = call
    expected = numbers(function(*inputs))
    with mac():
        found = function(*(MacTensor(tensor) for tensor in inputs))
    if isinstance(found, Tensor):
        assert found.device.type == "mps"
        assert found.dtype not in LACKING
    torch.testing.assert_close(
        torch.tensor(numbers(found)), torch.tensor(expected), rtol=2e-4, atol=2e-5, equal_nan=True
    )


@pytest.mark.parametrize("name", CALLS)
def test_runs_where_float64_is_lacking(name: str) -> None:
    check_runs_on_mps(CALLS[name])


def test_every_public_number_is_asked() -> None:
    """A metric, statistic, regularizer or probe that nobody added to the tables above fails here."""
    asked = {*OF_METRICS, *OF_PROBES, *OTHERS}
    asked |= {type(module).__name__ for module in (*STATISTICS.values(), *MULTIVARIATE.values())}
    asked |= {type(make()).__name__ for make in REGULARIZING.values()}
    results = {"GoalMonotonicity", "Interval", "NormalityTest", "PairedTest", "PlanRank"}
    results |= {"ProbeScore", "EpisodeSplit"}
    counts = {"wilson_interval", "split_by_episode"}  # of Python numbers and row numbers
    # The first is below; the others train a network, whose parameters torch moves only to a real device.
    elsewhere = {"fit_probe", "AttentiveProbe", "LinearProbe", "MLPProbe"}
    for path, value in public_objects().items():
        _, room, name = path.split(".")
        if room not in ("metrics", "normality", "probes", "regularizers"):
            continue
        abstract = inspect.isabstract(value)
        assert abstract or name in asked | results | counts | elsewhere, f"{path} is asked nowhere"


@pytest.mark.parametrize("kind", ["number", "angle", "quaternion", "class"])
def test_targets_of_every_kind(kind: Kind) -> None:
    unit = torch.nn.functional.normalize(SAMPLES, dim=1)
    values = {"quaternion": unit, "class": (torch.arange(24, dtype=torch.float32) % 3)[:, None]}.get(
        kind, SAMPLES[:, :1]
    )
    split = probes.EpisodeSplit(torch.arange(12), torch.arange(12, 18), torch.arange(18, 24))
    expected = probes.fit_probe(
        probes.RidgeProbe(4, {"number": 1, "angle": 2, "quaternion": 10, "class": 3}[kind]),
        embeddings=SAMPLES,
        targets=values,
        split=split,
        kind=kind,
    )
    with mac():
        found = probes.fit_probe(
            probes.RidgeProbe(4, {"number": 1, "angle": 2, "quaternion": 10, "class": 3}[kind]),
            embeddings=MacTensor(SAMPLES),
            targets=MacTensor(values),
            split=split,
            kind=kind,
        )
    assert found.r2 == pytest.approx(expected.r2, abs=1e-3, nan_ok=True)


class Careless(nn.Module):
    """Asks for float64 where its input is."""

    def forward(self, samples: Tensor) -> Tensor:
        return samples.double().mean()


class Astray(nn.Module):
    """Returns to the CPU and stays there."""

    def forward(self, samples: Tensor) -> Tensor:
        return samples.cpu().double().mean()


@pytest.mark.parametrize(("wrong", "error"), [(Careless(), TypeError), (Astray(), AssertionError)])
def test_a_wrong_one_is_rejected(wrong: nn.Module, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_runs_on_mps((wrong, (SAMPLES,)))
