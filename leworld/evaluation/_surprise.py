"""Violation of expectation: does a model's surprise show when the impossible happens?"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from .._checks import check_choice, check_number, describe
from ..data import Episodes
from ..errors import ConfigError, DataError, NonFiniteError, ShapeError
from ..metrics import auroc, paired_t_test
from ..models import WorldModel
from ._latent_paths import latent_paths, next_errors
from ._monitor import alarm_threshold
from ._perturb import KINDS, perturb
from ._state_world import StateWorld
from ._surprise_result import SurpriseResult, SurpriseRow

_BEFORE, _AFTER = 3, 5


def surprise(
    model: WorldModel,
    episodes: Episodes,
    *,
    kinds: Sequence[str] = KINDS,
    world: StateWorld | None = None,
    false_alarm_rate: float = 0.05,
    calibration: float = 0.5,
    normal_events: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
) -> SurpriseResult:
    """Disturb held-out episodes and measure whether the frame of the event surprises the model.

    Part of the episodes stays as it is and calibrates: it sets the surprise above which a frame raises an
    alarm. Every other episode is judged undisturbed, and once for each kind of event (see `perturb`). Only
    the first frame that shows the event counts as its detection, so a model cannot score by being confused
    ever after.

    Args:
        model: A world model with its processor, action statistics included.
        episodes: Normal episodes that the model was not trained on.
        kinds: Kinds of events: some of `teleport`, `colour`, `freeze`, `reversal` and `vanish`.
        world: Exact dynamics and pictures, so that a teleport goes on in the world. Else episodes are
            spliced.
        false_alarm_rate: Share of normal frames that may raise an alarm.
        calibration: Share of the episodes that sets the threshold, strictly between 0 and 1.
        normal_events: Rare but normal moments whose false alarms are counted apart, by name: a mask over the
            rows of `episodes`. A frame belongs to it when a masked row lies between the frame before
            (exclusive) and itself (inclusive).
        seed: Which episodes calibrate, and the events.

    Returns:
        For each kind the detection rate, AUROC against all normal frames, a paired t-test against the same
        frames undisturbed, and the mean surprise around the event. A kind that the episodes cannot show is
        marked undefined.

    Raises:
        ConfigError: A model without processor, an option out of range, or too few frames to calibrate on.
        DataError: Episodes too short or without the columns that `world` needs.
        ShapeError: A mask of another length.
        NonFiniteError: The model's embeddings or predictions of normal frames are NaN or infinite.

    Randomness:
        From `seed` only.

    Source:
        Maes et al., LeWorldModel, 2026, arXiv 2603.19312, section 5.2 and appendix F.3: teleport and colour
        change, paired t-tests. Detection rates, AUROC, effect sizes, calibration and the other kinds of
        events are additions.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, Processor
        from leworld.evaluation import surprise
        from leworld.models import WorldModel

        class Walker(WorldModel):
            history_size, embedding_dim, action_dim = 1, 3, 1

            def _encode(self, observations):
                return observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings + actions

            def _loss(self, batch, generator):
                raise NotImplementedError

        model = Walker()
        model.processor = Processor(
            2, frameskip=1, action_dim=1, image_mean=(0.0,) * 3, image_std=(1 / 255,) * 3,
            action_mean=(0.0,), action_std=(1.0,),
        )
        moves = np.random.default_rng(0).integers(-3, 4, (20, 30, 1))
        levels = 128 + np.cumsum(moves, axis=1) - moves
        episodes = Episodes(
            np.tile(levels.reshape(-1, 1, 1, 1), (1, 2, 2, 3)).astype(np.uint8),
            moves.reshape(-1, 1).astype(np.float32),
            lengths=np.full(20, 30),
        )
        assert surprise(model, episodes, kinds=("teleport",)).row("teleport").detected > 0.9
        ```
    """
    owner = "surprise"
    check_number(owner, "calibration", calibration, low=0, high=1, open_low=True)
    check_number(owner, "seed", seed, low=0, integer=True)
    if isinstance(kinds, str) or not isinstance(kinds, Sequence) or not kinds:
        raise ConfigError(
            "surprise needs `kinds` to name at least one kind of event",
            f"`kinds` is {describe(kinds)}",
            'Pass for example ("teleport", "colour")',
        )
    for kind in kinds:
        check_choice(owner, "kinds", kind, KINDS)
    whole = latent_paths(model, episodes, owner=owner)
    scores = next_errors(model, whole, owner=owner)
    skip = 1 if model.processor is None else model.processor.frameskip
    masks = _masks(episodes, normal_events or {}, skip)
    calibrating, tested = _halves(len(episodes), calibration, seed)
    usual = torch.cat([scores[i] for i in tested])
    reference = torch.cat([scores[i] for i in calibrating])
    threshold = alarm_threshold(owner, reference, false_alarm_rate)
    alarms = usual > threshold
    normal = {"all": (int(alarms.sum()), len(alarms))}
    for name, mask in masks.items():
        inside = torch.cat([mask[i] for i in tested])
        normal[name] = (int(alarms[inside].sum()), int(inside.sum()))
    rows, undefined = [], {}
    part = episodes.select(tested)
    for kind in kinds:
        try:
            rows.append(
                _judge(model, part, [scores[i] for i in tested], usual, kind, world, skip, threshold, seed)
            )
        except (DataError, NonFiniteError) as error:
            undefined[kind] = str(error)
    return SurpriseResult(
        rows=tuple(rows),
        false_alarm_rate=false_alarm_rate,
        threshold=threshold,
        num_calibration=len(reference),
        normal=normal,
        undefined=undefined,
        seed=seed,
    )


def _halves(count: int, calibration: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    first = min(max(round(count * calibration), 1), count - 1)
    if first < 1 or count - first < 2:
        raise ConfigError(
            "surprise needs at least one episode to calibrate on and two to test",
            f"there are {count} and `calibration={calibration}`",
            "Pass more episodes, or a smaller share",
        )
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[:first]), np.sort(order[first:])


def _masks(episodes: Episodes, events: Mapping[str, np.ndarray], skip: int) -> dict[str, list[Tensor]]:
    """Say of every judged frame whether a masked row lies in the step that led to it."""
    masks = {}
    for name, mask in events.items():
        rows = np.asarray(mask)
        if rows.shape != (len(episodes.pixels),) or rows.dtype != bool:
            raise ShapeError(
                f"surprise needs a mask with one truth value for each of {len(episodes.pixels)} rows",
                f"`normal_events[{name!r}]` is {describe(rows)}",
                "Compare a column of the episodes with something",
            )
        masks[name] = []
        for first, length in zip(episodes.offsets, episodes.lengths, strict=True):
            steps = (length - 1) // skip
            inside = rows[first + 1 : first + 1 + steps * skip].reshape(steps, skip).any(axis=1)
            masks[name].append(torch.from_numpy(inside))
    return masks


def _judge(
    model: WorldModel,
    episodes: Episodes,
    scores: list[Tensor],
    usual: Tensor,
    kind: str,
    world: StateWorld | None,
    skip: int,
    threshold: float,
    seed: int,
) -> SurpriseRow:
    made = perturb(episodes, kind, frameskip=skip, world=world, seed=seed)
    disturbed = next_errors(model, latent_paths(model, made.episodes, owner="surprise"), owner="surprise")
    places = (made.event // skip - 1).tolist()
    undisturbed = [scores[i] for i in made.source]
    at_event = torch.stack([s[place] for s, place in zip(disturbed, places, strict=True)])
    before = torch.stack([s[place] for s, place in zip(undisturbed, places, strict=True)])
    if len(at_event) < 2:
        raise DataError(
            "surprise needs at least 2 episodes that can show the event",
            f"there is {len(at_event)}",
            "Pass more or longer episodes",
        )
    test = paired_t_test(at_event, before)
    offsets, curves = [], []
    for offset in range(-_BEFORE, _AFTER + 1):
        both = [
            (float(new[place + offset]), float(old[place + offset]))
            for new, old, place in zip(disturbed, undisturbed, places, strict=True)
            if 0 <= place + offset < min(len(new), len(old))
        ]
        if both:
            offsets.append(offset)
            curves.append(np.mean(both, axis=0).tolist())
    return SurpriseRow(
        kind,
        num_events=len(at_event),
        num_detected=int((at_event > threshold).sum()),
        auroc=float(auroc(at_event, usual)),
        t=test.t,
        p_value=test.p_value,
        effect_size=test.effect_size,
        offsets=tuple(offsets),
        disturbed=tuple(new for new, _ in curves),
        undisturbed=tuple(old for _, old in curves),
    )
