import numpy as np
import pytest
import torch

from leworld.evaluation import imagined_rollouts
from leworld.probes import RidgeProbe
from tests.decoders.worlds import DotModel, films
from tests.evaluation import imagined

OPTIONS = {"decoder": imagined.decoder(), "horizon": 3, "column": "state"}


def test_ours_passes() -> None:
    imagined.check_imagined(imagined_rollouts)


@pytest.mark.parametrize("name", imagined.WRONG)
def test_a_wrong_one_is_rejected(name: str) -> None:
    with pytest.raises(AssertionError):
        imagined.check_imagined(imagined.WRONG[name])


def test_the_seed_decides() -> None:
    one, two, other = (imagined_rollouts(DotModel(), films(), seed=s, **OPTIONS) for s in (0, 0, 1))
    assert np.array_equal(one.true_frames, two.true_frames)
    assert np.array_equal(one.imagined_states, two.imagined_states)
    assert not np.array_equal(one.true_frames, other.true_frames)


def test_the_probe_is_fitted_on_other_episodes_only(monkeypatch) -> None:
    seen, fit = [], RidgeProbe.fit

    def watched(probe, *samples, **options):
        seen.extend([samples, options])
        return fit(probe, *samples, **options)

    monkeypatch.setattr(RidgeProbe, "fit", watched)
    episodes = films(20, 12)
    found = imagined_rollouts(DotModel(), episodes, probe=RidgeProbe, num_rollouts=99, **OPTIONS)
    shown = set(found.episodes.tolist())
    assert len(shown) == 10
    (embeddings, states), options = seen
    assert len(embeddings) == len(states) == 9 * 12
    assert len(options["validation_embeddings"]) == 12
    # In this world the embedding tells the state, so the probe's states are those of the other episodes.
    others = sorted(set(range(20)) - shown)
    theirs = np.concatenate([episodes.columns["state"][12 * e : 12 * e + 12] for e in others])
    used = np.concatenate([states.numpy(), options["validation_targets"].numpy()])
    assert np.array_equal(np.sort(used, axis=0), np.sort(theirs, axis=0))


def test_every_window_once_when_more_are_asked_for() -> None:
    found = imagined_rollouts(
        DotModel(), films(3, 5), decoder=OPTIONS["decoder"], horizon=3, num_rollouts=100
    )
    assert sorted(found.episodes.tolist()) == [0, 0, 1, 1, 2, 2]
    assert sorted(found.episodes[:3].tolist()) == [0, 1, 2]
    assert found.true_states is None
    assert found.imagined_states is None


def test_modes_and_weights_are_left_alone() -> None:
    model, artist = DotModel().train(), imagined.decoder().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    imagined_rollouts(model, films(), decoder=artist, horizon=2)
    assert model.training
    assert artist.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def pixels(path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_the_figure_shows_three_rows_a_rollout(tmp_path) -> None:
    found = imagined_rollouts(DotModel(), films(), num_rollouts=3, **OPTIONS)
    one = pixels(found.plot(tmp_path / "one.png", num_rollouts=1))
    two = pixels(found.plot(tmp_path / "two.png", num_rollouts=2))
    assert one.shape[1] == two.shape[1]
    assert two.shape[0] > 1.8 * one.shape[0]
    assert len(np.unique(two.reshape(-1, 3), axis=0)) > 20
