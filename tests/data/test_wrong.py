"""Our implementations pass the checks of this room, and each wrong one fails them."""

import pytest

from leworld.data import Episodes, Processor, Windows, collect, fit_processor, to_batch
from tests.data import checks, wrong


def _prepare(episodes: Episodes) -> tuple[Episodes, Processor]:
    train = episodes.split(0.25, seed=0)[0]
    return train, fit_processor(train, frameskip=2)


SUITES = {
    "windows": (checks.check_windows, Windows, wrong.WINDOWS),
    "split": (checks.check_split, Episodes.split, wrong.SPLITS),
    "action_blocks": (checks.check_action_blocks, Processor.action_blocks, wrong.BLOCKS),
    "observations": (checks.check_observations, Processor.observations, wrong.OBSERVATIONS),
    "statistics": (checks.check_statistics, _prepare, wrong.STATISTICS),
    "columns": (lambda pair: checks.check_columns(*pair), (Windows, to_batch), wrong.COLUMNS),
    "collect": (checks.check_collect, collect, wrong.COLLECTS),
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
