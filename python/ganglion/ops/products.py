"""Matrix products, rows of tables, and what runs over the last axis: softmax, cross-entropy."""

from __future__ import annotations

import numpy as np

from ganglion.ops.elementwise import equal
from ganglion.ops.structure import expand_dims, normalize_axis, transpose
from ganglion.tracing import current_trace
from ganglion.value import Operand, Value


def matmul(a: Value, b: Value, transpose_a: bool = False, transpose_b: bool = False) -> Value:
    """Return the matrix product.

    Parameters
    ----------
    a : Value
        (..., m, k). With a ``b`` of rank 2 any leading axes are kept.
    b : Value
        (k, n); or (..., k, n) with the leading axes of ``a``, multiplied pair by pair.
    transpose_a, transpose_b : bool
        Read the last two axes swapped.

    Returns
    -------
    Value
        (..., m, n)

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import constant, evaluate
    >>> evaluate(lambda x: matmul(x, constant(np.eye(2))), np.array([[1.0, 2.0]]))
    array([[1., 2.]])
    """
    attributes = {"transpose_a": int(transpose_a), "transpose_b": int(transpose_b)}
    return current_trace().apply("matmul", a, b, **attributes)


def _along_axis(kind: str, x: Value, axis: int) -> Value:
    """Apply what the core does over the last axis over another one."""
    at = normalize_axis(kind, x, axis)
    order = list(range(len(x.shape)))
    order[at], order[-1] = order[-1], order[at]
    if at == len(order) - 1:
        return current_trace().apply(kind, x)
    return transpose(current_trace().apply(kind, transpose(x, order)), order)


def softmax(x: Value, axis: int = -1) -> Value:
    """Return ``exp(x) / sum(exp(x))`` over an axis, which is not the batch; it does not overflow.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(softmax, np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return _along_axis("softmax", x, axis)


def log_softmax(x: Value, axis: int = -1) -> Value:
    """Return the logarithm of :func:`softmax`, exact at extreme ``x``."""
    return _along_axis("log_softmax", x, axis)


def argmax(x: Value) -> Value:
    """Return the index of the largest element of the last axis, the first of equals."""
    return current_trace().apply("argmax", x)


def argmin(x: Value) -> Value:
    """Return the index of the smallest element of the last axis, the first of equals."""
    return argmax(-x)


def kth_largest(x: Value, k: Operand) -> Value:
    """Return the value of the last axis that is ``k``-th from above; it has no gradient.

    Parameters
    ----------
    x : Value
        (..., columns), finite.
    k : Value or int
        One number, from 1. Equal values count each. Minus infinity where there are fewer than that.

    Returns
    -------
    Value
        (...)

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: kth_largest(x, 2), np.array([[3.0, 1.0, 7.0], [5.0, 5.0, 2.0]]))
    array([3., 5.])
    """
    return current_trace().apply("kth_largest", x, k)


def one_hot(index: Value, classes: int) -> Value:
    """Return (..., classes) with 1 at the index and 0 elsewhere. No gradient passes.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda i: one_hot(i, 3), np.array([2, 0]))
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    return equal(expand_dims(index, -1), np.arange(classes, dtype=np.float64))


def take(table: Value, index: Operand) -> Value:
    """Return rows of a table by their numbers: ``table[index]``.

    Parameters
    ----------
    table : Value
        (rows, columns), without a batch. Its gradient is the sum of what reached each row, in the
        order of the batch.
    index : Value
        (None, ...) numbers of rows, from 0. A fraction counts as the whole number below. It gets no
        gradient.

    Returns
    -------
    Value
        (None, ..., columns). NaN where there is no such row.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import constant, evaluate
    >>> evaluate(lambda i: take(constant([[1, 2], [3, 4]]), i), np.array([1, 1, 0]))
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """
    return current_trace().apply("take", table, index)


def sparse_crossentropy(logits: Value, index: Operand) -> Value:
    """Return ``-log(softmax(logits)[index])`` over the last axis, exact at extreme logits.

    Parameters
    ----------
    logits : Value
        (..., classes)
    index : Value
        (...) class of each, from 0. It gets no gradient.

    Returns
    -------
    Value
        (...) the losses.
    """
    return current_trace().apply("sparse_crossentropy", logits, index)


def crossentropy(logits: Value, target: Operand) -> Value:
    """Return ``-sum(target * log(softmax(logits)))`` over the last axis, exact at extreme logits.

    Parameters
    ----------
    logits, target : Value
        (..., classes); the target holds probabilities and gets no gradient.

    Returns
    -------
    Value
        (...) the losses.
    """
    return current_trace().apply("crossentropy", logits, target)
