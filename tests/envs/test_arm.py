"""The two-link arm beside complex rotations and a supersampled picture; wrong ones are rejected."""

from collections.abc import Callable

import numpy as np
import pytest

from leworld.envs import TwoLinkArm

Function = Callable[..., np.ndarray]
LINKS = ((0.22, 0.05, (30, 60, 200)), (0.24, 0.04, (220, 40, 30)))  # length, half width, colour
FINE = 8  # samples a pixel and axis


def check_step(step: Function) -> None:
    rng = np.random.default_rng(0)
    states, actions = rng.uniform(-np.pi, np.pi, (500, 2)), rng.uniform(-3, 3, (500, 2))
    moved = step(states, actions)
    turned = np.exp(1j * states) * np.exp(0.06j * np.clip(actions, -1, 1))
    assert np.abs(np.exp(1j * moved) - turned).max() < 1e-12
    assert moved.min() >= -np.pi
    assert moved.max() < np.pi
    assert step(states[:, None], actions[None]).shape == (500, 500, 2)
    small = step(states.astype(np.float32), actions.astype(np.float32))
    assert small.dtype == np.float32
    assert np.abs(np.exp(1j * small.astype(np.float64)) - turned).max() < 2e-6


def check_distance(distance: Function) -> None:
    rng = np.random.default_rng(1)
    states, goals = rng.uniform(-np.pi, np.pi, (2, 500, 2))
    due = np.abs(np.angle(np.exp(1j * (states - goals)))).max(axis=1)
    assert np.allclose(distance(states, goals), due, atol=1e-12)


def supersampled(state: np.ndarray, image_size: int) -> np.ndarray:
    """A picture whose samples lie on a link or not."""
    side = image_size * FINE
    centres = (np.arange(side) + 0.5) / side - 0.5
    place = centres[None, :] + 1j * centres[:, None]
    picture = np.full((side, side, 3), 255.0)
    start, angle = 0j, 0.0
    for (length, width, colour), turn in zip(LINKS, state, strict=True):
        angle += turn
        own = (place - start) * np.exp(-1j * angle)  # from the joint, along the link
        nearest = np.clip(own.real, 0, length)
        picture[np.abs(own - nearest) <= width] = colour
        start = start + length * np.exp(1j * angle)
    return picture.reshape(image_size, FINE, image_size, FINE, 3).mean(axis=(1, 3))


def check_render(render: Function) -> None:
    states = np.random.default_rng(2).uniform(-np.pi, np.pi, (12, 2))
    for image_size in (24, 64):
        pictures = render(states, image_size)
        assert pictures.shape == (12, image_size, image_size, 3)
        assert pictures.dtype == np.uint8
        due = np.stack([supersampled(state, image_size) for state in states])
        assert np.abs(pictures - due).mean() < 1.0
        assert np.abs(pictures - due).max() < 70  # round ends, whose edge the distance tells less well


def test_it_moves_and_looks_as_it_should() -> None:
    arm = TwoLinkArm()
    check_step(arm.step)
    check_distance(arm.distance)
    check_render(arm.render)
    many = np.random.default_rng(3).uniform(-3, 3, (5, 40, 2))
    one_by_one = np.stack([[arm.render(state, 16) for state in row] for row in many])
    assert np.array_equal(arm.render(many, 16), one_by_one)
    assert arm.render(np.zeros((0, 2)), 16).shape == (0, 16, 16, 3)


def moved(states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return states + 0.06 * actions


WRONG = {
    "no clipping": (check_step, lambda s, a: (moved(s, a) + np.pi) % (2 * np.pi) - np.pi),
    "no wrapping": (check_step, lambda s, a: moved(s, np.clip(a, -1, 1))),
    "twice as fast": (check_step, lambda s, a: TwoLinkArm().step(TwoLinkArm().step(s, a), a)),
    "an angle of the other sign": (check_step, lambda s, a: TwoLinkArm().step(s, -a)),
    "doubles": (check_step, lambda s, a: TwoLinkArm().step(s.astype(np.float64), a)),
    "no wrapped distance": (check_distance, lambda s, g: np.abs(s - g).max(axis=-1)),
    "the mean joint": (
        check_distance,
        lambda s, g: np.abs((s - g + np.pi) % (2 * np.pi) - np.pi).mean(axis=-1),
    ),
    "an absolute elbow": (
        check_render,
        lambda s, n: TwoLinkArm().render(np.stack([s[:, 0], s[:, 1] - s[:, 0]], axis=-1), n),
    ),
    "joints swapped": (check_render, lambda s, n: TwoLinkArm().render(s[:, ::-1], n)),
    "upside down": (check_render, lambda s, n: TwoLinkArm().render(s, n)[:, ::-1]),
    "other colours": (check_render, lambda s, n: TwoLinkArm().render(s, n)[..., ::-1]),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_seen(mistake: str) -> None:
    check, function = WRONG[mistake]
    with pytest.raises(AssertionError):
        check(function)
