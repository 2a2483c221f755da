"""A layer whose body is a function of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ganglion import ops
from ganglion.errors import place
from ganglion.layers.base import Layer, LayerSettings
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Function(Layer, registered=False):
    """Apply a function of NumPy arrays, or one that Numba compiled.

    It is for what `ganglion.ops` cannot say, and slower than a layer written with those: see
    `ops.call`. One with weights is a layer of your own whose ``build`` uses `ops.call`; so is one
    that is to be saved, since a file holds the names of classes, and no code.

    Parameters
    ----------
    forward : callable
        ``forward(x)`` returns an array: what `ops.call` says of it.
    backward : callable, optional
        ``backward(d_y, x, y)`` returns the gradient of ``x``. Without, no layer before this one can
        be trained.
    output_shape : sequence of int, optional
        Of one sample that ``forward`` returns. By default that of ``x``.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    TypeError
        When ``forward`` or ``backward`` is no function.

    Examples
    --------
    >>> import numpy as np
    >>> def spread(x):
    ...     return np.ptp(x, axis=1, keepdims=True)
    >>> ops.evaluate(Function(spread, output_shape=(1,)), [[1.0, 5.0, 2.0]])
    array([[4.]])
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any] | None = None,
        output_shape: Sequence[int] | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        for name, function in (("forward", forward), ("backward", backward)):
            if not callable(function) and not (function is None and name == "backward"):
                raise TypeError(f"{place(self)} {name} must be a function, got {function!r}")
        self.forward = forward
        self.backward = backward
        self.output_shape = None if output_shape is None else tuple(output_shape)

    def build(self, x: Value) -> Value:
        """Return (None, *output_shape)."""
        shape = x.shape if self.output_shape is None else (x.shape[0], *self.output_shape)
        return ops.call(self.forward, x, backward=self.backward, shape=shape)
