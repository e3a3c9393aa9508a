import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from tinygrad_edu.draw import Diagram
from tinygrad_edu.errors import DiagramError


@pytest.fixture
def diagram(net):
    return Diagram(net, engine="own")


def test_a_diagram_has_svg_source_and_text(diagram):
    assert ET.fromstring(diagram.svg).get("role") == "img"
    assert diagram.source.startswith("digraph")
    assert diagram.text.startswith("a small net\n")
    assert diagram.html.startswith("<!doctype html>")
    assert "\nflowchart RL\n" in diagram.mermaid
    assert json.loads(diagram.json)["title"] == "a small net"
    assert diagram.note == ""
    assert repr(diagram) == "<Diagram 'a small net': 9 cards, 8 edges>"


@pytest.mark.parametrize("format", ["png", "pdf"])
def test_an_image_says_what_it_needs(diagram, format):
    with pytest.raises(DiagramError, match=f"{format.upper()} needs Graphviz"):
        getattr(diagram, format)


@pytest.mark.parametrize("format", ["html", "mermaid", "json", "dot", "text"])
def test_a_notebook_shows_the_text_of_what_it_cannot_draw(net, format):
    bundle = Diagram(net, format=format, engine="own")._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}


def test_the_note_is_in_every_form_that_is_read(net):
    noted = Diagram(replace(net, note="2,310 ops became modules."), engine="own")
    for form in (noted.svg, noted.source, noted.text, noted.html, noted.mermaid, noted.json):
        assert "2,310 ops became modules." in form


def test_the_outline_has_boxes_hanging_cards_and_inputs(diagram):
    lines = diagram.text.splitlines()
    assert "[layers.0  Linear(784, 50)  39,250 parameters]" in lines
    (matmul,) = (line for line in lines if line.startswith("  matmul (op)"))
    assert matmul.endswith("from x (gradient not computed), W")
    (weight,) = (line for line in lines if line.strip().startswith("W (parameter)"))
    assert weight.startswith("      W")
    assert "‖∂L/∂W‖ = 0.6" in weight
    assert "[layers.1  × 3  Sigmoid]" in lines


def test_a_notebook_gets_svg_and_text_and_no_html(diagram):
    bundle = diagram._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["text/plain"] == diagram.text
    json.dumps(bundle)
    assert set(diagram._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
    assert set(diagram._repr_mimebundle_(exclude={"text/plain"})) == {"image/svg+xml"}
    assert set(Diagram(diagram.picture, format="text")._repr_mimebundle_()) == {"text/plain"}


def test_two_drawings_in_one_page_do_not_share_ids(net):
    def ids(picture):
        svg = Diagram(picture, engine="own")._repr_mimebundle_()["image/svg+xml"]
        return {element.get("id") for element in ET.fromstring(svg).iter()} - {None}

    other = replace(
        net, title="another net", cards=(*net.cards[:-1], replace(net.cards[-1], title="M"))
    )
    assert ids(net) == ids(net)
    assert not ids(net) & ids(other)


@pytest.mark.parametrize(
    "name",
    ["a.svg", "a.SVG", "a.dot", "a.gv", "a.txt", "a.html", "a.htm", "a.mmd", "a.mermaid", "a.json"],
)
def test_the_suffix_chooses_the_format(diagram, tmp_path, name):
    path = diagram.save(tmp_path / name)
    first = {"svg": "<svg", "dot": "digraph", "gv": "digraph", "txt": "a small net"}
    first |= {"html": "<!doctype", "htm": "<!doctype", "mmd": "---", "mermaid": "---", "json": "{"}
    assert path.read_text(encoding="utf-8").startswith(first[name.lower().split(".")[1]])
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.jpg", "a", "svg"])
def test_an_unknown_suffix_is_refused_and_nothing_written(diagram, tmp_path, name):
    with pytest.raises(DiagramError, match=r"\.svg, \.png, \.pdf"):
        diagram.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_drawing_that_fails_leaves_the_old_file(diagram, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(DiagramError):
        diagram.save(path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_write_that_fails_leaves_nothing_behind(diagram, tmp_path, monkeypatch):
    path = tmp_path / "a.svg"
    path.write_text("old", encoding="utf-8")

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        diagram.save(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.svg"]


def test_a_missing_folder_is_an_error_of_the_system(diagram, tmp_path):
    with pytest.raises(FileNotFoundError):
        diagram.save(tmp_path / "no" / "a.svg")


def test_a_wrong_format_is_refused_at_once(net):
    with pytest.raises(DiagramError, match="svg, png, pdf, html, dot, mermaid, json, text"):
        Diagram(net, format="jpg")
