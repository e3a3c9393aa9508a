r"""Adam and its relatives: running means of gradient and square, corrected for their start.

Knows: one formula each, written in place on flat arrays. Does not know: parameters, names, steps
(that is ``optimizer.py``). Letters, forms and the missing factor :math:`1-\beta` of the means are
those of ``rules.py``; :math:`m` and :math:`v` are the two means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.optim.optimizer import Groups, Hyper, Optimizer, two_betas
from tinygrad_edu.optim.rules import BOOK_EPS

__all__ = ["LAMB", "Adam", "AdamW", "Adamax", "NAdam", "RAdam"]

Array = np.ndarray[Any, Any]


class _Moments(Optimizer):
    """What the rules of this file share: two means, their fractions, and epsilon."""

    beta1 = Hyper("[0, 1)", means=("mean",))
    beta2 = Hyper("[0, 1)", means=("square_mean", "square_max"))
    eps = Hyper("(0, inf)")
    weight_decay = Hyper("[0, inf)", switch=True)
    counted = True

    def __init__(
        self,
        parameters: Groups,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        **more: float,
    ) -> None:
        beta1, beta2 = two_betas(type(self).__name__, betas)
        super().__init__(
            parameters,
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            weight_decay=weight_decay,
            **more,
        )

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the running means, 0."""
        return {name: np.zeros_like(parameter) for name in ("mean", "square_mean")}

    def corrected(self) -> Any:
        r"""Return :math:`r = \sqrt{(1-\beta_2)/(1-\beta_2^t)}`, the root of :math:`v` over ours."""
        beta2 = self.scalars["beta2"]
        return np.sqrt((1 - beta2) / (1 - np.power(beta2, self.scalars["step"])))

    def average(
        self,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> tuple[Array, Array]:
        """Return the running means, brought up to date in place."""
        mean, square_mean = slots["mean"], slots["square_mean"]
        np.multiply(mean, factors["beta1"], out=mean)
        np.add(mean, gradient, out=mean)
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(square_mean, factors["beta2"], out=square_mean)
        np.add(square_mean, scratch, out=square_mean)
        return mean, square_mean


class Adam(_Moments):
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
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
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
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1;
    S. J. Reddi, S. Kale, S. Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.
    """

    def __init__(
        self,
        parameters: Groups,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float | None = None,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        book: bool = False,
    ) -> None:
        eps = (BOOK_EPS if book else 1e-8) if eps is None else eps
        self.amsgrad, self.maximize, self.book = amsgrad, maximize, book
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the running means, 0."""
        more = {"square_max": np.zeros_like(parameter)} if self.amsgrad else {}
        return {**super().init(parameter), **more}

    def factors(self) -> dict[str, Any]:
        r"""Return the factors for means kept without :math:`1-\beta` (see the module's text).

        With :math:`M = m/(1-\beta_1)`, :math:`V = v/(1-\beta_2)` and the root
        :math:`r = \sqrt{(1-\beta_2)/(1-\beta_2^t)}`, the step is
        :math:`\eta\,\frac{1-\beta_1}{(1-\beta_1^t)\,r} \cdot \frac{M}{\sqrt{V} + \epsilon/r}`.
        """
        scalars = self.scalars
        beta1, beta2, step = scalars["beta1"], scalars["beta2"], scalars["step"]
        corrected = self.corrected()
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
        mean, square_mean = self.average(gradient, slots, factors, scratch)
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
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
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
    maximize : bool
        Whether to go up the gradient.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    decoupled_weight_decay = True

    def __init__(
        self,
        parameters: Groups,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class Adamax(_Moments):
    r"""Adam with the largest recent gradient in the place of the root mean square.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\,g, \qquad
        u \leftarrow \max(\beta_2 u,\ \lvert g \rvert + \epsilon) \\
        \theta &\leftarrow \theta - \frac{\eta}{1 - \beta_1^t}\,\frac{m}{u}

    The paper has no :math:`\epsilon`; as in PyTorch it is added to the new gradient's size, inside
    the maximum.

    Parameters
    ----------
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    betas : tuple of float
        Fractions :math:`\beta_1, \beta_2` of the running means that are kept, in [0, 1).
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
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2.
    """

    # The second mean is a maximum, and has no factor.
    beta2 = Hyper("[0, 1)")

    def __init__(
        self,
        parameters: Groups,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        self.maximize = maximize
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the running mean and the maximum, 0."""
        return {name: np.zeros_like(parameter) for name in ("mean", "largest")}

    def factors(self) -> dict[str, Any]:
        r"""Return the factors for a mean kept without :math:`1-\beta_1`."""
        scalars = self.scalars
        beta1 = scalars["beta1"]
        rate = scalars["lr"] * (1 - beta1) / (1 - np.power(beta1, scalars["step"]))
        return {"beta1": beta1, "beta2": scalars["beta2"], "eps": scalars["eps"], "rate": rate}

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change parameter, mean and maximum in place by the formula of the class."""
        mean, largest = slots["mean"], slots["largest"]
        np.multiply(mean, factors["beta1"], out=mean)
        np.add(mean, gradient, out=mean)
        np.absolute(gradient, out=scratch)
        np.add(scratch, factors["eps"], out=scratch)
        np.multiply(largest, factors["beta2"], out=largest)
        np.maximum(largest, scratch, out=largest)
        np.divide(mean, largest, out=scratch)
        np.multiply(scratch, factors["rate"], out=scratch)
        np.subtract(parameter, scratch, out=parameter)


class NAdam(_Moments):
    r"""Adam with Nesterov's lookahead and a momentum that is warmed up.

    .. math::
        \mu_t &= \beta_1 \left(1 - \tfrac12\, 0.96^{t \psi}\right) \\
        \hat m &= \frac{\mu_{t+1}\, m}{1 - \prod_{i \le t+1} \mu_i}
        + \frac{(1 - \mu_t)\, g}{1 - \prod_{i \le t} \mu_i} \\
        \theta &\leftarrow \theta - \eta\,\frac{\hat m}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    with :math:`m` and :math:`v` of `Adam`. :math:`\epsilon` stands outside the corrected root; the
    paper has it inside. The product is computed with the present :math:`\beta_1`, like
    :math:`\beta_1^t` in `Adam`.

    Parameters
    ----------
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    betas : tuple of float
        Fractions :math:`\beta_1, \beta_2` of the running means that are kept, in [0, 1).
    eps : float
        Above 0.
    weight_decay : float
        Factor of the decay, at least 0.
    momentum_decay : float
        How fast the momentum is warmed up, :math:`\psi`, at least 0.
    decoupled_weight_decay : bool
        Whether the decay shrinks the parameter, as in `AdamW`, instead of being L2.
    maximize : bool
        Whether to go up the gradient.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2.
    """

    momentum_decay = Hyper("[0, inf)")

    def __init__(
        self,
        parameters: Groups,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        self.decoupled_weight_decay, self.maximize = decoupled_weight_decay, maximize
        super().__init__(parameters, lr, betas, eps, weight_decay, momentum_decay=momentum_decay)

    def settle(self) -> None:
        """Start without products of warmed-up fractions."""
        self.products = np.ones(1)
        self.products_for = self.momentum_decay

    def product(self, step: int) -> Any:
        r"""Return :math:`\prod_{i \le t} (1 - \frac12 0.96^{i\psi})`, from a table that grows.

        The table is no state: it is the same however it came about.
        """
        decay, table = self.momentum_decay, self.products
        settled = len(table) > 1 and table[-1] == table[-2]
        if decay != self.products_for or (step >= len(table) and not settled):
            terms = 1 - 0.5 * np.power(0.96, decay * np.arange(1, 2 * step + 64))
            # cumprod goes from left to right: a longer table begins with the same bits.
            self.products, self.products_for = np.cumprod([1.0, *terms]), decay
        return self.products[min(step, len(self.products) - 1)]

    def factors(self) -> dict[str, Any]:
        r"""Return the shares of mean and gradient, for means kept without :math:`1-\beta`."""
        scalars, step = self.scalars, int(self.scalars["step"])
        beta1, decay, root = scalars["beta1"], scalars["momentum_decay"], self.corrected()
        now, soon = (beta1 * (1 - 0.5 * np.power(0.96, t * decay)) for t in (step, step + 1))
        done, next_done = (np.power(beta1, t) * self.product(t) for t in (step, step + 1))
        rate = scalars["lr"] / root
        return {
            "beta1": beta1,
            "beta2": scalars["beta2"],
            "eps": scalars["eps"] / root,
            "of_mean": rate * soon * (1 - beta1) / (1 - next_done),
            "of_gradient": rate * (1 - now) / (1 - done),
        }

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change parameter and running means in place by the formula of the class."""
        mean, square_mean = self.average(gradient, slots, factors, scratch)
        ahead = np.multiply(mean, factors["of_mean"])
        np.multiply(gradient, factors["of_gradient"], out=scratch)
        np.add(ahead, scratch, out=ahead)
        np.sqrt(square_mean, out=scratch)
        np.add(scratch, factors["eps"], out=scratch)
        np.divide(ahead, scratch, out=scratch)
        np.subtract(parameter, scratch, out=parameter)


class RAdam(_Moments):
    r"""Adam whose first steps are plain momentum, until the mean square can be trusted.

    .. math::
        \rho_\infty = \frac{2}{1 - \beta_2} - 1, \qquad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \qquad
        \hat m = \frac{m}{1 - \beta_1^t}

    .. math::
        \theta \leftarrow \theta - \eta\,\hat m\;
        \sqrt{\frac{(\rho_t - 4)(\rho_t - 2)\,\rho_\infty}
        {(\rho_\infty - 4)(\rho_\infty - 2)\,\rho_t}}\;
        \frac{\sqrt{1 - \beta_2^t}}{\sqrt v + \epsilon}
        \quad \text{if } \rho_t > 5, \text{ else } \theta - \eta\,\hat m

    with :math:`m` and :math:`v` of `Adam`. As in PyTorch, :math:`\epsilon` stands beside the
    uncorrected root and the bound is 5; the paper has no :math:`\epsilon`, and 4.

    Parameters
    ----------
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    betas : tuple of float
        Fractions :math:`\beta_1, \beta_2` of the running means that are kept, in [0, 1).
    eps : float
        Above 0.
    weight_decay : float
        Factor of the decay, at least 0.
    decoupled_weight_decay : bool
        Whether the decay shrinks the parameter, as in `AdamW`, instead of being L2.
    maximize : bool
        Whether to go up the gradient.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020,
    algorithm 2.
    """

    def __init__(
        self,
        parameters: Groups,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        self.decoupled_weight_decay, self.maximize = decoupled_weight_decay, maximize
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def factors(self) -> dict[str, Any]:
        r"""Return the factors for means kept without :math:`1-\beta`, and whether to divide."""
        scalars = self.scalars
        beta1, beta2, step = scalars["beta1"], scalars["beta2"], scalars["step"]
        kept = np.power(beta2, step)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * kept / (1 - kept)
        rate = scalars["lr"] * (1 - beta1) / (1 - np.power(beta1, step))
        root = np.sqrt(1 - beta2)
        if length > 5:
            trust = (length - 4) * (length - 2) * longest
            trust = trust / ((longest - 4) * (longest - 2) * length)
            rate = rate * np.sqrt(trust) / self.corrected()
        return {
            "beta1": beta1,
            "beta2": beta2,
            "eps": scalars["eps"] / root,
            "rate": rate,
            "divides": np.float64(length > 5),
        }

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change parameter and running means in place by the formula of the class."""
        mean, square_mean = self.average(gradient, slots, factors, scratch)
        if factors["divides"]:
            np.sqrt(square_mean, out=scratch)
            np.add(scratch, factors["eps"], out=scratch)
            np.divide(mean, scratch, out=scratch)
            np.multiply(scratch, factors["rate"], out=scratch)
        else:
            np.multiply(mean, factors["rate"], out=scratch)
        np.subtract(parameter, scratch, out=parameter)


class LAMB(_Moments):
    r"""Adam's direction, in steps as long as a share of each parameter: for large batches.

    .. math::
        u = \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} + \lambda \theta,
        \qquad
        \theta \leftarrow \theta - \eta\,\frac{\lVert \theta \rVert}{\lVert u \rVert}\,u

    with :math:`m` and :math:`v` of `Adam`, and the norms over one parameter, such as the weight of
    one layer. Where a norm is 0 the ratio is 1. This is algorithm 2 of the paper with the identity
    for its :math:`\phi`; :math:`\epsilon` stands outside the corrected root. PyTorch has no LAMB.

    Because of the norms, each parameter is updated by calls of its own.

    Parameters
    ----------
    parameters : module, iterable of Parameter or (str, Parameter), or list of groups
        What to update; see `Optimizer`.
    lr : float
        Learning rate :math:`\eta`, at least 0.
    betas : tuple of float
        Fractions :math:`\beta_1, \beta_2` of the running means that are kept, in [0, 1).
    eps : float
        Above 0.
    weight_decay : float
        Factor :math:`\lambda` of the decay, which is part of the direction, at least 0.
    maximize : bool
        Whether to go up the gradient.

    Raises
    ------
    OptimizerError
        An argument is not as described.

    References
    ----------
    Y. You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR
    2020, algorithm 2.
    """

    weight_decay = Hyper("[0, inf)")
    joined = False
    own_decay = True

    def __init__(
        self,
        parameters: Groups,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        self.maximize = maximize
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def factors(self) -> dict[str, Any]:
        r"""Return the factors for means kept without :math:`1-\beta`."""
        scalars = self.scalars
        beta1, root = scalars["beta1"], self.corrected()
        return {
            "beta1": beta1,
            "beta2": scalars["beta2"],
            "eps": scalars["eps"] / root,
            "rate": (1 - beta1) / (1 - np.power(beta1, scalars["step"])) / root,
            "shrink": scalars["weight_decay"],
            "lr": scalars["lr"],
        }

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: Mapping[str, Array],
        factors: Mapping[str, Any],
        scratch: Array,
    ) -> None:
        """Change parameter and running means in place by the formula of the class."""
        mean, square_mean = self.average(gradient, slots, factors, scratch)
        np.sqrt(square_mean, out=scratch)
        np.add(scratch, factors["eps"], out=scratch)
        np.divide(mean, scratch, out=scratch)
        np.multiply(scratch, factors["rate"], out=scratch)
        np.add(scratch, parameter * factors["shrink"], out=scratch)
        size, length = (np.sqrt(np.sum(np.square(each))) for each in (parameter, scratch))
        ratio = size / length if size > 0 and length > 0 else size.dtype.type(1)
        np.multiply(scratch, factors["lr"] * ratio, out=scratch)
        np.subtract(parameter, scratch, out=parameter)
