"""The steps of a sweep: their order, their numbers, and how they are worded."""

import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn
from tinygrad_edu.core.function import Function
from tinygrad_edu.core.op import OPS
from tinygrad_edu.draw.reading import read
from tinygrad_edu.errors import DiagramError, FreedGraphError, GradientError
from tinygrad_edu.explain.explanation import explain
from tinygrad_edu.explain.page import explain_html
from tinygrad_edu.explain.steps import forward_steps, steps
from tinygrad_edu.mathematics import number


def leaf(name, value):
    return Tensor(value, requires_grad=True, name=name)


def totals(found):
    """Return the last total of every input: its gradient at the chosen element."""
    return {c.name: (c.element, c.total) for step in found for c in step.contributions}


def test_steps_go_back_from_the_output_and_say_the_chain_rule_in_numbers():
    a, b = leaf("a", 2.0), leaf("b", -3.0)
    c = a * b
    d = c + b
    first, second = steps(d)
    assert (first.number, first.count, first.name, first.op) == (1, 2, "d", "add")
    assert (second.name, second.formula, second.incoming) == ("c", "a · b", 1.0)
    to_a, to_b = second.contributions
    assert (to_a.local, to_a.incoming, to_a.value, to_a.complete) == (-3.0, 1.0, -3.0, True)
    assert (to_b.before, to_b.value, to_b.total, to_b.later) == (1.0, 2.0, 3.0, True)
    assert str(second).splitlines()[1:] == [
        "  arrives  ∂d/∂c = +1 from d",
        "  passes   to a: ∂c/∂a = b = −3, times +1 = −3 (complete)",
        "           to b: ∂c/∂b = a = 2, times +1 = +2 (+1 so far, so +3; complete)",
    ]
    assert "test_steps.py" in second.line


def test_a_step_says_from_where_more_is_to_come():
    x = leaf("x", 3.0)
    y = x * x
    z = y + x
    first, _ = steps(z)
    to_x = first.contributions[1]
    assert not to_x.complete
    assert to_x.waiting == ("y",)
    assert "more to come from y" in str(first)


def test_gradients_that_arrive_from_several_rows_are_listed():
    x = leaf("x", 3.0)
    h = x * 2.0
    y = h * h
    found = steps(y)
    assert [(part.consumer, part.value) for part in found[1].parts] == [("y", 6.0), ("y", 6.0)]
    assert "= +12 = +6 from y, +6 from y" in str(found[1])


def test_totals_are_the_gradients_of_the_engine():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 5, rng=rng), nn.Tanh(), nn.Linear(5, 3, rng=rng))
    for name, parameter in model.named_parameters():
        parameter.name = name
    x = rng.random((6, 4), dtype=np.float32)
    loss = nn.CrossEntropyLoss()(model(x), rng.integers(0, 3, 6))
    told = steps(loss)
    found = totals(told)
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.backward()
    for name, parameter in model.named_parameters():
        place, total = found[name]
        assert total == pytest.approx(parameter.grad[place], rel=1e-6)
        last = [c for step in told for c in step.contributions if c.name == name][-1]
        largest = abs(total) == pytest.approx(np.abs(parameter.grad).max(), rel=1e-6)
        assert largest == (last.chosen == f"where the gradient of {name} is largest")


def test_where_one_product_is_the_whole_its_factors_multiply_to_it():
    rng = np.random.default_rng(0)
    w = leaf("w", rng.normal(size=(4, 5)))
    h = np.tanh(w)
    loss = (h**2).mean()
    for step in steps(loss):
        for each in step.contributions:
            assert each.local * each.incoming == pytest.approx(each.value)


def numeral(text):
    """Return a number as it is printed."""
    plain = text.strip("()").replace("−", "-")
    return complex(re.sub(r" ([+-]) ", r"\1", plain).replace("i", "j") if "i" in plain else plain)


def worked_out(sum_of_products):
    """Return what a printed sum of products comes to."""
    total = 0
    for term in re.split(r" \+ (?=\()", sum_of_products):
        value = 1
        for factor in term.split(" · "):
            value *= numeral(factor)
        total += value
    return total


def test_a_longer_sum_of_products_is_written_out():
    rng = np.random.default_rng(0)
    w, b = leaf("w", rng.normal(size=(3, 2))), leaf("b", np.zeros(2))
    y = rng.normal(size=(6, 3)) @ w + b
    (add, matmul) = steps(y.sum())[1:]
    to_b, to_w = add.contributions[1], matmul.contributions[0]
    assert (to_b.local, to_w.local) == (None, None)
    assert "∂y/∂b = 1, times the gradient, summed over 6 elements of y: (+1) · 1 + " in str(add)
    for each, step in ((to_b, add), (to_w, matmul)):
        printed = re.search(r"elements of \w+: (.*) = (\S+) \(complete\)", str(each))
        assert printed is not None, str(each)
        assert worked_out(printed[1]) == pytest.approx(each.value, rel=1e-3)
        assert numeral(printed[2]) == pytest.approx(each.value, rel=1e-3)
        assert all(term.place[1] == each.element[-1] for term in each.sum.terms), step


def test_the_elements_of_a_step_are_told_apart():
    v, A = leaf("v", [1.0, 2.0, 3.0]), np.array([[2.0, 1.0, 2.0], [3.0, 1.0, 5.0]])
    text = str(steps((A * v + 2.0).sum())[-1])
    assert "arrives  ∂sum1/∂multiply1[0, 0] = +1" in text
    assert (
        "to v[0]: ∂multiply1/∂v = A, times the gradient, summed over "
        "multiply1[0, 0] and multiply1[1, 0]: (+1) · 2 + (+1) · 3 = +5 (complete)"
    ) in text


def test_a_factor_is_that_of_the_element_that_is_named():
    x = leaf("x", [0.1, 2.0, -1.0])
    y = np.square(np.tanh(x))
    _, last = steps(y, seed=np.array([4.0, 5.0, 0.2]))
    (to_x,) = last.contributions
    (k,) = last.element
    assert to_x.element == (k,)
    assert f"to x[{k}]: " in str(last).replace(", where the gradient of x is largest", "")
    assert f", there {number(1 - np.tanh(x.numpy()[k]) ** 2)}, times " in str(last)
    assert to_x.local * last.incoming == pytest.approx(to_x.value)


def test_one_tensor_that_is_two_arguments_says_which():
    c = leaf("c", 2.0)
    text = str(steps(c * c)[0])
    assert "to c, as the 1st argument: " in text
    assert "to c, as the 2nd argument: " in text


def test_the_chain_rule_of_complex_numbers_is_true_as_printed():
    c = leaf("c", 1 + 2j)
    square = c * c
    _, step = steps(np.abs(square))
    wanted = "∂square/∂c = c = 1 + 2i, its conjugate 1 − 2i, times (−0.6 + 0.8i) = (1 + 2i)"
    assert str(step).count(wanted) == 2
    for build in (
        lambda z: np.imag(z) * 3.0,
        np.angle,
        lambda z: np.abs(np.conj(z) * (1 + 1j)),
        lambda z: np.abs(np.exp(z.real * (2 + 1j)) - 1),
    ):
        for each in (c for step in steps(build(leaf("z", 1 - 0.5j))) for c in step.contributions):
            if each.local is None:
                continue
            product = each.local * each.incoming
            real = "of which the real part" in str(each)
            assert (product.real if real else product) == pytest.approx(each.value), str(each)
            slope = np.conj(each.slope) if "its conjugate" in str(each) else each.slope
            assert slope == pytest.approx(each.local)


@pytest.mark.parametrize(
    ("call", "slope"), [(np.imag, -1j), (np.angle, -1j / (3 + 4j)), (np.abs, 0.6 + 0.8j)]
)
def test_the_stated_slope_by_a_complex_number_is_the_number_beside_it(call, slope):
    (step,) = steps(call(leaf("z", 3 + 4j)))
    assert step.contributions[0].slope == pytest.approx(slope)


def test_names_of_greek_letters_are_written_alike():
    beta = leaf("beta", 2.0)
    text = str(steps(beta * 3.0)[0]).partition("\n")
    assert "beta" not in text[2]
    assert "= β · 3" in text[0]
    assert "to β: " in text[2]


def test_a_tensor_without_elements_has_steps():
    e = leaf("e", np.zeros((0, 3)))
    first, second = steps((e * 2.0).sum())
    assert first.contributions == second.contributions == ()
    assert "arrives  nothing: it has no elements" in str(second)
    assert str(steps(e * 2.0)[0])
    assert [step.value for step in forward_steps(e * 2.0)] == ["[]"]


def test_of_a_line_that_is_not_known_nothing_is_said():
    scope = {"x": leaf("x", 2.0)}
    exec(compile("y = x * 3.0", "/usr/bin/tinygrad-edu", "exec"), scope)
    for told in (*steps(scope["y"]), *forward_steps(scope["y"])):
        assert "(multiply)" in str(told)


def test_a_row_that_no_gradient_reaches_has_no_step():
    x = leaf("x", 3.0)
    y = np.where(np.array(True), x * 2.0, 1.0)
    assert [step.op for step in steps(y)] == ["where", "multiply"]


def test_the_seed_is_what_the_sweep_begins_with():
    x = leaf("x", np.arange(3.0))
    (step,) = steps(x * 2.0, seed=np.array([0.0, 5.0, 1.0]))
    assert step.incoming == 5.0
    assert step.element == (1,)
    assert [(part.consumer, part.value) for part in step.parts] == [("", 5.0)]


def test_a_tensor_called_seed_is_not_taken_for_the_seed():
    h = leaf("x", 3.0) * 1.0
    seed = h * 2.0
    first, last = steps(seed)
    assert first.arrives.endswith("+1 (seed)")
    assert last.arrives.endswith("+2 from seed")


def test_a_seed_of_another_shape_is_refused():
    x = leaf("x", np.arange(3.0))
    with pytest.raises(GradientError, match="steps"):
        steps(x * 2.0, seed=np.ones(2))


def test_a_constant_has_no_steps_and_no_page(tmp_path):
    page = tmp_path / "page.html"
    for tell in (steps, lambda output: explain_html(output, page)):
        with pytest.raises(GradientError, match="does not depend on any tensor that requires"):
            tell(Tensor(3.0))
    assert not page.exists()


def test_complex_gradients_are_those_that_users_know():
    z = leaf("z", 1.0 + 2.0j)
    y = np.abs(z * z) ** 2
    (place, total), _ = totals(steps(y))["z"], y.backward()
    assert place == ()
    assert total == pytest.approx(z.grad.item())


def test_what_is_no_number_is_the_element_that_is_looked_at():
    x = leaf("x", np.array([9.0, np.nan, 4.0]))
    assert totals(steps((x * x).sum()))["x"][0] == (1,)


def test_forward_steps_say_what_was_computed_of_what():
    a, b = leaf("a", 2.0), leaf("b", -3.0)
    c = a * b
    d = c + 1.0
    first, second = forward_steps(d)
    assert (first.name, first.formula, first.value) == ("c", "a · b", "−6")
    assert first.inputs == (("a", "2"), ("b", "−3"))
    assert "d = c + 1 = −5" in str(second)
    assert forward_steps(read("test", d)) == (first, second)


def test_a_value_that_was_not_kept_is_told_by_its_shape():
    w = leaf("w", np.ones((5, 5)))
    y = (w + 1.0) + 2.0
    assert [step.value for step in forward_steps(y)] == ["5 × 5 float64"] * 2


def test_steps_are_the_same_in_every_run():
    def told():
        x = leaf("x", np.arange(6.0).reshape(2, 3))
        y = np.exp(x).sum()
        return [*map(str, steps(y)), *map(str, forward_steps(y))]

    assert told() == told()


def test_what_has_no_graph_is_refused_in_words():
    with pytest.raises(DiagramError, match="expected a Tensor"):
        steps(3.0)
    x = leaf("x", 3.0)
    y = x * x
    y.backward()
    with pytest.raises(FreedGraphError):
        steps(y)


def test_hooks_are_not_called_for_local_derivatives():
    x = leaf("x", 3.0)
    y = x * x
    called = []
    x.register_hook(lambda g: called.append(float(g)))
    steps(y)
    assert len(called) <= 1  # by the one sweep


@pytest.mark.parametrize("name", ["conv2d", "lstm_scan", "batch_norm", "softmax_cross_entropy"])
def test_fused_rows_have_steps(name):
    row = OPS[name]
    case = row.cases[0]
    rng = np.random.default_rng(0)
    arrays = [
        leaf(f"x{i}", rng.uniform(0.1, 0.9, each)) if isinstance(each, tuple) else each
        for i, each in enumerate(case.arrays)
    ]
    result = row(*arrays, **case.params)
    found = steps(result)
    assert totals(found)
    assert all(str(step) for step in found)


def test_a_step_follows_the_element_that_the_arriving_one_feeds():
    X = leaf("X", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    m = X.mean(axis=1, keepdims=True)
    d = X - m
    out = (d * d).sum() / np.sqrt((X * X).sum())
    for step in steps(out):
        for each in step.contributions:
            if step.op in ("multiply", "subtract") and each.size == step.size:
                assert each.element == step.element, str(step)
    by_name = {step.name: step for step in steps(out)}
    square = by_name["multiply2"]
    assert square.element == (1, 2)  # all arrive alike: that which hands on most
    assert "to X[1, 2], as the 1st argument: ∂multiply2/∂X = X, there 6, times " in str(square)
    to_mean = by_name["d"].contributions[1]
    assert to_mean.element == (by_name["d"].element[0], 0)
    assert to_mean.brief.endswith("0 in all")


def test_what_was_not_chosen_is_not_followed():
    x = leaf("x", [1.0, -2.0])
    found = steps(np.where(np.array([True, False]), x * x, 3 * x).sum())
    square = next(step for step in found if step.formula == "x · x")
    assert square.element == (0,)
    assert {each.element for each in square.contributions} == {(0,)}
    assert [each.value for each in square.contributions] == [1.0, 1.0]


def test_where_a_gradient_is_called_the_largest_it_is():
    rng = np.random.default_rng(0)
    w, v = leaf("w", rng.normal(size=(4, 3))), leaf("v", rng.normal(size=3))
    x = rng.normal(size=(5, 4))
    loss = np.square(np.tanh(x @ w) * v).sum()
    told = steps(loss)
    loss.backward()
    seen = set()
    for step in told:
        for each in step.contributions:
            if each.name in ("w", "v"):
                grad = {"w": w, "v": v}[each.name].grad
                assert each.total == pytest.approx(grad[each.element])
                largest = f"where the gradient of {each.name} is largest"
                assert (each.chosen == largest) == (abs(each.total) == np.abs(grad).max())
                seen.add(each.chosen)
    assert seen


def test_axes_are_told():
    A = leaf("A", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    for result, forward, local in (
        (A.sum(axis=0), "Σ A over axis 0", ", repeated over axis 0"),
        (A.mean(axis=(0,)), "Σ A / n over axis 0", ", n counted over axis 0"),
        (np.max(A, axis=0), "max A over axis 0", "to the largest of A over axis 0; ties"),
        (A.var(axis=1), "Σ (A − mean)² / n over axis 1", "(A − mean(A)) / n, over axis 1"),
        (np.cumsum(A, axis=1), "Σ A up to i along axis 1", ""),
        (A.softmax(axis=-1), "along axis −1", "∂L/∂"),
    ):
        text = str(steps(result)[-1])
        assert forward in text
        assert local in text
        assert forward in str(forward_steps(result)[-1])
        assert forward in explain(result).text
    for whole in (A.sum(), A.sum(axis=(0, 1)), leaf("v", [1.0, 2.0]).sum(axis=0)):
        assert "axis" not in str(steps(whole)[-1]).replace("axis=", "")


def test_what_L_is_is_said_where_it_is_no_tensor():
    x = leaf("x", [1.0, 2.0])
    y = x * x
    (step,) = steps(y, seed=[1.0, -2.0])
    assert "∂L/∂y[1] = −2 (seed); L is the sum of the elements of y, each times its seed" in str(
        step
    )
    assert "∂L/∂y[1] = +1 (seed); L is the sum of the elements of y; " in str(steps(y)[0])
    for told in (explain(y, x).text, explain(y).text):
        assert "L is the sum of the elements of y." in told
    seeded = explain(y, x, seed=[1.0, -2.0]).text
    assert "L is the sum of the elements of y, each times its seed." in seeded
    assert "L is" not in explain(y.sum(), x).text


def test_batch_norm_is_told_as_it_runs():
    rng = np.random.default_rng(0)
    layer, x = nn.BatchNorm1d(3), leaf("x", rng.normal(size=(4, 3)).astype(np.float32))
    training = str(steps((layer(x) ** 2).sum())[-1])
    layer.eval()
    evaluation = str(steps((layer(x) ** 2).sum())[-1])
    assert "− its mean − x̂ · mean of" in training
    assert re.search(r"/∂x = \(\S+ / σ\) · ∂\w+/∂batch_norm1", evaluation)
    assert "mean of" not in evaluation
    none, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    bare = OPS["batch_norm"](x, None, None, none, one)
    assert "(1 / σ) · ∂L/∂bare" in str(steps(bare)[-1])


def test_no_row_gives_a_new_value_the_name_of_an_argument():
    for row in OPS.values():
        if ";" in row.formula:
            for name in row.arguments:
                assert not re.search(rf"(^|[;,] ){name}( =|, \w+ =)", row.formula), row.name


def test_a_function_of_the_users_is_called_by_its_name():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    y = Cube.apply(leaf("x", 2.0))
    assert "to x: ∂y/∂x: by the backward() of Cube, which gives +12 (complete)" in str(steps(y)[0])


def test_constants_are_written_as_other_numbers_are():
    y = leaf("x", 2.0) * 1e-9 + 100000.0
    text = str(forward_steps(y)) + "".join(map(str, forward_steps(y))) + str(steps(y)[-1])
    printed = "".join(map(str, forward_steps(y)))
    assert "x · 1e−9 = 2e−9" in printed
    assert "+ 100000 = 100000" in printed
    assert "1e-09" not in printed
    assert "∂multiply1/∂x = 1e−9, times" in text
    one = np.float64(1.0) * leaf("x", 2.0)
    assert "1 = 1" not in "".join(map(str, forward_steps(one)))


def test_what_adds_nothing_is_not_written():
    x = leaf("x", np.ones((2, 2)))
    assert forward_steps(np.tril(x))[-1].formula == "x[i, j] if j ≤ i, else 0"
    assert forward_steps(np.tril(x, 1))[-1].formula == "x[i, j] if j ≤ i + 1, else 0"
    assert forward_steps(x.var(ddof=1))[-1].formula == "Σ (x − mean)² / (n − 1)"
    assert forward_steps(x + 0.0)[-1].formula == "x + 0"
