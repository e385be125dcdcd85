"""Put a trained TwoRoom model into the package, or renew its card: `python -m benchmarks.tworoom.ship [RUN]`.

RUN is the folder of a finished `leworld train tworoom`; without it the shipped weights stay. The card takes
its scores from benchmarks/results/lewm_tworoom_tiny.json when the weights stay.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import leworld
from benchmarks.harness import RESULTS
from leworld.hub import Score
from leworld.tasks import TwoRoomRecipe

SHIPPED = Path(leworld.__file__).parent / "hub" / "checkpoints" / "lewm-tworoom-tiny"
SOURCE = "benchmarks/results/lewm_tworoom_tiny.json"


def scores(result: dict[str, Any]) -> list[Score]:
    """Read the protocols' lines of the result."""
    return [
        Score(
            row["protocol"],
            100 * row["LeWM"]["success"],
            SOURCE,
            low=100 * row["LeWM"]["low"],
            high=100 * row["LeWM"]["high"],
            episodes=row["pairs_played"],
        )
        for row in result["rows"]
    ]


def weights_digest(folder: Path) -> str:
    """Return the SHA-256 of a checkpoint's weights."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@click.command(help=__doc__)
@click.argument("run", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--seed", default=0, show_default=True, help="The run's seed.")
def main(run: Path | None, seed: int) -> None:
    """Save the model with its provenance."""
    source = SHIPPED if run is None else run / "model"
    unchanged = SHIPPED.exists() and weights_digest(source) == weights_digest(SHIPPED)
    recipe = TwoRoomRecipe()
    recipe = replace(recipe, settings=replace(recipe.settings, seed=seed))
    provenance = recipe.provenance()
    path = RESULTS / "lewm_tworoom_tiny.json"
    if unchanged and path.exists():
        provenance["scores"] = scores(json.loads(path.read_text(encoding="utf-8")))
    model = leworld.load(str(source))
    click.echo(leworld.save(model, SHIPPED, provenance=provenance, address=SHIPPED.name, overwrite=True))
    for file in SHIPPED.iterdir():
        file.chmod(0o644)


if __name__ == "__main__":
    main()
