"""An array read as a source, and a network that is trained on it."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from ganglion import Sequential, Source, layers, optimizers

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
