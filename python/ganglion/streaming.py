"""How the core reads a source: batches in the order of an epoch, read ahead by other threads."""

from __future__ import annotations

import math
import os
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.bundle import arrays_of
from ganglion.data import whole_number
from ganglion.source import Source

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Array = NDArray[Any]

# Numbers in a batch that is only looked at, at most: it is as large as suits the kernels, unless
# samples are so large that it would not be small beside the batches of the training.
_LOOKED_AT_TOGETHER = 1 << 22
# Ctrl-C need not wake the thread that waits for a batch, but is noticed when that looks up.
_POLL_SECONDS = 0.1


class Stream(_core.Stream):
    """Consecutive rows of a source, as programs read them: in the place of an array.

    Every batch is cut into a piece for each worker. The pieces are read in the order in which they
    are needed, so the first batch of an epoch is there as early as it can be. Only so many
    batches are asked for as may be in memory: no thread ever waits for another.

    Parameters
    ----------
    place : str
        What was called, for errors.
    source : Source
        Where the rows are.
    dtype : {"float32", "float64"}
        Of the network, in which the numbers must be finite.
    start, stop : int, optional
        The rows; all by default.
    """

    def __init__(
        self, place: str, source: Source, dtype: str, start: int = 0, stop: int | None = None
    ) -> None:
        end = len(source) if stop is None else stop
        super().__init__(end - start, source.sample_shape, np.dtype(source.dtype))
        self._place = place
        self._source = source
        self._network_dtype = dtype
        self._first_row = start
        # Of the epoch: the order of its rows, where the next batch to be asked for begins, those
        # that were asked for, and the one that the core has.
        self._order = np.empty(0, np.int64)
        self._batch_size = 0
        self._next = 0
        self._asked: deque[tuple[Array, list[Future[None]]]] = deque()
        self._current: Array | None = None
        self._current_first = 0
        self._executor: ThreadPoolExecutor | None = None
        self._process = os.getpid()

    def __getitem__(self, rows: slice) -> Stream:
        start, stop, _ = rows.indices(len(self))
        first = self._first_row
        return Stream(self._place, self._source, self._network_dtype, first + start, first + stop)

    def start(self, order: NDArray[np.int64] | None, batch_size: int) -> None:
        """Begin an epoch, with its rows in this order, or as they lie."""
        self._order = np.arange(len(self)) if order is None else order
        self._batch_size = min(batch_size, len(self))
        self._begin(0)

    def batch(self, first: int) -> Array:
        """Wait for the samples from this position of the epoch on."""
        from concurrent.futures import wait

        if self._process != os.getpid():  # a fork has none of the threads
            self._executor = None
            self._begin(first)
        if self._current is not None:
            if first == self._current_first:
                return self._current
            self._ask_for_next(self._current)
        samples, pieces = self._asked.popleft()
        try:
            while wait(pieces, _POLL_SECONDS).not_done:
                pass
            for piece in pieces:
                piece.result()
        except BaseException:
            self.stop()
            raise
        self._current, self._current_first = samples, first
        return samples

    def stop(self) -> None:
        """End the epoch wherever it is: nothing is read any more, and no memory held."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None
        self._asked.clear()
        self._current = None

    def _begin(self, first: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self.stop()
        self._executor = ThreadPoolExecutor(self._source.workers, "ganglion-reading")
        self._process = os.getpid()
        self._next = first
        shape = (self._batch_size, *self._source.sample_shape)
        batches = -(-(len(self) - first) // self._batch_size)
        for _ in range(min(batches, 1 + self._source.max_queue_size)):
            self._ask_for_next(np.empty(shape, self.dtype))

    def _ask_for_next(self, memory: Array) -> None:
        """Have the next batch of the epoch read, if there is one."""
        rows = self._order[self._next : self._next + self._batch_size] + self._first_row
        if not len(rows):
            return
        assert self._executor is not None  # between `start` and `stop`
        out = memory[: len(rows)]
        size = -(-len(rows) // self._source.workers)
        pieces = [
            self._executor.submit(self._read, rows[at : at + size], out[at : at + size])
            for at in range(0, len(rows), size)
        ]
        self._asked.append((memory, pieces))
        self._next += len(rows)
        if self._next == len(self):
            self._executor.shutdown(wait=False)  # its threads end when all of that is read

    def _read(self, rows: NDArray[np.int64], out: Array) -> None:
        self._source.read(rows, out)
        if out.dtype.kind != "f":
            return
        wrong = _core.first_not_finite(out, float(np.finfo(self._network_dtype).max))
        if wrong >= 0:
            raise ValueError(
                f"[{self._place}] {type(self._source).__name__} gave row {rows[wrong]} a value "
                f"that is not finite in {self._network_dtype}"
            )


def stream_of(place: str, source: Source, dtype: str) -> Stream:
    """Return a source as programs read it.

    Parameters
    ----------
    place : str
        What was called, for errors.
    source : Source
        Of any length.
    dtype : {"float32", "float64"}
        Of the network.

    Raises
    ------
    TypeError, ValueError
        When the source lacks something, or has a setting that is none.
    """
    owner = type(source).__name__
    for name in ("sample_shape", "dtype"):
        if not hasattr(source, name):
            raise TypeError(f"[{place}] {owner} has no {name}")
    for name in ("workers", "max_queue_size"):
        whole_number(owner, name, getattr(source, name))
    for size in source.sample_shape:
        whole_number(owner, "sample_shape", size)
    if np.dtype(source.dtype).kind not in "biuf":
        raise TypeError(f"[{owner}] dtype must be one of numbers, got {source.dtype!r}")
    return Stream(place, source, dtype)


def rows_together(X: Any, batch_size: int) -> int:
    """Return how many samples to predict or evaluate together, so that streams take little memory.

    Parameters
    ----------
    X : ndarray, SparseRows, Stream or Bundle
        What is read.
    batch_size : int
        How many it would be for an array.
    """
    sizes = [math.prod(part.shape[1:]) for part in arrays_of(X) if isinstance(part, Stream)]
    return min([batch_size, *(max(1, _LOOKED_AT_TOGETHER // size) for size in sizes)])


def stop_reading(X: Any) -> None:
    """End what a stream still reads; nothing for an array."""
    for part in arrays_of(X):
        if isinstance(part, Stream):
            part.stop()
