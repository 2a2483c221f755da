"""Callbacks: when hooks are called, and what each of ours does."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from ganglion import Sequential, callbacks, layers, optimizers

RNG = np.random.default_rng(1)
X = RNG.normal(size=(64, 4)).astype(np.float32)
Y = X @ np.array([1.0, -2.0, 0.5, 0.0], np.float32)


def network(**settings) -> Sequential:
    settings = {"optimizer": optimizers.SGD(0.05), **settings}
    return Sequential([layers.Dense(1)], loss="mse", random_state=0, **settings)


class Recorder(callbacks.Callback):
    def __init__(self):
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_train_end(self, logs=None):
        self.calls.append("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} ends")


class Values(callbacks.Callback):
    """Puts given values into the logs, for others to watch."""

    def __init__(self, values):
        self.values = iter(values)

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = next(self.values)


def fit_watching(values, *watchers, net=None) -> Sequential:
    net = net or network()
    settings = {"epochs": len(values), "validation_data": (X, Y)}
    return net.fit(X, Y, callbacks=[Values(values), *watchers], **settings)


def test_hooks_come_in_order():
    recorder = Recorder()
    network().fit(X, Y, epochs=2, callbacks=[recorder])
    assert recorder.calls == [
        "begin", "epoch 0", "epoch 0 ends", "epoch 1", "epoch 1 ends", "end",
    ]  # fmt: skip


def test_batch_hooks_change_nothing_but_see_every_batch():
    batches, losses = [], []
    watcher = callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: batches.append(batch),
        on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]),
    )
    watched = network().fit(X, Y, batch_size=10, epochs=2, callbacks=[watcher])
    plain = network().fit(X, Y, batch_size=10, epochs=2)
    assert batches == [*range(7), *range(7)]
    assert losses[6] == watched.history_["loss"][0] == plain.history_["loss"][0]
    np.testing.assert_array_equal(watched.get_weights()[0], plain.get_weights()[0])


def test_stop_within_an_epoch():
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    net = network().fit(X, Y, batch_size=10, epochs=5, callbacks=[Stop()])
    assert (net.step_, net.epoch_) == (3, 1)


def test_logs_that_a_callback_adds_are_kept():
    class Add(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["answer"] = 42.0 + epoch

    assert network().fit(X, Y, epochs=2, callbacks=[Add()]).history_["answer"] == [42.0, 43.0]


def test_early_stopping_restores_the_best_epoch():
    weights = []
    keep = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(net.get_weights())
    )
    net = network()
    stopper = callbacks.EarlyStopping(patience=2)
    fit_watching([3.0, 1.0, 2.0, 2.0, 0.0, 0.0], keep, stopper, net=net)
    assert (stopper.best, stopper.best_epoch, stopper.stopped_epoch) == (1.0, 1, 3)
    assert net.epoch_ == 4
    np.testing.assert_array_equal(net.get_weights()[0], weights[1][0])


def test_early_stopping_without_restoring():
    net = network()
    last = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: last.append(net.get_weights()))
    stopper = callbacks.EarlyStopping(patience=1, restore_best_weights=False)
    fit_watching([1.0, 2.0, 3.0], keep, stopper, net=net)
    np.testing.assert_array_equal(net.get_weights()[0], last[1][0])


def test_early_stopping_begins_anew_in_each_fit():
    stopper = callbacks.EarlyStopping(patience=1)
    net = network()
    fit_watching([1.0, 2.0], stopper, net=net)
    fit_watching([5.0, 4.0, 3.0], stopper, net=net)
    assert (net.epoch_, stopper.best_epoch) == (5, 4)


@pytest.mark.parametrize(
    ("settings", "values", "epochs"),
    [
        ({"patience": 1, "min_delta": 0.5}, [3.0, 2.8, 2.7], 2),
        ({"patience": 1, "start_from_epoch": 2}, [1.0, 2.0, 2.0, 1.0, 1.5], 5),
        ({"patience": 2, "baseline": 1.0}, [3.0, 2.0, 0.5], 2),
        ({"patience": 1, "mode": "max"}, [1.0, 2.0, 3.0, 2.0, 1.0], 4),
        ({"patience": 0}, [1.0, 2.0, 3.0], 2),
        ({"patience": 2}, [np.nan, np.nan, np.nan], 2),
    ],
    ids=["min_delta", "start_from_epoch", "baseline", "max", "no_patience", "nan"],
)
def test_early_stopping_settings(settings, values, epochs):
    assert fit_watching(values, callbacks.EarlyStopping(**settings)).epoch_ == epochs


@pytest.mark.parametrize(
    ("name", "larger"),
    [("val_loss", False), ("val_accuracy", True), ("auc", True), ("mae", False), ("r2", True)],
)
def test_direction_follows_from_the_name(name, larger):
    assert callbacks.EarlyStopping(name).larger_is_better is larger


def test_missing_quantity_is_named_after_the_first_epoch():
    net = network(metrics=["mae"])
    with pytest.raises(
        ValueError, match="val_loss.*: fit needs validation_data .* X_val and y_val"
    ):
        net.fit(X, Y, epochs=5, callbacks=[callbacks.EarlyStopping()])
    assert net.epoch_ == 1
    with pytest.raises(ValueError, match="'val_ma'.* did you mean 'val_mae'"):
        net.fit(X, Y, validation_data=(X, Y), callbacks=[callbacks.EarlyStopping("val_ma")])


def test_an_unknown_argument_is_named():
    with pytest.raises(TypeError, match=r"\[EarlyStopping\] .* 'patence'; did you mean 'patience'"):
        callbacks.EarlyStopping(patence=3)


def test_quantities_that_callbacks_add_can_be_watched():
    net = network()
    stopper = callbacks.EarlyStopping("learning_rate", patience=2)
    scheduler = callbacks.LearningRateScheduler(lambda epoch, rate: 0.01)
    net.fit(X, Y, epochs=9, callbacks=[scheduler, stopper])
    assert stopper.stopped_epoch == 2


def test_learning_rate_of_a_schedule_is_left_alone():
    net = network(optimizer=optimizers.SGD(lambda step: 0.1 / (1 + step)))
    with pytest.raises(TypeError, match="cannot be set"):
        net.fit(X, Y, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: rate)])
    assert net.step_ == 0


def test_reduce_on_plateau():
    rates = []
    keep = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: rates.append(net.learning_rate)
    )
    net = network(optimizer=optimizers.SGD(1.0))
    reducer = callbacks.ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=0.2)
    fit_watching([1.0] * 10, keep, reducer, net=net)
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]
    assert net.history_["learning_rate"] == rates


def test_learning_rate_scheduler():
    net = network(optimizer=optimizers.SGD(1.0))
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else 0.1)
    net.fit(X, Y, epochs=3, callbacks=[schedule])
    assert net.history_["learning_rate"] == [0.1, 0.05, 0.025]


def test_checkpoint_names_epochs(tmp_path):
    pattern = tmp_path / "net-{epoch:02d}-{loss:.3f}.safetensors"
    net = network().fit(X, Y, epochs=2, callbacks=[callbacks.ModelCheckpoint(pattern)])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name[:6] for name in names] == ["net-01", "net-02"]
    np.testing.assert_array_equal(
        Sequential.load(tmp_path / names[1]).get_weights()[0], net.get_weights()[0]
    )


def test_checkpoint_of_the_best_only(tmp_path):
    path = tmp_path / "best.safetensors"
    fit_watching([2.0, 1.0, 3.0], callbacks.ModelCheckpoint(path, save_best_only=True))
    best = Sequential.load(path)
    assert best.epoch_ == len(best.history_["loss"]) == 2


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    net = network(metrics=["mae"]).fit(X, Y, epochs=2, callbacks=[callbacks.CSVLogger(path)])
    net.fit(X, Y, callbacks=[callbacks.CSVLogger(path, append=True)])
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [float(row["loss"]) for row in rows] == net.history_["loss"]
    assert list(rows[0]) == ["epoch", "loss", "mae"]


def test_terminate_on_nan(capsys):
    fit_watching([1.0, np.inf, 1.0], callbacks.TerminateOnNaN())
    assert "val_loss is inf after epoch 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "make",
    [
        lambda: callbacks.EarlyStopping(patience=-1),
        lambda: callbacks.EarlyStopping(mode="least"),
        lambda: callbacks.EarlyStopping(min_delta=-1.0),
        lambda: callbacks.EarlyStopping(baseline="a"),
        lambda: callbacks.ReduceLROnPlateau(factor=1.5),
        lambda: callbacks.ReduceLROnPlateau(factor=1),
        lambda: callbacks.ReduceLROnPlateau(factor=0),
        lambda: callbacks.ModelCheckpoint("m-{}.st"),
        lambda: callbacks.ModelCheckpoint("m-{0}.st"),
        lambda: callbacks.ModelCheckpoint("m-{epoch.st"),
        lambda: callbacks.ReduceLROnPlateau(min_lr=-1.0),
        lambda: callbacks.LearningRateScheduler(0.1),
        lambda: callbacks.LambdaCallback(on_epoch_end=3),
        lambda: callbacks.EarlyStopping(monitor=3),
    ],
)
def test_settings_out_of_range(make):
    with pytest.raises((TypeError, ValueError), match=r"^\[\w+\] \w+"):
        make()


class Partly(callbacks.Callback):
    def __init__(self, kept, dropped, also=1):
        self.kept = kept


@pytest.mark.parametrize(
    ("callback", "text"),
    [
        (callbacks.EarlyStopping(patience=3), "EarlyStopping(patience=3)"),
        (callbacks.ModelCheckpoint("a.st"), "ModelCheckpoint('a.st')"),
        (callbacks.ReduceLROnPlateau("loss", 0.5), "ReduceLROnPlateau(monitor='loss', factor=0.5)"),
        (callbacks.LambdaCallback(on_train_end=print), f"LambdaCallback(on_train_end={print!r})"),
        (callbacks.TerminateOnNaN(), "TerminateOnNaN()"),
        (Partly(2, 3), "Partly(2)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_callbacks_show_their_settings(callback, text):
    assert repr(callback) == text


def test_a_schedule_may_take_the_epoch_alone():
    net = network()
    scheduler = callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    net.fit(X, Y, epochs=2, callbacks=[scheduler])
    assert net.history_["learning_rate"] == [0.1, 0.05]


def test_data_does_not_fill_the_repr_of_a_callback():
    recorder = callbacks.LayerRecorder(np.zeros((500, 3)), np.zeros(500))
    assert repr(recorder) == "LayerRecorder(<ndarray (500, 3)>, <ndarray (500,)>)"
