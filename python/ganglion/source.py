"""Data that is not in memory: samples read by the numbers of their rows, while a network trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion.data import non_negative, whole_number

Array = NDArray[Any]


class Source(ABC):
    """Samples that are read batch by batch while a network trains, and never all in memory.

    ``fit``, ``evaluate`` and ``predict`` of `Sequential` take one in the place of an array. While
    the network works on a batch, threads in the background read the next ones; which samples are
    in a batch does not depend on them.

    A subclass has ``sample_shape``, ``dtype``, ``__len__`` and ``read``.

    Attributes
    ----------
    sample_shape : tuple of int
        Of one sample.
    dtype : str or dtype
        What ``read`` writes: booleans, integers or floats of at most 64 bits. They are converted to
        the network's dtype when a batch is used, so images are best left in uint8.
    labels : array_like, shape (n,) or (n, ...), or None
        Targets, for a ``fit`` that is given none.
    workers : int, default=1
        Threads that call ``read`` at once. More are of use where it leaves the interpreter's lock
        to others: where it waits for a disk or a network, decodes, or computes with NumPy.
    max_queue_size : int, default=2
        Batches that are read ahead. Memory holds one more.

    Examples
    --------
    >>> from ganglion import Sequential, Source, layers
    >>> class Sines(Source):
    ...     sample_shape = (16,)
    ...     dtype = "float32"
    ...     labels = np.arange(200) / 200
    ...
    ...     def __len__(self):
    ...         return 200
    ...
    ...     def read(self, rows, out):
    ...         np.sin(np.outer(rows / 200, np.arange(16)), out=out)
    >>> net = Sequential([layers.Dense(1)], loss="mse", optimizer="adam", random_state=0)
    >>> net.fit(Sines(), epochs=20).predict(Sines()).shape
    (200, 1)
    """

    sample_shape: tuple[int, ...]
    dtype: Any
    labels: ArrayLike | None = None
    workers: int = 1
    max_queue_size: int = 2

    @abstractmethod
    def __len__(self) -> int:
        """Return how many samples there are."""

    @abstractmethod
    def read(self, rows: NDArray[np.int64], out: Array) -> None:
        """Write samples into an array.

        Called from other threads, ``workers`` of them at once, and for any rows in any order. What
        it raises ends the training where the rows were needed, and is raised there.

        Parameters
        ----------
        rows : ndarray of int64, shape (k,)
            Numbers of the samples, from 0.
        out : ndarray of ``dtype``, shape (k, *sample_shape)
            Where to write them all. What it holds before is left from other samples.
        """

    def load(self, rows: ArrayLike | None = None) -> Array:
        """Return samples as an array in memory.

        Parameters
        ----------
        rows : array_like of int, optional
            Their numbers; all samples by default.

        Returns
        -------
        ndarray, shape (k, *sample_shape)

        Raises
        ------
        ValueError
            For a row that there is not; and what reading raises.
        """
        numbers = self._row_numbers("load", np.arange(len(self)) if rows is None else rows)
        out = np.empty((len(numbers), *self.sample_shape), self.dtype)
        self.read(numbers, out)
        return out

    def select(self, rows: ArrayLike) -> Source:
        """Return some of the samples, as a source that reads them when they are needed.

        Parameters
        ----------
        rows : array_like of int
            Their numbers, in the order in which they are wanted.

        Raises
        ------
        ValueError
            For a row that there is not.
        """
        return _Selection(self, self._row_numbers("select", rows))

    def split(self, validation_split: float, seed: int = 0) -> tuple[Any, Any]:
        """Divide the samples at random, each class in the same proportion.

        Parameters
        ----------
        validation_split : float
            Fraction that the second part gets, between 0 and 1. Where ``labels`` are integers it is
            that of each class, rounded.
        seed : int, default=0
            The same number gives the same parts.

        Returns
        -------
        training, validation : Source
            Both in the order in which the samples are.

        Raises
        ------
        ValueError
            When one of the parts would be empty.
        """
        place = type(self).__name__
        fraction = non_negative(place, "validation_split", validation_split, below=1)
        # Its numbers are the same in every version of NumPy.
        random = np.random.RandomState(whole_number(place, "seed", seed, minimum=0, below=2**32))
        chosen = np.zeros(len(self), bool)
        for rows in self._classes():
            chosen[random.permutation(rows)[: round(fraction * len(rows))]] = True
        count = int(chosen.sum())
        if count in (0, len(self)):
            raise ValueError(
                f"[{place}] validation_split {validation_split} of {len(self)} samples leaves "
                f"{len(self) - count} to train on and {count} to validate on"
            )
        return self.select(np.flatnonzero(~chosen)), self.select(np.flatnonzero(chosen))

    def _classes(self) -> list[NDArray[np.int64]]:
        """Return the rows of each class; all of them where there are no classes."""
        labels = np.zeros(0) if self.labels is None else np.asarray(self.labels)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            return [np.arange(len(self))]
        return [np.flatnonzero(labels == label) for label in np.unique(labels)]

    def _row_numbers(self, place: str, rows: ArrayLike) -> NDArray[np.int64]:
        numbers = np.asarray(rows)
        whole = numbers.dtype.kind in "iu" or numbers.size == 0
        if numbers.ndim != 1 or not whole or np.any((numbers < 0) | (numbers >= len(self))):
            raise ValueError(
                f"[{place}] rows must be a list of numbers from 0 to {len(self) - 1}, got {rows!r}"
            )
        return numbers.astype(np.int64)


class _Selection(Source):
    """Some rows of another source."""

    def __init__(self, whole: Source, rows: NDArray[np.int64]) -> None:
        self._whole = whole
        self._rows = rows
        self.sample_shape = whole.sample_shape
        self.dtype = whole.dtype
        self.labels = None if whole.labels is None else np.asarray(whole.labels)[rows]
        self.workers = whole.workers
        self.max_queue_size = whole.max_queue_size

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, rows: NDArray[np.int64], out: Array) -> None:
        self._whole.read(self._rows[rows], out)
