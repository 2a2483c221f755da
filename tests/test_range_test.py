"""The range test: what it sees, what it suggests, and that the network does not notice."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from small_networks import X, Y, classifier, linear

from ganglion import (
    NeuralClassifier,
    NeuralRegressor,
    callbacks,
    find_learning_rate,
    layers,
    optimizers,
    schedules,
)

# Few steps are quick, and enough for what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.find_learning_rate. with [0-9]+ steps")


def state_of(net):
    """All that training changes, as plain values."""
    return {
        **{key: value for key, value in vars(net).items() if isinstance(value, (int, float, dict))},
        "weights": [weight.tolist() for weight in net.get_weights()] if net.built else None,
        "states": {k: v.tolist() for k, v in net._built.get_states().items()} if net.built else 0,
        "optimizer": (net.optimizer, net.learning_rate),
    }


def test_losses_are_those_of_the_batches():
    rates = np.geomspace(1e-3, 1e-1, 8)
    found = find_learning_rate(linear(optimizer="sgd"), X, Y, lowest=1e-3, highest=1e-1, steps=8)
    np.testing.assert_allclose(found.learning_rates, rates)
    by_hand = linear(optimizer=optimizers.SGD(lambda step: rates[step.astype(int)]))
    losses = []
    record = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs))
    by_hand.fit(X, Y, epochs=2, callbacks=[record])
    means = np.array([logs["loss"] for logs in losses])
    seen = np.array([32, 64, 96, 100])  # samples of an epoch after each batch
    first = np.diff(means[:4] * seen, prepend=0) / np.diff(seen, prepend=0)
    np.testing.assert_allclose(found.losses[:4], first)
    np.testing.assert_allclose(found.losses[4], means[4])


def test_the_suggestion_is_where_nine_tenths_of_the_fall_were_made():
    found = find_learning_rate(linear(optimizer="sgd"), X, Y)
    assert len(found.losses) < 200  # it ended when the loss climbed
    smoothed = found.smoothed_losses
    np.testing.assert_allclose(smoothed[50], found.losses[40:61].mean())
    np.testing.assert_allclose(smoothed[0], found.losses[:11].mean())
    index = int(np.flatnonzero(found.learning_rates == found.suggestion)[0])
    level = 0.1 * smoothed[0] + 0.9 * smoothed.min()
    assert smoothed[index] >= level > smoothed[index + 1]


def test_where_the_loss_only_climbs_the_least_rate_is_suggested():
    net = linear(optimizer="sgd").fit(X, X @ np.ones(6), epochs=200, batch_size=10)
    found = find_learning_rate(net, X, X @ np.ones(6), batch_size=None, lowest=1e-3)
    assert found.suggestion < 0.1


@pytest.mark.parametrize("batch_size", [None, 1, 33, 1000])
def test_batch_sizes(batch_size):
    found = find_learning_rate(
        classifier(), X, Y, batch_size=batch_size, steps=20, lowest=1e-3, highest=1.0
    )
    assert len(found.losses) == 20
    assert np.isfinite(found.losses).all()


@pytest.mark.parametrize("optimizer", ["adam", optimizers.SGD(schedules.CosineDecay(0.1, 100))])
def test_the_network_is_left_as_it_was(optimizer):
    net = classifier(optimizer=optimizer).fit(X, Y, epochs=3)
    before = state_of(net)
    find_learning_rate(net, X, Y)
    assert state_of(net) == before
    assert net.fit(X, Y).history_ == classifier(optimizer=optimizer).fit(X, Y, epochs=4).history_


def test_it_begins_at_the_weights_there_are():
    net = classifier(optimizer="adam").fit(X, Y, epochs=50, batch_size=None)
    found = find_learning_rate(net, X, Y, batch_size=None)
    np.testing.assert_allclose(found.losses[0], net.evaluate(X, Y)["loss"], rtol=1e-6)


def test_a_network_that_is_not_built_stays_so():
    net = classifier()
    find_learning_rate(net, X, Y)
    assert not net.built


def test_an_interrupt_leaves_the_network_as_it_was(monkeypatch):
    net = classifier(optimizer="adam").fit(X, Y)
    before = state_of(net)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("ganglion.range_test._BatchLosses.on_train_batch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        find_learning_rate(net, X, Y)
    assert state_of(net) == before


def test_an_estimator_is_tested_as_its_fit_would_begin():
    labels = np.where(Y, "yes", "no")
    generator = np.random.RandomState(7)
    model = NeuralClassifier([8], optimizer="sgd", batch_size=50, random_state=generator)
    found = find_learning_rate(model, X, labels)
    network, inputs, target, weight = model.network_and_samples(X, labels, fitted=False)
    again = find_learning_rate(network, inputs, target, batch_size=50)
    np.testing.assert_array_equal(found.losses, again.losses)
    assert not hasattr(model, "network_")
    # The generator was not drawn from: the fit begins with the very network that was tested.
    model.fit(X, labels)
    assert model.network_.seed_ == network.seed_
    assert weight is None


def test_auto_is_what_the_test_suggests():
    model = NeuralClassifier([8], learning_rate="auto", epochs=3, random_state=0)
    expected = find_learning_rate(model, X, Y).suggestion
    assert model.fit(X, Y).network_.learning_rate == pytest.approx(expected)


def test_auto_replaces_a_schedule():
    optimizer = optimizers.SGD(schedules.CosineDecay(0.1, 100), momentum=0.9)
    model = NeuralRegressor([8], optimizer=optimizer, learning_rate="auto", epochs=2)
    network = model.fit(X, Y).network_
    assert not network.follows_schedule
    assert network.optimizer.momentum == 0.9


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_auto_learns_digits(optimizer):
    images, digits = load_digits(return_X_y=True)
    model = NeuralClassifier(
        [64], optimizer=optimizer, learning_rate="auto", epochs=10, random_state=0
    )
    assert model.fit(images / 16, digits).score(images / 16, digits) > 0.95


def test_sample_weights_count():
    weight = np.linspace(0, 2, len(X))
    plain = find_learning_rate(classifier(), X, Y, steps=5)
    weighted = find_learning_rate(classifier(), X, Y, sample_weight=weight, steps=5)
    by_class = find_learning_rate(classifier(), X, Y, class_weight={1: 3.0}, steps=5)
    assert len({found.losses[0] for found in (plain, weighted, by_class)}) == 3


@pytest.mark.parametrize("kind", [csr_matrix, pd.DataFrame], ids=["sparse", "frame"])
def test_it_takes_what_a_fit_takes(kind):
    for model in (classifier(), NeuralClassifier([8], random_state=0)):
        plain = find_learning_rate(model, X, Y, steps=30)
        other = find_learning_rate(model, kind(X), Y, steps=30)
        np.testing.assert_allclose(other.losses, plain.losses, rtol=1e-5)


def test_layers_that_adapt_do_so_in_the_copy_alone():
    net = classifier()
    net.layers.insert(0, layers.Normalization())
    find_learning_rate(net, 100 * X, Y, steps=5)
    assert not net.built


def test_plot_shows_the_suggestion():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    found = find_learning_rate(linear(), X, Y)
    axes = found.plot()
    assert axes.get_xscale() == "log"
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[-1] == f"suggested: {found.suggestion:.2g}"
    matplotlib.pyplot.close(axes.figure)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"steps": 1}, ValueError, "steps must be a whole number of at least 2, got 1"),
        ({"lowest": 0.0}, ValueError, "lowest must be positive and less than highest, got 0 and"),
        ({"lowest": 1.0, "highest": 0.1}, ValueError, "less than highest, got 1 and 0.1"),
        ({"highest": "1"}, TypeError, "highest must be a number of at least 0, got '1'"),
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number of at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        find_learning_rate(classifier(), X, Y, **settings)


def test_what_cannot_be_tested_is_named():
    with pytest.raises(TypeError, match="net must be a Sequential, .* got Pipeline"):
        find_learning_rate(make_pipeline(NeuralClassifier()), X, Y)
    with pytest.raises(ValueError, match="class_weight is a setting of NeuralClassifier"):
        find_learning_rate(NeuralClassifier(), X, Y, class_weight={0: 2.0})
    with pytest.raises(ValueError, match="the loss of the first batch is not finite"):
        find_learning_rate(linear(dtype="float32"), X, Y * 1e30)
    with pytest.raises(ValueError, match="y is missing"):
        find_learning_rate(classifier(), X, None)
    with pytest.raises(ValueError, match="unknown learning_rate 'atuo'; did you mean 'auto'"):
        NeuralClassifier(learning_rate="atuo").fit(X, Y)


def test_a_loss_that_never_falls_is_named():
    message = r"\[find_learning_rate\] the loss never fell: it was least, .*, at the first of "
    with pytest.raises(ValueError, match=message):  # one batch, and then it diverges
        find_learning_rate(linear(optimizer="sgd"), X * 1e12, Y, lowest=1, highest=2, steps=30)
    still = linear(optimizer="sgd").fit(X, np.zeros(len(X)), epochs=1)
    still.set_weights([0 * weight for weight in still.get_weights()])
    with pytest.raises(ValueError, match=message):
        find_learning_rate(still, X, np.zeros(len(X)), steps=50)
    with pytest.raises(ValueError, match=message):
        NeuralRegressor([], optimizer="sgd", learning_rate="auto").fit(X * 1e12, Y)


@pytest.mark.parametrize("steps", [2, 3, 10, 49])
def test_few_steps_are_said_to_be_few(steps):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            find_learning_rate(linear(optimizer="sgd"), X, Y, steps=steps)
        except ValueError as error:
            assert "more than the few steps may help" in str(error)
        else:
            assert f"with {steps} steps" in str(caught[0].message)
            assert caught[0].filename == __file__


def test_fewer_steps_are_smoothed_less():
    found = find_learning_rate(linear(optimizer="sgd"), X, Y, steps=50)
    np.testing.assert_allclose(found.smoothed_losses[20], found.losses[18:23].mean())
    many = find_learning_rate(linear(optimizer="sgd"), X, Y)
    assert many.suggestion / 5 < found.suggestion < 5 * many.suggestion
