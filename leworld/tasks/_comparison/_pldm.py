"""PLDM with the parts of the recipe's LeWM."""

from ...models import PLDM, WorldModel
from ._contender import BuildRequest, Contender


def pldm(request: BuildRequest) -> WorldModel:
    """Build PLDM from the very parts, and so the initial weights, of the recipe's LeWM."""
    lewm = request.recipe.build(request.processor)
    model = PLDM(
        lewm.encoder,
        lewm.predictor,
        action_encoder=lewm.action_encoder,
        projector=lewm.projector,
        prediction_projector=lewm.prediction_projector,
    )
    model.processor = request.processor
    return model


PLDM_CONTENDER = Contender(
    build=pldm,
    loss_weights=(
        "std_weight",
        "covariance_weight",
        "time_std_weight",
        "time_covariance_weight",
        "similarity_weight",
        "inverse_dynamics_weight",
    ),
    note="with the weights that its release chose on Push-T",
)
