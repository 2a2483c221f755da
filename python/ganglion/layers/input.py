"""Saying what shape samples have, so that a network can be built without data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganglion.layers.base import Layer
from ganglion.value import Value


class Input(Layer):
    """First layer of a network, which fixes the shape of a sample.

    Of Keras's arguments, ``batch_size``, ``dtype``, ``sparse`` and the like are left out: the batch
    is known at run time, and the network has one dtype.

    Parameters
    ----------
    shape : sequence of int
        Shape of one sample.
    name : str, optional
        See :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input of another shape.

    Examples
    --------
    >>> Input((28, 28)).shape
    (28, 28)
    """

    keeps_mask = True

    def __init__(self, shape: Sequence[int], *, name: str | None = None) -> None:
        super().__init__(name=name)
        sizes = shape if isinstance(shape, (list, tuple)) else [0]
        if not all(isinstance(size, (int, np.integer)) and size > 0 for size in sizes):
            raise ValueError(f"[Input] shape must be a tuple of positive integers, got {shape!r}")
        self.shape = tuple(sizes)

    @classmethod
    def examples(cls) -> list[Input]:
        return [cls((6,))]

    def build(self, x: Value) -> Value:
        """Return ``x``, (None, *shape)."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"[Input] expected {(None, *self.shape)}, got {x.shape}")
        return x
