"""The project around the package: what README promises, what is shipped, what no file may say."""

import contextlib
import importlib.metadata
import importlib.resources
import io
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest

import tinygrad_edu

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MNIST = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def fenced(markdown, language):
    """The contents of all fences of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", markdown, flags=re.MULTILINE | re.DOTALL)


def section(markdown, title):
    """The text below one heading of the second level, up to the next."""
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", markdown, flags=re.MULTILINE | re.DOTALL
    )
    assert found, f"no section {title!r}"
    return found[1]


def project_files():
    """Every text file that belongs to the project; what tools and builds made is left out."""
    made = {"__pycache__", "_build", ".ipynb_checkpoints"}
    text = {".cfg", ".css", ".ini", ".md", ".py", ".pyi", ".rst", ".sh", ".svg", ".toml", ".yml"}
    for place in (".ci", "docs", "examples", "tests", "tinygrad_edu"):
        for path in sorted((ROOT / place).rglob("*")):
            readable = path.suffix in text or not path.suffix
            if readable and path.is_file() and not made & set(path.parts):
                yield path
    yield from (path for path in sorted(ROOT.iterdir()) if path.suffix in text)
    yield ROOT / "LICENSE"


# ------------------------------------------------------------------------------------- README


def quick_start():
    return fenced(section(README, "Quick start"), "sh")


def test_quick_start_is_two_commands_of_one_line_each():
    blocks = quick_start()
    assert len(blocks) == 2
    assert all(len(block.splitlines()) == 1 for block in blocks)
    assert len(re.findall(r"^```", section(README, "Quick start"), flags=re.MULTILINE)) == 4


@pytest.mark.parametrize("number", [0, 1], ids=["train", "tests"])
def test_a_quick_start_command_makes_its_environment_and_uses_nothing_else(number):
    first, second, third = quick_start()[number].strip().split(" && ")
    assert first == "python3 -m venv .venv"
    assert second.startswith(".venv/bin/pip install ")
    assert third.startswith(".venv/bin/")


@pytest.mark.parametrize(("number", "name"), [(0, "train"), (1, "tests")])
def test_ci_takes_the_commands_from_the_readme(number, name):
    script = ROOT / ".ci" / "run"
    done = subprocess.run(
        ["bash", str(script), "--print", name], capture_output=True, text=True, check=True
    )
    assert done.stdout == quick_start()[number]
    assert f'fresh "${name}_command"' in script.read_text(encoding="utf-8")


def test_the_extras_that_the_readme_names_exist():
    named = {
        extra for names in re.findall(r"\[([a-z,]+)\][`']", README) for extra in names.split(",")
    }
    assert named
    assert named <= set(PYPROJECT["project"]["optional-dependencies"])


def test_the_program_of_the_readme_prints_what_the_readme_says():
    (program,) = fenced(README, "python")
    (expected,) = fenced(README, "text")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "<the program of README.md>", "exec"), {})
    assert printed.getvalue() == expected


@pytest.mark.parametrize(
    "page",
    [path for path in project_files() if path.suffix == ".md"],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_relative_link_leads_to_a_file(page):
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)\s#]+)[^)]*\)", re.sub(r"`[^`\n]*`", "", prose))
    lost = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not lost


# ------------------------------------------------------------------------------------ package


def test_the_version_is_the_same_everywhere():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) - ", changelog, flags=re.MULTILINE)[1]
    assert re.fullmatch(r"\d+\.\d+\.\d+", tinygrad_edu.__version__)
    assert newest == tinygrad_edu.__version__
    assert importlib.metadata.version("tinygrad_edu") == tinygrad_edu.__version__


def test_the_package_says_that_it_is_typed():
    assert importlib.resources.files(tinygrad_edu).joinpath("py.typed").read_bytes() == b""


@pytest.mark.parametrize("name", MNIST)
def test_the_whole_of_mnist_is_in_the_package(name):
    folder = importlib.resources.files(tinygrad_edu).joinpath("data", "mnist")
    assert folder.joinpath(f"{name}-ubyte.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_requirements_are_lower_bounds_only():
    project = PYPROJECT["project"]
    for requirement in chain(project["dependencies"], *project["optional-dependencies"].values()):
        assert re.fullmatch(r"tinygrad_edu\[[a-z,]+\]|[\w-]+>=[\d.]+", requirement), requirement


def test_the_command_line_programs_exist():
    scripts = {
        script.name: script
        for script in importlib.metadata.distribution("tinygrad_edu").entry_points
        if script.group == "console_scripts"
    }
    assert scripts.keys() == PYPROJECT["project"]["scripts"].keys()
    assert all(callable(script.load()) for script in scripts.values())


# -------------------------------------------------------------------------------------- words

# What no file may contain, and a line that shows it.
FORBIDDEN = {
    "a path of somebody's machine": (
        r"(?<![\w.~:/*-])/(?:home|root|tmp|work|Users)/\w",
        "see /home/ann/x",
    ),
    "the host of a package index": (
        r"(?i)\bpypi\.org|pythonhosted|deb\.debian|npmjs",
        "get it from PyPI.org",
    ),
    "work that is put off": (r"\b(?:TODO|FIXME|XXX)\b", "# TODO: later"),
    "a conflict left by a merge": (r"^(?:<{7}|>{7}) ", "<<<<<<< ours"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_contains(what):
    pattern, example = FORBIDDEN[what]
    assert re.search(pattern, example)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in project_files()
        if path != Path(__file__)  # it names them all
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found


def test_the_words_are_looked_for_where_they_could_be():
    looked_at = {str(path.relative_to(ROOT)) for path in project_files()}
    assert {".ci/run", "README.md", "pyproject.toml", "tests/test_project.py"} <= looked_at
    assert {"docs/conf.py", "docs/glossary.md", "tinygrad_edu/__init__.py"} <= looked_at


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("0*.md")), ids=str)
def test_a_decision_is_short_and_says_its_price(page):
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == [
        "Context",
        "Options",
        "Choice",
        "Price",
    ]


def test_the_package_loads_nothing_that_can_run_code():
    dangerous = re.compile(
        r"allow_pickle\s*=\s*True|^\s*(?:import|from)\s+(?:pickle|marshal|shelve)\b"
    )
    assert dangerous.search("np.load(file, allow_pickle=True)")
    assert dangerous.search("import pickle")
    for path in (ROOT / "tinygrad_edu").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if dangerous.search(line)], path
