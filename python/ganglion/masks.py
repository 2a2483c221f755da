"""Masks in graphs: which operations pass on what of a sequence is padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from ganglion.calls import LayerCall
from ganglion.tracing import Trace
from ganglion.value import Value

# Those that see each element by itself.
_ELEMENTWISE = frozenset(
    {
        *("absolute", "add", "copy", "cospi", "divide", "equal", "erf", "exp", "expm1", "floor"),
        *("greater", "greater_equal", "is_finite", "log", "log1p", "maximum", "minimum"),
        *("multiply", "negative", "power", "reciprocal", "relu", "rsqrt", "sigmoid", "sign"),
        *("sinpi", "softplus", "sqrt", "square", "stop_gradient", "subtract", "tanh", "where"),
    }
)
# Those of the last axis alone.
_OF_ROWS = frozenset({"argmax", "kth_largest", "log_softmax", "softmax"})


def masked(
    trace: Trace,
    kind: str,
    operands: Sequence[Any],
    attributes: Mapping[str, Any],
    result: Value,
) -> Value:
    """Return the result of an operation with the mask that its operands have.

    One that brings steps together has none; that the mask was lost is noted in the trace.

    Parameters
    ----------
    trace : Trace
        The program being written.
    kind, operands, attributes
        The operation.
    result : Value
        Of it.
    """
    values = [part for part in operands if isinstance(part, Value)]
    masks = list(dict.fromkeys(value.mask for value in values if value.mask is not None))
    if not masks or (kind == "axis_size" and attributes["last"] == 0):
        return result
    fit = all(mask.shape == result.shape[:2] for mask in masks)
    if not fit or not _goes_step_by_step(kind, operands, attributes):
        read = next(value for value in values if value.mask is not None)
        trace.unmasked.append(LayerCall(kind, kind, read, result))
        return result
    return Value(trace, result.id, reduce(lambda a, b: trace.apply("multiply", a, b), masks))


def _goes_step_by_step(kind: str, operands: Sequence[Any], attributes: Mapping[str, Any]) -> bool:
    if kind in _ELEMENTWISE or kind == "reshape":  # whose first axes are as they were
        return True
    if kind in _OF_ROWS:
        return len(operands[0].shape) > 2
    if kind in ("reduce_sum", "reduce_max"):
        return bool(attributes["first"] > 1)
    if kind in ("concat", "flip", "pad", "slice"):
        return bool(attributes["axis"] > 1)
    if kind == "transpose":
        return bool(attributes["permutation"][1] == 1)
    if kind == "take":
        return operands[0].mask is None
    if kind == "matmul":
        first, second = operands
        return len(first.shape) > 2 and second.shape[:1] != (None,) and len(second.shape) == 2
    return False
