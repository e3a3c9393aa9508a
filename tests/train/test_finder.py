"""The learning-rate finder: a usable rate, and a trainer as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import DiagramError, TrainingError
from tinygrad_edu.nn import BatchNorm1d, CrossEntropyLoss, Dropout, Linear, MSELoss, Sequential
from tinygrad_edu.optim import SGD, Adam, Optimizer
from tinygrad_edu.train import Callback, RateSweep, Trainer, find_learning_rate

PNG = b"\x89PNG\r\n\x1a\n"
X = np.random.default_rng(0).standard_normal((200, 3))
Y = X @ [[1.0], [2.0], [-1.0]]


def regression(rule: Any = SGD, lr: float = 0.01) -> Trainer:
    model = Linear(3, 1, rng=0, dtype=np.float64)
    return Trainer(model, MSELoss(), rule(model, lr), DataLoader((X, Y), 20, rng=1))


def with_everything(*callbacks: Callback) -> Trainer:
    model = Sequential(
        Linear(3, 8, activation="relu", rng=0, dtype=np.float64),
        BatchNorm1d(8, dtype=np.float64),
        Dropout(0.2, rng=np.random.default_rng(0)),
        Linear(8, 2, rng=1, dtype=np.float64),
    )
    labels = (X[:, 0] > 0).astype(int)
    loader = DataLoader(
        (X, labels), 20, transform=lambda b, rng: (b[0] + rng.standard_normal(b[0].shape), b[1]),
        rng=1,
    )  # fmt: skip
    return Trainer(
        model, CrossEntropyLoss(), Adam(model, 0.01), loader, sets={"train": (X, labels)},
        callbacks=callbacks,
    )  # fmt: skip


def bits(run: Trainer) -> Any:
    arrays, header = run.state_dict()
    found = {n: a.tobytes() for n, a in arrays.items() if n != "history/records"}
    return found, {**header, "seconds": 0}


def test_the_suggestion_trains_and_ten_times_the_largest_does_not() -> None:
    run = regression()
    sweep = find_learning_rate(run, high=100)
    assert 0.005 < sweep.suggestion <= sweep.largest * 10
    good = regression(lr=sweep.suggestion)
    good.fit(epochs=10)
    assert good.history.losses[-1] < 0.05 * good.history.losses[0]
    too_large = regression(lr=20 * sweep.largest)
    with pytest.raises(TrainingError, match="diverges"):
        too_large.fit(epochs=10)


def test_the_rates_grow_exponentially_and_the_sweep_ends_when_the_loss_explodes() -> None:
    sweep = find_learning_rate(regression(), low=1e-4, high=1e4, iterations=100)
    assert len(sweep.rates) == len(sweep.losses) == len(sweep.smoothed) < 100
    assert sweep.rates[0] == 1e-4
    np.testing.assert_allclose(np.diff(np.log(sweep.rates)), np.log(1e8) / 99, rtol=1e-9)
    weights = 0.9 ** np.arange(5)[::-1]
    assert sweep.smoothed[4] == pytest.approx(weights @ sweep.losses[:5] / weights.sum(), rel=1e-12)
    assert sweep.smoothed[-1] > 4 * sweep.smoothed.min()


def test_the_trainer_is_as_it_was_and_goes_on_the_same() -> None:
    class Silent(Callback):
        def iteration(self, trainer: Trainer) -> None:
            assert len(trainer.history) <= 30

    run, other = with_everything(Silent()), with_everything(Silent())
    for each in (run, other):
        each.fit(iterations=13)
    before = bits(run)
    model_mode = run.model.eval().training
    find_learning_rate(run, iterations=50)
    assert run.model.training is model_mode
    assert bits(run) == before == bits(other)
    run.fit(iterations=30)
    other.fit(iterations=30)
    assert bits(run) == bits(other)


def test_it_is_as_it_was_after_an_error_too() -> None:
    run = with_everything()
    before = bits(run)
    loss, calls = run.loss, []

    def breaking(outputs: Any, targets: Any) -> Any:
        calls.append(1)
        if len(calls) == 30:
            raise RuntimeError("broken")
        return loss(outputs, targets)

    run.loss = breaking
    with pytest.raises(RuntimeError, match="broken"):
        find_learning_rate(run)
    assert bits(run) == before


def test_groups_keep_their_ratios() -> None:
    model = Sequential(Linear(3, 4, rng=0, dtype=np.float64), Linear(4, 1, dtype=np.float64, rng=0))
    groups = [{"params": list(model.layers[0].parameters()), "lr": 0.1},
              {"params": list(model.layers[1].parameters()), "lr": 0.01}]  # fmt: skip
    optimizer: Optimizer = SGD(groups, 1.0)
    run = Trainer(model, MSELoss(), optimizer, DataLoader((X, Y), 20, rng=1))
    seen = []
    step = optimizer.step
    optimizer.step = lambda: seen.append([g.lr for g in optimizer.groups]) or step()
    find_learning_rate(run, low=1e-3, high=1.0, iterations=20)
    assert seen[0] == pytest.approx([1e-3, 1e-4])
    assert seen[5][0] / seen[5][1] == pytest.approx(10)
    assert [group.lr for group in optimizer.groups] == [0.1, 0.01]


def test_a_loss_that_never_falls_suggests_nothing() -> None:
    run = regression()
    run.loss = lambda outputs, _targets: outputs.sum() * 0.0 + 1.0
    sweep = find_learning_rate(run, iterations=20)
    assert np.isnan(sweep.suggestion)
    assert np.isnan(sweep.largest)


def test_a_loss_that_becomes_nan_ends_the_sweep() -> None:
    run = regression()
    loss = run.loss
    run.loss = lambda o, t: loss(o, t) * (np.nan if len(calls) > 30 else 1.0)
    calls: list[int] = []
    step = run.optimizer.step
    run.optimizer.step = lambda: calls.append(1) or step()
    sweep = find_learning_rate(run)
    assert len(sweep.losses) == 31
    assert np.isfinite(sweep.losses).all()


@pytest.mark.parametrize(
    "options",
    [{"low": 0}, {"low": 1, "high": 0.1}, {"iterations": 3}, {"smoothing": 1}, {"worse": 1}],
)
def test_numbers_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="find_learning_rate: found"):
        find_learning_rate(regression(), **options)


def test_it_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sweep = find_learning_rate(regression())
    path = sweep.save(tmp_path / "rates.png", title="A linear regression")
    assert path.read_bytes().startswith(PNG)
    flat = RateSweep(sweep.rates, np.ones_like(sweep.losses), np.ones_like(sweep.losses), np.nan,
                     np.nan)  # fmt: skip
    assert flat.save(tmp_path / "flat.png").read_bytes().startswith(PNG)


def test_without_matplotlib_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(DiagramError, match=r"pip install 'tinygrad_edu\[plot\]'"):
        find_learning_rate(regression(), iterations=20).save(tmp_path / "rates.png")


def test_a_sweep_is_shown_in_one_line() -> None:
    sweep = find_learning_rate(regression(), iterations=50)
    text = repr(sweep)
    assert "\n" not in text
    assert len(text) < 100
    assert f"suggestion={sweep.suggestion:.2g}, largest={sweep.largest:.2g}" in text
    empty = RateSweep(np.zeros(0), np.zeros(0), np.zeros(0), np.nan, np.nan)
    assert repr(empty) == "RateSweep(suggestion=nan, largest=nan, 0 rates)"


def test_the_suggestion_is_never_above_the_largest() -> None:
    run = regression()
    # The loss falls fastest in the last steps before it is lowest.
    losses = iter([*np.full(150, 5.0), *np.linspace(4.9, 0.1, 50)])
    run.find_gradients = lambda: float(next(losses))  # type: ignore[method-assign]
    run.make_step = lambda moment: None  # type: ignore[method-assign]  # noqa: ARG005
    sweep = find_learning_rate(run)
    assert sweep.suggestion == sweep.largest == pytest.approx(1.0)
