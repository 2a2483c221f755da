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

A program is written for one number of steps. With ``lengths``, (None,), only so many steps of each
sequence count, and the rest is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ganglion import _core, ops
from ganglion.activations import Sigmoid, Softmax
from ganglion.layers import Layer
from ganglion.losses import Loss
from ganglion.losses.weights import aligned
from ganglion.metrics import Metric
from ganglion.optimizers import Optimizer, Slots
from ganglion.tracing import LayerCall, Trace
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
class Recipe:
    """What programs are made of.

    Attributes
    ----------
    layers : sequence of Layer
        Applied one after the other.
    input_shape : tuple
        (None, ...); (None, None, ...) where the number of steps is open.
    variables : Variables
        The weights, laid out.
    loss : Loss or None
        None for prediction alone.
    optimizer : Optimizer
        Makes the update section.
    metrics : dict of str to Metric
        By the names under which they are reported.
    ragged : bool
        See `Form`.
    """

    layers: Sequence[Layer]
    input_shape: Shape
    variables: Variables
    loss: Loss | None
    optimizer: Optimizer
    metrics: dict[str, Metric]
    ragged: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the number of steps is open: no program can be written before it is chosen."""
        return len(self.input_shape) > 1 and self.input_shape[1] is None

    def of(self, form: Form) -> Recipe:
        """Return the recipe for sequences of some form."""
        if form.steps is None:
            return self
        shape = (None, form.steps, *self.input_shape[2:])
        return replace(self, input_shape=shape, ragged=form.ragged)


class _Look(Trace):
    """A pass that leaves moving statistics and states as they are."""

    def apply(self, kind: str, *operands: Any, **attributes: Any) -> Value:
        if kind == "assign":
            target, value = operands
            return value if isinstance(value, Value) else target
        return super().apply(kind, *operands, **attributes)


def trace_layers(recipe: Recipe, trace: Trace) -> tuple[Value, Value]:
    """Apply the layers to a new input; return input and prediction."""
    x = trace.input("x", recipe.input_shape)
    prediction = _with_lengths(x, trace) if recipe.ragged else x
    trace.reserve(recipe.layers)
    for layer in recipe.layers:
        prediction = layer(prediction)
    if recipe.ragged:
        _check_padding(trace)
    if not prediction.shape or prediction.shape[0] is not None:
        raise ValueError(
            f"[Sequential] the layers must give a result for each sample, shape (None, ...), "
            f"got {prediction.shape}"
        )
    return x, prediction


def _with_lengths(x: Value, trace: Trace) -> Value:
    """Return sequences, (None, steps, ...), of which an input says where the padding begins."""
    lengths = trace.input("lengths", (None,))
    steps = np.arange(x.shape[1] or 0)[np.newaxis]
    return ops.with_mask(x, ops.constant(steps) < ops.expand_dims(lengths, 1))


def mask_loser(trace: Trace) -> LayerCall | None:
    """Return the call of the first layer that takes padding for data; None where all know it."""
    paths = [call.path for call in trace.calls]
    for call in trace.calls:
        if call.input.mask is None or call.output.mask is not None:
            continue
        around = any(path.startswith(call.path + "/") for path in paths)
        if not around and not (isinstance(call.layer, Layer) and call.layer.reads_mask):
            return call
    return None


def _check_padding(trace: Trace) -> None:
    call = mask_loser(trace)
    if call is not None:
        name = type(call.layer).__name__
        raise ValueError(
            f"[{name}] takes the padding behind sequences of different lengths for data (layer "
            f"'{call.path}', {call.input.shape} to {call.output.shape}): use layers that know "
            "it, such as the recurrent ones or layers.GlobalAveragePooling1D, or bring the "
            "sequences to one length"
        )


def predict_trace(recipe: Recipe, training: bool = False) -> Trace:
    """Return the trace from x to prediction."""
    trace = Trace(training=training, variables=recipe.variables)
    with trace:
        trace.output("prediction", trace_layers(recipe, trace)[1])
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
    return trace.finish(), recipe.ragged and reaching.mask is not None


def _objective(recipe: Recipe, trace: Trace, weight_axes: int, reported: bool = True) -> Value:
    """Add inputs, layers, loss and metrics if they are reported; return the loss, a scalar.

    With its penalties. Weights are of samples, (None,), or of their steps, (None, steps).
    """
    assert recipe.loss is not None
    _, prediction = trace_layers(recipe, trace)
    target = trace.input("y", recipe.loss.target_shape(prediction.shape))
    weight = trace.input("weight", prediction.shape[:weight_axes]) if weight_axes else None
    with trace.scope("loss"):
        if trace.target_shares:
            loss = _mixed_loss(recipe.loss, trace, target, prediction, weight)
        else:
            losses = recipe.loss(target, prediction)  # (None, ...)
            loss = recipe.loss.reduce(losses, weight, trace.penalties)
    trace.output("loss", loss)
    if not reported:
        return loss
    mask = prediction.mask if len(prediction.shape) > 2 else None
    if mask is not None:
        trace.output("loss_weight", ops.sum(mask))
    counted = _counted(mask, weight)
    for name, metric in recipe.metrics.items():
        with trace.scope(name):
            trace.output(name, metric.update(target, prediction, counted))
    return loss


def _counted(mask: Value | None, weight: Value | None) -> Value | None:
    """Return what samples, or the steps of each, count: padding does not."""
    if mask is None or weight is None:
        return weight if mask is None else mask
    return mask * (weight if len(weight.shape) > 1 else ops.expand_dims(weight, 1))


def _mixed_loss(
    loss: Loss, trace: Trace, target: Value, prediction: Value, weight: Value | None
) -> Value:
    """Return the loss where a layer mixed samples: each target, with its weight, for its share."""
    total = None
    for distance, share in trace.target_shares.items():
        losses = loss(ops.roll(target, distance), prediction)
        shared = losses * aligned(share, losses)
        shared = shared if losses.mask is None else ops.with_mask(shared, losses.mask)
        moved = None if weight is None else ops.roll(weight, distance)
        part = loss.reduce(shared, moved, [] if total is not None else trace.penalties)
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
        x, prediction = trace_layers(recipe, trace)
        seed = trace.input("d_prediction", prediction.shape)
        gradients = trace.gradient(prediction, [x, *_trained_weights(recipe, trace)], seed)
        names = ["x", *(variable.name for variable in recipe.variables.trainable)]
        for name, gradient in zip(names, gradients, strict=True):
            trace.output(f"d_{name}", gradient)
    return trace.finish()


def layers_trace(recipe: Recipe) -> Trace:
    """Return the trace from x to the output of each layer, those within another too.

    But those to which steps are samples, within `TimeDistributed`.
    """
    trace = _Look(training=False, variables=recipe.variables)
    with trace:
        trace_layers(recipe, trace)
        for call in trace.calls:
            if call.fold == 1:
                trace.output(call.path, call.output)
    return trace


def score_program(recipe: Recipe, path: str | None) -> _core.Program:
    """Return the program from x and d_score to what a layer puts out, and the gradient of it.

    The score is the prediction; before the softmax or sigmoid where the network ends in one, which
    flattens it. Without a path the gradient alone is put out, that of x.
    """
    trace = _Look(training=False, variables=recipe.variables)
    with trace:
        seen, score = trace_layers(recipe, trace)
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
            raise trace.missing_weight(variable.name)
    return [trace.weights[variable.name] for variable in recipe.variables.trainable]
