"""A SimNormAdapter is its parts one after the other."""

import torch

from leworld.encoders import FusedEncoder, SimNormAdapter, VectorEncoder


def test_it_is_linear_norm_and_softmax_in_groups() -> None:
    inner = VectorEncoder(3, 5).eval()
    adapter = SimNormAdapter(inner, 12, simnorm_dim=4).eval()
    seen = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    layer = adapter.output
    hidden = torch.nn.functional.layer_norm(layer.linear(inner(seen)), (12,), eps=1e-5)
    expected = hidden.unflatten(1, (3, 4)).softmax(-1).flatten(1)
    torch.testing.assert_close(adapter(seen), expected)


def test_it_reads_what_its_encoder_reads() -> None:
    both = FusedEncoder({"a": VectorEncoder(3, 4), "b": VectorEncoder(2, 4)}, 6)
    assert SimNormAdapter(both, 8).observation_parts == ("a", "b")
    assert not hasattr(SimNormAdapter(VectorEncoder(3, 4), 8), "observation_parts")
