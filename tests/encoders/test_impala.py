"""PLDM's encoder against its description."""

import torch
from torch.nn import functional as F

from leworld.encoders import ImpalaEncoder


def test_it_is_its_formula() -> None:
    encoder = ImpalaEncoder(11, 5, channels=(3, 4), in_channels=2).double()
    x = torch.randn(2, 2, 11, 11, dtype=torch.float64)
    features = x
    for stage in encoder.stages:
        features = F.max_pool2d(stage.conv(features), kernel_size=3, stride=2, padding=1)
        for block in stage.blocks:
            features = (features + block.second(block.first(features).clamp(min=0))).clamp(min=0)
    flat = features.clamp(min=0).flatten(1)
    assert flat.shape == (2, 4 * 3 * 3)
    torch.testing.assert_close(encoder(x), encoder.norm(encoder.output(flat)))


def test_the_two_rooms_of_pldm() -> None:
    """Two channels of 65 pixels: 32 maps of 9 x 9, 2592 numbers, to 512 and a LayerNorm."""
    encoder = ImpalaEncoder(65, 512, in_channels=2)
    assert encoder.output.in_features == 2592
    assert [stage.conv.out_channels for stage in encoder.stages] == [16, 32, 32]
    assert encoder(torch.randn(1, 2, 65, 65)).mean().abs() < 1e-5
    assert ImpalaEncoder(16, 4, layer_norm=False).norm is None
