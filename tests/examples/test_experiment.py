"""What all experiments share: the lines that a run prints, and its help."""

import json

import pytest

experiment = pytest.importorskip("experiment")


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """The folder in which the figures of full runs are looked for: empty."""
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setattr(experiment, "RESULTS", folder)
    return folder


def run(tmp_path, *options, pictures=0):
    """Make a run of an experiment that finds one figure."""
    arguments = [*options, "--out", str(tmp_path / "out")]
    with experiment.Experiment("A title.", "some/name.py", arguments) as made:
        made.figure(None, "accuracy", ours=0.5, source=0.84)
        made.pictures += ["picture.png"] * pictures


def test_the_source_of_a_quick_figure_is_said_to_be_for_the_full_form(tmp_path, capsys):
    run(tmp_path, "--quick")
    assert "accuracy: 0.5   (source, for the full form: 0.84)" in capsys.readouterr().out
    run(tmp_path)
    assert "accuracy: 0.5   (source: 0.84)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pictures", "told"), [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures")]
)
def test_pictures_are_counted(tmp_path, capsys, pictures, told):
    run(tmp_path, pictures=pictures)
    assert capsys.readouterr().out.endswith(f"{told}\n")


@pytest.mark.parametrize(
    ("content", "known"),
    [
        ({"quick": False, "seconds": 181.9}, True),
        ({"quick": True, "seconds": 181.9}, False),
        ({"quick": False}, False),
        (None, False),
    ],
)
def test_how_long_a_full_run_took_is_told_if_it_is_known(tmp_path, kept, capsys, content, known):
    if content is not None:
        (kept / "name.json").write_text(json.dumps(content))
    run(tmp_path)
    assert ("took 181.9 s of processor time" in capsys.readouterr().out) == known
    with pytest.raises(SystemExit):
        run(tmp_path, "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "docs/book/results/name.json" in text
    assert ("took 181.9 s of processor time" in text) == known
    run(tmp_path, "--quick")
    assert "that is kept took" not in capsys.readouterr().out


def test_a_damaged_file_of_figures_stops_no_run(tmp_path, kept, capsys):
    (kept / "name.json").write_text("{")
    run(tmp_path)
    assert "that is kept took" not in capsys.readouterr().out
