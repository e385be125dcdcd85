"""No sanitizer has anything to report about the C files, and a planted fault of either kind is reported."""

import re
from pathlib import Path

import pytest

from tests.kernels import sanitize
from tests.kernels.sanitize import CORE, build, copy, obstacle, reports, run_tests

REASON = obstacle()
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"no sanitizers: {REASON}")

# By C file: what is right, what is wrong, which test meets it, and how the sanitizers call it.
PLANTED = {
    "sliced_ecf": (
        "int lanes = last - p < LANES ? (int)(last - p) : LANES;",
        "int lanes = LANES;",
        "tests/kernels/test_extents.py::test_sums_and_their_gradient_at_every_size",
        "heap-buffer-overflow",
    ),
    "sphere_mixture": (
        "int row = position < end ? (int)position : last;",
        "int row = (int)position;",
        "tests/kernels/test_extents.py::test_a_distance_that_no_table_holds_is_read_from_its_end",
        "inf is outside the range of representable values of type 'int'",
    ),
}


def test_no_report(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    build(folder)
    result = run_tests(folder, *CORE)
    assert not reports(result), result.stderr[-4000:]
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout, "what was to be tested was not built"


def test_planted_faults_are_reported(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    for name, (right, wrong, _, _) in PLANTED.items():
        source = folder / "leworld/kernels" / name / "_native.c"
        text = source.read_text(encoding="utf-8")
        assert right in text
        source.write_text(text.replace(right, wrong), encoding="utf-8")
    build(folder)
    for _, _, test, kind in PLANTED.values():
        result = run_tests(folder, test)
        assert result.returncode != 0
        assert any(kind in report for report in reports(result)), (
            result.stdout[-2000:] + result.stderr[-2000:]
        )


def test_every_c_file_is_built_with_sanitizers_and_planted_in() -> None:
    folders = {path.parent.name for path in (sanitize.ROOT / "leworld/kernels").glob("*/_native.c")}
    assert folders == set(PLANTED)
    makefile = (sanitize.ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^sanitize: .*\n\t.*-m tests\.kernels\.sanitize$", makefile, re.MULTILINE)
