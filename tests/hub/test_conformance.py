"""The round trip as one check, which ours passes and every wrong one fails."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import leworld
from leworld.errors import LeWorldError
from tests.hub.examples import tiny_lewm
from tests.hub.wrong import WRONG, Load, Save, save


def faults(save: Save, load: Load, folder: Path) -> list[str]:
    """Everything that is wrong with a pair of saver and loader."""
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        model, path = tiny_lewm().to(dtype), folder / str(dtype)
        save(model, path)
        again = load(path)
        ours, theirs = model.state_dict(), again.state_dict()
        if ours.keys() != theirs.keys() or any(
            isinstance(v, torch.Tensor) and (v.dtype != theirs[k].dtype or not torch.equal(v, theirs[k]))
            for k, v in ours.items()
        ):
            found.append(f"weights of {dtype}")
        if again.training:
            found.append("training mode")
        if not again.has_processor or again.processor != model.processor:
            found.append("processor")
        if again.config != model.config:
            found.append("config")
        save(model, folder / "again")
        if any(p.read_bytes() != (folder / "again" / p.name).read_bytes() for p in path.iterdir()):
            found.append("bytes")
    return found + [
        name for name, damage in DAMAGES.items() if not refused(save, load, folder / name, damage)
    ]


def refused(save: Save, load: Load, folder: Path, damage: Any) -> bool:
    save(tiny_lewm(), folder)
    tensors = load_file(folder / "model.safetensors")
    damage(tensors)
    save_file(tensors, folder / "model.safetensors")
    try:
        load(folder)
    except LeWorldError:
        return True
    return False


DAMAGES = {
    "tensor missing": lambda tensors: tensors.popitem(),
    "tensor too many": lambda tensors: tensors.update(surplus=torch.zeros(1)),
    "nan": lambda tensors: tensors["projector.narrow.bias"].fill_(float("nan")),
}


def test_ours_has_no_fault(tmp_path: Path) -> None:
    assert not faults(save, leworld.load, tmp_path)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_one_is_seen(name: str, tmp_path: Path) -> None:
    assert faults(*WRONG[name], tmp_path)
