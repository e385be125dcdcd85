"""Probing tables: what is there is found, what is not there is not claimed, and trouble stays in its row."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from leworld.data import Episodes
from leworld.errors import ConfigError, DataError
from leworld.evaluation import ProbeRow, ProbingResult, Quantity, probing
from leworld.evaluation._probing._bootstrap import bootstrap_scores
from leworld.metrics import Interval
from leworld.probes import AttentiveProbe, KNNProbe, LinearProbe, LogisticProbe, MLPProbe, RidgeProbe

LINEAR = {"linear": RidgeProbe}


def episodes(num: int = 60, *, rows: int = 10, seed: int = 0) -> Episodes:
    """The first row of pixels spells the state: a slow random walk in [0, 255]."""
    source = np.random.default_rng(seed)
    walk = source.uniform(40, 215, (num, 1, 2)) + source.normal(0, 4, (num, rows, 2)).cumsum(1)
    state = walk.clip(0, 255).reshape(-1, 2).round()
    pixels = np.zeros((num * rows, 2, 2, 3), np.uint8)
    pixels[:, 0, :, 0] = state
    angle = (state[:, :1] - 128) / 20
    half = np.concatenate([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], axis=1)
    return Episodes(
        pixels,
        np.zeros((num * rows, 1), np.float32),
        lengths=np.full(num, rows),
        columns={
            "state": state.astype(np.float32),
            "angle": (np.mod(angle + np.pi, 2 * np.pi) - np.pi).astype(np.float32),
            "quaternion": (half * source.choice([-1, 1], (len(half), 1))).astype(np.float32),
            "constant": np.ones((len(half), 1), np.float32),
            "noise": source.normal(size=(num, 2)).repeat(rows, axis=0).astype(np.float32),
        },
    )


def seeing(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames[:, 0, :, 0].astype(np.float32))


def circle(frames: np.ndarray) -> torch.Tensor:
    angle = (seeing(frames)[:, :1] - 128) / 20
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def collapsed(frames: np.ndarray) -> torch.Tensor:
    return torch.full((len(frames), 4), 0.3)


def broken(frames: np.ndarray) -> torch.Tensor:
    return torch.full((len(frames), 4), torch.nan)


def random_features(frames: np.ndarray) -> torch.Tensor:
    return torch.randn(len(frames), 8, generator=torch.Generator().manual_seed(0))


POSITION = {"position": Quantity("state")}


def test_the_table_of_what_is_there() -> None:
    data = episodes()
    quantities = POSITION | {
        "y": Quantity("state", (1,)),
        "heading": Quantity("angle", kind="angle"),
        "rotation": Quantity("quaternion", kind="quaternion"),
    }
    result = probing(
        {"seeing": seeing, "circle": circle}, data, quantities=quantities, probes=LINEAR, stride=2
    )
    assert len(result.rows) == 8
    position = result.row("position", model="seeing")
    assert position.r2 > 0.999
    assert position.r2_interval is not None
    assert position.r2_interval.low <= position.r2 <= position.r2_interval.high <= 1.0
    assert (position.num_samples, position.num_episodes) == (60, 12)
    heading, rotation = (result.row(name, model="circle") for name in ("heading", "rotation"))
    assert heading.r2 > 0.999
    assert heading.degrees < 0.5
    assert rotation.degrees < 1.0  # a turn about one axis leaves most entries of its encoding constant
    assert result.row("y", model="circle").r2 < 0.9
    text = str(result)
    assert all(word in text for word in ("linear MSE", "position", "seeing", "degrees", "+-"))
    again = ProbingResult.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False)))
    assert str(again) == text


def small_mlp(dim: int, out: int) -> MLPProbe:
    return MLPProbe(dim, out, hidden_dim=16, max_epochs=40, batch_size=32, patience=5)


def wide_knn(dim: int, out: int) -> KNNProbe:
    return KNNProbe(dim, out, num_neighbors=(5, 20, 40))


ALL = {"linear": RidgeProbe, "MLP": small_mlp, "nearest": wide_knn}


@pytest.mark.parametrize("encoder", [collapsed, random_features], ids=lambda f: f.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_no_knowledge_is_claimed_where_there_is_none(encoder, seed: int) -> None:
    probes = {"linear": RidgeProbe, "MLP": small_mlp}
    result = probing({"m": encoder}, episodes(), quantities=POSITION, probes=probes, seed=seed, stride=2)
    for row in result.rows:
        assert row.r2_interval is not None
        assert row.r2_interval.low <= 0.0 <= row.r2_interval.high
        assert row.shows_nothing
        assert f"shows nothing: position, m, {row.probe}" in str(result)


@pytest.mark.parametrize("probe", ALL)
def test_labels_shuffled_by_episode_are_not_learned(probe: str) -> None:
    covered = 0
    for seed in range(6):
        data = episodes()
        other = np.random.default_rng(seed).permutation(60)
        state = data.columns["state"].reshape(60, 10, 2)[other].reshape(-1, 2)
        shuffled = dataclasses.replace(data, columns={"state": state})
        result = probing({"m": seeing}, shuffled, quantities=POSITION, probes={probe: ALL[probe]}, seed=seed)
        row = result.rows[0]
        assert row.r2_interval is not None
        assert row.r2 < 0.2
        covered += row.shows_nothing and "shows nothing" in str(result)
    assert covered >= 5  # intervals of 95 % leave one in twenty


def test_knowledge_is_not_denied_where_there_is_some() -> None:
    result = probing({"m": seeing}, episodes(), quantities=POSITION, probes=ALL)
    assert not any(row.shows_nothing for row in result.rows)
    assert "shows nothing" not in str(result)


def test_classes_are_told_with_chance_beside_them() -> None:
    data = episodes()
    side = (data.columns["state"][:, :1] > 128).astype(np.float32)
    coin = np.random.default_rng(5).integers(0, 2, (60, 1)).repeat(10, axis=0).astype(np.float32)
    data = dataclasses.replace(data, columns={"side": side, "coin": coin, "one": 0 * coin})
    quantities = {name: Quantity(name, kind="class") for name in ("side", "coin", "one")}
    probes = {"logistic": LogisticProbe, "linear": RidgeProbe}
    result = probing({"m": seeing}, data, quantities=quantities, probes=probes, stride=1)
    for probe in probes:
        row, coin_row = result.row("side", probe=probe), result.row("coin", probe=probe)
        assert row.accuracy > 0.95 > 0.75 > row.chance
        assert row.accuracy_interval is not None
        assert row.accuracy_interval.low <= row.accuracy <= row.accuracy_interval.high
        assert coin_row.accuracy_interval is not None
        assert coin_row.accuracy_interval.low <= max(coin_row.chance, 0.5) + 0.1
        assert "constant" in str(result.row("one", probe=probe).undefined)
    assert "accuracy (95 % interval), chance" in str(result)
    again = ProbingResult.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False)))
    assert str(again) == str(result)
    assert POSITION["position"].kind == "number"


def test_trouble_stays_in_its_row() -> None:
    quantities = POSITION | {"constant": Quantity("constant")}
    models = {"broken": broken, "seeing": seeing}
    result = probing(models, episodes(), quantities=quantities, probes=LINEAR)
    reasons = {(row.quantity, row.model): row.undefined for row in result.rows}
    assert reasons[("position", "seeing")] is None
    assert "constant" in str(reasons[("constant", "seeing")])
    assert "NaN" in str(reasons[("position", "broken")])
    for row in result.rows:
        if row.undefined:
            assert all(value != value for value in (row.mse, row.mse_std, row.pearson, row.r2))
            assert row.r2_interval is None
    assert str(result).count("undefined:") == 3
    with pytest.raises(ConfigError, match="plot"):
        ProbingResult.from_json(result.to_json()).plot("never-written.png")


def test_tokens_are_read_by_the_probe_for_tokens() -> None:
    def tokens(frames: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(frames[:, 0, :, :1].astype(np.float32)) + torch.tensor([[[0.0], [1000.0]]])

    probes = {
        "linear": RidgeProbe,
        "attentive": lambda dim, out: AttentiveProbe(dim, out, hidden_dim=16, num_heads=2, max_epochs=2),
    }
    result = probing({"tokens": tokens}, episodes(20), quantities=POSITION, probes=probes)
    assert result.row("position", probe="attentive").undefined is None
    # A linear probe gets all tokens of a frame in one vector, in their order.
    vectors = probing(
        {"tokens": lambda frames: tokens(frames).flatten(1)},
        episodes(20),
        quantities=POSITION,
        probes={"linear": RidgeProbe},
    )
    assert result.row("position", probe="linear").r2 == vectors.row("position", probe="linear").r2
    last = probing(
        {"tokens": lambda frames: tokens(frames)[:, -1]},
        episodes(20),
        quantities=POSITION,
        probes={"linear": RidgeProbe},
    )
    assert result.row("position", probe="linear").r2 != last.row("position", probe="linear").r2


def test_the_seed_decides(tmp_path) -> None:
    probes = {"knn": KNNProbe, "trained": lambda d, t: LinearProbe(d, t, max_epochs=2)}

    def run(seed: int):
        return probing({"m": seeing}, episodes(20), quantities=POSITION, probes=probes, seed=seed, stride=1)

    first, again, other = run(0), run(0), run(1)
    assert first.to_json() == again.to_json()
    assert first.to_json()["rows"] != other.to_json()["rows"]
    assert first.plot(tmp_path / "scatter.png").stat().st_size > 5000
    saved = json.loads(first.save(tmp_path / "probing.json").read_text())
    assert ProbingResult.from_json(saved).row("position", probe="knn").r2 == first.rows[0].r2


def interval_of_r2(episode: torch.Tensor, *, seed: int, bootstrap=bootstrap_scores):
    source = torch.Generator().manual_seed(seed)
    known, index = episode.unique(return_inverse=True)
    y = torch.randn(len(known), 1, generator=source, dtype=torch.float64)[index]
    p = y + torch.randn(len(known), 1, generator=source, dtype=torch.float64)[index]
    return bootstrap(p, y, episode, target_std=torch.ones(1).double(), seed=seed)["mse"]


def check_coverage(bootstrap) -> None:
    """Errors are equal within an episode and have mean square 1: about 95 % of intervals must hold 1."""
    episode = torch.arange(60).repeat_interleave(10)
    found = [interval_of_r2(episode, seed=seed, bootstrap=bootstrap) for seed in range(60)]
    covered = sum(i.low <= 1.0 <= i.high for i in found)
    assert 49 <= covered < 60


def test_intervals_cover_and_frames_are_no_episodes() -> None:
    check_coverage(bootstrap_scores)

    def by_frame(p, y, episode, **options):
        return bootstrap_scores(p, y, torch.arange(len(episode)), **options)

    def constant(p, y, episode, **options):
        return bootstrap_scores(p, y, episode, **options) | {"mse": _WIDE}

    for wrong in (by_frame, constant):
        with pytest.raises(AssertionError):
            check_coverage(wrong)


_WIDE = Interval(low=0.0, high=100.0)


def test_a_row_is_named_or_refused() -> None:
    rows = (ProbeRow("a", model="m", probe="p", r2=0.5), ProbeRow("a", model="n", probe="p", r2=0.6))
    result = ProbingResult(rows=rows, seed=0)
    assert result.row("a", model="n").r2 == 0.6
    for names in ({"quantity": "a"}, {"quantity": "b"}):
        with pytest.raises(ConfigError, match="name"):
            result.row(**names)
    with pytest.raises(DataError, match="version"):
        ProbingResult.from_json(result.to_json() | {"schema_version": 9})
