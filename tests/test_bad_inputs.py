"""Every public callable refuses bad input with an error in three parts: the rule, what came, what to do."""

import enum
import importlib
import inspect

import pytest

from leworld.errors import LeWorldError
from tests._source import ROOT, public_objects
from tests.bad_input import ONLY_CHECKED, BadInput, rows_of

TABLES = sorted((ROOT / "tests").glob("*/bad_inputs.py"))
ROWS: list[BadInput] = [
    row for path in TABLES for row in importlib.import_module(f"tests.{path.parent.name}.bad_inputs").ROWS
]


def fault(row: BadInput) -> str | None:
    """Say what is wrong with the way that `row` is refused, or None."""
    try:
        row.call()
    except LeWorldError as error:
        message = str(error)
        if not isinstance(error, row.error):
            return f"raised {type(error).__name__}: {message}"
        if not all(len(part.split()) >= 2 for part in (error.rule, error.got, error.fix)):
            return f"a part is missing: {error.args}"
        missing = [word for word in row.mentions if word not in message]
        return f"does not mention {missing}: {message}" if missing else None
    except Exception as error:
        return f"raised a bare {type(error).__name__}: {error}"
    return "accepted it in silence"


@pytest.mark.parametrize("row", rows_of(ROWS))
def test_bad_input_is_refused_in_three_parts(row: BadInput) -> None:
    assert fault(row) is None


def needs_rows(path: str, value: object) -> bool:
    """Whether a user can call `value` with wrong arguments: no records that only leworld makes, no errors."""
    if inspect.isclass(value):
        made_by_us = getattr(value, "__dataclass_fields__", None) is not None and not hasattr(
            value, "__post_init__"
        )
        protocol = getattr(value, "_is_protocol", False)
        nobody_calls = issubclass(value, BaseException | enum.Enum) or inspect.isabstract(value) or protocol
        return not (nobody_calls or made_by_us)
    return bool(inspect.signature(value).parameters)  # type: ignore[arg-type]


def test_every_public_callable_has_rows() -> None:
    covered = {row.entry for row in ROWS}
    bare = [
        path
        for path, value in public_objects().items()
        if needs_rows(path, value)
        and not any(entry == path or entry.startswith(f"{path}.") for entry in covered)
    ]
    assert not bare


def test_what_only_annotations_refuse_are_rows() -> None:
    assert set(ONLY_CHECKED) <= {str(row) for row in ROWS}


def test_rows_name_public_paths() -> None:
    known = public_objects()
    strays = [row.entry for row in ROWS if not any(row.entry.startswith(path) for path in known)]
    assert not strays


@pytest.mark.parametrize(
    "call",
    [lambda: None, lambda: [][0], lambda: (_ for _ in ()).throw(LeWorldError("rule", "", "fix"))],
    ids=["silent", "bare", "two parts"],
)
def test_a_wrong_refusal_is_seen(call) -> None:
    assert fault(BadInput("leworld.x", "case", call, LeWorldError)) is not None
