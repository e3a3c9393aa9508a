"""Diagnosis: where a run that diverges first went wrong, found by making the iteration again.

The batches and the random numbers of the iteration are still known, so it is replayed under
`detect_anomaly`, which names the op; the modules on the way are watched, which names the layer.

Knows: a trainer. Does not know: how to go on; that is the reader's.
Read next: ``trainer.py``, which raises what is found here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu.core.state import Array
from tinygrad_edu.core.switch import detect_anomaly
from tinygrad_edu.errors import AnomalyError, TrainingError, users_line
from tinygrad_edu.train.rates import smaller_rate

if TYPE_CHECKING:
    from tinygrad_edu.data import DataLoader
    from tinygrad_edu.nn import Module
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["Moment", "diverged"]

SHOWN = 12
"""Samples of a batch that are named; more are counted."""
LARGE_VALUE = 20.0
"""Inputs beyond this are most likely not scaled; standardised ones hardly ever go beyond 5."""
WORST = 4
"""Parameters whose size is told."""


class Moment:
    """Where the generators and the loader are before an iteration: a few numbers each.

    Parameters
    ----------
    generators : sequence of Generator
        Those that the model draws from.
    loader : DataLoader
        Gives the batches.
    """

    __slots__ = ("drawn", "position", "states")

    def __init__(self, generators: Sequence[np.random.Generator], loader: DataLoader) -> None:
        self.states = [rng.bit_generator.state for rng in generators]
        self.position = int(loader.state()["position"])
        self.drawn = loader.rng.bit_generator.state if loader.replacement else None


def diverged(trainer: Trainer, value: float, moment: Moment | None) -> TrainingError:
    """Return the error that tells how a run diverged, and where if that can be found.

    Parameters
    ----------
    trainer : Trainer
        Before its step, or after it if `moment` is None.
    value : float
        The loss of the iteration.
    moment : Moment or None
        What an exact repetition needs; None if the loss grew too large but is a number.
    """
    losses = trainer.history.losses
    last = list(losses[-5:]) if moment is None else [*losses[-4:], value]
    number = trainer.iteration + (moment is not None)
    if moment is None:
        what = "the loss has exploded"
    elif math.isfinite(value):
        what = "a gradient is not finite"
    else:
        what = "the loss is not finite"
    lr = float(trainer.optimizer.lr)
    trainer.progress.clear()
    lines = [
        f"training diverges: {what} at iteration {number}",
        f"losses: {f'{_numbers(losses[:3])} at the start, ' * bool(len(losses))}"
        f"{_numbers(last)} at the end",
        f"learning rate: {lr:g}",
    ]
    broken = ""
    if moment is not None:
        lines.append(f"batch: {_samples(trainer, moment)}")
        norms = _gradient_norms(trainer.model)  # before the iteration is made again
        found, broken = _first(trainer, moment)
        lines += found
    else:
        norms = _gradient_norms(trainer.model)
    lines.append(f"largest weights: {_largest(trainer.model)}")
    if norms:
        lines.append(f"gradient norms: {norms}")
    lines.append(f"fix: {broken or _advice(trainer)}")
    if trainer.checkpoint is not None and trainer.checkpoint.exists():
        lines.append(f"{trainer.checkpoint} still holds the state of the last evaluation")
    return TrainingError("\n  ".join(lines))


def _first(trainer: Trainer, moment: Moment) -> tuple[list[str], str]:
    """Return lines on what is not finite first, and what to do first, by a repetition."""
    for number, batch in enumerate(trainer.batches):
        for part, array in enumerate(batch):
            if (place := _not_finite(array)) is not None:
                which = "targets" if part == len(batch) - 1 else f"inputs {part + 1}"
                return [
                    f"first: the {which} of the batch hold {array[place]} at {list(place)}, which "
                    f"is sample {_indices(trainer, moment)[number][place[0]]} of the data"
                ], "take that sample out of the data, or repair it"
    for name, array in trainer.model.state().items():
        if (place := _not_finite(array)) is not None:
            return [
                f"first: {name} is {array[place]} at {list(place)} before this iteration: the step "
                "before it was too large, or the weights were set or loaded so"
            ], ""
    generators = list(trainer.generators().values())
    after = [rng.bit_generator.state for rng in generators]
    before = trainer.model.state_dict()
    seen: list[str] = []
    try:
        for rng, state in zip(generators, moment.states, strict=True):
            rng.bit_generator.state = state
        with _watched(trainer.model, seen), detect_anomaly():
            for batch in trainer.batches:
                trainer.find_loss(batch).backward()
    except AnomalyError as error:
        # The nearest line outside the package is the call of fit, unless the model is yours.
        here = f"  at {users_line()}"
        told = str(error).split("\n  fix:")[0].split("\n")
        text = "\n  ".join(line for line in told if line != here)
        where = f"in {seen[0]}, " if seen else ""
        return [f"first: {where}{text}"], ""
    finally:
        for rng, state in zip(generators, after, strict=True):
            rng.bit_generator.state = state
        trainer.model.load_state_dict(before)
    return ["first: not found again, so a callback or a hook made it, or the iteration draws from "
            "a generator that the model does not hold"], ""  # fmt: skip


def _advice(trainer: Trainer) -> str:
    """Return what to do about a run whose batch holds nothing but numbers."""
    scale = _scaling(trainer)
    if scale:  # a step made with such inputs does not tell which rate suits better ones
        return f"{scale}; if that does not help, try a smaller learning rate, or clip the gradients"
    if trainer.iteration == 0:
        return (
            "no step was made yet, so the learning rate is not the cause: look at the op that is "
            "named above, at the loss and at the initial weights"
        )
    rate = smaller_rate(float(trainer.optimizer.lr), trainer.first_step)
    return (
        f"try lr={rate:.1g}, or clip the gradients; if that does not help, look at the targets and "
        "at the initial weights"
    )


def _scaling(trainer: Trainer) -> str:
    """Return what to do about inputs that nobody scaled, with their range; empty if all is well."""
    leaves = [type(m).__name__ for m in trainer.model.modules() if not m.children()]
    if leaves and "Norm" in leaves[0]:
        return ""
    kinds = "f" if any(name.startswith("Embedding") for name in leaves) else "fiu"
    for part in range(len(trainer.batches[0]) - 1):
        arrays = [b[part] for b in trainer.batches if b[part].size and b[part].dtype.kind in kinds]
        low = min((float(array.min()) for array in arrays), default=0.0)
        high = max((float(array.max()) for array in arrays), default=0.0)
        if max(-low, high) > LARGE_VALUE:
            how = (
                "divide pixels by 255"
                if low >= 0 and 200 < high <= 255
                else "standardise: subtract the training set's mean, divide by its deviation"
            )
            return f"scale the inputs {part + 1}, which reach from {low:g} to {high:g}: {how}"
    return ""


class _watched:
    """Context in which the innermost module that raises an AnomalyError adds its name to a list."""

    def __init__(self, model: Module, seen: list[str]) -> None:
        self.modules, self.seen = model.named_modules(), seen
        self.before: list[tuple[Module, Any]] = []

    def __enter__(self) -> None:
        for path, module in self.modules:
            self.before.append((module, vars(module).get("forward")))
            vars(module)["forward"] = self._inner(path, module)

    def __exit__(self, *_: object) -> None:
        for module, forward in self.before:
            del vars(module)["forward"]
            if forward is not None:
                vars(module)["forward"] = forward

    def _inner(self, path: str, module: Module) -> Callable[..., Any]:
        forward = module.forward

        def inner(*args: Any, **kwargs: Any) -> Any:
            try:
                return forward(*args, **kwargs)
            except AnomalyError:
                self.seen.append(f"{path or 'the model'} ({type(module).__name__})")
                raise

        return inner


def _samples(trainer: Trainer, moment: Moment) -> str:
    """Return which samples of the data the batches hold."""
    found = np.concatenate(_indices(trainer, moment)).tolist()
    more = f", ... ({len(found)} in all)" if len(found) > SHOWN else ""
    return f"samples {', '.join(map(str, found[:SHOWN]))}{more}"


def _indices(trainer: Trainer, moment: Moment) -> list[Array]:
    """Return the numbers of the samples in each of the iteration's batches."""
    loader, sizes = trainer.loader, [len(batch[-1]) for batch in trainer.batches]
    if moment.drawn is not None:
        again = type(loader.rng.bit_generator)()
        again.state = moment.drawn
        rng = np.random.Generator(again)
        return [rng.integers(len(loader.dataset), size=loader.batch_size) for _ in sizes]
    order, start = loader.state()["order"], moment.position * loader.batch_size
    ends = start + np.cumsum(sizes)
    return [order[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _largest(model: Module) -> str:
    sizes = {name: np.abs(a).max() for name, a in model.state().items() if a.size}
    # nan is above everything here, as it is the worst.
    worst = sorted(sizes, key=lambda name: -np.nan_to_num(sizes[name], nan=np.inf))
    return ", ".join(f"{name} {sizes[name]:.3g}" for name in worst[:WORST])


def _gradient_norms(model: Module) -> str:
    """Return the norm of each parameter's gradient, in order of definition."""
    norms = [
        f"{name} {np.linalg.norm(parameter.grad.astype(np.float64)):.3g}"
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    ]
    return ", ".join(norms)


def _not_finite(array: Array) -> tuple[int, ...] | None:
    """Return the index of the first nan or inf of an array, or None."""
    if array.dtype.kind not in "fc" or np.isfinite(array).all():
        return None
    return tuple(np.argwhere(~np.isfinite(array))[0].tolist())


def _numbers(values: Any) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
