"""What the nodes of an ONNX graph that look at images and sequences are in layers.

Functions as in `onnx_layers`. In ONNX channels come first; a layer is read between two `Permute`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import layers
from ganglion.interop.graph import Piece
from ganglion.interop.onnx_layers import Refused, Translate, number, rescaling
from ganglion.interop.onnx_reading import OnnxNode
from ganglion.ops.pooling import same_padding

Array = NDArray[Any]
Edges = list[tuple[int, int]]


def sizes_of(node: OnnxNode) -> tuple[int, ...]:
    """Return the sizes behind the channels, of one or two axes."""
    shape = node.input_shape or ()
    if len(shape) not in (2, 3):
        raise Refused(f"it must take images or sequences, got samples of shape {node.input_shape}")
    return shape[1:]


def with_channels_last(
    layer: layers.Layer, axes: int, weights: Sequence[Array] = ()
) -> list[Piece]:
    """Return a layer on so many axes and the channels between two that change their order."""
    first = (axes + 1, *range(1, axes + 1))
    last = (*range(2, axes + 2), 1)
    return [
        Piece(layers.Permute(last), []),
        Piece(layer, list(weights)),
        Piece(layers.Permute(first), []),
    ]


def windows_of(node: OnnxNode, window: Sequence[int]) -> tuple[tuple[int, ...], Edges | str]:
    """Return strides and padding of a node: ``"valid"``, ``"same"``, or before and after each axis.

    Parameters
    ----------
    node : OnnxNode
        Of pooling or a convolution.
    window : sequence of int
        Reach along each axis.
    """
    sizes, settings = sizes_of(node), node.attributes
    strides = tuple(settings.get("strides", [1] * len(sizes)))
    pads = settings.get("pads", [0] * 2 * len(sizes))
    auto = settings.get("auto_pad", b"NOTSET").decode()
    if auto == "SAME_LOWER":
        raise Refused("auto_pad is SAME_LOWER")
    edges = list(zip(pads[: len(sizes)], pads[len(sizes) :], strict=True))
    same = [same_padding(*one) for one in zip(sizes, window, strides, strict=True)]
    if auto == "VALID" or (auto == "NOTSET" and not any(pads)):
        return strides, "valid"
    return strides, "same" if auto == "SAME_UPPER" or edges == same else edges


def _pooled(node: OnnxNode, average: bool) -> list[Piece]:
    settings, sizes = node.attributes, sizes_of(node)
    window = tuple(settings["kernel_shape"])
    if any(step != 1 for step in settings.get("dilations", ())):
        raise Refused("its windows have gaps")
    strides, padding = windows_of(node, window)
    spans = list(zip(sizes, window, strides, strict=True))
    if settings.get("ceil_mode", 0):
        if padding != "valid":
            raise Refused("ceil_mode with padding")
        # One more window, where it begins within the input.
        padding = [(0, -(size - length) % step) for size, length, step in spans]
    zeros: list[Piece] = []
    if average and padding != "valid" and settings.get("count_include_pad", 0):
        edges = [same_padding(*span) for span in spans] if padding == "same" else padding
        zeros, padding = [Piece(_zero_padding(edges), [])], "valid"
    kinds = {
        (1, False): layers.MaxPooling1D,
        (2, False): layers.MaxPooling2D,
        (1, True): layers.AveragePooling1D,
        (2, True): layers.AveragePooling2D,
    }
    given = padding if isinstance(padding, str) else _setting(padding)
    layer = kinds[len(sizes), average](window, strides, given)
    to_last, pooling, to_first = with_channels_last(layer, len(sizes))
    return [to_last, *zeros, pooling, to_first]


def _setting(edges: Edges) -> Any:
    """Return widths as a layer takes them: of one axis, or of each of two."""
    return edges[0] if len(edges) == 1 else tuple(edges)


def _zero_padding(edges: Any) -> layers.Layer:
    kind = layers.ZeroPadding1D if len(edges) == 1 else layers.ZeroPadding2D
    return kind(_setting(edges))


def _pooled_globally(node: OnnxNode, average: bool, keepdims: bool = True) -> list[Piece]:
    """Return pooling over the axes behind the channels, (channels, ...)."""
    axes = len(sizes_of(node))
    kinds = {
        (1, False): layers.GlobalMaxPooling1D,
        (2, False): layers.GlobalMaxPooling2D,
        (1, True): layers.GlobalAveragePooling1D,
        (2, True): layers.GlobalAveragePooling2D,
    }
    pieces = with_channels_last(kinds[axes, average](keepdims=keepdims), axes)
    return pieces if keepdims else pieces[:-1]


def _reduced(node: OnnxNode, average: bool) -> list[Piece]:
    rank = len(node.input_shape or ()) + 1
    given = node.attributes.get("axes")
    if given is None and len(node.operands) > 1 and node.operands[1] is not None:
        given = node.operands[1].tolist()
    axes = sorted(axis % rank for axis in given or ())
    keepdims = bool(node.attributes.get("keepdims", 1))
    if axes == list(range(2, rank)):
        return _pooled_globally(node, average, keepdims)
    if rank in (3, 4) and axes == list(range(1, rank - 1)):  # channels last
        pieces = _pooled_globally(node, average, keepdims)[1:]
        return pieces[:1]
    raise Refused(f"axes {axes} of {rank}: only those of an image or a sequence can be reduced")


def _edges_along(node: OnnxNode, widths: Array, make: Any) -> list[Piece]:
    """Return the layer of widths (axes, 2) before and after each axis of a sample."""
    if not widths.any():
        return []
    rank = len(widths)
    pairs = [(int(before), int(after)) for before, after in widths]
    if rank in (2, 3) and not widths[-1].any():
        edges = pairs[:-1]
    elif rank in (2, 3) and not widths[0].any():
        edges = pairs[1:]
    else:
        raise Refused("it changes other axes than those of an image or a sequence")
    layer = make[len(edges)](_setting(edges))
    if edges == pairs[:-1]:
        return [Piece(layer, [])]
    return with_channels_last(layer, len(edges))


def _pad(node: OnnxNode, opset: int) -> list[Piece]:
    mode = node.attributes.get("mode", b"constant").decode()
    pads = node.attributes.get("pads") if len(node.operands) < 2 else node.operands[1]
    fill = node.operands[2] if len(node.operands) > 2 else node.attributes.get("value", 0.0)
    if pads is None or mode != "constant" or (fill is not None and np.any(fill)):
        raise Refused("it must put zeros around, as many as a constant says")
    rank = len(node.input_shape or ()) + 1
    widths = np.zeros((rank, 2), dtype=int)
    given = node.operands[3] if len(node.operands) > 3 else None
    widths[slice(None) if given is None else given] = np.reshape(pads, (2, -1)).T
    if widths[0].any() or (widths < 0).any():
        raise Refused(f"pads {np.ravel(pads).tolist()}")
    kinds = {1: layers.ZeroPadding1D, 2: layers.ZeroPadding2D}
    return _edges_along(node, widths[1:], kinds)


def _slice(node: OnnxNode, opset: int) -> list[Piece]:
    if len(node.operands) > 1:
        starts, stops, *others = node.operands[1:]
        axes = others[0] if others else None
        steps = others[1] if len(others) > 1 else None
    else:
        starts, stops = (np.asarray(node.attributes[name]) for name in ("starts", "ends"))
        axes, steps = node.attributes.get("axes"), None
    if starts is None or stops is None or (steps is not None and np.any(steps != 1)):
        raise Refused("it must cut out what constants say, without steps")
    shape = node.input_shape or ()
    widths = np.zeros((len(shape) + 1, 2), dtype=int)
    for axis, start, stop in zip(
        range(len(starts)) if axes is None else axes, starts, stops, strict=True
    ):
        axis = axis % len(widths)
        if axis == 0:
            raise Refused("it cuts the samples")
        start, stop, _ = slice(int(start), int(stop)).indices(shape[axis - 1])
        widths[axis] = start, shape[axis - 1] - stop
    kinds = {1: layers.Cropping1D, 2: layers.Cropping2D}
    return _edges_along(node, widths[1:], kinds)


def _resize(node: OnnxNode, opset: int) -> list[Piece]:
    before, after = node.input_shape, node.output_shape
    if before is None or after is None or len(before) != 3 or before[0] != after[0]:
        raise Refused("it must give images (channels, height, width) another size")
    mode = node.attributes.get("mode", b"nearest").decode()
    places = node.attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    factors = [new / old for old, new in zip(before[1:], after[1:], strict=True)]
    scales = node.operands[2] if len(node.operands) > 2 else None
    if scales is not None and scales.size and not np.allclose(scales[2:], factors):
        raise Refused(f"scales {scales.tolist()} do not give whole sizes of {before}")
    if mode == "nearest" and all(factor.is_integer() for factor in factors):
        rounding = node.attributes.get("nearest_mode", b"round_prefer_floor").decode()
        if (places, rounding) in (("asymmetric", "floor"), ("half_pixel", "round_prefer_floor")):
            return with_channels_last(layers.UpSampling2D(tuple(map(int, factors))), 2)
    half_pixel = places == "half_pixel" or (places == "pytorch_half_pixel" and min(after[1:]) > 1)
    if mode == "linear" and half_pixel and not node.attributes.get("antialias", 0):
        return with_channels_last(layers.Resizing(height=after[1], width=after[2]), 2)
    raise Refused(f"mode {mode} with {places}")


def _transpose(node: OnnxNode, opset: int) -> list[Piece]:
    rank = len(node.input_shape or ()) + 1
    order = tuple(node.attributes.get("perm", range(rank)[::-1]))
    if order == tuple(range(len(order))):
        return []
    if order[0] != 0:
        raise Refused("it moves the samples to another axis")
    return [Piece(layers.Permute(order[1:]), [])]


def _instance_normalization(node: OnnxNode, opset: int) -> list[Piece]:
    rank = len(node.input_shape or ()) + 1
    scale, offset = node.operands[1:3]
    if rank < 3 or scale is None or offset is None:
        raise Refused("scale and offset must be constants, of the channels of samples with axes")
    axes = 2 if rank == 3 else tuple(range(2, rank))
    epsilon = number(node.attributes.get("epsilon", 1e-5))
    layer = layers.LayerNormalization(axes, epsilon, center=False, scale=False)
    shape = (-1, *[1] * (rank - 2))
    pieces = [Piece(layer, [])]
    if np.any(scale != 1) or np.any(offset != 0):
        pieces.append(rescaling(scale.reshape(shape), offset.reshape(shape)))
    return pieces


IMAGES: dict[str, Translate] = {
    "MaxPool": lambda node, opset: _pooled(node, average=False),
    "AveragePool": lambda node, opset: _pooled(node, average=True),
    "GlobalMaxPool": lambda node, opset: _pooled_globally(node, average=False),
    "GlobalAveragePool": lambda node, opset: _pooled_globally(node, average=True),
    "ReduceMax": lambda node, opset: _reduced(node, average=False),
    "ReduceMean": lambda node, opset: _reduced(node, average=True),
    "Pad": _pad,
    "Slice": _slice,
    "Resize": _resize,
    "Transpose": _transpose,
    "InstanceNormalization": _instance_normalization,
}
