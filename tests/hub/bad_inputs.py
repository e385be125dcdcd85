"""Mistakes at the doors of leworld.hub."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import leworld
from leworld import data, hub
from leworld.errors import CheckpointError, ConfigError, DataError, NonFiniteError, ShapeError
from tests.bad_input import BadInput

# A pytest row must not build models at import, so each row makes its own when it is called.
_NOWHERE = "/nowhere/at/all"


def _model() -> Any:
    from tests.hub.examples import tiny_lewm

    return tiny_lewm()


def _poisoned() -> Any:
    model = _model()
    model.projector.narrow.bias.data[0] = float("nan")
    return model


def _mismatched() -> Any:
    import dataclasses

    model = _model()
    model.processor = dataclasses.replace(model.processor, frameskip=5)
    return model


_Projector = type("Projector", (nn.Module,), {})


def _load(name: Any, **options: Any) -> object:
    return leworld.hub.load(name, **options)


def _save(model: Any, folder: Any = _NOWHERE, **options: Any) -> object:
    return leworld.hub.save(model, folder, **options)


def _bare() -> Any:
    model = _model()
    model.processor = None
    return model


def _convert_to_onnx() -> object:
    return hub.convert(_NOWHERE, _NOWHERE, layout="onnx")  # type: ignore[arg-type]


def _export_to_torchscript() -> object:
    return hub.export(_model(), _NOWHERE, format="torchscript")  # type: ignore[arg-type]


def _statistics_of(columns: dict[str, Any]) -> object:
    import tempfile

    import h5py

    with tempfile.TemporaryDirectory() as folder:
        with h5py.File(Path(folder) / "d.h5", "w") as file:
            for name, values in columns.items():
                file[name] = np.asarray(values, dtype=np.float32)
        return data.action_statistics(Path(folder) / "d.h5")


_STATISTICS = data.ActionStatistics((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "x")

LOAD, SAVE = "leworld.hub.load", "leworld.hub.save"
PUSH, CONVERT = "leworld.hub.push_to_hub", "leworld.hub.convert"
STATISTICS, COMPUTE = "leworld.data.ActionStatistics", "leworld.data.action_statistics"
SET = "leworld.models.WorldModel.with_action_stats"
EXPORT = "leworld.hub.export"
LIST, INFO = "leworld.hub.list_checkpoints", "leworld.hub.checkpoint_info"


def _load_dinowm(weights: Any, **options: Any) -> object:
    from tests.models.dinowm import Given

    return hub.load_dinowm(weights, Given(4, 16), **options)


DINOWM = "leworld.hub.load_dinowm"
TDMPC2 = "leworld.hub.load_tdmpc2"

ROWS = [
    BadInput(TDMPC2, "no file", lambda: hub.load_tdmpc2(_NOWHERE), CheckpointError, (_NOWHERE,)),
    BadInput(TDMPC2, "no weights", lambda: hub.load_tdmpc2(3), ConfigError, ("weights",)),  # type: ignore[arg-type]
    BadInput(TDMPC2, "nothing in them", lambda: hub.load_tdmpc2({}), CheckpointError, ("one encoder",)),
    BadInput(TDMPC2, "discount", lambda: hub.load_tdmpc2({}, discount=0), ConfigError, ("discount=0",)),
    BadInput(DINOWM, "no file", lambda: _load_dinowm(_NOWHERE), CheckpointError, (_NOWHERE,)),
    BadInput(DINOWM, "no weights", lambda: _load_dinowm(3), ConfigError, ("weights",)),
    BadInput(DINOWM, "nothing in them", lambda: _load_dinowm({}), CheckpointError, ("predictor.positions",)),
    BadInput(DINOWM, "no head", lambda: _load_dinowm({}, head_dim=0), ConfigError, ("head_dim=0",)),
    BadInput(DINOWM, "no encoder", lambda: hub.load_dinowm({}, 3), ConfigError, ("encoder",)),  # type: ignore[arg-type]
    BadInput(
        "leworld.hub.pretrained",
        "no prefix",
        lambda: hub.pretrained(nn.Linear(2, 2), "me/mine"),
        ConfigError,
        ("hf-hub:me/mine",),
    ),
    BadInput(
        "leworld.hub.pretrained",
        "a pickle",
        lambda: hub.pretrained(nn.Linear(2, 2), "hf-hub:me/mine", file="pytorch_model.bin"),
        ConfigError,
        ("safetensors",),
    ),
    BadInput(
        "leworld.hub.pretrained",
        "no such way",
        lambda: hub.pretrained(nn.Linear(2, 2), "hf-hub:me/mine", stored="here"),  # type: ignore[arg-type]
        ConfigError,
        ("reference",),
    ),
    BadInput(LOAD, "no string", lambda: _load(3), ConfigError, ("name_or_path", "3")),
    BadInput(
        LOAD, "misspelt name", lambda: _load("lewm-tworoom-tin"), CheckpointError, ("`lewm-tworoom-tiny`",)
    ),
    BadInput(LOAD, "missing folder", lambda: _load(_NOWHERE), CheckpointError, (_NOWHERE,)),
    BadInput(LOAD, "missing path", lambda: _load(Path(_NOWHERE)), CheckpointError, (_NOWHERE,)),
    BadInput(LOAD, "a file", lambda: _load(__file__), CheckpointError, ("is a file",)),
    BadInput(LOAD, "no checkpoint", lambda: _load(Path(__file__).parent), CheckpointError, ("config.json",)),
    BadInput(LOAD, "no such user", lambda: _load("~nobody-at-all/x"), CheckpointError, ("~nobody-at-all",)),
    BadInput(
        LOAD, "owner/repo without prefix", lambda: _load("me/mine"), CheckpointError, ("hf-hub:me/mine",)
    ),
    BadInput(
        LOAD, "malformed Hub name", lambda: _load("hf-hub:mine"), ConfigError, ("hf-hub:owner/repository",)
    ),
    BadInput(LOAD, "traversal", lambda: _load("hf-hub:../etc"), ConfigError, ("hf-hub:owner/repository",)),
    BadInput(LOAD, "empty", lambda: _load(""), CheckpointError, ("config.json",)),
    BadInput(LOAD, "unknown device", lambda: _load("x", device="gpu"), ConfigError, ("device", "gpu")),
    BadInput(LOAD, "integer dtype", lambda: _load("x", dtype=torch.int32), ConfigError, ("dtype", "int32")),
    BadInput(LOAD, "dtype in words", lambda: _load("x", dtype="float32"), ConfigError, ("dtype",)),
    BadInput(
        LOAD, "two revisions", lambda: _load("lewm-pusht@a", revision="b"), ConfigError, ("one revision",)
    ),
    BadInput(
        LOAD, "revision of a folder", lambda: _load(Path("/tmp"), revision="a"), ConfigError, ("revision",)
    ),
    BadInput(LOAD, "revision outwards", lambda: _load("lewm-pusht@../x"), ConfigError, ("revision", "../x")),
    BadInput(
        LOAD,
        "offline in words",
        lambda: _load("x", local_files_only="yes"),
        ConfigError,
        ("local_files_only",),
    ),
    BadInput(LOAD, "classes in words", lambda: _load("x", classes="MyEncoder"), ConfigError, ("classes",)),
    BadInput(
        LOAD,
        "class of leworld's name",
        lambda: _load("lewm-tworoom-tiny", classes=[_Projector]),
        ConfigError,
        ("`Projector`",),
    ),
    BadInput(SAVE, "no model", lambda: _save("model"), ConfigError, ("`model`",)),
    BadInput(
        SAVE, "a module of one's own", lambda: _save(nn.Linear(2, 2)), ConfigError, ("`model`", "Linear")
    ),
    BadInput(SAVE, "no path", lambda: _save(_model(), 3), ConfigError, ("`folder`", "3")),
    BadInput(SAVE, "onto a file", lambda: _save(_model(), __file__), CheckpointError, ("is a file",)),
    BadInput(
        SAVE, "over other files", lambda: _save(_model(), Path(__file__).parent), CheckpointError, ("holds",)
    ),
    BadInput(SAVE, "NaN", lambda: _save(_poisoned()), NonFiniteError, ("projector.narrow.bias",)),
    BadInput(
        SAVE, "processor of others", lambda: _save(_mismatched()), ShapeError, ("block_dim", "action_dim")
    ),
    BadInput(
        SAVE,
        "provenance that is no JSON",
        lambda: _save(_model(), provenance={"x": torch.zeros(2)}),
        CheckpointError,
        ("JSON",),
    ),
    BadInput(
        SAVE,
        "misspelt score",
        lambda: _save(_model(), provenance={"scores": [{"protocl": "x"}]}),
        ConfigError,
        ("protocl", "Did you mean `protocol`"),
    ),
    BadInput(
        SAVE, "provenance in words", lambda: _save(_model(), provenance="x"), ConfigError, ("provenance",)
    ),
    BadInput(SAVE, "no address", lambda: _save(_model(), address=3), ConfigError, ("address", "3")),
    BadInput(LIST, "no string", lambda: leworld.hub.list_checkpoints(3), ConfigError, ("pattern", "3")),  # type: ignore[arg-type]
    BadInput(INFO, "unknown", lambda: leworld.hub.checkpoint_info("lewm"), CheckpointError, ("`lewm`",)),
    BadInput(INFO, "no string", lambda: leworld.hub.checkpoint_info(None), ConfigError, ("`name`",)),  # type: ignore[arg-type]
    BadInput(PUSH, "no model", lambda: hub.push_to_hub("model", "me/mine"), ConfigError, ("`model`",)),  # type: ignore[arg-type]
    BadInput(PUSH, "no owner", lambda: hub.push_to_hub(_model(), "mine"), ConfigError, ("owner/repository",)),
    BadInput(PUSH, "NaN", lambda: hub.push_to_hub(_poisoned(), "me/mine"), NonFiniteError, ("narrow.bias",)),
    BadInput(CONVERT, "no source", lambda: hub.convert(_NOWHERE, _NOWHERE), CheckpointError, (_NOWHERE,)),
    BadInput(CONVERT, "unknown layout", _convert_to_onnx, ConfigError, ("layout", "onnx")),
    BadInput(EXPORT, "unknown format", _export_to_torchscript, ConfigError, ("format", "torchscript")),
    BadInput(EXPORT, "no model", lambda: hub.export("model", _NOWHERE), ConfigError, ("`model`",)),  # type: ignore[arg-type]
    BadInput(EXPORT, "no processor", lambda: hub.export(_bare(), _NOWHERE), CheckpointError, ("processor",)),
    BadInput(
        EXPORT,
        "over other files",
        lambda: hub.export(_model(), Path(__file__).parent, format="pt2"),
        CheckpointError,
        ("holds",),
    ),
    BadInput(STATISTICS, "empty", lambda: data.ActionStatistics((), (), "x"), ConfigError, ("`mean`",)),
    BadInput(
        STATISTICS,
        "negative std",
        lambda: data.ActionStatistics((0.0,), (-1.0,), "x"),
        ConfigError,
        ("`std`",),
    ),
    BadInput(
        STATISTICS, "NaN", lambda: data.ActionStatistics((float("nan"),), (1.0,), "x"), ConfigError, ("nan",)
    ),
    BadInput(
        STATISTICS,
        "sizes differ",
        lambda: data.ActionStatistics((0.0,), (1.0, 1.0), "x"),
        ConfigError,
        ("1 and 2",),
    ),
    BadInput(
        STATISTICS, "no source", lambda: data.ActionStatistics((0.0,), (1.0,), ""), ConfigError, ("source",)
    ),
    BadInput(COMPUTE, "no file", lambda: data.action_statistics(_NOWHERE), DataError, (_NOWHERE,)),
    BadInput(COMPUTE, "no HDF5", lambda: data.action_statistics(__file__), DataError, ("HDF5",)),
    BadInput(
        COMPUTE, "other column", lambda: _statistics_of({"act": [[1.0]]}), DataError, ("`act`", "column")
    ),
    BadInput(
        COMPUTE, "wrong rank", lambda: _statistics_of({"action": [1.0]}), DataError, ("(row, component)",)
    ),
    BadInput(COMPUTE, "empty", lambda: _statistics_of({"action": np.zeros((0, 2))}), DataError, ("no row",)),
    BadInput(
        COMPUTE, "all NaN", lambda: _statistics_of({"action": [[float("nan")]]}), DataError, ("no row",)
    ),
    BadInput(SET, "other size", lambda: _model().with_action_stats(_STATISTICS), ConfigError, ("2", "3")),
    BadInput(
        SET, "no processor", lambda: _bare().with_action_stats(_STATISTICS), ConfigError, ("processor",)
    ),
    BadInput(SET, "numbers", lambda: _model().with_action_stats((0.0, 1.0)), ConfigError, ("statistics",)),  # type: ignore[arg-type]
]
