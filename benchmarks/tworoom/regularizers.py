"""Train TwoRoom with SIGReg and four of its family: `python -m benchmarks.tworoom.regularizers`.

The recipe is shortened, alike for all. Each regularizer first gets its weight: starting from a guess and four
times it, weights go up or down by fours as long as that helps, in even shorter runs from a seed of their own.
Then each trains from five seeds; for a seed all have the same episodes, initial weights and batches.

Every run is a row, a file under `--out`; rows that were made under the present conditions are not made
again, so an interrupted benchmark goes on where it was. When no row is missing, it writes
benchmarks/results/tworoom_regularizers.json. CPU seconds are those of `train` alone, on one thread;
collecting is shared by the regularizers and told apart. What a term itself costs is timed side by side.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import nn

from benchmarks.harness import environment, paired, write_result
from benchmarks.tworoom import FORMER_RECIPE
from benchmarks.tworoom.seeds import measure, timed_training
from leworld._files import write_atomically
from leworld.data import Episodes, Windows, read_hdf5, write_hdf5
from leworld.planners import CEMPlanner
from leworld.regularizers import ExactSIGReg, SIGReg, SubspaceSIGReg, VCReg, VISReg
from leworld.tasks import TwoRoomRecipe
from leworld.training import train

NAME = "tworoom_regularizers"
COMMAND = "python -m benchmarks.tworoom.regularizers"
SIZE = FORMER_RECIPE
REGULARIZERS: dict[str, Callable[[], nn.Module]] = {
    "SIGReg": partial(SIGReg, SIZE.num_slices),
    "ExactSIGReg": ExactSIGReg,
    "SubspaceSIGReg": partial(SubspaceSIGReg, 8, num_slices=SIZE.num_slices // 8),
    "VISReg": partial(VISReg, SIZE.num_slices),
    "VCReg": VCReg,
}
SEEDS = (0, 1, 2, 3, 4)
NUM_STEPS = 500
SWEEP_SEED = 100
SWEEP_STEPS = 400
SWEEP_RATIO = 4.0
MOST_WEIGHTS = 4
PROTOCOLS = ("trajectory-25", "cross-door")
NUM_PAIRS = 50
FRAMESKIP = 5
PLANNER: dict[str, Any] = {"num_samples": 100, "num_elites": 10, "num_iterations": 10}
GUESS = (
    "the weight at which Gaussian embeddings of standard deviation 0.5 are pulled apart as hard as by "
    "SIGReg with the recipe's weight, to one digit"
)
SEARCH = (
    "the guess and four times it, then onward by fours beyond the better end until the best has a worse "
    "neighbour on both sides, at most four weights; best is the highest mean of the success rates, then the "
    "highest probe R2"
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run: what is trained, how long, from which seed."""

    phase: str
    regularizer: str
    weight: float
    seed: int
    num_steps: int

    @property
    def file(self) -> str:
        """Name of the file that holds the row."""
        return f"{self.phase}-{self.regularizer}-{self.weight:g}-seed{self.seed}.json"

    @property
    def recipe(self) -> TwoRoomRecipe:
        """The recipe, shortened and with this run's weight and seed."""
        settings = replace(SIZE.settings, num_steps=self.num_steps, seed=self.seed, save_every=self.num_steps)
        return replace(SIZE, regularizer_weight=self.weight, settings=settings)


def pull(regularizer: nn.Module) -> float:
    """How fast the value falls as Gaussian embeddings of half the due spread are scaled up."""
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(16, SIZE.settings.batch_size, SIZE.embedding_dim, generator=generator)
    scale = torch.tensor(0.5, requires_grad=True)
    (slope,) = torch.autograd.grad(regularizer(scale * samples), scale)
    return -slope.item()


@cache
def guessed_weight(name: str) -> float:
    """The middle of the sweep: as strong as SIGReg with the recipe's weight, see `GUESS`."""
    weight = SIZE.regularizer_weight * pull(REGULARIZERS["SIGReg"]()) / pull(REGULARIZERS[name]())
    return float(f"{weight:.0e}")


def score(row: dict[str, Any]) -> tuple[float, float]:
    """What a weight is chosen by."""
    return sum(row[protocol] for protocol in PROTOCOLS), row["probe_r2"]


def next_factor(scores: dict[float, tuple[float, float]]) -> float | None:
    """The next multiple of the guess to try after those with scores; None when the search is over."""
    for factor in (1.0, SWEEP_RATIO):
        if factor not in scores:
            return factor
    best = max(scores, key=lambda factor: scores[factor])
    inside = min(scores) < best < max(scores)
    if inside or len(scores) >= MOST_WEIGHTS:
        return None
    return best * SWEEP_RATIO if best == max(scores) else best / SWEEP_RATIO


def sweep(name: str, folder: Path) -> tuple[list[dict[str, Any]], Job | None]:
    """The rows of a regularizer's search for its weight, in order, and the run that it needs next."""
    rows: dict[float, dict[str, Any]] = {}
    guess = guessed_weight(name)
    while (factor := next_factor({f: score(row) for f, row in rows.items()})) is not None:
        job = Job(
            phase="sweep", regularizer=name, weight=factor * guess, seed=SWEEP_SEED, num_steps=SWEEP_STEPS
        )
        if (row := read_row(job, folder)) is None:
            return list(rows.values()), job
        rows[factor] = row
    return list(rows.values()), None


def final_jobs(weights: dict[str, float]) -> list[Job]:
    """The runs that are compared, seed by seed, so that an interrupted benchmark has whole seeds."""
    return [
        Job(phase="final", regularizer=name, weight=weights[name], seed=seed, num_steps=NUM_STEPS)
        for seed in SEEDS
        for name in REGULARIZERS
    ]


def conditions() -> dict[str, Any]:
    """Everything that decides a row, besides its job."""
    recipe = asdict(SIZE)
    for given in ("regularizer_weight", "num_slices"):
        del recipe[given]
    for given in ("num_steps", "seed", "save_every"):
        del recipe["settings"][given]
    return {
        "recipe": recipe,
        "regularizers": {name: make().config.to_json() for name, make in REGULARIZERS.items()},  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue] -- each of them has a config
        "protocols": list(PROTOCOLS),
        "pairs": NUM_PAIRS,
        "planner": PLANNER,
    }


def settings() -> dict[str, Any]:
    """What a reader needs to know of all rows."""
    return conditions() | {
        "num_steps": NUM_STEPS,
        "recipe_num_steps": SIZE.settings.num_steps,
        "seeds": list(SEEDS),
        "sweep_seed": SWEEP_SEED,
        "sweep_steps": SWEEP_STEPS,
        "sweep_guess": GUESS,
        "sweep_search": SEARCH,
    }


def read_row(job: Job, folder: Path) -> dict[str, Any] | None:
    """The row of a job, if it is there and was made by the same job under the present conditions."""
    path = folder / "rows" / job.file
    if not path.exists():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    same = stored["conditions"] == conditions() and all(stored["row"][k] == v for k, v in asdict(job).items())
    return stored["row"] if same else None


def write_row(job: Job, folder: Path, row: dict[str, Any]) -> None:
    """Keep the row of a job."""
    stored = {"conditions": conditions(), "environment": environment(), "row": asdict(job) | row}
    text = json.dumps(stored, indent=2) + "\n"
    write_atomically(folder / "rows" / job.file, lambda path: path.write_text(text, encoding="utf-8"))


def chosen_weights(folder: Path) -> dict[str, float]:
    """The best weight of each regularizer among the rows of its search."""
    return {name: max(sweep(name, folder)[0], key=score)["weight"] for name in REGULARIZERS}


def missing_jobs(folder: Path) -> list[Job]:
    """The runs that can be done next; those of the comparison follow when all weights are found."""
    searching = [job for name in REGULARIZERS if (job := sweep(name, folder)[1]) is not None]
    if searching:
        return searching
    return [job for job in final_jobs(chosen_weights(folder)) if read_row(job, folder) is None]


def episodes_of(job: Job, folder: Path) -> Episodes:
    """The training episodes of a seed: collected once, with the CPU seconds written beside them."""
    path = folder / "episodes" / f"seed{job.seed}.hdf5"
    note = path.with_suffix(".json")
    if not (path.exists() and note.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
        started = time.process_time()
        write_hdf5(path, job.recipe.collect(progress=False), overwrite=True)
        seconds = time.process_time() - started
        write_atomically(note, lambda file: file.write_text(json.dumps(seconds), encoding="utf-8"))
    return read_hdf5(path, environment_id="leworld/TwoRoom-v0")


def run(job: Job, folder: Path) -> dict[str, Any]:
    """Train and measure."""
    episodes = episodes_of(job, folder)
    model = job.recipe.build(job.recipe.processor(episodes), regularizer=REGULARIZERS[job.regularizer]())
    windows = Windows(episodes, model.history_size, frameskip=FRAMESKIP)

    def training(scratch: str) -> Any:
        return train(model, windows, folder=scratch, settings=job.recipe.settings, progress=False)

    with tempfile.TemporaryDirectory() as scratch:
        _, facts = timed_training(partial(training, scratch))
    planner = CEMPlanner(**PLANNER)
    return facts | measure(model, job.recipe, num_pairs=NUM_PAIRS, planner=planner, protocols=PROTOCOLS)


def milliseconds(*, repeats: int = 50) -> dict[str, float]:
    """Median CPU time of each regularizer alone, forward and backward, at the size of a training step."""
    generator = torch.Generator().manual_seed(0)
    shape = (2, SIZE.settings.batch_size, SIZE.embedding_dim)
    samples = torch.randn(shape, generator=generator).requires_grad_()

    def step(regularizer: nn.Module) -> object:
        return torch.autograd.grad(regularizer(samples), samples)

    steps = {name: partial(step, make()) for name, make in REGULARIZERS.items()}
    return {name: found["median_ms"] for name, found in paired(steps, repeats=repeats, warmup=5).items()}


def merge(folder: Path, *, results: Path | None = None) -> Path:
    """Write the result from the rows."""
    weights = chosen_weights(folder)
    rows = [row for name in REGULARIZERS for row in sweep(name, folder)[0]]
    rows += [row for job in final_jobs(weights) if (row := read_row(job, folder)) is not None]
    collecting = {
        str(seed): json.loads((folder / "episodes" / f"seed{seed}.json").read_text(encoding="utf-8"))
        for seed in (SWEEP_SEED, *SEEDS)
    }
    return write_result(
        NAME,
        command=COMMAND,
        settings=settings()
        | {
            "weights": weights,
            "collection_cpu_seconds": collecting,
            "regularizer_milliseconds": milliseconds(),
        },
        rows=rows,
        **({} if results is None else {"folder": results}),
    )


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/regularizers"), show_default=True)
@click.option("--limit", type=click.IntRange(min=0), help="Make at most so many rows, then stop.")
def main(out: Path, limit: int | None) -> None:
    """Make the missing rows, and write the result when none is missing."""
    torch.set_num_threads(1)
    made = 0
    while (jobs := missing_jobs(out)) and (limit is None or made < limit):
        row = run(jobs[0], out)
        write_row(jobs[0], out, row)
        made += 1
        click.echo(asdict(jobs[0]) | row)
    click.echo(f"{len(jobs)} rows can be made next" if jobs else f"wrote {merge(out)}")


if __name__ == "__main__":
    main()
