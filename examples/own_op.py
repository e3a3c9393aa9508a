"""An op of your own: one row, checked against the numerical gradient, and a wrong one caught.

python examples/own_op.py
"""

import argparse

import numpy as np

from tinygrad_edu import OPS, Tensor, elementwise, gradcheck
from tinygrad_edu.errors import CheckError

# The derivative stands beside the function. It is written in terms of the result y and the
# argument x; the underscore says that x is not read, so the graph need not keep it.
gauss = elementwise(
    lambda x: np.exp(-x * x),
    lambda y, x: -2 * x * y,
    name="gauss",
    doc="Bell curve.",
    formula="exp(-x²)",
    latex="e^{-x^2}",
    pattern="scale",
)

wrong = elementwise(
    lambda x: np.exp(-x * x),
    lambda y, x: -x * y,
    name="wrong_gauss",
    doc="Bell curve whose derivative lacks a factor 2.",
    formula="exp(-x²)",
    latex="e^{-x^2}",
    pattern="scale",
)


def main() -> None:
    """Use the op, check it, and show what the checker says of the wrong one."""
    parser = argparse.ArgumentParser(description="An op of your own, and a wrong one.")
    parser.add_argument("--quick", action="store_true", help="the same: it takes no time")
    parser.parse_args()

    x = Tensor([-1.0, 0.0, 0.5], requires_grad=True)
    gauss(x).sum().backward()
    print("gradient of gauss:", x.grad)

    print(gradcheck(gauss, [np.array([-1.0, 0.3, 0.5])]))
    try:
        gradcheck(wrong, [np.array([-1.0, 0.3, 0.5])])
    except CheckError as report:
        print(f"\nthe wrong one was refused:\n{report}")
    else:
        raise SystemExit("the wrong derivative was not noticed")
    for name in ("gauss", "wrong_gauss"):
        del OPS[name]


if __name__ == "__main__":
    main()
