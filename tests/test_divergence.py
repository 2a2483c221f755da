"""What a fit leaves behind that does not end well: divergence, Ctrl-C, callbacks that raise."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest
from small_networks import X, Y, classifier, linear

from ganglion import DivergenceWarning, Sequential, callbacks, layers, optimizers


def test_divergence_warns_and_keeps_the_best_weights():
    net = linear(optimizer=optimizers.SGD(1.0), dtype="float32")
    wide = 100 * X
    with pytest.warns(DivergenceWarning, match=r"epoch \d+, step \d+") as caught:
        net.fit(wide, Y, epochs=50)
    assert caught[0].filename == __file__
    assert np.isfinite(net.predict(wide)).all()
    assert net.epoch_ == len(net.history_["loss"]) < 50
    net.learning_rate = 1e-5
    net.fit(wide, Y, epochs=2)
    assert np.isfinite(net.history_["loss"]).all()


def test_interrupt_keeps_finished_epochs():
    def interrupt(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    net = classifier()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, epochs=5, callbacks=[callbacks.LambdaCallback(on_epoch_begin=interrupt)])
    assert len(net.history_["loss"]) == net.epoch_ == 2
    net.fit(X, Y)
    assert net.epoch_ == 3


def test_signal_ends_a_long_epoch_within_a_second():
    net = classifier()
    net.build((None, 6))
    many = np.broadcast_to(X[:1], (5_000_000, 6))
    began = time.perf_counter()
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        net.fit(many, np.broadcast_to(Y[:1], 5_000_000), batch_size=1, shuffle=False)
    assert time.perf_counter() - began < 1.3
    assert net.step_ > 0
    assert net.history_ == {}
    assert np.isfinite(net.predict(X)).all()
    net.fit(X, Y)


def test_signal_ends_a_long_step_within_a_second():
    wide = [layers.Dense(2000, activation="relu"), layers.Dense(2000), layers.Dense(1)]
    net = Sequential(wide, loss="mse", random_state=0)
    many = np.random.default_rng(0).normal(size=(16384, 200))
    began = time.perf_counter()
    net.fit(many, many[:, 0], batch_size=None, epochs=1)
    step = time.perf_counter() - began
    pressed = []

    def press() -> None:
        pressed.append(time.perf_counter())
        signal.raise_signal(signal.SIGINT)

    threading.Timer(0.5, press).start()
    with pytest.raises(KeyboardInterrupt):
        net.fit(many, many[:, 0], batch_size=None, epochs=100)
    # An update that has begun is not left in its middle.
    assert time.perf_counter() - pressed[0] < 1 + step
    assert np.isfinite(net.predict(many[:8])).all()
    net.fit(many[:8], many[:8, 0])


def test_failed_step_leaves_moving_statistics():
    net = Sequential(
        [layers.BatchNormalization(), layers.Dense(1)], loss="mse", random_state=0
    ).fit(X, Y)
    before = net.get_weights()
    with pytest.warns(DivergenceWarning, match="no step was taken"):
        net.train_on_batch(X, np.full(100, 1e30))
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_recovery_compares_like_with_like():
    # The loss on validation data of another scale is above any that training begins with.
    losses = []
    weights = []

    def watch(epoch, logs):
        losses.append(logs["val_loss"])
        weights.append(net.get_weights())
        if epoch == 2:
            net.learning_rate = 1e30

    net = linear(optimizer=optimizers.SGD(0.01))
    with pytest.warns(DivergenceWarning, match="those of epoch 3"):
        net.fit(
            X, Y, epochs=9, validation_data=(10 * X, Y),
            callbacks=[callbacks.LambdaCallback(on_epoch_end=watch)],
        )  # fmt: skip
    assert losses[0] > losses[1] > losses[2] > net.history_["loss"][0]
    for kept, best in zip(net.get_weights(), weights[2], strict=True):
        np.testing.assert_array_equal(kept, best)


def test_divergence_in_the_first_epoch_keeps_the_weights_there_were():
    net = linear(optimizer=optimizers.SGD(1e30), dtype="float32")
    net.build((None, 6))
    before = net.get_weights()
    with pytest.warns(DivergenceWarning, match="from before the fit"):
        net.fit(X, Y, epochs=3)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_epochs_that_ended_are_in_the_history_when_a_callback_raises():
    def fail(epoch, logs):
        logs["seen"] = 1.0
        if epoch == 1:
            raise OSError("disk full")

    net = classifier()
    with pytest.raises(OSError, match="disk full"):
        net.fit(X, Y, epochs=5, callbacks=[callbacks.LambdaCallback(on_epoch_end=fail)])
    assert net.epoch_ == 2
    assert {name: len(values) for name, values in net.history_.items()} == {"loss": 2, "seen": 2}
