"""Trajectories of what an agent sensed and did, and everything between them and a model.

`Episodes` holds whole trajectories: pictures, actions, and further columns such as other cameras, vectors,
rewards and ends, as numpy arrays or, for data larger than the memory, as columns that stay on disk
(`LazyColumn`). They come from an environment (`collect`), from your own arrays
(`Episodes.from_trajectories`), or from disk: `open_episodes` opens a packed store (`write_store`), the fast
source for training, a file in stable-worldmodel's HDF5 layout (`write_hdf5`), and the data sets of LeRobot,
robomimic, diffusion policy, DINO-WM, Minari and of plain folders of videos; each has a function with its
options. `action_shift` finds actions that stand one row away from theirs. Episodes are split whole, never by
window. `Windows` cuts them into the short sequences that a world model trains on. An `Observation` holds the
named parts that were sensed together. `Processor` is the one place that turns the world's units (uint8
pixels, raw vectors and actions) into the model's (normalised images and vectors, z-scored action blocks) and
back; `fit_processor` takes its statistics from the training episodes, and it travels with the checkpoint, so
that acting never needs the data.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._action_shift import action_shift as action_shift
from ._action_statistics import ActionStatistics as ActionStatistics
from ._action_statistics import action_statistics as action_statistics
from ._batch import Batch as Batch
from ._batch import to_batch as to_batch
from ._collect import collect as collect
from ._episodes import Episodes as Episodes
from ._fit import fit_processor as fit_processor
from ._hdf5._groups import open_hdf5_groups as open_hdf5_groups
from ._hdf5._open import open_hdf5 as open_hdf5
from ._hdf5._read import read_hdf5 as read_hdf5
from ._hdf5._write import write_hdf5 as write_hdf5
from ._lazy import LazyColumn as LazyColumn
from ._lerobot._open import open_lerobot as open_lerobot
from ._observation import Observation as Observation
from ._open_episodes import open_episodes as open_episodes
from ._parts import PicturePart as PicturePart
from ._parts import VectorPart as VectorPart
from ._processor import Processor as Processor
from ._raw_batch import RawBatch as RawBatch
from ._readers._dino_wm import open_dino_wm as open_dino_wm
from ._readers._minari import open_minari as open_minari
from ._readers._recordings import open_recordings as open_recordings
from ._readers._swm_folder import open_swm_folder as open_swm_folder
from ._readers._zarr import open_zarr as open_zarr
from ._store._open import open_store as open_store
from ._store._write import write_store as write_store
from ._training_episodes import TrainingEpisodes as TrainingEpisodes
from ._training_episodes import episode_digests as episode_digests
from ._windows import Windows as Windows

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
