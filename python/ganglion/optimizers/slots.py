"""Where an optimizer keeps what it remembers: slots of one flat buffer of state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ganglion.tracing import Trace
from ganglion.value import Value
from ganglion.variables import ALIGNMENT


@dataclass(frozen=True)
class Slot:
    """One part of the state.

    Attributes
    ----------
    name : str
        "momentum", for instance.
    shape : tuple of int
        (P,) for what goes with each trainable weight, () for a number.
    offset : int
        Elements from the start of the flat buffer.
    initial : float
        Value before the first update.
    """

    name: str
    shape: tuple[int, ...]
    offset: int
    initial: float

    @property
    def span(self) -> slice:
        """Where its elements stand in the flat buffer."""
        return slice(self.offset, self.offset + prod(self.shape))


class Slots:
    """The slots of an optimizer, in the order in which its update asked for them.

    An update calls it: `slot("momentum")` is a value of shape (P,), one number for each trainable
    weight, kept from one update to the next.

    Parameters
    ----------
    trace : Trace
        The program being written.
    parameters : int
        P, the trainable part of the flat buffer of weights, in elements.

    Attributes
    ----------
    size : int
        Elements of the flat buffer of state.
    """

    def __init__(self, trace: Trace, parameters: int) -> None:
        self.size = 0
        self._trace = trace
        self._parameters = parameters
        self._slots: dict[str, Slot] = {}
        self._values: dict[str, Value] = {}

    def __call__(
        self, name: str, shape: tuple[int, ...] | None = None, initial: float = 0.0
    ) -> Value:
        """Return a slot as it was left by the update before.

        Parameters
        ----------
        name : str
            Its name; a name stands for one slot.
        shape : tuple of int, optional
            Default: one number for each trainable weight.
        initial : float, default 0.0
            Value before the first update.
        """
        if name not in self._values:
            shape = (self._parameters,) if shape is None else shape
            self._slots[name] = Slot(name, shape, self.size, initial)
            self._values[name] = self._trace.state(name, shape, self.size)
            self.size += -(-prod(shape) // ALIGNMENT) * ALIGNMENT
        return self._values[name]

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def __contains__(self, name: str) -> bool:
        return name in self._slots

    def __getitem__(self, name: str) -> Slot:
        return self._slots[name]

    def fill(self, state: npt.NDArray[np.floating[Any]]) -> None:
        """Write the initial values.

        Parameters
        ----------
        state : ndarray, shape (size,)
            The flat buffer of state.
        """
        state[:] = 0.0
        for slot in self._slots.values():
            state[slot.span] = slot.initial
