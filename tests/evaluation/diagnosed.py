"""A small world whose latents have known answers, what a diagnosis of them must say, and wrong diagnoses."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from leworld.data import Episodes, fit_processor
from leworld.evaluation import Quantity
from leworld.metrics import within_episode_share
from leworld.models import WorldModel
from leworld.probes import RidgeProbe
from tests.evaluation.kinds import SKIP, TASK

QUANTITIES = {"first": Quantity("state", (0,)), "second": Quantity("state", (1,))}
OPTIONS = {"quantities": QUANTITIES, "probe": RidgeProbe, "num_problems": 40, "num_plans": 12, "horizon": 3}


class Looks(WorldModel):
    """The two lights, read off the picture and off the joints, with known weights; its dynamics are true.

    In units of the states a picture's weight 0 makes it blind to pictures, a light's weight 0 loses it.
    """

    history_size, action_dim, latent_shape = 1, 2 * SKIP, (4,)
    observation_parts = ("pixels", "proprio")

    def __init__(self, picture: float, joints: float, *, lights: tuple[float, float] = (1.0, 1.0)) -> None:
        super().__init__()
        self.weights = (picture, joints)
        self.lights = torch.tensor(lights)
        self.processor = fit_processor(data(), frameskip=SKIP, parts=("proprio",))

    def _encode(self, observations) -> Tensor:
        processor = self.processor
        mean, std = (torch.tensor(v)[:, None, None] for v in (processor.image_mean, processor.image_std))
        seen = (observations["pixels"] * std + mean).mean((-2, -1))[..., :2] * 255 / 150  # half is darkened
        part = processor.parts["proprio"]
        felt = observations["proprio"] * torch.tensor(part.std) + torch.tensor(part.mean)
        picture, joints = self.weights
        return torch.cat((picture * seen * self.lights, joints * felt * self.lights), dim=-1)

    def _predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        processor = self.processor
        raw = actions.unflatten(-1, (SKIP, 2)) * torch.tensor(processor.action_std)
        step = 0.08 * (raw + torch.tensor(processor.action_mean)).sum(-2) * self.lights
        return latents + torch.cat([weight * step for weight in self.weights], dim=-1)

    def _loss(self, batch, generator):
        raise NotImplementedError


def data(count: int = 30, *, seed: int = 3) -> Episodes:
    return TASK.held_out(count, seed=seed)


def states(episodes: Episodes) -> tuple[Tensor, Tensor]:
    """True states of the frames that a model looks at, and their episodes."""
    rows = [np.arange(o, o + n, SKIP) for o, n in zip(episodes.offsets, episodes.lengths, strict=True)]
    number = torch.from_numpy(np.repeat(np.arange(len(rows)), [len(part) for part in rows]))
    return torch.from_numpy(np.asarray(episodes.columns["state"])[np.concatenate(rows)]).double(), number


def check_diagnosis(diagnose) -> None:
    episodes = data()
    truth, number = states(episodes)
    share = float(within_episode_share(truth, number))
    both = diagnose(Looks(1.0, 2.0), episodes, **OPTIONS)
    parts = {(row.part, row.change): row for row in both.parts}
    # What moves adds up: squared weights 1 and 4 of 5. A mean is half as far away as another frame.
    assert math.isclose(parts["pixels", "shuffled"].moved, 0.2, abs_tol=0.01)
    assert math.isclose(parts["proprio", "shuffled"].moved, 0.8, abs_tol=0.01)
    halved = parts["proprio", "blanked"].moved / parts["proprio", "shuffled"].moved
    assert 0.4 < halved < 0.6
    assert math.isclose(both.within_share, share, abs_tol=0.01)
    assert math.isclose(both.independent_share, (len(truth) - 30) / (len(truth) - 1), rel_tol=1e-9)
    # True dynamics prefer what leads to the goal; with both parts gone from the goal they cannot.
    assert both.rank < 0.1 < 0.25 < parts["proprio", "shuffled"].rank
    assert parts["proprio", "shuffled"].error_ratio > 5 > 1 < parts["pixels", "shuffled"].error_ratio
    assert both.contrast > 0.2
    assert both.num_problems == 40
    # Everything is there: the probes find it, in the latent and in the pixels, and nothing is told.
    assert min(both.r2.values()) > 0.99
    assert min(both.pixel_r2.values()) > 0.97
    assert (both.blind_parts, both.lost, both.findings) == ((), (), ())
    # Blind to the picture: nothing changes without it, by any measure.
    blind = diagnose(Looks(0.0, 1.0), episodes, **OPTIONS)
    assert blind.blind_parts == ("pixels",)
    rows = {(row.part, row.change): row for row in blind.parts}
    for change in ("shuffled", "blanked"):
        row = rows["pixels", change]
        assert (row.moved, row.error_ratio, row.rank) == (0.0, 1.0, blind.rank)
        assert dict(row.r2) == dict(blind.r2)
    assert math.isclose(rows["proprio", "shuffled"].moved, 1.0, rel_tol=1e-6)
    assert max(rows["proprio", "shuffled"].r2.values()) < 0.3 < 0.9 < min(blind.r2.values())
    # The second light is in the pixels and not in the latent.
    lost = diagnose(Looks(1.0, 1.0, lights=(1.0, 0.0)), episodes, **OPTIONS)
    assert lost.lost == ("second",)
    assert lost.r2["first"] > 0.97 > 0.4 > lost.r2["second"]


def remembered(ours):
    """Diagnose each of the models above once."""
    known = {}

    def diagnose(model, episodes, **options):
        key = (model.weights, tuple(model.lights.tolist()))
        if key not in known:
            known[key] = ours(model, episodes, **options)
        return known[key]

    return diagnose


def _renamed(ours):
    def mistake(model, episodes, **options):
        found = ours(model, episodes, **options)
        other = {"pixels": "proprio", "proprio": "pixels"}
        return replace(found, parts=tuple(replace(row, part=other[row.part]) for row in found.parts))

    return mistake


def _rows(change):
    def of(ours):
        def mistake(model, episodes, **options):
            found = ours(model, episodes, **options)
            return replace(found, parts=tuple(replace(row, **change(row)) for row in found.parts))

        return mistake

    return of


def _whole(change):
    def of(ours):
        def mistake(model, episodes, **options):
            found = ours(model, episodes, **options)
            return replace(found, **change(found))

        return mistake

    return of


WRONG = {
    "parts renamed": _renamed,
    "roots of distances": _rows(lambda row: {"moved": row.moved**0.5}),
    "not over the distance of two frames": _rows(lambda row: {"moved": 0.1 * row.moved}),
    "error of the changed frames' own future": _rows(lambda row: {"error_ratio": 1.0}),
    "probes fitted anew": _rows(lambda row: {"r2": dict.fromkeys(row.r2, 0.99)}),
    "ranks of the real latents": _rows(lambda row: {"rank": 0.02}),
    "high ranks are good": _whole(lambda found: {"rank": 1 - found.rank}),
    "the share between episodes": _whole(lambda found: {"within_share": 1 - found.within_share}),
    "lost where the pixels lack it": _whole(lambda found: {"r2": found.pixel_r2, "pixel_r2": found.r2}),
    "nothing is blind": _whole(lambda found: {"blind_below": 0.0}),
    "everything is lost": _whole(lambda found: {"lost_above": -1.0}),
}
