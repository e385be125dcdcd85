"""Small world models that together use every class a checkpoint may name."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from leworld.data import Processor, VectorPart
from leworld.decoders import NormedConvDecoder
from leworld.encoders import (
    ActionEncoder,
    ConvEncoder,
    DINOv2Encoder,
    LinearEncoder,
    NormedConvEncoder,
    ResNetEncoder,
    ViTEncoder,
)
from leworld.heads import (
    ActorCritic,
    CategoricalPolicy,
    GaussianPolicy,
    QEnsemble,
    ScalarHead,
    StateValue,
    TerminationHead,
    TwoHot,
)
from leworld.models import DINOWM, PLDM, RSSM, TDMPC2, LeWM
from leworld.nn import NormedMLP, Projector
from leworld.predictors import (
    LinearPredictor,
    SimNormPredictor,
    StateSpacePredictor,
    TokenTransformerPredictor,
    TransformerPredictor,
)
from leworld.regularizers import SIGReg
from leworld.serialise._registry import resolve

ARGUMENTS: dict[str, dict[str, Any]] = {
    "ActionEncoder": {"action_dim": 4, "embedding_dim": 8},
    "ConvEncoder": {"image_size": 16, "embedding_dim": 8, "channels": (4, 4)},
    "ViTEncoder": {
        "image_size": 16, "patch_size": 8, "hidden_dim": 8, "depth": 1, "num_heads": 2, "mlp_dim": 16
    },
    "FusedEncoder": {
        "encoders": {"pixels": ConvEncoder(image_size=16, embedding_dim=8, channels=(4, 4))},
        "embedding_dim": 8,
    },
    "ImpalaEncoder": {"image_size": 16, "embedding_dim": 8, "channels": (4, 4)},
    "PooledTokens": {
        "encoder": ResNetEncoder(16, 8, blocks=(1, 1, 1, 1), width=2, stem="small", pooling="tokens"),
        "pooling": "attention",
    },
    "SimNormAdapter": {"encoder": ConvEncoder(16, 8, channels=(4, 4)), "embedding_dim": 8},
    "ResNetEncoder": {"image_size": 16, "embedding_dim": 8, "blocks": (1, 1, 1, 1), "width": 2},
    "VectorEncoder": {"in_dim": 4, "embedding_dim": 8},
    "DINOv2Encoder": {
        "size": {"hidden_dim": 8, "depth": 1, "num_heads": 2, "mlp_dim": 8},
        "image_size": 16, "patch_size": 8, "position_grid": 2,
    },
    "TimmEncoder": {"backbone": "resnet18", "image_size": 16},
    "HuggingFaceEncoder": {
        "backbone": {
            "model_type": "vit", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 8, "image_size": 16, "patch_size": 8,
        }
    },
    "Frozen": {"module": ConvEncoder(image_size=16, embedding_dim=8, channels=(4, 4))},
    "CrossAttentionDecoder": {
        "embedding_dim": 8, "image_size": 16, "patch_size": 8, "hidden_dim": 8, "depth": 1
    },
    "TransformerPredictor": {
        "embedding_dim": 8, "history_size": 2, "depth": 1, "num_heads": 2, "head_dim": 4, "mlp_dim": 16
    },
    "EnsemblePredictor": {"predictors": [LinearPredictor(8, 2), LinearPredictor(8, 2)]},
    "LinearPredictor": {"embedding_dim": 8, "history_size": 2},
    "MLPPredictor": {"embedding_dim": 8, "history_size": 2, "hidden_dim": 8},
    "GRUPredictor": {"embedding_dim": 8, "history_size": 2, "num_layers": 2},
    "TokenTransformerPredictor": {
        "embedding_dim": 8, "num_tokens": 2, "depth": 1, "num_heads": 2, "head_dim": 4, "mlp_dim": 16
    },
    "LinearEncoder": {"in_dim": 4, "embedding_dim": 8},
    "Projector": {"in_dim": 8, "hidden_dim": 16},
    "NormedMLP": {"in_dim": 8, "out_dim": 4, "hidden_dims": [8], "simnorm_dim": 2},
    "SimNormEncoder": {"image_size": 40, "channels": 8},
    "NormedConvEncoder": {"image_size": 16, "channels": [4, 4]},
    "NormedConvDecoder": {"embedding_dim": 8, "image_size": 16, "channels": [4, 4]},
    "StateSpacePredictor": {
        "state_dim": 4, "history_size": 2, "condition_dim": 4, "num_variables": 2, "num_classes": 2,
        "hidden_dim": 4, "num_blocks": 2,
    },
    "StateValue": {"embedding_dim": 8, "hidden_dims": [8]},
    "ActorCritic": {
        "policy": CategoricalPolicy(8, 4, hidden_dims=(8,)), "value": StateValue(8, hidden_dims=(8,)),
    },
    "SimNormPredictor": {"embedding_dim": 8, "history_size": 2, "hidden_dims": [8]},
    "ScalarHead": {"embedding_dim": 8, "action_dim": 4, "hidden_dims": [8]},
    "TerminationHead": {"embedding_dim": 8, "hidden_dims": [8]},
    **{
        name: {"embedding_dim": 8, "action_dim": 4, "hidden_dims": [8]}
        for name in ("QEnsemble", "GaussianPolicy", "CategoricalPolicy")
    },
    "InverseDynamics": {"embedding_dim": 8, "action_dim": 4},
    "EndpointInverseDynamics": {"embedding_dim": 8, "action_dim": 4, "horizon": 2},
    "WeakSIGReg": {"sketch_dim": 4},
    "GoalConditionedInverseModel": {"embedding_dim": 8, "action_dim": 4},
    **{
        f"{kind}Probe": {"embedding_dim": 8, "target_dim": 2}
        for kind in ("Attentive", "KNN", "Linear", "Logistic", "MLP", "Ridge")
    },
}  # fmt: skip


def example_of(name: str) -> Any:
    """An instance of a registered class."""
    if name == "LeWM":
        return tiny_lewm()
    if name == "DINOWM":
        return tiny_dinowm()
    if name == "TDMPC2":
        return tiny_tdmpc2()
    if name == "RSSM":
        return tiny_rssm()
    if name == "PLDM":
        parts = ("encoder", "predictor", "action_encoder", "projector", "prediction_projector")
        return PLDM(**{part: getattr(tiny_lewm(), part) for part in parts}, open_loop=True)
    needs = {"SlicedNormality": "AndersonDarling", "MultivariateNormality": "BHEP"}
    cls = resolve(name, {}, where="tests")
    return cls(example_of(needs[name])) if name in needs else cls(**ARGUMENTS.get(name, {}))


def tiny_dinowm(*, proprio: bool = True) -> DINOWM:
    """A DINO-WM on a DINOv2 of a few thousand weights, with patches of half a picture."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = {"hidden_dim": 6, "depth": 1, "num_heads": 2, "mlp_dim": 8}
        model = DINOWM(
            DINOv2Encoder(size, image_size=16, patch_size=8, position_grid=2, output="patches"),
            TokenTransformerPredictor(
                6 + 2 * proprio, 4, condition_dim=3, depth=1, num_heads=2, head_dim=4, mlp_dim=8
            ),
            action_encoder=LinearEncoder(4, 3),
            proprio_encoder=LinearEncoder(3, 2) if proprio else None,
        )
    parts = {"proprio": VectorPart((0.0, 0.1, 0.2), (1.0, 2.0, 3.0))} if proprio else {}
    model.processor = Processor(16, frameskip=2, action_dim=2, parts=parts)
    return model


def tiny_tdmpc2() -> TDMPC2:
    """A TD-MPC2 of a few thousand weights that reads vectors and ends episodes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hidden, two_hot = (8,), TwoHot(num_bins=11)
        model = TDMPC2(
            NormedMLP(3, 8, hidden_dims=hidden, simnorm_dim=4),
            SimNormPredictor(8, 2, condition_dim=4, hidden_dims=hidden, simnorm_dim=4),
            reward=ScalarHead(8, 4, hidden_dims=hidden, two_hot=two_hot),
            value=QEnsemble(8, 4, num_members=3, hidden_dims=hidden, two_hot=two_hot),
            policy=GaussianPolicy(8, 4, hidden_dims=hidden),
            termination=TerminationHead(8, hidden_dims=hidden),
            weights={"reward": 0.2},
        )
    parts = {"proprio": VectorPart((0.0, 0.1, 0.2), (1.0, 2.0, 3.0))}
    model.processor = Processor(16, frameskip=2, action_dim=2, parts=parts)
    return model


def tiny_rssm() -> RSSM:
    """An RSSM of a few thousand weights that draws pictures and learns to act."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hidden, two_hot = (8,), TwoHot("symexp", 11)
        predictor = StateSpacePredictor(
            4, 2, condition_dim=4, num_variables=2, num_classes=2, hidden_dim=4, num_blocks=2
        )
        policy = GaussianPolicy(8, 4, hidden_dims=hidden)
        model = RSSM(
            NormedConvEncoder(16, (4, 4)),
            predictor,
            decoder=NormedConvDecoder(8, 16, channels=(4, 4)),
            reward=ScalarHead(8, hidden_dims=hidden, two_hot=two_hot),
            termination=TerminationHead(8, hidden_dims=hidden),
            actor_critic=ActorCritic(policy, StateValue(8, hidden_dims=hidden, two_hot=two_hot), horizon=2),
            weights={"reward": 0.2},
        )
    model.processor = Processor(16, frameskip=2, action_dim=2)
    return model


def tiny_lewm(encoder: str = "conv", *, seed: int = 0, part: nn.Module | None = None) -> LeWM:
    """A LeWM of a few thousand weights with every buffer moved away from its initial value.

    `part` takes the place of the encoder, or that of the regularizer if it is one.
    """
    is_regularizer = part is not None and type(part).__module__.startswith("leworld.regularizers")
    encoders = ("ConvEncoder", "FusedEncoder", "ImpalaEncoder", "PooledTokens", "ResNetEncoder", "ViTEncoder")
    encoders += ("Centre", "Seeded", "SimNormAdapter")
    is_encoder = part is not None and type(part).__name__ in encoders
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        image_encoder = (
            ConvEncoder(image_size=16, embedding_dim=8, channels=(4, 4))
            if encoder == "conv"
            else ViTEncoder(image_size=16, patch_size=8, hidden_dim=8, depth=1, num_heads=2, mlp_dim=16)
        )
        model = LeWM(
            part if part is not None and is_encoder else image_encoder,
            TransformerPredictor(
                8, history_size=2, depth=1, num_heads=2, head_dim=4, mlp_dim=16, dropout=0.1
            ),
            action_encoder=ActionEncoder(4, 8),
            projector=Projector(8, hidden_dim=16),
            prediction_projector=Projector(8, hidden_dim=16),
            regularizer=part if is_regularizer else SIGReg(num_slices=16),
            regularizer_weight=0.05,
        )
        for tensor in model.state_dict().values():
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                tensor.add_(0.1 * torch.randn_like(tensor).abs())
    model.processor = Processor(
        16,
        frameskip=2,
        action_dim=2,
        action_mean=(0.1, -0.2),
        action_std=(0.5, 0.6),
        environment_id="leworld/TwoRoom-v0",
        statistics_source="a test",
    )
    return model


def class_names(config: Mapping[str, Any]) -> set[str]:
    """Every class that an architecture names."""
    names = {config["class"]}
    for value in config.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping):
                names |= class_names(item)
    return names
