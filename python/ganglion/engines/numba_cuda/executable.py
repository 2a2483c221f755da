"""A program made ready to run on the GPU: the same methods as the core's `Executable`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.engines.numba_cuda.bound import Bound, Context
from ganglion.engines.numba_cuda.device import Device
from ganglion.engines.numba_cuda.program import Lowered, Operation, lower
from ganglion.engines.numba_cuda.sources import Inputs, Order, Source

Array = NDArray[Any]

# Numbers of rows for which launches stay ready: a batch, and what is left at the end of an epoch.
_MOST_BOUND = 2


class Mirror:
    """A flat buffer of weights or state on the GPU, while a call runs.

    Between calls the numbers are the store's: all of Python reads and writes them there.

    Parameters
    ----------
    device : Device
        The GPU.
    store : Store
        The buffer on the processor.

    Attributes
    ----------
    array : device array
        The copy.
    """

    _known: WeakValueDictionary[int, Mirror] = WeakValueDictionary()

    def __init__(self, device: Device, store: _core.Store) -> None:
        self._device = device
        self._store = store
        self.array = device.upload(store.array)

    @classmethod
    def of(cls, device: Device, store: _core.Store) -> Mirror:
        """Return the one mirror of a store: programs over the same weights share it."""
        mirror = cls._known.get(id(store))
        if mirror is None or mirror._store is not store:
            mirror = cls._known[id(store)] = cls(device, store)
        return mirror

    def take(self) -> None:
        """Copy the numbers to the GPU."""
        self._device.write(self.array, self._store.array)

    def give(self) -> None:
        """Copy them back, when all that was launched is done."""
        self._device.read(self.array, self._store.array)


class Executable:
    """A program made ready to run on the GPU, one run at a time.

    Parameters
    ----------
    device : Device
        The GPU.
    program : Program
        What it runs.
    dtype : {"float32", "float64"}
        Of weights and arithmetic.
    parameters, states : Store or None
        The flat buffers it works on.

    Attributes
    ----------
    device : Device
        The GPU.
    T : type
        ``numpy.float32`` or ``numpy.float64``.
    lowered : Lowered
        The program as it runs here.
    mirrors : list of Mirror
        Of the flat buffers.
    scalars, key : device array
        The numbers of the next run; its seed and step.
    """

    def __init__(
        self,
        device: Device,
        program: _core.Program,
        dtype: str,
        parameters: _core.Store | None,
        states: _core.Store | None,
    ) -> None:
        device.check_process()
        self.device = device
        self._program = program
        self._dtype = dtype
        self.T = {"float32": np.float32, "float64": np.float64}[dtype]
        self.lowered = lower(program.describe())
        stores = [parameters, states]
        mirrors = [None if store is None else Mirror.of(device, store) for store in stores]
        self.mirrors = [mirror for mirror in mirrors if mirror is not None]
        flat = [device.empty(1, self.T) if m is None else m.array for m in mirrors]
        self.scalars = device.empty(len(program.scalars), self.T)
        self.key = device.empty(2, np.uint64)
        self._context = Context(device, self.T, flat[0], flat[1], self.scalars, self.key)
        self._bound: dict[int, Bound] = {}
        self._seconds: list[float] | None = None
        self._changes = _changes_weights(self.lowered)

    @property
    def program(self) -> _core.Program:
        """What it runs."""
        return self._program

    @property
    def dtype(self) -> str:
        """Of weights and arithmetic."""
        return self._dtype

    @property
    def arena_bytes(self) -> int:
        """Of the memory of intermediates."""
        arenas = {id(bound.arena): bound.arena for bound in self._bound.values()}
        size = sum(int(arena.shape[0]) for arena in arenas.values())
        return size * np.dtype(self.T).itemsize

    def bound(self, rows: int) -> Bound:
        """Return the program ready for batches of ``rows``."""
        known = self._bound.pop(rows, None)
        if known is None:
            while len(self._bound) >= _MOST_BOUND:
                self._bound.pop(next(iter(self._bound)))
            largest = max(self._bound.values(), key=lambda b: b.arena.shape[0], default=None)
            arena = None if largest is None else largest.arena
            known = Bound(self._context, self.lowered, rows, arena=arena)
        self._bound[rows] = known
        return known

    def reserve(self, rows: int) -> None:
        """Make ready for batches of ``rows``."""
        if rows < 1:
            raise ValueError(f"[Executable] rows must be positive, got {rows}")
        with self.device.lock:
            self.bound(rows)

    def set_step(self, scalars: Sequence[float], seed: int, step: int) -> None:
        """Give the next run its numbers."""
        self.device.write(self.key, np.array([seed, step], np.uint64))
        self.device.write(self.scalars, np.array(scalars, self.T))

    def sources(
        self, inputs: Sequence[Any], shared: Inputs | None = None
    ) -> tuple[list[Source], int]:
        """Return what fills the program's inputs, and how many rows there are.

        Parameters
        ----------
        inputs : sequence of array, SparseRows, RaggedRows or Stream
            In the program's order.
        shared : Inputs, optional
            What holds them for other programs too.

        Raises
        ------
        ValueError
            When there are not as many inputs as the program has, or they do not fit.
        """
        shapes = [self.lowered.values[value].shape for value in self.lowered.inputs]
        if len(inputs) != len(shapes):
            raise ValueError(
                f"[Executable] the program has {len(shapes)} inputs, got {len(inputs)}"
            )
        holder = shared or Inputs(self.device)
        sources = [
            holder.source(self.T, name, given, shape)
            for (name, _), given, shape in zip(self._program.inputs, inputs, shapes, strict=True)
        ]
        counts = {source.rows for source in sources if source.rows is not None}
        if len(counts) > 1:
            raise ValueError(f"[Executable] the inputs have {sorted(counts)} rows")
        return sources, counts.pop() if counts else 0

    def run(
        self,
        inputs: Sequence[Any],
        rows: int,
        scalars: Mapping[str, float] | None = None,
        seed: int = 0,
        step: int = 0,
        update: bool = True,
    ) -> list[Array]:
        """Run one batch of ``rows`` samples; return new arrays, one for each output."""
        given = read_scalars("Executable", self._program, scalars or {})
        with self.device.lock:
            self.device.check_process()
            sources, found = self.sources(inputs)
            if found not in (0, rows):
                raise ValueError(f"[Executable] the inputs have {found} rows, expected {rows}")
            bound = self.bound(rows)
            for mirror in self.mirrors:
                mirror.take()
            self.set_step([float(number) for number in given], seed, step)
            for source, place in zip(sources, bound.inputs, strict=True):
                source.start(Order(self.device), rows)
                source.fill(place, 0, rows)
            self._launch(bound, update)
            outputs = self._read(bound)
            if self._changes:
                for mirror in self.mirrors:
                    mirror.give()
        return outputs

    def _launch(self, bound: Bound, update: bool) -> None:
        if self._seconds is None:
            bound.run(update)
            return
        for entry, calls in bound.launches:
            if update or not entry.is_update:
                self.device.synchronize()
                begun = time.perf_counter()
                for call in calls:
                    call()
                self.device.synchronize()
                self._seconds[entry.number] += time.perf_counter() - begun

    def _read(self, bound: Bound) -> list[Array]:
        outputs = []
        for place in bound.outputs:
            array = np.empty(place.shape, self.T)
            self.device.read(place.array, array)
            outputs.append(array)
        return outputs

    def predict(
        self,
        inputs: Sequence[Any],
        batch_size: int,
        seed: int = 0,
        step: int = 0,
        checked: bool = False,
    ) -> list[Array] | None:
        """Run the forward pass over all rows, batch by batch.

        Returns
        -------
        list of ndarray or None
            One array an output; None when ``checked`` inputs are not finite.
        """
        if batch_size < 1:
            raise ValueError(f"[Executable] batch_size must be positive, got {batch_size}")
        if checked and not all(_all_finite(given, self.T) for given in inputs):
            return None
        with self.device.lock:
            self.device.check_process()
            sources, rows = self.sources(inputs)
            for mirror in self.mirrors:
                mirror.take()
            shapes = [self.lowered.values[value].shape for value in self.lowered.outputs]
            outputs = [np.empty(shape.of(rows), self.T) for shape in shapes]
            for source in sources:
                source.start(Order(self.device), batch_size)
            for number, first in enumerate(range(0, rows, batch_size)):
                count = min(batch_size, rows - first)
                bound = self.bound(count)
                self.set_step([], seed, step + number)
                for source, place in zip(sources, bound.inputs, strict=True):
                    source.fill(place, first, count)
                self._launch(bound, True)
                for output, shape, place in zip(outputs, shapes, bound.outputs, strict=True):
                    begin = first * shape.dims[0]
                    self.device.read(place.array, output[begin : begin + place.shape[0]])
            if self._changes:
                for mirror in self.mirrors:
                    mirror.give()
        return outputs

    def profile(self, enable: bool) -> list[float]:
        """Return the seconds spent in each operation since it was last turned on or off."""
        with self.device.lock:
            none = [0.0] * self.lowered.listed
            seconds = self._seconds if self._seconds is not None else none
            self._seconds = list(none) if enable else None
        return seconds


def _changes_weights(lowered: Lowered) -> bool:
    def changes(entry: Operation) -> bool:
        stored = (lowered.values[value].storage for value in entry.outputs)
        return any(storage in ("parameter", "state") for storage in stored)

    return any(changes(entry) for entry in lowered.operations)


def _all_finite(given: Any, T: Any) -> bool:
    if isinstance(given, _core.SparseRows):
        given = given.data[np.newaxis]
    if isinstance(given, _core.Stream):  # looks at its batches itself
        return True
    if isinstance(given, np.ndarray) and given.dtype.kind != "f":
        return True
    return _core.first_not_finite(given, float(np.finfo(T).max)) < 0


def read_scalars(place: str, program: _core.Program, scalars: Mapping[str, Any]) -> list[Any]:
    """Return a program's scalars in its order, from a mapping by name.

    Raises
    ------
    ValueError
        When one is missing, or there are others.
    """
    for name in program.scalars:
        if name not in scalars:
            raise ValueError(f"[{place}] scalar '{name}' is missing")
    if len(scalars) != len(program.scalars):
        raise ValueError(
            f"[{place}] the program has {len(program.scalars)} scalars, got {len(scalars)}"
        )
    return [scalars[name] for name in program.scalars]
