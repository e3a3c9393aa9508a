"""The figures in the docs: each is of a full run, and within what its source allows."""

import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BOOK, RESULTS = ROOT / "examples" / "book", ROOT / "docs" / "book" / "results"
NAMES = sorted(path.stem for path in BOOK.glob("*.py") if path.stem != "experiment")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_has_a_page_its_pictures_and_figures_of_a_full_run(name):
    found = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert not found["quick"]
    for picture in found["pictures"]:
        assert (RESULTS / picture).read_bytes().startswith(b"\x89PNG")
    page = (ROOT / "docs" / "book" / f"{name}.md").read_text(encoding="utf-8")
    assert f"```{{figures}} {name}" in page
    assert f"examples/book/{name}.py" in page
    for picture in found["pictures"]:
        assert f"results/{picture}" in page
    for figure in found["figures"]:
        if figure["accept"] is not None:
            low, high = figure["accept"]
            for value in np.ravel(figure["ours"]):
                assert low is None or value >= low, figure
                assert high is None or value <= high, figure


def test_nothing_is_left_of_an_experiment_that_went():
    kept = {path.stem for path in RESULTS.glob("*.json")}
    pages = {path.stem for path in RESULTS.parent.glob("*.md")} - {"index"}
    assert kept == pages == set(NAMES)
