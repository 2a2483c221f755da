"""Buckets: sequences of about the same length, which fill up batches of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core

Rows = NDArray[np.int64]

# A program for each bucket: more would pad less, and take longer to make ready.
MOST_BUCKETS = 12


def rounded_up(lengths: Any) -> Rows:
    """Return lengths with the lowest digits of their binary form rounded up, to four that differ.

    So there are eight lengths from each power of two to the next, whatever the data, and programs
    made for some sequences serve others.

    Examples
    --------
    >>> rounded_up([5, 16, 17, 60, 61]).tolist()
    [5, 16, 18, 60, 64]
    """
    steps: Rows = np.asarray(lengths, np.int64)
    unit: Rows = np.left_shift(1, np.maximum(np.frexp(steps)[1].astype(np.int64) - 4, 0))
    rounded: Rows = -(-steps // unit) * unit
    return rounded


def bucket_ends(lengths: Rows, count: int, longest: int) -> Rows:
    """Return to how many steps the sequences of each bucket are filled up, ascending.

    Of all ways to make so many buckets of `rounded_up` lengths the one with the fewest steps of
    padding, found by dynamic programming.

    Parameters
    ----------
    lengths : ndarray of int64, shape (n,)
        Steps of each sequence.
    count : int
        Buckets, at most.
    longest : int
        What no sequence is filled up beyond; at least the longest of them.

    Examples
    --------
    >>> bucket_ends(np.array([5, 5, 6, 30, 31]), 2, 31).tolist()
    [6, 31]
    """
    ends, rows = np.unique(np.minimum(rounded_up(lengths), longest), return_counts=True)
    before = np.concatenate([[0], np.cumsum(rows)])  # rows in buckets that end before the i-th
    # Steps when those that end before the i-th are in one bucket; in each round in one more.
    steps = np.concatenate([[0.0], np.full(len(ends), np.inf)])
    choices = []
    for _ in range(min(count, len(ends))):
        # [i, j]: the last bucket begins at ends[j] and reaches to ends[i].
        cost = steps[np.newaxis, :-1] + (before[1:, np.newaxis] - before[:-1]) * ends[:, np.newaxis]
        cost[np.triu_indices(len(ends), 1)] = np.inf
        choices.append(cost.argmin(axis=1))
        steps = np.concatenate([[0.0], cost.min(axis=1)])
    chosen, end = [], len(ends)
    for choice in reversed(choices):
        if end:
            chosen.append(ends[end - 1])
            end = int(choice[end - 1])
    return np.array(chosen[::-1], np.int64)


class Buckets:
    """Which sequences fill up batches together.

    Parameters
    ----------
    lengths : ndarray of int64, shape (n,)
        Steps of each sequence.
    at_least : int
        Sequences of a bucket, on average.
    longest : int
        What no sequence is filled up beyond.

    Attributes
    ----------
    ends : ndarray of int64
        To how many steps those of each bucket are filled up.
    """

    def __init__(self, lengths: Rows, at_least: int, longest: int) -> None:
        count = min(max(len(lengths) // at_least, 1), MOST_BUCKETS)
        self.ends = bucket_ends(lengths, count, longest)
        self._bucket_of = np.searchsorted(self.ends, lengths)

    @property
    def rows(self) -> list[Rows]:
        """The sequences of each bucket, as they lie."""
        return [np.flatnonzero(self._bucket_of == bucket) for bucket in range(len(self.ends))]

    def one_by_one(self, batch_size: int) -> tuple[Rows, Rows]:
        """Return the batches of each bucket alone, for a program that only looks at them.

        Parameters
        ----------
        batch_size : int
            Sequences together, at most.

        Returns
        -------
        order : ndarray of int64, shape (n,)
            The sequences, batch after batch.
        batches : ndarray of int64, shape (batches, 2)
            How many each takes, and its bucket.
        """
        batches = [
            (min(batch_size, len(rows) - start), bucket)
            for bucket, rows in enumerate(self.rows)
            for start in range(0, len(rows), batch_size)
        ]
        return np.concatenate(self.rows), np.array(batches, np.int64)

    def batches(
        self, batch_size: int, order: Rows, key: tuple[int, int] | None
    ) -> tuple[Rows, Rows]:
        """Return the batches of an epoch, all of one size but for the last.

        What is left of a bucket when its batches are filled goes with the longer sequences that are
        left, so there are no more batches than of sequences all alike.

        Parameters
        ----------
        batch_size : int
            Sequences together.
        order : ndarray of int64, shape (n,)
            In which the epoch takes the sequences, within each bucket.
        key : (seed, epoch), optional
            What the order of the batches is a function of. None: a batch comes when the order has
            brought its last sequence.

        Returns
        -------
        order, batches
            As `one_by_one`.
        """
        buckets = self._bucket_of[order]
        position = np.argsort(buckets, kind="stable")
        counts = np.bincount(buckets, minlength=len(self.ends))
        rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        left = rank >= np.repeat(counts // batch_size * batch_size, counts)
        position = np.concatenate([position[~left], position[left]])
        starts = np.arange(0, len(order), batch_size)
        sizes = np.diff([*starts, len(order)])
        longest = buckets[position[starts + sizes - 1]]
        if key is None:
            arrangement = np.argsort(np.maximum.reduceat(position, starts), kind="stable")
        else:
            seed, epoch = key
            arrangement = _core.epoch_order(len(starts), seed ^ 1, epoch)  # another than the rows'
        pieces = [position[starts[i] : starts[i] + sizes[i]] for i in arrangement]
        return order[np.concatenate(pieces)], np.stack([sizes, longest], axis=1)[arrangement]
