"""Predictions that read the user's array where it lies, beside those that copy it."""

from __future__ import annotations

import numpy as np
import pytest

import ganglion
from ganglion import Sequential, layers, ops
from ganglion.value import Value

ROWS, WIDTH = (
    700,
    96,
)  # batches of 300 rows, and a last one of 100, are long enough to be read in place
BATCH = 300


class Parts(layers.Layer):
    """What follows reads slices of the input where they stand."""

    def build(self, x: Value) -> Value:
        weight = self.add_weight("weight", (WIDTH // 2, 8))
        return ops.matmul(x[:, WIDTH // 2 :], weight) - x[:, :8]


FIRST = {
    "dense": lambda: [],
    "narrow": lambda: [layers.Dense(1)],
    "normalization": lambda: [layers.BatchNormalization()],
    "parts": lambda: [Parts()],
    "activation": lambda: [layers.Activation("tanh")],
    "flatten": lambda: [layers.Reshape((8, 12)), layers.Flatten()],
    "residual": lambda: [layers.Residual([layers.Dense(WIDTH)])],
    "dropout": lambda: [layers.Dropout(0.5)],
}


def network(first: str, dtype: str = "float32") -> Sequential:
    hidden = [*FIRST[first](), layers.Dense(37, activation="relu"), layers.Dense(3)]
    return Sequential([layers.Input((WIDTH,)), *hidden], dtype=dtype, random_state=0)


def samples(dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(dtype)


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = ganglion.get_num_threads()
    ganglion.set_num_threads(request.param)
    yield
    ganglion.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_contiguous_array_gives_the_bits_of_a_copied_one(first, dtype):
    X = samples(dtype)
    copied = np.asfortranarray(X)
    before = X.copy()
    net = network(first, dtype)
    found = net.predict(X, batch_size=BATCH)
    np.testing.assert_array_equal(found, net.predict(copied, batch_size=BATCH))
    np.testing.assert_array_equal(found, net.predict(X, batch_size=7))
    np.testing.assert_array_equal(X, before)


def test_a_network_that_only_shows_its_input_another_way():
    X = samples()
    net = Sequential([layers.Input((WIDTH,)), layers.Reshape((4, 24))], random_state=0)
    np.testing.assert_array_equal(net.predict(X, batch_size=BATCH), X.reshape(-1, 4, 24))


def test_rows_that_start_inside_an_array_and_read_only_ones():
    X = samples()
    X.flags.writeable = False
    net = network("dense")
    np.testing.assert_array_equal(
        net.predict(X[13:], batch_size=BATCH), net.predict(X, batch_size=BATCH)[13:]
    )


def test_numbers_that_are_not_aligned_are_copied():
    X = samples()
    memory = np.empty(X.nbytes + 1, np.uint8)
    shifted = memory[1:].view(np.float32).reshape(X.shape)
    shifted[...] = X
    net = network("dense")
    np.testing.assert_array_equal(
        net.predict(shifted, batch_size=BATCH), net.predict(X, batch_size=BATCH)
    )


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("first", ["dense", "normalization", "flatten"])
@pytest.mark.parametrize("row", [0, 299, 300, 699])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_found(first, row, bad):
    X = samples()
    X[row, 95] = bad
    net = network(first)
    with pytest.raises(ValueError, match=rf"\[predict\] X has .* at row {row}, column 95"):
        net.predict(X, batch_size=BATCH)
    X[row, 95] = 0
    np.testing.assert_array_equal(net.predict(X, batch_size=BATCH), net.predict(X, batch_size=5))


def test_what_follows_a_prediction_reads_its_own_batches():
    X, y = samples(), np.arange(ROWS) % 3
    weights = []
    for predicts in (True, False):
        net = network("dense")
        net.compile(loss="mse")
        for _ in range(2):
            net.fit(X, np.eye(3)[y], epochs=1, batch_size=BATCH, verbose=0)
            if predicts:
                net.predict(X, batch_size=BATCH)
        weights.append(np.concatenate([array.ravel() for array in net.get_weights()]))
    np.testing.assert_array_equal(*weights)
