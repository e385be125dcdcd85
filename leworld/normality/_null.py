"""The null distribution by simulation: seeded draws from N(0, I), judged once and remembered."""

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from .._checks import measured
from .._precision import double
from .._random import fold_seed

# Draws behind a simulated null distribution, and the seed that all of them come from.
UNIVARIATE_DRAWS = 20_000
MULTIVARIATE_DRAWS = 2_000
SEED = 20_251_108
_NUMBERS_AT_ONCE = 1 << 20
_known: "WeakKeyDictionary[nn.Module, dict[tuple[str, int, int], Tensor]]" = WeakKeyDictionary()


def simulated_null(statistic: nn.Module, num_samples: int, dim: int | None = None) -> Tensor:
    """Return sorted float64 values of the statistic under the null, on the CPU.

    Without `dim` the statistic is univariate and every coordinate of a draw counts as one value. The seed
    depends on the sizes only, so that the same question always gets the same answer; the answer is kept as
    long as the statistic lives and its settings stay.
    """
    known = _known.setdefault(statistic, {})
    key = (repr(statistic), num_samples, dim or 0)
    if key not in known:
        generator = torch.Generator("cpu").manual_seed(fold_seed(SEED, num_samples, dim or 0))
        draws = UNIVARIATE_DRAWS if dim is None else MULTIVARIATE_DRAWS
        # a multivariate statistic forms all pairs of samples
        numbers = num_samples if dim is None else num_samples * max(num_samples, dim)
        chunk = max(1, min(draws, _NUMBERS_AT_ONCE // numbers))
        values = []
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            for start in range(0, draws, chunk):
                count = min(chunk, draws - start)
                shape = (num_samples, count) if dim is None else (count, num_samples, dim)
                normal = torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu")
                values.append(statistic(normal))
        known[key] = torch.cat(values).sort().values
    return known[key]


def simulated_mean(statistic: nn.Module, num_samples: int, dim: int | None = None) -> float:
    """Return the mean of the simulated null distribution."""
    return simulated_null(statistic, num_samples, dim).mean().item()


def simulated_p_value(
    statistic: nn.Module, value: Tensor, num_samples: int, dim: int | None = None
) -> Tensor:
    """Return (1 + draws at or above the value) / (1 + draws), which no amount of simulation noise makes 0."""
    null = simulated_null(statistic, num_samples, dim)
    flat = double(measured(f"{type(statistic).__name__}.p_value", "statistic", value)).contiguous()
    below = torch.searchsorted(null.to(flat.device), flat)
    share = (1 + null.numel() - below).double() / (1 + null.numel())
    return torch.where(flat.isnan(), flat, share).to(value)
