"""A program bound to memory for batches of one size: its launches, ready to run in order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ganglion.engines.numba_cuda import (  # noqa: F401  (enter their operations)
    convolutions,
    copies,
    expressions,
    lines,
    products,
    reductions,
    resampling,
    routing,
    tables,
    windows,
)
from ganglion.engines.numba_cuda.device import Call, Device
from ganglion.engines.numba_cuda.loops import bind_loop
from ganglion.engines.numba_cuda.memory import lay_out
from ganglion.engines.numba_cuda.program import Lowered, Operation
from ganglion.engines.numba_cuda.sites import OPERATIONS, Place, Site


@dataclass(frozen=True)
class Context:
    """What the programs of an executable share.

    Attributes
    ----------
    device : Device
        Runs them.
    T : type
        ``numpy.float32`` or ``numpy.float64``.
    parameters, states : device array
        The flat buffers.
    scalars, key : device array
        The numbers of a step; and its seed and number.
    """

    device: Device
    T: Any
    parameters: Any
    states: Any
    scalars: Any
    key: Any


class Bound:
    """A program for batches of one size.

    Parameters
    ----------
    context : Context
        What it works on.
    lowered : Lowered
        The program.
    rows : int
        Samples of a batch.
    given : sequence of Place, optional
        Its inputs, where they stand elsewhere.
    arena : device array, optional
        Memory for intermediates, used when it is large enough.

    Attributes
    ----------
    rows : int
        Samples of a batch.
    arena : device array
        Memory of intermediates.
    launches : list of (Operation, list of Call)
        In the order in which they run.
    """

    def __init__(
        self,
        context: Context,
        lowered: Lowered,
        rows: int,
        given: Sequence[Place] | None = None,
        arena: Any = None,
    ) -> None:
        self.rows = rows
        self._context = context
        self._lowered = lowered
        layout = lay_out(lowered, rows, given is None)
        self._offsets = layout.offsets
        if arena is None or arena.shape[0] < layout.size:
            arena = context.device.empty(layout.size, context.T)
        self.arena = arena
        self._outputs_end = layout.outputs_end
        self._places: dict[int, Place] = {}
        if given is not None:
            self._places = dict(zip(lowered.inputs, given, strict=True))
        self.launches = [(entry, self._bind(entry)) for entry in lowered.operations]

    def place(self, value: int) -> Place:
        """Return where a value stands."""
        if value not in self._places:
            shape = self._lowered.values[value].shape.of(self.rows)
            self._places[value] = Place(self._memory(value, math.prod(shape)), shape)
        return self._places[value]

    def _memory(self, value: int, size: int) -> Any:
        context = self._context
        entry = self._lowered.values[value]
        if entry.storage == "parameter":
            return context.parameters[entry.offset : entry.offset + size]
        if entry.storage == "state":
            return context.states[entry.offset : entry.offset + size]
        root = self._lowered.root(value)
        if root != value:
            return self.place(root).array
        if entry.storage == "scalar":
            return context.scalars[entry.offset : entry.offset + 1]
        if entry.storage == "constant":
            constant = self._lowered.constants[entry.offset]
            return context.device.upload(constant.astype(context.T))
        if entry.storage == "count":
            of, first, last = self._lowered.counts[value]
            count = math.prod(of.of(self.rows)[first : last + 1])
            return context.device.upload(np.array([count], context.T))
        begin = self._offsets[value]
        return self.arena[begin : begin + size]

    @cached_property
    def inputs(self) -> list[Place]:
        """Where the inputs stand."""
        return [self.place(value) for value in self._lowered.inputs]

    @cached_property
    def outputs(self) -> list[Place]:
        """Where the outputs stand after a run."""
        return [self.place(value) for value in self._lowered.outputs]

    @cached_property
    def report(self) -> tuple[Any, list[int]] | None:
        """Memory that holds all outputs and nothing else, and where each begins in it.

        None where one stands elsewhere.
        """
        roots = [self._lowered.root(value) for value in self._lowered.outputs]
        if not all(root in self._offsets for root in roots):
            return None
        return self.arena[: self._outputs_end], [self._offsets[root] for root in roots]

    def _bind(self, entry: Operation) -> list[Call]:
        context = self._context
        if entry.expression is not None:
            return self._bind_expression(entry)
        inputs = [self.place(value) for value in entry.inputs]
        outputs = [self.place(value) for value in entry.outputs]
        site = Site(context.device, context.T, entry.attributes, inputs, outputs)
        if entry.loop is not None:
            body = entry.loop.body
            return bind_loop(
                site, entry.loop, self.rows, lambda given: Bound(context, body, self.rows, given)
            )
        if entry.foreign is not None:
            return [lambda: _call(site, entry.foreign)]
        return OPERATIONS[entry.kind](site)

    def _bind_expression(self, entry: Operation) -> list[Call]:
        assert entry.expression is not None
        context, expression = self._context, entry.expression
        device = context.device
        shape = expression.shape.of(self.rows)
        inputs = [self.place(value) for value in entry.inputs]
        dims, has = expressions.broadcasting(shape, [place.shape for place in inputs])
        results, moves = [], []
        for value in entry.outputs:
            place = self.place(value)
            if self._is_read_otherwise(value, entry, has):
                apart = Place(device.empty(place.size, context.T), place.shape)
                moves.append(copies.whole(place, apart))
                place = apart
            results.append(place.array)
        kernel = expressions.kernel(expression.chain, has, len(dims), context.T)
        count = math.prod(shape)
        operands = [place.array for place in inputs]
        arguments = (count, context.key, *dims[1:], *results, *operands)
        return [device.over(kernel, count, *arguments), *copies.copy(device, moves)]

    def _is_read_otherwise(
        self, target: int, entry: Operation, has: Sequence[tuple[bool, ...]]
    ) -> bool:
        """Whether an expression reads weights that it writes, but not each where it is written."""
        written = self._lowered.values[target]
        if written.storage not in ("parameter", "state"):
            return False
        size = written.shape.sample_size
        for value, own in zip(entry.inputs, has, strict=True):
            read = self._lowered.values[value]
            if read.storage != written.storage:
                continue
            apart = abs(read.offset - written.offset)
            if apart == 0 and all(own) and read.shape.sample_size == size:
                continue
            first = min((read, written), key=lambda place: place.offset)
            if apart < first.shape.sample_size:
                return True
        return False

    def run(self, update: bool) -> None:
        """Launch a run, with the update section or without."""
        for entry, calls in self.launches:
            if update or not entry.is_update:
                for call in calls:
                    call()

    def run_update(self) -> None:
        """Launch the update section behind a run without it."""
        for entry, calls in self.launches:
            if entry.is_update:
                for call in calls:
                    call()


def _call(site: Site, function: Any) -> None:
    """Call a function of Python with the operands on the processor, and send what it returns."""
    arrays = []
    for place in site.inputs:
        array = np.empty(place.shape, site.T)
        site.device.read(place.array, array)
        array.setflags(write=False)
        arrays.append(array)
    results = function(tuple(arrays), tuple(place.shape for place in site.outputs))
    for place, result in zip(site.outputs, results, strict=True):
        site.device.write(place.array, np.asarray(result, site.T))
