"""Perceptrons to backpropagation: what each experiment tells is the published figure."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg

pytest.importorskip("matplotlib")

RESULTS = Path(__file__).parents[2] / "docs" / "book" / "results"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Return, for a name, the folder and the figures of its quick form, which is run once."""
    folder, known = tmp_path_factory.mktemp("results"), {}

    def of(name):
        if name not in known:
            importlib.import_module(name).main(["--quick", "--out", str(folder)])
            known[name] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return folder, known[name]["figures"]

    return of


def figures(told, name, number):
    """Return what an experiment tells of an acceptance figure, in order."""
    return [f for f in told(name)[1] if number in (f["number"] or "").split(", ")]


def told_by(name, number, *expected):
    return pytest.param(
        name, number, expected, id=f"{name}-{number}", marks=pytest.mark.acceptance(number)
    )


PRINTED = 5e-9  # the source prints eight digits

SIMPLE_NETS = {
    "S11": (
        ([0.82263473, -0.13474467, -1.80975762], 1.25e-8),
        (0, 0),
        (3.0079485, 6.5e-8),
        ([[0.4121426, 0.15822056, -0.57036316], [0.6182139, 0.23733084, -0.85554475]], 1.25e-8),
    ),
    "A16": (
        ([1.05414809, 0.63071653, 1.1328074], 1.25e-8),
        (0.9280682857864075, 1e-12),
        ([[0.21924757, 0.14356243, -0.36281], [0.32887136, 0.21534364, -0.544215]], 1.25e-8),
    ),
}
"""Scores, (best class,) loss and gradient; the last comes twice, numerical and recorded."""


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        told_by("perceptrons", "S1", ([0, 1, 1, 1], 0), ([0, 0, 0, 1], 0)),
        told_by(
            "perceptrons",
            "A1",
            *[(truth, 0) for truth in ([0, 0, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [0, 1, 1, 0])],
        ),
        told_by("activations", "S3", *[(0, 1e-12)] * 6),
        told_by("activations", "A4", ([0.01821127, 0.24519181, 0.73659691], 1e-8)),
        told_by("three_layers", "S2", ([0.40442364, 0.59557636], 1e-8)),
        told_by(
            "three_layers",
            "A2",
            ([0.3, 0.7, 1.1], 1e-12),
            ([0.57444252, 0.66818777, 0.75026011], 1e-8),
        ),
        told_by(
            "three_layers",
            "A3",
            ([0.51615984, 1.21402696], 1e-8),
            ([0.62624937, 0.7710107], 1e-8),
            ([0.31682708, 0.69627909], 1e-8),
        ),
        told_by("losses", "S4", (0.10000000000000003, 1e-12), (0.6000000000000001, 1e-12)),
        told_by("losses", "S5", (0.09750000000000003, 1e-12), (0.5975, 1e-12)),
        told_by("losses", "A6", (0.0975, 1e-12), (0.5975, 1e-12)),
        told_by("losses", "S6", *[(0.510825457099338, 1e-12), (2.302584092994546, 1e-12)] * 2),
        told_by("losses", "A7", *[(0.510825457099338, 1e-12), (2.302584092994546, 1e-12)] * 2),
        told_by("losses", "A8", *[(1.406704775046942, 1e-12)] * 2),
        told_by("losses", "S7", *[(1.406704775046942, 1e-12)] * 2, (0, 0)),
        told_by("numerical_derivative", "S8", (0.1999999999990898, 0), (6.00000000000378, 0)),
        told_by("numerical_derivative", "A9", (0.1999999999990898, 0), (0.2999999999986347, 0)),
        told_by("numerical_derivative", "A10", (6.00000000000378, 0), (7.999999999999119, 0)),
        told_by("numerical_derivative", "S9", ([6, 8], PRINTED)),
        told_by("numerical_derivative", "A11", *[(g, PRINTED) for g in ([6, 8], [0, 4], [6, 0])]),
        told_by(
            "numerical_derivative",
            "A12",
            ([6, 8], PRINTED),
            ([25000, 35000], 1e-7),
            ([6, 8], PRINTED),
            ([5.98907, 8.00133], 5e-6),
        ),
        told_by("gradient_descent", "A13", ([-6.11110793e-10, 8.14814391e-10], 5e-19)),
        told_by("gradient_descent", "A14", ([-0.03458765, 0.04611686], 5e-9)),
        told_by(
            "gradient_descent",
            "A15",
            ([-2.58983747e13, -1.29524862e12], 5e4),
            ([-2.99999994, 3.99999992], 5e-9),
        ),
        told_by("simple_net", "S11", *SIMPLE_NETS["S11"], SIMPLE_NETS["S11"][-1], (0, 1e-9)),
        told_by("simple_net", "A16", *SIMPLE_NETS["A16"], SIMPLE_NETS["A16"][-1], (0, 1e-9)),
        told_by("apples_and_oranges", "A17", ([220, 2.2, 110, 200], 1e-12)),
        told_by(
            "apples_and_oranges",
            "A18",
            *[(value, 1e-12) for value in (715, 2.2, 110, 3.3000000000000003, 165, 650)],
        ),
    ],
)
def test_the_experiment_tells_the_published_figure(told, name, number, expected):
    found = figures(told, name, number)
    for figure, (value, tolerance) in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            figure["ours"], value, rtol=0, atol=tolerance, err_msg=figure["what"]
        )


@pytest.mark.acceptance("S10")
def test_gradient_descent_arrives_explodes_or_stays(told):
    good, large, small = (np.array(f["ours"]) for f in figures(told, "gradient_descent", "S10"))
    assert np.linalg.norm(good) < 2e-9
    assert np.linalg.norm(large) > 1e13
    np.testing.assert_allclose(small, [-3, 4], atol=1e-7)


@pytest.mark.acceptance("A5")
def test_softmax_of_large_scores_is_told_and_the_naive_one_is_nan(told):
    stable, naive = figures(told, "activations", "A5")
    expected = [9.999546e-1, 4.53978686e-5, 2.06106005e-9]
    np.testing.assert_allclose(stable["ours"], expected, rtol=1e-6)
    assert naive["ours"] == "[nan, nan, nan]"


@pytest.mark.parametrize(
    "name",
    [
        "activations",
        "apples_and_oranges",
        "gradient_descent",
        "losses",
        "simple_net",
        "small_change",
        "three_layers",
    ],
)
def test_the_figures_in_the_docs_are_those_of_a_run_now(told, name):
    kept = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["figures"]
    now = told(name)[1]
    assert [f["what"] for f in kept] == [f["what"] for f in now]
    for before, after in zip(kept, now, strict=True):
        if isinstance(after["ours"], str):
            assert before["ours"] == after["ours"]
        else:
            # The end of a descent that explodes is made of roundings.
            np.testing.assert_allclose(before["ours"], after["ours"], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("apples_and_oranges", ("apple", "oranges", "tax", "multiply", "715", "650")),
        ("small_change", ("sin", "square", "exp", "3.021")),
        ("three_layers", ("W1", "b3", "matmul", "sigmoid", "softmax", "0.5956")),
    ],
)
def test_the_recorded_graph_is_drawn(told, name, words):
    drawing = (told(name)[0] / f"{name}_graph.svg").read_text(encoding="utf-8")
    assert drawing.startswith(("<?xml", "<svg"))
    for word in words:
        assert word in drawing


# ------------------------------------------------------------------------------ perceptrons


def test_one_layer_stays_a_guess_on_xor_and_two_layers_learn_it(told):
    found = {f["what"]: f["ours"] for f in told("perceptrons")[1]}
    assert found["loss on XOR, one layer"] == pytest.approx(np.log(2), abs=1e-4)
    assert found["loss on XOR, two layers"] < 0.02
    assert found["rows of XOR that two layers answer rightly"] == 4


# ------------------------------------------------------------------------------ activations


@pytest.mark.acceptance("S3")
def test_the_functions_of_the_article_with_their_derivatives():
    activations = importlib.import_module("activations")
    x, functions = activations.X, activations.FUNCTIONS
    np.testing.assert_allclose(x[[0, -1]], [-5, 4.9])
    np.testing.assert_array_equal(functions["step"](x), x > 0)
    np.testing.assert_allclose(functions["sigmoid"](x), 1 / (1 + np.exp(-x)), rtol=1e-15)
    np.testing.assert_array_equal(functions["ReLU"](x), np.maximum(x, 0))
    np.testing.assert_array_equal(functions["identity"](x), x)
    np.testing.assert_allclose(functions["softmax"](x), np.exp(x) / np.exp(x).sum(), rtol=1e-14)
    x = x[np.abs(x) > 1e-3]  # two of them have no derivative at 0
    h = 1e-5
    for name in ("sigmoid", "tanh", "ReLU", "identity", "step"):
        slope = (functions[name](x + h) - functions[name](x - h)) / (2 * h)
        np.testing.assert_allclose(activations.slope(name, x), slope, atol=1e-9)
    y = tg.softmax(x)
    np.testing.assert_allclose(activations.slope("softmax", x), y * (1 - y), atol=1e-15)


# ------------------------------------------------------------------------------ derivatives


def test_the_errors_of_the_formulas_have_their_orders_and_rounding_limits_them():
    experiment = importlib.import_module("numerical_derivative")
    error = experiment.errors(np.array([1e-12, 1e-4, 1e-3, 1e-2]))
    for name, order in (("forward", 1), ("central", 2)):
        rounding, small, large, _ = error[name]
        assert large / small == pytest.approx(10**order, rel=0.02)
        assert 1e-7 < rounding < 1e-3
    assert error["five-point"][3] < 1e-3 * error["central"][3] < 1e-4 * error["forward"][3]
    assert error["central in float32"][0] == 1  # x + h is x: a slope of 0


# ------------------------------------------------------------------------------ backpropagation


@pytest.mark.acceptance("S13")
def test_the_formula_of_one_neuron_is_printed_beside_the_recorded_gradient(told):
    found = figures(told, "hand_derived", "S13")
    for values, difference in zip(found[::2], found[1::2], strict=True):
        np.testing.assert_allclose(values["ours"], values["source"], rtol=0, atol=1e-12)
        assert np.all(np.abs(values["source"]) > 1e-3)
        assert difference["ours"] <= 1e-12


@pytest.mark.acceptance("S14")
def test_the_recurrence_is_printed_beside_the_recorded_gradient(told):
    first, second, difference, deepest = figures(told, "hand_derived", "S14")
    for values in (first, second):
        assert np.shape(values["ours"]) == (3, 4)  # three units and the bias
        np.testing.assert_allclose(values["ours"], values["source"], rtol=0, atol=1e-12)
        assert np.all(np.abs(values["source"]) > 1e-4)
    assert difference["ours"] <= 1e-12
    assert deepest["ours"] <= 1e-12


def test_the_comparison_with_the_hand_derived_gradient_sees_a_wrong_weight():
    experiment = importlib.import_module("hand_derived")
    weights, x, target = experiment.problem([4] * 6, 3)
    hand = experiment.by_hand(weights, x, target)[2]
    weights[2] = weights[2] * (1 + 1e-6)
    swept = experiment.recorded(weights, x, target)
    assert experiment.largest_difference(hand, swept) > 1e-10


@pytest.mark.acceptance("S15")
def test_half_the_change_leaves_a_quarter_of_the_error(told):
    partial, whole, ratios, share = figures(told, "small_change", "S15")
    z1, z2 = np.sin(0.8), 0.8**2
    np.testing.assert_allclose(partial["ours"], [z2 + np.exp(z1), z1], rtol=1e-14)
    slope = (z2 + np.exp(z1)) * np.cos(0.8) + z1 * 1.6
    assert whole["ours"] == pytest.approx(slope, rel=1e-14)
    assert len(ratios["ours"]) == 7
    assert all(3.5 < ratio < 4.5 for ratio in ratios["ours"])
    assert share["ours"] < 1e-3


# ------------------------------------------------------------------------------ the article's net


@pytest.mark.acceptance("S16")
def test_the_articles_net_falls_and_does_not_claim_what_it_cannot_reach(told):
    found = {f["what"]: f["ours"] for f in figures(told, "article_net", "S16")}
    for rate in ("rate 0.01", "rate 30"):
        assert all(fall > 0 for fall in found[f"{rate}: fall of the error"])
        assert "below ε" not in found[f"{rate}: why it stopped"]
    assert min(found["least error of any net on the same data"]) > 0.01
    assert min(found["error at the end minus least error"]) >= 0
    assert found["targets that the net can reach: error at the end"] < 0.01
    assert found["the same: why it stopped"] == "below ε"


@pytest.mark.acceptance("S16")
def test_the_articles_net_says_when_the_error_has_stopped_falling():
    experiment = importlib.import_module("article_net")
    run = experiment.random_run(0, 50, experiment.FAST, least_fall=1e-3)
    falls = -np.diff(run.errors)
    assert run.reason == "stopped falling"
    assert 1 < len(falls) < 50
    assert np.all(falls[:-1] > 1e-3)
    assert falls[-1] <= 1e-3
    assert experiment.random_run(0, 5, experiment.FAST).reason == "out of 5 passes"


def test_the_least_error_is_what_the_best_function_leaves():
    experiment = importlib.import_module("article_net")
    inputs = np.array([[0.0, 1, 0], [0, 1, 0], [1, 1, 1]])
    targets = np.array([[0.0, 0, 1], [1, 0, 1], [0, 1, 0]])
    assert experiment.least_error(inputs, targets) == pytest.approx(0.5 / 3)
    assert experiment.least_error(np.eye(3), targets) == 0


# ------------------------------------------------------------------------------ MNIST


@pytest.mark.acceptance("A21")
def test_both_gradients_are_nearer_than_the_books(told):
    found = figures(told, "two_layer_net", "A21")
    for figure, book in zip(found, (1.8e-6, 2.4e-5, 6.2e-9, 1.4e-7), strict=True):
        assert 0 < figure["ours"] < book


@pytest.mark.acceptance("S12")
def test_the_first_epoch_on_mnist_is_the_articles(told):
    before, after = (np.array(f["ours"]) for f in figures(told, "two_layer_net", "S12"))
    assert np.all(before < 0.2)
    assert np.all((after >= 0.70) & (after <= 0.85))


def test_a_numerical_gradient_costs_thousands_of_backward_passes(told):
    found = {f["what"]: f["ours"] for f in told("two_layer_net")[1]}
    assert found["losses for one numerical gradient"] == 2 * 39_760


@pytest.mark.slow
@pytest.mark.acceptance("B3")
def test_with_relu_the_accuracy_is_that_of_chapter_5():
    experiment = importlib.import_module("two_layer_net")
    last = experiment.trained(experiment.load_mnist(), "relu", 0).history.records[-1]
    assert last["iteration"] == 10_000
    assert last["train_accuracy"] >= 0.962
    assert last["test_accuracy"] >= 0.962
