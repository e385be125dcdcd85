"""Pictures and films are PNG as another reader reads them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from leworld.report._png import film, row, still


def decode(uri: str) -> Image.Image:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("shape", [(7, 5, 3), (64, 64, 3), (1, 1, 3)])
def test_a_picture_is_read_back_exactly(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(np.asarray(decode(still(pixels))), pixels)
    assert still(pixels) == still(pixels.copy())


def test_a_film_holds_every_frame_with_its_pause() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (6, 9, 12, 3), dtype=np.uint8)
    image = decode(film(frames, milliseconds=80, hold=700))
    assert image.n_frames == 6
    durations = []
    for index in range(6):
        image.seek(index)
        assert np.array_equal(np.asarray(image.convert("RGB")), frames[index])
        durations.append(image.info["duration"])
    assert durations == [80.0] * 5 + [700.0]
    assert image.info["loop"] == 0  # for ever


def test_large_pictures_shrink_by_areas() -> None:
    small = np.random.default_rng(2).integers(0, 256, (75, 75, 3), dtype=np.uint8)
    large = small.repeat(3, axis=0).repeat(3, axis=1)
    assert np.array_equal(np.asarray(decode(still(large))), small)


def test_pictures_stand_side_by_side() -> None:
    tiles = np.stack([np.full((4, 3, 3), value, np.uint8) for value in (10, 200)])
    joined = row(tiles, gap=2)
    assert joined.shape == (4, 8, 3)
    assert joined[0, :, 0].tolist() == [10, 10, 10, 128, 128, 200, 200, 200]
