"""What the newer members claim of themselves: null values, what they are blind to, what they pull apart."""

import math

import pytest
import torch
from torch import Tensor, nn

from leworld import SIGReg
from leworld.normality import EppsPulley
from leworld.regularizers import Centred, EndpointInverseDynamics, InverseDynamics, RDMReg
from tests.regularizers.conformance import draw
from tests.regularizers.family import rectified_laplace


def test_centred_sigreg_of_its_null_is_sigregs() -> None:
    """Residuals of W independent frames of variance W / (W - 1) are standard normal at each time step."""
    regularizer = Centred(SIGReg(16), window=4)
    values = torch.stack([regularizer((4 / 3) ** 0.5 * draw(32, 8, 6, seed=i)) for i in range(60)])
    due = EppsPulley().null_mean(32)
    assert abs(values.mean().item() - due) <= 6 * values.std().item() / math.sqrt(len(values))
    assert regularizer(draw(32, 8, 6)) > regularizer((4 / 3) ** 0.5 * draw(32, 8, 6))


def test_centred_is_blind_to_what_a_window_stands_on() -> None:
    motion, scenes = draw(12, 8, 3), 20 * draw(12, 2, 3, seed=1).repeat_interleave(4, dim=1)
    first, second = Centred(SIGReg(16)), Centred(SIGReg(16))
    torch.testing.assert_close(first(motion + scenes), second(motion), rtol=1e-6, atol=0)


def test_centred_hands_the_generator_and_the_counter_on() -> None:
    z, plain, regularizer = draw(9, 4, 3), SIGReg(8, seed=3), Centred(SIGReg(8, seed=3))
    rest = (z - z.mean(1, keepdim=True)).transpose(0, 1)
    for generator in (None, 5, None):
        drawn = [None if generator is None else torch.Generator().manual_seed(generator) for _ in range(2)]
        torch.testing.assert_close(regularizer(z, generator=drawn[0]), plain(rest, generator=drawn[1]))
    assert regularizer.regularizer.directions.step == 2
    assert list(regularizer.state_dict()) == ["regularizer.directions._extra_state"]


def test_centred_compiles_as_one_graph() -> None:
    z = draw(12, 6, 4, dtype=torch.float32)
    whole = torch.compile(Centred(SIGReg(8), window=3), fullgraph=True, backend="eager")
    torch.testing.assert_close(whole(z), Centred(SIGReg(8), window=3)(z), rtol=1e-5, atol=1e-6)


def learned(loss: nn.Module, *arguments: Tensor) -> float:
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        loss(*arguments).backward()
        optimizer.step()
    return loss(*arguments).item()


def test_the_ends_of_a_stretch_tell_what_its_actions_did_together() -> None:
    """Positions 2 apart: with the first action given away too, both can be told; else their sum alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sums, told = (EndpointInverseDynamics(dim, 1, horizon=2, hidden_dim=32) for dim in (1, 2))
    actions = draw(64, 3, 1, dtype=torch.float32)
    position = torch.cat((torch.zeros(64, 1, 1), actions[:, :2].cumsum(1)), dim=1)
    # The best guess from the sum alone is half of it for each: what is left is Var (a - b) / 4 = 1/2.
    assert learned(sums, position, actions) > 0.2
    first = torch.cat((torch.zeros(64, 2, 1), actions[:, :1]), dim=1)
    assert learned(told, torch.cat((position, first), dim=-1), actions) < 0.02


def test_endpoint_of_one_step_is_inverse_dynamics() -> None:
    one, other = EndpointInverseDynamics(4, 3, horizon=1, hidden_dim=7), InverseDynamics(4, 3, hidden_dim=7)
    other.load_state_dict(one.state_dict())
    z, actions = draw(5, 6, 4, dtype=torch.float32), draw(5, 6, 3, seed=1, dtype=torch.float32)
    torch.testing.assert_close(one(z, actions), other(z, actions))
    head = EndpointInverseDynamics(4, 3, horizon=2, hidden_dim=7).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert head(z.bfloat16(), actions).dtype == torch.float32


def matched(count: int, seed: int) -> Tensor:
    return rectified_laplace(count, 6, torch.Generator().manual_seed(seed))


def test_rdmreg_prefers_its_target() -> None:
    regularizer, z = RDMReg(64).eval(), matched(256, 0)
    best = regularizer(z)
    worse = (z + 0.5, 0.3 * z, 2 * z, draw(256, 6), z[:, :1].expand(-1, 6), 0 * z)
    for other in worse:
        assert regularizer(other) > 2 * best
    gaussian, one, other = RDMReg(64, target="gaussian").eval(), matched(2048, 0), draw(2048, 6).relu()
    assert 2 * regularizer(one) < regularizer(other)
    assert 2 * gaussian(other) < gaussian(one)


def test_rdmreg_of_a_constant_has_the_moments_of_the_target() -> None:
    """In one dimension E (c - y)^2 = c^2 - 2 c E y + E y^2: E y = 1 / (2 sqrt 2), E y^2 = 1 / 2."""
    regularizer, c = RDMReg(1), 0.3
    values = torch.stack([regularizer(torch.full((64, 1), c, dtype=torch.float64)) for _ in range(400)])
    due = c**2 - 2 * c / 8**0.5 + 0.5
    assert abs(values.mean().item() - due) <= 6 * values.std().item() / math.sqrt(len(values))


def test_rdmregs_floor_falls_with_the_number_of_samples() -> None:
    floors = [
        torch.stack([RDMReg(32, seed=i)(matched(n, i)) for i in range(8)]).mean() for n in (16, 64, 256)
    ]
    assert floors[0] > 2 * floors[1] > 4 * floors[2]


def test_rdmreg_pulls_equal_samples_apart() -> None:
    z = torch.zeros(16, 3, dtype=torch.float64, requires_grad=True)
    RDMReg(16)(z).backward()
    assert z.grad is not None
    assert (z.grad - z.grad.mean(0)).norm() > 1e-3


@pytest.mark.parametrize("location", [-1.0, 0.0, 0.5])
def test_the_share_of_zeros_is_that_of_the_location(location: float) -> None:
    """P(x <= -location) of a Laplace of variance 1; target samples share nothing with the directions."""
    regularizer = RDMReg(1, location=location)
    drawn = regularizer.targets(100, num=2000, device=torch.device("cpu"), dtype=torch.float64)
    share = ((drawn + location) <= 0).double().mean().item()
    tail = 0.5 * math.exp(-abs(location) * 2**0.5)
    due = tail if location > 0 else 1 - tail
    assert abs(share - due) < 6 * math.sqrt(due * (1 - due) / drawn.numel())
    assert regularizer.targets.seed != regularizer.directions.seed
