"""The libraries that are compared: each a module with a `Model`, written in its fastest way.

A model trains and predicts. What happens around it, data and time, is the same for all.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from benchmarks.images import IMAGES
from benchmarks.recurrences import RECURRENCES

Array = np.ndarray


class Model(Protocol):
    """A classifier: softmax cross-entropy, Adam with a rate of 1e-3.

    Parameters
    ----------
    widths : sequence of int
        Features, then units of each layer.
    batch_size : int
        Samples of a step.
    threads : int
        As many as the library may use.
    images : str
        What stands before the dense layers, one of `benchmarks.images.IMAGES`.
    recurrent : str
        Likewise, one of `benchmarks.recurrences.RECURRENCES`.
    activation : {"relu", "tanh"}
        Between the layers.
    """

    def __init__(
        self,
        widths: list[int],
        batch_size: int,
        threads: int,
        images: str = "",
        recurrent: str = "",
        activation: str = "relu",
    ) -> None: ...

    def start(self, X: Array, y: Array, seed: int) -> None:
        """Begin anew with these samples, float32 rows and class numbers, and this seed.

        Where each step of a sequence has a class, ``y`` is (samples, steps).
        """

    def train(self, epochs: int) -> None:
        """Train on all samples, in an order of each epoch's own."""

    def predict(self, X: Array) -> Any:
        """Return the probabilities (rows, classes) as an array of NumPy's."""


@dataclass(frozen=True)
class Peer:
    """A column of the tables: name, module of this package, and the package that it needs."""

    name: str
    module: str
    package: str

    @property
    def missing(self) -> str:
        """Why it cannot be measured; empty when it can."""
        found = importlib.util.find_spec(self.package) is not None
        return "" if found else f"{self.package} is not installed"


PEERS = [
    Peer("ganglion", "ganglion", "ganglion"),
    Peer("PyTorch", "pytorch", "torch"),
    Peer("torch.compile", "torch_compile", "torch"),
    Peer("JAX", "jax", "jax"),
    Peer("Keras", "keras", "keras"),
    Peer("scikit-learn", "sklearn", "sklearn"),
]


def initial_weights(
    widths: list[int], seed: int, images: str = "", recurrent: str = ""
) -> list[tuple[Array, ...]]:
    """Kernel (inputs, units), Glorot uniform, and bias, zero, of each layer, in float32.

    Those of convolutions, (rows, columns, channels, filters), or of a recurrent layer, kernel,
    recurrent kernel and bias, come first. All but scikit-learn, which draws its own of this kind,
    start from these.
    """
    generator = np.random.default_rng(seed)
    before = IMAGES[images]
    first: list[tuple[Array, ...]] = [*before.initial_weights(generator)] if before else []
    recurrence = RECURRENCES[recurrent]
    if recurrence:
        first.append(recurrence.initial_weights(generator))
    return first + [
        (
            generator.uniform(-1, 1, (a, b)).astype(np.float32) * np.float32((6 / (a + b)) ** 0.5),
            np.zeros(b, np.float32),
        )
        for a, b in zip(widths, widths[1:], strict=False)
    ]
