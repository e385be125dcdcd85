"""One door for numbers: numpy's numbers are taken wherever Python's are, and arrive as Python's."""

import inspect
import re
import typing
from collections.abc import Iterator

from tests._source import public_objects

NUMERIC = re.compile(r"\b(int|float|Limits?|Bounds)\b")


def entries() -> Iterator[tuple[str, object]]:
    """Every public function, constructor and method that takes a number by annotation."""
    for path, value in public_objects().items():
        if not inspect.isclass(value):
            yield path, value
            continue
        if typing.is_typeddict(value) or getattr(value, "_is_protocol", False):
            continue
        if "__init__" in vars(value):
            yield path, value.__init__
        for name, member in vars(value).items():
            function = getattr(member, "__func__", member)
            if not name.startswith("_") and inspect.isfunction(function):
                yield f"{path}.{name}", function


def takes_numbers(function: object) -> bool:
    parameters = inspect.signature(function).parameters.values()
    words = (
        inspect.formatannotation(one.annotation)
        for one in parameters
        if one.annotation is not one.empty
    )
    return any(NUMERIC.search(re.sub(r"(Float|Int|Shaped|Bool|UInt8)\[[^\]]*\]", "", word)) for word in words)


def test_x():
    bare = [p for p, f in entries() if takes_numbers(f) and not getattr(f, "takes_plain_numbers", False)]
    print(len(list(entries())), len([1 for p, f in entries() if takes_numbers(f)]))
    print("\n".join(bare))
    assert not bare
