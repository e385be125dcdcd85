"""Held-out episodes: what is logged of them, the weights that are kept, and an end before the last step."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from leworld.data import Episodes, Windows
from leworld.errors import ConfigError
from leworld.evaluation import diagnose
from leworld.models import WorldModel, model_batch
from leworld.nn import evaluation_mode
from leworld.probes import RidgeProbe
from leworld.training import HeldOut, WorldModelModule, reestimate_batchnorm, train
from leworld.training._held_out import Validation
from tests.data.fakes import random_episodes
from tests.training.tiny import fingerprint, tiny_model, tiny_settings, tiny_windows


def held_out() -> Episodes:
    return random_episodes([20] * 6, seed=9, size=8)


def run(folder: Path, watched: Any = None, **changes: Any) -> WorldModel:
    options = {name: changes.pop(name) for name in ("callbacks", "logger") if name in changes}
    settings = tiny_settings(**changes)
    return train(
        tiny_model(),
        tiny_windows(),
        folder=folder,
        settings=settings,
        progress=False,
        held_out=watched,
        **options,
    )


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    torch.save(run(folder).state_dict(), folder / "model.pt")
    return folder


def test_looking_changes_nothing_and_is_logged(tmp_path, plain):
    watched = HeldOut(held_out(), every=8, num_windows=48)
    model = run(tmp_path, watched)
    due = torch.load(plain / "model.pt", weights_only=True)
    assert all(torch.equal(value, due[name]) for name, value in model.state_dict().items())
    found = rows(tmp_path)
    assert [row["step"] for row in found] == ["5", "8", "10", "15", "16", "20"]
    seen = [row["step"] for row in found if row["held_out_loss"] != "nan"]
    assert seen == ["8", "16", "20"]
    assert {"held_out_prediction", "held_out_regularizer"} < set(found[0])
    others = rows(plain)
    kept = [row for row in found if row["step"] in {other["step"] for other in others}]
    for row, other in zip(kept, others, strict=True):
        assert {name: row[name] for name in other} == other


class Weights(Callback):
    """Keeps the model's weights of every step."""

    def __init__(self) -> None:
        self.at: dict[int, dict[str, Any]] = {}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        state = pl_module.model.state_dict()
        self.at[trainer.global_step] = {
            name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in state.items()
        }


def test_the_loss_is_that_of_the_model_in_evaluation_mode(tmp_path):
    weights, unwatched = Weights(), Weights()
    run(tmp_path, HeldOut(held_out(), every=8, num_windows=40), callbacks=[weights], batchnorm_windows=8)
    run(tmp_path / "plain", callbacks=[unwatched], batchnorm_windows=8)
    for step, state in unwatched.at.items():  # running averages among them
        assert all(torch.equal(weights.at[step][name], value) for name, value in state.items()), step
    model = tiny_model()
    model.load_state_dict(weights.at[8])
    module = WorldModelModule(model, settings=tiny_settings())
    windows = Windows(held_out(), 2, frameskip=2)
    chosen = Validation(HeldOut(held_out(), num_windows=40), module, owner="test").batches
    assert [len(batch) for batch in chosen] == [16, 16]  # of 40, a rest of 8 is left out

    def error() -> float:
        with evaluation_mode(model), torch.no_grad():
            batches = [model_batch(model, windows.__getitems__(batch.tolist())) for batch in chosen]
            return float(np.mean([float(model.loss(batch).terms["prediction"]) for batch in batches]))

    lagging = error()
    reestimate_batchnorm(model, tiny_windows(), num_windows=8, seed=tiny_settings().seed)
    found = next(row for row in rows(tmp_path) if row["step"] == "8")
    assert float(found["held_out_prediction"]) == pytest.approx(error(), rel=1e-4)
    assert abs(lagging - error()) > 0.01 * error()


def never_better(model: WorldModel, episodes: Episodes) -> dict[str, float]:
    return {"figure": 1.0}


WATCHED = {"every": 4, "num_windows": 32, "measure": never_better, "figures": "figure", "best": "figure"}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> tuple[Path, str, Weights]:
    folder, weights = tmp_path_factory.mktemp("stopped"), Weights()
    model = run(folder, HeldOut(held_out(), patience=2, **WATCHED), callbacks=[weights], batchnorm_windows=8)
    return folder, fingerprint(model), weights


def test_patience_ends_the_run_with_the_best_weights(stopped):
    folder, _, weights = stopped
    assert max(weights.at) == 12  # best at 4, and twice no better
    state = torch.load(folder / "state.ckpt", weights_only=True)
    assert state["global_step"] == 12
    due = {f"model.{name}": value for name, value in weights.at[4].items()}
    differing = [
        name
        for name, value in due.items()
        if isinstance(value, torch.Tensor) and not torch.equal(value, state["state_dict"][name])
    ]
    assert differing == []


def test_a_run_that_ended_early_is_not_trained_again(stopped):
    folder, due, _ = stopped
    before = (folder / "state.ckpt").read_bytes()
    model = run(
        folder, HeldOut(held_out(), patience=2, **WATCHED), callbacks=[Weights()], batchnorm_windows=8
    )
    assert fingerprint(model) == due
    assert (folder / "state.ckpt").read_bytes() == before


@pytest.mark.parametrize("dies_at", [6, 9])
def test_a_run_that_was_cut_off_ends_the_same(dies_at, tmp_path, stopped, monkeypatch):
    folder, due, _ = stopped
    losses = WorldModelModule.losses

    def doomed(self, raw, *, step):
        if step == dies_at and torch.is_grad_enabled():
            raise RuntimeError("pulled plug")
        return losses(self, raw, step=step)

    options: dict[str, Any] = {"callbacks": [Weights()], "batchnorm_windows": 8}
    watched = HeldOut(held_out(), patience=2, **WATCHED)
    with monkeypatch.context() as patch:
        patch.setattr(WorldModelModule, "losses", doomed)
        with pytest.raises(RuntimeError, match="pulled plug"):
            run(tmp_path, watched, **options)
    assert fingerprint(run(tmp_path, watched, **options)) == due
    assert (tmp_path / "metrics.csv").read_text() == (folder / "metrics.csv").read_text()


def test_the_best_weights_are_kept_to_the_end(tmp_path):
    weights = Weights()
    run(tmp_path, HeldOut(held_out(), **WATCHED), callbacks=[weights])
    assert max(weights.at) == 20
    state = torch.load(tmp_path / "state.ckpt", weights_only=True)["state_dict"]
    name = "projector.widen.weight"
    assert torch.equal(state[f"model.{name}"], weights.at[4][name])


def test_a_diagnosis_is_logged_by_name(tmp_path):
    def judge(model: WorldModel, episodes: Episodes) -> object:
        return diagnose(model, episodes, probe=RidgeProbe, horizon=2, num_problems=6, num_plans=4)

    run(tmp_path, HeldOut(held_out(), every=20, num_windows=16, measure=judge))
    last = rows(tmp_path)[-1]
    for name in ("rank", "contrast", "within_share"):
        assert 0 <= float(last[f"held_out_{name}"]) <= 1


@pytest.mark.parametrize(
    ("largest", "values", "best"), [(False, [3.0, 1.0, 2.0], 1.0), (True, [1.0, 3.0, 2.0], 3.0)]
)
def test_what_is_best_is_said(largest, values, best):
    module = WorldModelModule(tiny_model(), settings=tiny_settings())
    watched = HeldOut(held_out(), measure=never_better, figures="figure", best="figure", largest=largest)
    watch = Validation(watched, module, owner="test")
    assert not watch._is_better(float("nan"))
    assert [watch._is_better(value) for value in values] == [
        True,
        True,
        False,
    ]
    assert watch.value == best
    assert watch.waited == 1


def test_episodes_that_are_trained_on_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="5 of these 5 are among those of `windows`"):
        run(tmp_path, tiny_windows().episodes.select([0, 1, 2, 3, 4]))
    assert not (tmp_path / "state.ckpt").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"measure": never_better}, "number `rank`"),
        ({"best": "rank"}, "`best` of `held_out`"),
    ],
)
def test_what_cannot_be_measured_is_found_out_before_the_first_step(options, told, tmp_path):
    weights = Weights()
    with pytest.raises(ConfigError, match=told):
        run(tmp_path, HeldOut(held_out(), num_windows=16, **options), callbacks=[weights])
    assert not weights.at


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"every": 5}, "held_out.every"),
        ({"patience": 3}, "held_out.patience"),
        ({"measure": diagnose}, "held_out.measure"),
        ({"episodes": random_episodes([20] * 6, seed=10, size=8)}, "held_out.data"),
    ],
)
def test_another_judge_is_another_run(change, told, stopped):
    watched = HeldOut(**{"episodes": held_out(), "patience": 2, **WATCHED, **change})
    with pytest.raises(ConfigError, match=told):
        run(stopped[0], watched, callbacks=[Weights()], batchnorm_windows=8)
    with pytest.raises(ConfigError, match=r"held_out|callbacks"):
        run(stopped[0], batchnorm_windows=8)
