"""A file that costs more than it weighs: every argument of every class that a config can name, and a fuzz."""

import inspect
import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.fuzz import configs, weights
from benchmarks.fuzz.harness import fuzz
from leworld import _tensors
from leworld._tensors import Bounds, shapes_only, tensor_state
from leworld.encoders import ViTEncoder
from leworld.errors import CheckpointError, ConfigError
from leworld.nn import Projector, configurable
from leworld.serialise import check_saveable, load_module, save_module
from leworld.serialise._build import build
from leworld.serialise._registry import registered, resolve
from leworld.serialise._schema import CheckpointConfig
from leworld.serialise._weights import write_weights
from tests.hub.examples import example_of

SECONDS, MEBIBYTES = 5.0, 200.0  # of the processor; beside other work a sound load took 2.1
HUGE = (10**6, 10**9, 2**62, 10**80)
ODD = (0, -(10**9), True, 0.5, 1e-320, "x" * 3000, [1] * 3000, None, {"class": "Watson"})


def stored(name: str, place: Path) -> Path:
    """A folder with an example of a registered class, fitted or not."""
    module = example_of(name)
    if name == "KNNProbe":
        module._make_room({"samples": (1, 8), "answers": (1, 2)})
        module.chosen.fill_(1)
    tensors = {
        key: value.detach().nan_to_num(nan=1.0).contiguous() for key, value in tensor_state(module).items()
    }
    place.mkdir()
    write_weights(place / "model.safetensors", tensors)
    content = CheckpointConfig(module.config.to_json(), None, {}).to_json()
    (place / "config.json").write_text(json.dumps(content))
    return place


def peak(*, anew: bool = False) -> int:
    """Return the most KiB that the process has held: on Linux since it was last asked to begin `anew`.

    Elsewhere since the process began, which hides growth below what earlier tests took.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def cost(load: Any) -> tuple[str, float, float]:
    """Return how a load ended, its seconds of the processor and by how many MiB the peak grew."""
    before = peak(anew=True)
    started = time.process_time()
    try:
        load()
        ended = "loaded"
    except CheckpointError:
        ended = "refused"
    return ended, time.process_time() - started, (peak() - before) / 1024


def fault(folder: Path, name: str, value: Any, classes: tuple[type[nn.Module], ...] = ()) -> str | None:
    """Say what is wrong with loading `folder` where an argument has another value, or None."""
    file = folder / "config.json"
    content = json.loads(file.read_text())
    content["architecture"][name] = value
    was = file.read_text()
    file.write_text(json.dumps(content))
    try:
        ended, seconds, grown = cost(lambda: load_module(folder, classes=classes))
    except Exception as error:
        return f"{name}={str(value)[:40]}: a raw {type(error).__name__}: {error}"
    finally:
        file.write_text(was)
    if seconds > SECONDS or grown > MEBIBYTES:
        return f"{name}={str(value)[:40]}: {ended} after {seconds:.1f} s and {grown:.0f} MiB"
    return None


@pytest.mark.parametrize("name", registered())
def test_no_argument_of_a_registered_class_costs_more_than_the_file(name: str, tmp_path: Path) -> None:
    folder = stored(name, tmp_path / "m")
    assert cost(lambda: load_module(folder))[0] == "loaded"
    arguments = [
        key for key in json.loads((folder / "config.json").read_text())["architecture"] if key != "class"
    ]
    assert set(arguments) <= set(inspect.signature(resolve(name, {}, where="here")).parameters)
    found = [fault(folder, key, value) for key in arguments for value in (*HUGE, *ODD)]
    assert not [one for one in found if one]


@configurable
class Greedy(nn.Module):
    """A class of a user's own that asks for what its config says, in each way there is."""

    def __init__(self, numbers: int = 3, tensors: int = 3, parts: int = 3, seed: int = 3) -> None:
        super().__init__()
        self.numbers = [0.5] * numbers
        self.table = torch.zeros(tensors, 8)
        self.parts = nn.ModuleList([nn.Identity() for _ in range(parts)])
        self.weight = nn.Parameter(torch.zeros(3))
        self.seed = seed


@pytest.mark.parametrize("name", ["numbers", "tensors", "parts", "seed"])
def test_no_argument_of_a_users_class_costs_more_than_the_file(name: str, tmp_path: Path) -> None:
    folder = save_module(Greedy(), tmp_path / "m")
    for value in HUGE:
        assert fault(folder, name, value, (Greedy,)) is None


def test_without_the_bounds_such_a_class_is_seen_by_the_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk can fail."""
    folder = save_module(Greedy(), tmp_path / "m")
    monkeypatch.setattr("leworld.serialise._build.check_bounds", lambda *args, **options: None)
    monkeypatch.setattr("leworld.serialise._weights.shapes_only", lambda bounds: shapes_only())
    monkeypatch.setattr("tests.trust.test_checkpoint_configs.MEBIBYTES", 10.0)
    told = fault(folder, "numbers", 3 * 10**6, (Greedy,))
    assert told is not None
    assert "MiB" in told


def test_a_users_seed_may_be_any_integer_and_a_size_is_refused_before_the_work(tmp_path: Path) -> None:
    module = Greedy(seed=2**62)
    check_saveable(module)
    assert load_module(save_module(module, tmp_path / "m"), Greedy, classes=[Greedy]).seed == 2**62
    module = Greedy()
    module.config = Greedy(numbers=2_000_000).config
    with pytest.raises(CheckpointError, match=r"numbers needs an integer of at most 1048576"):
        check_saveable(module)


@pytest.mark.parametrize(
    "config",
    [
        {"class": "ViTEncoder", "image_size": 518, "patch_size": 14, "hidden_dim": 1408, "depth": 40,
         "num_heads": 16, "mlp_dim": 6144},
        {"class": "TransformerPredictor", "embedding_dim": 1024, "history_size": 64, "depth": 24},
        {"class": "ViTEncoder", "image_size": 28, "patch_size": 14, "hidden_dim": 8, "depth": 100,
         "num_heads": 2, "mlp_dim": 8},
        {"class": "SIGReg", "num_slices": 65_536},
        {"class": "SIGReg", "num_knots": 512},
    ],
)  # fmt: skip
def test_large_models_stay_within_the_bounds(config: dict[str, Any]) -> None:
    with shapes_only():
        state = tensor_state(build(config, where="here"))
    bounds = Bounds(len(state), sum(tensor.nbytes for tensor in state.values()))
    with shapes_only(bounds):
        build(config, where="here")


def test_a_shadow_is_stopped_by_its_steps_and_by_its_memory() -> None:
    with pytest.raises(ConfigError, match="parts"), shapes_only(Bounds(1, 4)):
        ViTEncoder(28, 14, hidden_dim=8, depth=4000, num_heads=2, mlp_dim=8)
    with pytest.raises(ConfigError, match="bytes"), shapes_only(Bounds(4, 2**20)):
        Projector(2**20, hidden_dim=2**20)
    assert not nn.modules.module._global_module_registration_hooks
    assert nn.Module.__init__ is _tensors._MAKE


def test_configs_that_were_edited_are_read_right_or_refused() -> None:
    configs.prepare()
    findings = fuzz(configs.attempt, count=30, seed=12, max_seconds=30)
    assert not findings.faults
    assert findings.outcomes["CheckpointError"] > 15


def test_weights_that_were_damaged_are_read_right_or_refused() -> None:
    weights.prepare()
    findings = fuzz(weights.attempt, count=30, seed=12, max_seconds=30)
    assert not findings.faults
    assert findings.outcomes["CheckpointError"] > 15


def test_a_loader_that_takes_what_it_does_not_understand_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzz can fail: weights that were not read are not what the file holds."""
    monkeypatch.setattr("leworld.serialise._weights._fill", lambda file, name, target: None)
    weights.prepare()
    findings = fuzz(weights.attempt, count=12, seed=1)
    assert any("not what the file holds" in told for told in findings.faults.values())
