"""Sources: data read while training trains the same network as the array it stands for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from linear import copy_program
from test_threads import in_child, needs_fork

from ganglion import (
    DivergenceWarning,
    NeuralClassifier,
    Sequential,
    Source,
    _core,
    attribution,
    find_learning_rate,
    inspect_data,
    layers,
    optimizers,
)
from ganglion.callbacks import EarlyStopping, GradualUnfreezing, LambdaCallback
from ganglion.streaming import stream_of

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

X = np.random.default_rng(0).integers(0, 256, (203, 4, 3)).astype("u1")
Y = np.random.default_rng(1).integers(0, 3, len(X))


class Rows(Source):
    """An array behind the gate; keeps what was asked for, and may wait or fail at a row."""

    def __init__(self, array=X, labels=Y, *, workers=1, max_queue_size=2, pause=0.0, fail_at=None):
        self.array = array
        self.sample_shape = array.shape[1:]
        self.dtype = array.dtype
        self.labels = labels
        self.workers = workers
        self.max_queue_size = max_queue_size
        self.pause = pause
        self.fail_at = fail_at
        self.asked = []

    def __len__(self):
        return len(self.array)

    def read(self, rows, out):
        self.asked.append(len(rows))
        time.sleep(self.pause)
        if self.fail_at in rows:
            raise OSError(f"row {self.fail_at} is gone")
        out[...] = self.array[rows]


def network(**others):
    return Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(0.01),
        metrics=["accuracy"],
        random_state=0,
        **others,
    )


def reading_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ganglion-")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    limit = time.monotonic() + 5
    while reading_threads():
        assert time.monotonic() < limit, reading_threads()
        time.sleep(0.01)


def same_bits(first, second):
    return all(map(np.array_equal, first.get_weights(), second.get_weights()))


# The same bits as from an array.


@pytest.mark.parametrize("shuffle", [True, False, lambda epoch: np.roll(np.arange(203), epoch)])
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 32, 203, None])
def test_trains_as_from_an_array(batch_size, workers, shuffle):
    settings = {"epochs": 2, "batch_size": batch_size, "shuffle": shuffle}
    expected = network().fit(X, Y, validation_data=(X, Y), **settings)
    source = Rows(workers=workers)
    read = network().fit(source, validation_data=source, **settings)
    assert same_bits(read, expected)
    assert read.history_ == expected.history_


@pytest.mark.parametrize("dtype", ["bool", "i1", "u2", "i4", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("program_dtype", ["float32", "float64"])
def test_any_number_type_is_read(dtype, program_dtype):
    array = (X % 2 if dtype == "bool" else X // 2).astype(dtype)
    expected = network(dtype=program_dtype).fit(array, Y)
    assert same_bits(network(dtype=program_dtype).fit(Rows(array)), expected)


def test_predicts_evaluates_and_looks_as_from_an_array():
    net = network().fit(X, Y)
    source = Rows(workers=2)
    np.testing.assert_array_equal(net.predict(source), net.predict(X))
    np.testing.assert_array_equal(net.predict(source, batch_size=7), net.predict(X))
    assert net.evaluate(source) == net.evaluate(X, Y)
    assert net.evaluate(source, batch_size=10) == net.evaluate(X, Y, batch_size=10)
    np.testing.assert_array_equal(net.forward(source), net.forward(X))
    np.testing.assert_array_equal(net.layer_outputs(source)["dense"], net.layer_outputs(X)["dense"])
    loss, gradients = net.loss_and_gradients(source, Y)
    expected_loss, expected_gradients = net.loss_and_gradients(X, Y)
    assert loss == expected_loss
    assert all(map(np.array_equal, gradients, expected_gradients))
    net.profile(source, Y)


def test_labels_weights_and_a_first_statistic_are_taken_as_from_an_array():
    settings = {"sample_weight": np.linspace(0, 1, len(X)), "class_weight": {1: 3.0}}

    def normalized():
        return Sequential(
            [layers.Flatten(), layers.Normalization(), layers.Dense(3, activation="softmax")],
            loss="sparse_categorical_crossentropy",
            random_state=0,
        )

    expected = normalized().fit(X, Y[::-1], **settings)
    assert same_bits(normalized().fit(Rows(), Y[::-1], **settings), expected)
    assert same_bits(normalized().partial_fit(Rows()), normalized().partial_fit(X, Y))
    assert network().train_on_batch(Rows()) == network().train_on_batch(X, Y)


@pytest.mark.filterwarnings("ignore:.find_learning_rate. with [0-9]+ steps")
def test_batches_of_callbacks_and_a_range_test_read_a_source():
    seen = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    assert same_bits(network().fit(Rows(), callbacks=[watch]), network().fit(X, Y))
    assert seen == list(range(7))
    found = find_learning_rate(network(), Rows(), steps=50)
    assert found.suggestion == find_learning_rate(network(), X, Y, steps=50).suggestion


def test_a_network_is_unfrozen_while_it_reads_a_source():
    def trained(samples):
        net = network()
        net.build((None, 4, 3))
        net.freeze()
        return net.fit(
            samples, Y, epochs=3, validation_data=(samples, Y), callbacks=[GradualUnfreezing()]
        )

    assert same_bits(trained(Rows()), trained(X))


def test_a_fit_is_resumed_with_the_same_bits(tmp_path):
    expected = network().fit(Rows(), epochs=3)
    network().fit(Rows(workers=3), epochs=1).save(tmp_path / "net", training_state=True)
    assert same_bits(Sequential.load(tmp_path / "net").fit(Rows(), epochs=2), expected)


def test_two_networks_read_one_source_at_once():
    source = Rows(workers=2, pause=0.002)
    trained = [network() for _ in range(3)]
    running = [threading.Thread(target=net.fit, args=[source]) for net in trained]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert all(same_bits(net, network().fit(X, Y)) for net in trained)


# Reading ahead.


def test_batches_are_read_ahead_but_not_too_far():
    source = Rows(max_queue_size=3)
    stream = stream_of("fit", source, "float32")
    stream.start(None, 10)
    for batch in range(5):
        stream.batch(10 * batch)
    time.sleep(0.2)
    assert len(source.asked) == 5 + 3
    stream.stop()


def test_a_batch_is_divided_among_the_workers():
    source = Rows(workers=3)
    stream = stream_of("fit", source, "float32")
    stream.start(None, 32)
    np.testing.assert_array_equal(stream.batch(0), X[:32])
    assert sorted(source.asked[:3]) == [10, 11, 11]
    stream.stop()


def test_reading_and_training_overlap():
    pause = 0.03
    waits = LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(pause))
    started = time.perf_counter()
    network().fit(Rows(pause=pause), batch_size=10, callbacks=[waits])
    batches = -(-len(X) // 10)
    # One after the other they would take 2 * pause a batch.
    assert time.perf_counter() - started < 1.5 * pause * batches + 0.2


MEMORY = """
import sys
import numpy as np
from ganglion import ImageFolder, Sequential, Source, layers


def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def growth(source):
    net = Sequential(
        [layers.Input((256, 256, 3)), layers.Flatten(), layers.Dense(1, activation="sigmoid")],
        loss="binary_crossentropy",
    )
    before = peak()
    net.fit(source, batch_size=16, validation_data=source)
    net.predict(source)
    return peak() - before
"""

LARGE = """
class Large(Source):
    sample_shape = (256, 256, 3)
    dtype = "uint8"
    labels = np.arange(4000) % 2
    workers = 2

    def __len__(self):
        return 4000

    def read(self, rows, out):
        out[...] = rows[:, None, None, None] % 251


print(growth(Large()))
"""


def megabytes(program, *arguments):
    """What a program says that its training took."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY + program, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@needs_proc
def test_a_source_of_800_megabytes_takes_little_memory():
    assert megabytes(LARGE) < 100


# What goes wrong.


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


# Parts of a source.


def test_split_keeps_the_proportions_of_the_classes():
    labels = np.repeat([0, 1], [150, 53])
    training, validation = Rows(labels=labels).split(0.2, seed=3)
    assert np.bincount(training.labels).tolist() == [120, 42]
    assert np.bincount(validation.labels).tolist() == [30, 11]
    both = np.concatenate([training.load(), validation.load()]).reshape(len(X), -1)
    np.testing.assert_array_equal(np.unique(both, axis=0), np.unique(X.reshape(len(X), -1), axis=0))
    again, _ = Rows(labels=labels).split(0.2, seed=3)
    np.testing.assert_array_equal(again.load(), training.load())
    listed, _ = Rows(labels=labels.tolist()).split(0.2, seed=3)
    np.testing.assert_array_equal(listed.labels, training.labels)
    other, _ = Rows(labels=labels).split(0.2, seed=4)
    assert not np.array_equal(other.load(), training.load())


def test_parts_train_as_parts_of_an_array():
    rows = np.arange(0, len(X), 3)
    part = Rows(workers=2).select(rows)
    assert same_bits(network().fit(part), network().fit(X[rows], Y[rows]))
    np.testing.assert_array_equal(part.load([2, 0]), X[[6, 0]])


def test_wrong_parts_are_refused():
    with pytest.raises(ValueError, match="leaves 203 to train on and 0 to validate on"):
        Rows().split(0.0001)
    with pytest.raises(ValueError, match=r"\[Rows\] validation_split must be a number"):
        Rows().split(1.5)
    for rows in ([203], [-1], [0.5], [[1]]):
        with pytest.raises(ValueError, match="rows must be a list of numbers from 0 to 202"):
            Rows().select(rows)
