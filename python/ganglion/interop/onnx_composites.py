"""Activations and normalisation that an ONNX graph computes with several nodes.

Exporters write the same function in many ways, so it is told by its values: the nodes are run on
some points, and compared with what the layer gives there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ganglion import activations, layers, ops, spec
from ganglion.interop.graph import Node, Piece
from ganglion.interop.onnx_reading import OnnxFile, OnnxNode

Array = NDArray[Any]

# fmt: off
_ELEMENTWISE = frozenset({
    "Abs", "Add", "Cast", "Celu", "Clip", "Div", "Elu", "Equal", "Erf", "Exp", "Gelu", "Greater",
    "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "LessOrEqual",
    "Log", "Max", "Min", "Mul", "Neg", "Not", "Pow", "Reciprocal", "Relu", "Selu", "Sigmoid",
    "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Where",
})
# fmt: on
# What takes the moments of a normalisation.
_MOMENTS = frozenset({"ReduceMean", "ReduceSum", "Reshape"})
# Where activations are compared: densely around 0, and far out.
_POINTS = np.concatenate([np.linspace(-8.0, 8.0, 161), [-1e4, -300, -50, -20, 20, 50, 300, 1e4]])
# Relative: numbers in a file are rounded to float32, and some written with few digits.
_TOLERANCE = 1e-5
# Absolute: what differences of float64 leave where the result is 0.
_ROUNDING = 1e-12


def may_belong(node: OnnxNode) -> bool:
    """Tell whether a node can be part of an activation or a normalisation."""
    return node.kind in _ELEMENTWISE or node.kind in _MOMENTS


def find(file: OnnxFile, start: OnnxNode, region: Sequence[OnnxNode]) -> Piece | None:
    """Return the layer that some nodes are together, or None.

    Parameters
    ----------
    file : OnnxFile
        Where they stand.
    start : OnnxNode
        What they are applied to.
    region : sequence of OnnxNode
        The nodes, each behind its inputs.
    """
    constants = [operand for node in region for operand in node.operands if operand is not None]
    if any(node.kind.startswith("Reduce") for node in region):
        numbers = [constant for constant in constants if constant.dtype.kind == "f"]
        return _normalization(file, start, region, numbers)
    if all(constant.size == 1 for constant in constants) and _MOMENTS.isdisjoint(
        node.kind for node in region
    ):
        return _activation(file, start, region, [float(c.item()) for c in constants])
    return None


def _run(file: OnnxFile, start: OnnxNode, region: Sequence[OnnxNode], x: Array) -> Array:
    with np.errstate(all="ignore"):  # some overflow far out, where they are not compared
        return file.evaluate(region, start, x).astype(np.float64)


def _activation(
    file: OnnxFile, start: OnnxNode, region: Sequence[OnnxNode], constants: Sequence[float]
) -> Piece | None:
    # Bounds show beyond them.
    beyond = [sign * 2 * constant for constant in constants for sign in (-1, 1)]
    points = np.concatenate([_POINTS, [point for point in beyond if np.isfinite(point)]])
    theirs = np.ravel(_run(file, start, region, points[:, None]))
    if theirs.shape != points.shape:
        return None
    for activation in _activations(points, theirs, constants):
        ours = ops.evaluate(activation, points)
        where = np.isfinite(theirs) & np.isfinite(ours)
        if np.allclose(theirs[where], ours[where], rtol=_TOLERANCE, atol=_ROUNDING):
            return Piece(layers.Activation(activation), [])
    return None


def _activations(
    points: Array, theirs: Array, constants: Sequence[float]
) -> list[activations.Activation]:
    """Return what a function may be, with the settings that its values at the points suggest."""
    at = dict(zip(_POINTS.round(6).tolist(), theirs.tolist(), strict=False))
    # The others have weights, or look at more than one element.
    others = ("linear", "prelu", "softmax", "log_softmax")
    classes = spec.built_in("activation")
    usual = [cls() for name, cls in classes.items() if name not in others]
    suggested: list[activations.Activation] = [activations.GELU(approximate=True)]
    if np.isfinite(at[-1.0]):
        suggested.append(activations.LeakyReLU(-at[-1.0]))
        suggested.append(activations.ELU(at[-1.0] / float(np.expm1(-1.0))))
    slope, largest = at[-7.0] - at[-8.0], float(theirs[points.argmax()])
    if 0 <= slope < np.inf and 0 <= largest < np.inf:
        most = None if np.isclose(largest, points.max()) else largest
        suggested += [activations.ReLU(slope, most, threshold) for threshold in (0.0, *constants)]
    return [*cast(list[activations.Activation], usual), *suggested]


def _normalization(
    file: OnnxFile, start: OnnxNode, region: Sequence[OnnxNode], constants: Sequence[Array]
) -> Piece | None:
    """Find a normalisation over the last axes; its weights are among the constants."""
    shape = start.output_shape
    if shape is None:
        return None
    x = np.random.default_rng(0).normal(1.0, 2.0, size=(4, *shape))
    x[0] *= 0.01  # where epsilon shows
    theirs = _run(file, start, region, x)
    if theirs.shape != x.shape:
        return None
    for count, epsilon in product(range(1, x.ndim), _epsilons(constants)):
        sizes, axes = shape[-count:], tuple(range(x.ndim - count, x.ndim))
        layer = partial(layers.LayerNormalization, -1 if count == 1 else axes, epsilon)
        plain = ops.evaluate(layer(center=False, scale=False), x)
        weights = [c.reshape(sizes) for c in constants if c.size == np.prod(sizes, dtype=int)]
        # Ones and zeros are weights too, that can be trained: none come last.
        for gamma, beta in product([*weights, None], repeat=2):
            ours = (1.0 if gamma is None else gamma) * plain + (0.0 if beta is None else beta)
            if np.allclose(theirs, ours, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(theirs).max()):
                given = [weight for weight in (gamma, beta) if weight is not None]
                return Piece(layer(center=beta is not None, scale=gamma is not None), given)
    return None


def _epsilons(constants: Sequence[Array]) -> Iterator[float]:
    for constant in constants:
        if constant.size == 1 and 0 < constant.item() < 1:
            yield float(str(constant.reshape(())))


def regions(
    node: OnnxNode, dominator_of: Any, order: dict[Node, int]
) -> list[tuple[OnnxNode, list[OnnxNode]]]:
    """Return what may be one layer that ends in a node: start and nodes, the largest first.

    Parameters
    ----------
    node : OnnxNode
        The last of them.
    dominator_of : callable
        Gives the nearest node that all paths to a node go through.
    order : dict of Node to int
        The places of all nodes, each behind its inputs.
    """
    found: list[tuple[OnnxNode, list[OnnxNode]]] = []
    start = node
    while start.inputs:
        start = dominator_of(start)
        region: set[OnnxNode] = set()
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one is not start and one not in region:
                region.add(one)
                waiting += cast(list[OnnxNode], one.inputs)
        # The bias of a single unit is one number, and yet a weight.
        biased = any(one.kind == "Add" and one.inputs == [start] for one in region)
        if not all(map(may_belong, region)) or (start.kind == "MatMul" and biased):
            break
        if len(region) > 1:
            found.append((start, sorted(region, key=order.__getitem__)))
    return found[::-1]
