"""The recorder: it sees what is there, changes nothing, and survives with the run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.core.tensor import Parameter
from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import CheckpointError, TrainingError
from tinygrad_edu.optim import SGD, Adam
from tinygrad_edu.plots import binned
from tinygrad_edu.train import Callback, Recorder, Trainer, read_checkpoint
from tinygrad_edu.train.recorder import KINDS, PATH_BYTES, POINTS, SNAPSHOTS, outputs_of

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def build(*callbacks: Callback, **options: Any) -> Trainer:
    nn.manual_seed(3)
    rng = np.random.default_rng(1)
    model = nn.Sequential(
        nn.Linear(6, 8, rng=rng),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(8, 2, rng=rng),
    )
    loader = DataLoader((X, Y), 20, rng=2)
    return Trainer(
        model, nn.CrossEntropyLoss(), Adam(model, 0.01), loader, callbacks=callbacks, **options
    )


def bits(trainer: Trainer) -> Any:
    arrays, _ = trainer.state_dict()
    own = {name: array.tobytes() for name, array in arrays.items() if "Recorder" not in name}
    own.pop("history/records")  # tells seconds
    return own


def test_a_training_is_the_same_with_and_without_it() -> None:
    watched, alone = build(Recorder()), build()
    watched.fit(iterations=50)
    alone.fit(iterations=50)
    assert bits(watched) == bits(alone)


class Steering(Callback):
    """Somebody who may stop a training, and does at a quarter of it."""

    def iteration(self, trainer: Trainer) -> None:
        if trainer.iteration == trainer.total // 4:
            trainer.stop("enough")


@pytest.mark.parametrize("iterations", [31, 33, 100, 257, 700])
def test_it_looks_as_often_as_it_keeps(iterations: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(
        "tinygrad_edu.train.recorder._look", lambda trainer: looks.append(trainer.iteration) or {}
    )
    recorder = Recorder(path=False)
    build(recorder).fit(iterations=iterations)
    assert recorder.iterations == looks
    assert min(iterations, SNAPSHOTS // 2) <= len(looks) <= SNAPSHOTS


def test_of_a_training_that_is_stopped_early_there_is_enough() -> None:
    recorder = Recorder()
    build(recorder, Steering()).fit(iterations=400)
    assert recorder.iterations[-1] < 100
    assert SNAPSHOTS // 2 <= len(recorder.iterations) <= SNAPSHOTS
    assert POINTS // 2 <= len(recorder.path_iterations) <= POINTS


def test_a_training_in_pieces_has_the_moments_of_a_whole_one() -> None:
    whole, pieces = Recorder(), Recorder()
    build(whole).fit(iterations=150)
    trainer = build(pieces)
    for iterations in (3, 40, 90, 150):
        trainer.fit(iterations=iterations)
    assert pieces.iterations == whole.iterations
    assert pieces.path_iterations == whole.path_iterations
    assert np.array_equal(pieces.path, whole.path)


class Odd(nn.Module):
    """Weights at the ends of what a float holds, and an output that is complex."""

    def __init__(self) -> None:
        self.weight = Parameter(np.array([[1.7e308, -1.7e308], [5e-324, 0.0]]))
        self.tiny = Parameter(np.array([[5e-324, 0.0]]))
        self.layer = Turned()

    def forward(self, x: Any) -> Any:
        return self.layer(x).real


class Turned(nn.Module):
    def __init__(self) -> None:
        self.weight = Parameter(np.full((6, 2), 0.5))

    def forward(self, x: Any) -> Any:
        return x @ self.weight * (3 + 4j)


def test_no_number_of_a_net_stops_its_training() -> None:
    model, recorder = Odd(), Recorder()
    optimizer = SGD(model.layer, 0.01)
    loader = DataLoader((np.ones((40, 6)), Y[:40]), 20, rng=2)
    Trainer(model, nn.CrossEntropyLoss(), optimizer, loader, callbacks=[recorder]).fit(iterations=2)
    weight, tiny = (recorder.layers("weights")[name][0] for name in ("weight", "tiny"))
    assert (weight.lost, weight.counts.sum()) == (2, 2)
    assert tiny.counts.sum() == 2
    (found, _) = recorder.layers("activations")["layer"]
    assert found.low == found.high == 6 * 0.5 * 5  # the absolute value


class Seen(Callback):
    """What a recorder should see at its moments."""

    def __init__(self) -> None:
        self.weights: list[Any] = []
        self.gradients_: list[Any] = []

    def gradients(self, trainer: Trainer) -> None:
        weight = trainer.model[0].weight  # type: ignore[index]
        self.weights.append(weight.numpy().copy())
        self.gradients_.append(np.array(weight.grad))


def test_histograms_are_those_of_weights_and_gradients_at_that_moment() -> None:
    recorder, seen = Recorder(), Seen()
    build(recorder, seen).fit(iterations=5)
    assert recorder.iterations == [0, 1, 2, 3, 4]
    for kind, arrays in (("weights", seen.weights), ("gradients", seen.gradients_)):
        strips = recorder.layers(kind)
        assert list(strips) == ["0.weight", "4.weight"]
        for found, array in zip(strips["0.weight"], arrays, strict=True):
            expected = binned(array)
            assert (found.low, found.high) == (expected.low, expected.high)
            assert found.counts.tolist() == expected.counts.tolist()
    first = recorder.path.astype(np.float32)[:, :48]
    assert np.allclose(first, [w.ravel() for w in seen.weights], rtol=1e-3)
    assert list(recorder.layers("activations")) == ["0", "1", "2", "4"]
    assert all(b.low >= 0 for b in recorder.layers("activations")["2"])
    with pytest.raises(TrainingError, match="expected one of weights, gradients, activations"):
        recorder.layers("losses")


@pytest.mark.parametrize("iterations", [31, 33, 100, 257])
def test_its_moments_are_even_however_long_the_run_becomes(iterations: int) -> None:
    recorder = Recorder()
    build(recorder).fit(iterations=iterations)
    for moments, most in ((recorder.iterations, SNAPSHOTS), (recorder.path_iterations, POINTS)):
        assert moments[0] == 0
        assert len(set(np.diff(moments).tolist())) == 1
        assert min(iterations, most // 2) <= len(moments) <= most
        assert iterations - moments[-1] <= np.diff(moments)[0]


def test_a_resumed_run_has_the_strips_of_a_whole_one(tmp_path: Path) -> None:
    whole, first, second = Recorder(), Recorder(), Recorder()
    build(whole).fit(iterations=80)
    file = tmp_path / "checkpoint.npz"
    build(first, checkpoint=file).fit(iterations=37)
    continued = build(second)
    continued.resume(file)
    continued.fit(iterations=80)
    told = Recorder.of_checkpoint(*read_checkpoint(continued.save(file)))
    for other in (second, told):
        assert other.iterations == whole.iterations
        assert other.path_iterations == whole.path_iterations
        assert np.array_equal(other.path, whole.path)
        for kind in KINDS:
            for name, strip in whole.layers(kind).items():
                for a, b in zip(strip, other.layers(kind)[name], strict=True):
                    assert (a.low, a.high, a.counts.tolist()) == (b.low, b.high, b.counts.tolist())


def test_a_run_without_one_has_nothing_and_may_get_one_later(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.npz"
    build(checkpoint=file).fit(iterations=4)
    assert Recorder.of_checkpoint(*read_checkpoint(file)).iterations == []
    recorder = Recorder(path=False)
    continued = build(recorder)
    continued.resume(file)
    continued.fit(iterations=6)
    assert recorder.iterations == [4, 5]
    assert recorder.path.shape == (0, 0)


def test_the_weights_of_a_large_net_are_kept_at_fewer_moments_or_not_at_all() -> None:
    for size, most in ((600_000, 6), (1_200_000, 0)):
        model = nn.Linear(size, 1, rng=0)
        loader = DataLoader(
            (np.zeros((2, size), np.float32), np.zeros((2, 1), np.float32)), 2, rng=0
        )
        recorder = Recorder()
        trainer = Trainer(model, nn.MSELoss(), Adam(model), loader, callbacks=[recorder])
        trainer.fit(iterations=8)
        assert recorder.path.nbytes <= PATH_BYTES
        assert len(recorder.path) <= most
        assert bool(len(recorder.path)) == bool(most)


def test_what_was_saved_by_something_else_is_refused() -> None:
    recorder = Recorder()
    build(recorder).fit(iterations=3)
    arrays, facts = dict(recorder.state()), dict(recorder.told())
    for changed in (
        ({**arrays, "ends": arrays["ends"][:1]}, facts),
        ({**arrays, "path": arrays["path"][:1]}, facts),
        ({**arrays, "path": arrays["path"][0]}, facts),
        ({**arrays, "counts": arrays["counts"][..., 0]}, facts),
        (arrays, {**facts, "iterations": [0]}),
        (arrays, {**facts, "every": 0}),
    ):
        with pytest.raises(CheckpointError, match="Recorder: the saved"):
            Recorder().load(None, *changed)
    named = {f"callbacks/Recorder/{name}": array for name, array in arrays.items()}
    facts.pop("names")
    header = {"callbacks": {"Recorder": {"facts": facts}}}
    with pytest.raises(CheckpointError, match="what was saved cannot be read"):
        Recorder.of_checkpoint(named, header)
    with pytest.raises(TrainingError, match="path=3"):
        Recorder(path=3)  # type: ignore[arg-type]


def test_a_layer_whose_cells_are_not_called_is_a_layer() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            self.recurrent = nn.LSTM(3, 4, rng=0)
            self.last = nn.Linear(4, 2, rng=0)

        def forward(self, x: Any) -> Any:
            return self.last(self.recurrent(x)[0][:, -1])

    found = dict(outputs_of(Reader(), [np.zeros((5, 6, 3), np.float32)]))
    assert list(found) == ["recurrent", "last"]
    assert found["last"].shape == (5, 2)
