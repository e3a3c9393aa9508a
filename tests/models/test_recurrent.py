"""Recurrent nets: their formulas, their gradients, and that state can be carried."""

from typing import Any

import numpy as np
import pytest

from tinygrad_edu.errors import LayerError
from tinygrad_edu.models import (
    CharacterModel,
    RecurrentClassifier,
    SequenceForecaster,
    consecutive,
    detached,
)
from tinygrad_edu.nn import CrossEntropyLoss, Linear
from tinygrad_edu.testing import check_module

KINDS = ("rnn", "lstm", "gru")
DOUBLE: Any = {"rng": 0, "dtype": np.float64}


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape)


def arrays(state: Any) -> list[np.ndarray]:
    return [part.numpy() for part in (state if isinstance(state, tuple) else (state,))]


# ---- gradients


@pytest.mark.acceptance("S18")
@pytest.mark.parametrize("kind", KINDS)
def test_the_classifier_has_the_gradients_of_its_slopes(kind: str) -> None:
    net = RecurrentClassifier(2, 3, 2, kind=kind, layers=2, dropout=0.3, **DOUBLE)
    assert check_module(net, normal(2, 3, 2))


def test_the_classifier_that_reads_from_both_ends_has_them() -> None:
    net = RecurrentClassifier(2, 3, 2, kind="gru", bidirectional=True, **DOUBLE)
    assert check_module(net, normal(2, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_the_forecaster_has_the_gradients_of_its_slopes(kind: str) -> None:
    assert check_module(SequenceForecaster(1, 3, kind=kind, **DOUBLE), normal(2, 4, 1))


@pytest.mark.parametrize("options", [{"layers": 2, "dropout": 0.4}, {"tied": True}])
def test_the_character_model_has_the_gradients_of_its_slopes(options: dict[str, Any]) -> None:
    net = CharacterModel(4, 3, 3, **options, **DOUBLE)
    assert check_module(net, np.array([[0, 1, 3], [2, 2, 1]]))


# ---- the classifier


def test_the_classifier_is_a_linear_map_of_the_state_after_the_last_row() -> None:
    net = RecurrentClassifier(2, 3, 4, kind="rnn", **DOUBLE)
    w_x, w_h, bias, weight, offset = (p.numpy() for p in net.parameters())
    x = normal(5, 6)
    h = np.zeros((5, 3))
    for row in range(3):
        h = np.tanh(x[:, 2 * row : 2 * row + 2] @ w_x + h @ w_h + bias)
    np.testing.assert_allclose(net(x).numpy(), h @ weight + offset, rtol=1e-12)


def test_from_both_ends_the_state_at_either_end_counts() -> None:
    net = RecurrentClassifier(2, 3, 4, bidirectional=True, layers=2, **DOUBLE)
    states, _ = net.recurrent(normal(5, 4, 2))
    ends = np.concatenate([states.numpy()[:, -1, :3], states.numpy()[:, 0, 3:]], axis=-1)
    np.testing.assert_allclose(net(normal(5, 4, 2)).numpy(), net.last(ends).numpy(), rtol=1e-12)


@pytest.mark.parametrize("shape", [(2, 12), (2, 3, 4), (2, 1, 3, 4)])
def test_a_picture_may_be_flat_or_not(shape: tuple[int, ...]) -> None:
    net = RecurrentClassifier(4, 3, 2, **DOUBLE)
    expected = net(normal(2, 3, 4)).numpy()
    np.testing.assert_array_equal(net(normal(2, 3, 4).reshape(shape)).numpy(), expected)


@pytest.mark.parametrize("shape", [(12,), (2, 13), (2, 4, 3), (2, 0)])
def test_what_makes_no_rows_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LayerError, match="width of a row"):
        RecurrentClassifier(4, 3, 2, rng=0)(np.zeros(shape, np.float32))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(LayerError, match="kind='elman'"):
        SequenceForecaster(1, 2, kind="elman")


# ---- carried state


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_in_two_halves_with_the_state_carried_is_the_whole(kind: str) -> None:
    net = SequenceForecaster(2, 3, kind=kind, layers=2, **DOUBLE)
    x = normal(2, 7, 2)
    whole, end = net.unroll(x)
    first, state = net.unroll(x[:, :3])
    second, last = net.unroll(x[:, 3:], detached(state))
    np.testing.assert_allclose(
        np.concatenate([first.numpy(), second.numpy()], axis=1), whole.numpy(), rtol=1e-12
    )
    for ours, expected in zip(arrays(last), arrays(end), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_a_text_in_two_halves_with_the_state_carried_is_the_whole() -> None:
    net = CharacterModel(5, 3, 4, layers=2, **DOUBLE)
    ids = np.random.default_rng(0).integers(0, 5, (2, 8))
    first, state = net.unroll(ids[:, :5])
    second, _ = net.unroll(ids[:, 5:], state)
    halves = np.concatenate([first.numpy(), second.numpy()], axis=1)
    np.testing.assert_allclose(halves, net(ids).numpy(), rtol=1e-12)


def test_a_stateful_character_model_goes_on_where_it_stopped() -> None:
    net = CharacterModel(5, 3, 4, stateful=True, **DOUBLE)
    ids = np.random.default_rng(0).integers(0, 5, (2, 8))
    halves = np.concatenate([net(part).numpy() for part in np.split(ids, 2, axis=1)], axis=1)
    net.recurrent.reset_state()
    np.testing.assert_allclose(halves, net(ids).numpy(), rtol=1e-12)


def test_perplexity_and_samples_neither_read_nor_change_a_kept_state() -> None:
    nets = [CharacterModel(5, 3, 4, stateful=True, **DOUBLE) for _ in range(2)]
    ids = np.random.default_rng(0).integers(0, 5, (2, 8))
    for net in nets:
        net(ids[:, :4])
    found = (
        nets[0].perplexity(ids[0], steps=3),
        nets[0].sample(ids[0, :2], 5, rng=np.random.default_rng(0)),
    )
    fresh = CharacterModel(5, 3, 4, **DOUBLE)
    assert found[0] == fresh.perplexity(ids[0], steps=3)
    np.testing.assert_array_equal(
        found[1], fresh.sample(ids[0, :2], 5, rng=np.random.default_rng(0))
    )
    np.testing.assert_array_equal(nets[0](ids[:, 4:]).numpy(), nets[1](ids[:, 4:]).numpy())


def test_the_gradient_of_a_piece_stays_in_it_where_the_state_is_detached() -> None:
    net = CharacterModel(5, 3, 4, **DOUBLE)
    net.embedding.requires_grad_()
    _, state = net.unroll(np.array([[0, 1]]))
    net.unroll(np.array([[2, 3]]), state)[0].sum().backward()
    assert net.embedding.weight.grad[:2].any()
    net.zero_grad()
    net.unroll(np.array([[2, 3]]), detached(state))[0].sum().backward()
    assert not net.embedding.weight.grad[:2].any()
    assert net.embedding.weight.grad[2:4].all()


def test_pieces_follow_each_other_in_each_row() -> None:
    pieces = consecutive(np.arange(24), rows=2, steps=3)
    read = np.concatenate([given for given, _ in pieces], axis=1)
    np.testing.assert_array_equal(read, [np.arange(9), 11 + np.arange(9)])
    for given, following in pieces:
        np.testing.assert_array_equal(following, given + 1)
    assert len(consecutive(np.arange(7), rows=2, steps=3)) == 1


@pytest.mark.parametrize(("rows", "steps"), [(2, 4), (0, 3), (2, 0)])
def test_a_text_that_makes_no_piece_is_refused(rows: int, steps: int) -> None:
    with pytest.raises(LayerError, match="rows \\* steps"):
        consecutive(np.arange(8), rows, steps)


# ---- in closed loop


@pytest.mark.parametrize("kind", KINDS)
def test_a_forecast_reads_its_own_values(kind: str) -> None:
    net = SequenceForecaster(1, 4, kind=kind, **DOUBLE)
    known = normal(2, 5, 1)
    values = net.forecast(known, 3)
    assert values.shape == (2, 3, 1)
    read = np.concatenate([known, values[:, :-1]], axis=1)
    np.testing.assert_allclose(net(read).numpy()[:, -3:], values, rtol=1e-12)


# ---- the character model


def test_perplexity_is_the_exponential_of_the_mean_loss() -> None:
    net = CharacterModel(6, 3, 4, **DOUBLE)
    ids = np.random.default_rng(0).integers(0, 6, 21)
    loss = CrossEntropyLoss()(net(ids[None, :-1]), ids[None, 1:]).item()
    assert net.perplexity(ids, steps=20) == pytest.approx(np.exp(loss), rel=1e-12)
    assert net.perplexity(ids, steps=5) == pytest.approx(np.exp(loss), rel=1e-12)


def test_a_model_that_knows_nothing_wavers_between_all_characters() -> None:
    net = CharacterModel(7, 3, 4, dropout=0.5, **DOUBLE)
    assert isinstance(net.last, Linear)
    net.last.weight.data = np.zeros((4, 7))
    assert net.perplexity(np.arange(7), steps=3) == pytest.approx(7)


def test_a_tied_model_reads_off_with_the_vectors_it_reads_in() -> None:
    net = CharacterModel(6, 4, 4, tied=True, **DOUBLE)
    assert [name for name, _ in net.named_parameters()][:1] == ["embedding.weight"]
    assert sum("weight" in name for name, _ in net.named_parameters()) == 1
    ids = np.array([[0, 5, 2]])
    states, _ = net.recurrent(net.embedding(ids))
    expected = states.numpy() @ net.embedding.weight.numpy().T
    np.testing.assert_allclose(net(ids).numpy(), expected, rtol=1e-12)
    with pytest.raises(LayerError, match="tied=True"):
        CharacterModel(6, 3, 4, tied=True)


def test_a_sample_is_drawn_from_the_probabilities_at_its_temperature() -> None:
    net = CharacterModel(3, 2, 2, **DOUBLE)
    assert isinstance(net.last, Linear)
    net.last.weight.data = np.zeros((2, 3))
    net.last.bias.data = np.log([0.5, 0.3, 0.2])  # type: ignore[union-attr]
    for temperature in (1.0, 0.5, 2.0):
        drawn = net.sample([0], 2000, rng=np.random.default_rng(0), temperature=temperature)
        expected = np.array([0.5, 0.3, 0.2]) ** (1 / temperature)
        found = np.bincount(drawn, minlength=3) / 2000
        # Four standard deviations of a share of 2,000 draws.
        np.testing.assert_allclose(found, expected / expected.sum(), atol=4 * 0.5 / 2000**0.5)
    assert not net.sample([2], 9, rng=np.random.default_rng(0), temperature=0).any()


def test_a_sample_reads_what_it_drew_and_is_the_seeds() -> None:
    net = CharacterModel(5, 8, 8, layers=2, dropout=0.5, **DOUBLE)
    for parameter in net.parameters():
        parameter.data = 4 * parameter.numpy()
    greedy = net.sample([1, 2], 6, rng=np.random.default_rng(0), temperature=0)
    read = np.concatenate([[1, 2], greedy])
    logits = net.eval()(read[None, :-1]).numpy()[0]
    np.testing.assert_array_equal(logits.argmax(axis=-1)[1:], greedy)
    one, two = (net.sample([0], 40, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, net.sample([0], 40, rng=np.random.default_rng(4)))


def test_sampling_leaves_the_modes_of_all_parts_as_they_were() -> None:
    net = CharacterModel(5, 3, 4, dropout=0.5, rng=0)
    net.embedding.eval()
    before = [part.training for part in net.modules()]
    net.sample([0], 2, rng=np.random.default_rng(0))
    net.perplexity([0, 1, 2], steps=2)
    assert [part.training for part in net.modules()] == before


@pytest.mark.parametrize(
    ("start", "temperature", "words"),
    [([0], -1.0, "temperature"), ([0], np.nan, "temperature"), ([], 1.0, "at least one")],
)
def test_what_cannot_be_sampled_is_refused(start: Any, temperature: float, words: str) -> None:
    net = CharacterModel(5, 3, 4, rng=0)
    with pytest.raises(LayerError, match=words):
        net.sample(start, 3, rng=np.random.default_rng(0), temperature=temperature)
