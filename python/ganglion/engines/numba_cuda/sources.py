"""Inputs of programs on the GPU: whole data sets that stay there, of which batches are gathered."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from ganglion import _core
from ganglion.engines.numba_cuda.device import Device
from ganglion.engines.numba_cuda.program import Shape
from ganglion.engines.numba_cuda.sites import Place

Array = NDArray[Any]

# Of the memory that is free, a data set may take this much; a larger one is sent batch by batch.
_MOST_OF_FREE = 0.8


class Order:
    """In which order rows come.

    Parameters
    ----------
    device : Device
        The GPU.
    rows : ndarray, optional
        Row numbers; None where rows come as they lie.

    Attributes
    ----------
    rows : ndarray or None
        The same.
    """

    def __init__(self, device: Device, rows: NDArray[np.int64] | None = None) -> None:
        self._device = device
        self.rows = rows

    @functools.cached_property
    def array(self) -> Any:
        """The row numbers on the GPU."""
        return None if self.rows is None else self._device.upload(self.rows)


class Source(Protocol):
    """What fills an input of a program.

    Attributes
    ----------
    rows : int or None
        How many samples there are; None for what has no batch.
    """

    rows: int | None

    def start(self, order: Order, batch_size: int) -> None:
        """Begin with the first batch; rows come in this order."""

    def fill(self, place: Place, first: int, count: int) -> None:
        """Write samples from a position of the order on."""


@functools.cache
def _gather(T: Any, is_ordered: bool) -> Any:
    def kernel(out, data, order, first, n, size):
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            row = first + i // size
            if is_ordered:
                row = order[row]
            out[i] = T(data[row * size + i % size])

    return cuda.jit(kernel)


@functools.cache
def _gather_sparse(T: Any, is_ordered: bool) -> Any:
    """Return a kernel whose threads take a row each, into zeros."""
    zero = T(0)

    def kernel(out, data, columns, starts, order, first, count, size):
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            row = first + i
            if is_ordered:
                row = order[row]
            for j in range(size):
                out[i * size + j] = zero
            for at in range(starts[row], starts[row + 1]):
                out[i * size + columns[at]] += T(data[at])

    return cuda.jit(kernel)


@functools.cache
def _gather_ragged(T: Any, is_ordered: bool) -> Any:
    """Return a kernel that fills each row up with zeros."""
    zero = T(0)

    def kernel(out, data, starts, order, first, n, size):
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            row = first + i // size
            if is_ordered:
                row = order[row]
            at = starts[row] + i % size
            out[i] = T(data[at]) if at < starts[row + 1] else zero

    return cuda.jit(kernel)


class _Resident:
    """Base of sources whose rows are all on the GPU."""

    def __init__(
        self, device: Device, T: Any, arrays: Sequence[Any], rows: int, sample: int
    ) -> None:
        self.rows: int | None = rows
        self._device = device
        self._T = T
        self._arrays = arrays
        self._sample = sample
        self._order: Any = None

    def start(self, order: Order, batch_size: int) -> None:
        self._order = order.array

    def _launch(
        self, make: Any, over: int, place: Place, arrays: Sequence[Any], *numbers: int
    ) -> None:
        kernel = make(self._T, self._order is not None)
        order = arrays[-1] if self._order is None else self._order
        self._device.over(kernel, over, place.array, *arrays, order, *numbers)()


class _Dense(_Resident):
    def fill(self, place: Place, first: int, count: int) -> None:
        n = count * self._sample
        self._launch(_gather, n, place, self._arrays, first, n, self._sample)


class _Sparse(_Resident):
    def fill(self, place: Place, first: int, count: int) -> None:
        self._launch(_gather_sparse, count, place, self._arrays, first, count, self._sample)


class _Ragged(_Resident):
    def fill(self, place: Place, first: int, count: int) -> None:
        n = count * self._sample
        self._launch(_gather_ragged, n, place, self._arrays, first, n, self._sample)


class _Sent:
    """An array that the GPU has no memory for: its batches are sent one by one."""

    def __init__(self, device: Device, T: Any, array: Array) -> None:
        self.rows: int | None = len(array)
        self._device = device
        self._T = T
        self._array = array
        self._order: NDArray[np.int64] | None = None

    def start(self, order: Order, batch_size: int) -> None:
        self._order = order.rows

    def fill(self, place: Place, first: int, count: int) -> None:
        rows: Any = slice(first, first + count)
        if self._order is not None:
            rows = self._order[rows]
        self._device.write(place.array, self._array[rows].astype(self._T))


class _Streamed:
    """Batches that threads read from a source meanwhile."""

    def __init__(self, device: Device, T: Any, stream: Any) -> None:
        self.rows: int | None = len(stream)
        self._device = device
        self._T = T
        self._stream = stream

    def start(self, order: Order, batch_size: int) -> None:
        self._stream.start(order.rows, batch_size)

    def fill(self, place: Place, first: int, count: int) -> None:
        batch = self._stream.batch(first)[:count]
        self._device.write(place.array, batch.astype(self._T))


class _Whole:
    """What has no batch."""

    rows: int | None = None

    def __init__(self, device: Device, T: Any, array: Array) -> None:
        self._device = device
        self._array = array.astype(T)

    def start(self, order: Order, batch_size: int) -> None:
        """Nothing comes in an order."""

    def fill(self, place: Place, first: int, count: int) -> None:
        self._device.write(place.array, self._array)


class Inputs:
    """Data of programs on the GPU: what several of them read is there once.

    Parameters
    ----------
    device : Device
        The GPU.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._known: dict[int, tuple[Any, list[Any]]] = {}

    def _resident(self, given: Any, parts: Callable[[], Sequence[Any]]) -> list[Any]:
        """Return something's arrays on the GPU."""
        if id(given) not in self._known:
            arrays = [self._device.upload(_readable(part)) for part in parts()]
            self._known[id(given)] = given, arrays
        return self._known[id(given)][1]

    def source(self, T: Any, name: str, given: Any, shape: Shape) -> Source:
        """Return what fills an input of a program.

        Parameters
        ----------
        T : type
            Of the program's numbers.
        name : str
            Of the input, for errors.
        given : array, SparseRows, RaggedRows or Stream, shape (n, ...)
            The samples. Arrays that are on the GPU stay there.
        shape : Shape
            Of the input.

        Raises
        ------
        ValueError
            When samples are of another size than the program takes.
        """
        device, sample = self._device, shape.sample_size
        if isinstance(given, _core.Stream):
            return _Streamed(device, T, given)
        if isinstance(given, _core.RaggedRows):
            arrays = self._resident(given, lambda: _ragged_parts(given))
            return _Ragged(device, T, arrays, len(given), sample)
        if isinstance(given, _core.SparseRows):
            arrays = self._resident(given, lambda: _sparse_parts(given))
            return _Sparse(device, T, arrays, len(given), sample)
        array = given if hasattr(given, "__cuda_array_interface__") else np.asarray(given)
        size = math.prod(array.shape)
        if not shape.batched:
            if size != sample:
                raise ValueError(
                    f"[Executable] input '{name}' takes {shape.dims}, got {array.shape}"
                )
            return _Whole(device, T, array)
        rows = size // sample
        if not len(array.shape) or rows * sample != size or array.shape[0] != rows:
            raise ValueError(
                f"[Executable] input '{name}' takes samples of shape {shape.dims[1:]}, got an "
                f"array of shape {array.shape}"
            )
        if not isinstance(array, np.ndarray):
            return _Dense(device, T, [device.as_flat(array)], rows, sample)
        if array.nbytes > _MOST_OF_FREE * device.free_bytes():
            return _Sent(device, T, array)
        return _Dense(device, T, self._resident(given, lambda: [array]), rows, sample)


def _sparse_parts(rows: _core.SparseRows) -> list[Array]:
    return [rows.data, rows.indices.astype(np.int64), rows.indptr]


def _ragged_parts(rows: _core.RaggedRows) -> list[Array]:
    arrays = [rows.row(number).reshape(-1) for number in range(len(rows))]
    return [np.concatenate(arrays), np.cumsum([0, *(array.size for array in arrays)])]


def _readable(array: Array) -> Array:
    """Return an array of a type that kernels read."""
    if array.dtype == np.float16:
        return array.astype(np.float32)
    array = array.view(np.uint8) if array.dtype == np.bool_ else array
    return array.astype(array.dtype.newbyteorder("="), copy=False)
