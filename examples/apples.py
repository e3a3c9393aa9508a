"""The book's first graph: two apples and three oranges, a price, and every derivative of it.

    python examples/apples.py

"Deep Learning from Scratch", chapter 5: apples at 100, oranges at 150, tax 1.1. The derivative of
the price with respect to the price of an apple says what one yen more per apple would cost.
"""

import argparse

from tinygrad_edu import Tensor


def main() -> None:
    """Compute the price and print what each input contributes to it."""
    parser = argparse.ArgumentParser(description="The graph of apples and oranges.")
    parser.add_argument("--quick", action="store_true", help="the same: it takes no time")
    parser.parse_args()

    apple, apples = (Tensor(v, requires_grad=True) for v in (100.0, 2.0))
    orange, oranges = (Tensor(v, requires_grad=True) for v in (150.0, 3.0))
    tax = Tensor(1.1, requires_grad=True)

    price = (apple * apples + orange * oranges) * tax
    price.backward()

    print(f"price {price.item():.0f}")
    inputs = {
        "an apple's price": apple,
        "number of apples": apples,
        "an orange's price": orange,
        "number of oranges": oranges,
        "tax": tax,
    }
    for name, tensor in inputs.items():
        print(f"  one more of {name:<17} changes it by {tensor.grad:.1f}")


if __name__ == "__main__":
    main()
