"""C files of the package, compiled at first use with the system's compiler and kept in the user's cache."""

import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from ctypes import CDLL
from pathlib import Path

_FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math")


@functools.cache
def load(source: Path) -> CDLL | str:
    """Load the compiled file, compiling it if this machine has not; or say why there is none."""
    if os.environ.get("LEWORLD_NATIVE") == "0":
        return "the environment variable LEWORLD_NATIVE is 0"
    if os.name != "posix":
        return "compiling at first use is supported on Linux and macOS"
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None:
        return "no C compiler `cc` was found (set CC to name one)"
    try:
        path = _cache_folder() / f"{source.parent.name}-{_fingerprint(source, compiler)}.so"
        if not path.exists():
            _compile(source, compiler, path)
        return CDLL(str(path))
    except (OSError, subprocess.SubprocessError) as error:
        return f"compiling with {compiler} failed ({type(error).__name__}: {error})"


def _cache_folder() -> Path:
    """Return a folder that only this user can write to."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "leworld" / "kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid == os.getuid() and not status.st_mode & 0o022 and os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="leworld-kernels-"))


def _fingerprint(source: Path, compiler: str) -> str:
    """Hash all that the machine code depends on: source, compiler, flags and the processor's abilities."""
    abilities = platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        abilities += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    stat = os.stat(compiler)
    parts = (source.read_text(encoding="utf-8"), compiler, stat.st_size, stat.st_mtime, _FLAGS, abilities)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _compile(source: Path, compiler: str, path: Path) -> None:
    """Compile beside the target and rename, so that processes do not disturb each other."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = Path(folder) / path.name
        command = [compiler, *_FLAGS, "-march=native", "-o", str(built), str(source), "-lm"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        os.replace(built, path)
