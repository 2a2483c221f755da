"""Recurrent layers as ONNX's LSTM, GRU and RNN, and what both sides call things.

ONNX has the steps first, one more axis for the directions, the outputs of a kernel before its
inputs, and the gates of the LSTM in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ganglion import activations, layers
from ganglion.activations import Activation
from ganglion.calls import LayerCall
from ganglion.interop.onnx_nodes import OnnxNodes
from ganglion.layers.recurrent import Recurrent
from ganglion.tracing import Trace

OPERATORS: dict[type[Recurrent], str] = {
    layers.LSTM: "LSTM",
    layers.GRU: "GRU",
    layers.SimpleRNN: "RNN",
}
# For each gate of ONNX's, in its order, the place of ours.
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2), "RNN": (0,)}
# An activation's name and, where it has them, its numbers.
Named = tuple[str, tuple[float, ...]]

# What ONNX calls activations within a recurrent layer, and alpha and beta where it has them.
NAMES: dict[str, tuple[Activation | None, tuple[float, ...]]] = {
    "Tanh": (activations.Tanh(), ()),
    "Sigmoid": (activations.Sigmoid(), ()),
    "Relu": (activations.ReLU(), ()),
    "Elu": (activations.ELU(), (1.0,)),
    "LeakyRelu": (activations.LeakyReLU(0.01), (0.01,)),
    "HardSigmoid": (activations.HardSigmoid(), (1 / 6, 0.5)),
    "Softsign": (activations.Softsign(), ()),
    "Softplus": (activations.Softplus(), ()),
    "Affine": (None, (1.0, 0.0)),
}


def named(activation: Activation | None) -> Named | None:
    """Return what ONNX calls an activation within a recurrent layer, or None."""
    if activation == activations.Linear():
        activation = None
    found = (name for name, (known, _) in NAMES.items() if known == activation)
    return next(((name, NAMES[name][1]) for name in found), None)


def activations_of(layer: Recurrent) -> list[Activation | None]:
    """Return those of the gates and of the rest, in the order in which ONNX has them."""
    if isinstance(layer, layers.LSTM):
        return [layer.recurrent_activation, layer.activation, layer.activation]
    if isinstance(layer, layers.GRU):
        return [layer.recurrent_activation, layer.activation]
    return [layer.activation]


def _fits(layer: Recurrent, call: LayerCall) -> bool:
    """Whether ONNX's operator computes what a layer does: it knows neither padding nor states."""
    known = all(named(activation) for activation in activations_of(layer))
    return type(layer) in OPERATORS and known and call.input.mask is None and not layer.stateful


def directions(call: LayerCall) -> list[Recurrent] | None:
    """Return the layers, one or two, of a call that is one operator in ONNX, or None."""
    layer = call.layer
    if call.has_initial_state:
        return None
    if isinstance(layer, layers.Bidirectional):
        both = [layer.layer, layer._backward]
        alike = type(both[0]) is type(both[1]) and both[0].units == both[1].units
        same = all(
            getattr(both[0], name, None) == getattr(both[1], name, None)
            for name in ("return_sequences", "reset_after")
        )
        joined = layer.merge_mode == "concat" and not both[0].go_backwards
        return both if alike and same and joined and all(_fits(x, call) for x in both) else None
    assert isinstance(layer, Recurrent)
    return [layer] if _fits(layer, call) else None


def weights_of(call: LayerCall, trace: Trace, found: Sequence[Recurrent]) -> list[list[int]]:
    """Return for each direction its weights: the kernels and, where there is one, the bias."""
    paths = [call.path]
    if isinstance(call.layer, layers.Bidirectional):
        inner = [one.path for one in trace.calls if one.path.startswith(f"{call.path}/")]
        paths = [path for path in inner if f"{path}/kernel" in trace.weights]
    names = ("kernel", "recurrent_kernel", "bias")
    return [
        [trace.weights[f"{path}/{name}"].id for name in names if f"{path}/{name}" in trace.weights]
        for path in paths[: len(found)]
    ]


def writer(
    found: Sequence[Recurrent], counts: Sequence[int]
) -> Callable[[OnnxNodes, list[str]], str]:
    """Return what writes layers that are one operator.

    Parameters
    ----------
    found : sequence of Recurrent
        One, or the two of both directions.
    counts : sequence of int
        How many weights each has.
    """
    layer = found[0]
    op_type = OPERATORS[type(layer)]

    def write(nodes: OnnxNodes, names: list[str]) -> str:
        x = nodes.add("Transpose", names[0], perm=[1, 0, 2])
        rest, parts = iter(names[1:]), []
        for one, count in zip(found, counts, strict=True):
            given = [next(rest) for _ in range(count)]
            parts.append(_direction(nodes, op_type, one, given, biased=max(counts) > 2))
        joined = [
            nodes.add("Concat", *part, axis=0) if len(part) > 1 else part[0]
            for part in zip(*parts, strict=True)
        ]
        backwards = "reverse" if layer.go_backwards else "forward"
        settings: dict[str, Any] = {
            "hidden_size": layer.units,
            "direction": "bidirectional" if len(found) > 1 else backwards,
            **_attributes([one for each in found for one in activations_of(each)]),
        }
        if isinstance(layer, layers.GRU):
            settings["linear_before_reset"] = int(layer.reset_after)
        results = nodes.add_several(op_type, [x, *joined], 2, **settings)
        width = len(found) * layer.units
        if not layer.return_sequences:
            last = nodes.add("Transpose", results[1], perm=[1, 0, 2])
            return nodes.add("Reshape", last, nodes.integers([-1, width]))
        y = nodes.add("Transpose", results[0], perm=[2, 0, 1, 3])
        y = nodes.add("Reshape", y, nodes.integers([0, 0, width]))
        return _turned(nodes, y) if len(found) == 1 and layer.go_backwards else y

    return write


def _direction(
    nodes: OnnxNodes, op_type: str, layer: Recurrent, given: list[str], biased: bool
) -> list[str]:
    """Return kernel, recurrent kernel and, where one has it, bias of a direction as ONNX does."""
    units, gates = layer.units, layer.gates
    order = np.concatenate([np.arange(units) + place * units for place in GATES[op_type]])
    found = []
    for name in given[:2]:
        turned = nodes.add("Transpose", name, perm=[1, 0])
        found.append(_rows(nodes, turned, order))
    if not biased:
        return found
    if len(given) < 3:
        bias = nodes.numbers(np.zeros((1, 2 * gates * units)))
    elif isinstance(layer, layers.GRU) and layer.reset_after:  # has both already
        bias = nodes.add("Reshape", given[2], nodes.integers([1, -1]))
    else:
        own = _rows(nodes, given[2], order)
        bias = nodes.add("Concat", own, nodes.numbers(np.zeros((1, gates * units))), axis=1)
    return [*found, bias]


def _rows(nodes: OnnxNodes, name: str, order: Any) -> str:
    if np.any(order != np.arange(len(order))):
        name = nodes.add("Gather", name, nodes.integers(order), axis=0)
    return nodes.add("Unsqueeze", name, nodes.integers([0]))


def _turned(nodes: OnnxNodes, y: str) -> str:
    bounds = (-1, np.iinfo(np.int64).min, 1, -1)
    return nodes.add("Slice", y, *(nodes.integers([bound]) for bound in bounds))


def _attributes(chosen: Sequence[Activation | None]) -> dict[str, Any]:
    """Return the names of activations, and the numbers of those that have some, in order."""
    known = [one for one in map(named, chosen) if one is not None]
    attributes: dict[str, Any] = {"activations": [name for name, _ in known]}
    for place, name in enumerate(("activation_alpha", "activation_beta")):
        numbers = [values[place] for _, values in known if len(values) > place]
        if numbers:
            attributes[name] = numbers
    return attributes
