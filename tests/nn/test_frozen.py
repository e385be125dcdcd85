"""What `Frozen` says of what it holds, and that its record and its state are those of the part."""

import copy

import pytest
import torch
from torch import nn

from leworld.data import Observation
from leworld.encoders import ConvEncoder, FusedEncoder, VectorEncoder
from leworld.errors import ConfigError
from leworld.nn import Frozen, Projector

SOURCE = {"repository": "me/backbone", "revision": "a" * 40, "file": "model.safetensors", "sha256": "b" * 64}


def test_it_says_what_the_part_says_and_keeps_to_itself_what_is_private() -> None:
    frozen = Frozen(ConvEncoder(8, 4, channels=(2,)))
    assert (frozen.embedding_dim, frozen.image_size) == (4, 8)
    assert frozen.stages is frozen.module.stages
    with pytest.raises(AttributeError, match="num_tokens"):
        _ = frozen.num_tokens
    frozen.module._private = 3
    assert not hasattr(frozen, "_private")


def test_a_copy_is_frozen_and_its_own() -> None:
    frozen = Frozen(VectorEncoder(3, 4))
    twin = copy.deepcopy(frozen).train()
    twin.module.output.bias.data.add_(1.0)
    assert not torch.equal(twin.module.output.bias, frozen.module.output.bias)
    assert not twin.training
    assert not any(weight.requires_grad for weight in twin.parameters())


def test_an_observation_of_parts_passes_its_gradient() -> None:
    frozen = Frozen(FusedEncoder({"proprio": VectorEncoder(3, 4), "wrist": VectorEncoder(2, 4)}, 5))
    joints = torch.randn(2, 3, requires_grad=True)
    seen = Observation(parts={"proprio": joints, "wrist": torch.randn(2, 2)})
    frozen(seen).sum().backward()
    assert joints.grad is not None
    assert not frozen(
        Observation(parts={name: part.detach() for name, part in seen.parts.items()})
    ).requires_grad


def test_under_compile_it_is_the_same() -> None:
    frozen = Frozen(Projector(3, hidden_dim=4))
    x = torch.randn(5, 3)
    compiled = torch.compile(frozen, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), frozen(x))
    asking = x.clone().requires_grad_()
    compiled(asking).sum().backward()
    assert asking.grad is not None


def test_its_record_names_the_part_and_the_source() -> None:
    frozen = Frozen(VectorEncoder(3, 4), source=SOURCE, stored="reference")
    written = frozen.config.to_json()
    assert written["module"]["class"] == "VectorEncoder"
    assert written["stored"] == "reference"
    assert written["source"] == {**SOURCE, "class": "dict"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stored": "reference"}, "source"),
        ({"stored": "elsewhere"}, "reference"),
        ({"source": {"repository": "me/x"}}, "sha256"),
        ({"source": {**SOURCE, "sha256": 3}}, "texts"),
    ],
)
def test_a_source_is_whole(options, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Frozen(VectorEncoder(3, 4), **options)


def test_it_holds_modules_only() -> None:
    with pytest.raises(ConfigError, match="module"):
        Frozen(nn.Linear)
