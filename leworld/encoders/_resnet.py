"""Residual convolutional networks of 18 and 34 layers, for large and small pictures."""

import math
from collections.abc import Sequence
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_choice, check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_GROUP = 16  # channels in a group of GroupNorm


@final
@configurable
class ResNetEncoder(nn.Module):
    """Encode images with a residual network of basic blocks, as of ResNet-18 and ResNet-34.

    Reach for it where data are few and a vision transformer would need more of them, or where the weights of
    a backbone from elsewhere shall be taken over. Four stages of blocks, each of two 3x3 convolutions, halve
    the picture between them; what the last one returns is pooled.

    | pooling | embedding | |
    |---|---|---|
    | "mean" | Linear(mean over the picture) | says what there is, and hardly where |
    | "keypoints" | Linear([x_1, y_1, x_2, y_2, ...]) | says where: each keypoint is the mean place of a map |
    | "tokens" | (batch, token, dim): Linear(cell), row by row | for what attends to places itself |

    A keypoint is the spatial softmax of a map, itself a 1x1 convolution of the features: with weights
    softmax(map) over the cells, the mean of x, which goes from -1 at the left to 1 at the right, and of y,
    from -1 at the top to 1 at the bottom.

    Batch normalisation makes a picture's embedding depend on the batch in training, and its running
    statistics drift while the encoder trains; the default is group normalisation with 16 channels a group.
    With `norm="batch"` and the large stem, names and shapes of all tensors are those of torchvision's and
    timm's resnet18 and resnet34. Their state dict loads strictly, as it is for `embedding_dim=1000`, or
    without `fc.weight` and `fc.bias` for `embedding_dim=None`. Pictures must then be normalised as theirs.

    Shapes:
        images (batch, channel, height, width) -> (batch, embedding_dim), or (batch, token, embedding_dim).

    Args:
        image_size: Side of the square images.
        embedding_dim: Size of the embedding, or of a token; None leaves the last linear layer out, and then
            it is 8 * width, or 2 * num_keypoints.
        depth: 18 or 34.
        blocks: Blocks of the four stages, in place of the depth's.
        width: Channels of the first stage; each following one has twice as many.
        stem: "large", a 7x7 convolution with stride 2 and a maximum over 3x3 with stride 2, or "small" for
            pictures below about 100 pixels, a 3x3 convolution with stride 1.
        norm: "group" or "batch".
        pooling: "mean", "keypoints" or "tokens".
        num_keypoints: Of "keypoints".
        in_channels: Channels of an image.

    Attributes:
        embedding_dim: Size of the embedding, or of a token.
        num_tokens: With "tokens" only, how many.

    Raises:
        ConfigError: If an option is unknown or out of range.
        ShapeError: If the images have other channels or another size.

    Numerics: convolutions start as in He et al., 2015 (arXiv 1502.01852), with the fan of the outputs; the
    softmax over places is taken in float32 at least.

    Source: He et al., Deep Residual Learning, 2015 (arXiv 1512.03385), table 1 and section 4.2; Wu and He,
    Group Normalization, 2018 (arXiv 1803.08494); spatial softmax of Levine et al., 2015 (arXiv 1504.00702),
    section 5.1.

    Example:
        ```python
        import torch
        from leworld.encoders import ResNetEncoder

        images = torch.randn(2, 3, 32, 32)
        encoder = ResNetEncoder(32, 8, blocks=(1, 1, 1, 1), width=16, stem="small")
        assert encoder(images).shape == (2, 8)
        tokens = ResNetEncoder(32, 8, blocks=(1, 1, 1, 1), width=16, stem="small", pooling="tokens")
        assert tokens(images).shape == (2, tokens.num_tokens, 8) == (2, 16, 8)
        ```
    """

    def __init__(
        self,
        image_size: int = 224,
        embedding_dim: int | None = None,
        *,
        depth: Literal[18, 34] = 18,
        blocks: Sequence[int] | None = None,
        width: int = 64,
        stem: Literal["large", "small"] = "large",
        norm: Literal["group", "batch"] = "group",
        pooling: Literal["mean", "keypoints", "tokens"] = "mean",
        num_keypoints: int = 32,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        stages = _stages(depth, blocks)
        for name, value in (
            ("image_size", image_size),
            ("embedding_dim", 1 if embedding_dim is None else embedding_dim),
            ("width", width),
            ("num_keypoints", num_keypoints),
            ("in_channels", in_channels),
        ):
            check_number("ResNetEncoder", name, value, low=1, integer=True)
        check_choice("ResNetEncoder", "stem", stem, ("large", "small"))
        check_choice("ResNetEncoder", "norm", norm, ("group", "batch"))
        check_choice("ResNetEncoder", "pooling", pooling, ("mean", "keypoints", "tokens"))
        kernel, stride = (7, 2) if stem == "large" else (3, 1)
        self.conv1 = nn.Conv2d(in_channels, width, kernel, stride, kernel // 2, bias=False)
        self.bn1 = _norm(norm, width)
        self.layer1 = _stage(width, width, stages[0], norm)
        self.layer2 = _stage(width, 2 * width, stages[1], norm)
        self.layer3 = _stage(2 * width, 4 * width, stages[2], norm)
        self.layer4 = _stage(4 * width, 8 * width, stages[3], norm)
        channels = 8 * width
        self.keypoints = None
        if pooling == "keypoints":  # a bias would move no place
            self.keypoints = nn.Conv2d(channels, num_keypoints, 1, bias=False)
        features = 2 * num_keypoints if pooling == "keypoints" else channels
        self.fc = None if embedding_dim is None else nn.Linear(features, embedding_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module is not self.keypoints:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.image_size = image_size
        self.embedding_dim = features if embedding_dim is None else embedding_dim
        self.stem = stem
        self.pooling = pooling
        self.in_channels = in_channels
        if pooling == "tokens":
            side = image_size
            for _ in range(5 if stem == "large" else 3):
                side = (side + 1) // 2
            self.num_tokens = side**2

    @shapechecked
    def forward(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch *token dim"]:
        """Encode the images."""
        due = (self.in_channels, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != due:
            raise ShapeError(
                f"ResNetEncoder needs images with (channel, height, width) = {due}",
                f"`images` has shape {tuple(images.shape)}",
                "Resize them with the model's `processor`, or build it for that `image_size`",
            )
        features = F.relu(self.bn1(self.conv1(images)))
        if self.stem == "large":
            features = F.max_pool2d(features, 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)
        if self.keypoints is not None:
            pooled = spatial_softmax(self.keypoints(features)).flatten(1)
        elif self.pooling == "tokens":
            pooled = features.flatten(2).transpose(1, 2)
        else:
            pooled = features.mean((2, 3))
        return pooled if self.fc is None else self.fc(pooled)


def spatial_softmax(maps: Tensor) -> Tensor:
    """Return the mean places (batch, map, 2), x before y, of (batch, map, height, width)."""
    height, width = maps.shape[-2:]
    dtype = torch.promote_types(maps.dtype, torch.float32)
    weights = maps.to(dtype).flatten(2).softmax(-1).unflatten(-1, (height, width))
    x = _axis(weights.sum(2), width, dtype)
    y = _axis(weights.sum(3), height, dtype)
    return torch.stack([x, y], dim=-1).to(maps.dtype)


def _axis(weights: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    if size == 1:
        return torch.zeros_like(weights[..., 0])  # its only place is the middle
    return (weights * torch.linspace(-1, 1, size, dtype=dtype, device=weights.device)).sum(-1)


def _stage(channels: int, out: int, count: int, norm: str) -> nn.Sequential:
    first = _BasicBlock(channels, out, channels != out, norm)
    return nn.Sequential(first, *(_BasicBlock(out, out, False, norm) for _ in range(count - 1)))


class _BasicBlock(nn.Module):
    """Two convolutions beside a shortcut, under torchvision's names."""

    def __init__(self, channels: int, out: int, halves: bool, norm: str) -> None:
        super().__init__()
        stride = 2 if halves else 1
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = _norm(norm, out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = _norm(norm, out)
        self.downsample = None
        if halves:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), _norm(norm, out))

    def forward(self, features: Tensor) -> Tensor:
        branch = F.relu(self.bn1(self.conv1(features)))
        branch = self.bn2(self.conv2(branch))
        return F.relu(branch + (features if self.downsample is None else self.downsample(features)))


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(math.gcd(channels, max(1, channels // _GROUP)), channels)


def _stages(depth: int, blocks: Sequence[int] | None) -> tuple[int, ...]:
    if blocks is None:
        if depth not in _BLOCKS:
            raise ConfigError(
                "ResNetEncoder needs `depth` to be 18 or 34",
                f"it is {depth!r}",
                "Or pass `blocks`, four numbers",
            )
        return _BLOCKS[depth]
    if not isinstance(blocks, list | tuple) or len(blocks) != 4:
        raise ConfigError(
            "ResNetEncoder needs `blocks` to hold the blocks of four stages",
            f"it is {blocks!r}",
            "Pass for example (1, 1, 1, 1)",
        )
    for count in blocks:
        check_number("ResNetEncoder", "blocks", count, low=1, integer=True)
    return tuple(blocks)
