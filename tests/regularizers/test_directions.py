"""Fresh directions: whatever regularizer draws them, they follow from its seed and step."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from leworld._random import fold_seed
from leworld.normality import CramerVonMises, EppsPulley
from leworld.regularizers import SIGReg, SlicedNormality, SubspaceSIGReg, VISReg, WeakSIGReg
from tests.regularizers.conformance import draw
from tests.regularizers.published import published_directions, published_sigreg

SEED = 11
RECORDED = [
    [0.7818437980244486, 0.8217167878441256],
    [-0.014132959063061777, -0.2641517629879314],
    [0.6233141543065, -0.5049805607006075],
]
DRAWING: dict[str, Callable[[], nn.Module]] = {
    "sigreg": lambda: SIGReg(24, seed=SEED),
    "sigreg_orthogonal": lambda: SIGReg(24, seed=SEED, directions="orthogonal"),
    "sigreg_sobol": lambda: SIGReg(24, seed=SEED, directions="sobol"),
    "subspace_sigreg": lambda: SubspaceSIGReg(3, num_slices=8, seed=SEED),
    "sliced_epps_pulley": lambda: SlicedNormality(EppsPulley(), 24, seed=SEED),
    "sliced_cramer_von_mises": lambda: SlicedNormality(CramerVonMises(), 24, seed=SEED),
    "visreg": lambda: VISReg(24, seed=SEED),
    "weak_sigreg": lambda: WeakSIGReg(4, seed=SEED),
    "weak_sigreg_orthogonal": lambda: WeakSIGReg(4, seed=SEED, sketch="orthogonal"),
}


def of_step(step: int) -> torch.Generator:
    return torch.Generator().manual_seed(fold_seed(SEED, step))


def counter(regularizer: nn.Module) -> int:
    return int(regularizer.state_dict()["directions._extra_state"])


@pytest.mark.parametrize("name", DRAWING)
def test_step_n_draws_from_the_folded_seed(name: str) -> None:
    embeddings = draw(2, 30, 9) * 1.3
    regularizer = DRAWING[name]()
    for step in range(3):
        expected = DRAWING[name]()(embeddings, generator=of_step(step))
        assert regularizer(embeddings) == expected
        assert counter(regularizer) == step + 1
    regularizer.eval()
    for _ in range(2):
        assert regularizer(embeddings) == DRAWING[name]()(embeddings, generator=of_step(3))
    regularizer.train()
    regularizer(embeddings, generator=of_step(7))
    assert counter(regularizer) == 3, "neither evaluation nor generator= advances the counter"


@pytest.mark.parametrize("name", DRAWING)
def test_the_state_is_the_counter_alone(name: str) -> None:
    regularizer = DRAWING[name]()
    regularizer(draw(30, 9))
    assert list(regularizer.state_dict()) == ["directions._extra_state"]
    assert list(regularizer.named_parameters()) == list(regularizer.named_buffers()) == []


def test_a_seed_draws_today_what_it_drew_before() -> None:
    """Recorded numbers: a run that resumes after an upgrade depends on them."""
    directions = SIGReg(2, seed=3).directions
    directions.step.fill_(2)
    found = directions(3, device=torch.device("cpu"), dtype=torch.float64)
    expected = torch.tensor(RECORDED, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_sigreg_is_the_published_formula_along_them() -> None:
    embeddings = draw(3, 30, 9) * 1.3
    regularizer = SIGReg(24, seed=SEED)
    for step in range(2):
        directions = published_directions(9, 24, seed=fold_seed(SEED, step), dtype=torch.float64)
        torch.testing.assert_close(
            regularizer(embeddings), published_sigreg(embeddings, directions), rtol=1e-12, atol=0
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_directions_follow_the_accumulation_dtype(dtype: torch.dtype) -> None:
    embeddings = draw(6, 5).to(dtype)
    found = SIGReg(4).directions.for_embeddings(embeddings, None)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert found.shape == (5, 4)
    assert SIGReg(4).directions.for_embeddings(embeddings, None, dim=2).shape == (2, 4)
