"""SIGReg beside the SIGRegs of other packages on PyPI: equal values and gradients first, then time."""

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import paired, write_result
from leworld.errors import MissingExtraError
from leworld.kernels.sliced_ecf import _native
from leworld.regularizers import ExactSIGReg, SIGReg

SHAPE, SLICES, KNOTS = (4, 128, 192), 1024, 17
SEEDS = (0, 1, 2, 3, 4)

# Distribution, package, file that defines SIGReg, and how to build it. The files are read where pip put them,
# because the packages import torchvision and more; the files themselves need torch (one of them einops).
PEERS: dict[str, tuple[str, str, Callable[[ModuleType], nn.Module]]] = {
    "lightly": (
        "lightly",
        "loss/lejepa_loss.py",
        lambda module: module.SIGReg(knots=KNOTS, t_max=3.0, num_vectors=SLICES),
    ),
    "torch-world": (
        "torch_world",
        "losses/sigreg.py",
        lambda module: module.SIGReg(num_slices=SLICES, knots=KNOTS, t_max=3.0),
    ),
    "stable-worldmodel": (
        "stable_worldmodel",
        "wm/loss.py",
        lambda module: module.SIGReg(knots=KNOTS, num_proj=SLICES),
    ),
}
# What the value of each has to be multiplied by to give leworld's: all are N times the quadrature, averaged.
SCALES = dict.fromkeys(PEERS, 1.0)


def load(distribution: str) -> nn.Module:
    """Build a peer's SIGReg from its installed file, or say what to install."""
    package, file, build = PEERS[distribution]
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(
            f"The comparison with {', '.join(PEERS)} needs all of them installed",
            f"{distribution} is not",
            f"Run `pip install --no-deps {' '.join(PEERS)} einops`",
        )
    path = Path(found.submodule_search_locations[0], file)
    name = f"_{package}_sigreg"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise MissingExtraError(
            f"The comparison needs {file} of {distribution}",
            f"version {importlib.metadata.version(distribution)} has no such file",
            "Install the version that the committed result names",
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return build(module)


def peer_value(module: nn.Module, samples: Tensor, seed: int) -> Tensor:
    """Call a peer with the global generator, which all of them draw from, in a known state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return module(samples)


def gate(name: str, module: nn.Module, samples: Tensor, *, slices: int = SLICES) -> dict[str, float]:
    """Compare value and gradient for equal seeds; refuse what is off."""
    value_error, gradient_error = 0.0, 0.0
    for seed in SEEDS:
        ours, theirs = (samples.detach().clone().requires_grad_() for _ in range(2))
        value = SIGReg(slices, KNOTS)(ours, generator=torch.Generator().manual_seed(seed))
        expected = SCALES[name] * peer_value(module, theirs, seed)
        (gradient,) = torch.autograd.grad(value, ours)
        (reference,) = torch.autograd.grad(expected, theirs)
        value_error = max(value_error, abs(value.item() / expected.item() - 1))
        gradient_error = max(gradient_error, ((gradient - reference).norm() / reference.norm()).item())
    if not (value_error <= 1e-6 and gradient_error <= 1e-5):
        raise SystemExit(
            f"{name} differs: value {value_error:.2g}, gradient {gradient_error:.2g}; nothing timed"
        )
    return {"value_error": value_error, "gradient_error": gradient_error}


def run(*, rounds: int = 15) -> None:
    """Check, time in turn and write benchmarks/results/regularizers_peers.json."""
    peers = {name: load(name) for name in PEERS}
    samples = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    errors = {name: gate(name, module, samples) for name, module in peers.items()}
    samples.requires_grad_()

    def step(module: nn.Module) -> Callable[[], None]:
        def both() -> None:
            samples.grad = None
            module(samples).backward()

        return both

    ours: dict[str, nn.Module] = {"SIGReg, cpu": SIGReg(SLICES, KNOTS, implementation="cpu")}
    if _native.obstacle(samples) is None:
        ours = {"SIGReg, native": SIGReg(SLICES, KNOTS, implementation="native")} | ours
    ours["ExactSIGReg"] = ExactSIGReg(KNOTS)
    functions = {name: step(module) for name, module in (ours | peers).items()}
    with torch.random.fork_rng(devices=[]):
        timed = paired(functions, repeats=rounds, warmup=2)
    first = next(iter(functions))
    rows: list[dict[str, Any]] = []
    for name in functions:
        version = importlib.metadata.version(name if name in peers else "leworld")
        row = {"what": name, "package": name if name in peers else "leworld", "version": version}
        # `ratio` is first / this; how many times longer this takes is its inverse.
        row |= {**timed[name], "times_longer": 1 / timed[name]["ratio"]}
        rows.append(row | errors.get(name, {}))
        print(f"{name:20} {timed[name]['median_ms']:9.2f} ms  {row['times_longer']:6.1f} x {first}")
    settings = {"pass": "forward and backward", "dtype": "float32", "shape": list(SHAPE), "slices": SLICES}
    settings |= {"knots": KNOTS, "rounds": rounds, "seeds": list(SEEDS), "scales": SCALES, "baseline": first}
    path = write_result(
        "regularizers_peers", command="python benchmarks/run.py regularizers", settings=settings, rows=rows
    )
    print(f"wrote {path.name}")
