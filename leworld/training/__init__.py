"""Training: the step of a world model as a LightningModule, a resumable run around it, and recipes.

`train` takes a model and windows and returns the model, trained, with exact BatchNorm statistics; killed at
any step and called again, it ends with the same weights bit for bit. `HeldOut` judges it on episodes that it
does not train on, `Devices` says on what it is computed, and a `TrainingModule` is a step of your own.
`WorldModelModule` is the part for your own Lightning Trainer. `CollapseMonitor` tells in words when
embeddings collapse. `train_inverse` trains the
network that acts without planning on the embeddings of a world model; `load_inverse` brings it back. Recipes,
the whole way from nothing to a model that plans in one world, are in `leworld.tasks`. This room needs the
extra `train` (Lightning).
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._batchnorm import reestimate_batchnorm as reestimate_batchnorm
from ._collapse import CollapseMonitor as CollapseMonitor
from ._collapse import CollapseWarning as CollapseWarning
from ._decoder import train_decoder as train_decoder
from ._devices import Devices as Devices
from ._held_out import HeldOut as HeldOut
from ._inverse_recipe import INVERSE_SETTINGS as INVERSE_SETTINGS
from ._inverse_recipe import load_inverse as load_inverse
from ._inverse_recipe import train_inverse as train_inverse
from ._module import TrainingModule as TrainingModule
from ._reserve import reserve_folder as reserve_folder
from ._settings import OptimizerSettings as OptimizerSettings
from ._settings import TrainSettings as TrainSettings
from ._train import train as train
from ._world_model_module import WorldModelModule as WorldModelModule

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(
        __name__,
        moved={"TwoRoomRecipe": "leworld.tasks"},
        gone={
            "train_tworoom": "`train_tworoom(folder, recipe)` is now "
            "`leworld.tasks.TwoRoomRecipe().train(folder)`"
        },
    )
