"""The log of calls: who was called when, by which thread; it keeps nothing alive."""

import gc
import threading
import weakref

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.errors import LayerError
from tinygrad_edu.nn.module import CALLS

X = np.ones((2, 3), np.float32)


def test_inner_calls_come_before_the_one_around_them() -> None:
    net = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=0))
    net.register_forward_hook(lambda *_: None)
    net[0].register_forward_hook(lambda *_: None)
    net(X)
    last = CALLS[-1]
    assert last.module() is net
    inner = [call for call in CALLS if last.start < call.start and call.end < last.end]
    assert net[0] in [call.module() for call in inner]


def test_it_keeps_no_module_and_no_result_alive() -> None:
    net = nn.Linear(3, 2, rng=0)
    result = net(X)
    gone = weakref.ref(net), weakref.ref(result)
    assert CALLS[-1].module() is net
    del net, result
    gc.collect()
    assert [each() for each in gone] == [None, None]
    assert CALLS[-1].module() is None


def test_it_does_not_grow_without_end() -> None:
    net = nn.ReLU()
    for _ in range(CALLS.maxlen + 5):  # type: ignore[operator]
        net(X)
    assert len(CALLS) == CALLS.maxlen


def test_calls_of_threads_are_told_apart() -> None:
    nets = [nn.Linear(3, 2, rng=n) for n in range(4)]
    barrier = threading.Barrier(len(nets))

    def work(net: nn.Module) -> None:
        barrier.wait()
        for _ in range(50):
            net(X)

    threads = [threading.Thread(target=work, args=(net,)) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [tuple(call for call in tuple(CALLS) if call.module() is net) for net in nets]
    assert [len(calls) for calls in made] == [50] * 4
    assert all(len({call.thread for call in calls}) == 1 for calls in made)
    assert len({calls[0].thread for calls in made}) == 4


def test_a_trial_changes_nothing_even_if_it_fails() -> None:
    net = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.Dropout(0.5))
    before = net.state_dict()
    inputs, result = net.trial(2, 3)
    assert inputs[0].shape == (2, 3)
    assert result.node is not None
    with pytest.raises(LayerError):
        net.trial(2, 7)
    assert all(module.training for module in net.modules())
    for name, array in net.state_dict().items():
        assert np.array_equal(array, before[name])


@pytest.mark.parametrize(
    ("example", "found"),
    [((), "found no example"), ((-1, 3), r"found \(-1, 3\)"), (((2, 3),), r"found \(2, 3\)")],
)
def test_an_example_that_is_none_is_refused(example: tuple[object, ...], found: str) -> None:
    net = nn.Linear(3, 2, rng=0)
    with pytest.raises(LayerError, match=found) as caught:
        net.trial(*example)
    assert "fix: give the sizes one by one" in str(caught.value)


def test_sizes_may_be_those_of_an_array() -> None:
    net = nn.Linear(3, 2, rng=0)
    assert net.trial(*np.array([5, 3]))[1].shape == (5, 2)
    assert "(5, 2)" in net.summary(np.int64(5), 3)
