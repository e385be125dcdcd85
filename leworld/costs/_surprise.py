"""A penalty for imagining what the model has never seen."""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_number, check_samples, describe
from .._lending import own_copy
from .._precision import double
from .._typing import shapechecked
from ..errors import ShapeError
from ._start import RolloutModel, Start

SHRINKAGE = 0.1


@final
class SurpriseCost:
    r"""Penalises plans whose imagined embeddings lie outside the distribution of the training embeddings.

    A planner seeks out the model's errors: sequences whose prediction is good because it is wrong. Where such
    predictions leave the region that the encoder fills, this cost tells. Add it to a goal cost with
    `WeightedSum`; it costs one more rollout of the candidates.

    $$c(a_{1:H}) = \frac{1}{H} \sum_t \max(0, \tfrac{1}{d} |\Sigma^{-1/2} (\hat z_t - \mu)|^2 - m)$$

    The squared Mahalanobis distance over the dimension d is 1 on average over the training distribution.

    What it does not tell: an embedding may look ordinary and yet not follow from the actions; predictors that
    average over possible futures move toward the mean, where nothing is penalised; and a Gaussian is a coarse
    picture of a curved set of embeddings. To compare several models, `EnsembleCost` exists.

    Shapes:
        `cost(actions)`: (batch, sample, horizon, action) -> (batch, sample). Latents with token axes are
        judged token by token and averaged.

    Args:
        model: Predicts embeddings; run in evaluation mode.
        context: Embeddings of the last real frames (batch, time, *latent), oldest first.
        past_actions: Action blocks between these frames (batch, time - 1, action).
        state: In place of the two, what the model's `observe` returned.
        reference: Embeddings of training frames (sample, dim), from which mean and covariance are estimated;
            the covariance is mixed with a tenth of a multiple of the identity of the same trace. None for
            mean 0 and covariance 1, which is what SIGReg trains embeddings to have and fits no other model.
        margin: Distance m that is free of charge.

    Raises:
        ShapeError: If context, past actions, reference and candidates disagree.
        NonFiniteError: If one of them holds NaN or infinity.

    Numerics:
        Distances are taken in float32 at least; gradients reach the actions.

    Example:
        ```python
        import torch
        from leworld.costs import SurpriseCost

        class Integrator:
            def rollout(self, context, past_actions, actions):
                return context[:, None, -1:] + actions.cumsum(2)

        cost = SurpriseCost(Integrator(), context=torch.zeros(1, 1, 2))
        ordinary, far = torch.tensor([0.5, 0.5]), torch.tensor([3.0, 3.0])
        assert cost(torch.stack((ordinary, far))[None, :, None]).tolist() == [[0.0, 8.0]]
        ```
    """

    @shapechecked
    def __init__(
        self,
        model: RolloutModel,
        *,
        context: Float[Tensor, "batch time *latent"] | None = None,
        past_actions: Float[Tensor, "batch past action"] | None = None,
        state: Any | None = None,
        reference: Float[Tensor, "sample dim"] | None = None,
        margin: float = 1.0,
    ) -> None:
        check_number("SurpriseCost", "margin", margin, low=0)
        start = Start("SurpriseCost", model, context=context, past_actions=past_actions, state=state)
        self.start = start.check_history()
        self.model = model
        self.margin = margin
        self.device = self.start.context.device
        self.dtype = self.start.context.dtype
        self._mean, self._whiten = (None, None) if reference is None else self._fit(reference)

    @shapechecked
    def __call__(
        self, actions: Float[Tensor, "batch sample horizon action"]
    ) -> Float[Tensor, "batch sample"]:
        """Return the cost of every candidate."""
        imagined = self.start.rollout(actions)
        centred = imagined.to(torch.promote_types(imagined.dtype, torch.float32))
        if self._mean is not None and self._whiten is not None:
            with torch.autocast(centred.device.type, enabled=False):  # it would multiply in a half type
                centred = (centred - self._mean.to(centred)) @ self._whiten.to(centred)
        excess = (centred.square().mean(-1) - self.margin).clamp(min=0)
        return excess.flatten(2).mean(-1)

    def _fit(self, reference: Tensor) -> tuple[Tensor, Tensor]:
        check_samples("SurpriseCost", "reference", reference)
        check_finite("SurpriseCost", "reference", reference)
        dim = self.start.context.shape[-1]
        if reference.shape[1] != dim:
            raise ShapeError(
                f"SurpriseCost needs `reference` (sample, dim) with dim={dim}, as `context` has",
                f"`reference` is {describe(reference)}",
                "Encode training frames with the same model",
            )
        samples = double(own_copy(reference))
        mean = samples.mean(0)
        covariance = (samples - mean).T @ (samples - mean) / len(samples)
        level = covariance.diagonal().mean()
        if not bool(level > 0):
            raise ShapeError(
                "SurpriseCost needs reference embeddings that differ",
                f"all {len(samples)} of `reference` are equal",
                "Encode frames from many episodes; equal embeddings mean a collapsed model",
            )
        covariance = (1 - SHRINKAGE) * covariance
        covariance = covariance + SHRINKAGE * level * torch.eye(dim, dtype=mean.dtype, device=mean.device)
        values, vectors = torch.linalg.eigh(covariance)
        return own_copy(mean), own_copy(vectors * values.rsqrt())
