"""Everything in leworld that calls user code, driven with user code of a given kind (see `twins`).

Adding a public entry that takes a model, a policy, an environment, a task, a cost or another function is
adding a scenario, or its name to one; `test_aliasing` finds those that are missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import gymnasium
import numpy as np
import torch

from leworld.control import (
    ActorPolicy,
    GoalConditionedInverseModel,
    InversePolicy,
    MPCPolicy,
    Policy,
    PolicyProposals,
    RandomPolicy,
    RecordedSubgoals,
    StateGoal,
)
from leworld.costs import (
    ActionCost,
    ConstrainedCost,
    EnsembleCost,
    GoalCost,
    ReturnCost,
    SurpriseCost,
    WeightedSum,
)
from leworld.data import Episodes, Observation, collect
from leworld.evaluation import (
    GoalPairs,
    OraclePolicy,
    Quantity,
    SurpriseMonitor,
    decision_cost,
    diagnose,
    frame_latents,
    goal_reaching,
    imagined_rollouts,
    metric_monotonicity,
    open_loop,
    perturb,
    plan_agreement,
    plan_cost,
    prediction_errors,
    probe_states,
    probing,
    surprise,
    trajectory_pairs,
)
from leworld.heads import PolicySample
from leworld.interop import CostableCost, SWMCost, SWMSolver
from leworld.metrics import goal_monotonicity
from leworld.models import PLDM, LeWM, WorldModel, embed
from leworld.planners import CEMPlanner, KeepGuesses
from leworld.probes import Probe, RidgeProbe, fit_probe, split_by_episode
from leworld.regularizers import SIGReg
from leworld.tasks import ExpertPolicy, SmoothPolicy, from_gymnasium
from leworld.training import TrainSettings, WorldModelModule, reestimate_batchnorm
from tests.data.fakes import TwoCameraEnv
from tests.decoders.worlds import DotModel, films
from tests.evaluation import imagined, kinds
from tests.evaluation.kinds import SKIP, Glow, model
from tests.models.cases import batch, lewm, pldm
from tests.models.toys import Parts, Recurrent, Rewarded, Tokens, toy_batch
from tests.tasks.gymnasium_worlds import Bodies
from tests.training.tiny import tiny_model, tiny_windows
from tests.trust.twins import Twin

HOOKS = ("_encode", "_predict", "_observe", "_imagine", "_present", "latent_distance")
LIMITS = (-1.0, 1.0)


@dataclass(frozen=True)
class Scenario:
    """`run(twin)` drives the public names `covers` and returns what came out."""

    covers: tuple[str, ...]
    run: Callable[[Twin], Any]


SCENARIOS: dict[str, Scenario] = {}


def scenario(*covers: str) -> Callable[[Callable[[Twin], Any]], Callable[[Twin], Any]]:
    def add(run: Callable[[Twin], Any]) -> Callable[[Twin], Any]:
        SCENARIOS[run.__name__] = Scenario(covers, run)
        return run

    return add


def kind_of_model(kind: type[WorldModel], twin: Twin) -> WorldModel:
    """A model in a mixture of modes, whose hooks are the user's code."""
    made = twin.hooks(model(kind), *HOOKS)
    made.train()
    return made


@cache
def episodes(count: int) -> Episodes:
    return kinds.episodes(count)


def planner() -> CEMPlanner:
    return CEMPlanner(horizon=2, num_samples=8, num_elites=3, num_iterations=2)


class _Glow(Glow):
    """Whose methods call none of each other, so that each is a piece of user code by itself."""

    def sense(self, states):
        wrist = np.ascontiguousarray(Glow.render(self, states[..., ::-1], 6))
        return {"wrist": wrist, "proprio": np.asarray(states, np.float32)}

    def reached(self, state, goal):
        return Glow.distance(self, state, goal) <= 0.05


def task(twin: Twin) -> Glow:
    names = ("draw_states", "step", "render", "sense", "reached", "distance")
    return twin.hooks(_Glow(), *names)


def sensed(twin: Twin, seed: int, count: int = 2) -> Observation:
    states = np.random.default_rng(seed).uniform(0.1, 0.9, (count, 2)).astype(np.float32)
    glow = Glow()
    return Observation(glow.render(states, 8), dict(glow.sense(states)), state=states)


def _mpc(kind: type[WorldModel], twin: Twin) -> list[Any]:
    def cost(situation):
        far = situation.goal_cost()
        here = situation.latents.flatten(1).sum(1)
        return twin.code(lambda actions: far(actions) + here[:, None] * 0 + actions.square().sum((2, 3)))

    def propose(situation):
        known = situation.former
        return torch.full((len(situation), situation.horizon, 4), 0.1) if known is None else known[:, 0]

    policy = MPCPolicy(
        kind_of_model(kind, twin),
        planner(),
        cost=twin.code(cost),
        propose=twin.code(propose),
        receding_horizon=1,
        action_limits=LIMITS,
    )
    twin.call(policy.reset, sensed(twin, 1))
    actions = [twin.call(policy.act, sensed(twin, step)) for step in range(2, 7)]
    twin.call(policy.reset, sensed(twin, 9, 1), environments=[1])
    actions += [twin.call(policy.act, sensed(twin, step)) for step in range(10, 13)]
    return [*actions, [decision.surprise for decision in policy.decisions]]


@scenario("control.MPCPolicy", "control.Situation", "control.Decision", "models.model_input")
def mpc_of_tokens(twin: Twin) -> Any:
    return _mpc(Tokens, twin)


@scenario("control.MPCPolicy")
def mpc_of_parts(twin: Twin) -> Any:
    return _mpc(Parts, twin)


@scenario("control.MPCPolicy")
def mpc_of_states(twin: Twin) -> Any:
    return _mpc(Recurrent, twin)


@scenario(
    "control.MPCPolicy", "control.StateGoal", "control.former_plan", "control.goal_cost", "control.goal_cost"
)
def mpc_toward_states(twin: Twin) -> Any:
    glow = Glow()
    goal = StateGoal(np.full((2, 2), 0.7), twin.code(lambda states: glow.render(states, 8)))
    policy = MPCPolicy(kind_of_model(Tokens, twin), planner(), receding_horizon=1)
    twin.call(policy.reset, goal)
    first = [twin.call(policy.act, sensed(twin, step)) for step in range(3)]
    latents = torch.arange(12.0).reshape(2, 2, 3)
    twin.call(policy.reset, latents)
    return first + [twin.call(policy.act, sensed(twin, step)) for step in range(3)]


def _swm_info(rows: int) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    pixels, goal = (torch.from_numpy(draw.integers(0, 256, (rows, 1, 8, 8, 3), np.uint8)) for _ in range(2))
    return {"pixels": pixels, "goal": goal, "id": torch.arange(rows)[:, None], "env_name": [["Glow"]] * rows}


@scenario("interop.SWMCost")
def swm_cost(twin: Twin) -> Any:
    def make(situation):
        far = situation.goal_cost()
        return twin.code(lambda actions: far(actions) + actions.square().sum((2, 3)))

    def limit(situation):
        here = situation.latents.flatten(1).sum(1)
        return twin.code(lambda actions: actions[:, :, 0, :1] + here[:, None, None])

    cost = SWMCost(kind_of_model(Tokens, twin), cost=twin.code(make), constraints=twin.code(limit))
    info = {
        key: value.unsqueeze(1).expand(2, 5, *value.shape[1:]) if isinstance(value, torch.Tensor) else value
        for key, value in _swm_info(2).items()
    }
    found = []
    for round_ in range(3):
        actions = torch.full((2, 5, 3, 4), 0.1 * round_)
        found.append(twin.call(cost.get_cost, dict(info), actions))
        found.append(twin.call(cost.get_constraints, dict(info), actions))
        found.append(twin.call(cost.rollout, dict(info), actions)["predicted_emb"])
    return found


@scenario("interop.SWMSolver", "interop.CostableCost")
def swm_solver(twin: Twin) -> Any:
    class Reach:
        """Writes into the info, as their models do."""

        def get_cost(self, info_dict, action_candidates):
            if "known" not in info_dict:
                info_dict["known"] = info_dict["pixels"].float().mean((2, 3, 4, 5)) / 255
            return (action_candidates.mean((2, 3)) - info_dict["known"]).square()

    class Space:
        low, high, shape = -np.ones((2, 2)), np.ones((2, 2)), (2, 2)

    class Config:
        horizon, action_block = 3, 2

    reach = twin.hooks(Reach(), "get_cost")
    solver = SWMSolver(CEMPlanner(3, 8, num_iterations=2), reach)
    solver.configure(action_space=Space(), n_envs=2, config=Config())
    former = torch.full((2, 2, 4), 0.1)
    found = [twin.call(solver.solve, _swm_info(2), init_action=former)["actions"] for _ in range(3)]
    cost = CostableCost(reach, _swm_info(2))
    return found + [twin.call(cost, torch.full((2, 4, 3, 4), 0.1 * step)) for step in range(3)]


class _Draws(torch.nn.Module):
    """A policy of no network, for latents that are vectors."""

    def forward(self, latents):
        return latents.mean(-1, keepdim=True).repeat(*(1,) * (latents.ndim - 1), 4)

    def sample(self, latents, *, generator):
        noise = torch.rand(*latents.shape[:-1], 4, generator=generator) - latents.mean(-1, keepdim=True)
        nothing = noise[..., 0] * 0
        return PolicySample(noise, nothing, nothing, nothing)


@scenario("control.PolicyProposals")
def mpc_with_a_policy(twin: Twin) -> Any:
    proposals = twin.call(PolicyProposals, 3, policy=twin.hooks(_Draws(), "sample"))
    policy = MPCPolicy(
        kind_of_model(Recurrent, twin), KeepGuesses(planner()), propose=proposals, receding_horizon=1
    )
    twin.call(policy.reset, torch.ones(2, 5))
    return [twin.call(policy.act, sensed(twin, step)) for step in range(4)]


@scenario("control.RecordedSubgoals")
def mpc_by_subgoals(twin: Twin) -> Any:
    model, data = kind_of_model(Tokens, twin), episodes(4)
    subgoals = twin.call(RecordedSubgoals, model, data, neighbours=3, reach=1.5)
    policy = MPCPolicy(model, planner(), cost=subgoals, receding_horizon=1)
    twin.call(policy.reset, sensed(twin, 1))
    actions = [twin.call(policy.act, sensed(twin, step)) for step in range(2, 5)]
    return [*actions, subgoals.frames]


@scenario("control.InversePolicy", "control.GoalConditionedInverseModel", "control.limit_arrays")
def inverse_policy(twin: Twin) -> Any:
    made = kind_of_model(Recurrent, twin)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        inverse = GoalConditionedInverseModel(5, 4, hidden_dim=8)
    twin.hooks(inverse, "forward")
    policy = InversePolicy(made, inverse, horizon=3)
    twin.call(policy.reset, torch.ones(2, 5))
    acted = [twin.call(policy.act, sensed(twin, step)) for step in range(5)]
    search = MPCPolicy(made, planner(), propose=inverse, receding_horizon=1)
    twin.call(search.reset, torch.ones(2, 5))
    return acted + [twin.call(search.act, sensed(twin, step)) for step in range(4)]


@scenario("control.ActorPolicy")
def actor_policy(twin: Twin) -> Any:
    found = []
    for explore in (False, True):
        head = twin.hooks(_Draws(), "forward", "sample")
        policy = ActorPolicy(kind_of_model(Recurrent, twin), head, explore=explore)
        twin.call(policy.reset, torch.ones(2, 5))
        found += [twin.call(policy.act, sensed(twin, step)) for step in range(5)]
    return found


@scenario("control.RandomPolicy", "tasks.SmoothPolicy", "tasks.ExpertPolicy", "control.Policy")
def policies_without_models(twin: Twin) -> Any:
    found = []
    drawn = RandomPolicy(2, action_limits=(-np.ones(2), np.ones(2)))
    twin.call(drawn.reset, sensed(twin, 0))
    found += [twin.call(drawn.act, sensed(twin, step)) for step in range(3)]
    limits = (np.array([-1.0, -2.0]), np.array([1.0, 2.0]))
    for policy in (SmoothPolicy(2, action_limits=limits), ExpertPolicy(repeat_probability=0.5)):
        place = {"state": np.full((2, 2), 60.0), "goal": np.full((2, 2), 160.0)}
        found += [twin.call(policy, place) for _ in range(3)]
    return found


@scenario("evaluation.OraclePolicy", "evaluation.Dynamics")
def oracle_policy(twin: Twin) -> Any:
    world = task(twin)
    distance = twin.code(lambda states, goals: np.linalg.norm(states - goals, axis=-1))
    found = []
    for rule in (None, distance):
        policy = OraclePolicy(world, planner(), frameskip=2, receding_horizon=1, distance=rule)
        twin.call(policy.reset, sensed(twin, 5))
        found += [twin.call(policy.act, sensed(twin, step)) for step in range(5)]
    return found


@scenario("evaluation.SurpriseMonitor", "evaluation.SurpriseReading")
def monitor(twin: Twin) -> Any:
    found = []
    for kind in (Tokens, Parts, Recurrent):
        watching = twin.call(SurpriseMonitor, kind_of_model(kind, twin), torch.linspace(0, 1, 40))
        found.append(twin.call(watching.observe, sensed(twin, 1, 1)))
        steps = range(2, 6)
        found += [twin.call(watching.observe, sensed(twin, i, 1), np.full((SKIP, 2), 0.1 * i)) for i in steps]
    return found


def _public_methods(kind: type[WorldModel], twin: Twin) -> list[Any]:
    """Every public method of a model, and its states again after later calls."""
    made = twin.hooks(kind(), *HOOKS, "_loss").train()
    data = toy_batch(made)
    frames = data.observations
    first = twin.call(made.encode, frames)
    twin.call(made.encode, frames.map(lambda part: part + 1))
    latents = first[:, : made.history_size]
    blocks = data.actions[:, : made.history_size]
    found = [first, twin.call(made.predict, latents, blocks), twin.call(made.encode, frames, data.actions)]
    candidates = data.actions[:, None].repeat(1, 2, 1, 1)
    found.append(twin.call(made.rollout, latents, blocks[:, 1:], candidates))
    state = None
    for t in range(frames["pixels"].shape[1]):
        moment = frames.map(lambda part, t=t: part[:, t])
        last = None if state is None else data.actions[:, t - 1]
        state = twin.call(made.observe, state, moment, last)
        found += [state, twin.call(made.present, state)]
        found.append(twin.call(made.imagine, state, candidates))
    with torch.no_grad():
        losses = twin.call(made.loss, data)
    return [*found, dict(losses.terms), losses.latents, twin.call(made.latent_distance, first, first + 1)]


@scenario("models.WorldModel", "models.History", "models.Losses", "data.Batch")
def methods_of_tokens(twin: Twin) -> Any:
    return _public_methods(Tokens, twin)


@scenario("models.WorldModel", "data.Observation")
def methods_of_parts(twin: Twin) -> Any:
    return _public_methods(Parts, twin)


@scenario("models.WorldModel")
def methods_of_states(twin: Twin) -> Any:
    return _public_methods(Recurrent, twin)


@scenario("models.WorldModel")
def methods_of_rewards(twin: Twin) -> Any:
    return _public_methods(Rewarded, twin)


@scenario("models.LeWM", "predictors.IncrementalPredictor")
def parts_of_lewm(twin: Twin) -> Any:
    made = lewm().eval()
    for name in ("encoder", "action_encoder", "projector", "prediction_projector", "regularizer"):
        twin.hooks(getattr(made, name), "forward")
    twin.hooks(made.predictor, "forward", "prepare", "extend")
    return _drive_lewm(made, twin)


@scenario("models.PLDM")
def parts_of_pldm(twin: Twin) -> Any:
    found = []
    for variant in ("released", "original"):
        made = pldm(variant=variant, open_loop=True, inverse_dynamics_weight=1.0).eval()
        for name in ("encoder", "action_encoder", "projector", "prediction_projector"):
            twin.hooks(getattr(made, name), "forward")
        twin.hooks(made.regularizer.inverse_dynamics, "forward")
        found.append(_drive_lewm(made, twin))
    return found


def _drive_lewm(made: LeWM | PLDM, twin: Twin) -> list[Any]:
    data = batch()
    with torch.no_grad():
        latents = twin.call(made.encode, data.observations)
        found = [latents, twin.call(made.predict, latents[:, :3], data.actions[:, :3])]
        candidates = data.actions[:, None].repeat(1, 3, 1, 1)
        for known in (1, 3):
            past = data.actions[:, : known - 1]
            found.append(twin.call(made.rollout, latents[:, :known], past, candidates))
        losses = twin.call(made.loss, data)
    return [*found, dict(losses.terms), losses.latents]


@scenario("data.collect", "data.Episodes")
def collecting(twin: Twin) -> Any:
    def policy(info):
        return np.asarray(info["position"]) + np.array([0.3, 0.2])

    found = []
    for mode in (None, "NextStep", "SameStep"):
        if mode is None:
            env = TwoCameraEnv()
        else:
            env = gymnasium.vector.SyncVectorEnv(
                [lambda i=i: TwoCameraEnv(length=3 + i) for i in range(3)], autoreset_mode=mode
            )
        twin.hooks(env, "reset", "step")
        got = twin.call(
            collect,
            env,
            twin.code(policy),
            num_episodes=5,
            seed=3,
            columns=("position",),
            progress=False,
        )
        found += [got.pixels, got.actions, dict(got.columns), got.lengths]
    return found


class _Toward(Policy):
    """Heads for the goal, and keeps what it sees and does."""

    def reset(self, goal):
        self.goal = goal
        self.seen, self.done = [], []

    def act(self, observation):
        self.seen.append(observation)
        self.done.append(np.asarray(4 * (self.goal.state - observation.state) + 0.01 * len(self.seen)))
        return self.done[-1]


class _Keeping:
    """A collecting policy that keeps what it sees and does."""

    def reset(self, seed):
        self.seen, self.done = [], []

    def __call__(self, info):
        self.seen.append(info)
        self.done.append(np.tanh(info["position"] + np.array([0.1, 0.2], np.float32)).astype(np.float32))
        return self.done[-1]


class _Rule:
    success_words, distance_unit = "near the goal", "lights"

    def reached(self, state, goal):
        return np.abs(state - goal).max(-1) < 0.1

    def distance(self, state, goal):
        return np.abs(np.asarray(state, np.float64) - goal).max(-1)


@scenario(
    "evaluation.goal_reaching",
    "evaluation.GoalEnvironment",
    "evaluation.GoalPairs",
    "evaluation.Success",
    "evaluation.Recording",
    "evaluation.GoalReachingResult",
    "evaluation.PolicyOutcome",
    "evaluation.trajectory_pairs",
)
def playing(twin: Twin) -> Any:
    env = twin.hooks(Glow().make(2, 8), "reset", "step")
    rule = twin.hooks(_Rule(), "reached", "distance")
    states = np.random.default_rng(0).uniform(0.1, 0.9, (2, 5, 2)).astype(np.float32)
    pairs = GoalPairs(states[0], states[1], protocol="by hand", budget=4, success=rule)
    states[:] = 0.5
    policies = {"one": _Toward(), "two": _Toward()}
    for policy in policies.values():
        twin.hooks(policy, "reset", "act")
    result = twin.call(goal_reaching, pairs, policies, env=env, progress=False)
    recordings = [(r.states, r.frames, r.goal_frames) for r in result.recordings.values()]
    drawn = twin.call(trajectory_pairs, episodes(4), 3, goal_offset=4, success=rule)
    outcomes = {name: (o.reached, o.final_distance) for name, o in result.policies.items()}
    return [recordings, outcomes, result.start, result.goal, drawn.start, drawn.goal]


@scenario("evaluation.goal_reaching", "data.collect")
def what_policies_keep(twin: Twin) -> Any:
    """A policy that keeps what it sees and does, while environments use their arrays and actions again."""
    env = twin.hooks(Glow().make(2, 8), "reset", "step")
    policy = _Toward()
    pairs = GoalPairs(np.full((2, 2), 0.2), np.full((2, 2), 0.8), protocol="p", budget=3, success_radius=0.01)
    twin.call(goal_reaching, pairs, {"it": policy}, env=env, progress=False)
    keeping = _Keeping()
    single = twin.hooks(TwoCameraEnv(), "reset", "step")
    twin.call(collect, single, keeping, num_episodes=2, seed=0, columns=("position",), progress=False)
    return [policy.goal, policy.seen, policy.done, keeping.seen, keeping.done]


@scenario(
    "tasks.Task",
    "tasks.StateTask",
    "tasks.CollectingPolicy",
    "evaluation.GoalSteps",
    "evaluation.Backdrop",
)
def tasks(twin: Twin) -> Any:
    world = task(twin)
    env = world.make(3, 8)
    found = [twin.call(env.reset, seed=4)]
    found += [twin.call(env.step, np.full((3, 2), 0.2 * step)) for step in range(3)]
    given = np.full((3, 2), 0.4)
    found.append(twin.call(env.reset, seed=5, options={"state": given, "goal": 2 * given}))
    found += [twin.call(env.step, np.full((3, 2), 0.3)) for step in range(2)]
    found.append(twin.call(env.reset))
    steps = twin.call(world.goal_steps, 30)
    gathered = twin.call(world.held_out, 2)
    return [*found, steps.start, steps.after, steps.distance, gathered.pixels, dict(gathered.columns)]


@scenario("tasks.from_gymnasium")
def environments(twin: Twin) -> Any:
    """Copies of an environment whose functions of the state are the user's."""

    def made() -> Bodies:
        return twin.hooks(Bodies(), "reset", "step", "render")

    def get(env):
        return np.concatenate([env.data.qpos, env.data.qvel])

    def set_(env, state):
        env.set_state(state[:2], state[2:])

    own = {"get_state": twin.code(get), "set_state": twin.code(set_)}
    world = twin.call(from_gymnasium, made, 0.1, **own, image_size=8, episode_steps=4)
    env = world.make(2)
    found = [twin.call(env.reset, seed=4)]
    found += [twin.call(env.step, np.full((2, 1), 0.2 * step)) for step in range(3)]
    given = np.full((2, 3), 0.4)
    found.append(twin.call(env.reset, seed=5, options={"state": given, "goal": given / 2}))
    found.append(twin.call(env.step, np.full((2, 1), 0.3)))
    gathered = twin.call(world.held_out, 3)
    moved = twin.call(world.world.step, given, np.full((2, 1), 0.3))
    drawn = twin.call(world.world.render, given, 8)
    return [*found, gathered.pixels, dict(gathered.columns), gathered.actions, moved, drawn]


def _kinds(function: Callable[..., Any], **options: Any) -> Callable[[Twin], list[Any]]:
    def run(twin: Twin) -> list[Any]:
        data = episodes(6)
        found = []
        for kind in (Tokens, Parts, Recurrent):
            found.append(twin.call(function, kind_of_model(kind, twin), data, **options))
        return found

    return run


@scenario("evaluation.frame_latents", "evaluation.FrameLatents", "evaluation.prediction_errors")
def latents_of_episodes(twin: Twin) -> Any:
    return [_kinds(frame_latents, stride=3)(twin), _kinds(prediction_errors)(twin)]


@scenario("evaluation.open_loop", "evaluation.OpenLoopResult")
def open_loops(twin: Twin) -> Any:
    return _kinds(open_loop, horizon=2, num_windows=12, column="state")(twin)


@scenario("evaluation.probe_states")
def states_probed(twin: Twin) -> Any:
    return _kinds(probe_states, stride=3)(twin)


@scenario(
    "evaluation.surprise",
    "evaluation.perturb",
    "evaluation.Perturbed",
    "evaluation.StateWorld",
    "evaluation.SurpriseResult",
)
def surprised(twin: Twin) -> Any:
    data, world = episodes(8), task(twin)
    options = {"false_alarm_rates": (0.2,), "seed": 1}
    found = []
    for kind in (Tokens, Recurrent):
        made = kind_of_model(kind, twin)
        found.append(twin.call(surprise, made, data, kinds=("teleport", "colour"), world=world, **options))
    made = twin.call(perturb, data, "teleport", frameskip=SKIP, world=world)
    changed = made.episodes
    return [*found, changed.pixels, changed.actions, dict(changed.columns), data.actions, data.pixels]


@scenario("evaluation.metric_monotonicity", "metrics.goal_monotonicity")
def monotone(twin: Twin) -> Any:
    steps = Glow().goal_steps(24)
    world = task(twin)
    shares = [
        twin.call(metric_monotonicity, kind_of_model(kind, twin), steps, world=world)
        for kind in (Tokens, Parts)
    ]
    latents = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0))
    measure = twin.code(lambda one, other: (one - other).abs().sum(1))
    before, after, goal = latents
    apart = torch.linspace(0, 9, 9)
    own = twin.call(
        goal_monotonicity, before, after, goal=goal, distance=apart, edges=(0, 5, 10), measure=measure
    )
    return [shares, own]


class _Mean(Probe):
    """Predicts a linear guess, by in-place arithmetic on whatever it is given."""

    def _fit(self, embeddings, targets, held, generator):
        embeddings -= embeddings.mean(0)
        self.mean = targets.mean(0)
        self.slope = (embeddings.flatten(1)[:, :1] * (targets - self.mean)).mean(0)

    def _predict(self, embeddings):
        embeddings *= 2
        return embeddings.flatten(1)[:, :1] * self.slope + self.mean


@scenario("evaluation.diagnose", "evaluation.plan_cost", "evaluation.decision_cost")
def diagnosed(twin: Twin) -> Any:
    model, data = kind_of_model(Tokens, twin), episodes(8)
    found = twin.call(
        diagnose, model, data, quantities={"light": Quantity("state")}, probe=RidgeProbe, horizon=2,
        num_problems=4, num_plans=2,
    )  # fmt: skip
    start, goal = (data.observation(("pixels",), [row]) for row in (0, 1))
    planner = CEMPlanner(horizon=2, num_samples=3, num_iterations=1)
    cost = twin.call(plan_cost, model, planner, start=start, goal=goal, repeats=1)
    own = twin.call(decision_cost, model, MPCPolicy(model, planner), start=start, goal=goal, repeats=1)
    return [found.to_json(), cost.flops, cost.plain_flops, own.flops]


@scenario("evaluation.plan_agreement")
def agreed(twin: Twin) -> Any:
    model, data = kind_of_model(Parts, twin), episodes(8)
    return twin.call(plan_agreement, model, data, planner=planner(), num_problems=4)


def _own_probe(twin: Twin) -> Callable[[int, int], Probe]:
    return lambda dim, targets: twin.hooks(_Mean(dim, targets), "_fit", "_predict")


@scenario(
    "evaluation.probing",
    "evaluation.Quantity",
    "evaluation.ProbingResult",
    "probes.fit_probe",
    "probes.Probe",
)
def probed(twin: Twin) -> Any:
    encoder = twin.code(lambda frames: torch.from_numpy(frames[:, 2:4, 2:4].reshape(len(frames), -1) / 255.0))
    models = {"frames": encoder, "tokens": kind_of_model(Tokens, twin)}
    result = twin.call(
        probing,
        models,
        episodes(8),
        quantities={"light": Quantity("state")},
        probes={"own": _own_probe(twin), "ridge": lambda dim, size: RidgeProbe(dim, size)},
    )
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x[:, :2] * 2 + 1
    split = split_by_episode(torch.arange(40) // 4)
    probe = _own_probe(twin)(3, 2)
    score = twin.call(fit_probe, probe, x, targets=y, split=split)
    fitted = twin.call(probe, x)
    return [result.rows, dict(result.predictions), score, fitted, x, y]


@scenario("evaluation.imagined_rollouts", "evaluation.ImaginedRollouts", "decoders.CrossAttentionDecoder")
def imagined_futures(twin: Twin) -> Any:
    made = twin.hooks(DotModel(), *HOOKS)
    options = {"decoder": imagined.decoder(), "horizon": 2, "num_rollouts": 3}
    return twin.call(imagined_rollouts, made, films(4), **options)


class _Integrator:
    """Not a `WorldModel`: any object with `rollout`."""

    history_size = 2

    def rollout(self, context, past_actions, actions):
        return context[:, None, -1:] + actions.cumsum(2) + 0.1 * past_actions.sum((1, 2))[:, None, None, None]


@scenario(
    "costs.GoalCost",
    "costs.RolloutModel",
    "costs.SurpriseCost",
    "costs.ReturnCost",
    "costs.ActionCost",
    "costs.WeightedSum",
    "costs.EnsembleCost",
    "costs.ConstrainedCost",
)
def costs(twin: Twin) -> Any:
    generator = torch.Generator().manual_seed(0)
    context, past = torch.randn(2, 2, 3, generator=generator), torch.randn(2, 1, 3, generator=generator)
    actions, goal = torch.randn(2, 4, 3, 3, generator=generator), torch.randn(2, 3, generator=generator)
    rolled = twin.hooks(_Integrator(), "rollout")
    readout = twin.code(lambda latents: latents * 2)
    held = {"context": context, "past_actions": past}
    made = [
        twin.call(GoalCost, rolled, goal, **held),
        twin.call(GoalCost, rolled, goal, **held, readout=readout, along="path"),
        twin.call(SurpriseCost, rolled, **held, reference=torch.randn(9, 3, generator=generator)),
        twin.call(ActionCost, 1.0, 1.0, previous=goal),
        twin.call(
            ReturnCost,
            rolled,
            twin.code(lambda latents: latents.sum(-1)),
            **held,
            value=twin.code(lambda latents, actions: (latents * actions).sum(-1)),
            policy=twin.code(lambda latents: latents / 2),
            termination=twin.code(lambda latents: latents[..., 0].sigmoid()),
        ),
    ]
    simple = twin.code(lambda actions: actions.square().sum((2, 3)))
    other = twin.code(lambda actions: actions.abs().sum((2, 3)))
    made += [
        WeightedSum({"a": simple, "b": other, "c": simple}, {"a": 1.0, "b": 0.5, "c": 2.0}),
        EnsembleCost([simple, other], reduce="worst"),
        ConstrainedCost(simple, twin.code(lambda actions: actions.amax((2, 3))[..., None] - 1.5)),
    ]
    found = [twin.call(cost, actions) for cost in made for _ in range(2)]
    transitions = twin.call(made[0].transition, actions[:, :, 1:].clone(), actions)
    state = kind_of_model(Recurrent, twin)
    start = twin.call(state.observe, None, toy_batch(state).observations.map(lambda part: part[:2, 0]))
    recurrent = twin.call(GoalCost, state, torch.ones(2, 5), state=start)
    blocks = torch.randn(2, 4, 3, 4, generator=generator)
    return [*found, transitions, *(twin.call(recurrent, blocks) for _ in range(2))]


@scenario("models.embed")
def embedded(twin: Twin) -> Any:
    frames = episodes(2).pixels
    return twin.call(embed, kind_of_model(Tokens, twin), frames, batch_size=5)


@scenario("training.reestimate_batchnorm")
def batchnorm(twin: Twin) -> Any:
    made = twin.hooks(lewm(), "_encode", "_predict")
    twin.call(reestimate_batchnorm, made, [batch(), batch(5)])
    return {name: value.clone() for name, value in made.state_dict().items() if "running" in name}


@scenario("training.WorldModelModule", "models.model_batch", "data.to_batch", "data.RawBatch", "data.Windows")
def training_steps(twin: Twin) -> Any:
    made = twin.hooks(tiny_model().eval(), "_encode", "_predict")
    module = WorldModelModule(made, tiny_windows(), settings=TrainSettings(seed=3))
    raw = tiny_windows().__getitems__(list(range(8)))
    with torch.no_grad():
        return [twin.call(module.losses, raw, step=step).logged for step in range(2)]


@scenario("regularizers.SIGReg")
def regularized(twin: Twin) -> Any:
    made = SIGReg(8).train()
    twin.hooks(made, "_value")
    data = torch.randn(2, 12, 4, generator=torch.Generator().manual_seed(0))
    return [twin.call(made, data) for _ in range(3)]
