"""A world model as two programs of plain tensors, traced once and compared with the model."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from ...errors import CheckpointError
from ...models import WorldModel

TOLERANCE = 1e-4
BATCHES = (1, 7)  # that are compared; the batch that is traced is another
_TRACED_BATCH = 2


@final
class Encoder(nn.Module):
    """One normalised image a row to its embedding."""

    def __init__(self, model: WorldModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, observations: Tensor) -> Tensor:
        """(batch, channel, height, width) -> (batch, *latent)."""
        return self.model.encode(observations.unsqueeze(1)).squeeze(1)


@final
class Predictor(nn.Module):
    """A full window of embeddings and action blocks to the embedding after each frame."""

    def __init__(self, model: WorldModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, embeddings: Tensor, actions: Tensor) -> Tensor:
        """(batch, time, *latent) and (batch, time, action) -> (batch, time, *latent)."""
        return self.model.predict(embeddings, actions)


@final
@dataclass(frozen=True)
class Part:
    """One program to be: the module, example inputs, and the names of inputs and output."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    names: tuple[str, ...]
    output: str

    def draw(self, batch: int) -> tuple[Tensor, ...]:
        """Return random inputs of another batch size, the same for every call."""
        return draw(tuple(tuple(tensor.shape[1:]) for tensor in self.inputs), batch)


def draw(shapes: tuple[tuple[int, ...], ...], batch: int) -> tuple[Tensor, ...]:
    """Return Gaussian tensors of these shapes behind a batch axis, from a fixed seed."""
    generator = torch.Generator().manual_seed(batch)
    return tuple(
        torch.randn(batch, *shape, generator=generator, dtype=torch.float32, device="cpu") for shape in shapes
    )


def parts_of(model: WorldModel, image_shape: tuple[int, int, int]) -> dict[str, Part]:
    """Split a copy of `model`, in evaluation mode and float32 on the CPU, into its two programs."""
    model = copy.deepcopy(model).to(device="cpu", dtype=torch.float32).eval().requires_grad_(False)
    time = model.history_size
    window = ((time, *model.latent_shape), (time, model.action_dim))
    return {
        "encoder": Part(Encoder(model), draw((image_shape,), _TRACED_BATCH), ("observations",), "embeddings"),
        "predictor": Part(
            Predictor(model), draw(window, _TRACED_BATCH), ("embeddings", "actions"), "predictions"
        ),
    }


def trace(name: str, part: Part) -> torch.export.ExportedProgram:
    """Trace one part with any batch size.

    Raises:
        CheckpointError: if torch.export cannot trace it, as for modules that branch on values.
    """
    batch = torch.export.Dim("batch", min=1)
    shapes = tuple({0: batch} for _ in part.inputs)
    try:
        with torch.no_grad():
            return _pruned(torch.export.export(part.module, part.inputs, dynamic_shapes=shapes, strict=False))
    except Exception as error:  # torch.export raises whatever its stages do
        raise CheckpointError(
            f"leworld.hub.export needs a model whose {name} torch.export can trace for every batch size",
            f"tracing raised {type(error).__name__}: {' '.join(str(error).split())[:300]}",
            "Write its forward without branches on the values of tensors",
        ) from error


def _pruned(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Drop the weights that this part of the model does not read, so that no file holds them."""
    unused = {node.name: node for node in program.graph.nodes if node.op == "placeholder" and not node.users}
    signature = program.graph_signature
    weights = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    for name in unused.keys() & weights.keys():
        program.graph.erase_node(unused[name])
        program.state_dict.pop(weights[name], None)
    kept = [
        s for s in signature.input_specs if getattr(s.arg, "name", None) not in unused.keys() & weights.keys()
    ]
    signature.input_specs = kept
    program.graph_module.recompile()
    return program


def compare(name: str, part: Part, run: Callable[[tuple[Tensor, ...]], Tensor]) -> float:
    """Return the largest difference between `run` and the model over several batch sizes.

    Raises:
        CheckpointError: if it is above the tolerance.
    """
    worst = 0.0
    for batch in BATCHES:
        inputs = part.draw(batch)
        with torch.no_grad():
            expected = part.module(*inputs)
            got = run(inputs)
        error = float((got - expected).abs().max()) if got.shape == expected.shape else float("inf")
        if not error <= TOLERANCE:
            raise CheckpointError(
                f"leworld.hub.export needs a {name} that computes what the model does, within {TOLERANCE:g}",
                f"it is off by {error:.2g} for batch {batch}",
                "Report this with the model's config: it is a defect of the exporter",
            )
        worst = max(worst, error)
    return worst
