"""What the nodes of an ONNX graph are in layers.

A function takes a node and the version of the operators, and returns layers with their weights;
none for a node that passes its input on. It raises `Refused` with the reason where it cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import activations, layers
from ganglion.interop.graph import Piece
from ganglion.interop.onnx_reading import FLOATS, OnnxNode

Array = NDArray[Any]
Translate = Callable[[OnnxNode, int], list[Piece]]

# Exporters write the largest number of float32 where there is no bound.
_NO_BOUND = 3.4e38
# Numbers near 0 lose their digits when a bound beyond this is added and taken away.
_FAR = 1e3


class Refused(Exception):
    """A node has settings that no layer has; the message says which."""


def number(value: Any) -> float:
    """Return a float32 attribute with the digits that it was written with.

    Examples
    --------
    >>> number(np.float32(0.1))
    0.1
    """
    return float(str(np.float32(value)))


def rescaling(scale: Any, offset: Any) -> Piece:
    """Return ``x * scale + offset``, with numbers where these are no arrays."""
    arrays = [np.asarray(setting, dtype=np.float64) for setting in (scale, offset)]
    settings = [array.item() if array.size == 1 else array for array in arrays]
    return Piece(layers.Rescaling(*settings), [])


def _activation(activation: str | activations.Activation) -> list[Piece]:
    return [Piece(layers.Activation(activation), [])]


def _named(name: str) -> Translate:
    return lambda node, opset: _activation(name)


def _nothing(node: OnnxNode, opset: int) -> list[Piece]:
    return []


def _weight(node: OnnxNode, position: int, name: str) -> Array:
    """Return an operand that must be a constant."""
    operand = node.operands[position] if position < len(node.operands) else None
    if operand is None:
        raise Refused(f"its {name} must be a constant")
    return operand


def _rank(node: OnnxNode) -> int:
    if node.input_shape is None:
        raise Refused("the shape of its input is not known")
    return len(node.input_shape) + 1


def _for_a_sample(node: OnnxNode, constant: Array) -> Array:
    """Return a constant without the axis of the batch, checked not to make a sample larger."""
    rank = _rank(node)
    shape = node.input_shape or ()
    if constant.ndim == rank and constant.shape[0] == 1:
        constant = constant[0]
    try:
        fits = np.broadcast_shapes(constant.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise Refused(f"its constant of shape {constant.shape} does not fit samples of {shape}")
    return constant


def _gemm(node: OnnxNode, opset: int) -> list[Piece]:
    kernel = _weight(node, 1, "second factor")
    settings = node.attributes
    if node.operands[0] is not None or settings.get("transA", 0):
        raise Refused("its first factor must be the samples, not transposed")
    kernel = number(settings.get("alpha", 1.0)) * (kernel.T if settings.get("transB") else kernel)
    units = kernel.shape[1]
    if len(node.operands) < 3 or not node.proto.input[2]:
        return [Piece(layers.Dense(units, use_bias=False), [kernel])]
    bias = number(settings.get("beta", 1.0)) * _weight(node, 2, "bias")
    if bias.ndim == 2 and bias.shape[0] != 1:
        raise Refused(f"its bias must be a row, got shape {bias.shape}")
    return [Piece(layers.Dense(units), [kernel, np.broadcast_to(bias.reshape(-1), (units,))])]


def _matmul(node: OnnxNode, opset: int) -> list[Piece]:
    kernel = _weight(node, 1, "second factor")
    if node.operands[0] is not None or kernel.ndim != 2:
        raise Refused("it must multiply the samples by a matrix that is a constant")
    return [Piece(layers.Dense(kernel.shape[1], use_bias=False), [kernel])]


def _gather(node: OnnxNode, opset: int) -> list[Piece]:
    table = _weight(node, 0, "table")
    if table.ndim != 2 or node.attributes.get("axis", 0) != 0:
        raise Refused("it must take rows of a matrix")
    return [Piece(layers.Embedding(*table.shape), [table])]


def _add(node: OnnxNode, opset: int) -> list[Piece]:
    return [rescaling(1.0, _for_a_sample(node, _constant_of(node)[0]))]


def _subtract(node: OnnxNode, opset: int) -> list[Piece]:
    constant, first = _constant_of(node)
    constant = _for_a_sample(node, constant)
    return [rescaling(-1.0, constant) if first else rescaling(1.0, -constant)]


def _multiply(node: OnnxNode, opset: int) -> list[Piece]:
    return [rescaling(_for_a_sample(node, _constant_of(node)[0]), 0.0)]


def _divide(node: OnnxNode, opset: int) -> list[Piece]:
    constant, first = _constant_of(node)
    if first:
        raise Refused("a constant divided by the samples")
    return [rescaling(1.0 / _for_a_sample(node, constant), 0.0)]


def _constant_of(node: OnnxNode) -> tuple[Array, bool]:
    """Return the constant operand, and whether it is the first of the two."""
    if len(node.operands) != 2:
        raise Refused(f"it must have two operands, got {len(node.operands)}")
    first, second = node.operands
    if first is not None:
        return first, True
    return _weight(node, 1, "other operand") if second is None else second, False


def _clip(node: OnnxNode, opset: int) -> list[Piece]:
    bounds: list[Any] = [node.attributes.get("min"), node.attributes.get("max")]  # before opset 11
    for position in (1, 2):
        if position < len(node.proto.input) and node.proto.input[position]:
            bounds[position - 1] = _bound(_weight(node, position, "bounds"))
    return _between(*bounds)


def _bound(constant: Array) -> float:
    if constant.size != 1:
        raise Refused(f"a bound must be one number, got shape {constant.shape}")
    return float(constant.item())


def _between(low: float | None, high: float | None) -> list[Piece]:
    """Return what keeps numbers between two bounds, of which each may be missing."""
    low = None if low is None or low <= -_NO_BOUND else low
    high = None if high is None or high >= _NO_BOUND else high
    if low is not None and low < -_FAR:
        raise Refused(f"a lower bound must be at least {-_FAR:g}, got {low:g}")
    if low is None and high is not None and high > _FAR:
        raise Refused(
            f"without a lower bound, the upper one must be at most {_FAR:g}, got {high:g}"
        )
    if low is None and high is None:
        return []
    if low is None:  # min(x, high) is high - relu(high - x)
        return [rescaling(-1.0, high), *_activation("relu"), rescaling(-1.0, high)]
    if high is None:
        pieces = _activation("relu")
    elif (low, high) == (0.0, 6.0):
        pieces = _activation("relu6")
    else:
        pieces = _activation(activations.ReLU(max_value=high - low))
    # max(x, low) is low + relu(x - low)
    return pieces if low == 0 else [rescaling(1.0, -low), *pieces, rescaling(1.0, low)]


def _maximum(node: OnnxNode, opset: int) -> list[Piece]:
    return _between(_bound(_constant_of(node)[0]), None)


def _minimum(node: OnnxNode, opset: int) -> list[Piece]:
    return _between(None, _bound(_constant_of(node)[0]))


def _elu(node: OnnxNode, opset: int) -> list[Piece]:
    return _activation(activations.ELU(number(node.attributes.get("alpha", 1.0))))


def _celu(node: OnnxNode, opset: int) -> list[Piece]:
    if number(node.attributes.get("alpha", 1.0)) != 1.0:
        raise Refused("alpha must be 1")
    return _activation("elu")


def _leaky_relu(node: OnnxNode, opset: int) -> list[Piece]:
    return _activation(activations.LeakyReLU(number(node.attributes.get("alpha", 0.01))))


def _selu(node: OnnxNode, opset: int) -> list[Piece]:
    for name, usual in (("alpha", activations.SELU.ALPHA), ("gamma", activations.SELU.SCALE)):
        if abs(node.attributes.get(name, usual) - usual) > 1e-5:
            raise Refused(f"{name} must be {usual}")
    return _activation("selu")


def _gelu(node: OnnxNode, opset: int) -> list[Piece]:
    approximate = node.attributes.get("approximate", b"none") == b"tanh"
    return _activation(activations.GELU(approximate=approximate))


def _hard_sigmoid(node: OnnxNode, opset: int) -> list[Piece]:
    slope = number(node.attributes.get("alpha", 0.2))
    middle = number(node.attributes.get("beta", 0.5))
    if abs(slope - 1 / 6) < 1e-6 and middle == 0.5:
        return _activation("hard_sigmoid")
    return [rescaling(slope, middle), *_activation(activations.ReLU(max_value=1.0))]


def _hard_swish(node: OnnxNode, opset: int) -> list[Piece]:
    gate = [layers.Activation("hard_sigmoid")]
    return [Piece(layers.Branches([[], gate], merge="multiply"), [])]


def _swish(node: OnnxNode, opset: int) -> list[Piece]:
    if number(node.attributes.get("alpha", 1.0)) != 1.0:
        raise Refused("alpha must be 1")
    return _activation("silu")


def _thresholded_relu(node: OnnxNode, opset: int) -> list[Piece]:
    threshold = number(node.attributes.get("alpha", 1.0))
    return _activation(activations.ReLU(threshold=threshold))


def _prelu(node: OnnxNode, opset: int) -> list[Piece]:
    slope = _for_a_sample(node, _weight(node, 1, "slope"))
    shape = node.input_shape or ()
    sizes = (1,) * (len(shape) - slope.ndim) + slope.shape
    shared = tuple(axis + 1 for axis, size in enumerate(sizes) if size != shape[axis])
    return [Piece(layers.PReLU(shared_axes=shared or None), [slope.reshape(sizes)])]


def _softmax(activation: type[Any]) -> Translate:
    def translate(node: OnnxNode, opset: int) -> list[Piece]:
        rank = _rank(node)
        axis = node.attributes.get("axis", -1 if opset >= 13 else 1) % rank
        if axis == 0 or (opset < 13 and axis != rank - 1):
            raise Refused(f"axis {axis} of {rank}")
        return _activation(activation() if axis == rank - 1 else activation(axis))

    return translate


def _batch_normalization(node: OnnxNode, opset: int) -> list[Piece]:
    if node.attributes.get("training_mode", 0):
        raise Refused("it is in training mode: export the model for inference")
    names = ("scale", "bias", "mean", "variance")
    weights = [_weight(node, position, name) for position, name in enumerate(names, start=1)]
    layer = layers.BatchNormalization(
        axis=-1 if _rank(node) == 2 else 1,
        momentum=number(node.attributes.get("momentum", 0.9)),
        epsilon=number(node.attributes.get("epsilon", 1e-5)),
    )
    return [Piece(layer, weights)]


def _layer_normalization(node: OnnxNode, opset: int) -> list[Piece]:
    rank = _rank(node)
    first = node.attributes.get("axis", -1) % rank
    if first == 0:
        raise Refused("axis 0 is that of the samples")
    sizes = (node.input_shape or ())[first - 1 :]
    center = len(node.proto.input) > 2 and bool(node.proto.input[2])
    weights = [np.broadcast_to(_weight(node, 1, "scale"), sizes)]
    if center:
        weights.append(np.broadcast_to(_weight(node, 2, "bias"), sizes))
    layer = layers.LayerNormalization(
        axis=-1 if first == rank - 1 else tuple(range(first, rank)),
        epsilon=number(node.attributes.get("epsilon", 1e-5)),
        center=center,
    )
    return [Piece(layer, weights)]


def _reshape(node: OnnxNode, opset: int) -> list[Piece]:
    if node.input_shape is None or node.output_shape is None:
        raise Refused("the shape of its result is not known, or samples do not stay apart in it")
    if np.prod(node.input_shape, dtype=int) != np.prod(node.output_shape, dtype=int):
        raise Refused("samples do not stay apart in its result")
    if node.output_shape == node.input_shape:
        return []
    flat = len(node.output_shape) == 1
    return [Piece(layers.Flatten() if flat else layers.Reshape(node.output_shape), [])]


def _cast(node: OnnxNode, opset: int) -> list[Piece]:
    if node.attributes["to"] not in FLOATS:
        raise Refused("it makes other than floating-point numbers")
    return []


LAYERS: dict[str, Translate] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Gather": _gather,
    "Add": _add,
    "Sum": _add,
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "Neg": lambda node, opset: [rescaling(-1.0, 0.0)],
    "Max": _maximum,
    "Min": _minimum,
    "Relu": _named("relu"),
    "Sigmoid": _named("sigmoid"),
    "Tanh": _named("tanh"),
    "Softplus": _named("softplus"),
    "Softsign": _named("softsign"),
    "Exp": _named("exponential"),
    "Mish": _named("mish"),
    "Selu": _selu,
    "Elu": _elu,
    "Celu": _celu,
    "LeakyRelu": _leaky_relu,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Swish": _swish,
    "ThresholdedRelu": _thresholded_relu,
    "Clip": _clip,
    "PRelu": _prelu,
    "Softmax": _softmax(activations.Softmax),
    "LogSoftmax": _softmax(activations.LogSoftmax),
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Cast": _cast,
    "Identity": _nothing,
    "Dropout": _nothing,
    "ZipMap": _nothing,
}
