import gymnasium
import numpy as np
import pytest

from leworld.data import collect
from leworld.errors import ConfigError, DataError
from leworld.tasks import ExpertPolicy
from tests.data.fakes import CountingEnv, counting_vector, steady_policy

MODES = ("NextStep", "SameStep")


def test_a_single_environment_gives_whole_episodes() -> None:
    data = collect(CountingEnv(), steady_policy, num_episodes=6, seed=1, progress=False)
    assert data.pixels[:, 0, 0, 1].tolist() == np.repeat(np.arange(6), data.lengths).tolist()
    assert len(set(data.lengths.tolist())) > 1
    for index in range(6):
        rows = data.rows(index)
        state, actions = data.columns["state"][rows], data.actions[rows]
        np.testing.assert_allclose(state[1:], state[:-1] + actions[:-1], atol=1e-12)
        assert data.columns["goal"][rows][0] == data.lengths[index] - 1


@pytest.mark.parametrize("mode", MODES)
def test_copies_do_not_influence_one_another(mode: str) -> None:
    """Copy i of a vector environment gives what that environment gives alone with its seed."""
    together = collect(counting_vector(3, mode), steady_policy, num_episodes=9, seed=4, progress=False)

    class Alone(CountingEnv):
        def reset(self, *, seed=None, options=None):
            return super().reset(seed=None if seed is None else seed + self.copy, options=options)

    for copy in range(3):
        alone = collect(Alone(copy), steady_policy, num_episodes=3, seed=4, progress=False)
        ours = together.select([copy, copy + 3, copy + 6])
        np.testing.assert_array_equal(ours.pixels, alone.pixels)
        np.testing.assert_array_equal(ours.actions, alone.actions)
        np.testing.assert_array_equal(ours.columns["state"], alone.columns["state"])


def test_long_episodes_are_as_frequent_as_short_ones() -> None:
    """Lengths are uniform on 1..40. Keeping whichever finish first would shorten their mean."""
    count = 720
    data = collect(
        counting_vector(240, "SameStep", longest=40),
        steady_policy,
        num_episodes=count,
        seed=0,
        progress=False,
    )
    mean, std = 20.5, np.sqrt((40**2 - 1) / 12)
    assert abs((data.lengths - 1).mean() - mean) < 4.9 * std / np.sqrt(count)  # false alarm below 1e-6


@pytest.mark.parametrize("mode", MODES)
def test_equal_seeds_equal_data(mode: str) -> None:
    def run(seed: int):
        return collect(counting_vector(4, mode), steady_policy, num_episodes=7, seed=seed, progress=False)

    np.testing.assert_array_equal(run(0).actions, run(0).actions)
    np.testing.assert_array_equal(run(0).pixels, run(0).pixels)
    starts = [run(seed).columns["state"][run(seed).offsets, 0].tolist() for seed in (0, 1, 2)]
    assert not set(starts[0]) & set(starts[1])  # gymnasium's seed + i alone would share three copies of four
    assert not set(starts[1]) & set(starts[2])


def test_the_policy_is_seeded_once_and_apart_from_the_environment() -> None:
    class Noisy:
        seeds: list[int] = []  # noqa: RUF012

        def reset(self, seed: int) -> None:
            self.seeds.append(seed)
            self.rng = np.random.default_rng(seed)

        def __call__(self, info):
            return self.rng.normal(size=(2, 1))

    env = counting_vector(2, "NextStep")
    seen = []
    reset = env.reset
    env.reset = lambda *, seed=None, options=None: seen.append(seed) or reset(seed=seed, options=options)
    first = collect(env, Noisy(), num_episodes=5, seed=3, progress=False)
    second = collect(env, Noisy(), num_episodes=5, seed=3, progress=False)
    np.testing.assert_array_equal(first.actions, second.actions)
    assert Noisy.seeds[0] == Noisy.seeds[1]
    assert seen == [seen[0]] * 2
    assert seen[0] != Noisy.seeds[0]


def test_columns_can_be_chosen() -> None:
    env = counting_vector(2, "SameStep")
    data = collect(env, steady_policy, num_episodes=2, seed=0, columns=["goal"], progress=False)
    assert set(data.columns) == {"goal", "reward", "terminated", "truncated"}
    with pytest.raises(DataError, match="`proprio`"):
        collect(env, steady_policy, num_episodes=2, seed=0, columns=["proprio"], progress=False)


def test_dictionary_observations_with_pixels() -> None:
    class Both(gymnasium.ObservationWrapper):
        def __init__(self, env):
            super().__init__(env)
            space = {"pixels": env.observation_space, "x": gymnasium.spaces.Box(0, 1, (1,))}
            self.observation_space = gymnasium.spaces.Dict(space)

        def observation(self, observation):
            return {"pixels": observation, "x": np.zeros(1, np.float32)}

    options = {"num_episodes": 4, "seed": 0, "progress": False}
    plain = collect(CountingEnv(), steady_policy, **options)
    np.testing.assert_array_equal(collect(Both(CountingEnv()), steady_policy, **options).pixels, plain.pixels)
    for mode in MODES:
        both = gymnasium.vector.SyncVectorEnv([lambda: Both(CountingEnv())] * 2, autoreset_mode=mode)
        bare = gymnasium.vector.SyncVectorEnv([CountingEnv] * 2, autoreset_mode=mode)
        np.testing.assert_array_equal(
            collect(both, steady_policy, **options).pixels, collect(bare, steady_policy, **options).pixels
        )


def test_the_environment_is_named() -> None:
    env = CountingEnv()
    assert collect(env, steady_policy, num_episodes=1, seed=0, progress=False).environment_id is None
    env.spec = gymnasium.envs.registration.EnvSpec("leworld/Counting-v0", entry_point="tests:none")
    named = collect(env, steady_policy, num_episodes=1, seed=0, progress=False)
    assert named.environment_id == "leworld/Counting-v0"
    renamed = collect(env, steady_policy, num_episodes=1, seed=0, environment_id="mine", progress=False)
    assert renamed.environment_id == "mine"


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    collect(CountingEnv(), steady_policy, num_episodes=3, seed=0, progress=False)
    assert capsys.readouterr() == ("", "")
    collect(CountingEnv(), steady_policy, num_episodes=3, seed=0)
    out, err = capsys.readouterr()
    assert not out
    assert "3/3" in err


def test_modes_that_cannot_be_stepped_are_refused() -> None:
    with pytest.raises(ConfigError, match="Disabled"):
        collect(counting_vector(2, "Disabled"), steady_policy, num_episodes=1, seed=0, progress=False)
    undeclared = counting_vector(2, "NextStep")
    undeclared.metadata = {}
    with pytest.raises(ConfigError, match=r"autoreset_mode.* is None"):
        collect(undeclared, steady_policy, num_episodes=1, seed=0, progress=False)


@pytest.mark.parametrize("mode", MODES)
def test_two_room_data_are_consistent(mode: str) -> None:
    envs = pytest.importorskip("leworld.envs")
    data = collect(
        envs.TwoRoomVector(3, autoreset_mode=mode, max_episode_steps=20),
        ExpertPolicy(),
        num_episodes=5,
        seed=0,
        progress=False,
    )
    arena = envs.TwoRoomArena()
    for index in range(5):
        rows = data.rows(index)
        state, goal, actions = data.columns["state"][rows], data.columns["goal"][rows], data.actions[rows]
        assert (goal == goal[0]).all()
        np.testing.assert_array_equal(arena.step(state[:-1], actions[:-1]), state[1:])
        np.testing.assert_array_equal(arena.painter(64).paint(state), data.pixels[rows])
        ended = arena.reached(state, goal)
        assert not ended[1:-1].any()
        assert ended[-1] or len(state) == 21
