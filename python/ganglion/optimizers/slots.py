"""Where an optimizer keeps what it remembers: slots of one flat buffer of state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ganglion.tracing import Trace
from ganglion.value import Value
from ganglion.variables import ALIGNMENT, Group, Variables

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Slot:
    """One part of the state.

    Attributes
    ----------
    name : str
        "momentum", for instance.
    shape : tuple of int
        (P,) for what goes with each trainable weight, () for a number; for a number of each of
        several groups (groups,).
    offset : int
        Elements from the start of the flat buffer.
    initial : float
        Value before the first update.
    by_weight : bool
        Whether it goes with each trainable weight.
    """

    name: str
    shape: tuple[int, ...]
    offset: int
    initial: float
    by_weight: bool

    @property
    def span(self) -> slice:
        """Where its elements stand in the flat buffer."""
        return slice(self.offset, self.offset + prod(self.shape))

    def part(self, packed: slice) -> slice:
        """Where those of its elements stand that go with a part of the packed weights."""
        return slice(self.offset + packed.start, self.offset + packed.stop)

    def of_group(self, index: int, groups: int) -> slice:
        """Where the numbers of one of several groups stand, of a slot that has some for each."""
        size = prod(self.shape) // groups
        return slice(self.offset + index * size, self.offset + (index + 1) * size)


class Slots:
    """The slots of an optimizer, in the order in which its update asked for them.

    An update calls it: `slot("momentum")` is a value of shape (P,), one number for each trainable
    weight, kept from one update to the next. Where the weights are several groups, the update is
    written once for each, and gets that group's part.

    Parameters
    ----------
    trace : Trace
        The program being written.
    parameters : int
        P, the trainable part of the flat buffer of weights, in elements.
    groups : sequence of Group
        The weights that are updated alike.

    Attributes
    ----------
    size : int
        Elements of the flat buffer of state.
    group : Group or None
        Whose update is being written; None for that of all weights.
    """

    def __init__(self, trace: Trace, parameters: int, groups: Sequence[Group] = ()) -> None:
        self.size = 0
        self.groups = groups
        self.group: Group | None = None
        self._trace = trace
        self._parameters = parameters
        self._slots: dict[str, Slot] = {}
        self._values: dict[tuple[str, int | None], Value] = {}

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
        key = name, None if self.group is None else self.group.index
        if key not in self._values:
            if name not in self._slots:
                self._add(name, shape, initial)
            self._values[key] = self._read(self._slots[name], shape)
        return self._values[key]

    def _add(self, name: str, shape: tuple[int, ...] | None, initial: float) -> None:
        by_weight = shape is None
        if shape is None:
            shape = (self._parameters,)
        elif len(self.groups) > 1:
            shape = (len(self.groups), *shape)
        self._slots[name] = Slot(name, shape, self.size, initial, by_weight)
        self.size += -(-prod(shape) // ALIGNMENT) * ALIGNMENT

    def _read(self, slot: Slot, shape: tuple[int, ...] | None) -> Value:
        group = self.group
        if shape is not None:
            index = 0 if group is None else group.index
            place = slot.of_group(index, max(len(self.groups), 1))
            return self._trace.state(slot.name, shape, place.start)
        if group is None:
            return self._trace.state(slot.name, slot.shape, slot.offset)
        return self._trace.state(slot.name, (group.size,), slot.part(group.packed).start)

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def __contains__(self, name: str) -> bool:
        return name in self._slots

    def __getitem__(self, name: str) -> Slot:
        return self._slots[name]

    def fill(self, state: Array) -> None:
        """Write the initial values.

        Parameters
        ----------
        state : ndarray, shape (size,)
            The flat buffer of state.
        """
        state[:] = 0.0
        for slot in self._slots.values():
            state[slot.span] = slot.initial

    def take(
        self,
        state: Array,
        variables: Variables,
        other: Slots,
        other_state: Array,
        other_variables: Variables,
    ) -> None:
        """Take over what the same optimizer left of the weights that it trained before too.

        Parameters
        ----------
        state : ndarray, shape (size,)
            The flat buffer of state, with initial values; written in place.
        variables : Variables
            The weights that it belongs to.
        other, other_state, other_variables
            The same as it was, with weights of the same names.
        """
        groups, other_groups = _groups_by_name(variables), _groups_by_name(other_variables)
        packed, other_packed = _packed_by_name(variables), _packed_by_name(other_variables)
        for name in groups.keys() & other_groups.keys():
            for slot in self:
                from_slot = other[slot.name]
                if slot.by_weight:
                    to, source = slot.part(packed[name]), from_slot.part(other_packed[name])
                else:
                    to = slot.of_group(groups[name], len(self.groups))
                    source = from_slot.of_group(other_groups[name], len(other.groups))
                state[to] = other_state[source]


def _groups_by_name(variables: Variables) -> dict[str, int]:
    trained = variables.trainable
    return {
        weight.name: group.index
        for group in variables.groups()
        for weight in trained[group.weights]
    }


def _packed_by_name(variables: Variables) -> dict[str, slice]:
    names = (weight.name for weight in variables.trainable)
    return dict(zip(names, variables.packed_spans, strict=True))
