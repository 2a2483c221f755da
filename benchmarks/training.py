"""Tasks of a worker that train a network or predict with it, whatever the library."""

from __future__ import annotations

import importlib
from math import prod

import numpy as np

from benchmarks.cases import EPOCHS
from benchmarks.images import IMAGES
from benchmarks.peers import Array, Model
from benchmarks.process import Job
from benchmarks.recurrences import RECURRENCES


def make_model(
    peer: str, widths: list[int], batch_size: int, threads: int, **network: str
) -> Model:
    """The model of one of the modules of `benchmarks.peers`."""
    model: Model = importlib.import_module(f"benchmarks.peers.{peer}").Model(
        widths, batch_size, threads, **network
    )
    return model


def samples(rows: int, size: int, classes: int) -> tuple[Array, Array]:
    """Inputs (rows, size) float32, and class numbers, drawn at random.

    The inputs begin at a multiple of 64 bytes: others JAX has to copy.
    """
    generator = np.random.default_rng(0)
    room = np.empty(rows * size + 16, np.float32)
    first = -room.ctypes.data % 64 // room.itemsize
    inputs = room[first : first + rows * size].reshape(rows, size)
    generator.standard_normal(dtype=np.float32, out=inputs)
    return inputs, generator.integers(0, classes, rows)


class Training:
    """A turn trains for a few epochs; a unit is one step."""

    def __init__(
        self,
        peer: str,
        widths: list[int],
        batch_size: int,
        steps: int,
        threads: int,
        images: str = "",
        recurrent: str = "",
        activation: str = "relu",
    ) -> None:
        network = {"images": images, "recurrent": recurrent, "activation": activation}
        self.model = make_model(peer, widths, batch_size, threads, **network)
        rows, before, recurrence = steps * batch_size, IMAGES[images], RECURRENCES[recurrent]
        if recurrence:
            X, y = recurrence.samples(rows, widths[-1])
        else:
            X, y = samples(rows, prod(before.shape) if before else widths[0], widths[-1])
        self.model.start(X, y, seed=0)
        self.units = EPOCHS * steps

    def run(self) -> None:
        self.model.train(EPOCHS)


class Prediction:
    """A turn is one call, from an array of NumPy's to probabilities in another."""

    def __init__(self, peer: str, widths: list[int], batch_size: int, threads: int) -> None:
        self.model = make_model(peer, widths, 32, threads)
        X, y = samples(64, widths[0], widths[-1])
        self.model.start(X, y, seed=0)
        self.model.train(1)
        self.X, _ = samples(batch_size, widths[0], widths[-1])

    def run(self) -> None:
        self.model.predict(self.X)


def job(task: type, peer: str, threads: int, **arguments: object) -> Job:
    """What a worker needs to make a task that takes a peer's module."""
    return Job(f"{task.__module__}:{task.__name__}", {"peer": peer, **arguments}, threads)
