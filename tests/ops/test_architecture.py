"""The table is complete and well-formed: what a row must say, and what its text must not do."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu import ops
from tinygrad_edu.core.op import BY_FUNCTION, OPS, Op
from tinygrad_edu.testing.samples import differentiable, rows

PACKAGE = Path(tinygrad_edu.__file__).parent
FILES = sorted((PACKAGE / "ops").glob("*.py"))
PATTERNS = {"copy", "swap", "route", "scale", "sum", "reshape", "matmul", "none"}
"""How a gradient passes a row; diagrams and explanations have a text for each."""

every_row = pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


# ------------------------------------------------------------------------------ what a row says


@every_row
def test_a_row_has_every_fact(row: Op) -> None:
    for fact in ("doc", "formula", "latex", "pattern", "signature", "group"):
        assert getattr(row, fact), f"{row.name} has no {fact}"
    assert row.pattern in PATTERNS
    assert row.doc.endswith(".")
    assert "\n" not in row.doc


@every_row
def test_a_signature_has_a_shape_for_every_argument(row: Op) -> None:
    shape = r"\((?:\w+(?:,\w+)*)?\)"
    found = re.fullmatch(rf"({shape}(?:,{shape})*)->{shape}(?:,{shape})*", row.signature)
    assert found, row.signature
    if not row.variadic:
        assert len(re.findall(shape, found[1])) == len(row.arguments)


@every_row
def test_cases_fit_the_row(row: Op) -> None:
    if row.kind != "elementwise" or row.params:
        assert row.cases, f"{row.name} needs cases: nothing says how it is called"
    required = {name for name, value in row.params.items() if value is inspect.Parameter.empty}
    for case in row.cases:
        assert row.variadic or len(case.arrays) == len(row.arguments)
        assert required <= set(case.params) <= set(row.params)


@every_row
def test_facts_about_arguments_name_arguments(row: Op) -> None:
    assert set(row.domain) <= set(row.arguments)
    assert set(row.kinks) <= set(row.arguments)
    assert set(row.optional) <= set(row.arguments)
    for low, high in row.domain.values():
        assert low < high
    for kink in row.kinks.values():
        assert kink == "ties" or all(np.isfinite(point) for point in kink)


@every_row
def test_a_row_with_kinks_or_infinite_slopes_states_its_policy(row: Op) -> None:
    if row.kinks or row.singular:
        assert row.policy, f"{row.name}: what is returned where there is no derivative?"


@every_row
def test_an_exempt_row_says_why_and_whose_derivative_it_has(row: Op) -> None:
    if row.surrogate is not None:
        assert row.exempt
    if row.exempt:
        assert row.surrogate is not None or not differentiable(row)


@every_row
def test_the_order_of_callers_holds_every_name(row: Op) -> None:
    order = [name.lstrip("*") for name in row.order]
    assert set(row.arguments) | set(row.params) <= set(order)
    assert len(order) == len(set(order))


@every_row
def test_a_row_has_one_way_to_its_derivative(row: Op) -> None:
    if row.kind == "composite":
        assert not row.rules
        assert row.joint is None
        assert row.jvp is None
    elif row.joint is not None:
        assert not row.rules
    else:
        assert len(row.rules) == len(row.arguments)
    assert (row.composite is not None) == (row.kind == "fused")
    # Zero everywhere is a derivative; "none" says that nothing useful passes.
    assert differentiable(row) or row.pattern == "none"


@every_row
def test_a_row_is_named_and_exported_where_it_is_declared(row: Op) -> None:
    module = importlib.import_module(f"tinygrad_edu.ops.{row.group}")
    assert row.name in module.__all__
    assert getattr(module, row.name) is row
    assert getattr(ops, row.name) is row


@every_file
def test_all_is_complete(path: Path) -> None:
    if path.stem == "__init__":
        return
    module = importlib.import_module(f"tinygrad_edu.ops.{path.stem}")
    named = {name for name, value in vars(module).items() if isinstance(value, Op)}
    own = {name for name in named if vars(module)[name].group == path.stem}
    assert own == set(module.__all__)
    assert list(module.__all__) == sorted(set(module.__all__), key=_as_isort)


def _as_isort(name: str) -> list[Any]:
    """Return the key by which numbers inside names count as numbers."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def test_names_and_functions_lead_to_rows() -> None:
    for name, row in OPS.items():
        assert row.name == name
    for function, row in BY_FUNCTION.items():
        assert OPS[row.name] is row
        assert callable(function) or callable(getattr(*function))


# ------------------------------------------------------------------------------ who imports whom


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda p: p.stem)
def test_the_engine_imports_no_row(path: Path) -> None:
    assert not [name for name in imports(path) if name.startswith("tinygrad_edu.ops")]


@every_file
def test_rows_import_no_tensor(path: Path) -> None:
    above = ("tinygrad_edu.core.tensor", "tinygrad_edu.core.transforms")
    assert not [name for name in imports(path) if name.startswith(above)]


# ------------------------------------------------------------------------------ what a rule does

CONVERTING = {
    "array", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray", "as_strided",
    "copyto", "frompyfunc", "fromiter", "full", "lib", "r_", "vectorize",
}  # fmt: skip
"""Names of NumPy that convert an argument, unless ``like=`` says for whom."""

METHODS = {"accumulate", "at", "outer", "reduce", "reduceat"}
"""Methods of ufuncs, which not every kind of array has."""

EXEMPT = {
    ("_scatter", "add.at"): "adding at repeated indices has no dispatching form: a seam",
    ("_places", "arange"): "an index is the host's, of whatever kind the array is",
    ("as_arrays", "asarray"): "makes arrays of lists and numbers only, which are the caller's own",
}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls inside functions and lambdas, with the name of the function around them."""

    def walk(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            name = inside
            if isinstance(child, (ast.FunctionDef, ast.Lambda)):
                name = getattr(child, "name", "lambda")
            if inside and isinstance(child, ast.Call):
                yield inside, child
            yield from walk(child, name)

    yield from walk(ast.parse(path.read_text("utf-8")), "")


def of_numpy(call: ast.Call) -> str:
    """Return ``"full"`` for a call of ``np.full``, ``"add.at"`` for ``np.add.at``, else nothing."""
    text = ast.unparse(call.func)
    return text.removeprefix("np.") if text.startswith("np.") else ""


@every_file
def test_rules_convert_nothing(path: Path) -> None:
    wrong = []
    for inside, call in calls(path):
        name = of_numpy(call)
        converts = name.split(".")[0] in CONVERTING and "like" not in [k.arg for k in call.keywords]
        method = "." in name and name.split(".")[-1] in METHODS
        number = isinstance(call.func, ast.Name) and call.func.id in ("bool", "complex", "float")
        if (converts or method or number) and (inside, name) not in EXEMPT:
            wrong.append(f"{path.name}:{call.lineno}: {ast.unparse(call)} in {inside}")
    assert not wrong


def test_every_exemption_is_needed() -> None:
    found = {(inside, of_numpy(call)) for path in FILES for inside, call in calls(path)}
    assert set(EXEMPT) <= found


@every_file
def test_arrays_are_made_like_their_arguments(path: Path) -> None:
    makers = {"arange", "empty", "eye", "identity", "ones", "zeros"}
    wrong = [
        f"{path.name}:{call.lineno}: {ast.unparse(call)} in {inside}"
        for inside, call in calls(path)
        if of_numpy(call) in makers
        and "like" not in [keyword.arg for keyword in call.keywords]
        and inside not in {name for name, _ in EXEMPT}
    ]
    assert not wrong
