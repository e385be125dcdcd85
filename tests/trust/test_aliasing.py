"""Memory shared with the user: what is kept is copied, what is lent cannot be corrupted or is refused."""

import dataclasses
import gc
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from leworld._lending import _OWNED
from leworld.control import Policy, StateGoal
from leworld.data import Episodes, Windows
from leworld.envs import TwoRoomArena
from leworld.errors import ConfigError
from leworld.evaluation import Backdrop, GoalPairs, GoalSteps, LatentMap, Recording
from leworld.tasks import TwoRoomTask
from tests._source import public_objects
from tests.models.toys import Tokens, toy_batch
from tests.trust.arguments import CALLS, Call
from tests.trust.scenarios import SCENARIOS, Scenario, sensed
from tests.trust.twins import Meddler, Twin, detached_copy, difference, leaves

# Public names that neither call user code nor take or give memory worth keeping, and why.
WITHOUT: dict[str, tuple[str, ...]] = {
    "planners: driven with costs and constraints that meddle in the planners' own tests": ("planners.",),
    "errors": ("errors.",),
    "commands": ("cli.",),
    "files in and out, of objects that are only read": (
        "data.action_statistics",
        "data.LazyColumn",
        "data.action_shift",
        "data.open_dino_wm",
        "data.open_episodes",
        "data.open_hdf5",
        "data.open_hdf5_groups",
        "data.open_lerobot",
        "data.open_minari",
        "data.open_recordings",
        "data.open_store",
        "data.open_swm_folder",
        "data.open_zarr",
        "data.read_hdf5",
        "data.write_hdf5",
        "data.write_store",
        "decoders.load_decoder",
        "decoders.save_decoder",
        "encoders.dinov2_state_dict",
        "hub.",
        "serialise.",
        "training.load_inverse",
        "training.reserve_folder",
    ),
    "pages made of results that are only read": ("report.",),
    "numbers, names and settings": (
        "control.check_choices",
        "control.Subgoals",
        "data.ActionStatistics",
        "data.PicturePart",
        "data.VectorPart",
        "data.TrainingEpisodes",
        "data.episode_digests",
        "evaluation.AlarmLevel",
        "evaluation.ComparisonResult",
        "evaluation.ComparisonRow",
        "evaluation.DiagnosisResult",
        "evaluation.PartRow",
        "evaluation.PlanAgreement",
        "evaluation.PlanCost",
        "evaluation.TrainingOverlap",
        "evaluation.TuningResult",
        "evaluation.TuningRow",
        "evaluation.recorded_quantities",
        "evaluation.training_overlap",
        "evaluation.ProbeRow",
        "evaluation.Result",
        "evaluation.SurpriseRow",
        "kernels.check_implementation",
        "metrics.GoalMonotonicity",
        "metrics.Interval",
        "metrics.PairedTest",
        "metrics.PlanRank",
        "metrics.wilson_interval",
        "nn.configurable",
        "probes.ProbeScore",
        "training.CollapseWarning",
        "training.Devices",
        "training.HeldOut",
        "training.OptimizerSettings",
        "training.TrainSettings",
        "training.INVERSE_SETTINGS",
    ),
    "looks at a model, and calls none of its hooks": (
        "models.check_knows_parts",
        "models.DINOWMSettings",
        "models.dinowm_settings",
        "models.processor_of",
        "models.rollout_flops",
        "models.state_layout",
        "nn.evaluation_mode",
    ),
    "runs the same loop as `embed`, which a scenario drives": ("models.embed_rows",),
    "gives views or the same tensor, as indexing and `Tensor.to` do": (
        "models.state_rows",
        "models.to_weights",
    ),
    "asks a model only by what the scenarios of policies and surprise drive": (
        "explorer.Explorer",
        "explorer.serve",
    ),
    "registers, finds or is made of what the scenarios of `Task` drive": (
        "tasks.ArmTask",
        "tasks.BuildRequest",
        "tasks.Contender",
        "tasks.PolicyRequest",
        "tasks.CubeTask",
        "tasks.get_contender",
        "tasks.list_contenders",
        "tasks.LeWMRecipe",
        "tasks.PushTRecipe",
        "tasks.RecordedRecipe",
        "tasks.PushTTask",
        "tasks.ReacherTask",
        "tasks.Recipe",
        "tasks.TwoRoomRecipe",
        "tasks.TwoRoomTask",
        "tasks.get_task",
        "tasks.list_tasks",
        "tasks.load_task",
        "tasks.register",
        "tasks.task_of",
        "tasks.two_room_held_out",
        "tasks.two_room_pairs",
        "tasks.with_rewards",
    ),
    "whole runs of Lightning over what the scenario of `WorldModelModule` drives": (
        "tasks.compare",
        "tasks.tune",
        "tasks.tune_recorded",
        "training.train",
        "training.TrainingModule",
        "training.train_decoder",
        "training.train_inverse",
    ),
}


def fault(scenario: Scenario, twin: Twin) -> str | None:
    """Say what meddling user code changed, or None. A change in place that is refused changes nothing."""
    expected = scenario.run(Twin())
    try:
        found = scenario.run(twin)
    except ConfigError as error:
        return None if "in place" in error.got else str(error)
    return difference(expected, found)


@pytest.mark.parametrize("name", SCENARIOS)
def test_user_code_may_use_its_memory_again(name: str) -> None:
    assert fault(SCENARIOS[name], Meddler(gentle=True)) is None


@pytest.mark.parametrize("name", SCENARIOS)
def test_user_code_cannot_corrupt_what_it_is_lent(name: str) -> None:
    assert fault(SCENARIOS[name], Meddler()) is None


def argument_fault(row: Call) -> str | None:
    """Say which argument a call changed, or shares with its result, or None."""
    function, args, options = row
    before = detached_copy((args, options))
    result = function(*args, **options)
    changed = difference(before, (args, options), "argument")
    if changed is not None:
        return changed
    given = [_array(leaf) for leaf in leaves((args, options))]
    shared = any(np.shares_memory(_array(mine), other) for mine in leaves(result) for other in given)
    return "the result shares memory with an argument" if shared else None


def _array(leaf: Tensor | np.ndarray) -> np.ndarray:
    return leaf.detach().numpy() if isinstance(leaf, Tensor) else leaf


@pytest.mark.parametrize("name", CALLS)
def test_arguments_are_left_and_results_are_apart(name: str) -> None:
    assert [found for row in CALLS[name] if (found := argument_fault(row))] == []


def missing(names: list[str]) -> list[str]:
    driven = {name for scenario in SCENARIOS.values() for name in scenario.covers} | set(CALLS)
    driven |= {name for reason in WITHOUT.values() for name in reason}
    return [name for name in names if name not in driven and name.partition(".")[0] + "." not in driven]


def test_every_public_entry_is_driven() -> None:
    assert missing([path.removeprefix("leworld.") for path in public_objects()]) == []


def test_an_entry_that_nobody_drives_is_found() -> None:
    assert missing(["control.MPCPolicy", "control.NewPolicy"]) == ["control.NewPolicy"]


def test_tables_name_public_entries() -> None:
    known = {path.removeprefix("leworld.") for path in public_objects()}
    named = {name for scenario in SCENARIOS.values() for name in scenario.covers} | set(CALLS)
    assert named <= known


# What the walks must reject.


class _LendsItsState:
    """Hands out the state that it goes on with."""

    def __init__(self, step: Callable[[np.ndarray], np.ndarray]) -> None:
        self.state, self.step = np.zeros(2), step

    def act(self) -> np.ndarray:
        self.state = self.state + self.step(self.state) + self.state
        return self.state.copy()


def _lends_its_state(twin: Twin) -> Any:
    made = _LendsItsState(twin.code(lambda state: state + 1))
    return [twin.call(made.act) for _ in range(3)]


def _keeps_the_answer(twin: Twin) -> Any:
    answer = twin.code(lambda x: x * 2)
    return [answer(torch.full((2,), float(i))) for i in range(3)]


class _KeepsTheGoal(Policy):
    def reset(self, goal):
        self.goal = goal

    def act(self, observation):
        return self.goal.state - observation.state


def _keeps_the_goal(twin: Twin) -> Any:
    policy = _KeepsTheGoal()
    twin.call(policy.reset, sensed(twin, 0))
    return twin.call(policy.act, sensed(twin, 1))


class _GivesItsMemory:
    def __init__(self) -> None:
        self.plan = np.zeros(2)

    def act(self) -> np.ndarray:
        self.plan += 1
        return self.plan


def _gives_its_memory(twin: Twin) -> Any:
    made = _GivesItsMemory()
    return [twin.call(made.act)[0] for _ in range(2)]


@pytest.mark.parametrize("run", [_lends_its_state, _keeps_the_answer, _keeps_the_goal, _gives_its_memory])
def test_careless_code_is_rejected(run: Callable[[Twin], Any]) -> None:
    assert fault(Scenario((), run), Meddler()) is not None


@pytest.mark.parametrize("careless", [lambda x: x.mul_(2) * 1, lambda x: x[:1]], ids=["edits", "a view"])
def test_careless_functions_are_rejected(careless: Callable[[Tensor], Tensor]) -> None:
    assert argument_fault((careless, (torch.ones(3),), {})) is not None


# Particulars.


@pytest.mark.parametrize("hook", ["_encode", "_loss"])
def test_a_change_of_observations_in_place_is_refused(hook: str) -> None:
    model = Tokens()
    usual = getattr(model, hook)

    def editing(read: Any, *rest: Any) -> Any:
        (read if isinstance(read, Tensor) else read.observations).sub_(1.0)
        return usual(read, *rest)

    object.__setattr__(model, hook, editing)
    data = toy_batch(model)
    with pytest.raises(ConfigError, match="in place"):
        model.encode(data.observations) if hook == "_encode" else model.loss(data)


def _episodes(frames: np.ndarray) -> Episodes:
    return Episodes(frames, np.zeros((len(frames), 1), np.float32), lengths=np.array([len(frames)]))


def test_episodes_keep_their_own_arrays() -> None:
    frames, actions, lengths = (
        np.zeros((4, 2, 2, 3), np.uint8),
        np.zeros((4, 1), np.float32),
        np.array([2, 2]),
    )
    column = np.zeros((4, 1))
    made = Episodes(frames, actions, lengths=lengths, columns={"state": column})
    for array in (frames, actions, lengths, column):
        array[...] = 1
    assert not made.pixels.any()
    assert not made.actions.any()
    assert not made.columns["state"].any()
    assert made.lengths.tolist() == [2, 2]


def test_a_film_that_nobody_can_write_to_is_not_copied() -> None:
    frames = np.zeros((4, 2, 2, 3), np.uint8)
    writeable = frames.view()
    frames.flags.writeable = False
    assert np.shares_memory(_episodes(frames).pixels, frames)
    assert not np.shares_memory(_episodes(writeable).pixels, frames), "somebody holds a writeable view"
    changeable = np.zeros((4, 2, 2, 3), np.uint8)
    window = changeable.view()
    window.flags.writeable = False
    assert not np.shares_memory(_episodes(window).pixels, changeable), "its base can be written to"
    buffer = bytearray(4 * 2 * 2 * 3)
    lent = np.frombuffer(memoryview(buffer).toreadonly(), np.uint8).reshape(4, 2, 2, 3)
    assert np.shares_memory(_episodes(lent).pixels, lent)
    torch_owned = torch.zeros(4, 2, 2, 3, dtype=torch.uint8).numpy()
    assert not np.shares_memory(_episodes(torch_owned).pixels, torch_owned)


def test_episodes_share_their_film_with_each_other() -> None:
    made = _episodes(np.zeros((4, 2, 2, 3), np.uint8))
    for other in (
        dataclasses.replace(made, fps=3.0),
        made.select([0]),
        dataclasses.replace(made.select([0]), fps=1),
    ):
        assert np.shares_memory(other.pixels, made.pixels)
    again = pickle.loads(pickle.dumps(made))
    assert np.shares_memory(again.select([0]).pixels, again.pixels)


def test_own_films_are_forgotten_with_their_episodes() -> None:
    gc.collect()
    before = len(_OWNED)
    made = _episodes(np.zeros((4, 2, 2, 3), np.uint8))
    assert len(_OWNED) > before
    del made
    gc.collect()
    assert len(_OWNED) == before


def test_a_batch_is_a_copy_of_the_data() -> None:
    made = _episodes(np.zeros((4, 2, 2, 3), np.uint8))
    raw = Windows(made, 1, frameskip=1)[0]
    raw.pixels.fill_(9)
    raw.actions.fill_(9)
    assert not made.pixels.any()
    assert not made.actions.any()


_STATES = np.ones((2, 3, 2), np.float32)
_PICTURES = np.zeros((1, 3, 4, 4, 3), np.uint8)
_PLACES = np.arange(4, dtype=np.float32).reshape(2, 2)
RECORDS: dict[str, Callable[[], tuple[Any, list[np.ndarray]]]] = {
    "StateGoal": lambda: _record(lambda a: StateGoal(a, lambda states: states), _PLACES),
    "GoalPairs": lambda: _record(lambda a, b: GoalPairs(a, b, "p", 3, 0.1), _PLACES, _PLACES + 1),
    "GoalSteps": lambda: _record(
        lambda a, b, c, d: GoalSteps(a, b, c, distance=d, edges=(0, 9)), _PLACES, _PLACES, _PLACES, _PLACES[0]
    ),
    "Recording": lambda: _record(Recording, _STATES, _PICTURES, _PICTURES[:, 0]),
    "Backdrop": lambda: _record(lambda a: Backdrop(a, (0, 1), (0, 1)), _PICTURES[0, 0]),
    "LatentMap": lambda: _record(lambda a: LatentMap(a, "pca"), _PLACES),
}


def _record(make: Callable[..., Any], *arrays: np.ndarray) -> tuple[Any, list[np.ndarray]]:
    mine = [array.copy() for array in arrays]
    return make(*mine), mine


@pytest.mark.parametrize("name", RECORDS)
def test_records_keep_their_own_arrays(name: str) -> None:
    record, mine = RECORDS[name]()
    kept = [value for value in vars(record).values() if isinstance(value, np.ndarray)]
    assert kept
    assert not any(np.shares_memory(value, array) for value in kept for array in mine)


def test_the_walls_cannot_be_painted_over() -> None:
    world = TwoRoomArena()
    before = world.render(np.array([40.0, 60.0]), 224)
    TwoRoomTask(world).backdrop().picture[...] = 0
    assert np.array_equal(world.render(np.array([40.0, 60.0]), 224), before)
