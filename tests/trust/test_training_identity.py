"""A run is resumed only if everything that decides its result is as it was, and an error names what is not.

The walks go over every field of the settings and the processor, every argument of `Windows`, every tensor,
every column that is read, and every kind of change to a part.
"""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from leworld.data import Windows
from leworld.errors import ConfigError
from leworld.training import Devices, OptimizerSettings, TrainSettings, _identity
from leworld.training._settings import DECIDING_NOTHING
from tests.training.tiny import fingerprint
from tests.trust import training_family as family

Call = Callable[[Path], Any]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    family.run(folder)
    return folder


def fault(call: Call, folder: Path, *names: str) -> str | None:
    """Say what is wrong with the way that another run is refused, or None."""
    before = (folder / "state.ckpt").read_bytes(), (folder / "metrics.csv").read_bytes()
    try:
        call(folder)
    except ConfigError as error:
        missing = [name for name in names if name not in error.got]
        if ((folder / "state.ckpt").read_bytes(), (folder / "metrics.csv").read_bytes()) != before:
            return "the files were changed"
        return f"{error} does not name {missing}" if missing else None
    return "it was taken for the same run"


def other(value: Any) -> Any:
    """Return another value that the same field takes."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 0.5 + 0.01
    if isinstance(value, tuple):
        return (other(value[0]), *value[1:])
    return f"{value} other"


SETTINGS_CASES = {
    f"settings.{item.name}": {item.name: "bf16-mixed" if item.name == "precision" else None}
    for item in dataclasses.fields(TrainSettings)
    if item.name not in ("optimizer", *DECIDING_NOTHING)
} | {f"settings.optimizer.{item.name}": {} for item in dataclasses.fields(OptimizerSettings)}


@pytest.mark.parametrize("path", SETTINGS_CASES)
def test_every_setting_decides(path, finished):
    first, *rest = path.split(".")[1:]
    settings = family.SETTINGS
    if rest:
        optimizer = settings.optimizer
        value: Any = replace(optimizer, **{rest[0]: other(getattr(optimizer, rest[0]))})
    else:
        value = SETTINGS_CASES[path][first] or other(getattr(settings, first))
    changed = replace(settings, **{first: value})
    assert fault(lambda folder: family.run(folder, settings=changed), finished, path) is None


def test_what_says_how_it_is_done_decides_nothing(finished):
    known = family.SETTINGS.to_json()
    for name in DECIDING_NOTHING:
        changed = replace(family.SETTINGS, **{name: other(getattr(family.SETTINGS, name))})
        assert changed.to_json() == known
    due = fingerprint(family.run(finished))
    assert fingerprint(family.run(finished, settings=replace(family.SETTINGS, num_workers=1))) == due


def test_the_number_of_devices_decides(finished):
    assert (
        fault(
            lambda folder: family.run(folder, devices=Devices(2, "cpu")), finished, "`devices` is 2 and was 1"
        )
        is None
    )


WINDOWS_CASES: dict[str, Call] = {
    "episodes": lambda folder: family.run(folder, cut=family.windows(family.episodes().select([1, 0, 2, 3]))),
    "history_size": lambda folder: family.run(
        folder, family.model(history_size=2), family.windows(history_size=2)
    ),
    "frameskip": lambda folder: family.run(
        folder, _skipping(family.model(frameskip=3), 3), family.windows(frameskip=3)
    ),
    "columns": lambda folder: family.run(folder, _wanting(family.model(), "reward", "terminated"), _ended()),
}


def _skipping(model: Any, frameskip: int) -> Any:
    model.processor = replace(model.processor, frameskip=frameskip)
    return model


def _wanting(model: Any, *columns: str) -> Any:
    model.batch_columns = columns
    return model


def _ended() -> Windows:
    data = family.episodes()
    return family.windows(
        replace(data, columns={**data.columns, "terminated": np.zeros(data.num_rows, bool)})
    )


@pytest.mark.parametrize("name", list(inspect.signature(Windows).parameters))
def test_every_argument_of_windows_decides(name, finished):
    told = "the data differ" if name == "episodes" else f"windows.{name}"
    assert fault(WINDOWS_CASES[name], finished, told) is None


def _processor_value(name: str) -> Any:
    known = family.processor()
    if name == "parts":
        (part, value), *more = known.parts.items()
        return {part: replace(value, mean=other(value.mean)), **dict(more)}
    return 2 if name == "action_choices" else other(getattr(known, name))


# What would not fit the model any more, and is refused for that.
OF_SIZE = {"frameskip", "action_dim", "action_choices", "image_size"}


@pytest.mark.parametrize(
    "name",
    [item.name for item in dataclasses.fields(family.processor()) if item.name not in OF_SIZE],
)
def test_every_field_of_the_processor_decides(name, finished):
    model = family.model()
    model.processor = replace(model.processor, **{name: _processor_value(name)})
    assert fault(lambda folder: family.run(folder, model), finished, f"processor.{name}") is None


def test_the_size_of_pictures_decides(finished):
    model = family.model()
    model.processor = replace(model.processor, image_size=5)
    assert fault(lambda folder: family.run(folder, model), finished, "processor.image_size") is None


TENSORS = {
    **dict(family.model().named_parameters()),
    **dict(family.model().named_buffers()),
}


@pytest.mark.parametrize("name", TENSORS)
def test_every_bit_of_the_initial_weights_and_buffers_decides(name, finished):
    model = family.model()
    tensor = {**dict(model.named_parameters()), **dict(model.named_buffers())}[name]
    with torch.no_grad():
        last = tensor.view(-1)[-1:]
        last.copy_(last + 1 if not last.is_floating_point() else torch.nextafter(last, last + 1))
    told = ("the initial weights differ", f"`{name}`")
    assert fault(lambda folder: family.run(folder, model), finished, *told) is None


@pytest.mark.parametrize("name", ["pixels", "actions", "proprio", "reward"])
@pytest.mark.parametrize("row", [0, 3, 22, 24])  # of the last episode, which has no window, too
def test_every_row_of_what_is_read_decides(name, row, finished):
    data = family.episodes()
    column = {"pixels": data.pixels, "actions": data.actions, **data.columns}[name].copy()
    values = column[row].reshape(-1) if name == "pixels" else np.atleast_1d(column[row])
    changed = values.copy()
    changed[-1] = 255 - changed[-1] if name == "pixels" else np.nan_to_num(changed[-1]) + 1
    column[row] = changed.reshape(column[row].shape)
    given = {name: column} if name in ("pixels", "actions") else {"columns": {**data.columns, name: column}}
    call = family.windows(replace(data, **given))
    assert (
        fault(lambda folder: family.run(folder, cut=call), finished, "the data differ", f"`{name}`") is None
    )


def test_the_lengths_of_episodes_decide(finished):
    data = family.episodes()
    actions = np.nan_to_num(data.actions)
    lengths = np.array([7, 9, 8, 2])
    actions[np.cumsum(lengths) - 1] = np.nan
    cut = family.windows(replace(data, actions=actions, lengths=lengths))
    told = ("the data differ", "`lengths`")
    assert fault(lambda folder: family.run(folder, cut=cut), finished, *told) is None


def test_the_type_of_a_column_decides(finished):
    data = family.episodes()
    column = data.columns["proprio"].astype(np.float32)
    cut = family.windows(replace(data, columns={**data.columns, "proprio": column}))
    assert fault(lambda folder: family.run(folder, cut=cut), finished, "`proprio`") is None


class Doubled(family.Scaled):
    """The same settings, another class."""


# a type of weights that is not theirs
OTHER = torch.float32 if torch.get_default_dtype() == torch.float64 else torch.float64


def _with(change: Callable[[Any], Any]) -> Call:
    def call(folder: Path) -> Any:
        model = family.model()
        change(model)
        return family.run(folder, model)

    return call


PART_CASES: dict[str, tuple[Call, str]] = {
    "a number of a user's part": (_with(lambda m: setattr(m.scaled, "factor", 0.25)), "scaled.factor"),
    "a private number of it": (_with(lambda m: m.scaled._hidden.append(3)), "scaled._hidden"),
    "a number of the model": (_with(lambda m: setattr(m, "weight", 2.0)), "model.weight"),
    "a number of torch's part": (_with(lambda m: setattr(m.dropout, "p", 0.3)), "dropout.p"),
    "a setting of BatchNorm": (_with(lambda m: setattr(m.norm, "momentum", 0.2)), "norm.momentum"),
    "the class of a part": (_with(lambda m: setattr(m, "scaled", Doubled(0.5))), "scaled.class"),
    "a part that was added": (_with(lambda m: m.add_module("more", nn.Identity())), "more.class"),
    "a hook": (_with(lambda m: m.encoder.register_forward_hook(lambda *_: None)), "encoder.hooks"),
    "what is frozen": (_with(lambda m: m.norm.weight.requires_grad_(False)), "`norm.weight`"),
    "what is trained": (_with(lambda m: m.frozen.requires_grad_(True)), "`frozen.weight`"),
    "the mode of a frozen part": (_with(lambda m: m.frozen.train()), "`frozen`"),
    "the type of the weights": (_with(lambda m: m.encoder.to(OTHER)), "`encoder.weight`"),
    "an array in a part": (_with(lambda m: setattr(m.scaled, "table", np.arange(3))), "scaled.table"),
}


@pytest.mark.parametrize("case", PART_CASES)
def test_every_kind_of_part_decides(case, finished):
    call, name = PART_CASES[case]
    assert fault(call, finished, name) is None


def test_equal_calls_are_the_same_run(finished):
    """Whatever decides nothing may differ: memory layout, columns that are not read, rates, other objects."""
    due = fingerprint(family.run(finished))
    data = family.episodes()
    laid = replace(
        data,
        pixels=np.asfortranarray(data.pixels),
        actions=data.actions.copy(order="F"),
        columns={**data.columns, "unread": data.columns["unread"] + 1},
        fps=None,
    )
    assert fingerprint(family.run(finished, cut=family.windows(laid))) == due
    model = family.model()
    assert fingerprint(family.run(finished, model)) == due
    assert fingerprint(family.run(finished, model)) == due  # as the last call left it


def test_a_trained_model_that_was_changed_since_is_another(finished):
    model = family.model()
    family.run(finished, model)
    with torch.no_grad():
        model.encoder.bias += 1
    before = fingerprint(model)
    told = ("the initial weights differ", "`encoder.bias`")
    assert fault(lambda folder: family.run(folder, model), finished, *told) is None
    assert fingerprint(model) == before


def test_a_refused_call_leaves_the_model_as_it_was(finished):
    model = family.model().eval()
    before = fingerprint(model)
    with pytest.raises(ConfigError):
        family.run(finished, model, settings=replace(family.SETTINGS, seed=3))
    assert not any(part.training for part in model.modules())
    assert fingerprint(model) == before
    assert model.trained_on is None


def test_arrays_that_are_edited_after_the_windows_were_cut_are_seen(finished):
    data = family.episodes()
    cut = family.windows(data)
    family.run(finished, cut=cut)
    data.pixels[5, 2, 2, 1] ^= 1
    assert fault(lambda folder: family.run(folder, cut=cut), finished, "`pixels`") is None


def test_a_state_of_a_former_leworld_is_refused_with_the_reason(finished, tmp_path):
    state = torch.load(finished / "state.ckpt", weights_only=True)
    torch.save({**state, "leworld_run": '{"devices": 1}'}, tmp_path / "state.ckpt")
    with pytest.raises(ConfigError, match="another version of leworld"):
        family.run(tmp_path)


@pytest.mark.parametrize(
    ("planted", "case"),
    [
        ("_tensors", "the type of the weights"),
        ("_part", "a number of a user's part"),
    ],
)
def test_an_identity_without_it_is_seen(planted, case, tmp_path, monkeypatch):
    """The walks reject an identity that leaves out the weights, or what parts are set to."""
    monkeypatch.setattr(_identity, planted, lambda module: {})
    family.run(tmp_path)
    call, name = PART_CASES[case]
    if planted == "_tensors":
        call = _with(lambda m: m.encoder.bias.data.add_(1))
    assert fault(call, tmp_path, name) == "it was taken for the same run"


def test_an_identity_of_every_other_frame_is_seen(tmp_path, monkeypatch):
    whole = _identity.row_digests
    monkeypatch.setattr(
        _identity, "row_digests", lambda column, lengths: whole(column[::2], (np.array(lengths) + 1) // 2)
    )
    family.run(tmp_path)
    data = family.episodes()
    data.pixels[1] = 0
    call = family.windows(data)
    assert fault(lambda folder: family.run(folder, cut=call), tmp_path, "pixels") is not None
