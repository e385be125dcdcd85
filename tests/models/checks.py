"""What LeWM and its rollout must do, as functions that raise AssertionError."""

from collections.abc import Callable

import torch
from torch import Tensor

from leworld.data import Batch
from leworld.models import LeWM
from tests.models.cases import batch

Make = Callable[[], LeWM]


def hand_rollout(model: LeWM, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
    """One candidate of one trajectory at a time, one frame at a time, from lists."""
    rows = []
    for b in range(len(context)):
        for candidate in actions[b]:
            frames, blocks = list(context[b]), [*past_actions[b], *candidate]
            for now in range(len(context[b]), len(context[b]) + len(candidate)):
                first = max(0, now - model.history_size)
                window = torch.stack(frames[first:now]), torch.stack(blocks[first:now])
                frames.append(model.predict(window[0][None], window[1][None])[0, -1])
            rows.append(torch.stack(frames[len(context[b]) :]))
    return torch.stack(rows).unflatten(0, actions.shape[:2])


def plan_inputs(model: LeWM, time: int, horizon: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(time)
    context = torch.randn(2, time, *model.latent_shape, generator=generator)
    past = torch.randn(2, time - 1, model.action_dim, generator=generator)
    return context, past, torch.randn(2, 3, horizon, model.action_dim, generator=generator)


@torch.no_grad()
def check_rollout_is_the_hand_loop(make: Make) -> None:
    model = make().eval()
    for time, horizon in ((1, 1), (1, 5), (2, 4), (3, 3), (5, 4)):
        arguments = plan_inputs(model, time, horizon)
        torch.testing.assert_close(
            model.rollout(*arguments), hand_rollout(model, *arguments), atol=1e-5, rtol=1e-5
        )


@torch.no_grad()
def check_rollout_is_causal(make: Make) -> None:
    """An action changes its own step and later ones; a candidate changes nobody else's future."""
    model = make().eval()
    context, past, actions = plan_inputs(model, 2, 4)
    before = model.rollout(context, past, actions)
    for step in range(4):
        changed = actions.clone()
        changed[1, 2, step] += 2 * torch.randn(model.action_dim, generator=torch.Generator().manual_seed(6))
        difference = (model.rollout(context, past, changed) - before).abs().flatten(3).amax(dim=-1)
        assert bool((difference[1, 2, step : step + 1] > 1e-4).all())
        difference[1, 2, step:] = 0
        assert difference.max() < 1e-6


def check_loss_is_its_formula(make: Make) -> None:
    """Frame by frame, with the action that leaves it, in evaluation mode; SIGReg is called as documented."""
    model, data = make().eval(), batch()
    losses = model.loss(data, generator=torch.Generator().manual_seed(7))
    embeddings = torch.stack([model.encode(data.observations[:, t : t + 1])[:, 0] for t in range(4)], dim=1)
    errors = []
    for t in range(3):
        prediction = model.predict(embeddings[:, : t + 1], data.actions[:, : t + 1])[:, -1]
        errors.append((prediction - embeddings[:, t + 1]).square().mean())
    prediction = torch.stack(errors).mean()
    regularizer = torch.stack(
        [model.regularizer(embeddings[:, t], generator=torch.Generator().manual_seed(7)) for t in range(4)]
    ).mean()
    torch.testing.assert_close(losses.terms["prediction"], prediction, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses.values["regularizer"], regularizer, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses.total, prediction + model.regularizer_weight * regularizer)
    torch.testing.assert_close(losses.latents, embeddings, rtol=1e-4, atol=1e-5)
    assert not losses.latents.requires_grad


def check_gradient_is_the_slope(make: Make) -> None:
    """The gradient of the loss along a random direction of the weights is its central difference."""
    model, data = make().double().eval(), batch()
    data = Batch(data.observations.double(), data.actions.double())
    encoder = [p for part in (model.encoder, model.projector) for p in part.parameters()]
    rest = [
        p
        for part in (model.predictor, model.action_encoder, model.prediction_projector)
        for p in part.parameters()
    ]
    for group in (encoder, rest):
        generator = torch.Generator().manual_seed(8)
        direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in group]
        total = model.loss(data, generator=torch.Generator().manual_seed(9)).total
        gradients = torch.autograd.grad(total, group)
        slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))
        values = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                for p, d in zip(group, direction, strict=True):
                    p += step * d
                values.append(model.loss(data, generator=torch.Generator().manual_seed(9)).total)
                for p, d in zip(group, direction, strict=True):
                    p -= step * d
        torch.testing.assert_close(slope, (values[0] - values[1]) / 2e-5, rtol=1e-4, atol=1e-6)


ALL = [
    check_rollout_is_the_hand_loop,
    check_rollout_is_causal,
    check_loss_is_its_formula,
    check_gradient_is_the_slope,
]
