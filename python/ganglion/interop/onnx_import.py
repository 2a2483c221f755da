"""Reading an ONNX file as a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ganglion import layers
from ganglion.interop.axis_order import composed, is_none, moved_before, with_setting
from ganglion.interop.graph import GraphReader, Node, Piece, weights_of
from ganglion.interop.onnx_attention import find as find_attention
from ganglion.interop.onnx_composites import find, regions
from ganglion.interop.onnx_convolution import CONVOLUTIONS
from ganglion.interop.onnx_images import IMAGES
from ganglion.interop.onnx_layers import LAYERS, Refused, rescaling
from ganglion.interop.onnx_reading import RECURRENT, OnnxFile, OnnxNode
from ganglion.interop.onnx_recurrent_layers import find as find_recurrent

_READ = LAYERS | IMAGES | CONVOLUTIONS
# They have a bias and an activation of their own.
_PRODUCTS = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv2DTranspose)


def load(make: Callable[..., Any], path: str | os.PathLike[str], output: str | None) -> Any:
    """Return the network of a file; see `Sequential.from_onnx`.

    Parameters
    ----------
    make : callable
        The class, called with layers and dtype.
    path : str or path
        The file.
    output : str or None
        The result that is wanted.
    """
    try:
        file = OnnxFile(path, output)
        pieces = _OnnxReader(file).chain(file.nodes[0], file.nodes[-1])
        chain = [layers.Input(file.input_shape), *(piece.layer for piece in pieces)]
        net = make(layers=chain, dtype=file.dtype)
        net.set_weights(weights_of(pieces))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if str(error).startswith("[from_onnx]"):
            raise
        raise ValueError(f"[from_onnx] {os.fspath(path)} cannot be read: {error}") from error
    return net


class _OnnxReader(GraphReader):
    """Reads the nodes of a file as layers."""

    merges = {
        "Add": "add",
        "Sum": "add",
        "Sub": "subtract",
        "Mul": "multiply",
        "Max": "maximum",
        "Min": "minimum",
        "Mean": "average",
        "Concat": "concat",
    }

    def __init__(self, file: OnnxFile) -> None:
        super().__init__("from_onnx", file.nodes)
        self._file = file
        self._order: dict[Node, int] = {node: place for place, node in enumerate(file.nodes)}

    def pieces_of(self, node: Node) -> list[Piece]:
        assert isinstance(node, OnnxNode)
        if node.kind not in _READ:
            if node.kind in self.merges:
                raise self.refused(node, "needs several results that are no constants")
            raise self.unsupported(node)
        try:
            return _READ[node.kind](node, self._file.opset)
        except Refused as error:
            raise self.refused(node, f"cannot be read: {error}") from None

    def merge_settings(self, node: Node) -> dict[str, Any]:
        assert isinstance(node, OnnxNode)
        if any(operand is not None for operand in node.operands):
            raise self.refused(node, "combines several results and a constant")
        if node.kind == "Concat":
            return {"axis": node.attributes["axis"]}
        return {}

    def append(self, pieces: list[Piece], piece: Piece) -> None:
        """Put a layer behind others, or into the last of them where that is the same."""
        if not pieces:
            pieces.append(piece)
            return
        last = pieces[-1]
        joined = _joined(last, piece)
        if joined is not None:
            pieces[-1] = joined
        elif isinstance(last.layer, layers.Permute) and self._swap(pieces, piece):
            pass
        else:
            pieces.append(piece)

    def _swap(self, pieces: list[Piece], piece: Piece) -> bool:
        """Put a layer before the `Permute` that is the last one, or cancel that; tell if it was."""
        permute = pieces[-1]
        assert isinstance(permute.layer, layers.Permute)
        order = permute.layer.dims
        if isinstance(piece.layer, layers.Permute):
            pieces.pop()
            both = composed(order, piece.layer.dims)
            if not is_none(both):
                pieces.append(Piece(layers.Permute(both), []))
            return True
        before = moved_before(order, piece.layer)
        if before is None:
            return False
        pieces.pop()
        self.append(pieces, Piece(before, piece.weights))
        pieces.append(permute)
        return True

    def composite(self, node: Node) -> tuple[Node, list[Piece]] | None:
        assert isinstance(node, OnnxNode)
        if node.kind == "Gather" and node.inputs[0].kind == "Cast":  # of ids to integers
            return self.dominator(node.inputs[0]), self.pieces_of(node)
        try:
            recurrent = find_recurrent(node)
        except Refused as error:
            raise self.refused(node, f"cannot be read: {error}") from None
        if recurrent is not None:
            return recurrent
        attention = find_attention(self._file, node, self.dominator, self._order)
        if attention is not None:
            return attention[0], [attention[1]]
        for start, region in regions(node, self.dominator, self._order):
            piece = find(self._file, start, region)
            if piece is not None:
                return start, [piece]
        return None

    @property
    def supported(self) -> list[str]:
        return list({*_READ, *RECURRENT, *self.merges})


def _joined(last: Piece, piece: Piece) -> Piece | None:
    """Return one layer that is two: a product and its bias, a layer and its activation."""
    product = last.layer
    if isinstance(product, _PRODUCTS) and product.activation is None:
        if isinstance(piece.layer, layers.Activation):
            return Piece(with_setting(product, activation=piece.layer.activation), last.weights)
        if isinstance(piece.layer, layers.Rescaling) and not product.use_bias:
            return _with_bias(last, piece.layer)
    if isinstance(last.layer, layers.Rescaling) and isinstance(piece.layer, layers.Rescaling):
        first = np.asarray(last.layer.scale), np.asarray(last.layer.offset)
        scale, offset = np.asarray(piece.layer.scale), np.asarray(piece.layer.offset)
        return rescaling(first[0] * scale, first[1] * scale + offset)
    return None


def _with_bias(product: Piece, added: layers.Rescaling) -> Piece | None:
    transposed = isinstance(product.layer, layers.Conv2DTranspose)
    units = product.weights[0].shape[-2 if transposed else -1]
    offset = np.asarray(added.offset)
    if np.any(np.asarray(added.scale) != 1.0) or offset.size not in (1, units):
        return None
    if offset.ndim and offset.shape[-1] != offset.size:
        return None
    bias = np.broadcast_to(offset.reshape(-1), (units,))
    return Piece(with_setting(product.layer, use_bias=True), [*product.weights, bias])
