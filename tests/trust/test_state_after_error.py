"""After an error, calling again gives what would have come without it.

The scenarios are those of `test_aliasing`, whose own test finds public entries without one. Here their user
code fails, early or late, at calls spread over the whole scenario, and the library is then called once more.
"""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch import nn

from leworld.control import RandomPolicy
from leworld.data import collect
from leworld.envs import TwoRoom, TwoRoomVector
from leworld.errors import LeWorldError
from leworld.evaluation import goal_reaching
from leworld.nn import evaluation_mode
from leworld.probes import MLPProbe, RidgeProbe
from leworld.regularizers import SIGReg
from leworld.tasks import get_task
from leworld.training import CollapseMonitor, TrainSettings, reestimate_batchnorm, train
from tests.evaluation.kinds import Glow
from tests.models.cases import batch, lewm
from tests.regularizers.conformance import REGULARIZERS
from tests.regularizers.family import FAMILY
from tests.training.tiny import tiny_model, tiny_windows
from tests.trust.scenarios import SCENARIOS, Scenario
from tests.trust.twins import Boom, Failing, Twin, difference

MOST = 5  # calls to fail at, spread over all of them


def fault(scenario: Scenario, *, most: int = MOST) -> str | None:
    """Say after which failed call the outcome differs from an undisturbed run, or None."""
    counting = Failing()
    expected = scenario.run(counting)
    places = np.unique(np.linspace(0, counting.calls - 1, min(most, counting.calls)).astype(int))
    for index, place in enumerate(places if counting.calls else ()):
        late = index % 2 == 1
        found = difference(expected, scenario.run(Failing(int(place), late=late)))
        if found is not None:
            return f"after call {place} of {counting.calls} failed{' late' * late}: {found}"
    return None


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_call_that_failed_can_be_made_again(name: str) -> None:
    assert fault(SCENARIOS[name]) is None


def quick_mlp(embedding_dim: int, target_dim: int) -> MLPProbe:
    return MLPProbe(embedding_dim, target_dim, max_epochs=3)


# What the walk must reject.


class _RecordsFirst:
    """Notes what it saw before it computes."""

    def __init__(self, think: Callable[[int], int]) -> None:
        self.seen, self.think = 0, think

    def act(self) -> int:
        self.seen += 1
        return self.think(self.seen)


def _records_first(twin: Twin) -> Any:
    made = _RecordsFirst(twin.code(lambda seen: seen * 10))
    return [twin.call(made.act) for _ in range(4)]


def _leaves_evaluation_mode(twin: Twin) -> Any:
    model, think = nn.Dropout(), twin.code(lambda: 1)

    def act(model: nn.Module) -> int:
        model.eval()
        found = think()
        model.train()
        return found

    return [twin.call(act, model) for _ in range(2)]


def _draws_first(twin: Twin) -> Any:
    source, think = np.random.default_rng(0), twin.code(lambda drawn: drawn)
    return [twin.call(lambda: think(source.random())) for _ in range(3)]


@pytest.mark.parametrize("run", [_records_first, _draws_first])
def test_an_object_that_is_changed_by_a_failed_call_is_rejected(run: Callable[[Twin], Any]) -> None:
    assert fault(Scenario((), run)) is not None


def test_a_mode_that_is_left_behind_is_rejected() -> None:
    with pytest.raises(AssertionError, match="modes"):
        fault(Scenario((), _leaves_evaluation_mode))


# Particulars: errors that come from elsewhere than the user's code.


def test_evaluation_mode_gives_every_module_its_own_mode_back() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    with evaluation_mode(model):
        model.train()  # what user code inside may do
    assert [part.training for part in model] == [True, False]


EVERY_REGULARIZER = REGULARIZERS | {name: make for name, (make, _) in FAMILY.items()}


@pytest.mark.parametrize("name", EVERY_REGULARIZER)
def test_a_regularizer_that_failed_draws_the_same_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failed, twin = (EVERY_REGULARIZER[name]().train() for _ in range(2))
    data = torch.randn(3, 16, 5, generator=torch.Generator().manual_seed(0))
    usual = getattr(failed, "_value", None)
    if usual is None:
        assert not list(failed.buffers()), "it has no state but what `_value` advances"
        return

    def interrupted(*args: Any) -> Any:
        usual(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(failed, "_value", interrupted)
    with pytest.raises(KeyboardInterrupt):
        failed(data)
    monkeypatch.setattr(failed, "_value", usual)
    assert [failed(data).item() for _ in range(2)] == [twin(data).item() for _ in range(2)]


def test_embeddings_that_are_refused_take_no_directions() -> None:
    failed, twin = SIGReg(8).train(), SIGReg(8).train()
    data = torch.randn(16, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    with pytest.raises(LeWorldError):
        failed(data * 1e38)
    assert failed(data).item() == twin(data).item()


@pytest.mark.parametrize("kind", [RidgeProbe, quick_mlp])
def test_a_probe_that_could_not_be_fitted_again_predicts_as_before(kind: Callable[[int, int], Any]) -> None:
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    y = x[:, :2] * 3
    probe = kind(4, 2).fit(x[:40], y[:40], validation_embeddings=x[40:], validation_targets=y[40:])
    before, weights = probe(x), {name: value.clone() for name, value in probe.state_dict().items()}

    def interrupted(*args: Any) -> None:
        type(probe)._fit(probe, *args)
        raise KeyboardInterrupt

    object.__setattr__(probe, "_fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe.fit(x[:40] * 9, y[:40] - 7, validation_embeddings=x[40:], validation_targets=y[40:])
    assert torch.equal(probe(x), before)
    assert difference(weights, dict(probe.state_dict())) is None


def test_statistics_of_batchnorm_are_all_new_or_all_old() -> None:
    model = lewm().train()
    before = {name: value.clone() for name, value in model.named_buffers()}
    calls = 0

    def failing(frames: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 4:  # one tells the order, two measure the first layer
            raise Boom
        return type(model)._encode(model, frames)

    object.__setattr__(model, "_encode", failing)
    with pytest.raises(Boom):
        reestimate_batchnorm(model, [batch(), batch(5)])
    assert difference(before, dict(model.named_buffers())) is None
    assert all(part.training for part in model.modules())


def test_a_run_that_fails_gives_the_model_its_modes_back(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model().eval()
    model.projector.train()
    modes = [part.training for part in model.modules()]

    def failing(*_: Any) -> None:
        raise Boom

    monkeypatch.setattr(model, "_loss", failing)
    state = torch.get_rng_state()
    with pytest.raises(Boom):
        train(
            model,
            tiny_windows(),
            folder=tmp_path,
            settings=TrainSettings(num_steps=2, batch_size=8),
            progress=False,
        )
    assert [part.training for part in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)


def test_a_monitor_keeps_its_memory_when_a_state_cannot_be_read() -> None:
    monitor = CollapseMonitor()
    monitor.update(1, torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    before = monitor.state_dict()
    with pytest.raises(KeyError):
        monitor.load_state_dict({"rows": [], "first": None})
    assert monitor.state_dict() == before


PLACE, WALL, PUSH = [60.0, 50.0], [112.0, 120.0], np.ones(2, np.float32)
NAN = np.full(2, np.nan, np.float32)
MISTAKES: dict[str, Callable[[Any, int], object]] = {
    "a goal in the wall": lambda env, n: env.reset(seed=7, options={"goal": _each(WALL, n)}),
    "an unknown option": lambda env, n: env.reset(seed=7, options={"gaol": 1}),
    "a seed below 0": lambda env, n: env.reset(seed=-1),
    "an action of NaN": lambda env, n: env.step(_each(NAN, n)),
    "an action of three": lambda env, n: env.step(np.zeros((n, 3)) if n else np.zeros(3)),
}
ENVIRONMENTS: dict[str, tuple[Callable[[], Any], int]] = {
    "single": (TwoRoom, 0),
    "next step": (lambda: TwoRoomVector(2, max_episode_steps=2), 2),
    "same step": (lambda: TwoRoomVector(2, max_episode_steps=2, autoreset_mode="SameStep"), 2),
    "disabled": (lambda: TwoRoomVector(2, autoreset_mode="Disabled"), 2),
}


def _each(value: Any, count: int) -> np.ndarray:
    return np.asarray(value) if not count else np.tile(np.asarray(value), (count, 1))


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_goes_on_after_a_mistake(name: str, mistake: str) -> None:
    make, count = ENVIRONMENTS[name]
    erring, twin = make(), make()
    for env in (erring, twin):
        env.reset(seed=3)
    for _ in range(4):
        with pytest.raises(Exception, match=r"\w+"):
            MISTAKES[mistake](erring, count)
        push = _each(PUSH, count)
        assert difference(erring.step(push), twin.step(push)) is None
    assert difference(erring.reset(), twin.reset()) is None
    for _ in range(2):
        erring.close()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_refuses_to_step_before_it_was_reset(name: str) -> None:
    make, count = ENVIRONMENTS[name]
    env, twin = make(), make()
    with pytest.raises(LeWorldError, match="reset"):
        env.step(_each(PUSH, count))
    assert difference(env.reset(seed=1), twin.reset(seed=1)) is None


def test_one_bad_seed_of_several_changes_no_stream() -> None:
    erring, twin = TwoRoomVector(2), TwoRoomVector(2)
    for env in (erring, twin):
        env.reset(seed=3)
    with pytest.raises(Exception, match="eed"):
        erring.reset(seed=[5, -1])
    assert difference(erring.reset(), twin.reset()) is None


@pytest.mark.parametrize("name", [*ENVIRONMENTS, "task"])
def test_a_pickled_environment_goes_on_where_it_was(name: str) -> None:
    make, count = ENVIRONMENTS.get(name, (lambda: Glow().make(2, 8), 2))
    env = make()
    env.reset(seed=3)
    env.step(_each(PUSH, count))
    again = pickle.loads(pickle.dumps(env))
    assert difference(env.step(_each(PUSH, count)), again.step(_each(PUSH, count))) is None
    assert difference(env.reset(), again.reset()) is None


@pytest.mark.parametrize("said", ["DISABLED", "Disabled", "disabled", None])
def test_an_environment_may_say_its_mode_in_any_of_gymnasiums_ways(said: str | None) -> None:
    pairs = get_task("tworoom").pairs("same-room", 2)
    for mode in (said, AutoresetMode.DISABLED):
        env = TwoRoomVector(2, autoreset_mode="Disabled")
        env.metadata = {} if mode is None else {"autoreset_mode": mode}
        goal_reaching(pairs, {"random": RandomPolicy(2)}, env=env, progress=False)
        with pytest.raises(LeWorldError, match="autoreset_mode"):
            collect(env, lambda info: np.zeros((2, 2)), num_episodes=2, seed=0, progress=False)
    for mode in ("NEXT_STEP", "NextStep", "next_step", AutoresetMode.NEXT_STEP):
        env = TwoRoomVector(2, max_episode_steps=3)
        env.metadata = {"autoreset_mode": mode}
        got = collect(env, lambda info: np.zeros((2, 2)), num_episodes=2, seed=0, progress=False)
        assert got.lengths.tolist() == [4, 4]
        with pytest.raises(LeWorldError, match="autoreset"):
            goal_reaching(pairs, {"random": RandomPolicy(2)}, env=env, progress=False)
