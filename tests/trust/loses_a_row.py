"""Work that writes its state before its row, for the harness of kills to reject."""

import os
from pathlib import Path


def work(folder: Path) -> None:
    state = folder / "state"
    first = int(state.read_text()) if state.exists() else 0
    for step in range(first, 4):
        fresh = folder / "fresh"
        fresh.write_text(str(step + 1))
        os.replace(fresh, state)
        with (folder / "rows").open("a") as file:
            file.write(f"{step}\n")


def outcome(folder: Path) -> str:
    return (folder / "rows").read_text()
