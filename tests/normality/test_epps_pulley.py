"""Epps-Pulley against closed forms that share no code with it."""

import cmath
import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from leworld.normality import EppsPulley, sliced_statistic
from leworld.normality._constants import constants
from tests.normality.conformance import Z, check_published_quadrature, draw


def closed_form(samples: torch.Tensor) -> torch.Tensor:
    """Integrate over the whole line by hand: three Gaussian integrals over pairs, samples and the null."""
    distances = samples[:, None] - samples[None]
    pairs = math.sqrt(2 * math.pi) * torch.exp(-distances.square() / 2).mean((0, 1))
    cross = math.sqrt(math.pi) * torch.exp(-samples.square() / 4).mean(0)
    return samples.shape[0] * (pairs - 2 * cross + math.sqrt(2 * math.pi / 3))


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_wide_quadrature_is_the_integral(scale: float) -> None:
    samples = draw(23, 6) * scale + 0.4
    torch.testing.assert_close(EppsPulley(201, 12.0)(samples), closed_form(samples), rtol=1e-12, atol=1e-12)


def test_published_quadrature_by_hand() -> None:
    check_published_quadrature(EppsPulley())


def test_known_constants() -> None:
    statistic = EppsPulley()
    assert statistic.null_mean(128) == pytest.approx(1.05246, abs=1e-5)
    assert EppsPulley(4001, 3.0).null_mean(2) == pytest.approx(1.05266, abs=1e-5)
    assert EppsPulley(4001, 40.0).null_mean(2) == pytest.approx(math.sqrt(2 * math.pi) * (1 - 3**-0.5))
    assert (statistic(torch.zeros(128, 1)) / 128).item() == pytest.approx(0.40205, abs=1e-5)
    one_per_period = (2 * torch.pi / statistic.spacing * torch.arange(64) / 64)[:, None]
    assert (statistic(one_per_period) / 64).item() == pytest.approx(1.25970, abs=1e-5), "no correlation left"


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.3), (0.4, 1.0), (-0.7, 0.6), (1.5, 2.0)])
def test_affine_misfit_grows_as_predicted(shift: float, scale: float) -> None:
    """For x ~ N(m, s^2) the characteristic function is known, hence the mean of the statistic for every N."""
    statistic = EppsPulley()
    for num_samples in (8, 64):
        expected = 0.0
        for t, target, weight in zip(statistic.knots, statistic.targets, statistic.weights, strict=True):
            law = cmath.exp(1j * shift * t - (scale * t) ** 2 / 2)
            expected += weight * (num_samples * abs(law - target) ** 2 + 1 - abs(law) ** 2)
        values = statistic(draw(num_samples, 4000, seed=3) * scale + shift)
        assert abs(values.mean().item() - expected) <= Z * values.std().item() / math.sqrt(4000)


def test_sign_does_not_matter() -> None:
    samples = draw(40, 5) + 0.3
    torch.testing.assert_close(EppsPulley()(-samples), EppsPulley()(samples), rtol=1e-13, atol=0)


def test_gradient_is_exactly_zero_at_total_collapse() -> None:
    samples = torch.zeros(32, 3, requires_grad=True)
    EppsPulley()(samples).sum().backward()
    assert samples.grad is not None
    assert (samples.grad == 0).all()


def test_gradient_is_bounded_far_out() -> None:
    samples = (draw(64, 8) * 1e3).requires_grad_()
    (gradient,) = torch.autograd.grad(EppsPulley()(samples).sum(), samples)
    weights = EppsPulley().weights
    bound = 2 * 2 * sum(w * t for w, t in zip(weights, EppsPulley().knots, strict=True))
    assert gradient.abs().max() <= bound


def test_slicing_is_the_mean_over_directions() -> None:
    samples = draw(2, 11, 3)
    directions = draw(3, 7, seed=1)
    directions = directions / directions.norm(dim=0)
    by_hand = torch.stack([EppsPulley()((samples * a).sum(-1, keepdim=True)) for a in directions.T]).mean(0)
    value = sliced_statistic(EppsPulley(), samples, directions=directions)
    torch.testing.assert_close(value, by_hand[..., 0], rtol=1e-12, atol=0)


def test_slicing_ignores_autocast() -> None:
    samples = draw(64, 16, dtype=torch.float32)
    directions = draw(16, 32, seed=1, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = sliced_statistic(EppsPulley(), samples, directions=directions)
    assert torch.equal(inside, sliced_statistic(EppsPulley(), samples, directions=directions))


def test_settings_are_recorded() -> None:
    assert EppsPulley(9, t_max=2.0).config.arguments == {"num_knots": 9, "t_max": 2.0}
    assert "num_knots=9" in repr(EppsPulley(9))


def test_off_the_cpu_constants_are_copied_once_and_never_in_inference_mode() -> None:
    """A copy waits for an accelerator and cannot be captured in a graph; `meta` stands for one here."""
    like = torch.empty(3, device="meta")
    with torch.inference_mode():
        first = constants((1.25, 0.5), like)
    assert constants((1.25, 0.5), like) is first
    assert not first.is_inference()
    assert (first.device.type, first.shape) == ("meta", (2,))
    assert constants((1.25, 0.5), like.double()).dtype == torch.float64
    assert constants((1.25, 0.5), torch.empty(3)).tolist() == [1.25, 0.5]


def test_a_tracers_stand_in_is_not_kept() -> None:
    with FakeTensorMode():
        like = torch.empty(3, device="cuda")
        first, second = constants((7.0,), like), constants((7.0,), like)
    assert isinstance(first, FakeTensor)
    assert first is not second
