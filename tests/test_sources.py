"""Sources: data read while training trains the same network as the array it stands for."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from row_sources import Rows, X, Y, network, no_thread_is_left, same_bits  # noqa: F401 (a fixture)

from ganglion import Sequential, find_learning_rate, layers
from ganglion.callbacks import GradualUnfreezing, LambdaCallback
from ganglion.streaming import stream_of

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

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
