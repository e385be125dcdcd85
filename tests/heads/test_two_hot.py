"""Two-hot distributions: as recorded from TD-MPC2's and DreamerV3's code, and what must hold of any."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from leworld.heads import TwoHot, symexp, symlog

FIXTURES = Path(__file__).parent.parent / "fixtures"
TDMPC2 = load_file(FIXTURES / "tdmpc2_mini" / "reference.safetensors")
DREAMER = load_file(FIXTURES / "rssm_mini" / "two_hot.safetensors")
BOTH = pytest.mark.parametrize("spacing", ["symlog", "symexp"])


def close(one: Tensor, other: Tensor, absolute: float = 1e-5, relative: float = 0.0) -> None:
    torch.testing.assert_close(one, other.reshape(one.shape), atol=absolute, rtol=relative)


def test_symlog_and_symexp() -> None:
    for name, function in (("symlog", symlog), ("symexp", symexp)):
        close(function(DREAMER[f"{name}.input"]), DREAMER[f"{name}.output"], relative=1e-5)
    close(symlog(TDMPC2["two_hot.values"]), TDMPC2["two_hot.symlog"])


def test_the_bins_of_tdmpc2() -> None:
    two_hot, values = TwoHot("symlog", 11), TDMPC2["two_hot.values"].squeeze(-1)
    close(two_hot.encode(values), TDMPC2["two_hot.encoded"])
    close(two_hot.decode(TDMPC2["two_hot.logits"]), TDMPC2["two_hot.decoded"], relative=1e-5)
    targets = TDMPC2["soft_ce.target"].squeeze(-1)
    close(two_hot.loss(TDMPC2["two_hot.logits"], targets), TDMPC2["soft_ce.value"])


@pytest.mark.parametrize("num_bins", [11, 255])
def test_the_bins_of_dreamerv3(num_bins: int) -> None:
    two_hot, name, values = TwoHot("symexp", num_bins), f"two_hot{num_bins}", DREAMER["two_hot.values"]
    bins = two_hot.bins(torch.float32, torch.device("cpu"))
    close(bins, DREAMER[f"{name}.bins"], relative=1e-5)
    close(two_hot.encode(values), DREAMER[f"{name}.target"])
    close(two_hot.decode(DREAMER[f"{name}.logits"]), DREAMER[f"{name}.prediction"], relative=1e-5)
    # Two recordings of this loss differ by 2e-5 where a value lies near a bin.
    close(two_hot.loss(DREAMER[f"{name}.logits"], values), DREAMER[f"{name}.loss"], 3e-5)


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_number_comes_back_over_the_whole_range(spacing: str, dtype: torch.dtype) -> None:
    two_hot = TwoHot(spacing)
    ends = torch.linspace(two_hot.low, two_hot.high, 1001, dtype=dtype)
    values = symexp(ends)
    weights = two_hot.encode(values)
    assert weights.dtype == dtype
    assert weights.shape == (1001, two_hot.num_bins)
    assert ((weights > 0).sum(-1) <= 2).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(values))
    decoded = two_hot.decode(weights.clamp(min=1e-37).log())
    exact = 2e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(decoded, values, atol=exact, rtol=10 * exact)


@BOTH
def test_numbers_beyond_the_bins_count_as_the_last(spacing: str) -> None:
    two_hot = TwoHot(spacing)
    weights = two_hot.encode(torch.tensor([-1e12, 1e12, -torch.inf, torch.inf]))
    assert weights[::2, 0].tolist() == [1, 1]
    assert weights[1::2, -1].tolist() == [1, 1]
    assert weights.sum(-1).tolist() == [1] * 4


@BOTH
def test_the_loss_of_a_number_that_is_missing_is_missing(spacing: str) -> None:
    """And leaves the losses of the others as they are."""
    two_hot, logits = TwoHot(spacing), torch.randn(3, TwoHot(spacing).num_bins)
    losses = two_hot.loss(logits, torch.tensor([1.0, torch.nan, -2.0]))
    assert losses.isnan().tolist() == [False, True, False]
    assert torch.equal(losses[::2], two_hot.loss(logits[::2], torch.tensor([1.0, -2.0])))
    assert two_hot.encode(torch.tensor(torch.nan)).isnan().all()


def test_the_forms_differ() -> None:
    """Halfway between two bins: in symlog space for one, in the numbers' own space for the other."""
    for spacing, half in (("symlog", symexp(torch.tensor(5.0))), ("symexp", symexp(torch.tensor(10.0)) / 2)):
        weights = TwoHot(spacing, 3, low=-10.0, high=10.0).encode(half)
        torch.testing.assert_close(weights, torch.tensor([0.0, 0.5, 0.5]))


@BOTH
def test_uniform_logits_mean_nothing(spacing: str) -> None:
    value = TwoHot(spacing).decode(torch.zeros(TwoHot(spacing).num_bins))
    assert value == 0 if spacing == "symexp" else value.abs() < 1e-5


@BOTH
def test_the_loss_is_least_at_the_targets_weights(spacing: str) -> None:
    two_hot = TwoHot(spacing, 7, low=-2.0, high=2.0)
    value = torch.tensor(1.3)
    logits = two_hot.encode(value).clamp(min=1e-12).log().requires_grad_()
    two_hot.loss(logits, value).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6
    assert two_hot.loss(torch.zeros(7), value) > two_hot.loss(logits, value)


@BOTH
def test_no_gradient_reaches_a_target(spacing: str) -> None:
    two_hot, value = TwoHot(spacing), torch.tensor(1.3, requires_grad=True)
    assert not two_hot.loss(torch.zeros(two_hot.num_bins), value).requires_grad


def test_half_types_are_computed_in_float32() -> None:
    two_hot = TwoHot()
    assert two_hot.decode(torch.randn(3, 101, dtype=torch.bfloat16)).dtype == torch.float32
    assert two_hot.encode(torch.ones(3, dtype=torch.float16)).dtype == torch.float32
