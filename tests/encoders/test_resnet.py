"""ResNets under torchvision's names and sizes, and keypoints where a picture has its light."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from leworld.encoders import ResNetEncoder
from leworld.encoders._resnet import spatial_softmax

Softmax = Callable[[Tensor], Tensor]


def torchvision_shapes(blocks: tuple[int, ...], classes: int | None) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state dict of torchvision's and timm's resnet18 and resnet34, written out."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}

    def norm(name: str, channels: int) -> None:
        shapes.update(
            {f"{name}.{key}": (channels,) for key in ("weight", "bias", "running_mean", "running_var")}
        )
        shapes[f"{name}.num_batches_tracked"] = ()

    norm("bn1", 64)
    channels = 64
    for i, count in enumerate(blocks):
        out = 64 * 2**i
        for j in range(count):
            block = f"layer{i + 1}.{j}"
            shapes[f"{block}.conv1.weight"] = (out, channels, 3, 3)
            shapes[f"{block}.conv2.weight"] = (out, out, 3, 3)
            norm(f"{block}.bn1", out)
            norm(f"{block}.bn2", out)
            if channels != out:
                shapes[f"{block}.downsample.0.weight"] = (out, channels, 1, 1)
                norm(f"{block}.downsample.1", out)
            channels = out
    if classes is not None:
        shapes |= {"fc.weight": (classes, 512), "fc.bias": (classes,)}
    return shapes


@pytest.mark.parametrize(("depth", "blocks"), [(18, (2, 2, 2, 2)), (34, (3, 4, 6, 3))])
@pytest.mark.parametrize("classes", [1000, None])
def test_a_state_dict_from_elsewhere_loads_strictly(depth, blocks, classes) -> None:
    foreign = {
        name: torch.zeros(shape, dtype=torch.long if "num_batches" in name else torch.float32)
        for name, shape in torchvision_shapes(blocks, classes).items()
    }
    encoder = ResNetEncoder(224, classes, depth=depth, norm="batch")
    encoder.load_state_dict(foreign, strict=True)
    assert encoder.embedding_dim == (classes or 512)
    assert not encoder.layer1[0].conv1.weight.any()


@pytest.mark.parametrize(("depth", "count"), [(18, 11_689_512), (34, 21_797_672)])
def test_published_numbers_of_parameters(depth, count: int) -> None:
    with torch.device("meta"):
        encoder = ResNetEncoder(224, 1000, depth=depth, norm="batch")
    assert sum(p.numel() for p in encoder.parameters()) == count


def test_it_is_its_formula() -> None:
    """Stem, a block with a shortcut of its own, one without, and the mean."""
    encoder = ResNetEncoder(16, 5, blocks=(1, 1, 1, 1), width=4, norm="batch").double()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    encoder.eval()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    features = encoder.bn1(encoder.conv1(x)).clamp(min=0)
    features = nn.MaxPool2d(3, stride=2, padding=1)(features)
    for stage in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
        for block in stage:
            branch = block.bn2(block.conv2(block.bn1(block.conv1(features)).clamp(min=0)))
            beside = features
            if block.downsample is not None:
                beside = block.downsample[1](block.downsample[0](features))
            features = (branch + beside).clamp(min=0)
    assert [block.downsample is None for block in (encoder.layer1[0], encoder.layer2[0])] == [True, False]
    assert encoder.layer2[0].conv1.stride == encoder.layer2[0].downsample[0].stride == (2, 2)
    torch.testing.assert_close(encoder(x), encoder.fc(features.mean((2, 3))))


def test_group_norm_has_16_channels_a_group_where_that_divides() -> None:
    groups = [
        module.num_groups
        for module in ResNetEncoder(32, width=64, blocks=(1, 1, 1, 1)).modules()
        if isinstance(module, nn.GroupNorm)
    ]
    assert groups == [4] * 3 + [8] * 3 + [16] * 3 + [32] * 3
    narrow = ResNetEncoder(32, width=6, blocks=(1, 1, 1, 1))
    assert narrow.bn1.num_groups == 1


@pytest.mark.parametrize(("size", "stem", "side"), [(224, "large", 7), (65, "large", 3), (65, "small", 9)])
def test_tokens_are_the_cells_row_by_row(size: int, stem, side: int) -> None:
    encoder = ResNetEncoder(size, blocks=(1, 1, 1, 1), width=2, stem=stem, pooling="tokens").eval()
    assert encoder.num_tokens == side**2
    assert not hasattr(ResNetEncoder(size, blocks=(1, 1, 1, 1), width=2), "num_tokens")
    x = torch.zeros(1, 3, size, size)
    x[..., : size // (2 * side), -size // (2 * side) :] = 9.0
    with torch.no_grad():
        moved = (encoder(x) - encoder(torch.zeros_like(x))).abs().sum(-1).view(side, side)
    row, column = divmod(int(moved.argmax()), side)
    assert row <= side // 3  # the weights decide where in that corner
    assert column >= side - 1 - side // 3
    assert moved[0, -1] > moved[-1, 0]


def check_places(softmax: Softmax) -> None:
    """A map with all its weight in one cell has its keypoint there: x from the left, y from the top."""
    height, width = 3, 5
    maps = torch.full((1, height * width, height, width), -1e4)
    for cell in range(height * width):
        maps[0, cell, cell // width, cell % width] = 1e4
    places = softmax(maps)
    for cell in range(height * width):
        due = torch.tensor([-1 + 2 * (cell % width) / (width - 1), -1 + 2 * (cell // width) / (height - 1)])
        torch.testing.assert_close(places[0, cell], due)


def check_means(softmax: Softmax) -> None:
    """Equal weights lie in the middle, and weights of 3 : 1 between two cells at a quarter of the way."""
    torch.testing.assert_close(softmax(torch.zeros(2, 3, 4, 6)), torch.zeros(2, 3, 2))
    maps = torch.full((1, 1, 1, 2), 0.0)
    maps[..., 1] = math.log(3)
    torch.testing.assert_close(softmax(maps), torch.tensor([[[0.5, 0.0]]]))


def check_large_scores(softmax: Softmax) -> None:
    maps = torch.tensor([1e5, 0.0, 1e5]).view(1, 1, 1, 3)
    for dtype in (torch.float32, torch.bfloat16):
        torch.testing.assert_close(softmax(maps.to(dtype)), torch.zeros(1, 1, 2, dtype=dtype))


def swapped(maps: Tensor) -> Tensor:
    return spatial_softmax(maps).flip(-1)


def upside_down(maps: Tensor) -> Tensor:
    return spatial_softmax(maps) * torch.tensor([1.0, -1.0])


def over_maps(maps: Tensor) -> Tensor:
    return spatial_softmax(maps.softmax(1).log())


def places_from_the_edge(maps: Tensor) -> Tensor:
    return (spatial_softmax(maps) + 1) / 2


def without_the_largest_taken_off(maps: Tensor) -> Tensor:
    weights = maps.exp() / maps.exp().sum((2, 3), keepdim=True)
    return spatial_softmax(weights.log())


CHECKS = (check_places, check_means, check_large_scores)


@pytest.mark.parametrize("check", CHECKS)
def test_keypoints_are_where_the_weight_is(check) -> None:
    check(spatial_softmax)


@pytest.mark.parametrize(
    "wrong", [swapped, upside_down, over_maps, places_from_the_edge, without_the_largest_taken_off]
)
def test_wrong_keypoints_are_rejected(wrong) -> None:
    caught = []
    for check in CHECKS:
        try:
            check(wrong)
        except AssertionError:
            caught.append(check)
    assert caught


def test_keypoints_follow_what_moves() -> None:
    """A picture moved by a whole stride moves every keypoint the same way, away from the border."""
    encoder = ResNetEncoder(128, None, blocks=(1, 1, 1, 1), width=4, norm="batch", pooling="keypoints").eval()
    assert encoder.embedding_dim == 64
    left, right = torch.zeros(2, 1, 3, 128, 128).unbind(0)
    spot = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0)) * 30
    left[0, :, 60:68, 20:28] = spot
    right[0, :, 60:68, 84:92] = spot
    with torch.no_grad():
        moved = (encoder(right) - encoder(left)).view(32, 2)
    assert moved[:, 0].abs().mean() > 2 * moved[:, 1].abs().mean()
