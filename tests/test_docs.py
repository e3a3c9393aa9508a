"""The pages under docs/: that nothing is missing. Building them shows that what they say is so."""

import importlib
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import tinygrad_edu
from tinygrad_edu.core import batching
from tinygrad_edu.core.op import OPS, REQUIRED, Op

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
TERMS = [
    word
    for block in re.findall(r"^:::\{glossary\}\n(.*?)^:::$", GLOSSARY, flags=re.M | re.S)
    for line in re.findall(r"^(?! )(.+)$", block, flags=re.M)
    for word in line.split(", ")
]


def read(page):
    return page.read_text(encoding="utf-8")


# --------------------------------------------------------------------------------- reference


def test_every_group_of_the_table_is_in_the_reference():
    shown = re.findall(r"^```\{rows\} (\w+)$", read(DOCS / "reference.md"), flags=re.M)
    assert sorted(shown) == sorted({row.group for row in OPS.values()})


@pytest.fixture(scope="module")
def rows():
    """The extension that writes the reference."""
    pytest.importorskip("sphinx", reason="the documentation is built with Sphinx")
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        return importlib.import_module("rows")
    finally:
        sys.path.remove(str(DOCS / "_ext"))


def line(rows, row):
    """What the reference says of a row, as text."""
    return rows.Rows.line(None, row).astext()


@pytest.mark.parametrize("name", OPS)
def test_the_reference_tells_the_facts_of_a_row(rows, name):
    row = OPS[name]
    text = line(rows, row)
    facts = [row.latex, row.doc, row.policy, row.kind, *row.arguments, *row.params]
    assert [fact for fact in facts if fact not in text] == []
    assert text.lstrip().startswith(f"{name}(")


def test_a_call_is_shown_as_it_can_be_written(rows):
    assert rows.call(OPS["sum"]) == "sum(x, axis=None, keepdims=False, where=True)"
    assert rows.call(OPS["take"]) == "take(x, indices, axis=None, mode='raise')"
    assert rows.call(OPS["concatenate"]) == "concatenate(*arrays, axis=0)"
    assert rows.call(OPS["einsum"]) == "einsum(subscripts, *operands)"
    assert rows.call(OPS["linear"]) == "linear(x, weight, bias=None, activation=None)"
    assert OPS["reshape"].params["shape"] is REQUIRED
    assert rows.call(OPS["reshape"]) == "reshape(x, shape)"


def test_what_is_known_at_special_points_is_told(rows):
    assert rows.domain(OPS["log1p"]) == ["x in (−1, ∞)"]
    assert rows.kinks(OPS["absolute"]) == ["x = 0"]
    assert rows.kinks(OPS["maximum"]) == ["a = b"]
    assert rows.kinks(OPS["max"]) == ["equal elements"]
    assert rows.without_gradient(OPS["take"]) == ["indices"]
    assert "np.add.reduce" in rows.functions(OPS["sum"])


def test_the_kind_of_derivative_is_told(rows):
    names = ["tanh", "transpose", "max", "matmul", "linear", "dot", "less", "floor"]
    assert [rows.derivative(OPS[name]) for name in names] == [
        "elementwise",
        "linear",
        "op",
        "op, own jvp",
        "fused",
        "composite",
        "op, none",
        "elementwise, none",
    ]


# --------------------------------------------------------------------------------- overview


@pytest.mark.parametrize("name", OPS)
def test_no_cell_of_the_overview_is_empty(rows, name):
    told = rows.coverage(OPS[name])
    assert list(told) == list(rows.COLUMNS)
    assert [column for column, text in told.items() if not text.strip()] == []
    entries = list(rows.Coverage.line(OPS[name]))
    assert sum(1 + entry.get("morecols", 0) for entry in entries) == len(rows.COLUMNS)
    assert all(entry.astext().strip() for entry in entries)


def test_the_overview_has_the_sections_of_the_reference(rows):
    page = read(DOCS / "reference.md")
    groups = [group for _, group in rows.titled(page)]
    assert groups == re.findall(r"^```\{rows\} (\w+)$", page, flags=re.M)
    assert rows.titled(page)[0] == ("Elementwise", "elementwise")


def test_the_overview_tells_where_each_derivative_comes_from(rows):
    def told(name):
        return list(rows.coverage(OPS[name]).values())[1:5]

    assert told("exp") == [
        "cotangent × slope",
        "the rule, recorded",
        "tangent × slope",
        "one more axis in front",
    ]
    assert told("transpose") == [
        "its adjoint",
        "the adjoint, recorded",
        "the row itself",
        "a rule of its own",
    ]
    assert told("matmul")[2:] == ["a jvp of its own", "a rule of its own"]
    assert told("max") == ["its vjp", "the rule, recorded", "the vjp, transposed", "its axes moved"]
    assert told("linear") == ["one fast rule", *["its composite"] * 3]
    assert told("dot") == ["its rows"] * 4
    assert told("less") == [OPS["less"].policy] * 3 + ["one more axis in front"]
    assert told("take")[0] == "its adjoint, none to indices"
    assert OPS["scale_gradient"].exempt in told("scale_gradient")[0]


def test_the_overview_tells_domains_ties_and_kinks(rows):
    def told(name):
        return list(rows.coverage(OPS[name]).values())[5:]

    assert told("exp") == ["all reals", "none"]
    assert told("log") == ["x in (0, ∞)", OPS["log"].policy]
    assert told("relu") == ["all reals", "x = 0; 0 at 0"]
    assert told("floor")[1] == "the jumps"
    assert told("argmax")[1] == "no derivative"
    assert told("maximum")[1].startswith("a = b; equal elements share")


def test_every_way_to_call_a_row_for_a_batch_is_told(rows):
    words = set(batching._RULES)
    assert set(rows.BATCHES) == {None, *words}
    assert words <= set(re.findall(r'`"(\w+)"`', read(DOCS / "add-an-op.md")))
    legend = read(DOCS / "coverage.md").partition("## ")[0]
    told = ["a rule of its own", "example by example", "one more axis in front", "as a stack"]
    assert [words for words in told if f"| {words} |" not in legend] == []


def test_a_row_without_a_derivative_says_why():
    silent = [row.name for row in OPS.values() if row.pattern == "none" and not row.policy]
    assert silent == []


def test_the_overview_counts_every_row(rows):
    numbers = [int(n) for n in re.findall(r"\b\d+\b", rows.counted().rpartition(":")[0])]
    total, kinds = numbers[0], numbers[1:6]
    moving, exempt, jumping, _slope, still, called, composed, alone = numbers[6:]
    assert total == len(OPS) == sum(kinds)
    assert moving + jumping + still == total
    assert called + composed + alone == total
    assert exempt == sum(rows.moves(row) and row.exempt != "" for row in OPS.values())


# --------------------------------------------------------------------------------------- api


def documented():
    """The names that the pages under api/ ask for, and the modules that they show whole."""
    text = "\n".join(read(page) for page in sorted((DOCS / "api").glob("*.md")))
    names = re.findall(r"^\.\. auto(?:class|function|data):: (\w+)$", text, flags=re.M)
    return set(names), re.findall(r"^\.\. automodule:: ([\w.]+)$", text, flags=re.M)


def test_every_public_name_is_documented():
    names, modules = documented()
    for module in modules:
        names |= set(importlib.import_module(module).__all__)
    public = {
        name
        for name in tinygrad_edu.__all__
        if not isinstance(getattr(tinygrad_edu, name), Op)  # the reference has those
    }
    assert public - names == set()


def test_every_room_has_a_page():
    _, modules = documented()
    rooms = {
        module.name for module in pkgutil.iter_modules(tinygrad_edu.__path__) if module.ispkg
    } - {"core", "ops"}  # the engine has a page by names, and the table the reference
    assert {f"tinygrad_edu.{room}" for room in rooms} <= set(modules)


# ------------------------------------------------------------------------------------- words


def test_the_glossary_has_the_words_that_the_code_is_written_in():
    assert {"primal", "tangent", "cotangent", "seed", "result", "row", "sweep", "rng"} <= set(TERMS)
    assert len(set(TERMS)) == len(TERMS)


@pytest.mark.parametrize("word", TERMS)
def test_a_word_of_the_glossary_is_used(word):
    package = Path(tinygrad_edu.__file__).parent
    assert any(word in read(file) for file in sorted(package.rglob("*.py")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_uses_words_that_the_glossary_has(page):
    used = re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`", read(page))
    assert {word.strip() for word in used} <= set(TERMS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_with_code_is_run_when_it_is_built(page):
    text = read(page)
    executed = "\nfile_format: mystnb\n" in text
    assert executed == ("```{code-cell}" in text)
    assert "```python" not in text  # it would look like a cell, and nobody would run it


def test_every_decision_is_listed_in_its_order():
    index = read(DOCS / "decisions" / "index.md")
    listed = re.findall(r"^(\d{4}-[\w-]+)$", index, flags=re.M)
    assert listed == sorted(page.stem for page in (DOCS / "decisions").glob("0*.md"))
    assert [int(name[:4]) for name in listed] == list(range(1, len(listed) + 1))
