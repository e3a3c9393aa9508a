"""A model of your own: a Module in plain Python, trained on two interleaved spirals.

python examples/own_model.py [--quick]
"""

import argparse

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.data import DataLoader
from tinygrad_edu.nn import CrossEntropyLoss, Linear, Module
from tinygrad_edu.optim import Adam


class Residual(Module):
    """Two hidden layers, the second added to the first."""

    def __init__(self, width: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.enter = Linear(2, width, rng=rng)
        self.middle = Linear(width, width, rng=rng)
        self.leave = Linear(width, 2, rng=rng)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        """Return the logits, shape (batch, 2)."""
        h = np.tanh(self.enter(x))
        return self.leave(h + np.tanh(self.middle(h)))


def spirals(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return points of two spirals, shape (2 count, 2), and their labels."""
    turn = np.sqrt(rng.random(count)) * 3 * np.pi
    arm = np.stack([turn * np.cos(turn), turn * np.sin(turn)], axis=1) / 10
    arm = arm + 0.02 * rng.standard_normal(arm.shape)
    return np.concatenate([arm, -arm]).astype(np.float32), np.repeat([0, 1], count)


def main() -> None:
    """Train, and print the accuracy as it grows."""
    parser = argparse.ArgumentParser(description="A model of your own on two spirals.")
    parser.add_argument("--quick", action="store_true", help="a few epochs only")
    epochs = 4 if parser.parse_args().quick else 60

    rng = np.random.default_rng(1)
    points, labels = spirals(500, rng)
    model, loss = Residual(32, rng), CrossEntropyLoss()
    optimizer = Adam(model, lr=0.01)
    loader = DataLoader((points, labels), 50, rng=2)
    print(model.summary())
    for epoch in range(1, epochs + 1):
        for x, t in loader:
            optimizer.zero_grad()
            value = loss(model(tg.Tensor(x)), t)
            value.backward()
            optimizer.step()
        if epoch == 1 or epoch % (epochs // 4) == 0:
            with tg.no_grad():
                right = model(tg.Tensor(points)).numpy().argmax(axis=1) == labels
            print(f"epoch {epoch:3d}  loss {value.item():.4f}  accuracy {right.mean():.3f}")


if __name__ == "__main__":
    main()
