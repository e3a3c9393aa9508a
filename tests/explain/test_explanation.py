"""Explanations: every number in the text is right, and the text says what happened."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import Tensor, nn
from tinygrad_edu.core.op import OPS, Op
from tinygrad_edu.draw.reading import read
from tinygrad_edu.errors import (
    DiagramError,
    ExplanationError,
    FreedGraphError,
    GradientError,
)
from tinygrad_edu.explain import Explanation, explain
from tinygrad_edu.explain.chain import count_paths
from tinygrad_edu.explain.explanation import Explainer
from tinygrad_edu.explain.facts import Facts
from tinygrad_edu.explain.formulas import indexed
from tinygrad_edu.testing.samples import Plan, Sample, plans, rows, sample

PLANS = [plan for plan in plans(rows()) if plan.row.differentiable]

Array = np.ndarray[Any, Any]


def leaf(value: Any, name: str) -> Tensor:
    return Tensor(value, requires_grad=True, name=name)


def numeral(text: str) -> complex:
    """Return a number as it is printed."""
    plain = text.strip("()").replace("−", "-").replace("∞", "inf")
    plain = re.sub(r" ([+-]) ", r"\1", plain).replace("i", "j") if plain.endswith("i") else plain
    return complex(plain)


def stories(text: str) -> dict[str, str]:
    """Return the parts of a text by their headings."""
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            lines = parts.setdefault(line, [])
        else:
            lines.append(line)
    return {head: "\n".join(lines) for head, lines in parts.items()}


NUMBER = r"\([^()]*i\)|[+−]?(?:[\d.]+(?:e−?\d+)?|nan|∞)"


def gradient_in(part: str, name: str) -> tuple[tuple[int, ...], complex]:
    """Return the element that a part speaks of, and the gradient it prints."""
    found = re.findall(
        rf"^  ∂[^/]+/∂{re.escape(name)}(\[[\d, ]*\])? = ({NUMBER})(?:, .*)?$", part, re.M
    )
    assert found, part
    place, value = found[-1]
    return tuple(int(k) for k in re.findall(r"\d+", place)), numeral(value)


def checked_in(part: str) -> tuple[complex, str]:
    """Return the slope that the line of the check prints, and its verdict."""
    found = re.search(rf"/ 2Δ = ({NUMBER}) for Δ = \S+: (.*)$", part, re.M)
    assert found is not None, part
    return numeral(found[1]), found[2]


# ------------------------------------------------------------------------------ every row


def call(one: Sample) -> tuple[Tensor, dict[int, Tensor]]:
    """Return the result of a row on leaves that are called p0, p1, ..."""
    moved = {i: leaf(one.arrays[i], f"p{i}") for i in one.moving}
    arrays = [moved.get(i, array) for i, array in enumerate(one.arrays)]
    return one.row.through(arrays, one.params), moved


def slope(one: Sample, i: int, place: tuple[int, ...], seed: Array) -> float:
    """Return the slope along one element by NumPy alone."""
    step, ends = 1e-5, []
    for sign in (1, -1):
        arrays = list(one.arrays)
        arrays[i] = np.array(arrays[i])
        arrays[i][place or (0,) * arrays[i].ndim] += sign * step
        with np.errstate(all="ignore"):
            result = one.row.forward(*arrays, **one.params)
        result = result[0] if one.row.kind == "fused" else result
        ends.append(float(np.real(np.sum(result * seed))))
    return (ends[0] - ends[1]) / (2 * step)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_printed_numbers_are_those_of_the_engine_and_of_a_small_change(plan: Plan) -> None:
    row = plan.row
    drawn = ((2, 3), (3,), (2, 1))[: len(row.arguments)]
    one = sample(row, drawn if plan.case is None else plan.case.arrays, plan.params, 7)
    if not one.size:
        return
    y, moved = call(one)
    rng = np.random.default_rng(1)
    seed = np.asarray(rng.uniform(0.5, 1.5, y.shape)).astype(y.dtype)
    found = explain(y, seed=seed)
    y.backward(seed, retain_graph=True)
    parts = stories(found.text)
    told = 0
    for i, tensor in moved.items():
        part = parts.get(f"Back to p{i}")
        if part is None:
            assert tensor.grad is None or not np.size(tensor.grad)
            continue
        told += 1
        place, value = gradient_in(part, f"p{i}")
        engine = tensor.grad[place or (0,) * tensor.ndim]
        assert value == pytest.approx(engine, rel=6e-4, abs=1e-12), part
        shown, verdict = checked_in(part)
        small = slope(one, i, place, seed)
        if row.exempt:
            assert verdict.startswith(("agrees", "differs", "DISAGREES")), part
            assert "DISAGREES" not in verdict
            continue
        assert shown.real == pytest.approx(small, rel=1e-4, abs=1e-6), part
        assert verdict.startswith("agrees"), part
    assert told == len(found.inputs)
    ET.fromstring(found.html)
    # Signs are commands; its fonts have letters with accents.
    assert all(sign.isascii() or (sign.isalpha() and sign < "\u0100") for sign in found.latex)
    assert found.markdown


@pytest.mark.parametrize("plan", PLANS[::3], ids=str)
def test_a_wrong_rule_disagrees(plan: Plan) -> None:
    row = plan.row
    drawn = ((2, 3), (3,), (2, 1))[: len(row.arguments)]
    one = sample(row, drawn if plan.case is None else plan.case.arrays, plan.params, 7)
    right, _ = call(one)
    if row.exempt or not one.size or not right.size:
        return
    y, moved = call(one.of(broken(row)))
    found = explain(y)
    for i, tensor in moved.items():
        story = next((each for each in found.inputs if each.name == f"p{i}"), None)
        if story is None or abs(story.incoming.value) < 1e-6 or tensor.dtype.kind == "c":
            continue
        assert story.check is not None
        assert story.check.verdict == "DISAGREES", found.text
        assert "DISAGREES" in found.text


def broken(row: Op) -> Op:
    """Return a row whose rules are 5 percent off."""

    def off(rule: Any) -> Any:
        return None if rule is None else lambda *args, **params: rule(*args, **params) * 1.05

    joint = row.joint
    if joint is None:
        return replace(row, rules=tuple(off(rule) for rule in row.rules))

    def wrong(*args: Any, **params: Any) -> Any:
        params["into"] = [None] * len(params["into"])
        return [c if c is None else c * 1.05 for c in joint(*args, **params)]

    return replace(row, joint=wrong)


# ------------------------------------------------------------------------------ the examples


def neuron() -> tuple[Tensor, dict[str, Tensor]]:
    """Return y = σ(w0 x0 + w1 x1 + w2), with numbers that a course is known for."""
    values = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}
    t = {name: leaf(value, name) for name, value in values.items()}
    y = te.sigmoid(t["w0"] * t["x0"] + t["w1"] * t["x1"] + t["w2"])
    return y, t


def test_the_neuron_is_told_with_its_numbers() -> None:
    y, t = neuron()
    text = explain(y).text
    assert "y = 0.7311" in text
    assert "∂y/∂add2 = y · (1 − y) = 0.7311 · (1 − 0.7311) = 0.1966" in text
    assert "(+1) · 0.1966 = +0.1966" in text
    wanted = {"w0": "−0.1966", "x0": "+0.3932", "w1": "−0.3932", "x1": "−0.5898", "w2": "+0.1966"}
    for name, gradient in wanted.items():
        assert f"∂y/∂{name} = {gradient}" in explain(y, t[name]).text
    way = "y ← add2 ← add1 ← multiply1 ← w0: 0.1966 · 1 · 1 · (−1) = −0.1966"
    assert way in explain(y, t["w0"]).text


def test_a_value_that_is_used_twice_gets_the_sum_over_its_consumers_and_paths() -> None:
    x = leaf(3.0, "x")
    square = x * x
    loss = square + np.sin(x)
    found = explain(loss, x)
    assert found.incoming is not None
    assert [part.consumer for part in found.incoming.parts] == ["square", "square", "sin1"]
    assert len(found.paths) == 3
    total = sum(path.value for path in found.paths)
    assert total == pytest.approx(6 + np.cos(3.0))
    assert "from square: +3, from square: +3, from sin1: −0.99; together +5.01" in found.text
    assert "By which way: 3 paths" in found.text
    assert "The sum over the paths is +5.01, the gradient." in found.text


def test_paths_that_are_too_many_are_grouped_by_the_row_that_comes_first() -> None:
    x = leaf(1.1, "x")
    h = x
    for _ in range(30):
        h = h - 0.1 * h * h  # three times as many paths each time
    found = explain(h, x)
    assert found.paths == ()
    reading = read("test", h)
    assert count_paths(reading, reading.sweep(), reading.nodes[0]) == 3**30
    assert found.incoming is not None
    assert sum(p.value for p in found.incoming.parts) == pytest.approx(found.incoming.value)
    assert "Too many to list" in found.text
    assert found.check is not None
    assert found.check.verdict == "agrees"


def test_the_paths_of_arrays_add_up_to_the_gradient() -> None:
    rng = np.random.default_rng(0)
    w = leaf(rng.normal(size=(3, 3)), "w")
    h = np.tanh(w @ w)
    loss = (h * w).sum() + np.square(w).mean()
    found = explain(loss, w, at=(1, 2))
    assert len(found.paths) == 4
    loss.backward()
    assert sum(path.value for path in found.paths) == pytest.approx(w.grad[1, 2])


def test_the_factors_of_a_path_are_shown_where_its_elements_can_be_followed() -> None:
    x = np.array([[1.0, 2.0]])
    w = leaf([[0.1], [0.2]], "w")
    h = np.tanh(np.matmul(x, w))
    loss = np.square(h - 1.0)
    found = explain(loss, w, at=(1, 0))
    (path,) = found.paths
    (chain,) = path.chains
    slopes = [2 * (h.item() - 1), 1.0, 1 - h.item() ** 2, 2.0]
    assert chain.factors == pytest.approx(slopes)
    assert chain.product == pytest.approx(np.prod(slopes)) == pytest.approx(path.value)
    ((worked_out, printed),) = products_in(found.text)
    assert worked_out == pytest.approx(printed, rel=2e-3)
    assert "loss ← subtract1 ← h ← matmul1 ← w[1, 0]: (−1.076) · 1 · " in found.text


def test_a_path_over_few_elements_is_told_for_each_of_them() -> None:
    v, A = leaf([1.0, 2.0, 3.0], "v"), np.array([[2.0, 1.0, 2.0], [3.0, 1.0, 5.0]])
    loss = (A * v + 2.0).sum()
    text = explain(loss, v).text
    assert "loss ← add1 ← multiply1 ← v: +7, the sum of 2 ways over elements:" in text
    assert "loss ← add1[0, 2] ← multiply1[0, 2] ← v[2]: 1 · 1 · 2 = +2" in text
    assert "loss ← add1[1, 2] ← multiply1[1, 2] ← v[2]: 1 · 1 · 5 = +5" in text


def test_a_path_over_many_elements_begins_with_the_sum_over_them() -> None:
    v = leaf(0.5, "v")
    loss = np.square(v * np.arange(20.0)).sum()
    found = explain(loss, v)
    (path,) = found.paths
    assert path.chains == ()
    assert path.sum is not None
    assert path.sum.count == 20
    assert "; the sum over the elements of multiply1, gradient times slope: (+" in found.text
    assert "(16 more: +" in found.text
    assert path.sum.rest + sum(t.product for t in path.sum.terms) == pytest.approx(path.value)


@pytest.mark.parametrize("seed", [3.0, -0.5])
def test_a_seed_is_a_factor_of_the_path(seed: float) -> None:
    x = leaf(2.0, "x")
    y = np.exp(x * 0.5)
    found = explain(y, x, seed=seed)
    ((worked_out, printed),) = products_in(found.text)
    assert worked_out == pytest.approx(printed, rel=2e-3)
    assert printed == pytest.approx(seed * 0.5 * np.exp(1.0), rel=1e-3)


def test_rows_that_are_no_products_show_no_factors() -> None:
    x = leaf([3.0, 4.0], "x")
    found = explain(np.square(OPS["gradient_reversal"](x)).sum(), x)
    for worked_out, printed in products_in(found.text):
        assert worked_out == pytest.approx(printed)


def test_a_tensor_that_is_two_arguments_says_which() -> None:
    o = leaf(2.0, "o")
    y = o * o
    z = y * o
    text = explain(z, o).text
    assert "z ← y ← o (as the 1st argument): 2 · 2 = +4" in text
    assert "z ← y ← o (as the 2nd argument): 2 · 2 = +4" in text
    assert "z ← o: +4" in text  # y * o has it once
    heads = [head for head in stories(explain(y).text) if head.startswith("Back to")]
    assert heads == ["Back to o, as the 1st argument", "Back to o, as the 2nd argument"]
    row = leaf([2.0], "row")
    assert "row (as the 3rd argument)" in explain(np.concatenate([row] * 3).sum(), row).text


def test_an_operation_is_told_at_one_element() -> None:
    v = leaf([1.0, 2.0, 3.0], "v")
    u = v * v
    for at, place in ((None, 0), (2, 2)):
        text = explain(u, at=at).text
        assert f"∂L/∂u[{place}] = +1" in text
        assert f"∂u/∂v = v, which is {place + 1} at u[{place}]" in text
        assert f"∂L/∂v[{place}] = +{2 * (place + 1)}" in text


def test_a_sum_over_a_broadcast_axis_is_written_out_up_to_nine_terms() -> None:
    b = leaf([0.0, 0.0], "b")
    for count, shown in ((9, 9), (10, 4)):
        a = np.ones((count, 2))
        text = explain(np.add(a, b)).text
        assert text.count("(+1) · 1") == shown
        assert ("more" in text) == (count == 10)


def test_broadcasting_is_told() -> None:
    rng = np.random.default_rng(0)
    a, b = leaf(rng.normal(size=(100, 10)), "a"), leaf(rng.normal(size=10), "b")
    s = a + b
    text = stories(explain(s).text)["Back to b"]
    assert "Summed over axis 0, because b has shape 10 and s has shape 100 × 10." in text
    assert "(96 more: +96) = +100" in text
    column = leaf(rng.normal(size=(1, 1)), "column")
    told = explain(np.multiply(a, column)).text
    assert "Summed over axes 0 and 1, because column has shape 1 × 1" in told


def test_one_element_of_a_large_product_is_written_out() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(4, 6)), leaf(rng.normal(size=(6, 5)), "w")
    z = np.matmul(x, w)
    text = explain(z, at=(2, 1)).text
    names = "z[2, 1] = x[2, 0]·w[0, 1] + x[2, 1]·w[1, 1] + x[2, 2]·w[2, 1] + … (3 more) = "
    line = next(line for line in text.splitlines() if line.startswith("  z[2, 1]"))
    assert line.startswith(f"  {names}")
    assert numeral(line.rpartition(" = ")[2]) == pytest.approx(z.numpy()[2, 1], rel=1e-3)
    numbers = line.split(" = ")[2]
    terms = re.findall(rf"\(?({NUMBER})\)?·\(?({NUMBER})\)?", numbers)
    rest = re.search(rf"more: ({NUMBER})", numbers)
    assert rest is not None
    total = sum((numeral(a) * numeral(b)).real for a, b in terms) + numeral(rest[1]).real
    assert total == pytest.approx(z.numpy()[2, 1], abs=5e-3)


@pytest.mark.parametrize("params", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2}])
def test_one_element_of_a_convolution_is_written_out(params: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    groups = params.get("groups", 1)
    x, k = rng.normal(size=(2, 4, 6, 6)), leaf(rng.normal(size=(4, 4 // groups, 3, 3)), "k")
    b = leaf(rng.normal(size=4), "b")
    out = OPS["convolution"](x, k, b, **params)
    line = next(
        text for text in explain(out, at=(1, 3, 1, 0)).text.splitlines()
        if text.startswith("  out[1, 3, 1, 0] = ")
    )  # fmt: skip
    assert "+ b[3] = " in line
    numbers = line.split(" = ")[2]
    terms = re.findall(rf"\(?({NUMBER})\)?·\(?({NUMBER})\)?", numbers)
    rest = re.search(rf"more: ({NUMBER})", numbers)
    assert rest is not None
    total = sum((numeral(p) * numeral(q)).real for p, q in terms) + numeral(rest[1]).real
    assert total + b.numpy()[3] == pytest.approx(out.numpy()[1, 3, 1, 0], abs=5e-3)


def test_a_net_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(784, 50, rng=rng), nn.Sigmoid(), nn.Linear(50, 10, rng=rng))
    x, labels = rng.uniform(size=(100, 784)).astype(np.float32), rng.integers(0, 10, 100)
    loss = te.softmax_cross_entropy(net(x), labels)
    for parameter in net.parameters():
        found = explain(loss, parameter)
        assert found.check is not None
        assert found.check.verdict == "agrees", found.text
    text = explain(loss).text
    assert "labels: 100 int64, a constant" in text
    assert "t being 1 at the label and 0 elsewhere, n the number of terms" in text
    assert "No gradient flows to the rest: labels is a constant of whole numbers." in text


def test_a_step_of_a_long_short_term_memory() -> None:
    rng = np.random.default_rng(0)
    shapes = {"h": (2, 4), "c": (2, 4), "w_x": (3, 16), "w_h": (4, 16), "bias": (16,)}
    t = {name: leaf(0.5 * rng.normal(size=shape), name) for name, shape in shapes.items()}
    state = OPS["lstm_step"](rng.normal(size=(2, 3)), *t.values())
    found = explain(state)
    assert [story.name for story in found.inputs] == list(shapes)
    assert all(s.check is not None and s.check.verdict == "agrees" for s in found.inputs)


# ------------------------------------------------------------------------------ unusual numbers


def test_a_kink_is_called_one() -> None:
    x = leaf([0.0, 1.0], "x")
    text = explain(te.relu(x), at=0).text
    assert "here is a kink: the slope is 0 on the left and +1 on the right" in text
    assert "Where relu has no derivative: 0 at 0." in text
    assert "DISAGREES" not in text


AT_KINKS = {
    "absolute": (lambda x: np.abs(x), [0.0, 1.0], 0, -1, 1, "0"),
    "maximum": (lambda x: np.maximum(x, 0), [0.0, 1.0], 0, 0, 1, "+0.5"),
    "max": (lambda x: 2 * x.max(), [1.0, 1.0, 0.0], 1, 0, 2, "+1"),
    "clip": (lambda x: 3 * np.clip(np.abs(x), 0, 9), [0.0], 0, -3, 3, "0"),
}


@pytest.mark.parametrize("name", AT_KINKS)
@pytest.mark.parametrize("towards", ["leaf", "row"])
def test_a_kink_is_called_one_where_the_gradient_is_the_mean_of_its_sides(
    name: str, towards: str
) -> None:
    call, values, at, left, right, given = AT_KINKS[name]
    x = leaf(values, "x")
    y = call(x).sum() if towards == "leaf" else call(x)
    text = explain(y, x, at=at).text
    sides = f"the slope is {te.mathematics.signed(left)} on the left and +{right} on the right"
    assert f"here is a kink: {sides}, and {given}, the mean of the two, is what" in text
    assert "agrees" not in text
    assert re.search(r"Where \w+ has no derivative: ", text)


@pytest.mark.parametrize(
    ("call", "at"),
    [
        (lambda x: x * x, 0.0),
        (lambda x: np.abs(x) ** 1.5, 0.0),
        (lambda x: np.cosh(300 * x), 0.0),
        (lambda x: np.sin(1000 * x), 0.0),
        (lambda x: te.relu(x), 1e-3),
        (lambda x: (1e6 + x) ** 2 - x * x, 2.0),
        (lambda x: np.exp(x - 700.0), 700.0),
    ],
)
def test_what_bends_is_no_kink(call: Any, at: float) -> None:
    x = leaf(at, "x")
    found = explain(call(x), x)
    assert found.check is not None
    assert found.check.verdict == "agrees", found.text


def test_a_complex_number_has_a_kink_along_an_axis() -> None:
    z = leaf(0j, "z")
    text = explain(np.abs(z), z).text
    assert "here is a kink: along the real axis, the slope is −1 on the left and +1" in text
    w = leaf(1 + 0j, "w")
    assert "kink: along the imaginary axis" in explain(np.abs(np.imag(w)), w).text


def test_a_gradient_that_is_wrong_beside_a_kink_is_not_excused() -> None:
    x = leaf(0.0, "x")
    wrong = replace(OPS["absolute"], rules=(lambda g, _y, _x: g * 3,))
    assert "DISAGREES" in explain(wrong(x)).text


def test_a_gradient_that_is_no_derivative_by_design_is_said_to_be() -> None:
    x = leaf(0.5, "x")
    text = explain(OPS["gradient_reversal"](x)).text
    assert "by design" in text
    assert "DISAGREES" not in text


def test_nan_and_infinity_are_not_compared() -> None:
    x = leaf([np.nan, 1.0], "x")
    text = explain((x * x).sum(), x).text
    assert "x = [nan, 1]" in text
    assert "not compared with nan: a number on the way is nan or infinite" in text


def test_complex_numbers_have_the_gradient_that_users_know() -> None:
    z = leaf([1 + 2j, 0.5 - 1j], "z")
    loss = abs(z * z).sum()
    found = explain(loss, z)
    loss.backward()
    place, value = gradient_in(found.text, "z")
    assert value == pytest.approx(z.grad[place], rel=1e-3)
    assert found.check is not None
    assert found.check.verdict == "agrees"
    assert found.check.slope == pytest.approx(z.grad[place])


Z, X = [1 + 2j, -0.5 + 1j], [1.0, 2.0]
COMPLEX = {
    "holomorphic": (Z, lambda z: np.abs(z * z * np.exp(z)).sum()),
    "parts": (Z, lambda z: (np.imag(z * z) + np.real(z) + np.angle(z)).sum()),
    "matmul": (Z, lambda z: np.abs(np.array([[1 + 1j, 2.0], [0.5j, 1 - 1j]]) @ z).sum()),
    "conjugate": (Z, lambda z: np.abs(np.conj(z) * (1 + 1j) + z).sum()),
    "from a real one": (X, lambda x: np.abs(np.exp(1j * x) * (2 + 1j) - 1).sum()),
    "broadcast": (Z, lambda z: np.imag(z * np.array([[1 + 2j, 3.0], [-1j, 0.5]])).sum()),
}


def products_in(text: str) -> list[tuple[complex, complex]]:
    """Return the products that a text prints, worked out, each beside what it says they are."""
    found = []
    for line in text.splitlines():
        left, _, right = line.rpartition(" = ")
        if " · " not in left or "Δ" in left:
            continue
        head = left.rpartition(": ")[2]
        real = head.startswith("the real part of ")
        terms = re.split(r" \+ (?=\()", head.removeprefix("the real part of "))
        values = []
        for term in terms:
            value = 1 + 0j
            for factor in term.split(" · "):
                value *= numeral(factor)
            values.append(value)
        printed = re.match(NUMBER, right)
        assert printed is not None, line
        total = sum(values)
        found.append((total.real if real else total, numeral(printed[0])))
    return found


@pytest.mark.parametrize("name", COMPLEX)
def test_products_of_complex_numbers_are_true_as_printed(name: str) -> None:
    values, call = COMPLEX[name]
    z = leaf(values, "z")
    y = call(z)
    told = 0
    for place in range(2):
        found = explain(y, z, at=place)
        for worked_out, printed in products_in(found.text):
            assert worked_out == pytest.approx(printed, rel=2e-3, abs=1e-3), found.text
            told += 1
        assert found.incoming is not None
        assert sum(path.value for path in found.paths) == pytest.approx(found.incoming.value)
    assert told


def test_the_chain_of_complex_numbers_has_conjugates_in_brackets() -> None:
    c = leaf(1 + 2j, "c")
    square = c * c
    r = np.abs(square)
    text = explain(r, c).text
    assert "c (as the 1st argument): (−0.6 + 0.8i) · (1 − 2i) = (1 + 2i)" in text
    assert "what a gradient is multiplied with on its way back: the conjugate of" in text
    slopes = "(r(c + Δ) − r(c − Δ)) / 2Δ + i · (r(c + iΔ) − r(c − iΔ)) / 2Δ = (2 + 4i) for Δ"
    assert slopes in text
    assert "∂r/∂square = sign(square) = sign(−3 + 4i) = −0.6 + 0.8i" in explain(r).text
    told = explain(square, seed=-0.6 + 0.8j).text
    assert "∂square/∂c = c = 1 + 2i" in told
    assert "gradient times the conjugate of the slope: (−0.6 + 0.8i) · (1 − 2i) = (1 + 2i)" in told


def test_a_result_that_is_no_scalar_stands_for_its_sum() -> None:
    x = leaf([1.0, 2.0], "x")
    y = x * 3.0
    assert "L is the sum of the elements of y." in explain(y).text
    weighted = explain(y, x, seed=[1.0, 10.0], at=1)
    assert "∂L/∂x[1] = +30, of [3, 30]" in weighted.text
    assert weighted.check is not None
    assert weighted.check.verdict == "agrees"
    assert "each times its seed" in explain(y, seed=[1.0, 10.0]).text


def test_what_the_graph_did_not_keep_is_said_with_what_to_do() -> None:
    rng = np.random.default_rng(0)
    x, c = leaf(rng.normal(size=(5, 6)), "x"), rng.normal(size=(5, 6))
    text = explain(np.tanh(x + c).sum(), x).text
    assert "not checked: add: it cannot be computed again" in text
    assert "requires_grad=True" in text


def test_the_chosen_element_is_followed() -> None:
    rng = np.random.default_rng(0)
    x = leaf(rng.normal(size=(5, 6)), "x")
    y = np.tanh(x)
    found = explain(y, at=(3, -1))
    assert found.incoming is not None
    assert found.incoming.place == (3, 5)
    assert found.inputs[0].place == (3, 5)
    loss = np.square(y).sum()
    loss.backward(retain_graph=True)
    largest = np.unravel_index(np.abs(x.grad).argmax(), x.shape)
    chosen = explain(loss, x).incoming
    assert chosen is not None
    assert chosen.place == largest


# ------------------------------------------------------------------------------ forms


def test_every_form_is_well_formed_whatever_the_names_are() -> None:
    name = "<b>&\"'_{}$%\\`|*#[x]"
    x = leaf([0.5, 1.0], name)
    found = explain(np.tanh(x).sum(), x)
    ET.fromstring(found.html)
    assert "<b>" not in found.html
    assert found.html == found._repr_html_()
    assert str(found) == found.text
    assert "$x$" not in found.markdown
    assert r"\mathit{" in found.latex
    assert repr(found).startswith("<Explanation of ")


def test_signs_are_commands_in_latex() -> None:
    x = leaf([0.5, -1.0], "σ")
    found = explain(x * x, x).latex
    assert "σ" not in found
    assert r"\ensuremath{\sigma}" in found
    assert r"\ensuremath{\leftarrow}" in found


def test_an_explanation_says_where_it_comes_from_and_changes_nothing() -> None:
    x = leaf(0.5, "x")
    y = np.tanh(x)
    before = x.grad
    found = explain(y)
    assert "test_explanation.py:" in found.text
    assert "y = np.tanh(x)" in found.text
    assert found.line in found.text
    assert x.grad is before
    assert explain(y).text == found.text


def test_one_sweep_serves_all_nodes() -> None:
    y, _ = neuron()
    reading = read("test", y)
    explainer = Explainer(Facts(reading, delta=0))
    found: list[Explanation] = [
        explainer.node(node) if node.op is not None else explainer.path(node)
        for node in reading.nodes
    ]
    assert [each.name for each in found] == list(reading.names.values())
    assert all("2Δ" not in each.text for each in found)


# ------------------------------------------------------------------------------ errors


def test_errors_teach() -> None:
    x = leaf([1.0, 2.0], "x")
    y = (x * x).sum()
    with pytest.raises(ExplanationError, match="at=5 is no element of x, whose shape is"):
        explain(y, x, at=5)
    with pytest.raises(ExplanationError, match="is not in it"):
        explain(y, leaf(1.0, "z"))
    with pytest.raises(ExplanationError, match="is a constant"):
        explain(y, Tensor(1.0))
    with pytest.raises(ExplanationError, match="is a float"):
        explain(y, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ExplanationError, match="no positive number"):
        explain(y, delta=0.0)
    with pytest.raises(DiagramError, match="expected a Tensor"):
        explain(1.0)  # type: ignore[arg-type]
    with pytest.raises(GradientError, match="does not depend on any"):
        explain(Tensor(1.0))
    y.backward()
    with pytest.raises(FreedGraphError, match="retain_graph=True"):
        explain(y)


def test_a_leaf_alone_is_its_own_output() -> None:
    found = explain(leaf(2.0, "x"))
    assert "It is the output: by itself it changes at the rate 1." in found.text


def test_names_of_greek_letters_are_written_alike_everywhere() -> None:
    beta = leaf([1.0, 2.0], "beta")
    g = (beta * 3.0).sum()
    for found in (explain(g, beta), explain(beta * 3.0)):
        told = [line for line in found.text.splitlines() if "Made at" not in line]
        assert "beta" not in "\n".join(told)
        assert "β" in told[0] + told[1] + told[2]


def test_a_tensor_without_elements_is_told_as_such() -> None:
    e = leaf(np.zeros((0, 3)), "e")
    doubled = e * 2.0
    loss = doubled.sum()
    assert "None: it has no elements." in explain(loss, e).text
    assert "doubled has no elements" in explain(loss).text
    assert "e has no elements" in explain(doubled).text
    with pytest.raises(ExplanationError, match=r"no element of e(.|\n)*there are no elements"):
        explain(loss, e, at=(0, 0))


def test_of_a_line_that_is_not_known_nothing_is_said() -> None:
    x = leaf(0.5, "x")
    scope = {"x": x}
    exec(compile("y = x * 2", "/usr/bin/tinygrad-edu", "exec"), scope)
    assert "Made at" not in explain(scope["y"]).text
    assert "unknown" not in explain(scope["y"]).text


def test_an_index_never_stands_below_an_index() -> None:
    assert indexed("linear1", (0, 2)).latex == r"{\mathit{linear1}}_{0, 2}"
    assert indexed("W", (0, 2)).latex == "{W}_{0, 2}"
    assert indexed("linear1", (0, 2)).mathml.count("<msub>") == 1


def test_the_factor_of_an_absolute_value_is_not_called_a_conjugate() -> None:
    z = leaf(3 + 4j, "z")
    text = explain(np.abs(z * z), z).text
    assert "these are the conjugates" not in text
    assert "the conjugate of the local derivative; of a real result, such as an absolute" in text
