"""The recurrent experiments: their claims, in a short form."""

import numpy as np
import pytest

from tinygrad_edu.data import Vocabulary, additions, load_mnist
from tinygrad_edu.errors import DataError
from tinygrad_edu.models import CharacterModel, Seq2Seq
from tinygrad_edu.nn import RNN


@pytest.mark.acceptance("S18")
def test_the_gradient_of_a_plain_net_vanishes_and_that_of_an_lstm_reaches_back():
    import sine

    ratio = {}
    for name in sine.KINDS:
        reached = sine.reach(sine.net_of(name, 0), 0)
        ratio[name] = reached[40] / reached[0]
    assert ratio["RNN"] < 1e-9
    assert ratio["RNN"] < ratio["GRU"] < ratio["LSTM"]
    assert ratio["LSTM"] > 1e-4


def test_the_gradient_through_time_is_the_product_of_its_steps():
    import sine

    net = sine.net_of("RNN", 0)
    assert isinstance(net.recurrent, RNN)
    rng = np.random.default_rng([0, 4])
    x = sine.sine_windows(20, window=sine.LAGS, period=25.0, noise=0.1, rng=rng).inputs
    cell = net.recurrent.cells[0]
    w_x, w_h, w = (p.numpy().astype(float) for p in (cell.w_x, cell.w_h, net.last.weight))
    states = net.recurrent(x)[0].numpy().astype(float)
    carried = np.repeat(w.T, 20, axis=0)
    expected = []
    for t in reversed(range(sine.LAGS - 5, sine.LAGS)):
        bent = carried * (1 - states[:, t] ** 2)
        expected.append(np.linalg.norm(bent @ w_x.T))
        carried = bent @ w_h.T
    np.testing.assert_allclose(sine.reach(net, 0)[:5], expected, rtol=1e-4)


@pytest.mark.acceptance("S18")
def test_an_lstm_learns_the_sine_below_its_noise():
    import sine

    net, losses = sine.trained("LSTM", 200, 0)
    one, forecast = sine.errors(net, 0)
    assert one < sine.NOISE**2 / 2
    assert forecast < 0.1
    # What is left in training is the noise, which nobody can predict.
    assert sine.NOISE**2 < losses[-20:].mean() < 5 * sine.NOISE**2


@pytest.mark.slow
@pytest.mark.acceptance("S18")
def test_an_lstm_reads_digits_row_by_row():
    import rows_of_digits

    digits = load_mnist()
    train = digits.train_images[:10_000], digits.train_labels[:10_000]
    test = digits.test_images[:1000], digits.test_labels[:1000]
    net, history = rows_of_digits.trained(train, test, 1, 0)
    assert history.records[-1]["test_accuracy"] > 0.7
    assert rows_of_digits.shown(net, test, 28) == history.records[-1]["test_accuracy"]
    assert rows_of_digits.shown(net, test, 8) < 0.5


@pytest.mark.slow
@pytest.mark.acceptance("S18")
def test_attention_answers_sums_that_it_has_not_seen():
    import addition

    sums = additions(8000, digits=2, rng=0)
    inputs = addition.flipped("reversed", sums.inputs)
    net = Seq2Seq(len(sums.vocabulary), 16, 64, attention=True, rng=0)
    train, test = (inputs[400:], sums.targets[400:]), (inputs[:400], sums.targets[:400])
    found = addition.learn(net, train, test, 1000, 2, 0, batch=64)
    # What the metric calls exact, told the characters before, is what the net writes alone.
    answers, _ = net.decode(test[0], int(test[1][0, 0]), test[1].shape[1] - 1)
    assert found[-1][1] == np.all(answers == test[1][:, 1:], axis=1).mean()
    assert [iteration for iteration, _ in found] == [0, 500, 1000]
    assert found[0][1] < 0.02
    assert found[-1][1] > 0.5


def test_dates_of_the_test_are_new_and_weights_belong_to_places():
    import dates

    drawn, train, test = dates.unseen(3000, 1000, 0)
    known = {row.tobytes() for row in drawn.inputs[train]}
    assert not any(row.tobytes() in known for row in drawn.inputs[test])
    assert 0 < len(test) < 1000 == drawn.inputs.shape[0] - len(train)
    net = Seq2Seq(len(drawn.vocabulary), 8, 16, attention=True, rng=0)
    answer, weights = dates.looked(net, drawn, "12/25/08")
    assert len(answer) == 10
    assert weights.shape == (10, 8)
    # The blanks behind a text are the first that the net reads, and are not pictured.
    source = dates.flipped(drawn.vocabulary.encode("12/25/08".ljust(29))[None])
    np.testing.assert_array_equal(weights, net.decode(source, drawn.start, 10)[1][0, :, :20:-1])


@pytest.mark.acceptance("S18")
def test_a_character_model_beats_the_frequencies_of_characters(monkeypatch):
    import character_model

    monkeypatch.setattr(character_model, "ROWS", 8)
    monkeypatch.setattr(character_model, "STEPS", 25)
    words = ["the gradient ", "of a net ", "is a row ", "and a tensor "]
    text = "".join(np.random.default_rng(0).choice(words, 700))
    letters = Vocabulary.of(text)
    train, test = np.split(letters.encode(text), [6000])
    net = CharacterModel(len(letters), 8, 32, stateful=True, rng=0)
    trained, tested, samples = character_model.learn(net, train, test[:1000], 12, 0, [0, 12])
    guess = character_model.unigram(train, test, len(letters))
    assert tested[0] == pytest.approx(len(letters), rel=0.1)
    assert tested[-1] < guess / 2
    assert trained[-1] < trained[0]
    assert [sample.shape for sample in samples.values()] == [(character_model.SAMPLE,)] * 2


def test_without_docs_the_character_model_says_what_is_missing(tmp_path):
    import character_model

    with pytest.raises(DataError, match="clone of the repository"):
        character_model.text_of(tmp_path)
    (tmp_path / "decisions").mkdir()
    (tmp_path / "one.md").write_text("a — b\nc", encoding="utf-8")
    (tmp_path / "decisions" / "two.md").write_text("d", encoding="utf-8")
    assert character_model.text_of(tmp_path) == "a  b\nc\nd"
    assert character_model.text_of(tmp_path, 3) == "a  "
