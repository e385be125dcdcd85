"""The benchmark that waits for a GPU, at a small size on a CPU: all of it but the capture of graphs."""

import json

import pytest
import torch

from benchmarks.sigreg import cuda
from tests.fake_clock import fake_clock


def test_the_cuda_rows_measure_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module: module)
    sizes = (cuda.Size(2, 130, 8, 16, "bfloat16", 2), cuda.Size(1, 40, 8, 16, "float32", 2))
    with fake_clock(step=1.0, name="process_time"):
        rows = cuda.rows("cpu", sizes, sizes[:1])
    assert json.loads(json.dumps(rows)) == rows
    assert [(row["suite"], row["dtype"], row["what"]) for row in rows] == [
        *(
            ("against the published formula", dtype, what)
            for dtype in ("bfloat16", "float32")
            for what in ("published formula, eager", "published formula, torch.compile", "SIGReg, reference")
        ),
        ("one kernel or two stages", "bfloat16", "reference"),
        ("one kernel or two stages", "bfloat16", "auto"),
    ]
    assert all(row["ratio"] == 1 and row["peak_megabytes"] > 0 for row in rows)
    assert rows[2]["loss_error"] < 1e-3
    assert rows[5]["loss_error"] < 1e-6


def test_a_wrong_kernel_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "SIGReg", lambda slices, implementation: lambda z, generator: z.square().mean())
    with pytest.raises(SystemExit, match="nothing was timed"):
        cuda.rows("cpu", (cuda.Size(1, 40, 8, 16, "bfloat16", 1),), ())
