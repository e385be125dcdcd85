"""What the TwoRoom recipe and the model that ships with leworld reach."""

from leworld.tasks import Recipe, Task, TwoRoomRecipe
from leworld.training import OptimizerSettings, TrainSettings

# What the shipped model was trained by, and the results here but those of `seeds`.
FORMER_RECIPE = TwoRoomRecipe(
    image_size=64,
    regularizer_weight=0.002,
    settings=TrainSettings(
        num_steps=2500, batch_size=128, optimizer=OptimizerSettings(learning_rate=1e-3), save_every=250
    ),
)


def full_recipe(task: Task) -> Recipe:
    """Return the recipe that comparisons shorten: in TwoRoom that of the shipped model, which is older."""
    return FORMER_RECIPE if task.name == "tworoom" else task.recipe()
