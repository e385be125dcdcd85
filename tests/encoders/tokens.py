"""A small encoder that returns tokens, as a user would write one."""

from torch import Tensor, nn

from leworld.nn import PatchEmbedding, configurable


@configurable
class PatchTokens(nn.Module):
    """Each patch of a square picture is a token."""

    def __init__(self, image_size: int = 8, embedding_dim: int = 6, patch_size: int = 4) -> None:
        super().__init__()
        self.patches = PatchEmbedding(embedding_dim, patch_size)
        self.embedding_dim = embedding_dim
        self.num_tokens = (image_size // patch_size) ** 2

    def forward(self, images: Tensor) -> Tensor:
        return self.patches(images)
