"""Every decoder, small. Adding a decoder is adding a line."""

from collections.abc import Callable

from torch import nn

from leworld.decoders import CrossAttentionDecoder

DIM, SIZE = 6, 16
DECODERS: dict[str, Callable[[], nn.Module]] = {
    "one-key": lambda: CrossAttentionDecoder(DIM, SIZE, patch_size=4, hidden_dim=12, depth=2, num_heads=3),
    "four-keys": lambda: CrossAttentionDecoder(
        DIM, SIZE, patch_size=4, hidden_dim=12, depth=2, num_heads=3, num_keys=4
    ),
    "one-patch": lambda: CrossAttentionDecoder(DIM, SIZE, patch_size=16, hidden_dim=8, depth=1, num_heads=2),
    "one-pixel-patches": lambda: CrossAttentionDecoder(
        DIM, SIZE, patch_size=1, hidden_dim=8, depth=1, num_heads=1, num_keys=2, mlp_dim=16
    ),
}
