"""A model of leworld as the cost and the world model of stable-worldmodel's solvers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from .._checks import check_choice, describe, quoted
from .._lending import copied
from ..control import Situation, goal_cost
from ..errors import ConfigError, ShapeError
from ..models import WorldModel, processor_of, to_weights
from ..nn import evaluation_mode
from ._read import Reader, first_candidates, past_blocks
from ._scaler import ActionScaler

Made = Callable[[Situation], Callable[[Tensor], Tensor]]


@final
class SWMCost(nn.Module):
    """A model of leworld as stable-worldmodel takes one: as a cost, and as a world model.

    Give it to a solver of that library in the place of a model or cost, and the solver to its
    `WorldModelPolicy`. Plans have the costs that `MPCPolicy` would give them. The same object serves the
    released 0.1.1 and the main branch: a single frame means the same to both, and where there are several,
    `action_history`, which main alone sends, holds what was done between them. What this library calls a cost
    evaluator takes the object as a model, by `encode` and `rollout`; the objective is then its own.

    Units. Candidates are normalised action blocks, so give the policy `process=cost.process`, which turns
    what it executes into raw actions by the model's own statistics, and set `action_block` to the
    processor's `frameskip`. Observations are normalised here, by the model's processor, if the policy leaves
    them as they are (no `transform`, and nothing but `action` in `process`); if it normalises them itself,
    say so by `observations`. A mixture of the two is refused where it shows, for pictures.

    The info is never changed. Frames and goals are encoded once and again only when they, or the weights,
    have changed. Gradients reach the candidates and never the weights.

    Shapes:
        Entries of the info (batch, sample, frame, ...), the same for all samples; candidates (batch, sample,
        horizon, action); costs (batch, sample).

    Args:
        model: With its processor.
        cost: Makes the cost of a search from a `leworld.control.Situation`, as in `MPCPolicy`; the distance
            to the goal unless given. `lambda situation: ReturnCost(situation.model, state=situation.state)`
            needs no goal.
        constraints: Makes a function of the candidates, to (batch, sample, constraint), at most 0 where all
            is well, for that library's Lagrangian solver.
        observations: "raw" as environments give them, uint8 pictures with the channel last and vectors in
            their own units; or "normalised" by the policy, with the model's own statistics.
        keys: Entry of the info for each part of an observation whose name differs, such as {"wrist":
            "pixels.wrist"}. That of a goal is `goal` for `pixels`, and `goal_` before the entry for others.

    Raises:
        ConfigError: If the model has no processor, an entry is missing, or a setting is unknown.
        ShapeError: If an entry or the candidates have another shape or kind than the model reads.

    Source: galilai-group/stable-worldmodel, release 0.1.1 (protocols.py, policy.py, solver) and main
    (planning).

    Example:
        ```python
        import torch
        import leworld
        from leworld.interop import SWMCost

        cost = SWMCost(leworld.load("lewm-tworoom-tiny"))
        frames = torch.zeros(1, 1, 64, 64, 3, dtype=torch.uint8)
        info = {"pixels": frames, "goal": frames, "action": torch.full((1, 1, 2), torch.nan)}
        expanded = {key: value.unsqueeze(1).expand(1, 7, *value.shape[1:]) for key, value in info.items()}
        assert cost.get_cost(expanded, torch.zeros(1, 7, 5, 10)).shape == (1, 7)
        ```
    """

    def __init__(
        self,
        model: WorldModel,
        *,
        cost: Made = goal_cost,
        constraints: Made | None = None,
        observations: Literal["raw", "normalised"] = "raw",
        keys: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        processor_of(model, owner="SWMCost")
        check_choice("SWMCost", "observations", observations, ("raw", "normalised"))
        for name, value in (("cost", cost), ("constraints", constraints)):
            if not (callable(value) or (name == "constraints" and value is None)):
                raise ConfigError(
                    f"SWMCost needs `{name}` to be a function of a Situation",
                    f"it is {describe(value)}",
                    "Pass `lambda situation: ...`, or leave it out",
                )
        self.model = model
        self._make = cost
        self._make_constraints = constraints
        self._reader = Reader(model, _checked_keys(keys, model), observations)
        self._known: _Known | None = None
        if constraints is not None:  # solvers ask whether there is such a method
            self.get_constraints = self._constraints

    @property
    def process(self) -> dict[str, Any]:
        """What the policy's `process` should be: the model's action statistics, as a scaler."""
        return {"action": ActionScaler(processor_of(self.model, owner="SWMCost.process"))}

    def get_cost(self, info_dict: Mapping[str, Any], action_candidates: Tensor) -> Tensor:
        """Return the cost of every candidate, (batch, sample), where the candidates are.

        Args:
            info_dict: Entries (batch, sample, frame, ...); others than those that the model reads are left
                alone.
            action_candidates: Normalised action blocks (batch, sample, horizon, action).
        """
        return self._asked("cost", info_dict, action_candidates)

    def criterion(self, info_dict: Mapping[str, Any], action_candidates: Tensor) -> Tensor:
        """Return `get_cost`, under the other name that the library's protocol lists.

        Args:
            info_dict: As for `get_cost`.
            action_candidates: As for `get_cost`.
        """
        return self.get_cost(info_dict, action_candidates)

    def encode(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """Return the info with `emb`, the latents (batch, time, *latent) of its frames, each on its own.

        Args:
            info: Entries (batch, time, ...), without an axis of candidates.
        """
        parts = self._reader.parts(info, self._reader.present)
        with _quiet(self.model):
            return {**info, "emb": self.model.encode(self._reader.normalise(parts))}

    def rollout(self, info: Mapping[str, Any], action_candidates: Tensor) -> dict[str, Any]:
        """Return the info with `predicted_emb`, (batch, sample, frame + horizon, *latent).

        The first are the latents of the frames, the others those that the candidates lead to.

        Args:
            info: As for `get_cost`.
            action_candidates: As for `get_cost`; block 0 leaves the last frame.
        """
        known = self._look(info, action_candidates)
        state, blocks = known.situation.state, to_weights(self.model, action_candidates)
        with evaluation_mode(self.model), _without_weights(self.model, blocks):
            ahead = self.model.imagine(state, blocks)
        frames = known.frames.unsqueeze(1).expand(-1, blocks.shape[1], *known.frames.shape[1:])
        return {**info, "predicted_emb": torch.cat((frames, ahead), dim=2)}

    def _constraints(self, info_dict: Mapping[str, Any], action_candidates: Tensor) -> Tensor:
        return self._asked("constraints", info_dict, action_candidates)

    def _asked(self, kind: str, info: Mapping[str, Any], candidates: Tensor) -> Tensor:
        known = self._look(info, candidates)
        make = self._make if kind == "cost" else self._make_constraints
        if kind not in known.made and make is not None:
            if make is goal_cost and known.situation.goal is None:
                raise ConfigError(
                    f"SWMCost needs the goal, {quoted(self._reader.goal.values())} of the info",
                    f"the info has {quoted(info)}",
                    "Play an environment that shows its goal, or pass a `cost` that needs none",
                )
            known.made[kind] = make(copied(known.situation))
        blocks = to_weights(self.model, candidates)
        with evaluation_mode(self.model), _without_weights(self.model, blocks):
            answer = known.made[kind](blocks.clone())
        due, axes = tuple(candidates.shape[:2]), 2 if kind == "cost" else 3
        if (
            not isinstance(answer, Tensor)
            or answer.ndim != axes
            or tuple(answer.shape[:2]) != due
            or not answer.is_floating_point()
        ):
            raise ShapeError(
                f"SWMCost needs its `{kind}` to return a floating-point tensor with the axes (batch, sample"
                f"{', constraint' * (axes - 2)}), here {due}{' and one more' * (axes - 2)}",
                f"it returned {describe(answer)}",
                "Give numbers for every candidate",
            )
        return answer.to(candidates.device, copy=True)

    def _look(self, info: Mapping[str, Any], candidates: Tensor) -> "_Known":
        """Return what is known of the info, encoding it unless the last call did."""
        if not isinstance(candidates, Tensor) or candidates.ndim != 4 or not candidates.is_floating_point():
            raise ShapeError(
                "SWMCost needs floating-point candidates (batch, sample, horizon, action)",
                f"they are {describe(candidates)}",
                "Pass what a solver makes",
            )
        batch, samples, horizon, size = candidates.shape
        if size != self.model.action_dim:
            raise ShapeError(
                f"SWMCost needs action blocks of size {self.model.action_dim}",
                f"candidates are {describe(candidates)}, i.e. action={size}",
                f"Plan with `PlanConfig(action_block={self._reader.processor.frameskip})`, the frameskip",
            )
        shared = first_candidates(info, batch, samples)
        present = self._reader.parts(shared, self._reader.present)
        seen = all(key in shared for key in self._reader.goal.values())
        goal = self._reader.parts(shared, self._reader.goal) if seen else {}
        past = past_blocks(shared, next(iter(present.values())).shape[1], size)
        read = present | {f"goal {name}": part for name, part in goal.items()}
        read |= {} if past is None else {"past": past}
        versions = _versions(self.model)
        known = self._known
        if known is None or not known.of(read, versions, horizon):
            known = _Known(read, versions, *self._encoded(present, goal, past, horizon))
            self._known = known
        return known

    def _encoded(
        self, present: dict[str, Tensor], goal: dict[str, Tensor], past: Tensor | None, horizon: int
    ) -> tuple[Situation, Tensor]:
        model = self.model
        with _quiet(model):
            seen = self._reader.normalise(present)
            blocks = None if past is None else to_weights(model, past)
            state, frames = None, []
            for t in range(1 if blocks is None else blocks.shape[1] + 1):
                before = None if blocks is None or t == 0 else blocks[:, t - 1]
                state = model.observe(state, seen.at((slice(None), t)), before)
                frames.append(model.present(state))
            aim = None
            if goal:
                last = {name: part[:, -1:] for name, part in goal.items()}
                aim = model.encode(self._reader.normalise(last))[:, 0]
        return (
            Situation(
                model=model,
                state=state,
                latents=frames[-1],
                goal=aim,
                horizon=horizon,
                former=None,
                environments=tuple(range(len(frames[-1]))),
            ),
            torch.stack(frames, dim=1),
        )


@dataclass
class _Known:
    """What the last info held, and what was made of it."""

    read: dict[str, Tensor]
    versions: tuple[Any, ...]
    situation: Situation
    frames: Tensor
    made: dict[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)

    def of(self, read: Mapping[str, Tensor], versions: tuple[Any, ...], horizon: int) -> bool:
        """Whether this is what would be made of `read` by these weights."""
        if self.versions != versions or self.situation.horizon != horizon or self.read.keys() != read.keys():
            return False
        return all(
            one.shape == read[name].shape
            and one.dtype == read[name].dtype
            and one.device == read[name].device
            and torch.equal(one, read[name])
            for name, one in self.read.items()
        )


@contextmanager
def _quiet(model: nn.Module) -> Iterator[None]:
    """Compute normal tensors without gradient, in evaluation mode, also under `torch.inference_mode`."""
    with torch.inference_mode(False), torch.no_grad(), evaluation_mode(model):
        yield


@contextmanager
def _without_weights(model: nn.Module, blocks: Tensor) -> Iterator[None]:
    """Leave the weights out of a graph that leads to the candidates: solvers call `backward` on it."""
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    if not (blocks.requires_grad and torch.is_grad_enabled()):
        learning = []
    for weight in learning:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learning:
            weight.requires_grad_(True)


def _versions(model: nn.Module) -> tuple[Any, ...]:
    """Return what changes when the weights do."""
    tensors = (*model.parameters(), *model.buffers())
    return tuple((id(one), 0 if one.is_inference() else one._version) for one in tensors)


def _checked_keys(keys: Mapping[str, str] | None, model: WorldModel) -> Mapping[str, str]:
    known = set(model.observation_parts) | set(processor_of(model, owner="SWMCost").observation_parts)
    if keys is None:
        return {}
    if not isinstance(keys, Mapping) or not set(keys) <= known or not all(map(_is_text, keys.values())):
        raise ConfigError(
            f"SWMCost needs `keys` to hold names of entries by the parts {quoted(sorted(known))}",
            f"it is {describe(keys)}",
            'Pass for example {"wrist": "pixels.wrist"}',
        )
    return dict(keys)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
