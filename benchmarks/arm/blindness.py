"""The arm with picture and joint angles: does the model look? `python -m benchmarks.arm.blindness`.

Trains LeWM on both inputs, once as it is and once with the joints left out of half of the frames in training,
and diagnoses each twice: with both inputs, and with the joints off for good (the encoder's own embedding of a
missing part). Writes benchmarks/results/arm_blindness.json. CPU seconds of the process, on one thread.
"""

import tempfile
import time
from dataclasses import replace
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.arm import Arm
from benchmarks.harness import write_result
from leworld.data import Observation, Windows, fit_processor
from leworld.encoders import ConvEncoder, FusedEncoder, VectorEncoder
from leworld.evaluation import DiagnosisResult, diagnose
from leworld.models import LeWM
from leworld.training import train

NUM_EPISODES, NUM_HELD_OUT, SEED = 300, 60, 0
DROPOUTS = {"joints and picture": 0.0, "joints left out of half of the frames": 0.5}


class FeltArm(Arm):
    """The arm, which feels its joints: sines and cosines of both angles."""

    name, environment_id = "felt-arm", "example/FeltArm-v0"

    def sense(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the joints tell."""
        return {"proprio": np.concatenate([np.sin(states), np.cos(states)], axis=-1).astype(np.float32)}


class WithoutJoints(nn.Module):
    """An encoder whose joints are off."""

    observation_parts = ("pixels", "proprio")

    def __init__(self, encoder: FusedEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, observation: Observation) -> Tensor:
        """Encode what is left."""
        return self.encoder(observation, blank=["proprio"])


def told(found: DiagnosisResult) -> dict[str, Any]:
    """What the table shows of a diagnosis."""
    rows = {f"{row.part} {row.change}": row for row in found.parts}
    return {
        "blind_parts": list(found.blind_parts),
        "lost": list(found.lost),
        "within_share": found.within_share,
        "rank": found.rank,
        "contrast": found.contrast,
        "r2": dict(found.r2),
        "pixel_r2": dict(found.pixel_r2),
        "parts": {
            name: {
                "moved": row.moved,
                "error_ratio": row.error_ratio,
                "rank": row.rank,
                "r2": dict(row.r2),
            }
            for name, row in rows.items()
        },
    }


@click.command(help=__doc__)
@click.option("--steps", default=600, show_default=True, help="Optimizer steps.")
@click.option("--write/--no-write", default=True, show_default=True, help="Write the committed result.")
def main(steps: int, write: bool) -> None:
    """Train, diagnose, print and write."""
    torch.set_num_threads(1)
    task = FeltArm()
    recipe = task.recipe()
    recipe = replace(recipe, num_episodes=NUM_EPISODES, settings=replace(recipe.settings, num_steps=steps))
    episodes = recipe.collect(progress=False)
    held_out = task.held_out(NUM_HELD_OUT, seed=SEED)
    processor = fit_processor(episodes, frameskip=task.frameskip, parts=("proprio",))
    rows = []
    for name, dropout in DROPOUTS.items():
        parts = recipe.build(processor)
        dim = recipe.embedding_dim
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            encoder = FusedEncoder(
                {
                    "pixels": ConvEncoder(task.image_size, dim, channels=(8, 16, 32, 64)),
                    "proprio": VectorEncoder(4, dim),
                },
                dim,
                input_dropout={"proprio": dropout},
            )
        model = LeWM(
            encoder,
            parts.predictor,
            action_encoder=parts.action_encoder,
            projector=parts.projector,
            prediction_projector=parts.prediction_projector,
            regularizer=parts.regularizer,
            regularizer_weight=recipe.regularizer_weight,
        )
        model.processor = processor
        windows = Windows(episodes, model.history_size, frameskip=task.frameskip)
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            train(
                model,
                windows,
                folder=folder,
                settings=recipe.settings,
                progress=False,
                accelerator="cpu",
            )
        seconds = time.process_time() - began
        both = diagnose(model, held_out, quantities=task.quantities)
        model.encoder = WithoutJoints(encoder)
        without = diagnose(model, held_out, quantities=task.quantities)
        click.echo(f"{name}: {seconds:.0f} CPU seconds\n{both}\n\nwithout joints\n{without}\n")
        rows.append({"model": name, "cpu_seconds": seconds, "both": told(both), "joints_off": told(without)})
    if write:
        settings = recipe.provenance()["recipe"] | {"held_out": NUM_HELD_OUT}
        write_result(
            "arm_blindness", command="python -m benchmarks.arm.blindness", settings=settings, rows=rows
        )


if __name__ == "__main__":
    main()
