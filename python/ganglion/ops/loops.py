"""Loops over the steps of sequences."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion.ops.elementwise import where
from ganglion.ops.program import constant
from ganglion.ops.structure import broadcast_to, reshape
from ganglion.tracing import StepFunction, Stepped, current_trace
from ganglion.value import Value


def scan(
    step: StepFunction,
    carries: Sequence[Value],
    sequences: Sequence[Value],
    reverse: bool = False,
    mask: Value | None = None,
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
    mask : Value, optional
        Of shape (None, steps). Where it is 0 the step does not happen: carries stay as they are,
        and results are those of the step before, or zeros where there was none.

    Returns
    -------
    carries : list of Value
        After the last step.
    results : list of Value
        Of all steps, (None, steps, ...).

    Raises
    ------
    ValueError
        Shapes that do not fit, a step that changes the shape of a carry, assigns a weight, draws
        random numbers or joins samples, as a sum over the batch does.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import ops
    >>> def add(carries, slices):
    ...     total = carries[0] + slices[0]
    ...     return [total], [total]
    >>> x = np.array([[1.0, 2.0, 3.0]])
    >>> ops.evaluate(lambda x: ops.scan(add, [x[:, 0] * 0], [x])[1][0], x)
    array([[1., 3., 6.]])

    Of a shorter sequence, filled up to three steps:

    >>> mask = np.array([[1.0, 1.0, 0.0]])
    >>> def last(x, mask):
    ...     return ops.scan(add, [x[:, 0] * 0], [x], mask=mask)[0][0]
    >>> ops.evaluate(last, x, mask)
    array([3.])
    """
    trace = current_trace()
    if mask is None:
        return trace.scan(step, carries, sequences, reverse)
    if len(mask.shape) != 2:
        raise ValueError(f"[scan] a mask needs a shape (None, steps), got {mask.shape}")

    def repeat(shown: list[Value], slices: list[Value]) -> Stepped:
        happens = slices[-1]
        shown = [
            where(reshape(happens, (None, *[1] * (len(old.shape) - 1))), new, old)
            for new, old in zip(slices[:-1], shown, strict=True)
        ]
        return shown, shown

    last, results = trace.scan(step, carries, sequences, reverse, mask)
    if results:
        zeros = [broadcast_to(constant(0.0), (None, *value.shape[2:])) for value in results]
        results = trace.scan(repeat, zeros, [*results, mask], reverse)[1]
    return last, results
