"""One part of a world model as an ONNX file, and as a function that runs that file."""

import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..._checks import require
from ...errors import CheckpointError
from ._programs import Part, trace


def write_onnx(name: str, part: Part, file: Path) -> Callable[[tuple[Tensor, ...]], Tensor]:
    """Write one part, its free axis called `batch`, and return what ONNX Runtime makes of the file.

    Raises:
        CheckpointError: if the part cannot be traced or written.
    """
    program = _program(name, part)
    _name_free_axis(program.model.graph, "batch")
    program.save(str(file))
    runtime = require("onnxruntime", extra="export", purpose="leworld.hub.export to ONNX")
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def run(inputs: tuple[Tensor, ...]) -> Tensor:
        feed = {name: tensor.numpy() for name, tensor in zip(part.names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    return run


def _program(name: str, part: Part) -> Any:
    traced = trace(name, part)
    chatter = logging.getLogger("torch.onnx._internal.exporter._registration")
    was_silent, chatter.disabled = chatter.disabled, True  # it tells that torchvision is not installed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's and onnxscript's own deprecations
            return torch.onnx.export(
                traced,
                dynamo=True,
                verbose=False,
                input_names=list(part.names),
                output_names=[part.output],
            )
    except Exception as error:  # torch.onnx raises whatever its stages do
        raise CheckpointError(
            f"leworld.hub.export needs a model whose {name} torch.onnx can write",
            f"that raised {type(error).__name__}: {' '.join(str(error).split())[:300]}",
            "Export it with `format='pt2'`",
        ) from error
    finally:
        chatter.disabled = was_silent


def _name_free_axis(graph: Any, name: str) -> None:
    """Call the free axis `name`: torch.onnx gives it the name of a symbol of the tracer, such as `s16`."""
    values = [*graph.inputs, *graph.outputs, *(out for node in graph.all_nodes() for out in node.outputs)]
    found = {_expression(axis) for entry in graph.inputs for axis in entry.shape} - {""}
    for shape in (value.shape for value in values if value.shape is not None):
        for i, axis in enumerate(shape):
            text = _expression(axis)
            for symbol in found:  # also in sizes that follow from it, such as `17*s16`
                text = re.sub(rf"\b{re.escape(symbol)}\b", name, text)
            if text:
                shape[i] = text


def _expression(axis: Any) -> str:
    """Return the text of a free axis, and nothing for a fixed one."""
    text = getattr(axis, "value", None)
    return text if isinstance(text, str) else ""
