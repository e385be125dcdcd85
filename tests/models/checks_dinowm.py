"""What DINO-WM must do beyond the contract, as functions that raise AssertionError."""

from collections.abc import Callable

import numpy as np
import torch

from leworld.models import DINOWM
from tests.models.dinowm import batch

Make = Callable[[], DINOWM]


@torch.no_grad()
def check_tokens_are_features_and_what_is_felt(make: Make) -> None:
    model, data = make().eval(), batch()
    latents = model.encode(data.observations)
    for row, t in ((0, 0), (3, 2)):
        frame = data.observations["pixels"][row, t]
        torch.testing.assert_close(latents[row, t, :, :6], model.encoder(frame[None])[0])
        felt = model.proprio_encoder(data.observations["proprio"][row, t])
        torch.testing.assert_close(latents[row, t, :, 6:], felt.repeat(4, 1))


@torch.no_grad()
def check_loss_is_its_formula(make: Make) -> None:
    model, data = make().eval(), batch()
    losses = model.loss(data)
    latents = model.encode(data.observations)
    errors = []
    for t in range(3):
        predicted = model.predict(latents[:, : t + 1], data.actions[:, : t + 1])[:, -1]
        errors.append((predicted - latents[:, t + 1]).square().numpy())
    error = np.stack(errors)
    np.testing.assert_allclose(losses.total, error.mean(), rtol=1e-5)
    np.testing.assert_allclose(losses.logged["visual"], error[..., :6].mean(), rtol=1e-5)
    np.testing.assert_allclose(losses.logged["proprio"], error[..., 6:].mean(), rtol=1e-5)
    np.testing.assert_allclose(losses.terms["proprio"], error[..., 6:].mean() * 2 / 8, rtol=1e-5)


def check_targets_pass_no_gradient(make: Make) -> None:
    """What is felt is trained through what the predictor is given, against targets that stand still."""
    model, data = make().eval(), batch()
    weights = list(model.proprio_encoder.parameters())
    gradients = torch.autograd.grad(model.loss(data).total, weights)
    latents = model.encode(data.observations)
    fixed = latents[:, 1:].detach().clone()
    error = (model.predict(latents[:, :-1], data.actions[:, :-1]) - fixed).square().mean()
    for one, other in zip(gradients, torch.autograd.grad(error, weights), strict=True):
        assert one.abs().max() > 1e-4
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


@torch.no_grad()
def check_distance_is_the_objective(make: Make) -> None:
    model = make()
    one, other = torch.randn(2, 5, 4, 8, generator=torch.Generator().manual_seed(1)).double()
    a, b = one.numpy(), other.numpy()
    expected = ((a - b)[..., :6] ** 2).mean((1, 2)) + 0.3 * ((a - b)[:, 0, 6:] ** 2).mean(-1)
    np.testing.assert_allclose(model.latent_distance(one, other), expected, rtol=1e-12)
    broadcast = model.latent_distance(one[:, None, None].float(), other[:1].float())
    assert broadcast.shape == (5, 1, 1)


def check_encoder_is_frozen(make: Make) -> None:
    model = make().train()
    assert model.predictor.training
    assert not any(part.training for part in model.encoder.modules())
    losses = model.loss(batch())
    losses.total.backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert trained == {name for name, _ in model.named_parameters() if not name.startswith("encoder.")}


ALL = [
    check_tokens_are_features_and_what_is_felt,
    check_loss_is_its_formula,
    check_targets_pass_no_gradient,
    check_distance_is_the_objective,
    check_encoder_is_frozen,
]
