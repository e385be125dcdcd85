"""Split samples by episode, so that no frame is probed next to its own neighbour in time."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from .._checks import check_number
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError


@final
@dataclass(frozen=True)
class EpisodeSplit:
    """Indices of the samples to train, validate and test on; no episode is in two of them.

    Example:
        ```python
        import torch
        from leworld.probes import EpisodeSplit

        split = EpisodeSplit(train=torch.tensor([0]), validation=torch.tensor([1]), test=torch.tensor([2]))
        assert int(split.test[0]) == 2
        ```
    """

    train: Int[Tensor, " train"]
    validation: Int[Tensor, " validation"]
    test: Int[Tensor, " test"]


@shapechecked
def split_by_episode(
    episode: Int[Tensor, " sample"], *, validation: float = 0.1, test: float = 0.2, seed: int = 0
) -> EpisodeSplit:
    """Split samples into training, validation and test samples by whole episodes.

    Neighbouring frames are near copies, so a split by frame would let a probe score on frames that it has all
    but seen. Shares are of episodes and rounded, with at least one episode for each part.

    Args:
        episode: For each sample, a number that is the same for all samples of one episode.
        validation: Share of the episodes that choose the penalty, above 0.
        test: Share of the episodes that are scored, above 0.
        seed: Which episodes go where.

    Raises:
        ShapeError: Fewer than 3 episodes, or `episode` is not a list of integers.
        ConfigError: Shares that leave no training episode, or a negative seed.

    Randomness:
        From `seed` only. The split depends on the set of episode numbers, not on the order of samples.

    Example:
        ```python
        import torch
        from leworld.probes import split_by_episode

        episode = torch.arange(10).repeat_interleave(5)
        split = split_by_episode(episode, seed=1)
        assert len(split.train) == 35 and len(split.validation) == 5 and len(split.test) == 10
        assert not set(episode[split.train].tolist()) & set(episode[split.test].tolist())
        ```
    """
    check_number("split_by_episode", "validation", validation, low=0, high=1, open_low=True)
    check_number("split_by_episode", "test", test, low=0, high=1, open_low=True)
    check_number("split_by_episode", "seed", seed, low=0, high=2**63 - 1, integer=True)
    known = episode.unique().cpu()
    if len(known) < 3:
        raise ShapeError(
            "split_by_episode needs samples of at least 3 episodes, to train, validate and test on",
            f"`episode` holds {len(known)}",
            "Pass more episodes",
        )
    num_validation = max(1, round(validation * len(known)))
    num_test = max(1, round(test * len(known)))
    if num_validation + num_test >= len(known):
        raise ConfigError(
            "split_by_episode needs `validation` and `test` to leave episodes to train on",
            f"they take {num_validation} and {num_test} of {len(known)}",
            "Pass smaller shares or more episodes",
        )
    source = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(known), generator=source, dtype=torch.int64, device="cpu")
    order = known[shuffled].to(episode.device)

    def rows(chosen: Tensor) -> Tensor:
        return torch.isin(episode, chosen).nonzero()[:, 0]

    return EpisodeSplit(
        train=rows(order[num_validation + num_test :]),
        validation=rows(order[:num_validation]),
        test=rows(order[num_validation : num_validation + num_test]),
    )
