"""The recorder: how weights, gradients and activations are spread while a net is trained.

It looks at a few dozen moments of a training, evenly over all of it. How long it will be is known
when it begins, which tells how often to look. Where it becomes longer, or the interval was chosen
for one that may be stopped early, every second moment is let go when `SNAPSHOTS` are kept, and from
then on it looks half as often. What it keeps goes into the checkpoint with everything else, and
moments are multiples of a power of 2, so a resumed run has the strips of a whole one.

Knows: a trainer by its public attributes, and modules that are called. Does not know: pictures.
Read next: ``plots/spread.py``, which draws what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu.core.state import Array
from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.core.tensor import Parameter, constant
from tinygrad_edu.errors import CheckpointError, TrainingError
from tinygrad_edu.nn import Module, activations
from tinygrad_edu.plots import Bins, binned
from tinygrad_edu.train.callbacks import Callback
from tinygrad_edu.train.doctor.probe import State, arrays, watched
from tinygrad_edu.train.resume import unpacked

if TYPE_CHECKING:
    from tinygrad_edu.train.trainer import Trainer

__all__ = ["KINDS", "Recorder"]

KINDS = ("weights", "gradients", "activations")
SNAPSHOTS = 32
"""Moments that are kept at most."""
POINTS = 16
"""Moments of which the weights themselves are kept at most: they are many, and a way has bends."""
NUMBERS = 2_048
"""Of each array that are counted: enough for a histogram, and soon done."""
EARLY = 4
"""How many times as often is looked at first where a training may end before its time."""
INPUTS = 32
"""Samples of the batch that activations are recorded for."""
PATH_BYTES = 8 << 20
"""What the weights on the way may take: a checkpoint should not become mostly that."""

Snapshot = dict[tuple[str, str], Bins]
"""Kind and name of the layer, and how its numbers are spread."""


class Recorder(Callback):
    """Record histograms of weights, gradients and activations by layer, and the way of the weights.

    Recorded are parameters with two axes or more and their gradients, before the step of an
    iteration, and the outputs of layers with parameters and of activation layers, for the first 32
    samples of its batch. The training is the same with and without it, bit for bit: what a look
    changes (generators, running means) is put back.

    Parameters
    ----------
    path : bool
        Whether to keep the weights themselves too, in float16 and at fewer moments where they are
        many, at most 8 MiB in all: that draws the way of a training on its loss surface.

    Attributes
    ----------
    iterations : list of int
        When was recorded: iterations made before.
    path_iterations : list of int
        When the weights were kept.

    Raises
    ------
    TrainingError
        `path` is no truth value.

    Examples
    --------
    >>> from tinygrad_edu.data import DataLoader
    >>> from tinygrad_edu.nn import Linear, MSELoss
    >>> from tinygrad_edu.optim import SGD
    >>> from tinygrad_edu.train import Trainer
    >>> x = np.linspace(0, 1, 20, dtype=np.float32)[:, None]
    >>> net, recorder = Linear(1, 1, rng=0), Recorder()
    >>> loader = DataLoader((x, 3 * x), 10, rng=0)
    >>> trainer = Trainer(net, MSELoss(), SGD(net, lr=0.1), loader, callbacks=[recorder])
    >>> history = trainer.fit(iterations=5)
    >>> recorder.iterations, list(recorder.layers("gradients"))
    ([0, 1, 2, 3, 4], ['weight'])
    """

    steers = False

    def __init__(self, *, path: bool = True) -> None:
        if not isinstance(path, bool):
            raise TrainingError(
                f"Recorder: found path={path!r}; expected True or False\n  fix: leave it out"
            )
        self.keeps_path = path
        self.every = self.path_every = 1
        self.iterations: list[int] = []
        self.path_iterations: list[int] = []
        self._snapshots: list[Snapshot] = []
        self._path: list[Array] = []

    # ---- the moments

    def begin(self, trainer: Trainer) -> None:
        """Look no more often than a training of this length needs."""
        # Who steers may stop it early; of a quarter there should still be enough.
        more = EARLY if any(callback.steers for callback in trainer.callbacks) else 1
        self._look_every(_interval(trainer.total, more * SNAPSHOTS))
        self._keep_every(_interval(trainer.total, more * POINTS))

    def gradients(self, trainer: Trainer) -> None:
        """Record, if it is time."""
        iteration = trainer.iteration
        if iteration % self.every == 0:
            if len(self.iterations) == SNAPSHOTS:
                self._look_every(2 * self.every)
            if iteration % self.every == 0:
                self.iterations.append(iteration)
                self._snapshots.append(_look(trainer))
        if self.keeps_path and iteration % self.path_every == 0:
            self._keep(trainer, iteration)

    def _keep(self, trainer: Trainer, iteration: int) -> None:
        parameters = [parameter.data for parameter in trainer.model.parameters()]
        size = sum(array.size for array in parameters)
        room = min(POINTS, PATH_BYTES // (2 * max(size, 1)))
        # Half of them may be all there is, and two points are no way; no plane is complex.
        if room < 4 or not size or any(array.dtype.kind == "c" for array in parameters):
            return
        if len(self._path) >= room:
            self._keep_every(2 * self.path_every)
        if iteration % self.path_every == 0:
            self.path_iterations.append(iteration)
            with np.errstate(over="ignore"):
                flat = [array.astype(np.float16).ravel() for array in parameters]
            self._path.append(np.concatenate(flat))

    def _look_every(self, every: int) -> None:
        """Look more rarely from now on, and let the moments between go."""
        self.every = max(self.every, every)
        kept = [i for i, moment in enumerate(self.iterations) if moment % self.every == 0]
        self.iterations = [self.iterations[i] for i in kept]
        self._snapshots = [self._snapshots[i] for i in kept]

    def _keep_every(self, every: int) -> None:
        """Keep weights more rarely from now on, and let those between go."""
        self.path_every = max(self.path_every, every)
        kept = [i for i, moment in enumerate(self.path_iterations) if moment % self.path_every == 0]
        self.path_iterations = [self.path_iterations[i] for i in kept]
        self._path = [self._path[i] for i in kept]

    # ---- what was recorded

    def layers(self, kind: str) -> dict[str, list[Bins]]:
        """Return a histogram for each of the `iterations`, by the name of the layer.

        Parameters
        ----------
        kind : {"weights", "gradients", "activations"}
            Of what; weights and gradients are named by their parameter.

        Raises
        ------
        TrainingError
            There is no such kind.
        """
        if kind not in KINDS:
            raise TrainingError(
                f"Recorder.layers: found {kind!r}; expected one of {', '.join(KINDS)}\n"
                "  fix: layers('gradients')"
            )
        names = [name for kinds, name in self._keys() if kinds == kind]
        return {
            name: [snapshot.get((kind, name), _nothing()) for snapshot in self._snapshots]
            for name in names
        }

    @property
    def path(self) -> Array:
        """The weights at each of the `path_iterations`, shape (k, size); k may be 0.

        A row holds all parameters of the net, in their order, one after the other.
        """
        return np.stack(self._path) if self._path else np.zeros((0, 0), np.float16)

    def _keys(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys(key for snapshot in self._snapshots for key in snapshot))

    # ---- what it remembers

    def state(self) -> Mapping[str, Array]:
        """Return the histograms, one row for each moment, and the weights on the way."""
        keys = self._keys()
        if not keys:
            return {}
        rows = [[snapshot.get(key, _nothing()) for key in keys] for snapshot in self._snapshots]
        return {
            "ends": np.array([[(b.low, b.high) for b in row] for row in rows]),
            "counts": np.array([[b.counts for b in row] for row in rows], np.int32),
            "lost": np.array([[b.lost for b in row] for row in rows], np.int32),
            "path": self.path,
        }

    def told(self) -> Mapping[str, Any]:
        """Return when was recorded, and what."""
        return {
            "every": self.every,
            "iterations": self.iterations,
            "path_every": self.path_every,
            "path_iterations": self.path_iterations,
            "names": [list(key) for key in self._keys()],
        }

    def load(
        self, trainer: Trainer | None, arrays: Mapping[str, Array], facts: Mapping[str, Any]
    ) -> None:
        """Become the one whose histograms and facts are given.

        Raises
        ------
        CheckpointError, KeyError, TypeError, ValueError
            They do not fit each other; this recorder is unchanged then.
        """
        del trainer
        names = [(str(kind), str(name)) for kind, name in facts["names"]]
        iterations = [int(n) for n in facts["iterations"]]
        path_iterations = [int(n) for n in facts["path_iterations"]]
        every, path_every = int(facts["every"]), int(facts["path_every"])
        snapshots: list[Snapshot] = []
        path: list[Array] = []
        if names:
            ends, counts, lost = arrays["ends"], arrays["counts"], arrays["lost"]
            shape = (len(iterations), len(names))
            shapes = (ends.shape, counts.shape[:-1], lost.shape)
            if shapes != ((*shape, 2), shape, shape) or arrays["path"].ndim != 2:
                raise CheckpointError("Recorder: the saved histograms are not those of its moments")
            for i in range(len(iterations)):
                bins = [
                    Bins(float(low), float(high), counts[i, j].copy(), int(lost[i, j]))
                    for j, (low, high) in enumerate(ends[i])
                ]
                snapshots.append(dict(zip(names, bins, strict=True)))
            path = [row.copy() for row in arrays["path"]]
        if len(path) != len(path_iterations) or every < 1 or path_every < 1:
            raise CheckpointError("Recorder: the saved weights are not those of its moments")
        self.every, self.path_every = every, path_every
        self.iterations, self.path_iterations = iterations, path_iterations
        self._snapshots, self._path = snapshots, path

    @classmethod
    def of_checkpoint(cls, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> Recorder:
        """Return the recorder of a saved run, empty if the run had none.

        Parameters
        ----------
        arrays, header
            What ``read_checkpoint`` returns of a file that a Trainer has saved.

        Raises
        ------
        CheckpointError
            What is saved under its name is something else.
        """
        recorder = cls()
        entry = header.get("callbacks", {}).get(cls.name)
        if entry is not None:
            start = f"callbacks/{cls.name}/"
            own = {n[len(start) :]: array for n, array in arrays.items() if n.startswith(start)}
            try:
                recorder.load(None, own, unpacked(entry["facts"]))
            except (KeyError, TypeError, ValueError) as error:
                raise CheckpointError(
                    f"Recorder: what was saved cannot be read: {error}"
                ) from error
        return recorder


def _interval(total: int, most: int) -> int:
    """Return the least power of 2 that is in a length at most so often."""
    return 1 << max(0, -(-total // most) - 1).bit_length()


def _nothing() -> Bins:
    return binned(())


def _binned(array: Array) -> Bins:
    """Return how the numbers of an array are spread, and the absolute values of complex ones."""
    if array.dtype.kind == "c":
        array = np.abs(array)
    return binned(array, most=NUMBERS)


def _look(trainer: Trainer) -> Snapshot:
    """Return how the numbers of a net are spread, at a moment when its gradients are there."""
    shown = _shown(trainer.model)
    found = {("weights", name): _binned(parameter.data) for name, parameter in shown}
    for name, parameter in shown:
        if parameter.grad is not None:
            found["gradients", name] = _binned(parameter.grad)
    *inputs, _ = trainer.batches[0]
    for name, array in outputs_of(trainer.model, [part[:INPUTS] for part in inputs]):
        found["activations", name] = _binned(array)
    return found


def _shown(model: Module) -> list[tuple[str, Parameter]]:
    """Return the parameters that are worth a strip: matrices and windows, if there are any."""
    named = model.named_parameters()
    return [(name, p) for name, p in named if p.ndim > 1] or named


def outputs_of(model: Module, inputs: Sequence[Array]) -> Iterator[tuple[str, Array]]:
    """Return the output of each layer for some inputs, in the order of the calls.

    The model is run once, in the mode that it is in, and everything is put back. A layer is a
    module with parameters that no module inside it is called with, or one of ``nn.activations``; of
    several calls of one layer the last is taken.

    Parameters
    ----------
    model : Module
        What is called with the inputs.
    inputs : sequence of ndarray
        Its arguments.
    """
    state, found = State(model), {}
    try:
        with no_grad(), watched(model) as calls:
            model(*map(constant, inputs))
        layers = _layers([call.module for call in calls])
        for call in calls:
            if id(call.module) in layers:
                parts = arrays(call.outputs)
                if parts:
                    found[call.path or type(model).__name__] = parts[0]
    finally:
        state.restore()
    yield from found.items()


def _layers(called: Iterable[Module]) -> set[int]:
    """Return which of some modules are layers, as `outputs_of` says it, by their identities."""
    # One walk for each module: a walk costs more than a small layer.
    inside = {id(module): (module, [part for _, part in module.walk()]) for module in called}
    found = set()
    for number, (module, parts) in inside.items():
        own = {id(part) for part in parts if isinstance(part, Parameter)}
        for part in parts:
            if id(part) in inside:
                own.difference_update(map(id, inside[id(part)][1]))
        if own or type(module).__module__ == activations.__name__:
            found.add(number)
    return found
