"""Other quadratures of Epps-Pulley against the integral in closed form."""

import math

import pytest
import torch

from leworld.normality import EppsPulley, GaussHermiteEppsPulley, SimpsonEppsPulley
from tests.normality.conformance import draw
from tests.normality.test_epps_pulley import closed_form


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
def test_both_tend_to_the_closed_form(scale: float) -> None:
    samples = draw(23, 6) * scale + 0.4
    expected = closed_form(samples)
    torch.testing.assert_close(SimpsonEppsPulley(801, 12.0)(samples), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(GaussHermiteEppsPulley(64)(samples), expected, rtol=1e-9, atol=1e-9)


def test_gauss_hermite_with_the_published_cost() -> None:
    samples = draw(64, 50).clamp(-3, 3)
    torch.testing.assert_close(
        GaussHermiteEppsPulley()(samples), closed_form(samples), rtol=0, atol=64 * 1e-4
    )


def test_simpson_is_fourth_order() -> None:
    samples = draw(23, 6)
    fine = SimpsonEppsPulley(1025)(samples)
    errors = [(SimpsonEppsPulley(k)(samples) - fine).abs().max().item() for k in (17, 33)]
    assert 12 < errors[0] / errors[1] < 20
    torch.testing.assert_close(EppsPulley(20001)(samples), fine, rtol=1e-7, atol=0)


def test_weights_integrate_the_window() -> None:
    whole = math.sqrt(2 * math.pi)
    assert sum(GaussHermiteEppsPulley(9).weights) == pytest.approx(whole, rel=1e-12)
    assert sum(SimpsonEppsPulley(33, 8.0).weights) == pytest.approx(whole, rel=1e-6)
    assert len(SimpsonEppsPulley(5).knots) == 5
    assert all(t > 0 for t in GaussHermiteEppsPulley(5).knots)
