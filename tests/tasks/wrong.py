"""Tasks and searches with one planted mistake each, which the suites must reject."""

import dataclasses
import math

import numpy as np

from leworld.tasks import StateTask
from leworld.tasks._tuning._search import next_weight
from tests.tasks.worlds import Dot, Feeling, Switched


class ReachedInverted(Dot):
    success_radius, success_words = None, "within 0.1"

    def reached(self, state, goal):
        return self.distance(state, goal) > 0.1


class AlwaysReached(Dot):
    success_radius, success_words = None, "always"

    def reached(self, state, goal):
        return self.distance(state, goal) >= 0


class HeldOutIsTrainingData(Dot):
    def held_out(self, num_episodes=100, *, seed=0, image_size=None, progress=False):
        return self.collect(num_episodes, seed=seed, image_size=image_size)


class SeedIgnored(Dot):
    def held_out(self, num_episodes=100, *, seed=0, image_size=None, progress=False):
        return super().held_out(num_episodes, seed=0, image_size=image_size)


class PairsStartSolved(Dot):
    def pairs(self, protocol, num_pairs=100, *, episodes=None, seed=0):
        pairs = super().pairs(protocol, num_pairs, episodes=episodes, seed=seed)
        return dataclasses.replace(pairs, goal=pairs.start)


class AnotherRadius(Dot):
    def distance(self, state, goal):
        return np.linalg.norm(state - goal, axis=-1) ** 2


class AnotherMotion(Dot):
    @property
    def world(self):
        return _Faster()


class _Faster(Dot):
    def step(self, states, actions):
        return super().step(states, 2 * actions)


class WrongWords(Dot):
    success_words = "within a radius and by a rule"


class _Environment:
    """The dot's environment behind a wrapper that a wrong one changes."""

    def __init__(self, task: StateTask, num_envs: int, image_size: int | None) -> None:
        self.env = StateTask.make(task, num_envs, image_size)
        self.num_envs, self.metadata = num_envs, {"autoreset_mode": "Disabled"}

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=seed, options=options)

    def step(self, actions):
        return self.env.step(actions)


class _Stubborn(_Environment):
    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=seed)


class _Lame(_Environment):
    def step(self, actions):
        return self.env.step(0 * actions)


class _Veiled(_Environment):
    def reset(self, *, seed=None, options=None):
        pixels, info = self.env.reset(seed=seed, options=options)
        return pixels, info | {"goal_pixels": np.zeros_like(pixels)}


class StartIgnored(Dot):
    def make(self, num_envs, image_size=None):
        return _Stubborn(self, num_envs, image_size)


class ActionsIgnored(Dot):
    def make(self, num_envs, image_size=None):
        return _Lame(self, num_envs, image_size)


class GoalUnseen(Dot):
    def make(self, num_envs, image_size=None):
        return _Veiled(self, num_envs, image_size)


class RestartsByItself(Dot):
    def make(self, num_envs, image_size=None):
        env = _Environment(self, num_envs, image_size)
        env.metadata = {"autoreset_mode": "NextStep"}
        return env


class _Numb(_Environment):
    """Shows the goal's parts as if they were felt now."""

    def reset(self, *, seed=None, options=None):
        seen, info = self.env.reset(seed=seed, options=options)
        return seen, info | {f"goal_{name}": part for name, part in seen.items()}


class GoalFeelsLikeNow(Feeling):
    def make(self, num_envs, image_size=None):
        return _Numb(self, num_envs, image_size)


class FeelsAnotherState(Feeling):
    def sense(self, states):
        noise = np.random.default_rng().normal(size=np.shape(states))
        return {"proprio": states + noise}


class NoRight(Switched):
    def step(self, states, actions):
        return super().step(states, np.minimum(actions, [1, 1, 0]))


class OtherChoices(Switched):
    action_choices = 2


WRONG = [
    GoalFeelsLikeNow,
    FeelsAnotherState,
    NoRight,
    OtherChoices,
    ReachedInverted,
    AlwaysReached,
    HeldOutIsTrainingData,
    SeedIgnored,
    PairsStartSolved,
    AnotherRadius,
    AnotherMotion,
    WrongWords,
    StartIgnored,
    ActionsIgnored,
    GoalUnseen,
    RestartsByItself,
]


def whole_steps(low, high, known):
    """Never halves the distance."""
    return next((w for w in _grid(low, high, 0.25) if w not in known), None)


def worst_first(low, high, known):
    """Looks around the worst."""
    return next_weight(low, high, {weight: -score for weight, score in known.items()})


def without_logarithm(low, high, known):
    """Halves the interval itself."""
    shifted = {math.exp(weight): score for weight, score in known.items()}
    found = next_weight(math.exp(low), math.exp(high), shifted)
    return None if found is None else math.log(found)


def _grid(low, high, part):
    return [low * (high / low) ** (part * i) for i in range(round(1 / part) + 1)]


SEARCHES = (whole_steps, worst_first, without_logarithm)
