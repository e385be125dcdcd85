"""Our probe, scores and split pass the checks of this room, and each wrong one fails them."""

import pytest

from leworld.probes import KNNProbe, LinearProbe, split_by_episode
from leworld.probes._score import score_predictions
from tests.probes import checks, wrong

SUITES = {
    "RidgeProbe": (checks.check_probe, wrong.ours, wrong.PROBES),
    "KNNProbe": (checks.check_knn, lambda n: KNNProbe(5, 2, num_neighbors=n), wrong.NEIGHBOURS),
    "trained probes": (checks.check_trained, lambda d, t: LinearProbe(d, t, batch_size=128), wrong.TRAINED),
    "scores": (checks.check_score, score_predictions, wrong.SCORES),
    "split_by_episode": (checks.check_split, split_by_episode, wrong.SPLITS),
}


@pytest.mark.parametrize("name", SUITES)
def test_ours_passes(name: str) -> None:
    check, ours, _ = SUITES[name]
    check(ours)


@pytest.mark.parametrize(("name", "mistake"), [(n, m) for n, (_, _, table) in SUITES.items() for m in table])
def test_a_wrong_one_is_rejected(name: str, mistake: str) -> None:
    check, _, table = SUITES[name]
    with pytest.raises(AssertionError):
        check(table[mistake])
