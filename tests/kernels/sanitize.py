"""Runs the C files under AddressSanitizer and UndefinedBehaviorSanitizer: `python -m tests.kernels.sanitize`.

The sources are copied to a temporary place and compiled there, at every level of instructions, with the
sanitizers on; the tests that reach C then run in the copy with the sanitizer's library loaded first. Any
report ends the run. The build in the tree stays as it is.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SANITIZERS = "address,undefined,float-cast-overflow"
FLAGS = f"-g -fno-omit-frame-pointer -fsanitize={SANITIZERS} -fno-sanitize-recover=all"
REPORT = re.compile(r"(ERROR: AddressSanitizer: [\w-]+|runtime error: [^\n]+)")
# Every size at every level, then the conformance suite at every level.
CORE = ("tests/kernels/test_extents.py", "tests/kernels/test_library.py")
# The rest of what reaches C: the op and the regularizers on it, under autograd and in several threads.
REST = (
    "tests/kernels/test_sphere_mixture.py::test_discrepancy",
    "tests/kernels/test_sphere_mixture.py::test_layouts",
    "tests/kernels/test_sphere_mixture.py::test_what_is_not_finite_goes_through",
    "tests/kernels/test_ecf_sums.py::test_conforms",
    "tests/kernels/test_ecf_sums.py::test_every_number_of_knots_in_c",
    "tests/kernels/test_ecf_sums.py::test_angles_without_a_meaning_stay_bounded_in_c",
    "tests/kernels/test_ecf_sums.py::test_threads_share_the_work_and_change_nothing",
    "tests/regularizers/test_exact_sigreg.py::test_every_dimension_and_distance_is_finite_and_right",
    "tests/regularizers/test_sigreg.py::test_sigreg",
)


def obstacle() -> str | None:
    """Say why there can be no such run here."""
    if sys.platform != "linux":
        return "the sanitizer's library is loaded first by a means of Linux"
    if shutil.which("gcc") is None:
        return "there is no gcc"
    missing = [name for name in ("libasan.so", "libubsan.so") if not runtime(name).is_absolute()]
    return f"gcc comes without {' and '.join(missing)}" if missing else None


def runtime(name: str) -> Path:
    """Return where gcc keeps a library; a bare name if it has none."""
    found = subprocess.run(
        ["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True, timeout=60
    )
    return Path(found.stdout.strip())


def copy(folder: Path) -> Path:
    """Copy what building and testing need, and nothing that was built."""
    for name in ("leworld", "tests", "benchmarks"):
        built = shutil.ignore_patterns("__pycache__", "*.so", "not_built.txt")
        shutil.copytree(ROOT / name, folder / name, ignore=built)
    for name in ("pyproject.toml", "hatch_build.py", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def build(folder: Path) -> None:
    """Compile the copy's C files in place, with the sanitizers on."""
    command = [sys.executable, "hatch_build.py"]
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "CC": f"gcc {FLAGS}"}, timeout=600)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy with the sanitizer's library before all others."""
    environment = {
        **os.environ,
        # the C++ library goes with it, or exceptions that torch throws and catches end the process
        "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libubsan.so')} {runtime('libstdc++.so.6')}",
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1",  # Python keeps much to its end
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "PYTHONPATH": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def run_tests(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy in one process, whose output is captured by nobody who could end with it."""
    return run(folder, "-m", "pytest", "-q", "-x", "-s", "-p", "no:xdist", *tests)


def reports(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the headlines of what the sanitizers reported."""
    return REPORT.findall(result.stdout + result.stderr)


def main() -> int:
    """Build, run the tests, and say what was found."""
    reason = obstacle()
    if reason is not None:
        sys.stderr.write(f"no sanitizer run: {reason}\n")
        return 1
    with tempfile.TemporaryDirectory() as place:
        folder = copy(Path(place))
        build(folder)
        result = run_tests(folder, *CORE, *REST)
    sys.stdout.write(result.stdout[-4000:])
    sys.stderr.write(result.stderr[-8000:])
    found = reports(result)
    sys.stdout.write(f"reports of the sanitizers: {len(found)}\n")
    return result.returncode or bool(found)


if __name__ == "__main__":
    sys.exit(main())
