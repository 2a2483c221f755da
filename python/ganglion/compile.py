"""The programs of a network, each traced from its layers, loss, optimizer and metrics.

==========  ======================  ==========================================================
program     inputs                  outputs
==========  ======================  ==========================================================
predict     x[, lengths]            prediction
forward     x                       prediction, with layers as in training
evaluate    x[, lengths], y         loss, over how many steps that is the mean where some are
            [, weight]              padding, and the statistics of each metric
train       as evaluate             the same; its update section changes weights and state
gradient    as evaluate             loss, and its gradient of each trainable weight
backward    x, d_prediction         d_x, and the gradient of each trainable weight
layers      x[, lengths]            what each layer puts out
score       x, d_score              what a layer puts out, and its gradient
==========  ======================  ==========================================================

A network of several inputs or outputs has several x, y and predictions, under the names of its
layers. A program is written for one number of steps. With ``lengths``, (None,), only so many steps
of each sequence count, and the rest is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ganglion import _core, ops
from ganglion.activations import Sigmoid, Softmax
from ganglion.calls import LayerCall
from ganglion.graph import Chain, Graph
from ganglion.layers import Layer
from ganglion.lines import blame
from ganglion.losses import Loss
from ganglion.losses.weights import aligned
from ganglion.metrics import Metric
from ganglion.optimizers import Optimizer, Slots
from ganglion.tracing import Trace
from ganglion.value import Shape, Value
from ganglion.variables import Variables


class Form(NamedTuple):
    """How long the sequences of a program are, where the network leaves it open.

    Attributes
    ----------
    steps : int or None
        Steps of all; None where the network says what they are.
    ragged : bool
        Whether each has a length of its own, an input of the program, and is padding beyond.
    """

    steps: int | None = None
    ragged: bool = False


@dataclass(frozen=True)
class Head:
    """What an output of a network is trained for.

    Attributes
    ----------
    loss : Loss
        To be minimised.
    metrics : dict of str to Metric
        By the names under which they are reported.
    weight : float
        How many times the loss counts in the sum of those of all outputs.
    """

    loss: Loss
    metrics: dict[str, Metric]
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """What programs are made of.

    Attributes
    ----------
    graph : Chain or Graph
        How the layers are joined.
    input_shapes : tuple of tuple
        (None, ...) of each input; (None, None, ...) where the number of steps is open.
    variables : Variables
        The weights, laid out.
    heads : tuple of Head
        One for each output; none for prediction alone.
    optimizer : Optimizer
        Makes the update section.
    input_names, output_names : tuple of str
        In programs.
    ragged : tuple of int
        Which inputs are sequences that each have a length of their own.
    """

    graph: Chain | Graph
    input_shapes: tuple[Shape, ...]
    variables: Variables
    heads: tuple[Head, ...]
    optimizer: Optimizer
    input_names: tuple[str, ...] = ("x",)
    output_names: tuple[str, ...] = ("prediction",)
    ragged: tuple[int, ...] = ()

    @property
    def open_inputs(self) -> tuple[int, ...]:
        """Which inputs are sequences whose number of steps is open."""
        shapes = enumerate(self.input_shapes)
        return tuple(i for i, shape in shapes if len(shape) > 1 and shape[1] is None)

    @property
    def is_open(self) -> bool:
        """Whether a number of steps is open: no program can be written before it is chosen."""
        return bool(self.open_inputs)

    @property
    def metrics(self) -> dict[str, Metric]:
        """What is reported beside the loss, by name: of several outputs, the loss of each too."""
        reported: dict[str, Metric] = {}
        for name, head in zip(self.output_names, self.heads, strict=False):
            if len(self.heads) > 1:
                reported[f"{name}_loss"] = Metric()  # the mean, see `_objective`
            reported |= head.metrics
        return reported

    def of(self, form: Form) -> Recipe:
        """Return the recipe for sequences of some form; those of all inputs are equally long."""
        if form.steps is None:
            return self
        shapes = list(self.input_shapes)
        for index in self.open_inputs:
            shapes[index] = (None, form.steps, *shapes[index][2:])
        ragged = self.open_inputs if form.ragged else ()
        return replace(self, input_shapes=tuple(shapes), ragged=ragged)


class _Look(Trace):
    """A pass that leaves moving statistics and states as they are."""

    def apply(self, kind: str, *operands: Any, **attributes: Any) -> Value:
        if kind == "assign":
            target, value = operands
            return value if isinstance(value, Value) else target
        return super().apply(kind, *operands, **attributes)


def trace_layers(recipe: Recipe, trace: Trace) -> tuple[list[Value], list[Value]]:
    """Apply the layers to new inputs; return inputs and predictions."""
    named = zip(recipe.input_names, recipe.input_shapes, strict=True)
    inputs = [trace.input(name, shape) for name, shape in named]
    values = list(inputs)
    if recipe.ragged:
        lengths = ops.expand_dims(trace.input("lengths", (None,)), 1)
        for index in recipe.ragged:
            steps = np.arange(inputs[index].shape[1] or 0)[np.newaxis]
            values[index] = ops.with_mask(inputs[index], ops.constant(steps) < lengths)
    predictions = recipe.graph.write(trace, values)
    if recipe.ragged:
        _check_padding(trace)
    for prediction in predictions:
        if not prediction.shape or prediction.shape[0] is not None:
            raise ValueError(
                f"[Sequential] the layers must give a result for each sample, shape (None, ...), "
                f"got {prediction.shape}"
            )
    return inputs, predictions


def mask_loser(trace: Trace) -> LayerCall | None:
    """Return the first layer or operation that takes padding for data; None where all know it."""
    paths = [call.path for call in trace.calls]
    for call in trace.calls:
        if call.input.mask is None or call.output.mask is not None:
            continue
        around = any(path.startswith(call.path + "/") for path in paths)
        if not around and not (isinstance(call.layer, Layer) and call.layer.reads_mask):
            return call
    return trace.unmasked[0] if trace.unmasked else None


def _check_padding(trace: Trace) -> None:
    call = mask_loser(trace)
    if call is not None:
        raise ValueError(
            f"[{call.kind}] takes the padding behind sequences of different lengths for data "
            f"('{call.path}', {call.input.shape} to {call.output.shape}): use layers that know "
            "it, such as the recurrent ones or layers.GlobalAveragePooling1D, or bring the "
            "sequences to one length"
        )


def predict_trace(recipe: Recipe, training: bool = False) -> Trace:
    """Return the trace from x to prediction."""
    trace = Trace(training=training, variables=recipe.variables)
    with trace:
        predictions = trace_layers(recipe, trace)[1]
        for name, prediction in zip(recipe.output_names, predictions, strict=True):
            trace.output(name, prediction)
    return trace


def predict_program(recipe: Recipe, training: bool = False) -> _core.Program:
    """Return the program from x to prediction."""
    return predict_trace(recipe, training).finish()


def reaching_program(recipe: Recipe, path: str) -> tuple[_core.Program, bool]:
    """Input x; output what reaches the layer of that path, which may stand within another.

    And whether the padding of ragged sequences is part of it.
    """
    trace = _Look(training=False, variables=recipe.variables)
    with trace:
        trace_layers(recipe, trace)
        reaching = next(call.input for call in trace.calls if call.path == path)
        trace.output("reaching", reaching)
    return trace.finish(), bool(recipe.ragged) and reaching.mask is not None


def _objective(recipe: Recipe, trace: Trace, weight_axes: int, reported: bool = True) -> Value:
    """Add inputs, layers, losses and metrics if they are reported; return the loss, a scalar.

    With its penalties. Weights are of samples, (None,), or of their steps, (None, steps).
    """
    _, predictions = trace_layers(recipe, trace)
    several = len(recipe.heads) > 1
    names = [f"_{name}" if several else "" for name in recipe.output_names]
    targets = [
        trace.input(f"y{name}", head.loss.target_shape(prediction.shape))
        for name, head, prediction in zip(names, recipe.heads, predictions, strict=True)
    ]
    axes = predictions[0].shape[:weight_axes]
    weight = trace.input("weight", axes) if weight_axes else None
    ends = list(zip(recipe.heads, targets, predictions, strict=True))
    with trace.scope("loss"):
        alone = not several and recipe.heads[0].weight == 1.0
        inside = trace.penalties if alone else []  # some losses scale them
        parts = [
            _loss(head.loss, trace, target, prediction, weight, inside)
            for head, target, prediction in ends
        ]
        loss = _total(recipe.heads, parts, [] if alone else trace.penalties)
    trace.output("loss", loss)
    if not reported:
        return loss
    # Of several outputs the mean is over the samples, since one may have padding and another none.
    mask = predictions[0].mask if len(predictions[0].shape) > 2 and not several else None
    if mask is not None and not recipe.heads[0].loss.by_sample:
        trace.output("loss_weight", ops.sum(mask))
    for name, part, (head, target, prediction) in zip(
        recipe.output_names, parts, ends, strict=True
    ):
        if several:
            samples = ops.axis_size(prediction, axis=0)
            trace.output(f"{name}_loss", _statistics(part * samples, samples))
        counted = _counted(prediction.mask if len(prediction.shape) > 2 else None, weight)
        for label, metric in head.metrics.items():
            with trace.scope(label):
                trace.output(label, metric.update(target, prediction, counted))
    return loss


def _statistics(*numbers: Value) -> Value:
    return ops.concat([ops.reshape(number, (1,)) for number in numbers], axis=0)


def _total(heads: Sequence[Head], parts: Sequence[Value], penalties: Sequence[Value]) -> Value:
    """Return the weighted sum of the losses of all outputs, with the penalties."""
    scaled = [
        part if head.weight == 1.0 else head.weight * part
        for head, part in zip(heads, parts, strict=True)
    ]
    total = scaled[0]
    for value in (*scaled[1:], *penalties):
        total = total + value
    return total


def _counted(mask: Value | None, weight: Value | None) -> Value | None:
    """Return what samples, or the steps of each, count: padding does not."""
    if mask is None or weight is None:
        return weight if mask is None else mask
    return mask * (weight if len(weight.shape) > 1 else ops.expand_dims(weight, 1))


def _loss(
    loss: Loss,
    trace: Trace,
    target: Value,
    prediction: Value,
    weight: Value | None,
    penalties: Sequence[Value],
) -> Value:
    """Return the loss of an output, a scalar.

    Where a layer mixed samples it is that against each target, with its weight, for its share.
    """
    if not trace.target_shares:
        return loss.reduce(loss(target, prediction), weight, penalties)
    total = None
    for distance, share in trace.target_shares.items():
        losses = loss(ops.roll(target, distance), prediction)
        shared = losses * aligned(share, losses)
        shared = shared if losses.mask is None else ops.with_mask(shared, losses.mask)
        moved = None if weight is None else ops.roll(weight, distance)
        part = loss.reduce(shared, moved, penalties if total is None else [])
        total = part if total is None else total + part
    assert total is not None
    return total


def evaluate_program(recipe: Recipe, weight_axes: int) -> _core.Program:
    """Return the program from x, y and perhaps weight to loss and metrics."""
    trace = Trace(training=False, variables=recipe.variables)
    with trace:
        _objective(recipe, trace, weight_axes)
    return trace.finish()


def train_program(recipe: Recipe, weight_axes: int) -> tuple[_core.Program, Slots]:
    """Return the same with layers as in training and an update, and what state that keeps."""
    trace = Trace(training=True, variables=recipe.variables)
    with trace:
        loss = _objective(recipe, trace, weight_axes)
        gradients = trace.gradient(loss, _trained_weights(recipe, trace))
        slots = recipe.optimizer.apply(trace, recipe.variables, gradients)
    return trace.finish(), slots


def gradient_program(recipe: Recipe, weight_axes: int) -> _core.Program:
    """Return the program from x, y and perhaps weight to the loss and its gradients."""
    trace = _Look(training=False, variables=recipe.variables)
    with trace:
        loss = _objective(recipe, trace, weight_axes, reported=False)
        gradients = trace.gradient(loss, _trained_weights(recipe, trace))
        for variable, gradient in zip(recipe.variables.trainable, gradients, strict=True):
            trace.output(f"d_{variable.name}", gradient)
    return trace.finish()


def backward_program(recipe: Recipe, training: bool) -> _core.Program:
    """Return the program from x and d_prediction to d_x and the gradient of each trained weight."""
    trace = _Look(training=training, variables=recipe.variables)
    with trace:
        inputs, predictions = trace_layers(recipe, trace)
        named = zip(recipe.output_names, predictions, strict=True)
        pairs = [(value, trace.input(f"d_{name}", value.shape)) for name, value in named]
        wanted = [*inputs, *_trained_weights(recipe, trace)]
        if len(pairs) == 1:
            gradients = trace.gradient(pairs[0][0], wanted, pairs[0][1])
        else:
            parts = [ops.reshape(ops.sum(value * seed), (1,)) for value, seed in pairs]
            gradients = trace.gradient(ops.sum(ops.concat(parts, axis=0)), wanted)
        names = [*recipe.input_names, *(variable.name for variable in recipe.variables.trainable)]
        for name, gradient in zip(names, gradients, strict=True):
            trace.output(f"d_{name}", gradient)
    return trace.finish()


def layers_trace(recipe: Recipe) -> Trace:
    """Return the trace from x to the output of each layer, those within another too.

    But those to which steps are samples, within `TimeDistributed`. Of a layer that is applied in
    several places, the first.
    """
    trace = _Look(training=False, variables=recipe.variables)
    with trace:
        trace_layers(recipe, trace)
        calls = {call.path: call for call in reversed(trace.calls)}  # of several the first
        for call in trace.calls:
            if call.fold == 1 and call is calls[call.path]:
                trace.output(call.path, call.output)
    return trace


def score_program(recipe: Recipe, path: str | None) -> _core.Program:
    """Return the program from x and d_score to what a layer puts out, and the gradient of it.

    The score is the prediction; before the softmax or sigmoid where the network ends in one, which
    flattens it. Without a path the gradient alone is put out, that of x.
    """
    trace = _Look(training=False, variables=recipe.variables)
    with trace:
        (seen,), (score,) = trace_layers(recipe, trace)
        last = trace.activations[-1] if trace.activations else None
        if last and last.output.id == score.id and isinstance(last.activation, (Softmax, Sigmoid)):
            score = last.input
        if path is not None:
            seen = next(call.output for call in trace.calls if call.path == path)
            trace.output("seen", seen)
        seed = trace.input("d_score", score.shape)
        trace.output("d_seen", trace.gradient(score, [seen], seed)[0])
    return trace.finish()


def _trained_weights(recipe: Recipe, trace: Trace) -> list[Value]:
    for variable in recipe.variables.trainable:
        if variable.name not in trace.weights:
            error = ValueError(
                f"[{variable.name}] is a weight that this pass through the network does not have; "
                "a layer must make the same weights in training and in prediction"
            )
            layer = variable.name.rpartition("/")[0]
            builds = [
                getattr(call.layer, "build", None) for call in trace.calls if call.path == layer
            ]
            blame(error, next(iter(builds), None))
            raise error
    return [trace.weights[variable.name] for variable in recipe.variables.trainable]
