"""The decoder that is a part of a model: what every decoder must do but to begin as grey."""

import pytest
import torch

from leworld.decoders import NormedConvDecoder
from leworld.encoders import NormedConvEncoder
from tests.decoders import checks
from tests.decoders.cases import DIM, SIZE

SHARED = [check for check in checks.ALL if check is not checks.check_starts_from_grey]


def decoder() -> NormedConvDecoder:
    return NormedConvDecoder(DIM, SIZE, channels=(4, 6))


@pytest.mark.parametrize("check", SHARED, ids=lambda check: check.__name__)
def test_conforms(check) -> None:
    check(decoder)


def test_it_starts_near_zero_the_mean_of_what_is_standardised() -> None:
    pictures = decoder()(checks.embeddings(64))
    assert pictures.mean().abs() < 0.3
    assert pictures.std() < 1.0


def test_rebuilds_from_its_config() -> None:
    first = decoder()
    arguments = first.config.to_json()
    assert arguments.pop("class") == "NormedConvDecoder"
    twin = NormedConvDecoder(**arguments)
    twin.load_state_dict(first.state_dict(), strict=True)
    assert torch.equal(twin(checks.embeddings()), first(checks.embeddings()))


def test_its_maps_mirror_those_of_the_encoder() -> None:
    widths = (4, 6, 8, 8)
    maps: list[tuple[int, ...]] = []
    encoder, mirror = NormedConvEncoder(64, widths), NormedConvDecoder(DIM, 64, channels=widths)
    for norm in (*encoder.norms, *mirror.norms):
        norm.register_forward_hook(lambda module, inputs, output: maps.append(tuple(output.shape[1:])))
    encoder(torch.zeros(1, 3, 64, 64))
    mirror(torch.zeros(1, DIM))
    assert maps[:4] == maps[4:][::-1] == [(32, 32, 4), (16, 16, 6), (8, 8, 8), (4, 4, 8)]
