"""Batches: every sample once an epoch, the book's draws, and resuming to the bit."""

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.data import ArrayDataset, DataLoader, Dataset
from tinygrad_edu.errors import DataError

IMAGES = np.arange(30, dtype=np.float32).reshape(10, 3)
LABELS = np.arange(10)

FORMS: dict[str, dict[str, Any]] = {
    "shuffled, last kept": {},
    "shuffled, last dropped": {"last": "drop"},
    "with replacement": {"replacement": True},
    "in order": {"shuffle": False},
}


def make(seed: int | np.random.Generator = 0, **form: Any) -> DataLoader:
    return DataLoader((IMAGES, LABELS), 4, rng=seed, **form)


def labels(loader: DataLoader) -> list[list[int]]:
    return [batch[1].tolist() for batch in loader]


def flat(batches: list[list[int]]) -> list[int]:
    return [label for batch in batches for label in batch]


# Epochs


@given(
    samples=st.integers(1, 40),
    batch_size=st.integers(1, 45),
    shuffle=st.booleans(),
    seed=st.integers(0, 9),
)
def test_an_epoch_visits_every_sample_once(
    samples: int, batch_size: int, shuffle: bool, seed: int
) -> None:
    loader = DataLoader(np.arange(samples), batch_size, shuffle=shuffle, rng=seed)
    for _ in range(3):
        batches = [batch for (batch,) in loader]
        assert len(batches) == len(loader)
        assert all(len(batch) == batch_size for batch in batches[:-1])
        visited = np.concatenate(batches)
        np.testing.assert_array_equal(np.sort(visited), np.arange(samples))
        if not shuffle:
            np.testing.assert_array_equal(visited, np.arange(samples))


def test_rows_of_all_arrays_stay_together() -> None:
    for images, numbers in make():
        assert isinstance(images, np.ndarray)
        assert images.dtype == np.float32
        np.testing.assert_array_equal(images, IMAGES[numbers])


def test_every_epoch_has_its_own_order() -> None:
    loader = make()
    orders = [flat(labels(loader)) for _ in range(3)]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders[0] != sorted(orders[0])


def test_dropping_leaves_out_what_fills_no_batch() -> None:
    loader = make(last="drop")
    assert len(loader) == 2
    batches = labels(loader)
    assert [len(batch) for batch in batches] == [4, 4]
    assert len(set(flat(batches))) == 8


def test_without_shuffling_no_generator_is_needed_and_the_order_is_the_data_s() -> None:
    loader = DataLoader([IMAGES, LABELS], 4, shuffle=False)
    for _ in range(2):
        assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("form", FORMS)
def test_batches_are_new_arrays(form: str) -> None:
    images, numbers = IMAGES.copy(), LABELS.copy()
    loader = DataLoader((images, numbers), 4, rng=0, **FORMS[form])
    for batch in loader:
        for array, source in zip(batch, (images, numbers), strict=True):
            assert not np.shares_memory(array, source)
            array[...] = -1
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(numbers, LABELS)


def test_a_data_set_may_spoil_its_indices_without_harm() -> None:
    class Spoiler:
        def __len__(self) -> int:
            return 10

        def __getitem__(self, indices: np.ndarray, /) -> tuple[np.ndarray, ...]:
            result = (indices.copy(),)
            indices[...] = 0
            return result

    loader = DataLoader(Spoiler(), 4, shuffle=False)
    for _ in range(2):
        assert [batch.tolist() for (batch,) in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


# Drawing with replacement


def test_replacement_draws_what_the_generator_s_choice_draws() -> None:
    loader, rng = make(7, replacement=True), np.random.default_rng(7)
    for _ in range(20):
        assert loader.sample()[1].tolist() == rng.choice(10, 4).tolist()


def test_replacement_gives_full_batches_of_any_size() -> None:
    loader = make(replacement=True)
    assert [len(batch) for batch in labels(loader)] == [4, 4, 4]
    (batch,) = DataLoader(LABELS, 25, replacement=True, rng=0).sample()
    assert len(batch) == 25
    assert set(batch.tolist()) <= set(range(10))


# The bookmark


@pytest.mark.parametrize("form", FORMS)
def test_sampling_reads_the_same_batches_as_epochs_do(form: str) -> None:
    epochs, samples = make(**FORMS[form]), make(**FORMS[form])
    for _ in range(3):
        for batch in labels(epochs):
            assert samples.sample()[1].tolist() == batch


def test_after_a_break_the_rest_of_the_epoch_is_read() -> None:
    loader = make()
    read = [next(iter(loader))[1].tolist(), *labels(loader)]
    assert sorted(flat(read)) == list(range(10))
    assert loader.state()["epoch"] == 1


def test_restart_skips_the_rest_of_the_epoch() -> None:
    loader = make()
    loader.sample()
    loader.restart()
    assert sorted(flat(labels(loader))) == list(range(10))
    assert loader.state()["epoch"] == 1


def test_two_seeds_differ_and_one_seed_repeats() -> None:
    assert labels(make(1)) == labels(make(1)) == labels(make(np.random.default_rng(1)))
    assert labels(make(1)) != labels(make(2))


def test_global_generators_are_neither_read_nor_written() -> None:
    legacy, builtin = np.random.get_state(), random.getstate()  # noqa: NPY002
    labels(make())
    make(replacement=True).sample()
    assert all(map(np.array_equal, np.random.get_state(), legacy))  # noqa: NPY002
    assert random.getstate() == builtin


# Resuming


def listed(value: object) -> object:
    """Return an array as a list: for JSON."""
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.acceptance("N15")
@pytest.mark.parametrize("through_json", [False, True], ids=["arrays", "json"])
@pytest.mark.parametrize("stop", range(8))
@pytest.mark.parametrize("form", FORMS)
def test_a_resumed_loader_continues_to_the_bit(form: str, stop: int, through_json: bool) -> None:
    unbroken = make(3, **FORMS[form])
    for _ in range(stop):
        unbroken.sample()
    state = unbroken.state_dict()
    if through_json:
        state = json.loads(json.dumps({key: listed(value) for key, value in state.items()}))
    resumed = make(99, **FORMS[form])
    resumed.sample()
    resumed.load_state_dict(state)
    for _ in range(3):
        for expected, batch in zip(unbroken, resumed, strict=True):
            for array, other in zip(expected, batch, strict=True):
                assert array.dtype == other.dtype
                assert array.tobytes() == other.tobytes()
    assert unbroken.rng.bit_generator.state == resumed.rng.bit_generator.state


def test_a_state_taken_inside_the_loop_says_which_batch_comes_next() -> None:
    loader, states, rest = make(5), [], []
    for batch in loader:
        states.append(loader.state_dict())
        rest.append(batch[1].tolist())
    rest += labels(loader)
    for k, state in enumerate(states):
        resumed = make(0)
        resumed.load_state_dict(state)
        expected = rest[k + 1 : 3] or rest[3:]
        assert labels(resumed) == expected


@pytest.mark.parametrize(
    "kind",
    [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64],
)
def test_every_generator_of_numpy_resumes_through_json(
    kind: Callable[[int], np.random.BitGenerator],
) -> None:
    unbroken, resumed = (make(np.random.Generator(kind(seed))) for seed in (1, 2))
    unbroken.sample()
    state = unbroken.state_dict()
    state["rng"] = json.loads(json.dumps(state["rng"]))
    resumed.load_state_dict(state)
    for _ in range(10):
        assert unbroken.sample()[1].tolist() == resumed.sample()[1].tolist()


def test_a_saved_state_is_a_copy_and_state_is_live() -> None:
    loader = make()
    loader.sample()
    saved, live = loader.state_dict(), loader.state()
    frozen = {name: saved[name].copy() for name in live}
    labels(loader)
    for _ in range(2):
        loader.sample()
    for name, array in live.items():
        assert not np.array_equal(saved[name], array)
        np.testing.assert_array_equal(saved[name], frozen[name])
        assert array is loader.state()[name]
    live["position"][...] = 2
    assert len(labels(loader)) == 1


def test_loading_writes_to_the_arrays_that_were_handed_out() -> None:
    loader, other = make(1), make(2)
    live = loader.state()
    other.sample()
    loader.load_state_dict(other.state_dict())
    for name, array in other.state().items():
        np.testing.assert_array_equal(live[name], array)
        assert not np.shares_memory(live[name], array)


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {key: value for key, value in state.items() if key != name}


def with_(name: str, value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {**state, name: value}


DAMAGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    **{f"no {name}": without(name) for name in ("order", "position", "epoch", "rng", "form")},
    "order too short": with_("order", np.arange(9)),
    "order repeats": with_("order", np.zeros(10, int)),
    "order beyond the data": with_("order", np.arange(1, 11)),
    "order of fractions": with_("order", np.arange(10.0)),
    "order of words": with_("order", list("abcdefghij")),
    "order of nothing": with_("order", [None] * 10),
    "order ragged": with_("order", [[1], 2]),
    "order a number": with_("order", 3),
    "position negative": with_("position", -1),
    "position beyond the epoch": with_("position", 3),
    "position not one number": with_("position", [1]),
    "position not a number": with_("position", np.nan),
    "epoch negative": with_("epoch", -1),
    "epoch a fraction": with_("epoch", 0.5),
    "epoch not one number": with_("epoch", [1]),
    "rng missing": with_("rng", None),
    "rng of another kind": with_("rng", np.random.MT19937(0).state),
    "rng half": with_("rng", {"bit_generator": "PCG64"}),
    "rng beyond its range": lambda state: {
        **state,
        "rng": {**state["rng"], "state": {"state": 1 << 200, "inc": -1}},
    },
    "other samples": lambda state: {**state, "form": {**state["form"], "samples": 11}},
    "other batches": lambda state: {**state, "form": {**state["form"], "batch_size": 5}},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_refused_and_changes_nothing(damage: str) -> None:
    loader, other = make(1), make(2)
    loader.sample()
    other.sample()
    before = json.dumps(loader.state_dict(), default=listed)
    with pytest.raises(DataError, match=r"DataLoader: found .*expected .*Fix: "):
        loader.load_state_dict(DAMAGES[damage](other.state_dict()))
    assert json.dumps(loader.state_dict(), default=listed) == before


@pytest.mark.parametrize("form", FORMS)
def test_a_state_of_another_form_is_refused(form: str) -> None:
    for other in FORMS:
        if other != form:
            with pytest.raises(DataError, match="found the state of a loader with"):
                make(**FORMS[form]).load_state_dict(make(**FORMS[other]).state_dict())


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size=0; expected an integer of at least 1"),
        ({"batch_size": 2.0}, "batch_size=2.0; expected an integer"),
        ({"batch_size": True}, "batch_size=True; expected an integer"),
        ({"shuffle": "no"}, "shuffle='no'; expected True or False"),
        ({"replacement": 1}, "replacement=1; expected True or False"),
        ({"replacement": True, "shuffle": False}, "replacement=True with shuffle=False"),
        ({"last": "pad"}, "last='pad'; expected 'keep' or 'drop'"),
        ({"batch_size": 11, "last": "drop"}, "10 samples for batches of 11 .*Fix: use last='keep'"),
        ({"data": np.zeros((0, 3))}, "0 samples .*Fix: check the data"),
        ({"data": 7}, "data of type int; expected arrays"),
        ({"data": ()}, r"arrays of shapes \[\]; expected at least one"),
        ({"data": (IMAGES, LABELS[:9])}, r"shapes \[\(10, 3\), \(9,\)\]; .*the same first"),
        ({"data": (IMAGES, 3)}, r"shapes \[\(10, 3\), \(\)\]"),
        ({"data": (3, 4)}, r"shapes \[\(\), \(\)\]"),
        ({"rng": None}, "rng=None; expected a numpy.random.Generator or a seed"),
        ({"rng": None, "replacement": True}, "rng=None; expected"),
        ({"rng": -1}, "rng=-1; expected"),
        ({"rng": True}, "rng=True; expected"),
        ({"rng": np.random}, "expected a numpy.random.Generator"),
        ({"rng": np.random.RandomState(0)}, "expected a numpy.random.Generator"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_fix(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        DataLoader(**{"data": (IMAGES, LABELS), "batch_size": 4, "rng": 0, **arguments})
    assert "Fix:" in str(caught.value)


def test_integers_of_numpy_are_integers() -> None:
    arguments: dict[str, Any] = {"batch_size": np.int64(4), "rng": np.uint8(3)}
    loader = DataLoader(LABELS, **arguments)
    json.dumps(loader.state_dict(), default=listed)
    assert sorted(len(batch) for (batch,) in loader) == [2, 4, 4]


# Data sets


def test_an_array_data_set_gives_rows_at_indices() -> None:
    dataset = ArrayDataset(IMAGES, LABELS.tolist())
    assert isinstance(dataset, Dataset)
    assert len(dataset) == 10
    images, numbers = dataset[np.array([3, 3, 0])]
    np.testing.assert_array_equal(images, IMAGES[[3, 3, 0]])
    assert numbers.tolist() == [3, 3, 0]


class Squares:
    """A data set that computes its samples when they are asked for."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, indices: np.ndarray, /) -> tuple[np.ndarray, ...]:
        return indices, indices**2


def test_any_object_with_length_and_rows_is_a_data_set() -> None:
    for numbers, squares in DataLoader(Squares(), 4, rng=0):
        np.testing.assert_array_equal(squares, numbers**2)


def test_a_data_set_that_gives_no_tuple_is_refused_and_the_bookmark_stays() -> None:
    class Bare(Squares):
        def __getitem__(self, indices: np.ndarray, /) -> Any:
            return indices

    loader = DataLoader(Bare(), 4, shuffle=False)
    with pytest.raises(DataError, match="found ndarray from the data set; expected a tuple"):
        loader.sample()
    assert loader.state()["position"] == 0
