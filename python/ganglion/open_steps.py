"""Networks that take sequences of any number of steps: what their layers make of some of them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ganglion import compile
from ganglion.compile import Form, Recipe
from ganglion.tracing import Trace
from ganglion.value import Shape, Value
from ganglion.variables import Variables

# Numbers of steps that are tried, two at a time: what differs between the two follows the steps.
# Many first, which pooling does not use up; then few, where layers have a longest sequence.
_TRIED = ((64, 96), (1024, 1536), (16, 24), (4, 6))


class Outputs(NamedTuple):
    """What layers make of sequences of a form.

    Attributes
    ----------
    shape : tuple
        (None, ...) of the prediction.
    by_step : frozenset of str
        Paths of the layers whose output is a sequence with the padding of the input; and
        ``"prediction"`` if that is one.
    """

    shape: Shape
    by_step: frozenset[str]

    @classmethod
    def of(cls, trace: Trace) -> Outputs:
        """Read them off a trace of the layers."""
        by_step = {call.path for call in trace.calls if call.output.mask is not None}
        last = trace.calls[-1]
        if last.output.mask is not None:
            by_step.add("prediction")
        return cls(last.output.shape, frozenset(by_step))


def trace_once(recipe: Recipe) -> tuple[Recipe, Trace, tuple[Value, Value], list[Shape]]:
    """Apply the layers for the first time.

    Parameters
    ----------
    recipe : Recipe
        Without weights. Its number of steps may be open.

    Returns
    -------
    recipe : Recipe
        With the weights that the layers made, and steps that they take.
    trace : Trace
        In which they were applied.
    x, prediction : Value
        Of that trace.
    shapes : list of tuple
        Of the output of each of the trace's calls, and of the prediction: None for sizes that
        follow the steps.

    Raises
    ------
    ValueError
        What a layer raises; and where a weight has another shape for other numbers of steps.
    """
    if not recipe.is_open:
        trace, values = _applied(recipe)
        return recipe, trace, values, _shapes(trace, values)
    refused: ValueError | None = None
    for few, many in _TRIED:
        first, second = (
            replace(recipe, variables=Variables()).of(Form(steps)) for steps in (few, many)
        )
        try:
            trace, values = _applied(first)
            other, other_values = _applied(second)
        except ValueError as error:
            refused = refused or error
            continue
        _check_weights(trace, (few, many), first.variables, second.variables)
        pairs = zip(_shapes(trace, values), _shapes(other, other_values), strict=True)
        return first, trace, values, [_common(*pair) for pair in pairs]
    assert refused is not None
    raise refused


def _applied(recipe: Recipe) -> tuple[Trace, tuple[Value, Value]]:
    trace = Trace(training=False, variables=recipe.variables)
    with trace:
        return trace, compile.trace_layers(recipe, trace)


def _shapes(trace: Trace, values: tuple[Value, Value]) -> list[Shape]:
    return [*(call.output.shape for call in trace.calls), values[1].shape]


def _common(shape: Shape, other: Shape) -> Shape:
    return tuple(a if a == b else None for a, b in zip(shape, other, strict=True))


def _check_weights(
    trace: Trace, steps: tuple[int, int], weights: Variables, others: Variables
) -> None:
    layers = {call.path: type(call.layer).__name__ for call in trace.calls}
    for weight in weights:
        shape, other = weight.shape, others[weight.name].shape
        if shape != other:
            path = weight.name.rpartition("/")[0]
            raise ValueError(
                f"[{layers.get(path, path)}] weight {weight.name!r} has shape {shape} for "
                f"sequences of {steps[0]} steps and {other} for {steps[1]}: where their number is "
                "open, a layer before it must give one result for each sequence, as recurrent "
                "layers and layers.GlobalAveragePooling1D do"
            )
