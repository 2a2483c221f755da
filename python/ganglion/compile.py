"""The programs of a network, each traced from its layers, loss, optimizer and metrics.

==========  ======================  ==========================================================
program     inputs                  outputs
==========  ======================  ==========================================================
predict     x                       prediction
forward     x                       prediction, with layers as in training
evaluate    x, y[, weight]          loss, and the statistics of each metric
train       x, y[, weight]          the same; its update section changes weights and state
gradient    x, y[, weight]          loss, and its gradient of each trainable weight
backward    x, d_prediction         d_x, and the gradient of each trainable weight
layers      x                       what each layer puts out
score       x, d_score              what a layer puts out, and its gradient
==========  ======================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ganglion import _core, ops
from ganglion.activations import Sigmoid, Softmax
from ganglion.layers import Layer
from ganglion.losses import Loss
from ganglion.metrics import Metric
from ganglion.optimizers import Optimizer, Slots
from ganglion.tracing import Trace
from ganglion.value import Shape, Value
from ganglion.variables import Variables


@dataclass(frozen=True)
class Recipe:
    """What programs are made of.

    Attributes
    ----------
    layers : sequence of Layer
        Applied one after the other.
    input_shape : tuple
        (None, ...).
    variables : Variables
        The weights, laid out.
    loss : Loss or None
        None for prediction alone.
    optimizer : Optimizer
        Makes the update section.
    metrics : dict of str to Metric
        By the names under which they are reported.
    """

    layers: Sequence[Layer]
    input_shape: Shape
    variables: Variables
    loss: Loss | None
    optimizer: Optimizer
    metrics: dict[str, Metric]


class _Recomputation(Trace):
    """A pass that was made before: moving statistics are not updated a second time."""

    def apply(self, kind: str, *operands: Any, **attributes: Any) -> Value:
        if kind == "assign":
            target, value = operands
            return value if isinstance(value, Value) else target
        return super().apply(kind, *operands, **attributes)


def trace_layers(recipe: Recipe, trace: Trace) -> tuple[Value, Value]:
    """Apply the layers to a new input; return input and prediction."""
    x = trace.input("x", recipe.input_shape)
    prediction = x
    trace.reserve(recipe.layers)
    for layer in recipe.layers:
        prediction = layer(prediction)
    if not prediction.shape or prediction.shape[0] is not None:
        raise ValueError(
            f"[Sequential] the layers must give a result for each sample, shape (None, ...), "
            f"got {prediction.shape}"
        )
    return x, prediction


def predict_trace(recipe: Recipe, training: bool = False) -> Trace:
    """Return the trace from x to prediction."""
    trace = Trace(training=training, variables=recipe.variables)
    with trace:
        trace.output("prediction", trace_layers(recipe, trace)[1])
    return trace


def predict_program(recipe: Recipe, training: bool = False) -> _core.Program:
    """Return the program from x to prediction."""
    return predict_trace(recipe, training).finish()


def reaching_program(recipe: Recipe, path: str) -> _core.Program:
    """Input x; output what reaches the layer of that path, which may stand within another."""
    trace = Trace(training=False, variables=recipe.variables)
    with trace:
        trace_layers(recipe, trace)
        trace.output("reaching", next(call.input for call in trace.calls if call.path == path))
    return trace.finish()


def _objective(recipe: Recipe, trace: Trace, weighted: bool) -> Value:
    """Add inputs, layers, loss and metrics; return the loss with its penalties, a scalar."""
    assert recipe.loss is not None
    _, prediction = trace_layers(recipe, trace)
    target = trace.input("y", recipe.loss.target_shape(prediction.shape))
    weight = trace.input("weight", (None,)) if weighted else None
    with trace.scope("loss"):
        if trace.target_shares:
            loss = _mixed_loss(recipe.loss, trace, target, prediction, weight)
        else:
            losses = recipe.loss(target, prediction)  # (None, ...)
            loss = recipe.loss.reduce(losses, weight, trace.penalties)
    trace.output("loss", loss)
    counted = _counted(prediction, weight)
    for name, metric in recipe.metrics.items():
        with trace.scope(name):
            trace.output(name, metric.update(target, prediction, counted))
    return loss


def _counted(prediction: Value, weight: Value | None) -> Value | None:
    """Return what samples, or the steps of each, count: padding does not."""
    mask = prediction.mask
    if mask is None or len(prediction.shape) < 3:
        return weight
    return mask if weight is None else mask * ops.expand_dims(weight, 1)


def _mixed_loss(
    loss: Loss, trace: Trace, target: Value, prediction: Value, weight: Value | None
) -> Value:
    """Return the loss where a layer mixed samples: each target, with its weight, for its share."""
    total = None
    for distance, share in trace.target_shares.items():
        losses = loss(ops.roll(target, distance), prediction)
        shared = losses * ops.reshape(share, (None, *[1] * (len(losses.shape) - 1)))
        shared = shared if losses.mask is None else ops.with_mask(shared, losses.mask)
        moved = None if weight is None else ops.roll(weight, distance)
        part = loss.reduce(shared, moved, [] if total is not None else trace.penalties)
        total = part if total is None else total + part
    assert total is not None
    return total


def evaluate_program(recipe: Recipe, weighted: bool) -> _core.Program:
    """Return the program from x, y and perhaps weight to loss and metrics."""
    trace = Trace(training=False, variables=recipe.variables)
    with trace:
        _objective(recipe, trace, weighted)
    return trace.finish()


def train_program(recipe: Recipe, weighted: bool) -> tuple[_core.Program, Slots]:
    """Return the same with layers as in training and an update, and what state that keeps."""
    trace = Trace(training=True, variables=recipe.variables)
    with trace:
        loss = _objective(recipe, trace, weighted)
        gradients = trace.gradient(loss, _trained_weights(recipe, trace))
        slots = recipe.optimizer.apply(trace, recipe.variables, gradients)
    return trace.finish(), slots


def gradient_program(recipe: Recipe, weighted: bool) -> _core.Program:
    """Return the program from x, y and perhaps weight to the loss and its gradients."""
    trace = Trace(training=False, variables=recipe.variables)
    with trace:
        loss = _objective(replace(recipe, metrics={}), trace, weighted)
        gradients = trace.gradient(loss, _trained_weights(recipe, trace))
        for variable, gradient in zip(recipe.variables.trainable, gradients, strict=True):
            trace.output(f"d_{variable.name}", gradient)
    return trace.finish()


def backward_program(recipe: Recipe, training: bool) -> _core.Program:
    """Return the program from x and d_prediction to d_x and the gradient of each trained weight."""
    trace = _Recomputation(training=training, variables=recipe.variables)
    with trace:
        x, prediction = trace_layers(recipe, trace)
        seed = trace.input("d_prediction", prediction.shape)
        gradients = trace.gradient(prediction, [x, *_trained_weights(recipe, trace)], seed)
        names = ["x", *(variable.name for variable in recipe.variables.trainable)]
        for name, gradient in zip(names, gradients, strict=True):
            trace.output(f"d_{name}", gradient)
    return trace.finish()


def layers_program(recipe: Recipe) -> _core.Program:
    """Return the program from x to the output of each layer, those within another too."""
    trace = Trace(training=False, variables=recipe.variables)
    with trace:
        trace_layers(recipe, trace)
        for call in trace.calls:
            trace.output(call.path, call.output)
    return trace.finish()


def score_program(recipe: Recipe, path: str | None) -> _core.Program:
    """Return the program from x and d_score to what a layer puts out, and the gradient of it.

    The score is the prediction; before the softmax or sigmoid where the network ends in one, which
    flattens it. Without a path the gradient alone is put out, that of x.
    """
    trace = Trace(training=False, variables=recipe.variables)
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
    return [trace.weights[variable.name] for variable in recipe.variables.trainable]
