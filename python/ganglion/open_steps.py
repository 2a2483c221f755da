"""Networks that take sequences of any number of steps: what their layers make of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from ganglion import _core, compile
from ganglion.buckets import rounded_up
from ganglion.bundle import arrays_of
from ganglion.compile import Form, Recipe
from ganglion.drawing import TRIED_STEPS, common_shape
from ganglion.inputs import Inputs
from ganglion.tracing import Trace
from ganglion.value import Shape, Value
from ganglion.variables import Variables

Ends = tuple[list[Value], list[Value]]  # inputs and predictions


class Outputs(NamedTuple):
    """What layers make of sequences of a form.

    Attributes
    ----------
    shapes : list of tuple
        (None, ...) of the predictions.
    by_step : dict of str to bool
        Paths of the layers whose output is a sequence with padding: whether that stands in front,
        because a layer turned the sequence round.
    ends_by_step : dict of str to bool
        The same of the predictions, by the names of the outputs.
    """

    shapes: list[Shape]
    by_step: dict[str, bool]
    ends_by_step: dict[str, bool]

    @classmethod
    def of(cls, recipe: Recipe) -> Outputs:
        """Read them off a trace of the layers."""
        trace, (_, predictions) = applied(recipe)
        ends = zip(recipe.output_names, predictions, strict=True)
        return cls(
            [value.shape for value in predictions],
            _by_step((call.path, call.output) for call in trace.calls),
            _by_step(ends),
        )


def _by_step(values: Iterable[tuple[str, Value]]) -> dict[str, bool]:
    masks = {name: value.mask for name, value in values}
    return {
        name: mask.argument_of("flip") is not None
        for name, mask in masks.items()
        if mask is not None
    }


def trace_once(recipe: Recipe) -> tuple[Recipe, Trace, Ends, list[Shape]]:
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
    inputs, predictions : list of Value
        Of that trace.
    shapes : list of tuple
        Of the output of each of the trace's calls, and of the predictions: None for sizes that
        follow the steps.

    Raises
    ------
    ValueError
        What a layer raises; and where a weight has another shape for other numbers of steps.
    """
    if not recipe.is_open:
        trace, ends = applied(recipe)
        return recipe, trace, ends, _shapes(trace, ends)
    refused: ValueError | None = None
    for few, many in TRIED_STEPS:
        first, second = (
            replace(recipe, variables=Variables()).of(Form(steps)) for steps in (few, many)
        )
        try:
            trace, ends = applied(first)
            other, other_ends = applied(second)
        except ValueError as error:
            refused = refused or error
            continue
        _check_weights(trace, first.variables, second.variables)
        pairs = zip(_shapes(trace, ends), _shapes(other, other_ends), strict=True)
        return first, trace, ends, [common_shape(*pair) for pair in pairs]
    assert refused is not None
    raise refused


def applied(recipe: Recipe) -> tuple[Trace, Ends]:
    """Apply the layers, as in prediction."""
    trace = Trace(training=False, variables=recipe.variables)
    with trace:
        return trace, compile.trace_layers(recipe, trace)


def _shapes(trace: Trace, ends: Ends) -> list[Shape]:
    return [*(call.output.shape for call in trace.calls), *(value.shape for value in ends[1])]


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
    output_shapes : list of tuple
        (None, ...), of that one.
    """

    def __init__(self, recipe: Recipe, output_shapes: list[Shape]) -> None:
        self._recipe = recipe
        self._output_shapes = output_shapes
        self._outputs: dict[Form, Outputs] = {}

    def of(self, X: Inputs) -> Form:
        """Return the form of the sequences that are the rows of some inputs."""
        if not self._recipe.is_open:
            return Form()
        arrays = arrays_of(X)
        first = arrays[self._recipe.open_inputs[0]]
        if isinstance(first, _core.RaggedRows):
            return Form(self.longest(int(first.lengths.max())), ragged=True)
        return Form(first.shape[1])

    def output_shapes_of(self, X: Inputs) -> list[Shape]:
        """Return (None, ...) of the predictions of some inputs.

        (None, None, ...) where they are sequences, each as long as its own of ``X``.
        """
        form = self.of(X)
        shapes, _, by_step = self.outputs(form)
        if not form.ragged:
            return shapes
        named = zip(self._recipe.output_names, shapes, strict=True)
        return [self._by_step(shape, by_step.get(name)) for name, shape in named]

    def _by_step(self, shape: Shape, in_front: bool | None) -> Shape:
        if in_front:
            raise ValueError(
                "[Sequential] the network ends in sequences that a layer with go_backwards turned "
                "round, which have no targets of different lengths: layers.Bidirectional does not"
            )
        return shape if in_front is None else (None, None, *shape[2:])

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
            return Outputs(self._output_shapes, {}, {})
        if form not in self._outputs:
            self._outputs[form] = Outputs.of(self._recipe.of(form))
        return self._outputs[form]
