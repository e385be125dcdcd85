"""The arm with picture and joint angles: does the model look? `python -m benchmarks.arm.blindness`.

The light over the arm flickers from frame to frame, as no action foretells. Trains LeWM on both inputs, as
it is and with the joints left out of half of the frames in training, at two lambdas, and diagnoses each
twice: with both inputs, and with the joints off for good (the encoder's own embedding of a missing part).
Writes benchmarks/results/arm_blindness.json. CPU seconds of the process, on one thread. Resumable.
"""

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.harness import write_result
from leworld.data import Observation, Windows, fit_processor
from leworld.encoders import ConvEncoder, FusedEncoder, VectorEncoder
from leworld.evaluation import DiagnosisResult, diagnose
from leworld.models import LeWM
from leworld.tasks import ArmTask, StateTask
from leworld.training import Devices, train

NUM_EPISODES, NUM_HELD_OUT, SEED = 300, 60, 0
LIGHTS = (0.3, 1.0)
FLICKER = np.array([[1298.9, 3941.2, 2755.7], [7823.3, 1187.4, 4571.9]])
ARM = ArmTask()
MODELS = (  # lambda, and how often the joints are left out
    (0.09, 0.0),
    (0.09, 0.5),
    (0.01, 0.0),
    (0.01, 0.5),
)


class FeltArm(StateTask):
    """The arm under a flickering light, which feels its joints: sines and cosines of both angles."""

    name, environment_id, action_dim = "felt-arm", "example/FeltArm-v0", ARM.action_dim
    success_words, distance_unit = ARM.success_words, ARM.distance_unit
    quantities = ARM.quantities

    def draw_states(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Draw the states in which episodes start."""
        return ARM.draw_states(count, generator)

    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Turn the joints."""
        return ARM.step(states, actions)

    def distance(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return how far the joint that is farther off has to turn."""
        return ARM.distance(state, goal)

    def reached(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Say whether both joints are right."""
        return ARM.reached(state, goal)

    def render(self, states: np.ndarray, image_size: int) -> np.ndarray:
        """Return pictures whose colours follow from the states in no way that a network could foretell."""
        mixed = np.sin(states.astype(np.float64) @ FLICKER) * 43758.5453
        light = LIGHTS[0] + (LIGHTS[1] - LIGHTS[0]) * (mixed - np.floor(mixed))
        return (ARM.render(states, image_size) * light[..., None, None, :]).astype(np.uint8)

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


def measured(weight: float, dropout: float, steps: int) -> dict[str, Any]:
    """Train one model and diagnose it."""
    task = FeltArm()
    recipe = task.recipe()
    settings = replace(recipe.settings, num_steps=steps)
    recipe = replace(recipe, num_episodes=NUM_EPISODES, regularizer_weight=weight, settings=settings)
    episodes = recipe.collect(progress=False)
    held_out = task.held_out(NUM_HELD_OUT, seed=SEED)
    processor = fit_processor(episodes, frameskip=task.frameskip, parts=("proprio",))
    parts, dim = recipe.build(processor), recipe.embedding_dim
    torch.manual_seed(SEED)
    camera = ConvEncoder(task.image_size, dim, channels=(8, 16, 32, 64))
    both = {"pixels": camera, "proprio": VectorEncoder(4, dim)}
    encoder = FusedEncoder(both, dim, input_dropout={"proprio": dropout})
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
            devices=Devices(accelerator="cpu"),
        )
        log = (Path(folder) / "metrics.csv").read_text(encoding="utf-8").splitlines()
    seconds = time.process_time() - began
    last = dict(zip(log[0].split(","), map(float, log[-1].split(",")), strict=True))
    with_joints = diagnose(model, held_out, quantities=task.quantities)
    model.encoder = WithoutJoints(encoder)
    without = diagnose(model, held_out, quantities=task.quantities)
    click.echo(f"lambda {weight}, dropout {dropout}: {seconds:.0f} CPU seconds")
    click.echo(f"{with_joints}\n\njoints off\n{without}\n")
    row = {"regularizer_weight": weight, "input_dropout": dropout, "cpu_seconds": seconds}
    row |= {key: last[key] for key in ("prediction", "regularizer", "prediction_over_copy", "effective_rank")}
    return row | {"both": told(with_joints), "joints_off": told(without)}


@click.command(help=__doc__)
@click.option("--steps", default=500, show_default=True, help="Optimizer steps.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/blindness"), show_default=True)
@click.option("--only", type=int, help="Train this one of the models, and write no result.")
def main(steps: int, out: Path, only: int | None) -> None:
    """Train, diagnose, print and write."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for index, (weight, dropout) in enumerate(MODELS):
        place = out / f"{index}-{steps}.json"
        if not place.exists() and only in (None, index):
            place.write_text(json.dumps(measured(weight, dropout, steps)), encoding="utf-8")
        if place.exists():
            rows.append(json.loads(place.read_text(encoding="utf-8")))
    if only is None:
        recipe = FeltArm().recipe()
        settings = {"num_episodes": NUM_EPISODES, "held_out": NUM_HELD_OUT, "steps": steps, "seed": SEED}
        settings |= {"batch_size": recipe.settings.batch_size, "light": list(LIGHTS)}
        settings |= {"embedding_dim": recipe.embedding_dim, "probe": "MLPProbe", "horizon": 5}
        command = "python -m benchmarks.arm.blindness"
        write_result("arm_blindness", command=command, settings=settings, rows=rows)


if __name__ == "__main__":
    main()
