"""What leworld asks of a world to plan, report and train in it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Bool, Float

from .._checks import check_choice, check_number, plain_numbers
from .._random import fold_seed
from .._typing import Limits, MaybeNone
from ..control import MPCPolicy, Policy, RandomPolicy
from ..data import Episodes, collect
from ..errors import ConfigError, DataError
from ..evaluation import (
    Backdrop,
    GoalEnvironment,
    GoalPairs,
    GoalReachingResult,
    GoalSteps,
    OraclePolicy,
    Quantity,
    StateWorld,
    goal_reaching,
    trajectory_pairs,
)
from ..models import WorldModel
from ..planners import CEMPlanner, Planner
from ._fixed_length import FixedLength

if TYPE_CHECKING:
    from ._recipe import Recipe

SIDE_BY_SIDE = 25
_COLLECTED_SIDE_BY_SIDE = 50
_DATA, HELD_OUT, _FIXED = 0x44415441, 0x48454C44, 0x46495845  # "DATA", "HELD", "FIXE": streams of seeds
FIXED_GOAL = "fixed-goal"


class CollectingPolicy(Protocol):
    """What `leworld.data.collect` asks of a policy: actions from the info that the environment returned.

    A method `reset(seed)` is called once at the start where there is one.

    Example:
        ```python
        from leworld.tasks import CollectingPolicy, SmoothPolicy

        policy: CollectingPolicy = SmoothPolicy(2)
        assert callable(policy)
        ```
    """

    def __call__(self, info: Mapping[str, Any], /) -> np.ndarray:
        """Return one raw action for each environment, "env action"."""
        ...


class Task(ABC):
    """One world with its goals: what `leworld plan`, `report`, `probe`, `surprise` and `train` ask.

    Subclass it for an environment of your own, or `StateTask` where two functions tell how states move and
    look, and `register` an instance. Required are the attributes without a default below, `make`,
    `collecting_policy`, and success: either `success_radius`, or `reached`, `distance` and `success_words`.
    Everything else has a default or is optional; what a task does not offer is left out of reports with a
    reason.

    Attributes:
        name: Short name, for the command line: `leworld train NAME`.
        environment_id: Name of the world in data and checkpoints; `task_of` finds the task by it.
        other_ids: Further names of the same world, as others write them into data and checkpoints.
        action_dim: Components of a raw action; for choices their number.
        action_limits: Lowest and highest raw action, each a number or one a component.
        action_choices: Number of choices where the action is one, or None. Environments then take, and
            policies return, numbers of choices (env,); data hold one-hot actions.
        image_size: Side of a picture in pixels where nothing else asks for one.
        frameskip: Raw actions in a block of the recipe's model.
        episode_steps: Actions in a collected episode.
        protocols: Names of the goal-reaching protocols: `leworld plan` takes the first by default, a report
            shows the last. `trajectory-N` comes for free: goals are what a held-out episode reached N steps
            later.
        budget: Environment steps that a policy may take for a goal.
        success_radius: Euclidean distance of states that counts as reached; None where `reached` is your own.
        success_words: What counts as reached, in words that follow "reached"; unused with a radius.
        distance_unit: Unit of `distance` in words.
        fixed_goal: State that models of one task are trained to reach, see `fixed_goal_pairs`, or None.
        events: Kinds of impossible events that this world can show, see `leworld.evaluation.perturb`.
        shipped_model: Name of a pretrained model of this world, or None.

    Example:
        ```python
        import numpy as np
        from leworld.tasks import SmoothPolicy, Task, get_task

        class Arm(Task):
            name, environment_id, action_dim, success_radius = "my-arm", "mine/Arm-v0", 2, 0.05

            def make(self, num_envs, image_size=None):
                raise NotImplementedError  # a vector environment, see `leworld.evaluation.GoalEnvironment`

            def collecting_policy(self):
                return SmoothPolicy(self.action_dim)

        assert Arm().reached(np.zeros(2), np.full(2, 0.03)) and Arm().world is None
        pairs = get_task("tworoom").pairs("cross-door", 5, seed=1)
        assert len(pairs) == 5
        ```
    """

    name: str
    environment_id: str
    other_ids: tuple[str, ...] = ()
    action_dim: int
    action_limits: Limits = (-1.0, 1.0)
    action_choices: int | None = None
    image_size: int = 64
    frameskip: int = 5
    episode_steps: int = 60
    protocols: tuple[str, ...] = ("trajectory-25",)
    budget: int = 50
    success_radius: float | None = None
    success_words: str = ""
    distance_unit: str = ""
    fixed_goal: tuple[float, ...] | None = None
    events: tuple[str, ...] = ("teleport", "colour", "freeze", "reversal", "vanish")
    shipped_model: str | None = None

    @abstractmethod
    def make(self, num_envs: int, image_size: int | None = None) -> GoalEnvironment:
        """Make `num_envs` copies of the environment that can be set to a state and never reset themselves."""

    @abstractmethod
    def collecting_policy(self) -> CollectingPolicy:
        """Make the policy that gathers episodes; what it never does, a model cannot learn."""

    def distance(
        self, state: Float[np.ndarray, "*#batch state"], goal: Float[np.ndarray, "*#batch state"]
    ) -> Float[np.ndarray, "*batch"]:
        """Return how far states are from goals, for tables; Euclidean unless overridden."""
        return np.linalg.norm(np.asarray(state, np.float64) - np.asarray(goal, np.float64), axis=-1)

    def reached(
        self, state: Float[np.ndarray, "*#batch state"], goal: Float[np.ndarray, "*#batch state"]
    ) -> Bool[np.ndarray, "*batch"]:
        """Say of states whether they are at their goals: within `success_radius` unless overridden."""
        if self.success_radius is None:
            raise NotImplementedError(f"{type(self).__name__} needs `success_radius`, or its own `reached`")
        return np.asarray(self.distance(state, goal) <= self.success_radius)

    @property
    def world(self) -> StateWorld | MaybeNone:
        """Exact dynamics and pictures of states: for the oracle, teleports and monotonicity. None without."""
        return None

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """What probes read: quantities by name, of the columns that the environment's info reports."""
        return {"state": Quantity("state")}

    @plain_numbers
    def collect(
        self,
        num_episodes: int = 1000,
        *,
        seed: int = 0,
        image_size: int | None = None,
        progress: bool = False,
    ) -> Episodes:
        """Gather episodes to train on. Equal seeds give equal episodes."""
        return self._gather(num_episodes, fold_seed(seed, _DATA), image_size, progress)

    @plain_numbers
    def held_out(
        self,
        num_episodes: int = 100,
        *,
        seed: int = 0,
        image_size: int | None = None,
        progress: bool = False,
    ) -> Episodes:
        """Gather episodes that share nothing with those of `collect`, whatever their seeds."""
        return self._gather(num_episodes, fold_seed(seed, HELD_OUT), image_size, progress)

    def _collecting_env(self, num_envs: int, image_size: int | None) -> GoalEnvironment:
        return self.make(num_envs, image_size)

    def _gather(self, num_episodes: int, seed: int, image_size: int | None, progress: bool) -> Episodes:
        check_number("Task.collect", "num_episodes", num_episodes, low=1, integer=True)
        env = self._collecting_env(min(_COLLECTED_SIDE_BY_SIDE, num_episodes), image_size)
        return collect(
            FixedLength(env, self.episode_steps),
            self.collecting_policy(),
            num_episodes=num_episodes,
            seed=seed,
            environment_id=self.environment_id,
            progress=progress,
        )

    @plain_numbers
    def pairs(
        self, protocol: str, num_pairs: int = 100, *, episodes: Episodes | None = None, seed: int = 0
    ) -> GoalPairs:
        """Draw start and goal pairs of one of `protocols`; override it for protocols of your own.

        Args:
            protocol: One of `protocols`.
            num_pairs: Pairs to draw.
            episodes: Held-out episodes for `trajectory-N`; as many as pairs are collected when None.
            seed: Which pairs are drawn, and which episodes are collected.
        """
        check_choice(f"{type(self).__name__}.pairs", "protocol", protocol, self.protocols)
        if episodes is None:
            episodes = self.held_out(num_pairs, seed=seed)
        offset = int(protocol.removeprefix("trajectory-"))
        if self.success_radius is None:
            return trajectory_pairs(
                episodes, num_pairs, goal_offset=offset, budget=self.budget, success=self, seed=seed
            )
        radius = self.success_radius
        return trajectory_pairs(
            episodes, num_pairs, goal_offset=offset, budget=self.budget, success_radius=radius, seed=seed
        )

    @plain_numbers
    def fixed_goal_pairs(
        self, num_pairs: int = 100, *, episodes: Episodes | None = None, seed: int = 0
    ) -> GoalPairs:
        """Draw starts from anywhere, with `fixed_goal` as the goal of all: the protocol "fixed-goal".

        On it models that know one task, trained on `with_rewards` of that goal, and models that know none can
        be compared. Starts are the states of random rows of held-out episodes, none of them at the goal.

        Args:
            num_pairs: Pairs to draw.
            episodes: Held-out episodes; as many as pairs are collected when None.
            seed: Which starts are drawn, and which episodes are collected.

        Raises:
            ConfigError: The task has no `fixed_goal`, or its episodes no `state`.
            DataError: Too few rows are not at the goal.
        """
        goal = self._fixed_goal("fixed_goal_pairs")
        check_number(f"{type(self).__name__}.fixed_goal_pairs", "num_pairs", num_pairs, low=1, integer=True)
        if episodes is None:
            episodes = self.held_out(num_pairs, seed=seed)
        states = np.asarray(episodes.columns.get("state", np.empty((0, len(goal)))), np.float32)
        return self._to_fixed_goal(states, num_pairs, seed, budget=self.budget)

    def _fixed_goal(self, owner: str) -> Float[np.ndarray, " state"]:
        if self.fixed_goal is None:
            raise ConfigError(
                f"{type(self).__name__}.{owner} needs a task with a `fixed_goal`",
                "it is None",
                "Set it on the task: the state that a model of one task shall reach",
            )
        return np.asarray(self.fixed_goal, np.float32)

    def _to_fixed_goal(
        self, states: Float[np.ndarray, "row state"], num_pairs: int, seed: int, *, budget: int
    ) -> GoalPairs:
        """Draw pairs from rows of states, each at most once."""
        goal = self._fixed_goal("fixed_goal_pairs")
        away = states[~np.asarray(self.reached(states, goal[None]), bool)]
        if len(away) < num_pairs:
            raise DataError(
                f"{type(self).__name__}.fixed_goal_pairs needs {num_pairs} states that are not at the goal",
                f"there are {len(away)} among {len(states)}",
                "Pass more held-out episodes, with a column `state`",
            )
        drawn = np.random.default_rng(fold_seed(seed, _FIXED)).permutation(len(away))[:num_pairs]
        radius = self.success_radius
        return GoalPairs(
            start=away[drawn],
            goal=np.repeat(goal[None], num_pairs, axis=0),
            protocol=FIXED_GOAL,
            budget=budget,
            success_radius=radius,
            success=self if radius is None else None,
        )

    @plain_numbers
    def oracle(self, planner: Planner, *, frameskip: int, seed: int = 0) -> Policy | MaybeNone:
        """Make a policy that plans with the true dynamics, or None without them or for discrete actions."""
        if self.world is None or self.action_choices is not None:
            return None
        return OraclePolicy(
            self.world,
            planner,
            action_dim=self.action_dim,
            frameskip=frameskip,
            action_limits=self.action_limits,
            distance=self.distance if self.success_radius is None else None,
            seed=seed,
        )

    def normal_events(self, episodes: Episodes) -> Mapping[str, np.ndarray]:
        """Return rare but normal moments by name: masks over the rows of `episodes`, for `surprise`."""
        return {}

    @plain_numbers
    def goal_steps(self, num_steps: int = 2000, *, seed: int = 0) -> GoalSteps | MaybeNone:
        """Draw steps toward goals for `metric_monotonicity`, or None where the world cannot tell them."""
        return None

    def backdrop(self) -> Backdrop | None:
        """Return what paths are drawn on, or None for a plain frame."""
        return None

    def recipe(self) -> "Recipe":
        """Return how a model of this world is trained: `LeWMRecipe` unless overridden. Needs Lightning."""
        from ._recipe import LeWMRecipe

        return LeWMRecipe(task=self)

    @plain_numbers
    def play(
        self,
        model: WorldModel,
        pairs: GoalPairs,
        *,
        planner: Planner | None = None,
        baselines: tuple[str, ...] = ("random", "oracle"),
        seed: int = 0,
        num_recorded: int = 4,
        progress: bool = True,
    ) -> GoalReachingResult:
        """Let a model plan its way to goals, and play random actions and the true dynamics beside it.

        Args:
            model: A world model with its processor.
            pairs: Starts and goals, for example from `pairs`.
            planner: CEM as usual when None.
            baselines: Some of "random" and "oracle"; the latter is left out where there are no dynamics.
            seed: The noise of planner and policies.
            num_recorded: Pairs whose frames are kept.
            progress: Show a progress bar.
        """
        planner = CEMPlanner() if planner is None else planner
        limits = self.action_limits
        policies: dict[str, Policy] = {
            type(model).__name__: MPCPolicy(model, planner, action_limits=limits, seed=seed)
        }
        for name in baselines:
            check_choice(f"{type(self).__name__}.play", "baselines", name, ("random", "oracle"))
        if "random" in baselines:
            policies["random"] = RandomPolicy(
                self.action_dim, action_limits=limits, action_choices=self.action_choices, seed=seed
            )
        if "oracle" in baselines:
            oracle = self.oracle(planner, frameskip=model.processor.frameskip, seed=seed)
            policies |= {} if oracle is None else {"oracle": oracle}
        env = self.make(min(len(pairs), SIDE_BY_SIDE), model.processor.image_size)
        result = goal_reaching(
            pairs, policies, env=env, seed=seed, num_recorded=num_recorded, progress=progress
        )
        return replace(result, backdrop=self.backdrop())
