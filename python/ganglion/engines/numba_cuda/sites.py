"""Where an operation runs: its operands and results in memory. And the table of operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ganglion.engines.numba_cuda.device import Call, Device


class Place(NamedTuple):
    """A value in memory.

    Attributes
    ----------
    array : device array
        Flat.
    shape : tuple of int
        For the batch at hand.
    """

    array: Any
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Site:
    """One operation of a program, for batches of one size.

    Attributes
    ----------
    device : Device
        Runs it.
    T : type
        ``numpy.float32`` or ``numpy.float64``.
    attributes : dict
        Of the operation.
    inputs, outputs : list of Place
        In its order.
    """

    device: Device
    T: Any
    attributes: dict[str, Any]
    inputs: list[Place]
    outputs: list[Place]

    def integers(self, size: int) -> Any:
        """Return memory for whole numbers that the operation needs beside its results."""
        return self.device.empty(size, np.int64)

    def numbers(self, size: int) -> Any:
        """Return memory for numbers that the operation needs beside its results."""
        return self.device.empty(size, self.T)


# From the kind of an operation to what returns its launches, in their order.
OPERATIONS: dict[str, Callable[[Site], list[Call]]] = {}

Binding = Callable[[Site], list[Call]]


def operation(*kinds: str) -> Callable[[Binding], Binding]:
    """Enter a function into the table, under one kind or several."""

    def enter(function: Binding) -> Binding:
        for kind in kinds:
            OPERATIONS[kind] = function
        return function

    return enter
