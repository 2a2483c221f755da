"""What the routing between capsules computes, without writing down each prediction.

Input capsule i of a sample, ``u[n, :, i]``, predicts capsule j as its product with
``weights[j, :, i]``. All predictions, (None, inputs, capsules, dim), are many times what they are
made of and what is made of them; here they live for a few samples and capsules at a time, in the
cache. The input capsules are the last axis.
"""

from __future__ import annotations

from ganglion.tracing import current_trace
from ganglion.value import Value


def routing_agreement(u: Value, weights: Value, v: Value) -> Value:
    """Return how well each prediction agrees with a capsule: their scalar product.

    Parameters
    ----------
    u : Value
        Input capsules, (None, input_dim, inputs).
    weights : Value
        (capsules, input_dim, inputs, dim)
    v : Value
        Capsules, (None, capsules, dim).

    Returns
    -------
    Value
        (None, capsules, inputs)

    Raises
    ------
    ValueError
        Shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import constant, evaluate
    >>> turn = np.array([[0.0, 1.0], [-1.0, 0.0]]).reshape(1, 2, 1, 2)
    >>> u, v = np.array([[[1.0], [0.0]]]), np.array([[[0.0, 3.0]]])
    >>> evaluate(lambda u, v: routing_agreement(u, constant(turn), v), u, v)
    array([[[3.]]])
    """
    return current_trace().apply("routing_agreement", u, weights, v)


def routing_sum(c: Value, u: Value, weights: Value) -> Value:
    """Return the sum of what the input capsules predict for each capsule, weighed by couplings.

    Parameters
    ----------
    c : Value
        What each input capsule counts for each capsule, (None, capsules, inputs).
    u : Value
        Input capsules, (None, input_dim, inputs).
    weights : Value
        (capsules, input_dim, inputs, dim)

    Returns
    -------
    Value
        (None, capsules, dim)

    Raises
    ------
    ValueError
        Shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import constant, evaluate
    >>> turn = np.array([[0.0, 1.0], [-1.0, 0.0]]).reshape(1, 2, 1, 2)
    >>> u, c = np.array([[[1.0], [2.0]]]), np.array([[[0.5]]])
    >>> evaluate(lambda c, u: routing_sum(c, u, constant(turn)), c, u)
    array([[[-1. ,  0.5]]])
    """
    return current_trace().apply("routing_sum", c, u, weights)
