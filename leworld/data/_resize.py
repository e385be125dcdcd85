"""The one way in which pictures are brought to another size."""

from torch import Tensor
from torch.nn import functional as F


def resized(frames: Tensor, size: int) -> Tensor:
    """Return uint8 pictures (frame, height, width, 3) as float32 squares (frame, size, size, 3), unrounded.

    Bilinear with antialiasing, whatever the proportions were.
    """
    images = frames.permute(0, 3, 1, 2).contiguous().float()
    images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
    return images.permute(0, 2, 3, 1).contiguous()
