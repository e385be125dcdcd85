"""Conditions against their formulas."""

import pytest
import torch

from leworld.nn import Conditioning


@pytest.mark.parametrize("kind", ["film", "adaln"])
def test_modulations_are_their_formulas_and_start_as_nothing(kind) -> None:
    values, condition = torch.randn(2, 3, 5, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)
    layer = Conditioning(5, 4, kind=kind).double()
    plain, told = values, condition
    if kind == "adaln":
        centred = values - values.mean(-1, keepdim=True)
        plain = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        told = condition * torch.sigmoid(condition)
    torch.testing.assert_close(layer(values, condition), plain)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    shift, scale = (told @ layer.linear.weight.T + layer.linear.bias).split(5, dim=-1)
    torch.testing.assert_close(layer(values, condition), plain * (1 + scale) + shift)
    assert layer.out_dim == 5


def test_concatenation_has_no_weights() -> None:
    layer, values, condition = Conditioning(5, 4), torch.randn(3, 5), torch.randn(3, 4)
    assert torch.equal(layer(values, condition), torch.cat([values, condition], dim=-1))
    assert layer.out_dim == 9
    assert not layer.state_dict()
