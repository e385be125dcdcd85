"""Export a world model for runtimes without leworld."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ... import __version__
from ..._checks import check_choice, quoted, require
from ..._files import local_path, write_by_memory
from ..._folder import LITTER, check_replaceable, replaced_folder
from ..._json import json_text
from ..._random import usual_defaults
from ..._typing import shapechecked
from ...errors import CheckpointError
from .._save import world_model
from ._onnx import write_onnx
from ._programs import Part, compare, parts_of, trace

FACTS_FILE = "export.json"


@shapechecked
def export(
    model: nn.Module,
    folder: str | Path,
    *,
    format: Literal["onnx", "pt2"] = "onnx",
    overwrite: bool = False,
) -> Path:
    """Write the encoder and the predictor of `model` as programs that run without leworld.

    Reach for it to take a model to a robot, to C++ or to ONNX Runtime and TensorRT. The batch size is free in
    both, an axis called `batch` in ONNX; everything else is fixed:

        encoder     observations (batch, channel, height, width)                    -> (batch, *latent)
        predictor   embeddings (batch, history_size, *latent), actions (batch, history_size, block)
                    -> (batch, history_size, *latent), entry t being the prediction of frame t + 1

    A latent is what the model's `latent_shape` says, (dim) or (token, dim).

    The predictor is causal: for fewer frames than history_size put zeros behind them and read the entry of
    the last real frame. `export.json` tells names, shapes and the processor's numbers, with which the caller
    normalises images and actions himself. Before anything is put in place, each program runs beside the model
    for batch 1 and 7 and must agree within 1e-4. The cost is one trace of each part; memory a few times the
    weights.

    Args:
        model: A world model with a processor, which knows the image size; wrapped as for `leworld.save`.
        folder: Where to write; new or empty, or an earlier export with `overwrite`.
        format: "onnx" (needs the extra `export`) for `encoder.onnx` and `predictor.onnx`; "pt2" for
            torch.export's `encoder.pt2` and `predictor.pt2`, which `torch.export.load` and AOTInductor read.
        overwrite: Replace an earlier export in `folder`.

    Returns:
        The folder, as an absolute path.

    Raises:
        CheckpointError: if the model has no processor, cannot be traced, does not agree with its programs, or
            the folder holds something else.
        ConfigError: for an unknown format.
        MissingExtraError: if a package of the extra is not installed.

    Numerics: float32, in evaluation mode.

    Example:
        ```python
        import tempfile

        import leworld
        import torch
        from leworld.data import Processor
        from leworld.encoders import ActionEncoder, ConvEncoder
        from leworld.nn import Projector
        from leworld.predictors import TransformerPredictor

        model = leworld.LeWM(
            ConvEncoder(image_size=8, embedding_dim=4, channels=(2,)),
            TransformerPredictor(4, history_size=1, depth=1, num_heads=1, head_dim=4, mlp_dim=4),
            action_encoder=ActionEncoder(2, 4),
            projector=Projector(4, hidden_dim=4),
            prediction_projector=Projector(4, hidden_dim=4),
        )
        model.processor = Processor(8, frameskip=1, action_dim=2)
        with tempfile.TemporaryDirectory() as place:
            folder = leworld.hub.export(model, f"{place}/robot", format="pt2")
            encoder = torch.export.load(folder / "encoder.pt2").module()
        frames = torch.zeros(5, 3, 8, 8, dtype=torch.float32)
        assert encoder(frames).shape == (5, 4)
        ```
    """
    check_choice("leworld.hub.export", "format", format, ("onnx", "pt2"))
    model = world_model("leworld.hub.export", model)
    if not model.has_processor:
        raise CheckpointError(
            "leworld.hub.export needs a model with a processor",
            "none was set, so its image size is unknown",
            "Set `model.processor = leworld.data.Processor(...)`",
        )
    if format == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            require(package, extra="export", purpose="leworld.hub.export to ONNX")
    size = model.processor.image_size
    if size is None or model.observation_parts != ("pixels",):
        raise CheckpointError(
            "leworld.hub.export needs a model that reads one picture, `pixels`",
            f"this one reads {quoted(model.observation_parts)}",
            "Export the parts by yourself with `torch.export`",
        )
    target = local_path(folder)
    check_replaceable(target, overwrite=overwrite, known=_is_export)
    parts = parts_of(model, (3, size, size))
    write = write_onnx if format == "onnx" else _write_pt2
    with replaced_folder(target, overwrite=overwrite, known=_is_export) as fresh:
        programs = {}
        for name, part in parts.items():
            file = fresh / f"{name}.{format}"
            error = compare(name, part, write(name, part, file))
            programs[name] = _facts(part, file.name, error)
        facts = {
            "written_by": f"leworld {__version__}",
            "format": format,
            "programs": programs,
            "history_size": model.history_size,
            "processor": model.processor.to_json(),
        }
        (fresh / FACTS_FILE).write_text(json_text(facts, owner="leworld.hub.export"), encoding="utf-8")
    return target


def _facts(part: Part, file: str, error: float) -> dict[str, Any]:
    with torch.no_grad():
        output = part.module(*part.inputs)
    shapes = dict(zip(part.names, part.inputs, strict=True))
    return {
        "file": file,
        "inputs": {name: ["batch", *tensor.shape[1:]] for name, tensor in shapes.items()},
        "outputs": {part.output: ["batch", *output.shape[1:]]},
        "largest_difference": error,
    }


def _write_pt2(name: str, part: Part, file: Path) -> Callable[[tuple[Tensor, ...]], Tensor]:
    program = trace(name, part)
    write_by_memory(file, lambda memory: torch.export.save(program, memory))
    with usual_defaults():
        written = torch.export.load(file).module()
    return lambda inputs: written(*inputs)


def _is_export(folder: Path) -> bool:
    """Whether a folder holds an earlier export and nothing else."""
    try:
        facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
        files = {FACTS_FILE, *(program["file"] for program in facts["programs"].values())}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return {entry.name for entry in folder.iterdir()} - LITTER <= files
