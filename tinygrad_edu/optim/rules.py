r"""The update rules: SGD with its momenta, and those that scale each element by its past.

Knows: one formula each, written in place on flat arrays. Does not know: parameters, names, steps
(that is ``optimizer.py``). The letters are those of the docstrings: :math:`\theta` the parameter,
:math:`g` its gradient, :math:`\eta` the learning rate, :math:`t` the step, from 1. Read next:
``adam.py``, the same with momentum; ``quasi_newton.py``, which needs the loss as well.

Every rule is PyTorch's by default, with its default values. With ``book=True`` it is the form of
"Deep Learning from Scratch" (K. Saito, 2016, chapter 6), where that differs: a learning rate inside
the velocity, and 1e-7 for :math:`\epsilon`, which in Adam stands beside the uncorrected root.

A weight decay :math:`\lambda` adds :math:`\lambda\theta` to the gradient (L2); in AdamW it shrinks
the parameter instead. With ``maximize=True`` the gradient is taken with the other sign, before
that.

Running means are kept without their factor :math:`1-\beta`: :math:`M = \beta M + g` is
:math:`m/(1-\beta)`. The factor is applied once, to the step size, which saves a pass over the
array.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim.optimizer import Groups, Hyper, Optimizer

__all__ = ["SGD", "AdaDelta", "AdaGrad", "RMSProp"]

Array = np.ndarray[Any, Any]
BOOK_EPS = 1e-7


class SGD(Optimizer):
    r"""Stochastic gradient descent, with momentum and Nesterov's momentum.

    .. math::
        v &\leftarrow \mu v + (1 - d)\,g \qquad (v = g \text{ in the first step}) \\
        \theta &\leftarrow \theta - \eta\,v
        \qquad \text{or, Nesterov: } \theta - \eta\,(g + \mu v)

    The book's form has the learning rate inside the velocity. With a constant learning rate it is
    the same step; after a change of :math:`\eta` its old velocity keeps the old one:

    .. math::
        v \leftarrow \mu v - \eta\,g, \qquad \theta \leftarrow \theta + v
        \qquad \text{or, Nesterov: } \theta + \mu v - \eta\,g

    Parameters
    ----------
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    momentum : float
        Fraction :math:`\mu` of the velocity that is kept, in [0, 1).
    dampening : float
        Fraction :math:`d` of the gradient that is left out of the velocity, in [0, 1].
    weight_decay : float
        Factor of the L2 decay, at least 0.
    nesterov : bool
        Whether to look ahead by one velocity; needs momentum, and no dampening.
    maximize : bool
        Whether to go up the gradient.
    book : bool
        Whether the velocity is the book's.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964, eq. 9;
    I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML
    2013, eq. 1-4 (momentum and Nesterov's, in the book's form).
    """

    momentum = Hyper("[0, 1)", switch=True)
    dampening = Hyper("[0, 1]", switch=True)
    weight_decay = Hyper("[0, inf)", switch=True)

    def __init__(
        self,
        parameters: Groups,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        book: bool = False,
    ) -> None:
        self.nesterov, self.maximize, self.book = nesterov, maximize, book
        super().__init__(
            parameters, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay
        )

    def settle(self) -> None:
        """Refuse a lookahead without momentum, and dampening where the form has none."""
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise OptimizerError(
                f"SGD: found nesterov=True with momentum={self.momentum!r}, dampening="
                f"{self.dampening!r}; expected momentum above 0 and no dampening\n"
                "  fix: SGD(model, momentum=0.9, nesterov=True)"
            )
        if self.book and self.dampening != 0:
            raise OptimizerError(
                f"SGD: found book=True with dampening={self.dampening!r}; the book's form has none"
                "\n  fix: leave one of the two out"
            )
        self.counted = "dampening" not in self.left_out

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the velocity, at rest, if there is momentum."""
        return {} if "momentum" in self.left_out else {"velocity": np.zeros_like(parameter)}

    def factors(self) -> dict[str, Any]:
        """Return learning rate, momentum, and the share of the gradient in the velocity."""
        scalars = self.scalars
        factors: dict[str, Any] = {"lr": scalars["lr"]}
        if "momentum" not in self.left_out:
            factors["momentum"] = scalars["momentum"]
        if "dampening" not in self.left_out:
            factors["share"] = 1 - scalars["dampening"] * np.greater(scalars["step"], 1)
        return factors

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change parameter and velocity in place by the formula of the class."""
        if "velocity" not in slots:
            np.multiply(gradient, factors["lr"], out=scratch)
            np.subtract(parameter, scratch, out=parameter)
            return
        velocity, lr, momentum = slots["velocity"], factors["lr"], factors["momentum"]
        np.multiply(velocity, momentum, out=velocity)
        if self.book:
            np.multiply(gradient, lr, out=scratch)
            np.subtract(velocity, scratch, out=velocity)
            if self.nesterov:
                np.subtract(parameter, scratch, out=parameter)
                np.multiply(velocity, momentum, out=scratch)
                np.add(parameter, scratch, out=parameter)
            else:
                np.add(parameter, velocity, out=parameter)
            return
        if "share" in factors:
            gradient = np.multiply(gradient, factors["share"], out=scratch)
        np.add(velocity, gradient, out=velocity)
        if self.nesterov:
            np.multiply(velocity, momentum, out=scratch)
            np.add(scratch, gradient, out=scratch)
            np.multiply(scratch, lr, out=scratch)
        else:
            np.multiply(velocity, lr, out=scratch)
        np.subtract(parameter, scratch, out=parameter)


class AdaGrad(Optimizer):
    r"""A step for each element that shrinks with the sum of its squared gradients.

    .. math::
        h \leftarrow h + g^2, \qquad \theta \leftarrow \theta -
        \frac{\eta}{1 + (t - 1)\,d}\,\frac{g}{\sqrt{h} + \epsilon}

    Here, as in PyTorch and in the book, :math:`\epsilon` stands outside the root; the paper has it
    inside (its :math:`\delta`). The book's form differs only in the default of :math:`\epsilon`.

    Parameters
    ----------
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    lr_decay : float
        How fast the learning rate falls, :math:`d`, at least 0.
    weight_decay : float
        Factor of the L2 decay, at least 0.
    initial_accumulator_value : float
        What :math:`h` starts at, at least 0.
    eps : float, optional
        Above 0; 1e-10 by default, the book's is 1e-7.
    maximize : bool
        Whether to go up the gradient.
    book : bool
        Whether to take the book's form.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12 (2011), figure 1.
    """

    lr_decay = Hyper("[0, inf)", switch=True)
    weight_decay = Hyper("[0, inf)", switch=True)
    eps = Hyper("(0, inf)")

    def __init__(
        self,
        parameters: Groups,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float | None = None,
        *,
        maximize: bool = False,
        book: bool = False,
    ) -> None:
        eps = (BOOK_EPS if book else 1e-10) if eps is None else eps
        self.maximize, self.initial_accumulator_value = maximize, initial_accumulator_value
        super().__init__(parameters, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)

    def settle(self) -> None:
        """Refuse a sum of squares that starts below 0."""
        start = self.initial_accumulator_value
        if not 0 <= start < np.inf:
            raise OptimizerError(
                f"AdaGrad: found initial_accumulator_value={start!r}; expected a number from 0\n"
                "  fix: AdaGrad(model, initial_accumulator_value=0.1)"
            )
        self.counted = "lr_decay" not in self.left_out

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the sum of squares at its start."""
        return {"square_sum": np.full_like(parameter, self.initial_accumulator_value)}

    def factors(self) -> dict[str, Any]:
        """Return learning rate and epsilon."""
        scalars = self.scalars
        lr = scalars["lr"]
        if self.counted:
            lr = lr / (1 + (scalars["step"] - 1) * scalars["lr_decay"])
        return {"lr": lr, "eps": scalars["eps"]}

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change parameter and sum of squares in place by the formula of the class."""
        square_sum = slots["square_sum"]
        np.multiply(gradient, gradient, out=scratch)
        np.add(square_sum, scratch, out=square_sum)
        np.sqrt(square_sum, out=scratch)
        np.add(scratch, factors["eps"], out=scratch)
        np.divide(gradient, scratch, out=scratch)
        np.multiply(scratch, factors["lr"], out=scratch)
        np.subtract(parameter, scratch, out=parameter)


class RMSProp(Optimizer):
    r"""A step for each element, divided by a running root mean square of its gradients.

    .. math::
        h &\leftarrow \alpha h + (1 - \alpha)\,g^2, \qquad
        \bar g \leftarrow \alpha \bar g + (1 - \alpha)\,g \\
        u &= \frac{g}{\sqrt{h} + \epsilon}
        \qquad \text{or, centered: } \frac{g}{\sqrt{h - \bar g^2} + \epsilon} \\
        v &\leftarrow \mu v + u, \qquad \theta \leftarrow \theta - \eta\,v

    :math:`\epsilon` stands outside the root. The book's form differs only in its default.

    Parameters
    ----------
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    alpha : float
        Fraction :math:`\alpha` of the running means that is kept, in [0, 1).
    eps : float, optional
        Above 0; 1e-8 by default, the book's is 1e-7.
    weight_decay : float
        Factor of the L2 decay, at least 0.
    momentum : float
        Fraction :math:`\mu` of the velocity that is kept, in [0, 1).
    centered : bool
        Whether to divide by the standard deviation instead.
    maximize : bool
        Whether to go up the gradient.
    book : bool
        Whether to take the book's form.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    T. Tieleman, G. Hinton, "Lecture 6.5: rmsprop", Neural Networks for Machine Learning, 2012;
    A. Graves, "Generating sequences with recurrent neural networks", 2013, eq. 38-41 (centered,
    with epsilon inside the root).
    """

    alpha = Hyper("[0, 1)", means=("square_mean", "mean"))
    eps = Hyper("(0, inf)")
    weight_decay = Hyper("[0, inf)", switch=True)
    momentum = Hyper("[0, 1)", switch=True)

    def __init__(
        self,
        parameters: Groups,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float | None = None,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        book: bool = False,
    ) -> None:
        eps = (BOOK_EPS if book else 1e-8) if eps is None else eps
        self.centered, self.maximize = centered, maximize
        super().__init__(
            parameters, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum
        )

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the running means, 0, and the velocity, at rest, if there is momentum."""
        slots = {"square_mean": np.zeros_like(parameter)}
        if self.centered:
            slots["mean"] = np.zeros_like(parameter)
        if "momentum" not in self.left_out:
            slots["velocity"] = np.zeros_like(parameter)
        return slots

    def factors(self) -> dict[str, Any]:
        r"""Return the factors for means kept without :math:`1-\alpha` (see the module's text)."""
        scalars = self.scalars
        left = 1 - scalars["alpha"]
        root = np.sqrt(left)
        return {
            "alpha": scalars["alpha"],
            "left": left,
            "eps": scalars["eps"] / root,
            "momentum": scalars["momentum"],
            "rate": scalars["lr"] / root,
        }

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change parameter and slots in place by the formula of the class."""
        square_mean, alpha = slots["square_mean"], factors["alpha"]
        np.multiply(square_mean, alpha, out=square_mean)
        np.multiply(gradient, gradient, out=scratch)
        np.add(square_mean, scratch, out=square_mean)
        if self.centered:
            mean = slots["mean"]
            np.multiply(mean, alpha, out=mean)
            np.add(mean, gradient, out=mean)
            np.multiply(mean, mean, out=scratch)
            np.multiply(scratch, factors["left"], out=scratch)
            np.subtract(square_mean, scratch, out=scratch)
            # A variance near 0 may come out below it by rounding.
            np.maximum(scratch, 0, out=scratch)
            np.sqrt(scratch, out=scratch)
        else:
            np.sqrt(square_mean, out=scratch)
        np.add(scratch, factors["eps"], out=scratch)
        np.divide(gradient, scratch, out=scratch)
        if "velocity" in slots:
            velocity = slots["velocity"]
            np.multiply(velocity, factors["momentum"], out=velocity)
            np.add(velocity, scratch, out=velocity)
            np.multiply(velocity, factors["rate"], out=scratch)
        else:
            np.multiply(scratch, factors["rate"], out=scratch)
        np.subtract(parameter, scratch, out=parameter)


class AdaDelta(Optimizer):
    r"""A step for each element in the units of the parameter: past steps over past gradients.

    .. math::
        q &\leftarrow \rho q + (1 - \rho)\,g^2, \qquad
        \Delta = \frac{\sqrt{a + \epsilon}}{\sqrt{q + \epsilon}}\,g \\
        a &\leftarrow \rho a + (1 - \rho)\,\Delta^2, \qquad \theta \leftarrow \theta - \eta\,\Delta

    As in the paper, :math:`\epsilon` stands inside both roots. The first steps are of the order of
    :math:`\sqrt\epsilon`. The paper has no :math:`\eta`, which is 1 by default.

    Parameters
    ----------
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
    lr : float
        Factor :math:`\eta` of the step, at least 0.
    rho : float
        Fraction :math:`\rho` of the running means that is kept, in [0, 1).
    eps : float
        Above 0.
    weight_decay : float
        Factor of the L2 decay, at least 0.
    maximize : bool
        Whether to go up the gradient.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    M. D. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1.
    """

    rho = Hyper("[0, 1)", means=("square_mean", "step_mean"))
    eps = Hyper("(0, inf)")
    weight_decay = Hyper("[0, inf)", switch=True)

    def __init__(
        self,
        parameters: Groups,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        self.maximize = maximize
        super().__init__(parameters, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the running means of squared gradients and squared steps, 0."""
        return {name: np.zeros_like(parameter) for name in ("square_mean", "step_mean")}

    def factors(self) -> dict[str, Any]:
        r"""Return the factors for means kept without :math:`1-\rho`, which then cancels."""
        scalars = self.scalars
        rho = scalars["rho"]
        return {"lr": scalars["lr"], "rho": rho, "eps": scalars["eps"] / (1 - rho)}

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change parameter and running means in place by the formula of the class."""
        square_mean, step_mean = slots["square_mean"], slots["step_mean"]
        rho, eps = factors["rho"], factors["eps"]
        np.multiply(square_mean, rho, out=square_mean)
        np.multiply(gradient, gradient, out=scratch)
        np.add(square_mean, scratch, out=square_mean)
        np.add(square_mean, eps, out=scratch)
        delta = np.add(step_mean, eps)
        np.divide(delta, scratch, out=delta)
        np.sqrt(delta, out=delta)
        np.multiply(delta, gradient, out=delta)
        np.multiply(delta, delta, out=scratch)
        np.multiply(step_mean, rho, out=step_mean)
        np.add(step_mean, scratch, out=step_mean)
        np.multiply(delta, factors["lr"], out=scratch)
        np.subtract(parameter, scratch, out=parameter)
