"""Training a recipe once, with the CPU seconds that it took."""

import json
import time
from pathlib import Path

from leworld.tasks import Recipe


def trained(recipe: Recipe, folder: Path) -> float:
    """Train `recipe` into `folder` unless it is trained there, and return its CPU seconds.

    They are those of the process, for `recipe.train` as a whole: collecting, training, BatchNorm, saving.
    """
    note = folder / "seconds.json"
    facts = json.loads(json.dumps(recipe.provenance()["recipe"]))
    known = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    if known.get("recipe") != facts:
        began = time.process_time()
        recipe.train(folder, resume=False, progress=False)
        known = {"recipe": facts, "cpu_seconds": time.process_time() - began}
        note.write_text(json.dumps(known), encoding="utf-8")
    return known["cpu_seconds"]
