"""What `compare` promises: equal conditions, a budget of operations that holds, rows that are not redone."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import leworld
from leworld.data import Batch
from leworld.errors import ConfigError, DataError
from leworld.evaluation import ComparisonResult, ComparisonRow, PlanCost, plan_cost
from leworld.models import Losses, rollout_flops
from leworld.planners import CEMPlanner
from leworld.tasks import (
    BuildRequest,
    Contender,
    TwoRoomRecipe,
    compare,
    get_contender,
    get_task,
    list_contenders,
)
from leworld.tasks._comparison._frame_features import FrameFeatures
from leworld.tasks._comparison._search import fitting_search, with_search
from leworld.tasks._seconds import timed
from tests.training.tiny import tiny_settings

TASK = get_task("tworoom")
PLANNER = CEMPlanner(num_samples=12, num_iterations=4)


def cost(flops: int, encode: int = 0) -> PlanCost:
    return PlanCost(
        flops=flops,
        plain_flops=flops,
        encode_flops=encode,
        formula_flops=flops,
        plain_formula_flops=flops,
        seconds=0.1,
    )


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.0, 3.7, 16.0, 439.0, 4000.0])
@pytest.mark.parametrize("encode", [0, 1000])
def test_a_fitting_search_stays_within_the_budget_and_uses_it(factor: float, encode: int) -> None:
    samples, iterations, budget = 300, 30, 10_000_000
    each = (budget - encode) * factor / (samples * iterations)
    found = cost(round(encode + each * samples * iterations), encode)
    fitted = fitting_search(budget, found, samples, iterations)
    used = encode + each * fitted[0] * fitted[1]
    assert used <= budget * (1 + 1e-6)
    assert used + each * fitted[1] * 1.01 > budget  # one sample more would be too many
    assert min(fitted) >= 1
    assert fitted[0] >= 2
    if factor == 1.0:
        assert fitted == (samples, iterations)


def test_of_lewms_budget_dinowm_gets_about_twenty_candidates() -> None:
    """As in the facts of LeWM's Fig. 3: 0.2817 against 123.6 GFLOP a candidate, 300 x 30 candidates."""
    lewm, dino = 0.2817e9, 123.6e9
    samples, rounds = fitting_search(round(lewm * 9000), cost(round(dino * 9000)), 300, 30)
    assert samples * rounds == 20


def test_a_budget_without_room_is_refused() -> None:
    with pytest.raises(ConfigError, match="two candidates"):
        fitting_search(10, cost(10**9), 300, 30)


def test_another_search_keeps_the_rest_of_the_planner() -> None:
    planner = CEMPlanner(7, 100, num_iterations=9, init_std=0.7, returns="mean")
    other = with_search(planner, 40, 3)
    assert (other.num_samples, other.num_iterations, other.num_elites) == (40, 3, 4)
    assert (other.horizon, other.init_std, other.returns) == (7, 0.7, "mean")
    assert (planner.num_samples, planner.num_iterations, planner.num_elites) == (100, 9, 10)


def test_operations_of_a_plan() -> None:
    """Counted, they are the encoding of two frames and, for each candidate, what one candidate alone takes,
    less what all share; by formula exactly that."""
    model = leworld.load("lewm-tworoom-tiny")
    episodes = TASK.held_out(2)
    start, goal = (episodes.observation(model.observation_parts, [row]) for row in (0, 9))
    found = plan_cost(model, PLANNER, start=start, goal=goal, repeats=1)
    alone = rollout_flops(model, horizon=PLANNER.horizon)
    assert found.formula_flops == found.encode_flops + 12 * 4 * alone
    assert 0.9 * found.formula_flops < found.flops <= found.formula_flops
    assert found.flops <= found.plain_flops <= found.plain_formula_flops
    twice = plan_cost(model, with_search(PLANNER, 12, 8), start=start, goal=goal, repeats=1)
    assert twice.flops - twice.encode_flops == 2 * (found.flops - found.encode_flops)
    assert found.seconds > 0


def tiny_recipe(**changes) -> TwoRoomRecipe:
    settings = replace(tiny_settings(num_steps=4, batch_size=4), batchnorm_windows=8, log_every=1)
    return TwoRoomRecipe(num_episodes=4, embedding_dim=8, num_slices=8, settings=settings, **changes)


def run(folder: Path, contenders, **changes) -> ComparisonResult:
    options = {"seeds": [0], "protocols": ["same-room"], "num_pairs": 2, "num_probed": 4, "planner": PLANNER}
    return compare(
        TASK,
        contenders,
        folder=folder,
        recipe=tiny_recipe(),
        progress=False,
        **options | changes,
    )


def test_equal_conditions_and_what_is_done_stays(tmp_path: Path) -> None:
    built: list[BuildRequest] = []

    def build(request: BuildRequest):
        built.append(request)
        return get_contender("lewm").build(request)

    spy = Contender(build=build, loss_weights=("regularizer_weight",), pretraining_share=0.5)
    twin = Contender(build=build, loss_weights=())
    first = run(tmp_path, {"one": spy, "twin": twin}, seeds=[3])
    assert [(row.model, row.seed) for row in first.rows] == [("one", 3), ("twin", 3)]
    assert [request.num_steps for request in built] == [2, 0]
    assert {request.recipe.settings.seed for request in built} == {3}
    assert built[0].episodes is built[1].episodes
    assert {row.num_frames for row in first.rows} == {4 * 4 * 2}
    trained = [
        (tmp_path / name / "seed3" / "metrics.csv").read_text().splitlines()[-1].split(",")[0]
        for name in ("one", "twin")
    ]
    assert trained == ["2", "4"]  # steps beforehand are taken from the model's own
    again = run(tmp_path, {"one": spy, "twin": twin}, seeds=[3])
    assert again.rows == first.rows
    assert len(built) == 2


@pytest.fixture(scope="module")
def zoo() -> ComparisonResult:
    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder), None)


def test_every_known_model_trains_and_plans(zoo: ComparisonResult) -> None:
    rows = {row.model: row for row in zoo.rows}
    assert list(rows) == list(list_contenders())[:3]  # the others need rewards
    lewm, pldm, dino = rows.values()
    assert pldm.cost.flops == lewm.cost.flops
    assert pldm.num_parameters == lewm.num_parameters
    assert pldm.fixed_search == lewm.fixed_search == lewm.search
    assert dino.cost.flops > 4 * lewm.cost.flops
    assert dino.fixed_cost.flops <= lewm.cost.flops
    assert dino.fixed_search[0] * dino.fixed_search[1] < 12 * 4
    assert dino.pretraining_seconds > 0 == lewm.pretraining_seconds
    assert {len(row.loss_weights) for row in zoo.rows} == {1, 6}
    assert set(lewm.probes["position"]) == {"linear", "MLP"}
    assert all(word in str(zoo) for word in ("lewm", "pldm", "dinowm", "fixed FLOPs", "GFLOP a plan"))


def stop(request: BuildRequest | None):
    raise KeyboardInterrupt


def test_an_interrupted_comparison_ends_with_the_same_rows(zoo: ComparisonResult, tmp_path: Path) -> None:
    names = {"lewm": get_contender("lewm"), "dinowm": Contender(build=stop, loss_weights=())}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, names)
    known = {row.model: row for row in zoo.rows}
    for row in run(tmp_path, ["lewm", "dinowm"]).rows:
        other = known[row.model]
        assert (row.reached, row.probes, row.fixed_search) == (
            other.reached,
            other.probes,
            other.fixed_search,
        )


def test_json_returns_what_was_measured(zoo: ComparisonResult) -> None:
    data = json.loads(json.dumps(zoo.to_json(), allow_nan=False))
    assert ComparisonResult.from_json(data).rows == zoo.rows
    for spoilt in ({"kind": "probing"}, {"rows": []}, {"rows": [{}]}):
        with pytest.raises((DataError, ConfigError)):
            ComparisonResult.from_json(data | spoilt)
    with pytest.raises(DataError, match="success"):
        ComparisonRow.from_json({key: value for key, value in data["rows"][0].items() if key != "success"})


def test_the_picture(zoo: ComparisonResult, tmp_path: Path) -> None:
    assert zoo.plot(tmp_path / "compare.png").stat().st_size > 1000


def test_a_spoilt_row_is_told(tmp_path: Path) -> None:
    row = tmp_path / "lewm" / "seed0" / "row.json"
    row.parent.mkdir(parents=True)
    row.write_text("{")
    with pytest.raises(ConfigError, match=r"row\.json"):
        run(tmp_path, ["lewm"])


@pytest.mark.parametrize("change", [{"init_std": 0.3}, {"num_elites": 5}, {"returns": "mean"}])
def test_a_planner_that_differs_in_anything_is_another_comparison(
    change: dict[str, Any], tmp_path: Path
) -> None:
    settings = tmp_path / "comparison.json"
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, {"stop": Contender(build=stop, loss_weights=())})
    assert json.loads(settings.read_text())["planner"] == {"horizon": 5, "samples": 12, "iterations": 4}
    with pytest.raises(ConfigError, match="differs in planner"):
        run(
            tmp_path,
            {"stop": Contender(build=stop, loss_weights=())},
            planner=CEMPlanner(num_samples=12, num_iterations=4, **change),
        )


def test_seconds_of_former_tries_count(tmp_path: Path) -> None:
    (first,) = run(tmp_path, ["lewm"]).rows
    (tmp_path / "lewm" / "seed0" / "row.json").unlink()  # as if the process had ended while it measured
    (again,) = run(tmp_path, ["lewm"]).rows
    assert again.reached == first.reached
    assert again.training_seconds >= first.training_seconds


def test_seconds_of_a_try_that_fails_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 5.0, 10.0, 12.0, 20.0, 21.0])
    monkeypatch.setattr("time.process_time", lambda: next(clock))
    record = tmp_path / "new" / "seconds.json"
    with pytest.raises(KeyboardInterrupt):
        timed(lambda: stop(None), record, "training")
    assert timed(lambda: "done", record, "training") == ("done", 7.0)
    assert timed(lambda: "other", record, "build") == ("other", 1.0)


def test_what_a_contender_trains_beforehand_sees_windows_of_as_many_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    plain = FrameFeatures._loss

    def noted(self: FrameFeatures, batch: Batch, generator: torch.Generator | None) -> Losses:
        seen.append(tuple(batch.observations.shape[:2]))
        return plain(self, batch, generator)

    monkeypatch.setattr(FrameFeatures, "_loss", noted)
    recipe = tiny_recipe(history_size=3)
    episodes = recipe.collect(progress=False)
    processor = recipe.processor(episodes)
    model = get_contender("dinowm").build(
        BuildRequest(recipe=recipe, processor=processor, episodes=episodes, folder=tmp_path, num_steps=2)
    )
    assert model.history_size == 3
    assert seen == [(4, 4)] * 2


def test_a_row_of_another_contender_of_that_name_is_told(tmp_path: Path) -> None:
    contender = get_contender("lewm")
    run(tmp_path, {"mine": contender})
    with pytest.raises(ConfigError, match="loss weights"):
        run(tmp_path, {"mine": replace(contender, loss_weights=("one", "two"))})
