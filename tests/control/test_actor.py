"""Acting by a policy head on worlds whose best action is known."""

import numpy as np
import pytest
import torch

from leworld.control import ActorPolicy
from leworld.data import Observation, Processor, VectorPart
from leworld.errors import ConfigError, ShapeError
from leworld.heads import CategoricalPolicy, GaussianPolicy
from leworld.models import TDMPC2
from tests.control.fakes import FRAMESKIP, MEAN, STD, move, paint, point_model


def homing(latents: torch.Tensor) -> torch.Tensor:
    """Blocks that go from a position straight to the middle, in as many steps as they have."""
    raw = (-10 * latents / FRAMESKIP).unsqueeze(1).expand(-1, FRAMESKIP, -1)
    return ((raw - torch.tensor(MEAN)) / torch.tensor(STD)).flatten(1)


def test_it_executes_the_blocks_that_its_head_says() -> None:
    model = point_model()
    policy = ActorPolicy(model, homing)
    policy.reset()
    positions = np.array([[0.15, -0.1], [-0.05, 0.2], [0.0, 0.1]])
    for _ in range(FRAMESKIP):
        actions = policy.act(paint(positions))
        assert actions.dtype == np.float32
        positions = move(positions, actions)
    assert np.abs(positions).max() < 0.02
    assert model.encoded == [3]  # a frame a block
    far = np.array([[0.9, 0.0]])
    policy.reset()
    assert policy.act(paint(far))[0, 0] == -1.0  # clipped


def test_draws_of_an_environment_are_its_own_and_begin_again_at_a_reset() -> None:
    torch.manual_seed(0)
    head = GaussianPolicy(2, 2 * FRAMESKIP, hidden_dims=(4,))
    limits = (-10.0, 10.0)

    def acted(rows: list[int], seed: int = 0, **options) -> np.ndarray:
        policy = ActorPolicy(point_model(), head, action_limits=limits, seed=seed, **options)
        policy.reset()
        places = np.linspace(-0.5, 0.5, 6).reshape(3, 2)[rows]
        first = [policy.act(paint(places)) for _ in range(2 * FRAMESKIP)]
        policy.reset()
        again = [policy.act(paint(places)) for _ in range(2 * FRAMESKIP)]
        np.testing.assert_array_equal(first, again)
        return np.stack(first)

    together = acted([0, 1, 2], explore=True)
    np.testing.assert_array_equal(acted([0], explore=True), together[:, :1])
    np.testing.assert_array_equal(acted([0, 1], explore=True), together[:, :2])
    assert not np.array_equal(acted([0], explore=True, seed=1), together[:, :1])
    mean = acted([0, 1, 2])
    assert np.abs(mean - together).min() > 1e-4
    assert not np.array_equal(together[0], together[FRAMESKIP])  # drawn anew for each block
    np.testing.assert_array_equal(mean[0], mean[FRAMESKIP])


def test_a_models_own_policy_is_asked() -> None:
    torch.manual_seed(0)
    model = TDMPC2.of_size("1M", 4, observation_dim=3).eval()
    model.processor = vectors(3)
    policy = ActorPolicy(model)
    seen = Observation(parts={"proprio": np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)})
    actions = np.stack([policy.act(seen) for _ in range(2)], axis=1)
    with torch.no_grad():
        latents = model.present(model.observe(None, torch.from_numpy(seen["proprio"])))
        due = model.policy(latents)
    np.testing.assert_allclose(actions.reshape(5, 4), due, atol=1e-6)
    assert model.training is False


def vectors(dim: int) -> Processor:
    return Processor(
        None,
        frameskip=2,
        action_dim=2,
        action_mean=(0.0, 0.0),
        action_std=(1.0, 1.0),
        parts={"proprio": VectorPart((0.0,) * dim, (1.0,) * dim)},
    )


def test_choices_come_as_indices() -> None:
    model = point_model()
    model.processor = Processor(
        4,
        frameskip=1,
        action_dim=3,
        image_mean=(0.5,) * 3,
        image_std=(0.5,) * 3,
        action_mean=(0.0,) * 3,
        action_std=(1.0,) * 3,
        action_choices=3,
    )
    model.action_dim = 3
    head = CategoricalPolicy(2, 3, hidden_dims=(4,))
    policy = ActorPolicy(model, head)
    places = np.array([[0.5, 0.1], [-0.5, 0.3]])
    choices = policy.act(paint(places))
    assert choices.dtype == np.int64
    with torch.no_grad():
        latents = model.encode(torch.from_numpy(paint(places).pixels[:, None]).movedim(-1, 2) / 127.5 - 1)[
            :, 0
        ]
    assert choices.tolist() == head.probabilities(latents).argmax(-1).tolist()
    drawn = ActorPolicy(model, head, explore=True, seed=1)
    assert set(drawn.act(paint(np.zeros((60, 2)))).tolist()) == {0, 1, 2}


def test_other_environments_need_a_reset() -> None:
    policy = ActorPolicy(point_model(), homing)
    policy.act(paint(np.zeros((2, 2))))
    with pytest.raises(ShapeError, match="2 environments that it began with"):
        policy.act(paint(np.zeros((3, 2))))
    policy.reset(paint(np.zeros((3, 2))))
    assert policy.act(paint(np.zeros((3, 2)))).shape == (3, 2)


def test_a_call_that_raises_leaves_it_as_it_was() -> None:
    calls = []

    def head(latents):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return homing(latents)

    policy, places = ActorPolicy(point_model(), head), np.full((1, 2), 0.1)
    first = [policy.act(paint(places)) for _ in range(FRAMESKIP)]
    with pytest.raises(KeyboardInterrupt):
        policy.act(paint(places))
    np.testing.assert_array_equal([policy.act(paint(places)) for _ in range(FRAMESKIP)], first)


def test_a_model_that_learns_to_act_is_needed() -> None:
    with pytest.raises(ConfigError, match="maps latents to action blocks"):
        ActorPolicy(point_model())
