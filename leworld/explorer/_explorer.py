"""What the page asks of a model: every answer is a dictionary of JSON values."""

import base64
import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from .._checks import check_number, describe, plain_numbers
from ..control import MPCPolicy, limit_arrays
from ..costs import GoalCost
from ..data import Episodes, Observation
from ..errors import ConfigError, DataError, LeWorldError
from ..evaluation import (
    GoalPairs,
    SurpriseMonitor,
    frame_latents,
    goal_reaching,
    latent_map,
    perturb,
    prediction_errors,
)
from ..models import WorldModel, model_input, processor_of, to_weights
from ..nn import evaluation_mode
from ..planners import CEMPlanner, Planner
from ..tasks import Task

KINDS = ("teleport", "colour", "freeze", "reversal", "vanish")
_LARGEST_SIDE = 128  # of a picture that the page is sent
_DONORS = 8  # episodes that a teleport may take its place from
_RATE = 0.05


@final
@plain_numbers
class Explorer:
    """A model with recorded episodes, and what one can do with it by hand.

    The page of `serve` asks one method after another; each answer is a dictionary of JSON values. Frames are
    those that the model looks at, `frameskip` rows apart, counted from 0 in each episode. A place is a point
    of the map: the first two components of the state where the episodes have a column `state`, else the first
    two principal components of the latents.

    Args:
        model: A world model with its processor, action statistics included.
        episodes: Recorded episodes with pictures; all of their frames are embedded once.
        task: The task of the model's world, or None. With it, plans are also played, and a teleport is exact.
        planner: What searches a plan; a CEM with few rounds when None, to answer at once.
        seed: Decides plans and where a teleport leads.

    Raises:
        ConfigError: No model, no episodes, no task, or a model without a processor.
        DataError: Episodes without pictures or with other actions.

    Randomness:
        From `seed` only: the same question gets the same answer.

    Example:
        ```python
        import leworld
        from leworld.explorer import Explorer
        from leworld.planners import CEMPlanner
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        task = task_of(model)
        planner = CEMPlanner(horizon=2, num_samples=16, num_elites=4, num_iterations=2)
        explorer = Explorer(model, task.held_out(4), task=task, planner=planner)
        calm = explorer.episode(0)["surprise"]
        moved = explorer.disturb(0, frame=4, kind="teleport")["surprise"]
        assert moved[4] > 10 * calm[4]
        plan = explorer.plan(0, frame=0, goal_episode=0, goal_frame=2)
        assert len(plan["imagined"]["places"]) == 2
        ```
    """

    def __init__(
        self,
        model: WorldModel,
        episodes: Episodes,
        *,
        task: Task | None = None,
        planner: Planner | None = None,
        seed: int = 0,
    ) -> None:
        for name, value, kind, optional in (
            ("model", model, WorldModel, False),
            ("episodes", episodes, Episodes, False),
            ("task", task, Task, True),
            ("planner", planner, Planner, True),
        ):
            if not (isinstance(value, kind) or (optional and value is None)):
                raise ConfigError(
                    f"Explorer needs `{name}` to be a {kind.__name__}",
                    f"`{name}` is {describe(value)}",
                    "Load a model with `leworld.load`, and collect or open episodes of its world",
                )
        check_number("Explorer", "seed", seed, low=0, high=2**31, integer=True)
        if episodes.pixels is None:
            raise DataError(
                "Explorer needs episodes with pictures called `pixels`",
                "there are none",
                "Open them with the camera that shall be shown, as `pixels`",
            )
        self.model, self.episodes, self.task, self.seed = model, episodes, task, int(seed)
        self.processor = processor_of(model, owner="Explorer")
        self.planner = CEMPlanner(num_iterations=10) if planner is None else planner
        self._skip = self.processor.frameskip
        found = frame_latents(model, episodes, stride=self._skip)
        self._rows, self._latents, self._number = found.rows, found.latents, found.episode
        self._states = None
        if "state" in episodes.columns:
            states = np.asarray(episodes.columns["state"], dtype=np.float32).reshape(episodes.num_rows, -1)
            self._states = states if np.isfinite(states).all() else None
        known = self._states is not None and self._states.shape[1] >= 2
        self._drawn = known and self._states is not None
        if self._drawn and self._states is not None:
            self._places = self._states[self._rows, :2].astype(np.float64)
        else:
            self._places = np.asarray(latent_map(found.vectors).coordinates, dtype=np.float64)[:, :2]
        try:
            self._alarm = SurpriseMonitor.calibrate(model, episodes, false_alarm_rate=_RATE).threshold
        except LeWorldError:  # too few frames
            self._alarm = math.nan

    def facts(self) -> dict[str, Any]:
        """Return what the page shows before anything is asked: sizes, places of all frames, the backdrop."""
        floor = None if self.task is None or not self._drawn else self.task.backdrop()
        return {
            "model": type(self.model).__name__,
            "world": self.processor.environment_id or "an unknown world",
            "task": None if self.task is None else self.task.name,
            "plays": self._plays,
            "frameskip": self._skip,
            "lengths": [int((self._number == number).sum()) for number in range(len(self.episodes))],
            "places": _rounded(self._places),
            "axes": ["state 0", "state 1"] if self._drawn else ["latent axis 1", "latent axis 2"],
            "backdrop": None if floor is None else {"picture": _pictures(floor.picture[None]),
                                                    "x": list(floor.x), "y": list(floor.y)},
            "kinds": list(KINDS if self.task is None else self.task.events),
            "alarm": _number(self._alarm),
            "rate": _RATE,
        }  # fmt: skip

    @plain_numbers
    def episode(self, episode: int) -> dict[str, Any]:
        """Return an episode's frames and the surprise of each; that of the first is None.

        Raises:
            ConfigError: No such episode.
        """
        self._check(episode, 0)
        return self._shown(self.episodes.select([episode]))

    @plain_numbers
    def disturb(self, episode: int, *, frame: int, kind: str) -> dict[str, Any]:
        """Return an episode in which something impossible happens at a frame, see `evaluation.perturb`.

        Raises:
            ConfigError: No such frame, the first frame, or an unknown kind.
            DataError: The event cannot be seen in these frames.
        """
        self._check(episode, frame)
        others = [number for number in range(len(self.episodes)) if number != episode][:_DONORS]
        some = self.episodes.select([episode, *others])
        world = None if self.task is None or self._states is None else self.task.world
        made = perturb(
            some,
            kind,
            frameskip=self._skip,
            world=world if kind == "teleport" else None,
            event=frame * self._skip,
            seed=self.seed,
        )
        if not len(made.source) or made.source[0] != 0:
            raise DataError(
                "An event needs an episode of at least 4 frames",
                f"episode {episode} has {int((self._number == episode).sum())}",
                "Choose a longer one",
            )
        return self._shown(made.episodes.select([0])) | {"event": frame, "kind": kind}

    @plain_numbers
    def plan(self, episode: int, *, frame: int, goal_episode: int, goal_frame: int) -> dict[str, Any]:
        """Search a plan from one recorded frame to another, and return what the model imagines on the way.

        Each imagined latent is shown as the recorded frame with the nearest latent. `distance` holds the
        latent distance to the goal now and after each step; `baseline` the cost of doing nothing.

        Raises:
            ConfigError: No such frame.
            NonFiniteError: The model's latents or predictions are NaN or infinite.
        """
        here, goal = self._check(episode, frame), self._check(goal_episode, goal_frame)
        target = to_weights(self.model, self._latents[goal : goal + 1])
        low, high = self._limits()
        with torch.no_grad(), evaluation_mode(self.model):
            state = self._state(here, frame)
            plan = self.planner.plan(
                GoalCost(self.model, target, state=state),
                batch=1,
                action_dim=self.processor.block_dim,
                bounds=self.processor.block_bounds(low, high),
                generator=[torch.Generator().manual_seed(self.seed)],
            )
            actions = torch.stack([plan.actions, torch.zeros_like(plan.actions)], dim=1)
            futures = self.model.imagine(state, actions)[0]
            apart = self.model.latent_distance(futures, target[:, None])
            now = self.model.latent_distance(self.model.present(state), target)
        steps = self._nearest(futures[0].float().cpu())
        raw = self.processor.raw_actions(plan.actions.float().cpu())[0].flatten(0, 1)
        return {
            "goal": _pictures(self._pixels(self._rows[goal : goal + 1])),
            "imagined": {
                "frames": _pictures(self._pixels(self._rows[steps])),
                "places": _rounded(self._places[steps]),
            },
            "distance": [_number(value) for value in [float(now[0]), *apart[0].float().tolist()]],
            "baseline": _number(float(apart[1, -1])),
            "actions": _rounded(raw.double().numpy()),
            "outcome": plan.outcome[0].value,
        }

    @plain_numbers
    def play(self, episode: int, *, frame: int, goal_episode: int, goal_frame: int) -> dict[str, Any]:
        """Let the model act in its world from one recorded state toward another, planning again and again.

        Raises:
            ConfigError: No task, no column `state`, no such frame, or a goal that is reached already.
        """
        here, goal = self._check(episode, frame), self._check(goal_episode, goal_frame)
        if self.task is None or self._states is None or not self._plays:
            raise ConfigError(
                "Playing needs a task of the model's world and a column `state` in the episodes",
                "there is no task" if self.task is None else "there are no states",
                "Look at the imagined plan alone, or name the task",
            )
        rule = self.task.success_radius
        pairs = GoalPairs(
            start=self._states[self._rows[here : here + 1]],
            goal=self._states[self._rows[goal : goal + 1]],
            protocol="by hand",
            budget=self.task.budget,
            success_radius=rule,
            success=self.task if rule is None else None,
        )
        policy = MPCPolicy(self.model, self.planner, action_limits=self.task.action_limits, seed=self.seed)
        env = self.task.make(1, self.processor.image_size)
        try:
            result = goal_reaching(
                pairs, {"model": policy}, env=env, seed=self.seed, num_recorded=1, progress=False
            )
        finally:
            getattr(env, "close", lambda: None)()
        recorded, outcome = result.recordings["model"], result.policies["model"]
        return {
            "frames": _pictures(recorded.frames[0]),
            "places": _rounded(recorded.states[0][:, :2]),
            "reached": outcome.steps_to_reach[0],
            "words": result.words,
            "budget": result.budget,
        }

    @property
    def _plays(self) -> bool:
        return self.task is not None and self._states is not None

    def _check(self, episode: int, frame: int) -> int:
        """Return the place of a frame among all, after a check."""
        check_number("Explorer", "episode", episode, low=0, high=len(self.episodes) - 1, integer=True)
        own = np.flatnonzero(self._number == episode)
        check_number("Explorer", "frame", frame, low=0, high=len(own) - 1, integer=True)
        return int(own[frame])

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        limits = (-1.0, 1.0) if self.task is None else self.task.action_limits
        if self.processor.action_choices is not None:
            limits = (0.0, 1.0)  # one-hot
        return limit_arrays(limits, self.processor.action_dim, owner="Explorer", finite=True)

    def _state(self, here: int, frame: int) -> Any:
        """Return the model's state at a frame, from the frames before it that it can remember."""
        before = frame if self.model.carries_state else min(frame, self.model.history_size - 1)
        state: Any = None
        for place in range(here - before, here + 1):
            row, past = int(self._rows[place]), None
            if state is not None:
                raw = np.asarray(self.episodes.actions[row - self._skip : row], dtype=np.float32)
                blocks = self.processor.action_blocks(torch.from_numpy(raw.copy()))
                past = to_weights(self.model, blocks.reshape(1, -1))
            state = self.model.observe(state, model_input(self.model, self._sensed(row)), past)
        return state

    def _sensed(self, row: int) -> Observation:
        names = self.processor.observation_parts
        return Observation(
            parts={name: np.asarray(self.episodes.part(name)[row : row + 1]) for name in names}
        )

    def _nearest(self, latents: torch.Tensor) -> np.ndarray:
        return torch.cdist(latents.flatten(1), self._latents.flatten(1)).argmin(dim=1).numpy()

    def _pixels(self, rows: np.ndarray) -> np.ndarray:
        pixels: Any = self.episodes.pixels
        return np.asarray(pixels[np.asarray(rows)])

    def _shown(self, one: Episodes) -> dict[str, Any]:
        rows = np.arange(0, int(one.lengths[0]), self._skip)
        pixels: Any = one.pixels
        scores = prediction_errors(self.model, one)[0].tolist()
        return {
            "frames": _pictures(np.asarray(pixels[rows])),
            "surprise": [None, *(_number(score) for score in scores)],
            "states": _rounded(np.asarray(one.columns["state"])[rows].reshape(len(rows), -1)[:, :2])
            if self._drawn
            else None,
        }


def _pictures(frames: np.ndarray) -> Mapping[str, Any]:
    """Write uint8 pictures "moment height width 3" as text, shrunk by a whole factor where they are large."""
    factor = -(-max(frames.shape[1:3]) // _LARGEST_SIDE)
    if factor > 1:
        height, width = (size // factor for size in frames.shape[1:3])
        cut = frames[:, : height * factor, : width * factor].astype(np.float32)
        parts = cut.reshape(len(frames), height, factor, width, factor, 3)
        frames = parts.mean(axis=(2, 4)).round().astype(np.uint8)
    count, height, width = frames.shape[:3]
    data = base64.b64encode(np.ascontiguousarray(frames[..., :3]).tobytes()).decode("ascii")
    return {"count": count, "height": height, "width": width, "rgb": data}


def _rounded(values: np.ndarray) -> list[Any]:
    return np.round(np.nan_to_num(values.astype(np.float64)), 5).tolist()


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
