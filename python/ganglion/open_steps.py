"""Networks that take sequences of any number of steps: what their layers make of them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ganglion import _core, compile
from ganglion.buckets import rounded_up
from ganglion.compile import Form, Recipe
from ganglion.inputs import Inputs
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
    by_step : dict of str to bool
        Paths of the layers whose output is a sequence with padding, and ``"prediction"`` if that is
        one: whether the padding stands in front, because a layer turned the sequence round.
    """

    shape: Shape
    by_step: dict[str, bool]

    @classmethod
    def of(cls, trace: Trace) -> Outputs:
        """Read them off a trace of the layers."""
        masks = {call.path: call.output.mask for call in trace.calls}
        masks["prediction"] = trace.calls[-1].output.mask
        by_step = {
            path: mask.argument_of("flip") is not None
            for path, mask in masks.items()
            if mask is not None
        }
        return cls(trace.calls[-1].output.shape, by_step)


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
        _check_weights(trace, first.variables, second.variables)
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


def _check_weights(trace: Trace, weights: Variables, others: Variables) -> None:
    layers = {call.path: type(call.layer).__name__ for call in trace.calls}
    for weight in weights:
        if weight.shape != others[weight.name].shape:
            path = weight.name.rpartition("/")[0]
            raise ValueError(
                f"[{layers.get(path, path)}] the shape of weight {weight.name!r} depends on the "
                "number of steps, which is open: a layer before it must give one result for each "
                "sequence, as recurrent layers and layers.GlobalAveragePooling1D do"
            )


class Forms:
    """The forms in which sequences come to a network, and what it makes of them.

    Parameters
    ----------
    recipe : Recipe
        With the weights of the network. Where its number of steps is not open there is one form.
    output_shape : tuple
        (None, ...), of that one.
    """

    def __init__(self, recipe: Recipe, output_shape: Shape) -> None:
        self._recipe = recipe
        self._output_shape = output_shape
        self._outputs: dict[Form, Outputs] = {}

    def of(self, X: Inputs) -> Form:
        """Return the form of the sequences that are the rows of some inputs."""
        if not self._recipe.is_open:
            return Form()
        if isinstance(X, _core.RaggedRows):
            return Form(self.longest(int(X.lengths.max())), ragged=True)
        return Form(X.shape[1])

    def output_shape_of(self, X: Inputs) -> Shape:
        """Return (None, ...) of the predictions of some inputs.

        (None, None, ...) where they are sequences, each as long as its own of ``X``.
        """
        form = self.of(X)
        shape, by_step = self.outputs(form)
        if not form.ragged or "prediction" not in by_step:
            return shape
        if by_step["prediction"]:
            raise ValueError(
                "[Sequential] the network ends in sequences that a layer with go_backwards turned "
                "round, which have no targets of different lengths: layers.Bidirectional does not"
            )
        return (None, None, *shape[2:])

    def longest(self, steps: int) -> int:
        """Return to how many steps sequences of at most so many may be filled up.

        To a number that others are filled up to as well, unless a layer takes fewer.
        """
        rounded = int(rounded_up(steps))
        try:
            self.outputs(Form(rounded, ragged=True))
        except ValueError:
            self.outputs(Form(steps, ragged=True))  # says what is wrong if it is not the number
            return steps
        return rounded

    def outputs(self, form: Form) -> Outputs:
        """Return what the layers make of sequences of a form."""
        if not self._recipe.is_open:
            return Outputs(self._output_shape, {})
        if form not in self._outputs:
            trace = compile.layers_trace(self._recipe.of(form))
            self._outputs[form] = Outputs.of(trace)
        return self._outputs[form]
