"""Where a layer or an activation is one operator in ONNX, so that a graph reads like the network.

All else is written operation by operation, and computes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ganglion import activations, layers
from ganglion.calls import ActivationCall, LayerCall
from ganglion.interop import onnx_recurrence as recurrence
from ganglion.interop.onnx_nodes import OnnxNodes
from ganglion.ops.pooling import windows_over
from ganglion.tracing import Trace
from ganglion.value import Value


class Form(NamedTuple):
    """One way to write a result: from which values, and with which nodes."""

    inputs: list[int]
    write: Callable[[OnnxNodes, list[str]], str]


def operator(op_type: str, inputs: list[int], **attributes: Any) -> Form:
    """Return the form that is one node."""
    return Form(inputs, lambda nodes, names: nodes.add(op_type, *names, **attributes))


def _clip(x: Value, most: float) -> Form:
    def write(nodes: OnnxNodes, names: list[str]) -> str:
        return nodes.add("Clip", names[0], nodes.numbers(0.0), nodes.numbers(most))

    return Form([x.id], write)


# Of an exact class: one derived from it may compute something else.
_ACTIVATIONS: dict[type[Any], Callable[[Any, Value], Form | None]] = {
    activations.LeakyReLU: lambda a, x: operator("LeakyRelu", [x.id], alpha=a.negative_slope),
    activations.ReLU6: lambda a, x: _clip(x, 6.0),
    activations.ReLU: lambda a, x: (
        _clip(x, a.max_value)
        if a.max_value is not None and a.negative_slope == 0 and a.threshold == 0
        else None
    ),
}
# ONNX Runtime has these in float32 alone.
_IN_FLOAT32: dict[type[Any], Callable[[Any, Value], Form | None]] = {
    activations.ELU: lambda a, x: operator("Elu", [x.id], alpha=a.alpha),
    activations.SELU: lambda a, x: operator("Selu", [x.id]),
    activations.Softsign: lambda a, x: operator("Softsign", [x.id]),
    activations.HardSigmoid: lambda a, x: operator("HardSigmoid", [x.id], alpha=1 / 6, beta=0.5),
}


def _prelu(call: ActivationCall, trace: Trace) -> Form:
    return operator("PRelu", [call.input.id, trace.weights[f"{call.path}/alpha"].id])


def _batch_normalization(call: LayerCall, trace: Trace) -> Form | None:
    layer, x = call.layer, call.input
    assert isinstance(layer, layers.BatchNormalization)
    if layer.axis % len(x.shape) != 1:  # ONNX's features are on axis 1
        return None
    found = {
        name: trace.weights[f"{call.path}/{name}"].id
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
        if f"{call.path}/{name}" in trace.weights
    }
    size = x.shape[1] or 1

    def write(nodes: OnnxNodes, names: list[str]) -> str:
        given = dict(zip(found, names[1:], strict=True))
        gamma = given.get("gamma") or nodes.numbers(np.ones(size))
        beta = given.get("beta") or nodes.numbers(np.zeros(size))
        return nodes.add(
            "BatchNormalization",
            *(names[0], gamma, beta, given["moving_mean"], given["moving_variance"]),
            epsilon=layer.epsilon,
            momentum=layer.momentum,
        )

    return Form([x.id, *found.values()], write)


def _layer_normalization(call: LayerCall, trace: Trace) -> Form | None:
    layer, x = call.layer, call.input
    assert isinstance(layer, layers.LayerNormalization)
    rank = len(x.shape)
    axes = sorted(axis % rank for axis in np.atleast_1d(layer.axis))
    if axes != list(range(axes[0], rank)):  # ONNX's are the last ones
        return None
    sizes = x.shape[axes[0] :]
    found = {
        name: trace.weights[f"{call.path}/{name}"].id
        for name in ("gamma", "beta")
        if f"{call.path}/{name}" in trace.weights
    }

    def write(nodes: OnnxNodes, names: list[str]) -> str:
        given = dict(zip(found, names[1:], strict=True))
        gamma = given.get("gamma") or nodes.numbers(np.ones([size or 1 for size in sizes]))
        weights = [gamma, given["beta"]] if "beta" in given else [gamma]
        return nodes.add(
            "LayerNormalization", names[0], *weights, axis=int(axes[0]), epsilon=layer.epsilon
        )

    return Form([x.id, *found.values()], write)


def _average_pooling(call: LayerCall, trace: Trace) -> Form | None:
    layer, x = call.layer, call.input
    assert isinstance(layer, (layers.AveragePooling1D, layers.AveragePooling2D))
    axes = layer.axes
    windows = windows_over(
        type(layer).__name__, x, layer.pool_size, layer.strides, layer.window_padding
    )
    window, strides, before, after = (
        windows[name][-axes:] for name in ("window", "strides", "before", "after")
    )
    first, last = [0, axes + 1, *range(1, axes + 1)], [0, *range(2, axes + 2), 1]

    def write(nodes: OnnxNodes, names: list[str]) -> str:
        means = nodes.add(
            "AveragePool",
            nodes.add("Transpose", names[0], perm=first),
            kernel_shape=window,
            strides=strides,
            pads=[*before, *after],
        )
        return nodes.add("Transpose", means, perm=last)

    return Form([x.id], write)


def _global_pooling(op_type: str) -> Callable[[LayerCall, Trace], Form | None]:
    def form(call: LayerCall, trace: Trace) -> Form | None:
        if call.input.mask is not None:
            return None
        axes = list(range(1, len(call.input.shape) - 1))
        keepdims = len(call.output.shape) == len(call.input.shape)
        return operator(op_type, [call.input.id], axes=axes, keepdims=int(keepdims))

    return form


def _group_normalization(call: LayerCall, trace: Trace) -> Form:
    """Return the normalisation of rows, one of each group of channels."""
    layer, x = call.layer, call.input
    assert isinstance(layer, layers.GroupNormalization)
    *sizes, channels = (size or 1 for size in x.shape[1:])
    groups = channels if layer.groups == -1 else layer.groups
    first = [0, len(sizes) + 1, *range(1, len(sizes) + 1)]
    found = [
        trace.weights[f"{call.path}/{name}"].id
        for name in ("gamma", "beta")
        if f"{call.path}/{name}" in trace.weights
    ]

    def write(nodes: OnnxNodes, names: list[str]) -> str:
        y = nodes.add("Transpose", names[0], perm=first)
        rows = nodes.add(
            "Reshape", y, nodes.integers([-1, groups, int(np.prod(sizes)) * channels // groups])
        )
        rows = nodes.add("Sub", rows, nodes.add("ReduceMean", rows, axes=[-1]))
        variance = nodes.add("ReduceMean", nodes.add("Mul", rows, rows), axes=[-1])
        deviation = nodes.add("Sqrt", nodes.add("Add", variance, nodes.numbers(layer.epsilon)))
        rows = nodes.add("Div", rows, deviation)
        y = nodes.add("Reshape", rows, nodes.integers([-1, channels, *sizes]))
        y = nodes.add("Transpose", y, perm=list(np.argsort(first)))
        for op_type, name in zip(
            ["Mul"] * layer.scale + ["Add"] * layer.center, names[1:], strict=True
        ):
            y = nodes.add(op_type, y, name)
        return y

    return Form([x.id, *found], write)


def _recurrent(call: LayerCall, trace: Trace) -> Form | None:
    found = recurrence.directions(call)
    if found is None:
        return None
    weights = recurrence.weights_of(call, trace, found)
    inputs = [call.input.id, *(weight for one in weights for weight in one)]
    return Form(inputs, recurrence.writer(found, [len(one) for one in weights]))


# In both precisions.
_LAYERS: dict[type[Any], Callable[[LayerCall, Trace], Form | None]] = {
    layers.BatchNormalization: _batch_normalization,
    layers.GlobalAveragePooling1D: _global_pooling("ReduceMean"),
    layers.GlobalAveragePooling2D: _global_pooling("ReduceMean"),
    layers.GlobalMaxPooling1D: _global_pooling("ReduceMax"),
    layers.GlobalMaxPooling2D: _global_pooling("ReduceMax"),
    layers.GroupNormalization: _group_normalization,
}
# The moments of ONNX's layer normalisation are taken in float32, unless an attribute that runtimes
# ignore says otherwise. ONNX Runtime has averages and recurrence in float32 alone.
_LAYERS_IN_FLOAT32: dict[type[Any], Callable[[LayerCall, Trace], Form | None]] = {
    layers.LayerNormalization: _layer_normalization,
    layers.AveragePooling1D: _average_pooling,
    layers.AveragePooling2D: _average_pooling,
    layers.Bidirectional: _recurrent,
    layers.LSTM: _recurrent,
    layers.GRU: _recurrent,
    layers.SimpleRNN: _recurrent,
}


def forms_of(trace: Trace, dtype: str) -> dict[int, Form]:
    """Return the form of each result that has one, by its number in the program."""
    known = _ACTIVATIONS | _IN_FLOAT32 if dtype == "float32" else _ACTIVATIONS
    found: dict[int, Form | None] = {}
    for call in trace.activations:
        kind = type(call.activation)
        if kind is activations.PReLU:
            found[call.output.id] = _prelu(call, trace)
        elif kind in known and call.input.id != call.output.id:
            found[call.output.id] = known[kind](call.activation, call.input)
    written = _LAYERS | _LAYERS_IN_FLOAT32 if dtype == "float32" else _LAYERS
    for layer_call in trace.calls:
        form = written.get(type(layer_call.layer))
        if form is not None:
            found[layer_call.output.id] = form(layer_call, trace)
    return {value: form for value, form in found.items() if form is not None}
