"""The update rules against the book's figures and against the formulas written out plainly."""

import numpy as np
import pytest

from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim import (
    LAMB,
    LBFGS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    RAdam,
    RMSProp,
)
from tinygrad_edu.testing import check_optimizer

# ------------------------------------------------------------------------ the book's paths

BOOK = {
    "SGD": (
        lambda p: SGD(p, 0.95),
        (-0.3503929957523197, 0.0847823165504322),
    ),
    "Momentum": (
        lambda p: SGD(p, 0.1, momentum=0.9, book=True),
        (0.896413858493733, 0.08808560171506971),
    ),
    "Momentum, PyTorch's form": (
        lambda p: SGD(p, 0.1, momentum=0.9),
        (0.896413858493733, 0.08808560171506971),
    ),
    "Nesterov": (
        lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True, book=True),
        (0.6896149016966209, -0.0006799058361171969),
    ),
    "Nesterov, PyTorch's form": (
        lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True),
        (0.6896149016966209, -0.0006799058361171969),
    ),
    "AdaGrad": (
        lambda p: AdaGrad(p, 1.5, book=True),
        (-0.12016232231416045, 2.486389893984459e-17),
    ),
    "RMSProp": (
        lambda p: RMSProp(p, 0.3, book=True),
        (-5.351327040428192e-06, 1.5085100037516103e-11),
    ),
    "Adam": (
        lambda p: Adam(p, 0.3, book=True),
        (0.13600685239498186, 0.31824537553721943),
    ),
}


@pytest.mark.acceptance("A23")
@pytest.mark.acceptance("A24")
@pytest.mark.acceptance("A25")
@pytest.mark.parametrize("rule", BOOK)
def test_thirty_steps_end_where_the_book_ends(rule):
    make, expected = BOOK[rule]
    x, y = Parameter(np.float64(-7.0), name="x"), Parameter(np.float64(2.0), name="y")
    optimizer = make([x, y])
    for _ in range(30):
        optimizer.zero_grad()
        (x * x / 20 + y * y).backward()
        optimizer.step()
    assert (x.item(), y.item()) == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda p, book: AdaGrad(p, 0.5, book=book),
        lambda p, book: RMSProp(p, 0.5, book=book),
        lambda p, book: Adam(p, 0.5, book=book),
    ],
)
def test_the_book_form_is_not_the_default(make):
    ends = []
    for book in (True, False):
        p = Parameter(np.float64(1.0))
        optimizer = make([p], book)
        for _ in range(3):
            p.grad = np.float64(1e-6)
            optimizer.step()
        ends.append(p.item())
    assert abs(ends[0] - ends[1]) > 1e-3


# ------------------------------------------------------------------------ the formulas, plainly


def sgd(lr, mu=0.0, damp=0.0, nesterov=False, wd=0.0):
    v = None

    def step(p, g, _t):
        nonlocal v
        g = g + wd * p
        if mu:
            v = g if v is None else mu * v + (1 - damp) * g
            g = g + mu * v if nesterov else v
        return p - lr * g

    return step


def book_momentum(lr, mu, nesterov=False):
    v = 0

    def step(p, g, _t):
        nonlocal v
        v = mu * v - lr * g
        return p + (mu * v - lr * g if nesterov else v)

    return step


def adagrad(lr, eps=1e-10, wd=0.0, fall=0.0, start=0.0):
    h = start

    def step(p, g, t):
        nonlocal h
        g = g + wd * p
        h = h + g**2
        return p - lr / (1 + (t - 1) * fall) * g / (np.sqrt(h) + eps)

    return step


def rmsprop(lr, alpha=0.99, eps=1e-8, wd=0.0, mu=0.0, centered=False):
    h = mean = v = 0

    def step(p, g, _t):
        nonlocal h, mean, v
        g = g + wd * p
        h = alpha * h + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        v = mu * v + g / (np.sqrt(h - mean**2 if centered else h) + eps)
        return p - lr * v

    return step


def adam(lr, b1=0.9, b2=0.999, eps=1e-8, wd=0.0, amsgrad=False, decoupled=False, book=False):
    m = v = top = 0

    def step(p, g, t):
        nonlocal m, v, top
        if decoupled:
            p = p * (1 - lr * wd)
        else:
            g = g + wd * p
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        top = np.maximum(top, v)
        mean, square = m / (1 - b1**t), (top if amsgrad else v)
        if book:
            return p - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(square) + eps)
        return p - lr * mean / (np.sqrt(square / (1 - b2**t)) + eps)

    return step


def adadelta(lr=1.0, rho=0.9, eps=1e-6, wd=0.0):
    squares = steps = 0

    def step(p, g, _t):
        nonlocal squares, steps
        g = g + wd * p
        squares = rho * squares + (1 - rho) * g**2
        delta = np.sqrt(steps + eps) / np.sqrt(squares + eps) * g
        steps = rho * steps + (1 - rho) * delta**2
        return p - lr * delta

    return step


def adamax(lr=2e-3, b1=0.9, b2=0.999, eps=1e-8, wd=0.0):
    m = u = 0

    def step(p, g, t):
        nonlocal m, u
        g = g + wd * p
        m = b1 * m + (1 - b1) * g
        u = np.maximum(b2 * u, np.abs(g) + eps)
        return p - lr / (1 - b1**t) * m / u

    return step


def nadam(lr=2e-3, b1=0.9, b2=0.999, eps=1e-8, wd=0.0, psi=4e-3, decoupled=False):
    m = v = 0
    mu = lambda t: b1 * (1 - 0.5 * 0.96 ** (t * psi))

    def step(p, g, t):
        nonlocal m, v
        if decoupled:
            p = p * (1 - lr * wd)
        else:
            g = g + wd * p
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        done = np.prod([mu(i) for i in range(1, t + 1)])
        ahead = mu(t + 1) * m / (1 - done * mu(t + 1)) + (1 - mu(t)) * g / (1 - done)
        return p - lr * ahead / (np.sqrt(v / (1 - b2**t)) + eps)

    return step


def radam(lr=1e-3, b1=0.9, b2=0.999, eps=1e-8, wd=0.0, decoupled=False):
    m = v = 0

    def step(p, g, t):
        nonlocal m, v
        if decoupled:
            p = p * (1 - lr * wd)
        else:
            g = g + wd * p
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        last = 2 / (1 - b2) - 1
        now = last - 2 * t * b2**t / (1 - b2**t)
        mean = m / (1 - b1**t)
        if now <= 5:
            return p - lr * mean
        trust = np.sqrt((now - 4) * (now - 2) * last / ((last - 4) * (last - 2) * now))
        return p - lr * mean * trust * np.sqrt(1 - b2**t) / (np.sqrt(v) + eps)

    return step


def upward(rule):
    return lambda p, g, t: rule(p, -g, t)


PAIRS = {
    "sgd, upward": (lambda p: SGD(p, 0.01, maximize=True), upward(sgd(0.01))),
    "adam, decay, upward": (
        lambda p: Adam(p, 0.01, weight_decay=0.1, maximize=True),
        upward(adam(0.01, wd=0.1)),
    ),
    "adagrad, lr decay": (
        lambda p: AdaGrad(p, 0.3, lr_decay=0.2, initial_accumulator_value=0.5),
        adagrad(0.3, fall=0.2, start=0.5),
    ),
    "adadelta": (lambda p: AdaDelta(p), adadelta()),
    "adadelta, all": (
        lambda p: AdaDelta(p, 0.5, rho=0.8, eps=1e-3, weight_decay=0.1),
        adadelta(0.5, 0.8, 1e-3, 0.1),
    ),
    "adamax": (lambda p: Adamax(p), adamax()),
    "adamax, all": (
        lambda p: Adamax(p, 0.1, betas=(0.5, 0.8), eps=1e-2, weight_decay=0.1),
        adamax(0.1, 0.5, 0.8, 1e-2, 0.1),
    ),
    "nadam": (lambda p: NAdam(p), nadam()),
    "nadam, all": (
        lambda p: NAdam(p, 0.1, (0.5, 0.8), 1e-2, 0.2, 0.3, True),
        nadam(0.1, 0.5, 0.8, 1e-2, 0.2, 0.3, True),
    ),
    "nadam, L2": (lambda p: NAdam(p, 0.1, weight_decay=0.2), nadam(0.1, wd=0.2)),
    "radam": (lambda p: RAdam(p), radam()),
    "radam, all": (
        lambda p: RAdam(p, 0.1, (0.5, 0.8), 1e-2, 0.2, True),
        radam(0.1, 0.5, 0.8, 1e-2, 0.2, True),
    ),
    "radam, L2": (lambda p: RAdam(p, 0.1, weight_decay=0.2), radam(0.1, wd=0.2)),
    "sgd": (lambda p: SGD(p, 0.1), sgd(0.1)),
    "sgd, default lr": (lambda p: SGD(p), sgd(1e-3)),
    "decay": (lambda p: SGD(p, 0.1, weight_decay=0.2), sgd(0.1, wd=0.2)),
    "momentum": (lambda p: SGD(p, 0.1, momentum=0.8), sgd(0.1, 0.8)),
    "momentum, decay": (
        lambda p: SGD(p, 0.1, momentum=0.8, weight_decay=0.1),
        sgd(0.1, 0.8, wd=0.1),
    ),
    "dampening": (lambda p: SGD(p, 0.1, momentum=0.8, dampening=0.5), sgd(0.1, 0.8, 0.5)),
    "nesterov": (
        lambda p: SGD(p, 0.1, momentum=0.8, nesterov=True, weight_decay=0.1),
        sgd(0.1, 0.8, nesterov=True, wd=0.1),
    ),
    "book momentum": (lambda p: SGD(p, 0.1, momentum=0.8, book=True), book_momentum(0.1, 0.8)),
    "book nesterov": (
        lambda p: SGD(p, 0.1, momentum=0.8, nesterov=True, book=True),
        book_momentum(0.1, 0.8, True),
    ),
    "adagrad": (lambda p: AdaGrad(p, 0.3), adagrad(0.3)),
    "adagrad, default lr": (lambda p: AdaGrad(p), adagrad(1e-2)),
    "adagrad, decay": (lambda p: AdaGrad(p, 0.3, weight_decay=0.1), adagrad(0.3, wd=0.1)),
    "adagrad, book": (lambda p: AdaGrad(p, 0.3, book=True), adagrad(0.3, 1e-7)),
    "rmsprop": (lambda p: RMSProp(p, 0.05), rmsprop(0.05)),
    "rmsprop, default lr": (lambda p: RMSProp(p), rmsprop(1e-2)),
    "rmsprop, centered": (
        lambda p: RMSProp(p, 0.05, alpha=0.8, centered=True),
        rmsprop(0.05, 0.8, centered=True),
    ),
    "rmsprop, all": (
        lambda p: RMSProp(
            p, 0.05, alpha=0.8, eps=1e-3, weight_decay=0.1, momentum=0.7, centered=True
        ),
        rmsprop(0.05, 0.8, 1e-3, 0.1, 0.7, True),
    ),
    "rmsprop, book": (lambda p: RMSProp(p, 0.05, book=True), rmsprop(0.05, 0.99, 1e-7)),
    "adam": (lambda p: Adam(p, 0.1), adam(0.1)),
    "adam, default lr": (lambda p: Adam(p), adam(1e-3)),
    "adam, betas, eps": (
        lambda p: Adam(p, 0.1, betas=(0.5, 0.8), eps=1e-2),
        adam(0.1, 0.5, 0.8, 1e-2),
    ),
    "adam, decay": (lambda p: Adam(p, 0.1, weight_decay=0.3), adam(0.1, wd=0.3)),
    "adam, amsgrad": (
        lambda p: Adam(p, 0.1, betas=(0.9, 0.7), amsgrad=True),
        adam(0.1, 0.9, 0.7, amsgrad=True),
    ),
    "adam, book": (
        lambda p: Adam(p, 0.1, eps=1e-3, book=True),
        adam(0.1, eps=1e-3, book=True),
    ),
    "adamw": (lambda p: AdamW(p, 0.1), adam(0.1, wd=0.01, decoupled=True)),
    "adamw, all": (
        lambda p: AdamW(p, 0.1, betas=(0.5, 0.8), eps=1e-3, weight_decay=0.4, amsgrad=True),
        adam(0.1, 0.5, 0.8, 1e-3, 0.4, True, True),
    ),
}
CURVATURE = np.array([[0.3, 2.0, 1.0], [1.5, 0.05, 4.0]])


@pytest.mark.parametrize("pair", PAIRS)
def test_fifty_steps_follow_the_formula(pair):
    make, reference = PAIRS[pair]
    start = np.array([[3.0, -1.0, 0.5], [-2.0, 4.0, 1e-3]])
    p, tail = Parameter(start), Parameter(start[0])
    optimizer = make([p, tail])
    expected, widest = start, 0.0
    for t in range(1, 51):
        p.grad = CURVATURE * p.numpy() + np.sin(t)
        tail.grad = CURVATURE[0] * tail.numpy() + np.sin(t)
        optimizer.step()
        expected = reference(expected, CURVATURE * expected + np.sin(t), t)
        widest = max(widest, np.abs(p.numpy() - expected).max())
        np.testing.assert_array_equal(tail.numpy(), p.numpy()[0])
    assert widest < 1e-9
    assert np.abs(expected - start).max() > 1e-2


def test_fifty_steps_of_lamb_follow_the_formula_for_each_parameter():
    lr, b1, b2, eps, wd = 0.05, 0.8, 0.9, 1e-6, 0.1
    values = {"w": np.arange(6.0).reshape(2, 3) / 5, "b": np.array([1.0, -2.0]), "z": np.zeros(2)}
    parameters = {name: Parameter(value, name=name) for name, value in values.items()}
    optimizer = LAMB(list(parameters.values()), lr, (b1, b2), eps, wd)
    m = dict.fromkeys(values, 0)
    v = dict.fromkeys(values, 0)
    for t in range(1, 51):
        for name, p in parameters.items():
            p.grad = np.sin(t) + 0.3 * p.numpy() if name != "z" or t > 3 else np.zeros(2)
        optimizer.step()
        for name, x in values.items():
            g = np.sin(t) + 0.3 * x if name != "z" or t > 3 else np.zeros(2)
            m[name] = b1 * m[name] + (1 - b1) * g
            v[name] = b2 * v[name] + (1 - b2) * g**2
            u = m[name] / (1 - b1**t) / (np.sqrt(v[name] / (1 - b2**t)) + eps) + wd * x
            norms = np.linalg.norm(x), np.linalg.norm(u)
            values[name] = x - lr * (norms[0] / norms[1] if all(norms) else 1) * u
            assert np.abs(parameters[name].numpy() - values[name]).max() < 1e-9


def two_loops(g, pairs):
    """The inverse Hessian times the gradient, by the matrix that L-BFGS never forms."""
    s, y = pairs[-1]
    inverse = np.eye(len(g)) * (s @ y) / (y @ y)
    for s, y in pairs:
        v = np.eye(len(g)) - np.outer(y, s) / (y @ s)
        inverse = v.T @ inverse @ v + np.outer(s, s) / (y @ s)
    return inverse @ g


def test_lbfgs_without_line_search_follows_the_matrix_formula():
    curvature = np.array([1.0, 3.0, 0.4, 2.0])
    gradient = lambda x: curvature * x + 0.1 * x**3
    p = Parameter([1.0, -2.0, 3.0, 0.5], name="p")
    optimizer = LBFGS([p], 0.3, max_iter=1, history_size=3)
    x, pairs, last = p.numpy().copy(), [], None

    def closure():
        p.grad = gradient(p.numpy())
        return float(np.sum(curvature * p.numpy() ** 2 / 2 + 0.025 * p.numpy() ** 4))

    for t in range(25):
        optimizer.step(closure)
        g = gradient(x)
        if last is not None:
            pairs = [*pairs, (x - last[0], g - last[1])][-3:]
        length = 0.3 if t else 0.3 * min(1, 1 / np.abs(g).sum())
        last = x, g
        x = x - length * (two_loops(g, pairs) if pairs else g)
        assert np.abs(p.numpy() - x).max() < 1e-9


def test_lbfgs_finds_rosenbrocks_minimum():
    x, y = Parameter(np.float64(-1.2), name="x"), Parameter(np.float64(1.0), name="y")
    optimizer = LBFGS([x, y], line_search_fn="strong_wolfe", tolerance_change=0.0)

    def closure():
        optimizer.zero_grad()
        loss = (1 - x) ** 2 + 100 * (y - x**2) ** 2
        loss.backward()
        return loss

    for _ in range(10):
        optimizer.step(closure)
    assert (x.item(), y.item()) == pytest.approx((1, 1), abs=1e-7)


LAWFUL = {
    **{name: make for name, (make, _) in PAIRS.items() if "upward" not in name},
    "lamb": lambda p: LAMB(p, 0.05),
    "lbfgs": lambda p: LBFGS(p, 0.1, max_iter=3, history_size=4),
    "lbfgs, wolfe": lambda p: LBFGS(p, max_iter=2, line_search_fn="strong_wolfe"),
    "groups": lambda p: SGD(
        [
            {"params": [q for q in p if q[0] == "a"], "momentum": 0.9},
            {"params": [q for q in p if q[0] != "a"], "lr": 0.05},
        ],
        0.02,
    ),
}


@pytest.mark.parametrize("rule", LAWFUL)
def test_every_rule_keeps_the_laws_of_optimizers(rule):
    assert check_optimizer(LAWFUL[rule], steps=6)


@pytest.mark.parametrize("pair", PAIRS)
def test_float32_stays_float32_and_near_the_formula(pair):
    make, _ = PAIRS[pair]
    ends = {}
    for dtype in (np.float32, np.float64):
        p = Parameter([3.0, -1.0], dtype=dtype)
        optimizer = make([p])
        for t in range(5):
            p.grad = 0.5 * p.numpy() + np.sin(t)
            optimizer.step()
        slots = [a for name, a in optimizer.state().items() if name.startswith("slots/")]
        assert p.dtype == dtype
        assert {slot.dtype for slot in slots} <= {np.dtype(dtype)}
        ends[dtype] = p.numpy()
    np.testing.assert_allclose(ends[np.float32], ends[np.float64], rtol=1e-5)


def test_a_constant_gradient_gives_no_nan_when_centered():
    # The variance is 0, and for some of these values comes out below 0 by rounding.
    gradient = np.linspace(0.05, 3.0, 40)
    p = Parameter(np.ones(40))
    optimizer = RMSProp([p], alpha=0.5, centered=True)
    for _ in range(100):
        p.grad = gradient
        optimizer.step()
    assert np.isfinite(p.numpy()).all()


def test_a_zero_gradient_from_the_start_moves_nothing():
    for make in (SGD, AdaGrad, RMSProp, Adam):
        p = Parameter([1.5, -2.0])
        optimizer = make([p])
        p.grad = np.zeros(2)
        optimizer.step()
        assert p.tolist() == [1.5, -2.0]


# ------------------------------------------------------------------------ hyper-parameters

WRONG = [
    (SGD, {"lr": -0.1}, "lr"),
    (SGD, {"lr": float("nan")}, "lr"),
    (SGD, {"lr": float("inf")}, "lr"),
    (SGD, {"lr": "fast"}, "lr"),
    (SGD, {"lr": [0.1]}, "lr"),
    (SGD, {"lr": True}, "lr"),
    (SGD, {"momentum": 1.0}, "momentum"),
    (SGD, {"momentum": -0.1}, "momentum"),
    (SGD, {"dampening": 1.1, "momentum": 0.9}, "dampening"),
    (SGD, {"weight_decay": -1e-4}, "weight_decay"),
    (SGD, {"nesterov": True}, "nesterov"),
    (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "nesterov"),
    (SGD, {"book": True, "momentum": 0.9, "dampening": 0.1}, "book"),
    (AdaGrad, {"eps": 0.0}, "eps"),
    (RMSProp, {"alpha": 1.0}, "alpha"),
    (RMSProp, {"momentum": 1.0}, "momentum"),
    (Adam, {"betas": (1.0, 0.999)}, "beta1"),
    (Adam, {"betas": (0.9, -0.1)}, "beta2"),
    (Adam, {"betas": 0.9}, "betas"),
    (Adam, {"eps": -1e-8}, "eps"),
    (AdamW, {"weight_decay": float("nan")}, "weight_decay"),
    (AdaGrad, {"lr_decay": -1.0}, "lr_decay"),
    (AdaGrad, {"initial_accumulator_value": -1.0}, "initial_accumulator_value"),
    (AdaDelta, {"rho": 1.0}, "rho"),
    (Adamax, {"betas": (0.9,)}, "betas"),
    (NAdam, {"momentum_decay": -1.0}, "momentum_decay"),
    (RAdam, {"eps": 0.0}, "eps"),
    (LAMB, {"weight_decay": -1.0}, "weight_decay"),
    (LBFGS, {"max_iter": 0}, "max_iter"),
    (LBFGS, {"history_size": 2.5}, "history_size"),
    (LBFGS, {"line_search_fn": "armijo"}, "line_search_fn"),
]


@pytest.mark.parametrize(("rule", "arguments", "named"), WRONG)
def test_a_bad_hyper_parameter_is_refused_and_named(rule, arguments, named):
    p = Parameter([1.0])
    before = p.node.result
    with pytest.raises(OptimizerError, match=rf"found {named}.*\n  fix: "):
        rule([p], **arguments)
    assert p.node.result is before
    assert p.node.buffer is None


@pytest.mark.parametrize(("rule", "arguments"), [(SGD, {"lr": 0}), (Adam, {"betas": (0.0, 0.0)})])
def test_the_ends_of_an_interval_that_belong_to_it_work(rule, arguments):
    p = Parameter([1.0])
    optimizer = rule([p], **arguments)
    p.grad = np.ones(1)
    optimizer.step()
    assert np.isfinite(p.numpy()).all()
