"""The shape of the house: short files, few names a file, small constructors, abstract or final classes."""

import ast
import inspect
from pathlib import Path

import pytest

from tests._source import (
    PACKAGE,
    ROOT,
    definitions,
    parse,
    public_objects,
    source_files,
)

MAX_LINES = 400
MAX_POSITIONAL = 2
MAX_OPTIONS = 8
BANNED_CALLS = (
    "torch.manual_seed",
    "torch.cuda.manual_seed",
    "torch.seed",
    "numpy.random.seed",
    "np.random.seed",
)


def file_faults(path: Path, source: str) -> list[str]:
    tree = ast.parse(source)
    faults = []
    if source.count("\n") > MAX_LINES:
        faults.append(f"{source.count(chr(10))} lines, more than {MAX_LINES}")
    private_room = path.parent == PACKAGE
    if path.name == "__init__.py" and not private_room:
        allowed = ast.ImportFrom | ast.Import | ast.Expr | ast.FunctionDef | ast.Assign | ast.If
        faults += [
            f"line {node.lineno}: more than imports" for node in tree.body if not isinstance(node, allowed)
        ]
        faults += [
            f"line {node.lineno}: defines {node.name}"
            for node in definitions(tree)
            if node.name not in ("__getattr__", "__dir__")
        ]
    elif not private_room and not path.name.startswith("_"):
        faults.append("an implementation file starts with an underscore")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            faults.append(f"line {node.lineno}: jaxtyping needs real annotations")
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            faults.append(f"line {node.lineno}: import *")
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in BANNED_CALLS or called.endswith(".cuda"):
                faults.append(f"line {node.lineno}: {called}")
            if called == "torch.load" and "weights_only=True" not in ast.unparse(node):
                faults.append(f"line {node.lineno}: torch.load without weights_only=True")
    return faults


def signature_faults(value: object) -> list[str]:
    """Too many arguments of a public callable; dataclasses are records and counted by their readers."""
    if inspect.isclass(value) and (
        hasattr(value, "__dataclass_fields__")
        or issubclass(value, Exception | str)
        or inspect.isabstract(value)
        or getattr(value, "_is_protocol", False)
    ):
        return []
    parameters = [p for p in inspect.signature(value).parameters.values() if p.name != "self"]  # type: ignore[arg-type]
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    options = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    faults = []
    if len(positional) > MAX_POSITIONAL:
        faults.append(f"positional {positional}, more than {MAX_POSITIONAL}")
    if len(options) > MAX_OPTIONS:
        faults.append(f"options {options}, more than {MAX_OPTIONS}")
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        faults.append("takes **kwargs")
    return faults


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files(path: Path) -> None:
    assert not file_faults(path, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(public_objects()))
def test_public_signatures(name: str) -> None:
    assert not signature_faults(public_objects()[name])


@pytest.mark.parametrize("name", sorted(n for n, v in public_objects().items() if inspect.isclass(v)))
def test_classes_are_abstract_or_final(name: str) -> None:
    cls = public_objects()[name]
    final = getattr(cls, "__final__", False)
    is_base_error = name == "leworld.errors.LeWorldError"
    protocol = getattr(cls, "_is_protocol", False)
    assert is_base_error or protocol or final != inspect.isabstract(cls)


@pytest.mark.parametrize(
    "source",
    [
        "\n" * (MAX_LINES + 1),
        "import torch\ntorch.manual_seed(0)",
        "import torch\ntorch.load('x')",
        "from torch import *",
        "from __future__ import annotations",
        "def f(x):\n    return x.cuda()",
    ],
)
def test_a_crooked_file_is_seen(source: str) -> None:
    assert file_faults(PACKAGE / "planners" / "_x.py", source)
    assert not file_faults(PACKAGE / "planners" / "_x.py", "def f(x):\n    return x\n")


def test_a_crooked_signature_is_seen() -> None:
    assert signature_faults(lambda a, b, c: None)
    assert signature_faults(lambda **options: None)
    assert signature_faults(lambda *, a, b, c, d, e, f, g, h, i: None)
    assert not signature_faults(lambda a, b=1, *, c=2: None)


def test_every_room_says_what_it_is() -> None:
    for path in source_files():
        assert ast.get_docstring(parse(path)), f"{path.relative_to(ROOT)} has no docstring"
