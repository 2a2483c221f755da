"""What each operation of a program is in ONNX: the nodes that compute it.

A function takes the nodes written so far, the operation as `Program.describe` shows it, and the
names of its inputs; it returns the name of the result. Operations that a prediction cannot hold, of
gradients and losses, or that ONNX cannot repeat bit by bit, as random numbers, are not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.interop.onnx_nodes import OnnxNodes

Array = NDArray[Any]
Operation = dict[str, Any]
Writer = Callable[[OnnxNodes, Operation, list[str]], str]

# One node, of the same operands.
SAME = {
    "negative": "Neg",
    "absolute": "Abs",
    "sign": "Sign",
    "floor": "Floor",
    "sqrt": "Sqrt",
    "reciprocal": "Reciprocal",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "power": "Pow",
    "maximum": "Max",
    "minimum": "Min",
    "softmax": "Softmax",
    "log_softmax": "LogSoftmax",
    "stop_gradient": "Identity",
}
_FLOAT32, _INT64 = 1, 7  # as ONNX counts element types
_EDGE, _BILINEAR = 1, 1  # of resample: fill_mode "nearest" and interpolation "bilinear"
COMPARISONS = {"greater": "Greater", "greater_equal": "GreaterOrEqual", "equal": "Equal"}


def _same(op_type: str) -> Writer:
    return lambda nodes, operation, inputs: nodes.add(op_type, *inputs)


def _comparison(op_type: str) -> Writer:
    return lambda nodes, operation, inputs: nodes.truth(nodes.add(op_type, *inputs))


def _where(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    number, a, b = inputs
    condition = nodes.conditions.get(number)
    if condition is None:
        condition = nodes.add("Not", nodes.add("Equal", number, nodes.numbers(0.0)))
    return nodes.add("Where", condition, a, b)


def _is_finite(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    other = nodes.add("Or", nodes.add("IsInf", *inputs), nodes.add("IsNaN", *inputs))
    return nodes.truth(nodes.add("Not", other))


def _square(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    return nodes.add("Mul", inputs[0], inputs[0])


def _rsqrt(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    return nodes.add("Reciprocal", nodes.add("Sqrt", *inputs))


def _expm1(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    return nodes.add("Sub", nodes.add("Exp", *inputs), nodes.numbers(1.0))


def _log1p(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    return nodes.add("Log", nodes.add("Add", *inputs, nodes.numbers(1.0)))


def _softplus(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    if nodes.dtype == np.float32:
        return nodes.add("Softplus", *inputs)
    # ONNX Runtime has it in float32 alone: max(x, 0) + log(1 + exp(-|x|)).
    tail = nodes.add("Exp", nodes.add("Neg", nodes.add("Abs", *inputs)))
    return nodes.add("Add", nodes.add("Relu", *inputs), _log1p(nodes, operation, [tail]))


def _erf(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    if nodes.dtype == np.float32:
        return nodes.add("Erf", *inputs)
    # ONNX Runtime has it in float32 alone.
    return nodes.cast(nodes.add("Erf", nodes.add("Cast", *inputs, to=_FLOAT32)))


def _of_pi(op_type: str) -> Writer:
    return lambda nodes, operation, inputs: nodes.add(
        op_type, nodes.add("Mul", *inputs, nodes.numbers(np.pi))
    )


def _argmax(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    return nodes.cast(nodes.add("ArgMax", *inputs, axis=-1, keepdims=0))


def _take(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    table, index = inputs
    return nodes.add("Gather", table, nodes.add("Cast", index, to=_INT64), axis=0)


def _matmul(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    attributes = operation["attributes"]
    factors = []
    for name, shape, flag in zip(
        inputs, operation["shapes"], ["transpose_a", "transpose_b"], strict=True
    ):
        if attributes[flag]:
            order = list(range(len(shape)))
            order[-2:] = order[:-3:-1]
            name = nodes.add("Transpose", name, perm=order)
        factors.append(name)
    return nodes.add("MatMul", *factors)


_KERNEL_FIRST = [3, 2, 0, 1]  # (rows, columns, channels, filters) as ONNX has it
_CHANNELS_FIRST, _CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]


def _convolved(
    nodes: OnnxNodes, op_type: str, operation: Operation, inputs: list[str], **settings: Any
) -> str:
    """Write a convolution, whose channels come first in ONNX."""
    attributes = operation["attributes"]
    single = nodes.dtype == np.float32  # ONNX Runtime has convolutions in float32 alone
    x, kernel = (
        nodes.add("Transpose", name if single else nodes.add("Cast", name, to=_FLOAT32), perm=order)
        for name, order in zip(inputs, (_CHANNELS_FIRST, _KERNEL_FIRST), strict=True)
    )
    y = nodes.add(
        op_type,
        x,
        kernel,
        strides=attributes["strides"],
        dilations=attributes["dilation"],
        group=attributes["groups"],
        **settings,
    )
    return nodes.add("Transpose", y if single else nodes.cast(y), perm=_CHANNELS_LAST)


def _convolution(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    top, bottom, left, right = operation["attributes"]["padding"]
    return _convolved(nodes, "Conv", operation, inputs, pads=[top, left, bottom, right])


def _convolution_input_gradient(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    attributes, (x, kernel) = operation["attributes"], operation["shapes"]
    before = attributes["padding"][::2]
    after, missing = [], []
    for axis in range(2):
        full = (x[1 + axis] - 1) * attributes["strides"][axis] + 1
        full += (kernel[axis] - 1) * attributes["dilation"][axis]
        beyond = full - before[axis] - attributes["size"][axis]
        after.append(max(beyond, 0))
        missing.append(max(-beyond, 0))
    return _convolved(
        nodes,
        "ConvTranspose",
        operation,
        inputs,
        pads=[*before, *after],
        output_padding=missing,
    )


def _einsum(equation: str) -> Writer:
    return lambda nodes, operation, inputs: nodes.add("Einsum", *inputs, equation=equation)


def _axes(operation: Operation) -> list[int]:
    return list(range(operation["attributes"]["first"], operation["attributes"]["last"] + 1))


def _reduce_sum(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    return nodes.add("ReduceSum", *inputs, nodes.integers(_axes(operation)), keepdims=0)


def _reduce_max(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    return nodes.add("ReduceMax", *inputs, axes=_axes(operation), keepdims=0)


def _axis_size(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    sizes = nodes.add("Gather", nodes.add("Shape", *inputs), nodes.integers(_axes(operation)))
    return nodes.cast(nodes.add("ReduceProd", sizes, keepdims=0))


def _reshape(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    attributes = operation["attributes"]
    shape = list(attributes["shape"])
    if attributes["batched"]:
        shape[0] = -1
    return nodes.add("Reshape", *inputs, nodes.integers(shape))


def _copy(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    attributes = operation["attributes"]
    if "shape" not in attributes:
        return inputs[0]
    shape = nodes.shape(attributes["shape"], bool(attributes["batched"]))
    return nodes.add("Expand", *inputs, shape)


def _transpose(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    return nodes.add("Transpose", *inputs, perm=operation["attributes"]["permutation"])


def _slice(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    attributes = operation["attributes"]
    bounds = [nodes.integers([attributes[name]]) for name in ("start", "stop", "axis")]
    return nodes.add("Slice", *inputs, *bounds)


def _flip(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    before_the_first = np.iinfo(np.int64).min
    bounds = [-1, before_the_first, operation["attributes"]["axis"], -1]  # the last is the step
    return nodes.add("Slice", *inputs, *(nodes.integers([bound]) for bound in bounds))


def _pad(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    attributes, rank = operation["attributes"], len(operation["shapes"][0])
    widths = np.zeros((2, rank), dtype=np.int64)
    widths[:, attributes["axis"]] = attributes["before"], attributes["after"]
    return nodes.add("Pad", *inputs, nodes.integers(widths.ravel()))


def _concat(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    return nodes.add("Concat", *inputs, axis=operation["attributes"]["axis"])


def _max_pool(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    attributes = operation["attributes"]
    largest = nodes.add(
        "MaxPool",
        nodes.add("Transpose", *inputs, perm=[0, 3, 1, 2]),
        kernel_shape=attributes["window"],
        strides=attributes["strides"],
        pads=[*attributes["before"], *attributes["after"]],
    )
    return nodes.add("Transpose", largest, perm=[0, 2, 3, 1])


def _in_windows(size: int, count: int, attributes: dict[str, Any], axis: int) -> Array:
    """Return (count, size), 1 where an element lies in a window along an axis."""
    starts = np.arange(count)[:, None] * attributes["strides"][axis] - attributes["before"][axis]
    places = np.arange(size) - starts
    inside: Array = (places >= 0) & (places < attributes["window"][axis])
    return inside


def _times(nodes: OnnxNodes, images: str, factors: list[Array]) -> str:
    """Multiply images by a matrix along their height and one along their width."""
    down, across = factors
    rows = nodes.add("Transpose", images, perm=[0, 1, 3, 2])
    rows = nodes.add("MatMul", rows, nodes.numbers(across.T))
    columns = nodes.add("Transpose", rows, perm=[0, 2, 3, 1])
    columns = nodes.add("MatMul", columns, nodes.numbers(down.T))
    return nodes.add("Transpose", columns, perm=[0, 3, 2, 1])


def _window_sum(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    attributes, (shape,) = operation["attributes"], operation["shapes"]
    factors = []
    for axis, size in enumerate(shape[1:3]):
        outside = attributes["before"][axis] + attributes["after"][axis]
        stretch = size + outside - attributes["window"][axis]
        count = stretch // attributes["strides"][axis] + 1
        factors.append(_in_windows(size, count, attributes, axis))
    return _times(nodes, inputs[0], factors)


def _window_spread(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    attributes, (shape,) = operation["attributes"], operation["shapes"]
    sizes = zip(attributes["size"], shape[1:3], strict=True)
    factors = [
        _in_windows(size, count, attributes, axis).T for axis, (size, count) in enumerate(sizes)
    ]
    return _times(nodes, inputs[0], factors)


def reads_between_pixels(operation: Operation) -> bool:
    """Tell whether a `resample` is bilinear and takes the pixel at the edge for what is beyond."""
    attributes = operation["attributes"]
    fill_mode, interpolation = attributes["fill_mode"], attributes["interpolation"]
    return bool(fill_mode == _EDGE and interpolation == _BILINEAR)


def resized(nodes: OnnxNodes, images: str, shape: Sequence[int], size: Sequence[int]) -> str:
    """Write images of a shape in another size, bilinear; ONNX Runtime has it in float32 alone."""
    count, _, _, channels = shape
    single = nodes.dtype == np.float32
    x = nodes.add("Transpose", images, perm=_CHANNELS_FIRST)
    x = x if single else nodes.add("Cast", x, to=_FLOAT32)
    sizes = nodes.shape([count, channels, *size], batched=True)
    y = nodes.add("Resize", x, "", "", sizes, mode="linear")
    return nodes.add("Transpose", y if single else nodes.cast(y), perm=_CHANNELS_LAST)


def _resample(nodes: OnnxNodes, operation: Operation, inputs: list[str]) -> str:
    """GridSample, to which the edges of an image are -1 and 1; runtimes have it in float32 alone.

    Other fill modes than the edge's pixel, and the nearest pixel, are not the same in ONNX.
    """
    attributes, (image, _) = operation["attributes"], operation["shapes"]
    if not reads_between_pixels(operation):
        raise ValueError(
            f"[to_onnx] layer {operation['label']!r} has no ONNX form in a prediction: resample "
            "has one with fill_mode='nearest' and interpolation='bilinear' alone"
        )
    images, matrix = inputs
    height, width = attributes["size"]
    rows, columns = np.divmod(np.arange(height * width), width)
    pixels = nodes.numbers([columns, rows, np.ones(height * width)])
    matrix = nodes.add("Reshape", matrix, nodes.integers([-1, 2, 3]))
    places = nodes.add("MatMul", matrix, pixels)  # (batch, 2, pixels): columns and rows
    sizes = np.array([[image[2]], [image[1]]])
    grid = nodes.add("Mul", places, nodes.numbers(2 / sizes))
    grid = nodes.add("Add", grid, nodes.numbers(1 / sizes - 1))
    grid = nodes.add("Transpose", grid, perm=[0, 2, 1])
    grid = nodes.add("Reshape", grid, nodes.integers([-1, height, width, 2]))
    images = nodes.add("Transpose", images, perm=_CHANNELS_FIRST)
    single = [nodes.add("Cast", name, to=_FLOAT32) for name in (images, grid)]
    read = nodes.add("GridSample", *single, mode="bilinear", padding_mode="border")
    return nodes.add("Transpose", nodes.cast(read), perm=_CHANNELS_LAST)


OPERATIONS: dict[str, Writer] = {
    **{kind: _same(op_type) for kind, op_type in SAME.items()},
    **{kind: _comparison(op_type) for kind, op_type in COMPARISONS.items()},
    "where": _where,
    "is_finite": _is_finite,
    "square": _square,
    "rsqrt": _rsqrt,
    "expm1": _expm1,
    "log1p": _log1p,
    "softplus": _softplus,
    "erf": _erf,
    "sinpi": _of_pi("Sin"),
    "cospi": _of_pi("Cos"),
    "argmax": _argmax,
    "matmul": _matmul,
    "take": _take,
    "convolution": _convolution,
    "convolution_input_gradient": _convolution_input_gradient,
    "routing_agreement": _einsum("nki,jkid,njd->nji"),
    "routing_sum": _einsum("nji,nki,jkid->njd"),
    "reduce_sum": _reduce_sum,
    "reduce_max": _reduce_max,
    "axis_size": _axis_size,
    "reshape": _reshape,
    "copy": _copy,
    "transpose": _transpose,
    "slice": _slice,
    "flip": _flip,
    "pad": _pad,
    "concat": _concat,
    "max_pool": _max_pool,
    "window_sum": _window_sum,
    "window_spread": _window_spread,
    "resample": _resample,
}
