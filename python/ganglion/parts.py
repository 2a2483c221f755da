"""Inputs as programs take them: in one part, or sequences of different lengths bucket by bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.buckets import Buckets, Rows
from ganglion.bundle import arrays_of
from ganglion.compile import Form
from ganglion.inputs import Inputs
from ganglion.streaming import rows_together

Array = NDArray[Any]

# Sequences for which a program of their own is worth making, on average.
_BUCKET_ROWS = 64
# Steps looked at together, at most.
_STEPS_TOGETHER = 1 << 15


def lengths_of(X: Inputs) -> Rows:
    """Return the steps of each sequence, where they differ; those of all inputs are the same."""
    lengths: Rows = next(a.lengths for a in arrays_of(X) if isinstance(a, _core.RaggedRows))
    return lengths


def looked_at_buckets(lengths: Rows, longest: int) -> Buckets:
    """Return buckets of sequences for programs that only look at them."""
    return Buckets(lengths, _BUCKET_ROWS, longest)


def ragged_together(batch_size: int, steps: int) -> int:
    """Return how many sequences to look at together, so that long ones take little memory."""
    return min(batch_size, max(1, _STEPS_TOGETHER // steps))


@dataclass(frozen=True)
class Part:
    """Inputs that one program takes.

    Attributes
    ----------
    X : ndarray, SparseRows, RaggedRows, Stream or Bundle
        The samples.
    form : Form
        Of the program.
    lengths : ndarray or None
        Steps of each sequence.
    rows : ndarray or None
        Which of all samples they are, where not all.
    """

    X: Inputs
    form: Form
    lengths: Rows | None = None
    rows: Rows | None = None

    @property
    def arrays(self) -> list[Any]:
        """The inputs of the program, in its order."""
        lengths = [] if self.lengths is None else [self.lengths]
        return [*arrays_of(self.X), *lengths]

    def together(self, batch_size: int) -> int:
        """Return how many samples to look at together instead of so many, to save memory."""
        if self.form.ragged and self.form.steps is not None:
            return ragged_together(batch_size, self.form.steps)
        return rows_together(self.X, batch_size)

    def counted(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return which steps of some samples are no padding, (stop - start, steps)."""
        assert self.lengths is not None and self.form.steps is not None
        return np.arange(self.form.steps) < self.lengths[start:stop, np.newaxis]


def parts_of(X: Inputs, form: Form) -> list[Part]:
    """Return all samples, in as many parts as it takes.

    Parameters
    ----------
    X : ndarray, SparseRows, RaggedRows, Stream or Bundle
        Checked inputs.
    form : Form
        Of a program that takes them all.
    """
    if not form.ragged:
        return [Part(X, form)]
    assert form.steps is not None
    lengths = lengths_of(X)
    buckets = looked_at_buckets(lengths, form.steps)
    return [
        Part(_rows_of(X, rows), Form(int(end), ragged=True), lengths[rows], rows)
        for end, rows in zip(buckets.ends, buckets.rows, strict=True)
    ]


def _rows_of(X: Inputs, rows: Rows) -> Inputs:
    """Return some rows of inputs that are in memory, as `check_network_inputs` saw to."""
    taken: Inputs = X[rows]  # type: ignore[index]
    return taken


def joined(
    parts: list[Part], outputs: list[list[Array]], by_step: list[bool | None]
) -> list[Array | list[Array]]:
    """Return the results of parts in the order of all samples, one for each output of the program.

    Parameters
    ----------
    parts : list of Part
        As `parts_of` returns them.
    outputs : list of list of ndarray
        Of each part, those of the program.
    by_step : list of bool or None
        Of each output that is a sequence as long as the sample's, whether its padding stands in
        front: it becomes a list of arrays (steps, ...). None for others.
    """
    if parts[0].rows is None:
        return [*outputs[0]]
    return [
        _rows(parts, values) if in_front is None else _sequences(parts, values, in_front)
        for in_front, values in zip(by_step, zip(*outputs, strict=True), strict=True)
    ]


def _rows(parts: list[Part], values: tuple[Array, ...]) -> Array:
    count = sum(len(part.X) for part in parts)
    result = np.empty((count, *values[0].shape[1:]), values[0].dtype)
    for part, value in zip(parts, values, strict=True):
        result[part.rows] = value
    return result


def _sequences(parts: list[Part], values: tuple[Array, ...], in_front: bool) -> list[Array]:
    found: dict[int, Array] = {}
    for part, value in zip(parts, values, strict=True):
        assert part.rows is not None and part.lengths is not None
        for row, steps, sequence in zip(part.rows, part.lengths, value, strict=True):
            found[int(row)] = sequence[-steps:] if in_front else sequence[:steps]
    return [found[row] for row in range(len(found))]
