"""Nine models and worlds as users would write them, at most 60 lines each, on one common path."""

import ast
import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import leworld
from leworld.control import MPCPolicy, Policy
from leworld.data import Batch, Episodes, Observation, Windows, fit_processor
from leworld.decoders import CrossAttentionDecoder
from leworld.evaluation import goal_reaching, prediction_errors, probing
from leworld.models import WorldModel, model_batch
from leworld.planners import CEMPlanner
from leworld.probes import RidgeProbe
from leworld.report import build_report
from leworld.tasks import Task
from leworld.training import Devices, TrainSettings, train
from tests.extension import backbone, dinowm, gru, pldm, proprio, recurrent, reward, tokens, world
from tests.extension.point import Point

STUBS = {stub.__name__.rpartition(".")[2]: stub for stub in (
    pldm, tokens, backbone, proprio, gru, world, reward, recurrent, dinowm
)}  # fmt: skip
MAX_LINES = 60
PLANNER = CEMPlanner(horizon=2, num_samples=16, num_elites=4, num_iterations=2)
SETTINGS = TrainSettings(num_steps=2, batch_size=8, log_every=1, batchnorm_windows=16)


@dataclass
class Run:
    """A stub that was trained two steps, saved and loaded."""

    stub: ModuleType
    task: Task
    episodes: Episodes
    before: dict[str, torch.Tensor]
    model: WorldModel
    folder: Path

    def load(self) -> WorldModel:
        return leworld.load(self.folder / "model", classes=self.stub.CLASSES)


def _train(stub: ModuleType, folder: Path) -> Run:
    task = getattr(stub, "TASK", None) or Point()
    episodes = task.collect(12)
    processor = fit_processor(episodes, frameskip=task.frameskip, parts=getattr(stub, "PARTS", ()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = stub.build(processor)
    model.processor = processor
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    windows = Windows(episodes, model.history_size, frameskip=task.frameskip)
    train(
        model, windows, folder=folder, settings=SETTINGS, progress=False, devices=Devices(accelerator="cpu")
    )
    leworld.save(model, folder / "model", provenance={"summary": stub.__doc__})
    return Run(stub, task, episodes, before, model, folder)


@pytest.fixture(scope="module", params=STUBS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _train(STUBS[request.param], tmp_path_factory.mktemp(request.param))


def test_training_learns_and_logs_every_term_by_name(run: Run) -> None:
    now = run.model.state_dict()
    trained = [name for name, weight in run.model.named_parameters() if weight.requires_grad]
    unchanged = [name for name in trained if torch.equal(run.before[name], now[name])]
    assert trained
    assert not unchanged
    with (run.folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2"]
    for name in ("loss", *run.stub.TERMS):
        assert all(np.isfinite(float(row[name])) for row in rows), name


@torch.no_grad()
def test_what_is_loaded_is_what_was_saved(run: Run) -> None:
    again = run.load()
    ours, theirs = run.model.state_dict(), again.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert again.processor == run.model.processor
    batch = _batch(run, [*range(0, 60, 6)])
    encoded = again.encode(batch.observations, batch.actions)
    assert encoded.shape == (10, run.model.history_size + 1, *run.model.latent_shape)
    assert torch.equal(encoded, run.model.encode(batch.observations, batch.actions))
    loss, same = again.loss(batch, generator=_generator()), run.model.loss(batch, generator=_generator())
    assert tuple(loss.terms) == run.stub.TERMS
    assert loss.total == same.total


def test_it_plans(run: Run) -> None:
    pairs = run.task.pairs(run.task.protocols[0], 3, seed=1)
    played = run.task.play(run.load(), pairs, planner=PLANNER, progress=False)
    assert list(played.policies) == [type(run.model).__name__, "random", "oracle"]
    assert all(0 <= outcome.success_rate <= 1 for outcome in played.policies.values())
    policy = Watched(run)
    result = goal_reaching(pairs, {"watched": policy}, env=run.task.make(3), progress=False)
    assert 0 <= result.policies["watched"].success_rate <= 1
    actions = np.stack(policy.actions)
    assert actions.shape == (pairs.budget, 3, run.task.action_dim)
    low, high = run.task.action_limits
    assert (low <= actions).all()
    assert (actions <= high).all()
    assert np.ptp(actions) > 0.1
    if "policy" not in vars(run.stub):
        ours = played.recordings[type(run.model).__name__].states
        np.testing.assert_array_equal(ours, result.recordings["watched"].states)


def test_it_is_evaluated(run: Run) -> None:
    model = run.load()
    result = probing(
        {"model": model},
        run.episodes,
        quantities=run.task.quantities,
        probes={"linear": RidgeProbe},
        stride=1,
    )
    assert {row.quantity for row in result.rows} == set(run.task.quantities)
    assert all(np.isfinite(row.r2) for row in result.rows)
    errors = prediction_errors(model, run.episodes)
    assert [len(error) for error in errors] == [run.task.episode_steps // run.task.frameskip] * 12
    assert all((error > 0).all() and error.isfinite().all() for error in errors)


def test_it_is_reported(run: Run) -> None:
    model = run.load()
    size = run.task.image_size
    decoder = CrossAttentionDecoder(math.prod(model.latent_shape), size, patch_size=4, hidden_dim=8, depth=1)
    page = build_report(
        model,
        run.task.held_out(12),
        source=run.folder / "model",
        task=run.task,
        decoder=decoder,
        num_pairs=2,
        progress=False,
    )
    missing = dict(re.findall(r'<section id="([a-z-]+)"><h2>[^<]*</h2><p class="missing">(.*?)</p>', page))
    assert not missing
    assert "Traceback" not in page
    for name in run.stub.TERMS:
        assert re.search(rf"{name.replace('_', ' ').capitalize()}( of [^<]+)?, by step\.", page)


def test_every_stub_is_on_the_path() -> None:
    files = {path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if "test_" not in path.stem}
    assert files == {*STUBS, "point"}


@pytest.mark.parametrize("name", STUBS)
def test_it_is_short_and_reaches_nothing_private(name: str) -> None:
    source = Path(str(STUBS[name].__file__)).read_text(encoding="utf-8")
    assert source.count("\n") <= MAX_LINES
    assert not private_imports(source)


@pytest.mark.parametrize(
    "line",
    [
        "from leworld._checks import describe",
        "from leworld.models._lewm import LeWM",
        "from leworld import _random",
        "import leworld.models._state",
        "from leworld.data import _windows",
    ],
)
def test_a_private_import_is_seen(line: str) -> None:
    assert private_imports(f"def f():\n    {line}") == [line]
    assert not private_imports("from leworld.models import LeWM\nfrom torch import _assert")


def private_imports(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        stem = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        paths = [f"{stem}{name}".split(".") for name in names]
        if any(path[0] == "leworld" and any(part.startswith("_") for part in path) for path in paths):
            found.append(ast.unparse(node))
    return found


class Watched(Policy):
    """The stub's policy, and the actions that it took."""

    def __init__(self, run: Run) -> None:
        make = getattr(run.stub, "policy", MPCPolicy)
        self.inner: Policy = make(run.load(), PLANNER)
        self.actions: list[np.ndarray] = []

    def reset(self, goal: Observation) -> None:
        self.inner.reset(goal)

    def act(self, observation: Observation) -> np.ndarray:
        self.actions.append(self.inner.act(observation))
        return self.actions[-1]


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(4)


def _batch(run: Run, rows: list[int]) -> Batch:
    processor = run.model.processor
    columns = [name for name in processor.observation_parts if name != "pixels"]
    windows = Windows(run.episodes, run.model.history_size, frameskip=run.task.frameskip)
    return model_batch(
        run.model, windows.with_columns([*columns, *run.model.batch_columns]).__getitems__(rows)
    )
