"""What users give that cannot be explained is refused in words: the call, the line, the fix."""

import numpy as np
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.errors import DiagramError, ExplanationError
from tinygrad_edu.explain import Frames, delta, explain, explain_html, forward_steps, steps
from tinygrad_edu.explain.page import Frame


def graph():
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    return (x * x).sum(), x


def refused(call, kind=ExplanationError):
    """Return the text of a refusal, which has a line of the user's and a fix."""
    with pytest.raises(kind) as error:
        call()
    text = str(error.value)
    assert "\n  at test_given.py:" in text
    assert "\n  fix: " in text
    return text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1.0], "a list of 1"),
        ((), "a tuple of 0"),
        (3, "an int"),
        (np.ones(2), "an ndarray"),
        (None, "None"),
    ],
)
def test_what_is_no_tensor(tmp_path, given, words):
    page = tmp_path / "page.html"
    for name, call in (
        ("explain", explain),
        ("steps", steps),
        ("forward_steps", forward_steps),
        ("delta", lambda y: delta(y, y)),
        ("explain_html", lambda y: explain_html(y, page)),
        ("Frame.of", lambda y: Frame.of(y, 1)),
    ):
        text = refused(lambda call=call: call(given), DiagramError)
        assert text.startswith(f"{name}: expected a Tensor, got {words}")
    assert not page.exists()


def test_several_tensors_are_to_be_given_one_at_a_time():
    y, x = graph()
    for name, call in (("explain", explain), ("steps", steps), ("delta", lambda y: delta(y, x))):
        text = refused(lambda call=call: call([y, y]), DiagramError)
        assert f"{name}: expected a Tensor, got a list of 2" in text
        assert f"one at a time, as in {name}(outputs[0])" in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("x", "is a str"),
        (np.ones(3), "is an ndarray of shape (3,)"),
        (None, "is None"),
        (np.inf, "is inf"),
        (-1.0, "delta=-1.0 is no positive number"),
        (0, "delta=0.0 is no positive number"),
    ],
)
def test_a_change_that_is_no_small_number(given, words):
    text = refused(lambda: explain(graph()[0], delta=given))
    assert text.startswith("explain: delta")
    assert words in text
    assert "delta=1e-6" in text


@pytest.mark.parametrize(("given", "words"), [(3, "an int"), (np.ones(2), "an ndarray of shape")])
def test_what_is_asked_about_is_to_be_a_tensor(given, words):
    assert f"and is {words}" in refused(lambda: explain(graph()[0], given))


@pytest.mark.parametrize("at", ["x", 0.5, (0, 0), 2, -3, [0.0], None, np.array([0])])
def test_an_element_that_there_is_not(at):
    y, x = graph()
    if at is None:
        assert explain(y, x, at=at).incoming.place == (1,)
    elif isinstance(at, np.ndarray):
        assert explain(y, x, at=at).incoming.place == (0,)
    else:
        for name, call in (("explain", explain), ("delta", delta)):
            text = refused(lambda call=call: call(y, x, at=at))
            assert f"{name}: at={at!r} is no element of x, whose shape is (2,)" in text
            assert "as in at=0" in text


@pytest.mark.parametrize("frames", [[1, 2], 3, "ab", [None]])
def test_frames_that_are_none(tmp_path, frames):
    text = refused(lambda: explain_html(graph()[0], tmp_path / "page.html", frames=frames))
    assert "explain_html: frames are to be of Frame, found " in text
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "picture"), [("h.svg", True), ("h.PNG", True), ("h.txt", False)])
def test_a_page_is_not_written_under_the_ending_of_another_kind_of_file(tmp_path, name, picture):
    text = refused(lambda: explain_html(graph()[0], tmp_path / name))
    assert "as in h.html" in text
    assert ("draw(loss).save" in text) == picture
    assert not any(tmp_path.iterdir())
    for other in ("a.html", "b.HTM", "c"):
        assert explain_html(graph()[0], tmp_path / other).read_text("utf-8").startswith("<!doctype")


@pytest.mark.parametrize(
    ("every", "words"),
    [(1.5, "a float, 1.5"), ("x", "a str, 'x'"), (0, "an int, 0"), ([], "a list")],
)
def test_a_distance_of_frames_is_a_whole_number(every, words):
    text = refused(lambda: Frames(every=every))
    assert f"Frames: every must be a whole number, at least 1, and is {words}" in text


def test_frames_take_a_function():
    assert "loss is to be a function, and is a Tensor" in refused(lambda: Frames(graph()[0]))
