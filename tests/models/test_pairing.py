"""Actions and frames belong together: a world whose pictures show the last action is foreseen without error.

Every model trains through the library's own windows and processor. Were blocks paired with the frame before
or after, what comes could not be known, as actions are drawn at random.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from leworld.data import Episodes, Windows, fit_processor
from leworld.encoders import SimNormEncoder
from leworld.heads import GaussianPolicy, QEnsemble, ScalarHead, TwoHot
from leworld.models import TDMPC2, WorldModel, model_batch
from leworld.predictors import SimNormPredictor
from tests.models.cases import lewm, pldm
from tests.models.dinowm import dinowm
from tests.models.rssm import rssm

SKIP, TIME = 2, 4
MODELS: dict[str, tuple[Callable[[], WorldModel], int]] = {  # and steps of training
    "LeWM": (lambda: lewm(weight=0.02), 200),
    "PLDM": (pldm, 200),
    "DINOWM": (lambda: dinowm(proprio=False), 400),
    "TDMPC2": (lambda: unshifted(), 200),
    "RSSM": (lambda: rssm(learns=False, free_nats=0.05, weights={"reconstruction": 0.1}), 200),
    "RSSM without pictures": (
        lambda: rssm("no picture", learns=False, free_nats=0.05, weights={"regularizer": 0.02}),
        200,
    ),
}


def unshifted() -> TDMPC2:
    """A TD-MPC2 whose encoder takes pictures as they are: a shift would move the halves of small ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = SimNormEncoder(8, 8, kernels=(3, 2), strides=(2, 1), simnorm_dim=4, shift=0)
        dim, hidden = encoder.embedding_dim, (32,)
        two_hot = TwoHot(num_bins=21, low=-3.0, high=3.0)
        return TDMPC2(
            encoder,
            SimNormPredictor(dim, 3, condition_dim=4, hidden_dims=hidden, simnorm_dim=4),
            reward=ScalarHead(dim, 4, hidden_dims=hidden, two_hot=two_hot),
            value=QEnsemble(dim, 4, num_members=2, hidden_dims=hidden, two_hot=two_hot, dropout=0.0),
            policy=GaussianPolicy(dim, 4, hidden_dims=hidden),
            weights={"reward": 2.0},
        )


def world(*, late: int = 0, halves: bool = False) -> Episodes:
    """Pictures that are bright or dark by the signs of the raw action that led to them.

    With `late` they tell the action after that many, which nobody can know; with `halves` it is one half that
    is bright, as SimNorm over the cells of a picture does not see how bright a plain one is.
    """
    rng, count, rows = np.random.default_rng(0), 40, TIME * SKIP + 1
    actions = rng.choice([-1.0, 1.0], size=(count, rows + late, 2)).astype(np.float32)
    shown = np.concatenate((np.ones((count, 1, 2), np.float32), actions), axis=1)[:, late : late + rows]
    frames = np.full((count, rows, 8, 8, 3), 128, np.uint8)
    frames[..., :2] = (128 + 80 * shown)[:, :, None, None].astype(np.uint8)
    if halves:
        side = np.where(np.arange(8) < 4, 80, -80)
        frames[..., 0] = 128 + side[None, :] * shown[..., :1, None]
        frames[..., 1] = 128 + side[:, None] * shown[..., 1:, None]
    done = actions[:, :rows].copy()
    reward = shown[..., 0] + 0.5 * shown[..., 1]  # or a TD-MPC2 need not look
    done[:, -1] = reward[:, -1] = np.nan
    return Episodes(
        frames.reshape(-1, 8, 8, 3),
        done.reshape(-1, 2),
        lengths=np.full(count, rows),
        columns={"reward": reward.reshape(-1).astype(np.float32)},
    )


def error(model: WorldModel, episodes: Episodes, *, steps: int) -> float:
    """Train, and return the error of predictions over a window, as a share of the latents' variance."""
    model.processor = fit_processor(episodes, frameskip=SKIP)
    windows = Windows(episodes, model.history_size, frameskip=SKIP, columns=model.batch_columns)
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
    make, steps = MODELS[name]
    assert error(make(), world(halves=name == "TDMPC2"), steps=steps) < 0.1


def test_what_the_next_action_shows_cannot_be_foreseen() -> None:
    assert error(MODELS["LeWM"][0](), world(late=SKIP), steps=200) > 0.5
