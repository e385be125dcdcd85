"""Angles and rotations: no jump, no sign, errors in degrees."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from leworld._targets import degrees_off, encode_targets
from leworld.probes import RidgeProbe, fit_probe, split_by_episode

EPISODE = torch.arange(40).repeat_interleave(10)
SPLIT = split_by_episode(EPISODE)


def test_an_angle_that_turns_over_is_read_to_the_degree() -> None:
    angle = 3.0 + 0.5 * torch.randn(400, 1, generator=torch.Generator().manual_seed(0))
    angle = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi  # jumps from pi to -pi in the middle
    x = torch.cat([angle.sin(), angle.cos()], dim=1) * 5.0
    raw = fit_probe(RidgeProbe(2, 1), x, targets=angle, split=SPLIT)
    turned = fit_probe(RidgeProbe(2, 2), x, targets=angle, split=SPLIT, kind="angle")
    assert raw.degrees is None
    assert raw.mean_r2 < 0.9
    assert turned.mean_r2 > 0.999
    assert turned.degrees is not None
    assert turned.degrees < 0.01
    assert turned.to_json()["degrees"] == turned.degrees
    assert "degrees" in str(turned)


def quaternions(count: int = 400, seed: int = 0) -> torch.Tensor:
    q = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return q / q.norm(dim=1, keepdim=True)


def test_a_rotation_is_the_same_with_either_sign() -> None:
    q = quaternions()
    signs = torch.randint(0, 2, (400, 1), generator=torch.Generator().manual_seed(1)) * 2.0 - 1.0
    assert torch.allclose(encode_targets("x", q, "quaternion"), encode_targets("x", signs * q, "quaternion"))
    x = (q[:, :, None] * q[:, None, :]).flatten(1)
    score = fit_probe(RidgeProbe(16, 10), x, targets=signs * q, split=SPLIT, kind="quaternion")
    assert score.degrees is not None
    assert score.degrees < 0.01


def test_degrees_are_scipys() -> None:
    q, p = quaternions(50, 2), quaternions(50, 3)
    ours = degrees_off("x", encode_targets("x", p, "quaternion"), q, "quaternion")
    turns = Rotation.from_quat(q.numpy()).inv() * Rotation.from_quat(p.numpy())
    assert torch.allclose(ours, torch.from_numpy(turns.magnitude()) * 180 / math.pi, atol=1e-5)
    angle = torch.tensor([[0.1], [3.1], [-3.1]]).double()
    guess = encode_targets("x", torch.tensor([[0.2], [-3.1], [3.0]]).double(), "angle") * 0.3
    off = degrees_off("x", guess, angle, "angle")
    expected = [0.1, 2 * math.pi - 6.2, 2 * math.pi - 6.1]
    assert torch.allclose(off, torch.tensor(expected).double() * 180 / math.pi)


@pytest.mark.parametrize("kind", ["number", "angle"])
def test_the_test_samples_are_never_fitted_on(kind: str) -> None:
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(5))
    y = x[:, :1].clone()
    width = 2 if kind == "angle" else 1
    probe = RidgeProbe(3, width)
    fit_probe(probe, x, targets=y, split=SPLIT, kind=kind)
    weight = probe.weight.clone()
    y[SPLIT.test] = y[SPLIT.test] + 1.0
    fit_probe(probe, x, targets=y, split=SPLIT, kind=kind)
    assert torch.equal(weight, probe.weight)
