"""Loops over the steps of sequences."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion.tracing import StepFunction, current_trace
from ganglion.value import Value


def scan(
    step: StepFunction,
    carries: Sequence[Value],
    sequences: Sequence[Value],
    reverse: bool = False,
) -> tuple[list[Value], list[Value]]:
    """Run a function over the steps of sequences, carrying values from one to the next.

    The function is traced once. It may use any value of the program, such as weights; all of it is
    differentiated. Random numbers are drawn outside, for all steps, as a sequence.

    Parameters
    ----------
    step : callable
        ``step(carries, slices)`` returns the next carries and a list of results. ``slices`` are
        the sequences at one step, of shape (None, ...).
    carries : sequence of Value
        Before the first step, of shape (None, ...).
    sequences : sequence of Value
        At least one, of shape (None, steps, ...).
    reverse : bool, default=False
        Whether to begin with the last step. Results stand at their own step all the same.

    Returns
    -------
    carries : list of Value
        After the last step.
    results : list of Value
        Of all steps, (None, steps, ...).

    Raises
    ------
    ValueError
        Shapes that do not fit, or steps that change the shape of a carry.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import ops
    >>> def add(carries, slices):
    ...     total = carries[0] + slices[0]
    ...     return [total], [total]
    >>> x = np.array([[1.0, 2.0, 3.0]])
    >>> ops.evaluate(lambda x: ops.scan(add, [x[:, 0] * 0], [x])[1][0], x)
    array([[1., 3., 6.]], dtype=float32)
    """
    return current_trace().scan(step, carries, sequences, reverse)
