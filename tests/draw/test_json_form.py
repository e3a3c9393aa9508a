import json
from dataclasses import fields, replace

import pytest

from tinygrad_edu.draw import Bar, Card, Edge, Line, Picture
from tinygrad_edu.draw.json_form import SCHEMA, VERSION, from_json, to_json
from tinygrad_edu.errors import DiagramError

CARD = {"id": "a", "role": "op", "title": "a"}


def text(**changes):
    return json.dumps({"schema": SCHEMA, "version": VERSION, "cards": [CARD], **changes})


def test_a_picture_comes_back_as_it_was(net):
    everything = replace(
        net,
        cards=(
            replace(net.cards[0], heat=3, pale=True, change="added", members=("x", "y")),
            replace(net.cards[1], bars=(Bar(0.25, Line("25 %")),), nonfinite=2, frozen=True),
            *net.cards[2:],
        ),
        edges=(*net.edges, Edge("add", "add", recurrent=True, strength="exploding")),
        legend=("op",),
        note="a note",
    )
    assert from_json(to_json(everything)) == everything
    assert to_json(from_json(to_json(everything))) == to_json(everything)


def test_all_facts_are_written_in_the_order_of_the_classes(net):
    found = json.loads(to_json(net))
    assert list(found) == ["schema", "version", *(field.name for field in fields(Picture))]
    assert list(found["cards"][0]) == [field.name for field in fields(Card)]
    assert list(found["edges"][0]) == [field.name for field in fields(Edge)]
    assert len(to_json(net).splitlines()) > len(net.cards) + len(net.edges)


def test_an_empty_picture_and_a_short_text_are_read():
    assert from_json(to_json(Picture(()))) == Picture(())
    assert from_json(text()) == Picture((Card("a", "op", "a"),))
    edge = {"tail": "a", "head": "a", "width": 2, "recurrent": True}
    assert from_json(text(edges=[edge])).edges == (Edge("a", "a", width=2.0, recurrent=True),)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": "other"}, "this is no picture"),
        ({"version": 2}, "version 2 of the schema; this program reads version 1"),
        ({"cards": {}}, r"picture.cards: a list is expected, got dict"),
        ({"cards": [1]}, r"picture.cards\[0\]: an object is expected, got int '1'"),
        ({"cards": [{"id": "a", "role": "op"}]}, r"picture.cards\[0\]: it lacks 'title'"),
        ({"cards": [{**CARD, "colour": 1}]}, r"the key 'colour' is none of id, role, title"),
        ({"cards": [{**CARD, "title": 1}]}, r"cards\[0\].title: a text is expected, got int '1'"),
        ({"cards": [{**CARD, "title": None}]}, r"title: a text is expected, got nothing"),
        ({"cards": [{**CARD, "role": "cat"}]}, r"role: 'cat' is none of parameter, input"),
        ({"cards": [{**CARD, "role": []}]}, r"role: \[\] is none of parameter, input"),
        ({"cards": [{**CARD, "frozen": 1}]}, r"frozen: a bool is expected"),
        ({"cards": [{**CARD, "heat": True}]}, r"heat: a whole number is expected"),
        ({"cards": [{**CARD, "heat": 9}]}, r"heat is a step from 0 to 4"),
        ({"edges": [{"tail": "a", "head": "a", "width": "1"}]}, r"width: a finite number"),
        ({"edges": [{"tail": "a", "head": "a", "width": 10**400}]}, r"width: a finite number"),
        ({"edges": [{"tail": "a", "head": "b"}]}, "no card has the id 'b'"),
    ],
)
def test_a_wrong_text_is_refused_with_the_place(changes, words):
    with pytest.raises(DiagramError, match=words):
        from_json(text(**changes))


@pytest.mark.parametrize(
    "wrong", ["", "{", "[]", "null", text(note="x").replace('"x"', "NaN"), "[" * 100_000]
)
def test_what_is_no_json_is_refused(wrong):
    with pytest.raises(DiagramError, match="this is no"):
        from_json(wrong)
