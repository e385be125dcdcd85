"""Put a trained model into the package, or renew its card: `python -m benchmarks.ship NAME [RUN]`.

RUN is the folder of a finished `leworld train`; without it the shipped weights stay. What the card says of
the training is what the run itself recorded. Its scores come from benchmarks/results/NAME.json, with
underscores, when the weights stay.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import click

import leworld
from benchmarks.harness import RESULTS
from leworld.hub import Score
from leworld.hub.catalog._known import SHIPPED

CHECKPOINTS = Path(leworld.__file__).parent / "hub" / "checkpoints"
# What the card says beside what the run recorded.
FACTS: dict[str, dict[str, Any]] = {
    "lewm-tworoom-tiny": {
        "command": "leworld train tworoom --seed 0 --size 64 --steps 2500 --learning-rate 0.001"
    },
    "lewm-pusht-tiny": {
        "name": "lewm-pusht-tiny",
        "summary": "A small LeWorldModel of Push-T, trained on one CPU core from 64-pixel frames.",
        "licence": "MIT",
        "command": "leworld train pusht --seed 0",
        "training_data": "5000 episodes of 80 actions that the recipe collects",
        "limits": "Knows leworld/PushT-v0 at 64 pixels, moved as its collecting policy moves it. Trained "
        "with a third term, inverse dynamics, beside LeWorldModel's two.",
    },
    "lewm-arm-tiny": {
        "name": "lewm-arm-tiny",
        "summary": "A small LeWorldModel of a two-link arm, trained on a CPU from 32-pixel frames.",
        "licence": "MIT",
        "command": "leworld train arm --seed 0",
        "training_data": "1000 episodes of 60 smooth random actions that the recipe collects",
        "limits": "Knows the arm of leworld/Arm-v0 alone, whose actions are velocities of the joints.",
    },
}


def result_path(name: str) -> Path:
    """Where the measured scores of a shipped model are."""
    return RESULTS / f"{name.replace('-', '_')}.json"


def scores(name: str) -> list[Score]:
    """Read the protocols' lines of the result; none where there is no result."""
    path = result_path(name)
    if not path.exists():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return [
        Score(
            row["protocol"],
            100 * row["LeWM"]["success"],
            f"benchmarks/results/{path.name}",
            low=100 * row["LeWM"]["low"],
            high=100 * row["LeWM"]["high"],
            episodes=row["pairs_played"],
        )
        for row in rows
        if "protocol" in row
    ]


def weights_digest(folder: Path) -> str:
    """Return the SHA-256 of a checkpoint's weights."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def recorded(folder: Path) -> dict[str, Any]:
    """Return what a checkpoint says of its training."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    facts = config.get("provenance") or {}
    return {name: value for name, value in facts.items() if name != "scores"}


@click.command(help=__doc__)
@click.argument("name", type=click.Choice(SHIPPED))
@click.argument("run", type=click.Path(exists=True, path_type=Path), required=False)
def main(name: str, run: Path | None) -> None:
    """Save the model with its provenance."""
    place = CHECKPOINTS / name
    source = place if run is None else run / "model"
    unchanged = place.exists() and weights_digest(source) == weights_digest(place)
    provenance = recorded(source) | FACTS[name]
    measured = scores(name) if unchanged else []
    if measured:
        provenance["scores"] = measured
    model = leworld.load(str(source))
    click.echo(leworld.save(model, place, provenance=provenance, address=name, overwrite=True))
    for file in place.iterdir():
        file.chmod(0o644)


if __name__ == "__main__":
    main()
