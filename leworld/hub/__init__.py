"""Checkpoints: names, folders, repositories, and everything that makes loading one safe.

A checkpoint is a folder with `config.json` (architecture, processor, provenance, a schema version),
`model.safetensors` and `README.md`. `save` writes it in one step, `push_to_hub` uploads it, and `load` brings
the model back, strictly: every field and every tensor must be known, present and of the right shape. Config
files name classes of leworld, or such that the caller hands over, never a callable, and nothing in a
checkpoint is executed. `load` also reads the layout of the published LeWM weights, which stable-worldmodel
writes for other models too, and `convert` goes from either to the other. `list_checkpoints` and
`checkpoint_info` tell which checkpoints have a name and what is known about each. `export` writes a model for
runtimes without leworld. `load_dinowm` and `load_tdmpc2` read published weights of DINO-WM and TD-MPC2, and
`pretrained` those of a backbone, which it freezes.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._convert import convert as convert
from ._load import load as load
from ._pretrained import pretrained as pretrained
from ._push import push_to_hub as push_to_hub
from ._save import save as save
from .catalog._catalog import checkpoint_info as checkpoint_info
from .catalog._catalog import list_checkpoints as list_checkpoints
from .catalog._record import CheckpointRecord as CheckpointRecord
from .catalog._record import Score as Score
from .programs._export import export as export
from .released._from_dinowm import load_dinowm as load_dinowm
from .released._from_tdmpc2 import load_tdmpc2 as load_tdmpc2

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
