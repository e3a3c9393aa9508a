"""Options of `draw` are looked at before anything is done, and errors name them and the line."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.draw import compare, draw
from tinygrad_edu.errors import DiagramError, LayerError
from tinygrad_edu.nn import Linear, Module

WRONG = [
    {"level": "graph"}, {"engine": "neato"}, {"format": "gif"}, {"theme": "pink"},
    {"rankdir": "RL"}, {"grad": 3}, {"grad": 1}, {"fold": "yes"}, {"histogram": 2}, {"legend": 0},
    {"values": -1}, {"values": "9"}, {"limit": 0}, {"limit": True}, {"limit": 2.5}, {"depth": "1"},
    {"depth": 0}, {"show": ("size",)}, {"show": "shape"}, {"show": 3}, {"heat": "cold"},
    {"heat": ("time", "cold")}, {"heat": 3}, {"expand": 3}, {"expand": (1,)}, {"title": 3},
]  # fmt: skip


@pytest.mark.parametrize("option", WRONG, ids=str)
def test_each_wrong_option_is_told_in_one_form(option):
    ((name, value),) = option.items()
    w = tg.Tensor(2.0, requires_grad=True)
    with pytest.raises(DiagramError) as error:
        draw(w * w, **option)
    first, place, fix = str(error.value).split("\n")
    assert first.startswith(f"draw: {name}={value!r}: ")
    assert place.startswith("  at test_options.py:")
    assert fix.startswith(f"  fix: {name}=")


def test_a_wrong_option_costs_no_run_of_a_module():
    class Careful(Module):
        def forward(self, _):
            raise AssertionError("it ran")

    with pytest.raises(DiagramError, match="engine"):
        draw(Careful(), 1, 2, engine="neato")


@pytest.mark.parametrize("level", ["auto", "op"])
@pytest.mark.parametrize("fold", [False, "auto"])
def test_a_title_that_nothing_has_is_refused_at_every_level(level, fold):
    w = tg.Tensor(2.0, requires_grad=True)
    with pytest.raises(DiagramError, match=r"'nope'\n  at test_options.py.*\n  fix: leave it out"):
        draw(w * w, level=level, fold=fold, expand=("nope",))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.ones(3), "an ndarray"), (3, "an int"), (2.5, "a float"), (None, "None"),
        ([], "an empty list"), ([None], "None in a list"), ((3,), "an int in a tuple"),
        ("loss", "a str"),
    ],
)  # fmt: skip
def test_what_is_nothing_to_draw_is_told_by_its_kind(given, said):
    with pytest.raises(DiagramError) as error:
        draw(given)
    first, place, fix = str(error.value).split("\n")
    assert first == (f"draw: expected a Tensor, a list of them, a Module or a Program, got {said}")
    assert place.startswith("  at test_options.py:")
    assert fix.startswith("  fix: ")


def test_compare_tells_what_it_takes():
    w = tg.Tensor(2.0, requires_grad=True)
    with pytest.raises(DiagramError, match=r"compare: .* a Module, a Diagram or a Picture, got an"):
        compare(w * w, np.ones(3))


def test_an_example_or_none_where_it_does_not_belong():
    w = tg.Tensor(2.0, requires_grad=True)
    with pytest.raises(DiagramError, match=r"a Tensor was given\n  at test_options.py.*\n  fix: "):
        draw(w * w, 3)
    with pytest.raises(LayerError, match=r"no example for Linear.*\n  at test_options.py.*\n  fix"):
        draw(Linear(3, 2))


def test_a_shape_in_brackets_is_no_input():
    with pytest.raises(LayerError, match=r"\(5, 3\)[^\0]*fix: .*one by one"):
        draw(Linear(3, 2), (5, 3))


def test_a_file_of_no_format_is_told_with_a_fix():
    w = tg.Tensor(2.0, requires_grad=True)
    with pytest.raises(DiagramError, match=r"save: 'x.gif'.*\n  at test_opt.*\n  fix: .*x.svg"):
        draw(w * w).save("x.gif")
