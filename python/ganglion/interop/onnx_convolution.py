"""What the convolutions of an ONNX graph are in layers.

Functions as in `onnx_layers`. Of kernels ONNX has the outputs and then the channels first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import layers
from ganglion.interop.graph import Piece
from ganglion.interop.onnx_images import Edges, sizes_of, windows_of, with_channels_last
from ganglion.interop.onnx_layers import Refused, Translate
from ganglion.interop.onnx_reading import OnnxNode
from ganglion.layers.transposed import enlarged

Array = NDArray[Any]


def _weights(node: OnnxNode) -> tuple[Array, list[Array]]:
    """Return the kernel as ONNX has it, and all weights as a layer takes them."""
    kernel = node.operands[1]
    bias = node.operands[2] if len(node.operands) > 2 and node.proto.input[2] else None
    if kernel is None or node.operands[0] is not None or kernel.ndim != len(sizes_of(node)) + 2:
        raise Refused("its kernel must be a constant, of as many axes as what it is moved over")
    if bias is None and len(node.operands) > 2 and node.proto.input[2]:
        raise Refused("its bias must be a constant")
    last = kernel.transpose(*range(2, kernel.ndim), 1, 0)
    return kernel, [last] if bias is None else [last, bias]


def _spans(window: tuple[int, ...], rates: tuple[int, ...]) -> list[int]:
    return [(size - 1) * rate + 1 for size, rate in zip(window, rates, strict=True)]


def _convolution(node: OnnxNode, opset: int) -> list[Piece]:
    kernel, weights = _weights(node)
    window, axes, groups = kernel.shape[2:], kernel.ndim - 2, node.attributes.get("group", 1)
    rates = tuple(node.attributes.get("dilations", (1,) * axes))
    strides, padding = windows_of(node, _spans(window, rates))
    zeros: list[Piece] = []
    if not isinstance(padding, str):
        kind = layers.ZeroPadding1D if axes == 1 else layers.ZeroPadding2D
        zeros = [Piece(kind(padding[0] if axes == 1 else tuple(padding)), [])]
        padding = "valid"
    settings: dict[str, Any] = {
        "kernel_size": window,
        "strides": strides,
        "padding": padding,
        "dilation_rate": rates,
        "use_bias": len(weights) > 1,
    }
    layer: layers.Layer
    if axes == 2 and groups > 1 and kernel.shape[1] == 1:
        multiplier = kernel.shape[0] // groups
        weights[0] = weights[0].reshape(*window, groups, multiplier)
        layer = layers.DepthwiseConv2D(depth_multiplier=multiplier, **settings)
    else:
        make = layers.Conv1D if axes == 1 else layers.Conv2D
        layer = make(kernel.shape[0], groups=groups, **settings)
    to_last, convolution, to_first = with_channels_last(layer, axes, weights)
    return [to_last, *zeros, convolution, to_first]


def _transposed(node: OnnxNode, opset: int) -> list[Piece]:
    kernel, weights = _weights(node)
    settings = node.attributes
    if kernel.ndim != 4 or settings.get("group", 1) != 1:
        raise Refused("it must take images, in one group")
    if "output_shape" in settings or settings.get("auto_pad", b"NOTSET") not in (
        b"NOTSET",
        b"VALID",
    ):
        raise Refused("its padding must be given by pads")
    window, strides = kernel.shape[2:], tuple(settings.get("strides", (1, 1)))
    rates = tuple(settings.get("dilations", (1, 1)))
    pads = settings.get("pads", [0] * 4)
    edges: Edges = list(zip(pads[:2], pads[2:], strict=True))
    added = tuple(settings.get("output_padding", (0, 0)))
    given: dict[str, Any] = {
        "kernel_size": window,
        "strides": strides,
        "dilation_rate": rates,
        "use_bias": len(weights) > 1,
    }
    results = []
    for size, span, stride, (before, after), more in zip(
        sizes_of(node), _spans(window, rates), strides, edges, added, strict=True
    ):
        whole = (size - 1) * stride + span + more
        results.append((whole - before - after, before))
        if whole - before - after < 1:
            raise Refused("nothing is left of its result")
    same = [
        enlarged(size, span, stride, "same", None)
        for size, span, stride in zip(sizes_of(node), _spans(window, rates), strides, strict=True)
    ]
    if results == same and np.any(pads):
        layer = layers.Conv2DTranspose(kernel.shape[1], padding="same", **given)
        return with_channels_last(layer, 2, weights)
    layer = layers.Conv2DTranspose(kernel.shape[1], output_padding=added, **given)
    to_last, convolution, to_first = with_channels_last(layer, 2, weights)
    cut = [Piece(layers.Cropping2D(tuple(edges)), [])] if np.any(pads) else []
    return [to_last, convolution, *cut, to_first]


CONVOLUTIONS: dict[str, Translate] = {"Conv": _convolution, "ConvTranspose": _transposed}
