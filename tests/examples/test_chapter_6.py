"""Learning techniques: the experiments find what the book and the articles tell.

What is deterministic is computed anew; what takes minutes is made shorter, with the same claim.
The full runs are in ``docs/book/results``, which ``test_results.py`` reads.
"""

import activation_histograms
import batch_norm
import dropout
import early_stopping
import initial_values
import learning_rates
import local_optimum
import numpy as np
import optimizer_paths
import optimizers_on_mnist
import overfitting
import preprocessing
import pytest
import regression
import vanishing_gradients
import weight_decay

from tinygrad_edu.data import curve, linear_problem, load_mnist, sine
from tinygrad_edu.models import MultiLayerNet
from tinygrad_edu.nn import CrossEntropyLoss, Linear
from tinygrad_edu.train import EarlyStopping, evaluate, one_thread

GUESSING = np.log(10)


@pytest.fixture(scope="module")
def digits():
    return load_mnist()


@pytest.fixture(autouse=True)
def small_products():
    with one_thread():
        yield


# ------------------------------------------------------------------------------ optimizers


@pytest.mark.acceptance("A23")
@pytest.mark.acceptance("A24")
@pytest.mark.acceptance("A25")
@pytest.mark.parametrize("name", optimizer_paths.BOOK)
def test_a_path_ends_where_the_book_ends(name):
    make, _, end = optimizer_paths.BOOK[name]
    points = optimizer_paths.path(make)
    assert points.shape == (31, 2)
    assert points[0].tolist() == [-7, 2]
    np.testing.assert_allclose(points[-1], end, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", optimizer_paths.MORE)
def test_the_other_optimizers_go_down_too(name):
    points = optimizer_paths.path(optimizer_paths.MORE[name])
    heights = optimizer_paths.valley(*points.T)
    assert heights[-1] < 0.1 * heights[0]


@pytest.mark.slow
@pytest.mark.acceptance("B4")
def test_sgd_is_the_last_of_four_on_mnist(digits):
    ends = {
        name: optimizers_on_mnist.losses(name, digits[:2], 400, 0)[-100:].mean()
        for name in optimizers_on_mnist.OPTIMIZERS
    }
    assert max(ends, key=ends.get) == "SGD"
    assert sorted(ends.values())[-2] < ends["SGD"] / 1.5


@pytest.mark.acceptance("S20")
def test_momentum_gets_out_of_a_local_optimum():
    ends = {
        name: local_optimum.path(local_optimum.wells, 2.0, make, 400)[-1]
        for name, make in local_optimum.WELLS.items()
    }
    roots = np.sort(np.roots([4, 0, -4, 0.3]))
    np.testing.assert_allclose([local_optimum.LOW, local_optimum.HIGH], roots[[0, 2]], atol=1e-5)
    assert ends["SGD"] == pytest.approx(roots[2], abs=1e-6)
    assert ends["momentum 0.5"] == pytest.approx(roots[2], abs=1e-6)
    assert ends["momentum 0.9"] == pytest.approx(roots[0], abs=1e-6)
    assert local_optimum.wells(roots[0]) < local_optimum.wells(roots[2]) - 0.5


@pytest.mark.acceptance("S20")
def test_momentum_and_adam_cross_a_plateau_sooner():
    steps = {
        name: local_optimum.arrival(local_optimum.path(local_optimum.plateau, 4.0, make, 2500))
        for name, make in local_optimum.PLATEAU.items()
    }
    assert 6 < steps["SGD"] / steps["momentum 0.9"] < 10
    assert steps["Adam"] < steps["momentum 0.9"] / 5


@pytest.mark.acceptance("S20")
def test_learning_rates_too_small_and_too_large(digits):
    small, right, large = (
        learning_rates.train(rate, digits, 300, 0).losses for rate in (0.001, 1.0, 100.0)
    )
    assert small[-50:].mean() == pytest.approx(GUESSING, abs=0.02)
    assert right[-50:].mean() < 0.5
    assert large[-50:].mean() > 2 * GUESSING


# ------------------------------------------------------------------------------ weights


def test_what_the_histograms_show():
    found = {
        (activation, name): activation_histograms.activations(activation, weight, seed=1)
        for activation in activation_histograms.ACTIVATIONS
        for name, weight in activation_histograms.WEIGHTS.items()
    }
    spread = {key: [layer.std() for layer in layers] for key, layers in found.items()}
    for layer in found["sigmoid", "std 1"]:
        assert np.mean((layer < 0.1) | (layer > 0.9)) > 0.5
    for layer in found["sigmoid", "std 0.01"]:
        assert np.abs(layer - 0.5).max() < 0.15
    assert max(spread["tanh", "std 0.01"][1:]) < 0.02
    assert min(spread["tanh", "Xavier"]) > 0.25
    assert spread["relu", "std 0.01"][-1] < 1e-5
    assert spread["relu", "Xavier"][-1] < spread["relu", "Xavier"][0] / 2
    assert 0.6 < min(spread["relu", "He"]) <= max(spread["relu", "He"]) < 1.3
    inside = [layer.std(axis=0).mean() for layer in found["sigmoid", "Xavier"]]
    assert inside[-1] < 0.01 * inside[0]  # though the histograms are as broad as before
    assert spread["sigmoid", "Xavier"][-1] > 0.08


@pytest.mark.slow
@pytest.mark.acceptance("B5")
def test_small_weights_stay_with_guessing_and_he_is_ahead_of_xavier(digits):
    stuck, xavier, he = (
        initial_values.losses(weight, digits[:2], 600, 0)[-100:].mean()
        for weight in initial_values.WEIGHTS.values()
    )
    assert stuck == pytest.approx(2.303, abs=0.01)
    assert he < xavier < 1.0


@pytest.mark.acceptance("S20")
@pytest.mark.parametrize("seed", range(3))
def test_gradients_vanish_under_sigmoid_and_not_under_relu(digits, seed):
    batch = digits.train_images[:200], digits.train_labels[:200]
    per_layer = {}
    for activation in vanishing_gradients.ACTIVATIONS:
        norms = vanishing_gradients.gradient_norms(activation, 12, batch, seed)
        assert norms.shape == (13,)
        per_layer[activation] = (norms[1] / norms[-2]) ** (1 / 10)
    assert 0.2 < per_layer["sigmoid"] < 0.25
    assert 0.75 < per_layer["relu"] < 1.25


def test_batch_norm_learns_from_weights_that_are_too_small(digits):
    data = digits.train_images[:1000], digits.train_labels[:1000]
    with_norm, without = (
        batch_norm.accuracies(batch_norm.SCALES[7], batch_norm=on, data=data, epochs=6, seed=0)
        for on in (True, False)
    )
    assert with_norm.shape == without.shape == (7,)
    assert with_norm[-1] > 0.7
    assert without[-1] < 0.2


def test_a_run_that_overflows_keeps_its_accuracy(digits):
    data = digits.train_images[:1000], digits.train_labels[:1000]
    found = batch_norm.accuracies(1.0, batch_norm=False, data=data, epochs=2, seed=0)
    assert found.shape == (3,)
    assert np.isfinite(found).all()


# ------------------------------------------------------------------------------ overfitting


@pytest.mark.acceptance("S20")
def test_few_digits_are_learned_by_heart(digits):
    run = overfitting.train(digits, 300, 603, 0, 603).records[-1]
    assert run["train_accuracy"] > 0.99
    assert 0.65 < run["test_accuracy"] < 0.85
    assert run["test_loss"] > 10 * run["train_loss"]


def test_weight_decay_is_the_books_loss(digits):
    """λ/2 · Σ W² in the loss, biases left out, gives the same steps as the optimizer's groups."""
    net = weight_decay.train(0.1, digits, 1, seed=0).model
    plain = MultiLayerNet(weight_decay.SIZES, weight="he", rng=np.random.default_rng([0, 0]))
    rng, loss = np.random.default_rng([0, 1]), CrossEntropyLoss()
    for _ in range(3):
        rows = rng.integers(300, size=100)
        plain.zero_grad()
        weights = [layer.weight for layer in plain.layers]
        penalty = sum(np.square(weight).sum() for weight in weights) * 0.05
        (loss(plain(digits.train_images[rows]), digits.train_labels[rows]) + penalty).backward()
        for parameter in plain.parameters():
            parameter.data = parameter.numpy() - np.float32(0.01) * parameter.grad
    for name, array in plain.state().items():
        np.testing.assert_allclose(net.state()[name], array, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.acceptance("B6")
@pytest.mark.acceptance("S19")
def test_weight_decay_narrows_the_gap(digits):
    run = weight_decay.train(0.1, digits, 201, seed=0, every=201).history.records[-1]
    assert 0.85 < run["train_accuracy"] < 0.99  # the book's run: .9267
    assert 0.62 < run["test_accuracy"] < 0.78  # .7207


def test_the_books_dropout_is_its_formula():
    layer = dropout.BookDropout(0.2, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((50, 40))
    trained = layer(x).numpy()
    kept = trained != 0
    np.testing.assert_allclose(trained[kept], x[kept], rtol=1e-15)
    assert kept.mean() == pytest.approx(0.8, abs=0.03)
    layer.eval()
    np.testing.assert_allclose(np.asarray(layer(x)), 0.8 * x, rtol=1e-15)


@pytest.mark.slow
@pytest.mark.acceptance("B7")
@pytest.mark.acceptance("S19")
def test_the_books_dropout_ends_where_the_book_ends(digits):
    run = dropout.train("book", digits, 301, seed=0, every=301).records[-1]
    assert 0.58 < run["train_accuracy"] < 0.75  # the book's run: .67
    assert 0.45 < run["test_accuracy"] < 0.62  # .5478


@pytest.mark.slow
@pytest.mark.acceptance("S19")
def test_early_stopping_keeps_the_net_from_wrong_labels(digits):
    sets = early_stopping.noisy_sets(digits, 0)
    assert {name: len(labels) for name, (_, labels) in sets.items()} == {
        "train": 2000, "validation": 1000, "test": 10_000,
    }  # fmt: skip
    sets["test"] = digits.test_images[:2000], digits.test_labels[:2000]
    full = early_stopping.trained(sets, 40, 0)
    stopping = EarlyStopping("validation_loss", 4, best="lowest")
    stopped = early_stopping.trained(sets, 40, 0, [stopping])
    assert stopped.epoch < 20
    accuracies = [evaluate(run.model, *sets["test"])["accuracy"] for run in (full, stopped)]
    assert accuracies[1] > accuracies[0] + 0.03


# ------------------------------------------------------------------------------ data


@pytest.mark.acceptance("S17")
def test_regression_of_one_input_comes_near_the_noise():
    wave = sine(800, noise=0.1, rng=5)
    fit = regression.regression(
        wave, lambda: MultiLayerNet([1, 32, 32, 1], activation="tanh", rng=0), 60, 5
    )
    assert len(fit.targets) == 200  # a quarter
    assert fit.rmse < 0.12
    assert fit.r2 > 0.95
    truth = np.sin(2 * np.pi * fit.inputs)
    assert np.sqrt(np.mean(np.square(fit.predicted - truth))) < 0.05


@pytest.mark.acceptance("S17")
def test_regression_of_several_inputs_finds_least_squares():
    flat = linear_problem(800, inputs=4, noise=0.1, scales=[0.1, 1, 10, 1000], rng=3)
    fit = regression.regression(flat[:2], lambda: Linear(4, 1, rng=0), 60, 3)
    learned, exact = regression.least_squares(fit, flat[:2], 3)
    sigma_x, sigma_t = fit.x.state()["scale"], fit.t.state()["scale"]
    np.testing.assert_allclose(learned * sigma_x / sigma_t, exact * sigma_x / sigma_t, atol=1e-3)


@pytest.mark.acceptance("S17")
def test_the_same_data_as_classes():
    rough = curve(regression.surface, 1200, inputs=3, noise=0.1, rng=2)
    history, borders = regression.classification(rough, 40, 2)
    assert borders[0] < borders[1]
    assert history.records[-1]["test_accuracy"] > 0.8
    assert history.records[0]["test_accuracy"] < 0.6


@pytest.mark.acceptance("S19")
def test_standardised_inputs_need_fewer_steps():
    steps = {}
    for standardised in (False, True):
        fit = preprocessing.plane(standardised, 400, 1)
        steps[standardised] = preprocessing.arrival(fit["excess"])
        np.testing.assert_allclose(fit["weights"][0], 0)
        assert np.linalg.norm(fit["weights"][-1] - fit["best"]) < 0.05
    assert steps[True] < steps[False] / 5
