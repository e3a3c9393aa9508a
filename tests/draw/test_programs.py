"""A captured program as a picture: passes as boxes, values as edges."""

from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Parameter, Tensor, nn, optim
from tinygrad_edu.capture import Program, capture
from tinygrad_edu.draw import Picture, draw
from tinygrad_edu.errors import DiagramError
from tinygrad_edu.models import TwoLayerNet


def slope() -> Program:
    def slope(w: Any, x: Any) -> Any:
        w = Tensor(w, requires_grad=True)
        y = np.tanh(x @ w)
        loss = np.sum(y * y)
        loss.backward()
        return loss, w.grad

    return capture(slope, np.ones((3, 2)), np.ones((4, 3)))


def training() -> Program:
    net = TwoLayerNet(6, 5, 3, rng=0)
    optimizer, lossf = optim.Adam(net), nn.CrossEntropyLoss()

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = lossf(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return capture(step, np.ones((4, 6), np.float32), np.array([0, 1, 2, 0]))


def titles(picture: Picture, role: str) -> list[str]:
    return [card.title for card in picture.cards if card.role == role]


def test_every_line_has_a_card_in_its_pass() -> None:
    program = slope()
    picture = draw(program).picture
    assert titles(picture, "input") == ["w", "x"]
    steps = [card for card in picture.cards if card.role == "op"]
    assert len(steps) == len(program.instructions)
    assert [card.cluster for card in steps] == [line.phase for line in program.instructions]
    assert [cluster.title for cluster in picture.clusters] == ["forward", "backward"]
    assert len(titles(picture, "output")) == 2
    assert picture.title == "program slope"


def test_every_edge_is_a_value_that_is_read() -> None:
    program = slope()
    picture = draw(program).picture
    names = {card.id: card.title for card in picture.cards}
    steps = [card.id for card in picture.cards if card.role == "op"]
    found = {(names[edge.tail], names[edge.head]) for edge in picture.edges}
    for line, key in zip(program.instructions, steps, strict=True):
        for name in line.reads:
            assert (name, names[key]) in found


def test_a_training_step_by_ops() -> None:
    picture = draw(training()).picture
    steps = titles(picture, "op")
    assert steps.count("linear") == 2
    assert steps.count("backward of linear") == 2
    assert [cluster.title for cluster in picture.clusters] == ["forward", "backward", "update"]
    update = next(card.id for card in picture.cards if card.cluster == "update")
    tails = {edge.tail for edge in picture.edges if edge.head == update}
    assert (
        sum(card.id in tails and card.title == "backward of linear" for card in picture.cards) == 2
    )


def test_a_step_of_training_runs_downwards_where_it_would_be_too_wide() -> None:
    assert draw(training()).picture.rankdir == "TB"
    assert draw(training(), rankdir="LR").picture.rankdir == "LR"
    small = capture(lambda x: np.tanh(x), np.ones(3))
    assert draw(small).picture.rankdir == "LR"


def test_more_steps_than_the_limit_are_one() -> None:
    program = training()
    picture = draw(program, level="scalar", limit=10).picture
    assert len(titles(picture, "op")) == 10
    assert "limit=10" in picture.note
    assert len(titles(draw(program, level="scalar").picture, "op")) == len(program.instructions)


@pytest.mark.parametrize("options", [{"engine": "own"}, {"engine": "own", "theme": "dark"}])
def test_it_is_drawn_the_same_every_time(options: Any) -> None:
    assert draw(training(), **options).svg == draw(training(), **options).svg


def test_hostile_names_are_escaped() -> None:
    w = Parameter(np.ones(2), name="<script>alert(1)</script>")
    program = capture(lambda x: np.sum(w * x), np.ones(2))
    assert "<script" not in draw(program, engine="own").svg


def test_options_that_are_none() -> None:
    with pytest.raises(DiagramError, match="limit"):
        draw(slope(), limit=0)
