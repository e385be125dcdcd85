"""What torch's global settings are changes no result of the package.

Every public entry runs its own example twice: with torch as it begins, and with its default dtype, default
device and the like changed around each call of the package. All numbers that the calls return have to be
equal.
"""

import ast
import contextlib
import functools
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from leworld._products import product
from tests._source import PACKAGE, parse, public_objects, source_files
from tests.trust.replay import Replay, differences, example, plain

EXAMPLES = {name: source for name, value in public_objects().items() if (source := example(value))}
# Rooms without networks and files, where an example takes milliseconds and is run under every setting.
FORMULAS = ("costs", "data", "kernels", "metrics", "normality", "planners", "regularizers")


@contextmanager
def setting(
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    precision: str = "highest",
    deterministic: bool = False,
    threads: int = 1,
    gradients: bool = True,
) -> Iterator[None]:
    before, usual = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.set_float32_matmul_precision(precision)
    torch.use_deterministic_algorithms(deterministic)
    torch.set_num_threads(threads)
    try:
        with torch.device(device), torch.set_grad_enabled(gradients):
            yield
    finally:
        torch.set_default_dtype(usual)
        torch.set_float32_matmul_precision("highest")
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(before)


def forget() -> None:
    """Empty every cache of the package, which would else bring back what other settings left there."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "leworld":
            for value in list(vars(module).values()):
                if callable(getattr(value, "cache_clear", None)):
                    value.cache_clear()


def replayed(name: str, **options: Any) -> list[tuple[str, Any]]:
    """Run a public entry's example in an empty folder, and return what the package's calls returned."""
    forget()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return Replay(functools.partial(setting, **options)).run(EXAMPLES[name]).noted


@functools.cache
def usual(name: str) -> list[tuple[str, Any]]:
    return replayed(name)


def check(name: str, *, exact: bool = True, **options: Any) -> int:
    """Compare an example under settings with itself, and return how many numbers were compared."""
    expected = usual(name)
    differ = differences(expected, replayed(name, **options), exact=exact)
    assert not differ, differ[:5]
    return len(expected)


@pytest.mark.filterwarnings("ignore::UserWarning")  # what torch says of half precision on a CPU
@pytest.mark.parametrize("name", EXAMPLES)
def test_no_default_of_torchs_reaches_a_result(name: str) -> None:
    check(name, dtype=torch.float16, device="meta")


SETTINGS: dict[str, dict[str, Any]] = {
    "bfloat16 and deterministic algorithms": {"dtype": torch.bfloat16, "deterministic": True},
    "float64 and two threads": {"dtype": torch.float64, "threads": 2, "exact": False},
    "matrix products of few digits": {"precision": "medium", "exact": False},
    "no gradients": {"gradients": False},
}


def wants_gradients(source: str) -> bool:
    return "backward(" in source or "autograd" in source


@pytest.mark.parametrize("room", FORMULAS)
@pytest.mark.parametrize("case", SETTINGS)
def test_no_single_setting_reaches_a_formula(case: str, room: str) -> None:
    compared = 0
    for name, source in EXAMPLES.items():
        if name.split(".")[1] == room and not (case == "no gradients" and wants_gradients(source)):
            compared += check(name, **SETTINGS[case])
    assert compared > 0


@pytest.mark.parametrize("set_precision", ["torch.set_float32_matmul_precision", "torch.backends"])
def test_products_keep_their_digits(set_precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this processor makes of the setting: digits are float64's, rounded once."""
    x = torch.randn(40, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    exact = (x.double() @ x.double().T).float()
    assert not torch.equal(product(x, x.T), exact), "without the setting, products are the processor's own"
    if set_precision == "torch.backends":
        mixed = RuntimeError("the settings of before and those of each backend were both used")
        monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: _raise(mixed))
        assert torch.equal(product(x, x.T), exact)
        return
    with setting(precision="medium"):
        assert torch.equal(product(x, x.T), exact)


def _raise(error: Exception) -> None:
    raise error


# What multiplies float32 matrices by torch's setting: float64 throughout, or an accelerator's product.
_BY_THE_SETTING = {
    "metrics/_lidar.py": "float64",
    "metrics/_participation.py": "float64",
    "metrics/_sliced_normality.py": "float64",
    "kernels/sphere_mixture/_reference.py": "float64",
    "kernels/sphere_mixture/_table.py": "float64",
    "kernels/sphere_mixture/_pairs.py": "float64",
    "kernels/sliced_ecf/_reference.py": "float64",
    "normality/_slicing.py": "float64",
}


def test_every_product_of_a_statistic_keeps_its_digits() -> None:
    rooms = ("kernels", "metrics", "normality", "regularizers")
    found = set()
    for path in source_files():
        place = path.relative_to(PACKAGE)
        if place.parts[0] in rooms and "triton" not in place.name:
            nodes = [node for node in ast.walk(parse(path)) if isinstance(node, ast.MatMult)]
            found |= {place.as_posix()} if nodes else set()
    assert found == set(_BY_THE_SETTING)


def test_every_room_but_those_without_numbers_is_walked() -> None:
    walked = {name.split(".")[1] for name in EXAMPLES}
    assert walked >= {name.split(".")[1] for name in public_objects()} - {"errors"}
    without = {name for name in public_objects() if name not in EXAMPLES}
    assert all(name.startswith("leworld.errors.") for name in without)


def careless(values: Tensor, weight: float) -> Tensor:
    """Weighs values by numbers whose dtype and device it does not say."""
    return values * torch.linspace(0, weight, len(values))


PLANTED: dict[str, Callable[[Tensor], Tensor]] = {
    "a constructor": lambda values: careless(values, 0.3),
    "a quotient of integers": lambda values: values * (torch.arange(3, device="cpu") / 7),
    "a choice between numbers": lambda values: torch.where(values > 1, 0.1, 0.7),
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_planted_entry_is_seen(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = PLANTED[name]
    monkeypatch.setattr(planted, "__module__", "leworld.planted")
    source = "import torch\nfound = planted(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float32))"

    def run(**options: Any) -> list[tuple[str, Any]]:
        replay = Replay(functools.partial(setting, **options))
        tree = ast.fix_missing_locations(replay.visit(ast.parse(source)))
        with plain():
            exec(compile(tree, "example", "exec"), {"_call": replay.call, "planted": planted})
        return replay.noted

    assert not differences(run(), run(), exact=True)
    assert differences(run(), run(dtype=dtype), exact=True)


# --- The same asked of the source: tensors are made where and of what the line says.

_MAKERS = {"arange", "as_tensor", "asarray", "empty", "eye", "full", "linspace", "logspace", "normal", "ones"}
_MAKERS |= {"rand", "randint", "randn", "randperm", "range", "scalar_tensor", "tensor", "tril_indices"}
_MAKERS |= {"triu_indices", "zeros", "empty_strided", "hann_window", "hamming_window", "frombuffer"}
# A module's parameters and buffers are made where torch makes modules, and parameters in its default dtype.
_DUE = {
    "torch.nn.Parameter": set(),
    "nn.Parameter": set(),
    "self.register_buffer": {"dtype"},
}


def careless_lines(tree: ast.AST) -> list[str]:
    """Return the calls that make a tensor and leave its dtype or its device to torch's defaults."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if ast.unparse(node.func.value) != "torch" or node.func.attr not in _MAKERS:
            continue
        outer = parents.get(node)
        due = {"dtype", "device"}
        if isinstance(outer, ast.Call):
            due = _DUE.get(ast.unparse(outer.func), due)
        if not due <= {keyword.arg for keyword in node.keywords}:
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def test_tensors_are_made_where_and_of_what_the_line_says() -> None:
    found = {str(path.relative_to(PACKAGE)): careless_lines(parse(path)) for path in source_files()}
    assert not {path: lines for path, lines in found.items() if lines}


def test_no_import_makes_the_source_test_blind() -> None:
    """A maker under another name would not be seen."""
    for path in source_files():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "torch":
                assert not {alias.name for alias in node.names} & _MAKERS, path
            if isinstance(node, ast.Import):
                assert all(alias.name != "torch" or alias.asname is None for alias in node.names), path


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("torch.zeros(3)", True),
        ("torch.zeros(3, dtype=torch.float32)", True),
        ("torch.tensor([1, 2], device='cpu')", True),
        ("f(torch.arange(3))", True),
        ("torch.zeros(3, dtype=torch.float32, device=x.device)", False),
        ("nn.Parameter(torch.zeros(3))", False),
        ("self.register_buffer('mean', torch.zeros(3))", True),
        ("self.register_buffer('mean', torch.zeros(3, dtype=torch.float64))", False),
        ("x.new_zeros(3)", False),
    ],
)
def test_the_source_test_tells_careless_lines(line: str, seen: bool) -> None:
    assert bool(careless_lines(ast.parse(line))) is seen
