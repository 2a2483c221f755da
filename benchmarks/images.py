"""What stands before the dense layers of the networks on images that are measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Convolution:
    """``filters`` of ``size`` x ``size``, and the network's activation."""

    filters: int
    size: int
    padding: str = "valid"


@dataclass(frozen=True)
class Pooling:
    """The largest of 2 x 2, or with ``average`` their mean."""

    average: bool = False


@dataclass(frozen=True)
class Images:
    """Layers on images (height, width, channels), channels last, whose result is flattened."""

    shape: tuple[int, int, int]
    parts: tuple[Convolution | Pooling, ...]

    def walk(self) -> Iterator[tuple[Convolution | Pooling, tuple[int, int, int], int]]:
        """Each part, the shape of its result, and the channels it takes."""
        height, width, channels = self.shape
        for part in self.parts:
            before = channels
            if isinstance(part, Pooling):
                height, width = height // 2, width // 2
            else:
                lost = part.size - 1 if part.padding == "valid" else 0
                height, width, channels = height - lost, width - lost, part.filters
            yield part, (height, width, channels), before

    @property
    def features(self) -> int:
        """Numbers that reach the dense layers."""
        return prod(list(self.walk())[-1][1])

    @property
    def products(self) -> list[int]:
        """Multiply-adds of each convolution, for one image."""
        return [
            prod(shape) * part.size**2 * channels
            for part, shape, channels in self.walk()
            if isinstance(part, Convolution)
        ]

    def initial_weights(self, generator: np.random.Generator) -> list[tuple[Array, Array]]:
        """Kernel (rows, columns, channels, filters), Glorot uniform, and bias, of each one."""
        drawn = []
        for part, _, channels in self.walk():
            if isinstance(part, Convolution):
                shape = (part.size, part.size, channels, part.filters)
                limit = (6 / (part.size**2 * (channels + part.filters))) ** 0.5
                kernel = (limit * generator.uniform(-1, 1, shape)).astype(np.float32)
                drawn.append((kernel, np.zeros(part.filters, np.float32)))
        return drawn


# By name, since a worker is told in JSON.
IMAGES = {
    "": None,
    "two convolutions": Images(
        (28, 28, 1), (Convolution(32, 3), Pooling(), Convolution(64, 3), Pooling())
    ),
    "LeNet-5": Images(
        (28, 28, 1),
        (
            Convolution(6, 5, "same"),
            Pooling(average=True),
            Convolution(16, 5),
            Pooling(average=True),
        ),
    ),
}
