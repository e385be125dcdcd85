import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leworld.data import Episodes, Processor, fit_processor
from leworld.errors import ConfigError, DataError
from tests.data.fakes import QUICK, random_episodes

NUMBERS = st.floats(-1e6, 1e6, width=32)
SPREADS = st.floats(2.0**-10, 1e6, width=32)


@st.composite
def processors(draw: st.DrawFn) -> Processor:
    action_dim = draw(st.integers(1, 4))
    known = draw(st.booleans())
    numbers = st.lists(NUMBERS, min_size=action_dim, max_size=action_dim).map(tuple)
    spreads = st.lists(SPREADS, min_size=action_dim, max_size=action_dim).map(tuple)
    return Processor(
        draw(st.integers(1, 512)),
        frameskip=draw(st.integers(1, 6)),
        action_dim=action_dim,
        image_mean=draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)),
        image_std=draw(st.tuples(SPREADS, SPREADS, SPREADS)),
        action_mean=draw(numbers) if known else None,
        action_std=draw(spreads) if known else None,
        environment_id=draw(st.none() | st.text()),
        statistics_source=draw(st.none() | st.text()),
    )


@QUICK
@given(processors())
def test_json_gives_back_the_same_processor(processor: Processor) -> None:
    assert Processor.from_json(json.loads(json.dumps(processor.to_json()))) == processor


@QUICK
@given(processors(), st.integers(0, 2**32 - 1))
def test_blocks_and_raw_actions_are_inverse(processor: Processor, seed: int) -> None:
    if processor.action_mean is None:
        return
    blocks = torch.randn(3, 2, processor.block_dim, generator=torch.Generator().manual_seed(seed)).double()
    raw = processor.raw_actions(blocks)
    assert raw.shape == (3, 2, processor.frameskip, processor.action_dim)
    again = processor.action_blocks(raw.flatten(1, 2))
    mean = torch.tensor(processor.action_mean).abs().max()
    std = torch.tensor(processor.action_std).min()
    torch.testing.assert_close(again, blocks, rtol=1e-9, atol=float(1e-14 * mean / std) + 1e-9)


@QUICK
@given(processors())
def test_bounds_of_a_block_are_those_of_its_actions(processor: Processor) -> None:
    if processor.action_mean is None:
        return
    low = np.linspace(-2.0, -1.0, processor.action_dim)
    lower, upper = processor.block_bounds(low, 3.0)
    assert lower.shape == upper.shape == (processor.block_dim,)
    mean, std = np.array(processor.action_mean), np.array(processor.action_std)
    tiled = np.tile((low - mean) / std, processor.frameskip)
    np.testing.assert_allclose(lower.numpy(), tiled, rtol=1e-6)
    np.testing.assert_allclose(upper.numpy(), np.tile((3.0 - mean) / std, processor.frameskip), rtol=1e-6)


def test_infinite_bounds_stay_infinite() -> None:
    processor = Processor(8, frameskip=2, action_dim=1, action_mean=(1.0,), action_std=(2.0,))
    lower, upper = processor.block_bounds(-np.inf, torch.tensor([5.0]))
    assert lower.tolist() == [-np.inf, -np.inf]
    assert upper.tolist() == [2.0, 2.0]


def test_a_constant_component_is_held() -> None:
    train = random_episodes([6, 7], action_dim=3)
    actions = train.actions.copy()
    actions[:, 1] = np.where(np.isnan(actions[:, 1]), np.nan, np.float32(0.1))
    processor = fit_processor(dataclasses.replace(train, actions=actions), frameskip=2)
    assert processor.action_std is not None
    assert processor.action_std[1] == 0.0
    assert min(processor.action_std[0], processor.action_std[2]) > 0.1
    seen = processor.action_blocks(torch.tensor([[1.0, 0.1, 2.0], [1.0, 7.0, 2.0]]))
    assert seen[0, [1, 4]].tolist() == [0.0, 0.0]
    commanded = processor.raw_actions(torch.full((6,), 50.0))
    assert torch.allclose(commanded[:, 1], torch.tensor(0.1))
    lower, upper = processor.block_bounds(-1.0, 1.0)
    assert lower[[1, 4]].tolist() == upper[[1, 4]].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shape", [(5, 6, 3), (2, 5, 6, 3), (2, 3, 4, 5, 6, 3)])
def test_any_leading_axes_and_any_frame_shape(shape: tuple[int, ...]) -> None:
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8)
    processor = Processor(9, frameskip=1, action_dim=1)
    images = processor.observations(pixels)
    assert images.shape == (*shape[:-3], 3, 9, 9)
    flat = processor.observations(pixels.reshape(-1, 5, 6, 3)).reshape(images.shape)
    assert torch.equal(images, flat)
    assert images.movedim(-3, -1).is_contiguous()


def test_resizing_keeps_a_uniform_picture() -> None:
    pixels = torch.full((30, 40, 3), 128, dtype=torch.uint8)
    processor = Processor(12, frameskip=1, action_dim=1, image_mean=(0.0,) * 3, image_std=(1.0,) * 3)
    assert torch.allclose(
        processor.observations(pixels), torch.tensor(128 / 255, dtype=torch.float32), atol=1e-6
    )


def test_pictures_keep_the_channel_last_in_memory_and_the_bits_of_the_formula() -> None:
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8, 3), np.uint8))
    turned = frames.transpose(2, 3)  # no longer contiguous
    processor = Processor(8, frameskip=1, action_dim=1)
    for raw in (frames, turned, frames[0], frames[0, 0]):
        images = processor.observations(raw)
        mean, std = images.new_tensor(processor.image_mean), images.new_tensor(processor.image_std)
        due = raw.float().mul(1 / (255 * std)).sub(mean / std).movedim(-1, -3)
        assert torch.equal(images, due)
        assert images.movedim(-3, -1).is_contiguous()


def test_frames_are_left_alone() -> None:
    pixels = torch.randint(0, 256, (2, 6, 6, 3), dtype=torch.uint8)
    before = pixels.clone()
    Processor(6, frameskip=1, action_dim=1).observations(pixels)
    assert torch.equal(pixels, before)


def test_blocks_are_differentiable() -> None:
    processor = Processor(8, frameskip=2, action_dim=1, action_mean=(1.0,), action_std=(2.0,))
    actions = torch.randn(4, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(processor.action_blocks, (actions,))
    blocks = torch.randn(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(processor.raw_actions, (blocks,))


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.action_blocks(torch.zeros(2, 1)),
        lambda p: p.raw_actions(torch.zeros(2)),
        lambda p: p.block_bounds(-1, 1),
    ],
)
def test_without_statistics_the_error_says_how_to_get_them(call) -> None:
    with pytest.raises(ConfigError, match=r"leworld stats DATASET\.h5"):
        call(Processor(8, frameskip=2, action_dim=1))


def test_fitted_image_statistics_match_numpy() -> None:
    train = random_episodes([9, 8])
    processor = fit_processor(train, frameskip=1, image_statistics="fit")
    scaled = train.pixels / 255
    np.testing.assert_allclose(processor.image_mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-10)
    np.testing.assert_allclose(processor.image_std, scaled.std(axis=(0, 1, 2)), rtol=1e-10)
    images = processor.observations(torch.from_numpy(train.pixels))
    assert images.mean((0, 2, 3)).abs().max() < 1e-5
    assert (images.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_fit_records_where_the_statistics_come_from() -> None:
    processor = fit_processor(random_episodes([4, 5]), frameskip=3, image_size=32)
    assert processor.environment_id == "fake/Random-v0"
    assert processor.statistics_source == "2 training episodes of fake/Random-v0"
    assert (processor.image_size, processor.frameskip, processor.block_dim) == (32, 3, 6)
    assert fit_processor(random_episodes([4]), frameskip=1, source="mine").statistics_source == "mine"


def test_fit_refuses_what_it_cannot_measure() -> None:
    still = Episodes(np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 1), np.nan), lengths=np.array([1, 1]))
    with pytest.raises(DataError, match="at least one finite action"):
        fit_processor(still, frameskip=1)
    black = Episodes(np.zeros((2, 4, 4, 3), np.uint8), np.ones((2, 1)), lengths=np.array([2]))
    with pytest.raises(DataError, match="every colour to vary"):
        fit_processor(black, frameskip=1, image_statistics="fit")
