r"""The update rules: SGD with its momenta, AdaGrad, RMSProp, Adam, AdamW.

Knows: one formula each, written in place on flat arrays. Does not know: parameters, names, steps
(that is ``optimizer.py``). The letters are those of the docstrings: :math:`\theta` the parameter,
:math:`g` its gradient, :math:`\eta` the learning rate, :math:`t` the step, from 1.

Every rule is PyTorch's by default, with its default values. With ``book=True`` it is the form of
"Deep Learning from Scratch" (K. Saito, 2016, chapter 6), where that differs: a learning rate inside
the velocity, and 1e-7 for :math:`\epsilon`, which in Adam stands beside the uncorrected root.

A weight decay :math:`\lambda` adds :math:`\lambda\theta` to the gradient (L2); in AdamW it shrinks
the parameter instead.

Running means are kept without their factor :math:`1-\beta`: :math:`M = \beta M + g` is
:math:`m/(1-\beta)`. The factor is applied once, to the step size, which saves a pass over the
array.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.errors import OptimizerError
from tinygrad_edu.optim.optimizer import Hyper, Optimizer, Parameters

__all__ = ["SGD", "AdaGrad", "Adam", "AdamW", "RMSProp"]

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
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        What to update.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    momentum : float
        Fraction :math:`\mu` of the velocity that is kept, in [0, 1).
    dampening : float
        Fraction :math:`d` of the gradient that is left out of the velocity, in [0, 1].
    nesterov : bool
        Whether to look ahead by one velocity; needs momentum, and no dampening.
    weight_decay : float
        Factor of the L2 decay, at least 0.
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
        parameters: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        book: bool = False,
    ) -> None:
        if nesterov and (momentum == 0 or dampening != 0):
            raise OptimizerError(
                f"SGD: found nesterov=True with momentum={momentum!r}, dampening={dampening!r}; "
                "expected momentum above 0 and no dampening\n  fix: SGD(model, momentum=0.9, "
                "nesterov=True)"
            )
        if book and dampening != 0:
            raise OptimizerError(
                f"SGD: found book=True with dampening={dampening!r}; the book's form has none\n"
                "  fix: leave one of the two out"
            )
        self.nesterov, self.book = nesterov, book
        super().__init__(
            parameters, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay
        )

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
        h \leftarrow h + g^2, \qquad \theta \leftarrow \theta - \eta\,\frac{g}{\sqrt{h} + \epsilon}

    Here, as in PyTorch and in the book, :math:`\epsilon` stands outside the root; the paper has it
    inside (its :math:`\delta`). The book's form differs only in the default of :math:`\epsilon`.

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        What to update.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    weight_decay : float
        Factor of the L2 decay, at least 0.
    eps : float, optional
        Above 0; 1e-10 by default, the book's is 1e-7.
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

    weight_decay = Hyper("[0, inf)", switch=True)
    eps = Hyper("(0, inf)")

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        weight_decay: float = 0.0,
        eps: float | None = None,
        *,
        book: bool = False,
    ) -> None:
        eps = (BOOK_EPS if book else 1e-10) if eps is None else eps
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, eps=eps)

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the sum of squares, 0."""
        return {"square_sum": np.zeros_like(parameter)}

    def factors(self) -> dict[str, Any]:
        """Return learning rate and epsilon."""
        return {"lr": self.scalars["lr"], "eps": self.scalars["eps"]}

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
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        What to update.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    decay : float
        Fraction :math:`\alpha` of the running means that is kept, in [0, 1).
    eps : float, optional
        Above 0; 1e-8 by default, the book's is 1e-7.
    weight_decay : float
        Factor of the L2 decay, at least 0.
    momentum : float
        Fraction :math:`\mu` of the velocity that is kept, in [0, 1).
    centered : bool
        Whether to divide by the standard deviation instead.
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

    decay = Hyper("[0, 1)")
    eps = Hyper("(0, inf)")
    weight_decay = Hyper("[0, inf)", switch=True)
    momentum = Hyper("[0, 1)", switch=True)

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        decay: float = 0.99,
        eps: float | None = None,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        book: bool = False,
    ) -> None:
        eps = (BOOK_EPS if book else 1e-8) if eps is None else eps
        self.centered = centered
        super().__init__(
            parameters, lr=lr, decay=decay, eps=eps, weight_decay=weight_decay, momentum=momentum
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
        left = 1 - scalars["decay"]
        root = np.sqrt(left)
        return {
            "decay": scalars["decay"],
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
        square_mean, decay = slots["square_mean"], factors["decay"]
        np.multiply(square_mean, decay, out=square_mean)
        np.multiply(gradient, gradient, out=scratch)
        np.add(square_mean, scratch, out=square_mean)
        if self.centered:
            mean = slots["mean"]
            np.multiply(mean, decay, out=mean)
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


class Adam(Optimizer):
    r"""Momentum, divided by a running root mean square, both corrected for their start at 0.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\,g, \qquad
        v \leftarrow \beta_2 v + (1 - \beta_2)\,g^2 \\
        \theta &\leftarrow \theta - \eta\,
        \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    :math:`\epsilon` stands outside the corrected root, as in algorithm 1 of the paper. The book
    folds the corrections into the learning rate, as the paper's section 2 proposes, so that
    :math:`\epsilon` stands beside the uncorrected root and weighs more in early steps:

    .. math::
        \theta \leftarrow \theta - \eta\,\frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}\,
        \frac{m}{\sqrt{v} + \epsilon}

    AMSGrad divides by the largest :math:`v` so far.

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        What to update.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    betas : tuple of float
        Fractions :math:`\beta_1, \beta_2` of the running means that are kept, in [0, 1).
    eps : float, optional
        Above 0; 1e-8 by default, the book's is 1e-7.
    weight_decay : float
        Factor of the L2 decay, at least 0.
    amsgrad : bool
        Whether to divide by the largest mean square so far.
    book : bool
        Whether to take the book's form.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1;
    S. J. Reddi, S. Kale, S. Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.
    """

    beta1 = Hyper("[0, 1)")
    beta2 = Hyper("[0, 1)")
    eps = Hyper("(0, inf)")
    weight_decay = Hyper("[0, inf)", switch=True)

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float | None = None,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        book: bool = False,
    ) -> None:
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise OptimizerError(
                f"{type(self).__name__}: found betas={betas!r}; expected two numbers in [0, 1)\n"
                "  fix: betas=(0.9, 0.999)"
            )
        eps = (BOOK_EPS if book else 1e-8) if eps is None else eps
        self.amsgrad, self.book = amsgrad, book
        super().__init__(
            parameters, lr=lr, beta1=betas[0], beta2=betas[1], eps=eps, weight_decay=weight_decay
        )

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the running means, 0."""
        names = ("mean", "square_mean", *(("square_max",) if self.amsgrad else ()))
        return {name: np.zeros_like(parameter) for name in names}

    def factors(self) -> dict[str, Any]:
        r"""Return the factors for means kept without :math:`1-\beta` (see the module's text).

        With :math:`M = m/(1-\beta_1)`, :math:`V = v/(1-\beta_2)` and the root
        :math:`r = \sqrt{(1-\beta_2)/(1-\beta_2^t)}`, the step is
        :math:`\eta\,\frac{1-\beta_1}{(1-\beta_1^t)\,r} \cdot \frac{M}{\sqrt{V} + \epsilon/r}`.
        """
        scalars = self.scalars
        beta1, beta2, step = scalars["beta1"], scalars["beta2"], scalars["step"]
        corrected = np.sqrt((1 - beta2) / (1 - np.power(beta2, step)))
        rate = scalars["lr"] * (1 - beta1) / (1 - np.power(beta1, step)) / corrected
        root = np.sqrt(1 - beta2) if self.book else corrected
        return {"beta1": beta1, "beta2": beta2, "eps": scalars["eps"] / root, "rate": rate}

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change parameter and running means in place by the formula of the class."""
        mean, square_mean = slots["mean"], slots["square_mean"]
        np.multiply(mean, factors["beta1"], out=mean)
        np.add(mean, gradient, out=mean)
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(square_mean, factors["beta2"], out=square_mean)
        np.add(square_mean, scratch, out=square_mean)
        if self.amsgrad:
            square_mean = np.maximum(slots["square_max"], square_mean, out=slots["square_max"])
        np.sqrt(square_mean, out=scratch)
        np.add(scratch, factors["eps"], out=scratch)
        np.divide(mean, scratch, out=scratch)
        np.multiply(scratch, factors["rate"], out=scratch)
        np.subtract(parameter, scratch, out=parameter)


class AdamW(Adam):
    r"""Adam with decoupled weight decay: the parameter shrinks before the step.

    .. math:: \theta \leftarrow (1 - \eta\lambda)\,\theta, \qquad \text{then the step of Adam}

    The decay is not divided by the root, so it acts on all elements alike; as in PyTorch, and other
    than in the paper, :math:`\lambda` is multiplied by the whole learning rate :math:`\eta`.

    Parameters
    ----------
    parameters : module, or iterable of Parameter, or iterable of (str, Parameter)
        What to update.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    betas : tuple of float
        Fractions of the running means that are kept, in [0, 1).
    eps : float
        Above 0; stands outside the corrected root.
    weight_decay : float
        Factor :math:`\lambda` of the decay, at least 0.
    amsgrad : bool
        Whether to divide by the largest mean square so far.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    decoupled = True

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad)
