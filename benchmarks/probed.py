"""What probes read off a model of a task, as the JSONs of shipped models and of trials hold it."""

import click

from leworld.evaluation import probing
from leworld.models import WorldModel
from leworld.probes import MLPProbe, RidgeProbe
from leworld.tasks import Task


def probed(task: Task, model: WorldModel, *, num_episodes: int, stride: int, seed: int) -> dict[str, float]:
    """Probe and print: R2 of every quantity of the task, on held-out episodes."""
    found = probing(
        {"LeWM": model},
        task.held_out(num_episodes, seed=seed),
        quantities=task.quantities,
        probes={"linear": RidgeProbe, "MLP": MLPProbe},
        stride=stride,
        seed=seed,
        progress=False,
    )
    click.echo(found)
    return {f"r2_{one.quantity}_{one.probe}": one.r2 for one in found.rows}
