"""Sequence to sequence: attention's formula, gradients, and that decoding is the forward pass."""

from typing import Any

import numpy as np
import pytest

from tinygrad_edu.errors import LayerError
from tinygrad_edu.models import Seq2Seq
from tinygrad_edu.testing import check_module

FORMS: list[dict[str, Any]] = [
    {},
    {"peeky": True},
    {"attention": True},
    {"attention": True, "peeky": True, "targets": 3},
]
SOURCE = np.array([[0, 1, 2, 3], [3, 3, 0, 1]])


def net(**options: Any) -> Seq2Seq:
    made = Seq2Seq(4, 3, 5, **options, rng=0, dtype=np.float64)
    for parameter in made.parameters():  # far from uniform answers
        parameter.data = 3 * parameter.numpy()
    return made


@pytest.mark.acceptance("S18")
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_it_has_the_gradients_of_its_slopes(options: dict[str, Any]) -> None:
    assert check_module(net(**options), SOURCE, np.array([[0, 2], [1, 1]]))


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_greedy_decoding_is_teacher_forcing_on_its_own_answers(options: dict[str, Any]) -> None:
    model = net(**options)
    answers, weights = model.decode(SOURCE, start=2, steps=6)
    given = np.concatenate([np.full((2, 1), 2), answers[:, :-1]], axis=1)
    logits = model(SOURCE, given).numpy()
    np.testing.assert_array_equal(logits.argmax(axis=-1), answers)
    assert (weights is None) == (not options.get("attention"))
    if weights is not None:
        again, looks = model.looks(SOURCE, given)
        np.testing.assert_allclose(again.numpy(), logits, rtol=1e-12)
        np.testing.assert_allclose(weights, looks.numpy(), rtol=1e-12)


def test_attention_is_its_formula() -> None:
    model = net(attention=True)
    given = np.array([[0, 1, 3], [2, 2, 2]])
    memory, state = model.encoder(model.source(SOURCE))
    h, _ = model.decoder(model.target(given), state)
    m, h = memory.numpy(), h.numpy()
    scores = np.exp(np.einsum("bth,bsh->bts", h, m))
    expected = scores / scores.sum(axis=-1, keepdims=True)
    context = np.einsum("bts,bsh->bth", expected, m)
    assert model.last.bias is not None
    weight, bias = model.last.weight.numpy(), model.last.bias.numpy()
    logits = np.concatenate([context, h], axis=-1) @ weight + bias
    found, looks = model.looks(SOURCE, given)
    np.testing.assert_allclose(looks.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(found.numpy(), logits, rtol=1e-12)


def test_a_peeky_decoder_is_told_the_last_state_at_every_step() -> None:
    model = net(peeky=True)
    given = np.array([[0, 1, 3], [2, 2, 2]])
    _, state = model.encoder(model.source(SOURCE))
    told = np.repeat(state[0].numpy()[0][:, None], 3, axis=1)
    x = np.concatenate([told, model.target(given).numpy()], axis=-1)
    h, _ = model.decoder(x, state)
    expected = model.last(np.concatenate([told, h.numpy()], axis=-1)).numpy()
    np.testing.assert_allclose(model(SOURCE, given).numpy(), expected, rtol=1e-12)


def test_a_later_character_of_the_target_changes_no_earlier_logit() -> None:
    model = net(attention=True)
    one, two = (model(SOURCE[:1], [[0, 1, last]]).numpy() for last in (0, 3))
    np.testing.assert_array_equal(one[:, :2], two[:, :2])
    assert not np.array_equal(one[:, 2], two[:, 2])


def test_without_attention_there_are_no_weights() -> None:
    with pytest.raises(LayerError, match="attention=True"):
        net().looks(SOURCE, SOURCE)


@pytest.mark.parametrize("source", [[0, 1], [[0.5]], np.zeros((2, 0), int)])
def test_what_is_no_batch_of_characters_is_refused(source: Any) -> None:
    with pytest.raises(LayerError, match="source"):
        net()(source, [[0]])
