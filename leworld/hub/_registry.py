"""The one table from class names in a checkpoint to classes of leworld."""

from collections.abc import Mapping
from importlib import import_module

from torch import nn

from .._checks import nearest
from ..errors import CheckpointError

_CLASSES = {
    "models": ("LeWM",),
    "decoders": ("CrossAttentionDecoder",),
    "encoders": ("ActionEncoder", "ConvEncoder", "ViTEncoder"),
    "predictors": ("TransformerPredictor",),
    "nn": ("Projector",),
    "control": ("GoalConditionedInverseModel",),
    "regularizers": (
        "ExactSIGReg",
        "InverseDynamics",
        "MultivariateNormality",
        "SIGReg",
        "SlicedNormality",
        "SubspaceSIGReg",
        "TemporalSimilarity",
        "TemporalStraightening",
        "VCReg",
        "VICReg",
        "VISReg",
        "WeakSIGReg",
    ),
    "normality": (
        "AndersonDarling",
        "BHEP",
        "BHEPM",
        "COMB",
        "CramerVonMises",
        "EnergyDistance",
        "EppsPulley",
        "ExtendedJarqueBera",
        "GaussHermiteEppsPulley",
        "HenzeVisagie",
        "HenzeZirkler",
        "JarqueBera",
        "Moments",
        "OrderStatisticLikelihood",
        "ShapiroFrancia",
        "ShapiroWilk",
        "SimpsonEppsPulley",
        "VasicekEntropy",
        "Watson",
    ),
}
_ROOM_OF = {name: room for room, names in _CLASSES.items() for name in names}


def registered() -> tuple[str, ...]:
    """Return the names of all classes that a checkpoint may name, sorted."""
    return tuple(sorted(_ROOM_OF))


def resolve(name: str, own: Mapping[str, type[nn.Module]], *, where: str) -> type[nn.Module]:
    """Return the class called `name`, importing its room; `where` says which field named it.

    A checkpoint is data from somebody else: a name outside this table is refused, never imported. `own` holds
    classes that the caller has handed over by himself.
    """
    if name in own:
        return own[name]
    room = _ROOM_OF.get(name)
    if room is None:
        raise CheckpointError(
            f"{where} needs `class` to name a class of leworld, or one passed to `load` in `classes`",
            f"it is `{name}`",
            nearest(name, {**_ROOM_OF, **own}),
        )
    return getattr(import_module(f"leworld.{room}"), name)
