"""One format for every module that leworld stores: world models, decoders, inverse models, probes.

A stored module is a folder with `config.json` (a schema version, the architecture, the processor where there
is one, the writer's own facts) and `model.safetensors`. `save_module` writes it in one step and refuses a
module that its config would not build again. `load_module` brings it back, strictly: every field and every
tensor must be known, present and of the right shape, and nothing in the files is executed. A file names
classes of leworld, or classes that the caller hands over, and never a callable. Weights of a part in
`leworld.nn.Frozen` may lie in another file, which is named by its digest. `read_module` reads the config
alone, `load_weights` pretrained weights into a module. `check_saveable` proves before a long piece of work
that its result can be saved. World models have `leworld.save` and `leworld.load` on top, with processor and
card.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._load import StoredModule as StoredModule
from ._load import load_module as load_module
from ._load import read_module as read_module
from ._references import load_weights as load_weights
from ._save import check_saveable as check_saveable
from ._save import save_module as save_module

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
