"""Attention that an ONNX graph computes with several nodes, told by their values.

Where the scores are made and where they are used are products of two results; what stands before,
between and behind them is linear, so that its weights are read from what it gives for zeros and
for each unit vector. The layer is then compared with the nodes on random sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ganglion import layers, ops
from ganglion.interop.graph import Node, Piece
from ganglion.interop.onnx_reading import OnnxFile, OnnxNode

Array = NDArray[Any]

# fmt: off
_KINDS = frozenset({
    "MatMul", "Gemm", "Add", "Sub", "Mul", "Div", "Sqrt", "Cast", "Reshape", "Transpose", "Squeeze",
    "Unsqueeze", "Softmax", "Where", "Slice", "Gather", "Split", "Identity",
})
# fmt: on
# What hides a step from others is at least so far below their scores.
_HIDDEN = -1e4
_TOLERANCE = 1e-4


class _Region:
    """Nodes between one and another, and what they compute."""

    def __init__(self, file: OnnxFile, nodes: list[OnnxNode]) -> None:
        self._file, self.nodes = file, nodes

    def run(self, start: OnnxNode, end: OnnxNode, x: Array) -> Array:
        """Return the result of a node for one of ``start``."""
        needed: set[Node] = set()
        waiting: list[Node] = [end]
        while waiting:
            node = waiting.pop()
            if node is not start and node not in needed:
                needed.add(node)
                waiting += node.inputs
        nodes = [node for node in self.nodes if node in needed]
        return self._file.evaluate(nodes, start, x).astype(np.float64) if nodes else x


def find(
    file: OnnxFile, node: OnnxNode, dominator_of: Callable[[Node], Node], order: dict[Node, int]
) -> tuple[OnnxNode, Piece] | None:
    """Return where attention that ends in a node begins, and the layer; or None.

    Parameters
    ----------
    file : OnnxFile
        Where it stands.
    node : OnnxNode
        The last of its nodes.
    dominator_of : callable
        Gives the nearest node that all paths to a node go through.
    order : dict of Node to int
        The places of all nodes, each behind its inputs.
    """
    if len(node.inputs) != 1:
        return None
    start: Node = node
    while start.inputs and (start is node or cast(OnnxNode, start).kind in _KINDS):
        start = dominator_of(start)
        nodes: set[Node] = set()
        waiting: list[Node] = [node]
        while waiting:
            one = waiting.pop()
            if one is not start and one not in nodes:
                nodes.add(one)
                waiting += one.inputs
        found = cast(list[OnnxNode], sorted(nodes, key=order.__getitem__))
        if any(one.kind not in _KINDS for one in found):
            return None
        products = [one for one in found if one.kind == "MatMul" and len(one.inputs) == 2]
        if len(products) > 2:
            return None
        if len(products) == 2 and sum(one.kind == "Softmax" for one in found) == 1:
            begin = cast(OnnxNode, start)
            piece = _attention(_Region(file, found), begin, node, products)
            return None if piece is None else (begin, piece)
    return None


def _attention(
    region: _Region, start: OnnxNode, end: OnnxNode, products: list[OnnxNode]
) -> Piece | None:
    scores, seen = products
    softmax = next(one for one in region.nodes if one.kind == "Softmax")
    if start.output_shape is None or len(start.output_shape) != 2 or softmax not in seen.inputs:
        return None
    steps, features = start.output_shape
    query, key = cast(list[OnnxNode], scores.inputs)
    value = cast(OnnxNode, seen.inputs[1])
    units = np.concatenate([np.zeros((1, features)), np.eye(features)])
    x = np.repeat(units[:, None, :], steps, axis=1)
    try:
        parts = [region.run(start, one, x) for one in (query, key, value)]
        parts[1] = parts[1].swapaxes(-1, -2)  # (samples, heads, steps, width), as the others
        if any(part.ndim != 4 or len(part) != len(x) for part in parts):
            return None
        heads, value_dim = parts[2].shape[1], parts[2].shape[3]
        between = [
            region.run(scores, cast(OnnxNode, softmax.inputs[0]), np.full(shape, number))
            for shape in [(1, heads, steps, steps)]
            for number in (0.0, 1.0)
        ]
        context = np.zeros((1 + heads * value_dim, heads, steps, value_dim))
        for place in range(heads * value_dim):
            context[1 + place, place // value_dim, :, place % value_dim] = 1.0
        outputs = region.run(seen, end, context)
        sample = np.random.default_rng(0).normal(size=(3, steps, features))
        theirs = region.run(start, end, sample)
    except Exception:  # shapes that hold the number of samples, or nodes that cannot be run
        return None
    hidden, causal = between[0][0, 0] < _HIDDEN, np.triu(np.ones((steps, steps)), 1) > 0
    if hidden.any() and (hidden != causal).any():
        return None
    key_dim = parts[0].shape[3]
    scale = (between[1] - between[0])[0, 0, 0, 0] * np.sqrt(key_dim)
    weights = []
    for part, factor in zip(parts, (scale, 1.0, 1.0), strict=True):
        bias = factor * part[0, :, 0]
        weights += [factor * part[1:, :, 0] - bias, bias]
    shape = outputs.shape[2:]
    kernel = (outputs[1:, 0] - outputs[0, 0]).reshape(heads, value_dim, *shape)
    weights += [kernel, outputs[0, 0]]
    layer = layers.MultiHeadAttention(
        heads,
        key_dim,
        None if value_dim == key_dim else value_dim,
        output_shape=None if shape == (features,) else shape,
        causal=bool(hidden.any()),
    )
    return Piece(layer, weights) if _same(layer, weights, sample, theirs) else None


def _same(layer: layers.Layer, weights: list[Array], x: Array, theirs: Array) -> bool:
    """Whether a layer with these weights computes what the nodes do."""
    if not all(np.isfinite(weight).all() for weight in weights):
        return False
    parts = ("query", "key", "value", "attention_output")
    names = [f"{part}/{name}" for part in parts for name in ("kernel", "bias")]
    given = dict(zip(names, weights, strict=True))

    class Held(layers.MultiHeadAttention, registered=False):
        """The layer, with its weights as constants."""

        def add_weight(self, name: str, *arguments: Any, **settings: Any) -> Any:
            return ops.constant(given[name])

    settings = {name: getattr(layer, name) for name in ("num_heads", "key_dim", "value_dim")}
    settings |= {name: getattr(layer, name) for name in ("output_shape", "causal")}
    ours = ops.evaluate(Held(**settings), x)
    return ours.shape == theirs.shape and bool(
        np.allclose(ours, theirs, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(theirs).max())
    )
