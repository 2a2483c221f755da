"""Functions of NumPy as operations, for what the primitives cannot say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ganglion import _core
from ganglion.lines import name_of
from ganglion.ops.structure import shape_attributes
from ganglion.tracing import current_trace
from ganglion.value import Operand, Shape, Value

Array = npt.NDArray[Any]


def call(
    forward: Callable[..., Any],
    *operands: Operand,
    backward: Callable[..., Any] | None = None,
    shape: Shape | None = None,
) -> Value:
    """Return what a function of arrays makes of the numbers, once for each batch.

    It is for what the other operations cannot say, and slower: it is not fused, other threads wait
    for it, and each call costs some microseconds beside what the function itself takes. One that
    Numba compiled (``numba.njit``, without signatures) is as good as any.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays)`` returns an array of real numbers. It is given the whole batch of each
        operand, in the network's dtype. The arrays cannot be written to, and hold other numbers
        after the call: what keeps one raises an error. It must depend on nothing else.
    *operands : Value, float or array
        What it is called with.
    backward : callable, optional
        ``backward(d_y, *arrays, y)`` returns the gradient of each operand, of its shape: one array,
        or as many in a tuple as there are operands, None for one that has none. ``y`` is what
        ``forward`` returned, ``d_y`` the gradient of it. Without, nothing before can be trained.
    shape : tuple, optional
        Of what ``forward`` returns, None first for the batch. By default that of the first operand.

    Returns
    -------
    Value
        Of that shape.

    Raises
    ------
    TypeError
        What is called is no function; or, when the program runs, returned no numbers.
    ValueError
        When the program runs, and an array has another shape or was kept. Whatever the function
        raises itself comes through, and the network is as it was after the step before.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import ops
    >>> def ranks(x):
    ...     return x.argsort(axis=-1).argsort(axis=-1)
    >>> ops.evaluate(lambda x: ops.call(ranks, x), [[0.3, 0.1, 0.2]])
    array([[2., 0., 1.]])

    With a gradient:

    >>> def clip(x):
    ...     return np.clip(x, -1.0, 1.0)
    >>> def clip_backward(d_y, x, y):
    ...     return d_y * (x == y)
    >>> from ganglion import check_gradient
    >>> check_gradient(lambda x: ops.call(clip, x, backward=clip_backward), (5,)) < 1e-8
    True
    """
    for name, given in (("forward", forward), ("backward", backward)):
        if not callable(given) and not (given is None and name == "backward"):
            raise TypeError(f"[call] {name} must be a function of arrays, got {given!r}")
    if not operands:
        raise TypeError("[call] needs at least one operand")
    if shape is None:
        shape = np.shape(operands[0]) if not isinstance(operands[0], Value) else operands[0].shape
    gradient = None if backward is None else _Function(backward, len(operands)).foreign()
    function = _Function(forward).foreign(gradient)
    return current_trace().call(function, operands, shape_attributes(shape))


class _Function:
    """A user's function, as the core calls it: with checks of what it returns.

    Parameters
    ----------
    function : callable
        The function.
    gradients : int, optional
        How many it returns, one for each operand; None for one that returns a result.
    """

    def __init__(self, function: Callable[..., Any], gradients: int | None = None) -> None:
        self._function, self._gradients = function, gradients
        self._name = name_of(function)

    def foreign(self, gradient: _core.Foreign | None = None) -> _core.Foreign:
        return _core.Foreign(self._name, self, gradient)

    def __call__(self, arrays: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> list[Array]:
        made = self._function(*arrays)
        if self._gradients is None or not isinstance(made, (tuple, list)):
            made = [made]
        if len(made) != len(shapes):
            raise ValueError(
                f"[call] {self._name} must return {len(shapes)} gradients, one for each operand, "
                f"got {len(made)}"
            )
        dtype = arrays[0].dtype
        return [self._checked(*pair, dtype) for pair in zip(made, shapes, strict=True)]

    def _checked(self, made: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if made is None and self._gradients is not None:
            return np.zeros(shape, dtype)
        array = np.asarray(made)
        if array.dtype.kind not in "biuf":
            what = (
                f"an array of dtype {array.dtype}" if isinstance(made, np.ndarray) else repr(made)
            )
            raise TypeError(f"[call] {self._name} must return an array of real numbers, got {what}")
        if array.shape != shape:
            raise ValueError(
                f"[call] {self._name} must return an array of shape {shape}, got {array.shape}"
            )
        return np.asarray(array, dtype=dtype, order="C")
