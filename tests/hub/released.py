"""The small checkpoint in the published layout, as it lies in the fixtures."""

from pathlib import Path

MINI = Path(__file__).parent.parent / "fixtures" / "official_lewm_mini"


def mini_files() -> dict[str, bytes]:
    return {name: (MINI / name).read_bytes() for name in ("config.json", "weights.pt")}
