"""Actions and frames belong together: a world whose pictures show the last action is foreseen without error.

Models train through the library's own windows and processor. Were blocks paired with the frame before
or after, what comes could not be known, as actions are drawn at random.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from leworld.data import Episodes, Windows, fit_processor
from leworld.models import WorldModel, model_batch
from tests.models.cases import lewm, pldm
from tests.models.rssm import rssm

SKIP, TIME = 2, 4
MODELS: dict[str, Callable[[], WorldModel]] = {
    "LeWM": lambda: lewm(weight=0.02),
    "PLDM": pldm,
    "RSSM": lambda: rssm(learns=False, weights={"reconstruction": 0.1}),
}


def world(*, late: int = 0) -> Episodes:
    """Pictures whose first two channels tell the signs of the raw action that led to them.

    With `late` they tell the action after that many, which nobody can know.
    """
    rng, count, rows = np.random.default_rng(0), 40, TIME * SKIP + 1
    actions = rng.choice([-1.0, 1.0], size=(count, rows + late, 2)).astype(np.float32)
    shown = np.concatenate((np.ones((count, 1, 2), np.float32), actions), axis=1)[:, late : late + rows]
    frames = np.full((count, rows, 8, 8, 3), 128, np.uint8)
    frames[..., :2] = (128 + 80 * shown)[:, :, None, None].astype(np.uint8)
    done = actions[:, :rows].copy()
    done[:, -1] = np.nan
    return Episodes(frames.reshape(-1, 8, 8, 3), done.reshape(-1, 2), lengths=np.full(count, rows))


def error(model: WorldModel, episodes: Episodes, *, steps: int) -> float:
    """Train, and return the error of predictions over a window, as a share of the latents' variance."""
    model.processor = fit_processor(episodes, frameskip=SKIP)
    windows = Windows(episodes, model.history_size, frameskip=SKIP)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(1)
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(windows), (32,), generator=generator)
        losses = model.loss(model_batch(model, windows.__getitems__(chosen.tolist())), generator=generator)
        optimizer.zero_grad()
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        data = model_batch(model, windows.__getitems__(list(range(len(windows)))))
        latents = model.encode(data.observations, data.actions)
        first, blocks = latents[:, :1], data.actions[:, :-1].unsqueeze(1)
        foreseen = model.rollout(first, blocks[:, 0, :0], blocks)[:, 0]
        due = latents[:, 1:]
        away = model.latent_distance(foreseen, due).mean()
        return float(away / model.latent_distance(due, due.mean((0, 1), keepdim=True)).mean())


@pytest.mark.parametrize("name", MODELS)
def test_what_an_action_leads_to_is_foreseen(name: str) -> None:
    assert error(MODELS[name](), world(), steps=200) < 0.1


def test_what_the_next_action_shows_cannot_be_foreseen() -> None:
    assert error(MODELS["LeWM"](), world(late=SKIP), steps=200) > 0.5
