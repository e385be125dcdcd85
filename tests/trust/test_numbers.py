"""One door for numbers: numpy's numbers are taken wherever Python's are, and arrive as Python's."""

import ast
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from leworld._checks import check_number, plain_number, plain_numbers
from leworld.errors import ConfigError
from tests._source import public_objects
from tests.test_docs import docstring_cases, run_blocks

NUMERIC = re.compile(r"\b(int|float|Limits?|Bounds)\b")
SHAPED = re.compile(r"\b(Float|Int|Shaped|Bool|UInt8)\[[^\]]*\]")
NOT_OURS = {"torch", "nn", "np", "DataLoader", "range", "round"}


def takes_numbers(function: Callable[..., object]) -> bool:
    """Whether an argument is a number by its annotation; the arrays of jaxtyping are none."""
    annotations = (one.annotation for one in inspect.signature(function).parameters.values())
    return any(
        NUMERIC.search(SHAPED.sub("", inspect.formatannotation(annotation)))
        for annotation in annotations
        if annotation is not inspect.Parameter.empty
    )


def entries() -> Iterator[tuple[str, Callable[..., object]]]:
    """Every public function, constructor and method that a user calls with numbers, by its path.

    Left out is what nobody calls: constructors of records that only leworld makes, of protocols and of
    abstract classes, methods without a body, and the `step` of a planner, which `plan` calls.
    """
    for path, value in public_objects().items():
        if not inspect.isclass(value):
            yield path, value  # type: ignore[misc]
            continue
        record = hasattr(value, "__dataclass_fields__") and not hasattr(value, "__post_init__")
        protocol = getattr(value, "_is_protocol", False) or typing.is_typeddict(value)
        if "__init__" in vars(value) and not (record or protocol or inspect.isabstract(value)):
            yield path, value.__init__
        for name, member in vars(value).items():
            function = getattr(member, "__func__", member)
            bodiless = protocol or getattr(function, "__isabstractmethod__", False)
            if inspect.isfunction(function) and not (name.startswith("_") or bodiless or name == "step"):
                yield f"{path}.{name}", function


def behind_the_door(function: Callable[..., object]) -> bool:
    return not takes_numbers(function) or getattr(function, "takes_plain_numbers", False)


def test_every_public_entry_takes_numpy_numbers() -> None:
    assert [path for path, function in entries() if not behind_the_door(function)] == []


def test_an_entry_without_the_door_is_seen() -> None:
    def bare(size: int, scale: float = 1.0) -> int:
        return size

    assert not behind_the_door(bare)
    assert behind_the_door(plain_numbers(bare))


class NumpyNumbers(ast.NodeTransformer):
    """Writes numpy's numbers where the calls of an example have Python's."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        root = node.func
        torch_method = isinstance(root, ast.Attribute) and root.attr == "norm"
        while isinstance(root, ast.Attribute | ast.Call):
            root = root.value if isinstance(root, ast.Attribute) else root.func
        self.generic_visit(node)
        torch_call = torch_method or (isinstance(root, ast.Name) and root.id in NOT_OURS)
        if not torch_call and not isinstance(root, ast.Constant):
            node.args = [self.replaced(value) for value in node.args]
            for keyword in node.keywords:
                keyword.value = self.replaced(keyword.value)
        return node

    def replaced(self, value: ast.expr) -> ast.expr:
        if not isinstance(value, ast.Constant) or type(value.value) not in (int, float):
            return value
        number = value.value
        kind = "float64" if isinstance(number, float) else "uint8" if number < 256 else "int64"
        name = ast.Attribute(ast.Name("_numpy", ast.Load()), kind, ast.Load())
        return ast.Call(name, [value], [])


@pytest.mark.parametrize(
    ("name", "path", "text"),
    docstring_cases(),
    ids=lambda value: value if isinstance(value, str) and ".py:" in value else "",
)
def test_every_example_runs_with_numpy_numbers(
    name: str, path: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rewrite(tree: ast.Module) -> ast.Module:
        return ast.fix_missing_locations(NumpyNumbers().visit(tree))

    assert run_blocks(text, path, tmp_path, monkeypatch, rewrite, _numpy=np) > 0


@pytest.mark.parametrize(
    "number",
    [
        np.int8(3),
        np.uint64(2**63 - 1),
        np.float16(0.5),
        np.float32(0.5),
        np.float64(0.5),
        np.longdouble(0.5),
        np.bool_(True),
    ],
    ids=lambda number: type(number).__name__,
)
def test_a_number_of_numpy_becomes_the_equal_one_of_python(number: np.generic) -> None:
    plain = plain_number(number)
    assert type(plain) in (bool, int, float)
    assert plain == number
    assert type(plain_number(([number], 1))[0][0]) is type(plain)


def test_other_values_stay_as_they_are() -> None:
    for value in ([1, 2.0], (None, "a"), np.zeros(3), np.array(2), {"a": np.int64(1)}):
        assert plain_number(value) is value


def test_a_dataclass_keeps_python_numbers() -> None:
    @plain_numbers
    @dataclass(frozen=True)
    class Settings:
        steps: int
        rates: tuple[float, ...] = ()

    settings = Settings(np.int64(3), rates=(np.float32(0.5),))  # type: ignore[arg-type]
    assert type(settings.steps) is int
    assert type(settings.rates[0]) is float


@pytest.mark.parametrize("number", [2**63, -(2**64), 10**400])
def test_integers_beyond_64_bits_are_refused(number: int) -> None:
    with pytest.raises(ConfigError, match="64 bits"):
        check_number("Mine", "size", number)
