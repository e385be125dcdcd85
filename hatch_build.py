"""Compiles the package's C files when a wheel is built, and in place where the install is an editable one.

`python hatch_build.py` compiles in place too. Where there is no C compiler, or it fails, the wheel is a pure
one: the build log says why, and so does `leworld.kernels.explain` in what was installed.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

ROOT = Path(__file__).resolve().parent
KERNELS = Path("leworld/kernels")
NOTE = KERNELS / "not_built.txt"
FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi")
# What `_levels.c` asks the processor for before it names a level.
X86_LEVELS = {"avx2": ("-mavx2", "-mfma"), "avx512": ("-mavx2", "-mfma", "-mavx512f", "-mavx512vl")}


def libraries() -> dict[Path, Path]:
    """Return the libraries that the package can hold, and the C file of each."""
    return {
        path.relative_to(ROOT).with_name("libnative.so"): path
        for path in sorted((ROOT / KERNELS).glob("*/_native.c"))
    }


def build(folder: Path) -> str | None:
    """Compile every library into its place below a folder; or say why not, and leave a note that says so."""
    for name in (*libraries(), NOTE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    reason = _build(folder)
    if reason is None:
        (folder / NOTE).unlink(missing_ok=True)
        return None
    for library in libraries():
        (folder / library).unlink(missing_ok=True)
    (folder / NOTE).write_text(reason + "\n", encoding="utf-8")
    return reason


def _build(folder: Path) -> str | None:
    if os.name != "posix":
        return "C is compiled on Linux and macOS only"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        return f"no C compiler `{compiler[0]}` was found; the environment variable CC can name one"
    try:
        with tempfile.TemporaryDirectory() as scratch:
            for library, source in libraries().items():
                built = _compile(compiler, source, Path(scratch))
                beside = (folder / library).with_suffix(".partial")
                shutil.copyfile(built, beside)
                os.replace(beside, folder / library)  # whoever has the old one loaded keeps it
    except subprocess.CalledProcessError as error:
        return f"`{shlex.join(compiler)}` failed: {' '.join(error.stderr.split())[:500]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`{shlex.join(compiler)}` failed: {error}"
    return None


def _compile(compiler: list[str], source: Path, scratch: Path) -> Path:
    """Compile a C file once a level, and join the levels with what chooses among them."""
    levels = ROOT / KERNELS / "_levels.c"
    fingerprint = hashlib.sha256(source.read_bytes() + levels.read_bytes()).hexdigest()
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    chooser = [f'-DSOURCE="{fingerprint}"', *(["-DX86_LEVELS"] if x86 else [])]
    parts = {"levels": (levels, chooser)}
    for level, flags in {"baseline": (), **(X86_LEVELS if x86 else {})}.items():
        parts[level] = (source, [*flags, f"-DLEVEL(name)=name##_{level}"])
    objects = []
    for name, (part, options) in parts.items():
        objects.append(str(scratch / f"{name}.o"))
        _run(*compiler, *FLAGS, *options, "-c", str(part), "-o", objects[-1])
    library = scratch / "libnative.so"
    _run(*compiler, "-shared", *objects, "-o", str(library), "-lm")
    return library


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)


class CHook(BuildHookInterface):
    """What hatchling calls: the libraries go into a wheel, or for an editable one beside their sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say so in the wheel's tag."""
        if version == "editable":
            self._tell(build(ROOT))
            return
        self._scratch = tempfile.TemporaryDirectory()  # removed with the hook
        folder = Path(self._scratch.name)
        reason = build(folder)
        self._tell(reason)
        for name in (NOTE,) if reason else libraries():
            build_data["force_include"][str(folder / name)] = str(name)
        if reason is None:
            plain = (tag for tag in platform_tags() if "manylinux" not in tag and "musllinux" not in tag)
            build_data |= {"pure_python": False, "tag": f"py3-none-{next(plain)}"}

    def _tell(self, reason: str | None) -> None:
        if reason is not None:
            self.app.display_warning(f"leworld goes without its C, and pure torch serves: {reason}")


if __name__ == "__main__":
    sys.exit(build(ROOT))
