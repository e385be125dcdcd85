"""Nearest neighbours: what an embedding knows without any fitted weights."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from .._checks import check_number
from .._config import configurable
from .._precision import double
from ..errors import ConfigError, ShapeError
from ._probe import Pair, Probe

_CHUNK = 1024


@final
@configurable
class KNNProbe(Probe):
    """Predict the mean target of the nearest training embeddings.

    Use it to ask whether distances in the embedding mean something, without any fitted weights. Predicting
    costs O(sample * training sample * dim), and the probe keeps its training samples.

    Distances are Euclidean in the embedding as it is. Of several numbers of neighbours, the one with the
    least mean squared error on the validation samples wins (standardised, mean over target dimensions); on a
    tie the larger one.

    Shapes:
        One sample a row: embeddings (sample, dim), targets (sample, target).

    Args:
        embedding_dim: Components of an embedding.
        target_dim: Components of a target.
        num_neighbors: Numbers of neighbours to choose from, each at least 1.

    Raises:
        ConfigError: An option out of range, constant targets, or several numbers and no validation samples.
        ShapeError: Tensors that disagree with the dimensions, or fewer samples than neighbours.
        NonFiniteError: NaN or infinite samples.

    Numerics:
        float64. Which of several neighbours at exactly the same distance counts is not specified.

    Randomness:
        None.

    Source:
        Cover and Hart, Nearest neighbor pattern classification, IEEE Transactions on Information Theory,
        1967, with means in place of votes.

    Example:
        ```python
        import torch
        from leworld.probes import KNNProbe

        place = torch.linspace(0, 1, 100)[:, None]
        probe = KNNProbe(1, 1, num_neighbors=(2,)).fit(place, place)
        assert abs(float(probe(torch.tensor([[0.5]]))) - 0.5) < 1e-6
        ```
    """

    samples: Tensor
    answers: Tensor
    chosen: Tensor

    def __init__(
        self, embedding_dim: int, target_dim: int, *, num_neighbors: Sequence[int] = (1, 3, 5, 10, 20)
    ) -> None:
        super().__init__(embedding_dim, target_dim)
        if isinstance(num_neighbors, str) or not isinstance(num_neighbors, Sequence) or not num_neighbors:
            raise ConfigError(
                "KNNProbe needs `num_neighbors` to hold at least one number",
                f"`num_neighbors={num_neighbors!r}` was given",
                "Pass for example (1, 5, 20)",
            )
        for number in num_neighbors:
            check_number("KNNProbe", "num_neighbors", number, low=1, integer=True)
        self.num_neighbors = tuple(sorted(int(number) for number in num_neighbors))
        self.register_buffer("samples", torch.zeros(0, embedding_dim, dtype=torch.float64))
        self.register_buffer("answers", torch.zeros(0, target_dim, dtype=torch.float64))
        self.register_buffer("chosen", torch.zeros((), dtype=torch.int64))

    def _value_fault(self) -> str | None:
        if len(self.samples) != len(self.answers):
            return f"there are {len(self.samples)} `samples` and {len(self.answers)} `answers`"
        if not 1 <= int(self.chosen) <= len(self.samples):
            return f"`chosen` is {int(self.chosen)} of {len(self.samples)} samples"
        return super()._value_fault()

    def _validation_purpose(self) -> str | None:
        numbers = self.num_neighbors
        return f"choose among {len(numbers)} numbers of neighbours" if len(numbers) > 1 else None

    def _fit(
        self, embeddings: Tensor, targets: Tensor, held: Pair | None, generator: torch.Generator | None
    ) -> None:
        del generator
        if len(embeddings) < self.num_neighbors[-1]:
            raise ShapeError(
                f"KNNProbe.fit needs at least {self.num_neighbors[-1]} training samples (`num_neighbors`)",
                f"`embeddings` has sample={len(embeddings)}",
                "Pass more samples or ask for fewer neighbours",
            )
        self.samples, self.answers = double(embeddings), targets.clone()
        best = self.num_neighbors[-1]
        if held is not None:
            std = targets.std(dim=0, correction=0)
            nearest = self._nearest(held[0], best)
            sums = self.answers[nearest].cumsum(dim=1)
            errors = {
                number: float(((sums[:, number - 1] / number - held[1]) / std).square().mean())
                for number in reversed(self.num_neighbors)
            }
            best = min(errors, key=lambda number: errors[number])
        self.chosen = torch.tensor(best, dtype=torch.int64, device=self.samples.device)

    def _predict(self, embeddings: Tensor) -> Tensor:
        flat = embeddings.reshape(-1, self.embedding_dim)
        guess = self.answers[self._nearest(flat, int(self.chosen))].mean(dim=1)
        return guess.reshape(*embeddings.shape[:-1], self.target_dim)

    def _nearest(self, embeddings: Tensor, count: int) -> Tensor:
        parts = [
            torch.cdist(part, self.samples).topk(count, dim=1, largest=False).indices
            for part in double(embeddings).split(_CHUNK)
        ]
        return torch.cat(parts)

    def _make_room(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Make room for as many samples as a state dict or a file holds."""
        for name in ("samples", "answers"):
            mine, shape = getattr(self, name), tuple(shapes.get(name, ()))
            if len(shape) == 2 and shape[1:] == mine.shape[1:]:
                setattr(self, name, mine.new_zeros(shape))

    def _load_from_state_dict(  # pyright: ignore[reportIncompatibleMethodOverride] -- passed on as is
        self, state_dict: Mapping[str, Any], prefix: str, *rest: Any
    ) -> None:
        names = ("samples", "answers")
        stored = {name: state_dict.get(prefix + name) for name in names}
        self._make_room({name: value.shape for name, value in stored.items() if isinstance(value, Tensor)})
        super()._load_from_state_dict(state_dict, prefix, *rest)
