"""Reading a Keras model as a chain of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganglion import layers
from ganglion.interop.graph import GraphReader, Node, Piece, weights_of
from ganglion.interop.keras_layers import (
    MODELS,
    NOTHING,
    KerasNode,
    attending_to_itself,
    config_of,
    node_of,
    read_layer,
    supported,
    tensors_in,
)

_ANY_GRAPH = "ganglion.Model.from_keras reads any graph"


def load(make: Callable[..., Any], model: Any) -> Any:
    """Return the network of a model; see `Sequential.from_keras`.

    Parameters
    ----------
    make : callable
        The class, called with layers and dtype.
    model : keras.Model
        Sequential or functional.
    """
    nodes = _nodes_of(model)
    shape = _input_shape(model)
    pieces = _ChainReader(nodes).chain(nodes[0], nodes[-1])
    weights = weights_of(pieces)
    dtype = "float64" if any(array.dtype == np.float64 for array in weights) else "float32"
    stateful = any(getattr(piece.layer, "stateful", False) for piece in pieces)
    batch_size = model.input_shape[0] if stateful else None
    chain = [layers.Input(shape, batch_size), *(piece.layer for piece in pieces)]
    net = make(layers=chain, dtype=dtype)
    net.set_weights(weights)
    return net


def _nodes_of(model: Any) -> list[KerasNode]:
    """Return the layers of a model, each behind its inputs; the output last."""
    config = config_of(model)
    described = config["layers"]
    if "output_layers" in config:
        return _connected(model, described, config["output_layers"])
    nodes = [KerasNode("input", "InputLayer")]
    for layer in described:
        if layer["class_name"] != "InputLayer":
            nodes.append(node_of(model, layer, [nodes[-1]]))
    return nodes


def _connected(model: Any, described: list[Any], outputs: Any) -> list[KerasNode]:
    found: dict[str, KerasNode] = {}
    for layer in described:
        calls = layer["inbound_nodes"]
        if len(calls) > 1:
            raise ValueError(
                f"[from_keras] layer {layer['name']!r} is called {len(calls)} times: a layer can "
                f"be used once; {_ANY_GRAPH}"
            )
        attends = layer["class_name"] == "MultiHeadAttention"
        # Attention is called with one value as query and as value.
        names = dict.fromkeys(tensors_in(calls)) if attends else tensors_in(calls)
        inputs: list[Node] = [found[name] for name in names]
        if not calls and any(not node.inputs for node in found.values()):
            raise ValueError(f"[from_keras] model {model.name!r} must have one input; {_ANY_GRAPH}")
        found[layer["name"]] = node_of(
            model, attending_to_itself(layer) if attends else layer, inputs
        )
    if len(np.ravel(np.asarray(outputs, dtype=object))) != 3:
        raise ValueError(f"[from_keras] model {model.name!r} must have one output; {_ANY_GRAPH}")
    last = found[outputs[0] if isinstance(outputs[0], str) else outputs[0][0]]
    return [*(node for node in found.values() if node is not last), last]


def _input_shape(model: Any) -> tuple[int | None, ...]:
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) < 2 or None in shape[2:]:
        raise ValueError(f"[from_keras] the model must take samples of known sizes, got {shape}")
    return shape[1:]


class _ChainReader(GraphReader):
    """Reads the layers of a Keras model as those of a chain."""

    word = "layer"
    merges = {
        "Add": "add",
        "Subtract": "subtract",
        "Multiply": "multiply",
        "Average": "average",
        "Maximum": "maximum",
        "Minimum": "minimum",
        "Concatenate": "concat",
    }

    def __init__(self, nodes: list[KerasNode]) -> None:
        super().__init__("from_keras", nodes)

    def pieces_of(self, node: Node) -> list[Piece]:
        assert isinstance(node, KerasNode)
        if node.kind in NOTHING:
            return []
        if node.kind in MODELS:
            nodes = _nodes_of(node.layer)
            within = _ChainReader(nodes).chain(nodes[0], nodes[-1])
            for piece in within:  # names are those of another model
                piece.layer.name = None
            return within
        return [read_layer(node)]

    def merge_settings(self, node: Node) -> dict[str, Any]:
        assert isinstance(node, KerasNode)
        return {"axis": node.config["axis"]} if node.kind == "Concatenate" else {}

    @property
    def supported(self) -> list[str]:
        return list(supported() | self.merges.keys() | MODELS)

    def unsupported(self, node: Node) -> ValueError:
        error = super().unsupported(node)
        return ValueError(f"{error}; {_ANY_GRAPH}") if len(node.inputs) > 1 else error

    def refused(self, node: Node, why: str) -> ValueError:
        return ValueError(f"{super().refused(node, why)}; {_ANY_GRAPH}")
