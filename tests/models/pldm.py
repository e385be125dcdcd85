"""PLDM on given numbers: parts that know the embeddings, predictions and guesses of the recorded losses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from leworld.data import Batch, Observation
from leworld.models import PLDM
from leworld.regularizers import PLDMTerms

FOLDER = Path(__file__).parent.parent / "fixtures" / "pldm_mini"
SIZES = ("a", "b", "c")
# The recorded names of the terms of both definitions.
TERMS = {
    "swm": {
        "std": "std_loss",
        "covariance": "cov_loss",
        "time_std": "std_t_loss",
        "time_covariance": "cov_t_loss",
        "similarity": "temp_align_loss",
        "inverse_dynamics": "idm_loss",
    },
    "orig": {
        "prediction": "sim_loss",
        "std": "std_loss",
        "covariance": "cov_loss",
        "time_std": "std_loss_t",
        "time_covariance": "cov_loss_t",
        "similarity": "sim_loss_t",
    },
}
WALL = {
    "std_weight": 3.9843,
    "covariance_weight": 6.9238,
    "time_std_weight": 0.24535,
    "similarity_weight": 0.74242,
}
NO_TERM = dict.fromkeys(
    ("std_weight", "covariance_weight", "time_std_weight", "time_covariance_weight", "similarity_weight"), 0.0
)


def recorded() -> dict[str, Tensor]:
    return load_file(FOLDER / "reference.safetensors")


class Given(nn.Module):
    """An encoder that is given embeddings."""

    observation_parts = ("embedding",)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding_dim = dim

    def forward(self, embeddings: Tensor) -> Tensor:
        return embeddings


class Foretold(nn.Module):
    """A predictor that knows what comes out."""

    def __init__(self, prediction: Tensor) -> None:
        super().__init__()
        self.prediction = nn.Parameter(prediction.clone())
        self.embedding_dim, self.condition_dim = prediction.shape[-1], 4
        self.history_size = prediction.shape[1]

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.prediction[:, : embeddings.shape[1]]


class Unchanged(nn.Module):
    """An action encoder that does nothing."""

    action_dim = embedding_dim = 4

    def forward(self, actions: Tensor) -> Tensor:
        return actions


class Guess(nn.Module):
    """A head of inverse dynamics that knows its guesses."""

    reads = "actions"

    def __init__(self, guess: Tensor) -> None:
        super().__init__()
        self.guess = nn.Parameter(guess.clone())

    def forward(self, embeddings: Tensor, actions: Tensor, *, generator: Any = None) -> Tensor:
        return (self.guess - actions[:, :-1]).square().mean()


def given(case: Mapping[str, Tensor], **options: Any) -> PLDM:
    """A PLDM whose parts know everything."""
    return PLDM(
        Given(case["z"].shape[-1]),
        Foretold(case["prediction"]),
        action_encoder=Unchanged(),
        projector=None,
        prediction_projector=None,
        regularizer=PLDMTerms(inverse_dynamics=Guess(case["action_prediction"]), **options),
    )


def batch_of(case: Mapping[str, Tensor]) -> tuple[Batch, Tensor]:
    """The batch, and the embeddings in it, with gradient."""
    z = case["z"].clone().requires_grad_()
    actions = torch.cat((case["action_target"], torch.zeros_like(case["action_target"][:, :1])), dim=1)
    return Batch(Observation(parts={"embedding": z}), actions), z
