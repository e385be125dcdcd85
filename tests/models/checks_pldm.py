"""What PLDM must do beside the contract, as functions that raise AssertionError."""

from collections.abc import Callable

import numpy as np
import torch

from leworld.data import Batch
from leworld.models import PLDM
from tests.models.cases import batch
from tests.models.checks import check_gradient_is_the_slope, hand_rollout

Make = Callable[..., PLDM]  # takes PLDM's options
ALL_WEIGHTS = {
    "std_weight": 18.0,
    "covariance_weight": 12.0,
    "time_std_weight": 0.7,
    "time_covariance_weight": 0.5,
    "similarity_weight": 0.2,
    "inverse_dynamics_weight": 1.5,
}


def _hinge(variance: np.ndarray) -> float:
    return float(np.maximum(0, 1 - np.sqrt(variance + 1e-4)).mean())


def _off_diagonal(matrix: np.ndarray) -> float:
    dim = len(matrix)
    return float(sum(matrix[i, j] ** 2 for i in range(dim) for j in range(dim) if i != j)) / (dim * (dim - 1))


def by_hand(z: np.ndarray, *, original: bool) -> dict[str, float]:
    """The terms over embeddings (batch, time, dim), frame by frame and trajectory by trajectory."""
    frames = range(1 if original else z.shape[1])
    centred = z if original else z - z.mean(0)
    paths = [path[1:] if original else path for path in centred]
    seconds = [np.cov(path.T) if original else path.T @ path / (len(path) - 1) for path in paths]
    return {
        "std": float(np.mean([_hinge(z[:, t].var(0, ddof=1)) for t in frames])),
        "covariance": float(np.mean([_off_diagonal(np.cov(z[:, t].T)) for t in frames])),
        "time_std": float(np.mean([_hinge(path.var(0, ddof=1)) for path in paths])),
        "time_covariance": float(np.mean([_off_diagonal(second) for second in seconds])),
        "similarity": float(np.mean((z[:, 1:] - z[:, :-1]) ** 2)),
    }


def check_loss_is_its_formula(make: Make) -> None:
    """Every term by numpy, in both definitions; the head is called with the pair in the right order."""
    data = batch()
    for original in (False, True):
        model = make(**ALL_WEIGHTS, variant="original" if original else "released").eval()
        losses = model.loss(data)
        z = model.encode(data.observations).detach()
        due = by_hand(z.double().numpy(), original=original)
        ends = (z[:, :-1], z[:, 1:]) if original else (z[:, 1:], z[:, :-1])
        guess = model.regularizer.inverse_dynamics.head(torch.cat(ends, dim=-1))
        due["inverse_dynamics"] = (guess - data.actions[:, :-1]).square().mean().item()
        due["prediction"] = (model.predict(z[:, :-1], data.actions[:, :-1]) - z[:, 1:]).square().mean().item()
        assert losses.terms.keys() == due.keys()
        for name, value in due.items():
            weight = ALL_WEIGHTS.get(f"{name}_weight", 1.0)
            torch.testing.assert_close(losses.values[name].item(), value, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(losses.terms[name].item(), weight * value, rtol=1e-4, atol=1e-5)


def check_open_loop_starts_from_the_first_frame(make: Make) -> None:
    data = batch()
    model = make(open_loop=True).eval()
    z = model.encode(data.observations).detach()
    rolled = hand_rollout(model, z[:, :1], data.actions[:, :0], data.actions[:, None, :-1])[:, 0]
    due = (rolled - z[:, 1:]).square().mean()
    torch.testing.assert_close(model.loss(data).terms["prediction"], due, rtol=1e-4, atol=1e-6)


def check_gradients(make: Make) -> None:
    """Through prediction and target alike, through every term, and in open loop."""
    check_gradient_is_the_slope(make)
    smooth = ALL_WEIGHTS | {"inverse_dynamics_weight": 0.0}  # the other head has the kinks of a ReLU
    check_gradient_is_the_slope(lambda: make(**smooth, variant="original", open_loop=True))


def check_a_term_of_no_weight_costs_nothing(make: Make) -> None:
    model = make().eval()

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a term of weight 0 was computed")

    model.regularizer.time_covariance.register_forward_pre_hook(forbidden)
    losses = model.loss(batch())
    assert "time_covariance" not in losses.values
    assert model.regularizer.inverse_dynamics is None


def check_weights_are_read_when_the_loss_is_computed(make: Make) -> None:
    model, data = make().eval(), batch()
    before = model.loss(data)
    model.regularizer.std_weight = 36.0
    after = model.loss(data)
    torch.testing.assert_close(after.terms["std"], 2 * before.terms["std"])
    torch.testing.assert_close(after.values["std"], before.values["std"])


def check_the_batch_is_compared_frame_by_frame(make: Make) -> None:
    """Frames that all share their embedding have no spread over the batch, whatever their spread in time."""
    data, model = batch(), make().eval()
    same = Batch(data.observations[:1].expand(6, -1, -1, -1, -1), data.actions)
    values = model.loss(same).values
    torch.testing.assert_close(values["std"].item(), 1 - 1e-2, rtol=1e-5, atol=0)
    torch.testing.assert_close(values["time_std"].item(), 1 - 1e-2, rtol=1e-5, atol=0)


ALL = [
    check_loss_is_its_formula,
    check_open_loop_starts_from_the_first_frame,
    check_gradients,
    check_a_term_of_no_weight_costs_nothing,
    check_weights_are_read_when_the_loss_is_computed,
    check_the_batch_is_compared_frame_by_frame,
]
