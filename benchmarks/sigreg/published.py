"""The published formula, and what every measurement of a regularizer needs: a step, and its peak memory."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn


class Published(nn.Module):
    """The published formula: every knot of every projection is an entry of a stored tensor."""

    def __init__(self, num_slices: int) -> None:
        super().__init__()
        t = torch.linspace(0, 3, 17)
        quadrature = torch.full((17,), 2 * 3 / 16)
        quadrature[[0, -1]] = 3 / 16
        self.num_slices = num_slices
        self.register_buffer("t", t)
        self.register_buffer("phi", torch.exp(-t.square() / 2))
        self.register_buffer("weights", quadrature * torch.exp(-t.square() / 2))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Draw directions from the global generator and return the mean statistic."""
        directions = torch.randn(
            embeddings.shape[-1], self.num_slices, device=embeddings.device, dtype=torch.float32
        )
        return self.value(embeddings, directions.div_(directions.norm(p=2, dim=0)))

    def value(self, embeddings: Tensor, directions: Tensor) -> Tensor:
        """Return the mean statistic along given directions."""
        angles = (embeddings @ directions).unsqueeze(-1) * self.t
        error = (angles.cos().mean(-3) - self.phi).square() + angles.sin().mean(-3).square()
        return ((error @ self.weights) * embeddings.shape[-2]).mean()


def step(module: Callable[[Tensor], Tensor], embeddings: Tensor) -> Callable[[], None]:
    """Return forward and backward as one call."""

    def run() -> None:
        embeddings.grad = None
        module(embeddings).backward()

    return run


def peak_megabytes(function: Callable[[], None], device: str) -> float:
    """Return the most memory that PyTorch's allocator held above where it stood before."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    held, most = 0, 0
    for event in sorted((e for e in events if e.get("name") == "[memory]"), key=lambda e: e["ts"]):
        held += event["args"]["Bytes"]
        most = max(most, held)
    return most / 1e6
