"""Names, labels and code that want to be more than text, through every form of a picture."""

import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from tinygrad_edu.draw import Bar, Card, Cluster, Edge, Histogram, Line, Picture
from tinygrad_edu.draw.dot import dot_source
from tinygrad_edu.draw.html_form import html_page
from tinygrad_edu.draw.json_form import from_json, to_json
from tinygrad_edu.draw.mermaid import mermaid
from tinygrad_edu.draw.render import FORMATS, render
from tinygrad_edu.draw.svg import own_svg
from tinygrad_edu.draw.words import clean

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "</style>",
    "</title>",
    "<!--",
    "-->",
    "]]>",
    "\"double\" 'single'",
    "a & b &amp; &lt; &#60;",
    "\\N \\G \\l \\",
    "line\nline\r\nline\u2028line",
    "nul\x00 bell\x07 escape\x1b[31m",
    "\u202egnp.exe\u202c \u2066x\u2069",
    "🙂 層 ∂ e\u0301",
    "half \ud800",
    "x" * 10_000,
    "`code` **bold** _i_ ~~s~~",
    "%% comment %%{init: {}}%%",
    "1. list",
    "- list",
    "# head",
    "fa:fa-car $$x$$",
    "style x:#35; classDef y:#z;",
    "end",
    "subgraph a[b]",
    "n0 --> n1; click n0 href",
    "} ] ) > | ;",
    "#D7EFE6",
    "var(--c0)",
    "{title}",
]


def everywhere(name):
    """Return a picture that has the text in every place."""
    line = Line(name)
    cards = (
        Card(
            name, "input", name, name, (line,), ((name, "1"),),
            (Histogram((1,) * 12, caption=line),), (Bar(0.3, line),), cluster=name,
        ),
        Card("p" + name, "parameter", name, tooltip=name, cluster=name),
        Card("o" + name, "op", name, name, (line,)),
    )  # fmt: skip
    edges = (
        Edge(name, "o" + name, (line, line), tooltip=name),
        Edge("p" + name, "o" + name, (line,), "gradient"),
        Edge("o" + name, "o" + name, (line,), recurrent=True),
    )
    clusters = (Cluster(name, name, name, name, count=2),)
    return Picture(cards, edges, clusters, title=name, description=name, note=name)


hostile = pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))


class Page(html.parser.HTMLParser):
    """The tags and the texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.attributes = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [key for key, _ in attributes]

    def handle_data(self, data):
        self.texts.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


PLAIN = everywhere("plain")


@pytest.mark.hazard(38)
@hostile
def test_svg_has_the_elements_of_a_plain_name_and_the_text_as_it_is(name):
    root = ET.fromstring(own_svg(everywhere(name)))
    words = {"".join(element.itertext()) for element in root.iter(f"{SVG}text")}
    assert clean(name) in words
    assert {element.tag for element in root.iter()} <= {
        element.tag for element in ET.fromstring(own_svg(PLAIN)).iter()
    }
    keys = {key for element in root.iter() for key in element.attrib}
    assert not [key for key in keys if key.startswith("on") or "href" in key]


@pytest.mark.hazard(38)
@hostile
def test_a_page_has_the_elements_of_a_plain_name_and_the_text_as_it_is(name):
    light, dark = (own_svg(replace(everywhere(name), theme=theme)) for theme in ("light", "dark"))
    text = html_page(everywhere(name), light, dark)
    text.encode()
    page = Page(text)
    plain = Page(html_page(PLAIN, *(own_svg(replace(PLAIN, theme=t)) for t in ("light", "dark"))))
    assert set(page.tags) == set(plain.tags)
    assert page.tags.count("script") == 2
    assert page.tags.count("style") == 1
    assert set(page.attributes) == set(plain.attributes)
    assert clean(name) in page.texts
    facts = re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(facts)["names"] == [clean(name)] * 3
    ET.fromstring(re.search(r"<svg.*</svg>", text, re.DOTALL)[0])


@hostile
def test_json_gives_back_what_was_written(name):
    picture = everywhere(name)
    text = to_json(picture)
    text.encode()
    assert from_json(text) == picture
    assert json.loads(text)["cards"][0]["title"] == name


SAFE = re.compile(
    r"(?:[^\W_]|[ ,/×−±·–…→←∂∇‖²³ᵀ()=.+\u2060\u0301\ufffd-]|#\d+;|<br/>|</?b>|&nbsp;)*"
)


@pytest.mark.hazard(38)
@hostile
def test_mermaid_has_the_lines_of_a_plain_name_and_no_sign_with_a_meaning(name):
    lines, plain = mermaid(everywhere(name)).split("\n"), mermaid(PLAIN).split("\n")
    assert len(lines) == len(plain)
    for line, other in zip(lines, plain, strict=True):
        if '"' not in other or line == other:
            assert line.split(":")[0] == other.split(":")[0]
            continue
        assert re.sub(r'".*"', "", line) == re.sub(r'".*"', "", other)
        label = line[line.index('"') + 1 : line.rindex('"')]
        if line.startswith("title"):
            assert json.loads(f'"{label}"') == clean(name)
            assert not set("%<>&#`{}'") & set(label)
            continue
        assert SAFE.fullmatch(label), label
        for part in re.split(r"<br/>|</?b>| &nbsp;", label):
            assert not re.match(r"\d+[.)] |[-+=]", part), label


def test_mermaid_labels_are_read_back_by_their_numbers():
    (line,) = (
        line for line in mermaid(everywhere('<b> & "x"#;:')).split("\n") if line.startswith("n1(")
    )
    shown = re.sub(r"#(\d+);", lambda match: chr(int(match[1])), line)
    assert '<b><b> & "x"#;:</b>' in shown


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")
@pytest.mark.parametrize("rankdir", ["LR", "TB"])
def test_dot_draws_all_of_them_at_once(rankdir):
    pictures = [everywhere(name) for name in HOSTILE]
    cards = [replace(c, id=f"{i}{c.id}", cluster=c.cluster and f"{i}{c.cluster}")
             for i, p in enumerate(pictures) for c in p.cards]  # fmt: skip
    edges = [replace(e, tail=f"{i}{e.tail}", head=f"{i}{e.head}")
             for i, p in enumerate(pictures) for e in p.edges]  # fmt: skip
    boxes = [replace(b, id=f"{i}{b.id}") for i, p in enumerate(pictures) for b in p.clusters]
    picture = Picture(tuple(cards), tuple(edges), tuple(boxes), rankdir, note=HOSTILE[0])
    done = subprocess.run(
        ["dot", "-Tsvg"], input=dot_source(picture).encode(), capture_output=True, check=True
    )
    assert b"syntax error" not in done.stderr
    root = ET.fromstring(render(picture, engine="dot"))
    words = {text.text for text in root.iter(f"{SVG}text")}
    for name in HOSTILE:
        assert clean(name) in words
    assert {element.tag for element in root.iter()} == {
        element.tag for element in ET.fromstring(render(PLAIN, engine="dot")).iter()
    }
    assert {group.get("id") for group in root.iter(f"{SVG}g")} >= {
        f"n-{i}" for i in range(len(cards))
    }


PROGRAM = """
import hashlib, sys
from tinygrad_edu.draw.json_form import from_json
from tinygrad_edu.draw.render import render
picture = from_json(sys.stdin.buffer.read().decode())
for format, engine in (case.split() for case in sys.argv[1:]):
    print(hashlib.sha256(render(picture, format, engine=engine)).hexdigest())
"""


def test_two_processes_write_the_same_bytes(net):
    """Whatever the seed of the hashes of texts."""
    cases = [f"{format} own" for format in FORMATS if format not in ("png", "pdf")]
    cases += ["svg dot", "html dot"] if shutil.which("dot") else []
    found = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, *cases],
            input=to_json(net).encode(),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert found[0].count(b"\n") == len(cases)
