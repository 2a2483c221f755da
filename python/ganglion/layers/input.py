"""Saying what shape samples have, so that a network can be built without data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ganglion.drawing import Call, Node
from ganglion.errors import check_count
from ganglion.layers.base import Layer
from ganglion.tracing import current_trace
from ganglion.value import OPERATORS, Shape, Value, fits


class Input(Layer):
    """First layer of a network, which fixes the shape of a sample.

    With ``None`` as its first number a sample is a sequence of any number of steps: the weights
    are the same for all, and a program is made for each number of steps that comes. Then ``X`` may
    also be a list of sequences of different lengths.

    Of Keras's arguments, ``batch_size``, ``dtype``, ``sparse`` and the like are left out: the batch
    is known at run time, and the network has one dtype.

    Parameters
    ----------
    shape : sequence of int or None
        Shape of one sample; None for steps, first.
    batch_size : int, optional
        Samples of every batch, for layers that are ``stateful``.
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
    >>> from ganglion import Sequential, layers
    >>> net = Sequential([layers.Input((None, 3)), layers.GlobalAveragePooling1D()])
    >>> net.predict([np.ones((5, 3)), np.ones((2, 3))]).shape
    (2, 3)
    """

    keeps_mask = True

    def __init__(
        self,
        shape: Sequence[int | None],
        batch_size: int | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        sizes = shape if isinstance(shape, (list, tuple)) else [0]
        known = sizes[1:] if sizes and sizes[0] is None else sizes
        if not all(isinstance(size, (int, np.integer)) and size > 0 for size in known):
            raise ValueError(
                "[Input] shape must be a tuple of positive integers, of which the first may be "
                f"None, got {shape!r}"
            )
        self.shape: Shape = tuple(sizes)
        self.batch_size = batch_size
        if batch_size is not None:
            check_count(self, "batch_size")

    @cached_property
    def node(self) -> Node:
        """What it is in a graph, (None, *shape): where `Model` takes what a user gives."""
        call = Call(self, "", (), {})
        call.batch_size = self.batch_size
        call.nodes = [Node(call, (None, *self.shape))]
        return call.nodes[0]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "node"}

    def __getitem__(self, key: object) -> Value:
        return self.node[key]

    __iter__ = None  # else Python would try x[0], x[1], ...

    @classmethod
    def examples(cls) -> list[Input]:
        return [cls((6,))]

    def build(self, x: Value) -> Value:
        """Return ``x``, (None, *shape)."""
        if not fits((None, *self.shape), x.shape):
            raise ValueError(f"[Input] expected {(None, *self.shape)}, got {x.shape}")
        trace = current_trace()
        if self.batch_size is not None:
            if trace.batch_size not in (None, self.batch_size):
                raise ValueError(
                    f"[Input] batch_size is {self.batch_size}, and {trace.batch_size} of another "
                    "input: they go together"
                )
            trace.batch_size = self.batch_size
        return x


def _add_operators() -> None:
    """Let ``+ - * /`` and the like mean what they do for the node: in a graph it stands for it."""
    for name in OPERATORS:

        def operator(self: Input, *operands: Any, _name: str = name) -> Value:
            result: Value = getattr(self.node, _name)(*operands)
            return result

        setattr(Input, name, operator)


_add_operators()
