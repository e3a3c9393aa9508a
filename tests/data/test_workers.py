"""Transforms and threads: what a batch gets depends on its number, never on who made it when."""

import copy
import gc
import json
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import Compose, DataLoader, Elastic, Noise, Shift
from tinygrad_edu.data.datasets import Batch
from tinygrad_edu.errors import DataError

IMAGES = np.random.default_rng(0).random((10, 64), np.float32)
LABELS = np.arange(10)
FORMS: dict[str, dict[str, Any]] = {
    "shuffled": {},
    "last dropped": {"last": "drop"},
    "with replacement": {"replacement": True},
    "in order": {"shuffle": False},
}


def jitter(batch: Batch, rng: np.random.Generator) -> Batch:
    """Return the batch with noise, and what was drawn."""
    images, *rest = batch
    noise = rng.random(images.shape, np.float32)
    return (images + noise, *rest, noise)


def make(seed: int | np.random.Generator = 3, workers: int = 0, **options: Any) -> DataLoader:
    options = {"transform": jitter, **options}
    return DataLoader((IMAGES, LABELS), 4, workers=workers, rng=seed, **options)


def told(batch: Batch) -> tuple[bytes, ...]:
    return tuple(array.tobytes() for array in batch)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "DataLoader"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threads():
        # A thread ends with the batch it is making: nobody has to tell it.
        thread.join(timeout=30)
    assert threads() == []


# Transforms


def test_only_what_the_transform_returns_comes_out() -> None:
    plain = DataLoader((IMAGES, LABELS), 4, shuffle=False)
    for before, (images, labels, noise) in zip(plain, make(shuffle=False), strict=True):
        np.testing.assert_array_equal(images, before[0] + noise)
        np.testing.assert_array_equal(labels, before[1])


def test_each_batch_and_each_epoch_has_its_own_random_numbers() -> None:
    loader = make(shuffle=False)
    noises = [batch[2].tobytes() for _ in range(3) for batch in loader]
    assert len(set(noises)) == 9


def test_a_transform_does_not_change_the_order() -> None:
    with_, seed = make(3), np.random.default_rng(3)
    seed.integers(1 << 62)  # what the loader takes for its transform
    without = DataLoader((IMAGES, LABELS), 4, rng=seed)
    for _ in range(3):
        for batch, other in zip(with_, without, strict=True):
            np.testing.assert_array_equal(batch[1], other[1])


def test_without_a_transform_the_order_is_what_it_was_before_there_were_any() -> None:
    loader = make(7, transform=None, workers=2)
    order = np.random.default_rng(7).permutation(10)
    assert np.concatenate([batch[1] for batch in loader]).tolist() == order.tolist()


def test_a_transform_that_returns_no_tuple_is_refused_and_the_bookmark_stays() -> None:
    for workers in (0, 2):
        loader = make(transform=lambda batch, _rng: list(batch), workers=workers)
        with pytest.raises(DataError, match=r"found list from the transform; expected a tuple"):
            loader.sample()
        assert loader.state()["position"] == 0


# Threads


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("form", FORMS)
def test_any_number_of_workers_gives_the_same_batches_to_the_bit(form: str, workers: int) -> None:
    alone, helped = make(**FORMS[form]), make(workers=workers, **FORMS[form])
    for _ in range(3):
        for expected, batch in zip(alone, helped, strict=True):
            assert told(batch) == told(expected)
            assert json.dumps(alone.state_dict(), default=np.ndarray.tolist) == json.dumps(
                helped.state_dict(), default=np.ndarray.tolist
            )


def test_real_transforms_are_the_same_in_threads() -> None:
    transform = Compose(Shift(2), Elastic(10), Noise(0.1), probability=0.7)
    alone, helped = (make(transform=transform, workers=workers) for workers in (0, 3))
    for _ in range(2):
        for expected, batch in zip(alone, helped, strict=True):
            assert told(batch) == told(expected)


@pytest.mark.acceptance("N15")
@pytest.mark.parametrize(("before", "after"), [(0, 3), (3, 0), (2, 5)])
@pytest.mark.parametrize("stop", range(8))
@pytest.mark.parametrize("form", FORMS)
def test_a_state_in_mid_epoch_is_exact_although_batches_were_made_ahead(
    form: str, stop: int, before: int, after: int
) -> None:
    unbroken = make(workers=before, **FORMS[form])
    for _ in range(stop):
        unbroken.sample()
    state = json.loads(json.dumps(unbroken.state_dict(), default=np.ndarray.tolist))
    resumed = make(99, workers=after, **FORMS[form])
    resumed.sample()
    resumed.load_state_dict(state)
    for _ in range(7):
        assert told(resumed.sample()) == told(unbroken.sample())


@given(
    steps=st.lists(st.sampled_from(["sample", "restart", "jump", "draw", "reload"]), max_size=12),
    form=st.sampled_from(list(FORMS)),
)
def test_whatever_moves_the_bookmark_is_followed(steps: list[str], form: str) -> None:
    pair = []
    for workers in (0, 3):
        rng = np.random.default_rng(5)
        loader = make(rng, workers=workers, **FORMS[form])
        first, seen = loader.state_dict(), []
        for step in steps:
            match step:
                case "sample":
                    seen.append(told(loader.sample()))
                case "restart":
                    loader.restart()
                case "jump":
                    loader.state()["position"][...] = 1
                case "draw":  # somebody else uses the generator, too
                    rng.random()
                case "reload":
                    loader.load_state_dict(first)
        seen.append(told(loader.sample()))
        pair.append((seen, rng.bit_generator.state))
    assert pair[0] == pair[1]


def test_no_more_batches_are_made_ahead_than_there_are_workers() -> None:
    made, lock, gate = [], threading.Lock(), threading.Event()

    def count(batch: Batch, rng: np.random.Generator) -> Batch:
        with lock:
            made.append(rng)
        gate.wait(30)
        return batch

    loader = make(transform=count, workers=3)
    sampler = threading.Thread(target=loader.sample)
    sampler.start()
    while len(made) < 4:  # the batch that was asked for, and one for each worker
        sampler.join(0.001)
    assert len(threads()) == 4
    gate.set()
    sampler.join()
    assert len(made) == 4
    loader.sample()
    for thread in threads():
        thread.join()
    assert len(made) == 5


def test_several_batches_are_made_at_once() -> None:
    together = threading.Barrier(3, timeout=30)

    def meet(batch: Batch, _rng: np.random.Generator) -> Batch:
        together.wait()
        return batch

    loader = make(transform=meet, workers=2)
    loader.sample()


class LostError(LookupError):
    """What a class of one's own is for: it can be referred to weakly."""


class Fails:
    """A data set whose sample 5 cannot be read, once or always."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __len__(self) -> int:
        return 10

    def __getitem__(self, indices: np.ndarray, /) -> Batch:
        if 5 in indices and self.times:
            self.times -= 1
            raise LostError("sample 5 is on a lost disk")
        return (indices * 1,)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_an_error_comes_out_in_its_turn_with_its_traceback_and_can_be_survived(
    workers: int,
) -> None:
    loader = DataLoader(Fails(1), 2, shuffle=False, workers=workers)
    seen = [loader.sample()[0].tolist() for _ in range(2)]
    with pytest.raises(LookupError, match="lost disk") as caught:
        loader.sample()
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "__getitem__"
    assert "sample" in names
    assert loader.state()["position"] == 2
    seen += [batch[0].tolist() for batch in loader]
    assert seen == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_an_error_leaves_no_garbage() -> None:
    loader = DataLoader(Fails(9), 2, shuffle=False, workers=2)
    gc.collect()
    gc.disable()
    try:
        loader.restart()
        loader.sample()
        loader.sample()
        try:
            loader.sample()
        except LookupError as error:
            ghost = weakref.ref(error)
        for thread in threads():
            thread.join()
        assert ghost() is None
    finally:
        gc.enable()


def test_a_loader_that_is_let_go_is_freed_though_threads_were_at_work() -> None:
    loader = make(workers=3)
    loader.sample()
    ghost = weakref.ref(loader)
    for thread in threads():
        thread.join()
    gc.collect()
    gc.disable()
    try:
        del loader
        assert ghost() is None
    finally:
        gc.enable()


def test_a_copy_goes_its_own_way() -> None:
    loader = make(workers=2)
    loader.sample()
    other = copy.deepcopy(loader)
    assert [told(other.sample()) for _ in range(4)] == [told(loader.sample()) for _ in range(4)]
    other.sample()
    assert loader.state()["position"] != other.state()["position"]


def test_a_data_set_may_spoil_its_indices_in_a_thread() -> None:
    class Spoiler(Fails):
        def __getitem__(self, indices: np.ndarray, /) -> Batch:
            result = (indices.copy(),)
            indices[...] = 0
            return result

    loader = DataLoader(Spoiler(0), 4, shuffle=False, workers=2)
    assert [batch.tolist() for (batch,) in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "workers=-1; expected an integer from 0 to 64"),
        ({"workers": 65}, "workers=65; expected"),
        ({"workers": True}, "workers=True; expected"),
        ({"transform": 3}, r"transform=3; expected f\(batch, rng\)"),
        ({"rng": None, "shuffle": False, "transform": jitter}, "rng=None; expected"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_fix(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        DataLoader(**{"data": IMAGES, "batch_size": 4, "rng": 0, **options})
    assert "Fix: " in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: {key: value for key, value in state.items() if key != "seed"},
        lambda state: {**state, "seed": -1},
        lambda state: {**state, "seed": 0.5},
        lambda state: {**state, "seed": "x"},
        lambda state: {**state, "form": {**state["form"], "transform": None}},
    ],
)
def test_a_damaged_seed_is_refused_and_changes_nothing(
    damage: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    loader, other = make(1), make(2)
    before = json.dumps(loader.state_dict(), default=np.ndarray.tolist)
    with pytest.raises(DataError, match=r"DataLoader: found .*expected .*Fix: "):
        loader.load_state_dict(damage(other.state_dict()))
    assert json.dumps(loader.state_dict(), default=np.ndarray.tolist) == before


def test_the_state_of_a_loader_with_a_transform_does_not_fit_one_without() -> None:
    plain = make(transform=None)
    with pytest.raises(DataError, match="found the state of a loader with"):
        plain.load_state_dict(make().state_dict())
