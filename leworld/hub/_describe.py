"""The record of a folder in leworld's own layout, read from its config."""

from pathlib import Path

from ._digest import digest
from ._provenance import read_scores
from ._record import CheckpointRecord
from ._schema import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, read_config


def describe_folder(folder: Path, name: str) -> CheckpointRecord:
    """Read the record of a folder in leworld's own layout from its config."""
    config = read_config(folder / CONFIG_FILE)
    facts = config.provenance
    present = [file for file in (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE) if (folder / file).is_file()]
    history = config.architecture.get("predictor", {}).get("history_size")
    return CheckpointRecord(
        name=name,
        summary=str(
            facts.get("summary", f"A {config.architecture.get('class')} saved by {config.written_by}")
        ),
        files={file: digest(folder / file) for file in present},
        architecture=config.architecture,
        processor=config.processor,
        history_size=history if isinstance(history, int) else None,
        licence=str(facts.get("licence", "unknown")),
        paper=facts.get("paper"),
        scores=read_scores(facts),
    )
