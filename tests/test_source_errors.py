"""Sources that fail, are interrupted, forked or wrong: errors, and no thread that is left."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from linear import copy_program
from row_sources import Rows, X, Y, network, no_thread_is_left, same_bits  # noqa: F401 (a fixture)
from test_threads import in_child, needs_fork

from ganglion import (
    DivergenceWarning,
    NeuralClassifier,
    Source,
    _core,
    attribution,
    inspect_data,
    optimizers,
)
from ganglion.callbacks import EarlyStopping, LambdaCallback
from ganglion.streaming import stream_of


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_is_raised_where_the_row_is_needed(workers):
    net = network().fit(X, Y)
    before = net.step_
    expected = network().fit(X, Y).fit(X[:96], Y[:96], shuffle=False)
    with pytest.raises(OSError, match="row 100 is gone"):
        net.fit(Rows(fail_at=100, workers=workers), shuffle=False)
    assert net.step_ == before + 3
    assert same_bits(net, expected)
    assert len(net.history_["loss"]) == 1
    net.fit(X, Y)
    with pytest.raises(OSError, match="row 100 is gone"):
        net.predict(Rows(fail_at=100, workers=workers))
    with pytest.raises(OSError, match="row 100 is gone"):
        net.evaluate(Rows(fail_at=100, workers=workers))
    with pytest.raises(OSError, match="row 100 is gone"):
        network().fit(X, Y, validation_data=Rows(fail_at=100))


def test_a_value_that_is_not_finite_is_named():
    array = X.astype("f4")
    array[150, 1, 1] = np.nan
    with pytest.raises(ValueError, match=r"\[fit\] Rows gave row 150 a value that is not finite"):
        network().fit(Rows(array, workers=2))
    array[150] = 1e300 if array.dtype == "f8" else np.inf
    net = network().fit(X, Y)
    with pytest.raises(ValueError, match=r"\[predict\] Rows gave row 150"):
        net.predict(Rows(array))
    with pytest.raises(ValueError, match=r"row 150 a value that is not finite in float32"):
        net.predict(Rows(np.where(array > 1e30, 1e300, array.astype("f8"))))


@pytest.mark.parametrize("where", ["while reading", "while training"])
def test_ctrl_c_leaves_a_usable_network(where):
    pause = 30 if where == "while reading" else 0
    net = network().fit(X, Y)
    many = np.broadcast_to(X[0], (10**6, 4, 3))
    source = Rows(many if pause == 0 else X, np.zeros(10**6, int) if pause == 0 else Y)
    stop = threading.Event()
    if pause:
        source.read = lambda rows, out: stop.wait(pause)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    started = time.perf_counter()
    try:
        with pytest.raises(KeyboardInterrupt):
            net.fit(source, batch_size=4, epochs=100)
        assert time.perf_counter() - started < 3
    finally:
        stop.set()
        timer.join()
    net.fit(Rows())
    assert len(net.history_["loss"]) == 2


def test_early_ends_leave_no_thread():
    def fail(batch, logs):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        network().fit(Rows(), batch_size=4, callbacks=[LambdaCallback(on_train_batch_end=fail)])
    stopping = EarlyStopping(monitor="loss", patience=0, min_delta=1e9)
    net = network().fit(Rows(), epochs=50, callbacks=[stopping])
    assert len(net.history_["loss"]) < 5


def test_a_fit_that_diverges_goes_back_to_its_first_weights():
    net = network()
    net.compile(loss=net.loss, optimizer=optimizers.SGD(1e30))
    net.build((None, 4, 3))
    before = net.get_weights()
    with pytest.warns(DivergenceWarning):
        net.fit(Rows(workers=2), epochs=3)
    assert all(map(np.array_equal, net.get_weights(), before))


@needs_fork
def test_a_fork_reads_on():
    source = Rows(workers=2)
    net = network().fit(source)
    expected = network().fit(X, Y, epochs=2)
    forked = []

    def fork(batch, logs):
        if batch == 2:
            forked.append(in_child(lambda: np.isfinite(net.predict(source)).all()))

    assert in_child(lambda: same_bits(net.fit(source), expected))
    net.fit(source, callbacks=[LambdaCallback(on_train_batch_end=fork)])
    assert forked == [True]
    assert same_bits(net, expected)


@needs_fork
def test_a_fork_in_the_middle_of_an_epoch_goes_on():
    stream = stream_of("fit", Rows(workers=2), "float32")
    stream.start(None, 10)
    stream.batch(0)

    def the_rest():
        read = [stream.batch(first).copy() for first in range(10, 200, 10)]
        return np.array_equal(np.concatenate(read), X[10:200])

    assert in_child(the_rest)
    assert the_rest()
    stream.stop()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([[1.0, 2.0]], TypeError, "batch must return a NumPy array"),
        (np.zeros((3, 2)), ValueError, r"dtype float32 and shape \(None, 2\), got float64"),
        (np.zeros((2, 2), "f4"), ValueError, r"got float32, \(2, 2\)"),
        (np.zeros((3, 3), "f4"), ValueError, r"got float32, \(3, 3\)"),
        (np.zeros((2, 3), "f4").T, ValueError, "a batch must be contiguous"),
    ],
)
def test_the_core_checks_what_a_stream_gives(given, error, message):
    class Given(_core.Stream):
        def start(self, order, batch_size):
            assert (order, batch_size) == (None, 3)

        def batch(self, first):
            return given

    executable = _core.Executable(copy_program((2,)), "float32", None, None)
    with pytest.raises(error, match=message):
        executable.predict([Given(9, (2,), np.dtype("f4"))], 3)


def test_a_stream_is_of_numbers_and_of_a_shape():
    with pytest.raises(TypeError, match="cannot be of dtype <U1"):
        _core.Stream(3, (2,), np.dtype("U1"))
    with pytest.raises(ValueError, match=r"cannot have shape \(0,\)"):
        _core.Stream(3, (0,), np.dtype("f4"))
    executable = _core.Executable(copy_program((2,)), "float32", None, None)
    with pytest.raises(ValueError, match=r"has shape \(None, 5\), expected \(None, 2\)"):
        executable.predict([_core.Stream(3, (5,), np.dtype("f4"))], 3)


def test_sources_are_checked_before_anything_is_read():
    class Bare(Source):
        def __len__(self):
            return 3

        def read(self, rows, out):
            raise AssertionError

    with pytest.raises(TypeError, match=r"\[fit\] Bare has no sample_shape"):
        network().fit(Bare(), Y)
    with pytest.raises(ValueError, match=r"\[Rows\] workers must be a whole number"):
        network().fit(Rows(workers=0))
    with pytest.raises(TypeError, match=r"\[Rows\] dtype must be one of numbers"):
        network().fit(Rows(np.array([["a"]])))
    with pytest.raises(ValueError, match=r"\[fit\] y is missing"):
        network().fit(Rows(labels=None))
    with pytest.raises(ValueError, match=r"\[fit\] X has 203 rows and y has 5"):
        network().fit(Rows(), Y[:5])
    with pytest.raises(ValueError, match=r"\[fit\] X is empty"):
        network().fit(Rows(X[:0], Y[:0]))
    net = network().fit(Rows())
    with pytest.raises(ValueError, match="X has shape"):
        net.predict(Rows(X[:, :2]))
    with pytest.raises(ValueError, match="takes the last samples.*source.split"):
        net.fit(Rows(), validation_split=0.2)


def test_estimators_say_that_they_do_not_read_sources():
    with pytest.raises(TypeError, match=r"\[NeuralClassifier\] X must be in memory, got Rows"):
        NeuralClassifier([4]).fit(Rows(), Y)
    fitted = NeuralClassifier([4], epochs=1, random_state=0).fit(X.reshape(len(X), -1), Y)
    with pytest.raises(TypeError, match="use a Sequential"):
        fitted.predict(Rows())


def test_what_looks_at_samples_says_that_it_needs_them_in_memory():
    net = network().fit(Rows())
    with pytest.raises(TypeError, match=r"\[saliency\] X must be in memory, got Rows: X\.load"):
        attribution.saliency(net, Rows())
    with pytest.raises(TypeError, match=r"\[inspect_data\] X must be in memory, got Rows: X\.load"):
        inspect_data(Rows())
