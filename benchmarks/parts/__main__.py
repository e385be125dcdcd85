"""Time encoders on pictures and predictors in rollouts, side by side: `python -m benchmarks.parts`.

CPU time of one thread. An encoder reads 16 pictures of 64 pixels; DINOv2, whose patches have 14, reads 70. A
predictor rolls 300 candidates out over 10 steps from one known frame, with an embedding of 64 and actions of
10 numbers. Each has the size that its class has when nothing else is said, but all see 3 frames.
"""

from typing import Any

import click
import torch
from torch import nn

from benchmarks.harness import paired, write_result
from leworld.encoders import (
    ActionEncoder,
    ConvEncoder,
    DINOv2Encoder,
    ImpalaEncoder,
    NormedConvEncoder,
    ResNetEncoder,
    SimNormEncoder,
    VectorEncoder,
    ViTEncoder,
)
from leworld.models import LeWM
from leworld.predictors import (
    GRUPredictor,
    LinearPredictor,
    MLPPredictor,
    SimNormPredictor,
    TransformerPredictor,
)

NAME, COMMAND = "parts_cpu", "python -m benchmarks.parts"
PICTURES, DIM, SAMPLES, HORIZON, ACTION = 16, 64, 300, 10, 10


def encoders() -> dict[str, tuple[nn.Module, int]]:
    """Encoders by name, each with the side of its pictures."""
    return {
        "ConvEncoder": (ConvEncoder(64, DIM), 64),
        "ImpalaEncoder": (ImpalaEncoder(64, DIM), 64),
        "NormedConvEncoder": (NormedConvEncoder(64), 64),
        "SimNormEncoder": (SimNormEncoder(64), 64),
        "ResNetEncoder": (ResNetEncoder(64, DIM, stem="small"), 64),
        "ViTEncoder, tiny": (ViTEncoder(64, 8, size="tiny"), 64),
        "DINOv2Encoder, small": (DINOv2Encoder("small", image_size=70), 70),
    }


def predictors() -> dict[str, nn.Module]:
    """Predictors by name."""
    return {
        "LinearPredictor": LinearPredictor(DIM, 3),
        "MLPPredictor": MLPPredictor(DIM, 3),
        "GRUPredictor": GRUPredictor(DIM, 3),
        "SimNormPredictor": SimNormPredictor(DIM, 3),
        "TransformerPredictor": TransformerPredictor(DIM, 3),
    }


def model(predictor: nn.Module) -> LeWM:
    """A model of vectors around a predictor."""
    actions = ActionEncoder(ACTION, DIM)
    encoder = VectorEncoder(4, DIM)
    return LeWM(encoder, predictor, action_encoder=actions, projector=None, prediction_projector=None).eval()


def size(module: nn.Module) -> int:
    """How many weights a module has."""
    return sum(weight.numel() for weight in module.parameters())


@click.command(help=__doc__)
@click.option("--repeats", default=15, show_default=True)
def main(repeats: int) -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[dict[str, Any]] = []
    known = {
        name: (part.eval(), torch.randn(PICTURES, 3, side, side)) for name, (part, side) in encoders().items()
    }
    start, past = torch.randn(1, 1, DIM), torch.zeros(1, 0, ACTION)
    plans = torch.randn(1, SAMPLES, HORIZON, ACTION)
    models = {name: model(predictor) for name, predictor in predictors().items()}
    with torch.inference_mode():
        reading = {name: lambda p=part, x=pictures: p(x) for name, (part, pictures) in known.items()}
        rolling = {name: lambda m=built: m.rollout(start, past, plans) for name, built in models.items()}
        for kind, functions in (("encoder", reading), ("predictor", rolling)):
            for name, times in paired(functions, repeats=repeats, warmup=2).items():
                part = known[name][0] if kind == "encoder" else models[name].predictor
                rows.append({"kind": kind, "what": name, "parameters": size(part)} | times)
                print(f"{kind} {name:24s} {size(part):12,d}  {times['median_ms']:9.2f} ms")
    settings = {
        "pictures": PICTURES,
        "embedding_dim": DIM,
        "samples": SAMPLES,
        "horizon": HORIZON,
        "history": 3,
        "repeats": repeats,
    }
    print(write_result(NAME, command=COMMAND, settings=settings, rows=rows))


if __name__ == "__main__":
    main()
