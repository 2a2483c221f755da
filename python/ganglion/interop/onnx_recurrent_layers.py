"""Reading ONNX's LSTM, GRU and RNN, with the nodes before and behind them that move axes.

There the steps come first, and each result has an axis of the directions. Which axis is which is
followed through the nodes behind, until the samples are first again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganglion import activations, layers
from ganglion.activations import Activation
from ganglion.interop.graph import Piece
from ganglion.interop.onnx_layers import Refused, number
from ganglion.interop.onnx_reading import RECURRENT, OnnxNode
from ganglion.interop.onnx_recurrence import GATES, NAMES

Array = NDArray[Any]

_MOVES = frozenset({"Transpose", "Squeeze", "Reshape", "Slice", "Gather", "Identity"})
_USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
# Of which ONNX's numbers are others than ours, where they are not given.
_NUMBERS = {"HardSigmoid": (0.2, 0.5)}
_INPUTS = ("input", "kernel", "recurrent kernel", "bias", "sequence lengths", "state", "state")


class _Result(NamedTuple):
    """What nodes that move axes make of the result of a recurrent node."""

    axes: tuple[str, ...]
    step: int | None  # that was taken alone
    turned: bool  # the steps are in reverse order


def find(node: OnnxNode) -> tuple[OnnxNode, list[Piece]] | None:
    """Return where recurrent layers that end in a node begin, and what they are; or None.

    Raises
    ------
    Refused
        A recurrent node has settings that no layer has.
    """
    source, moves = _behind(node)
    if source.kind not in RECURRENT:
        return None
    before = _before(source)
    result = _moved(source, moves)
    piece = None
    if before is not None and result is not None and result.axes[0] == "samples":
        piece = _layer(source, result, (before[0].output_shape or (0,))[0])
    if before is not None and piece is not None:
        return before[0], [*before[1], piece]
    if node.output_shape is None:
        raise Refused("behind and before a recurrent node the samples must be made the first axis")
    return None


def _behind(node: OnnxNode) -> tuple[OnnxNode, list[OnnxNode]]:
    """Return what is before the nodes that move axes and end in this one, and these in order."""
    moves: list[OnnxNode] = []
    while node.kind in _MOVES and len(node.inputs) == 1:
        moves.append(node)
        assert isinstance(node.inputs[0], OnnxNode)
        node = node.inputs[0]
    return node, moves[::-1]


def _before(node: OnnxNode) -> tuple[OnnxNode, list[Piece]] | None:
    """Return where the layers before a recurrent node begin, and what they are."""
    x = node.inputs[0]
    assert isinstance(x, OnnxNode)
    source, moves = _behind(x)
    if source.kind in RECURRENT:
        result, before = _moved(source, moves), _before(source)
        if before is None or result is None or result.axes[:2] != ("steps", "samples"):
            return None
        piece = _layer(source, result, 0)
        return None if piece is None else (before[0], [*before[1], piece])
    if x.kind != "Transpose" or list(x.attributes.get("perm", ())) != [1, 0, 2]:
        return None
    assert isinstance(x.inputs[0], OnnxNode)
    return x.inputs[0], []


def _direction(node: OnnxNode) -> str:
    direction: str = node.attributes.get("direction", b"forward").decode()
    return direction


def _moved(source: OnnxNode, moves: list[OnnxNode]) -> _Result | None:
    """Follow the axes of a recurrent node's result through what moves them."""
    both = _direction(source) == "bidirectional"
    whole = ("steps", "directions", "samples", "units")
    result = _Result(whole if source.value == source.proto.output[0] else whole[1:], None, False)
    for node in moves:
        following = _after(result, node, both)
        if following is None:
            return None
        result = following
    if both and "features" not in result.axes:
        return None
    return None if "directions" in result.axes else result


def _after(result: _Result, node: OnnxNode, both: bool) -> _Result | None:
    axes, settings = result.axes, node.attributes
    operands = [None if one is None else one.ravel().tolist() for one in node.operands]
    if node.kind == "Identity":
        return result
    if node.kind == "Transpose":
        order = settings.get("perm", range(len(axes))[::-1])
        return result._replace(axes=tuple(axes[axis] for axis in order))
    if node.kind == "Squeeze":
        given = operands[1] if len(operands) > 1 else settings.get("axes")
        return _without(result, list(given or []), both)
    if node.kind == "Gather":
        axis, place = settings.get("axis", 0) % len(axes), node.operands[1]
        if place is None or place.ndim > 0:
            return None
        if axes[axis] == "steps":
            rest = (*axes[:axis], *axes[axis + 1 :])
            return result._replace(axes=rest, step=int(place)) if not result.turned else None
        return _without(result, [axis], both)
    if node.kind == "Slice":
        whole = operands[1:] == [[-1], operands[2], [axes.index("steps")], [-1]]
        far = operands[2] is not None and operands[2][0] < -(10**6)
        return result._replace(turned=not result.turned) if whole and far else None
    sizes = operands[1]
    if sizes is None or len(sizes) != len(axes) - 1 or "directions" not in axes:
        return None
    if axes[-2:] == ("directions", "units"):
        return result._replace(axes=(*axes[:-2], "features"))
    return _without(result, [axes.index("directions")], both)


def _without(result: _Result, axes: list[int], both: bool) -> _Result | None:
    """Return the result without the axis of the directions, where that is one."""
    names = [result.axes[axis] for axis in axes]
    if names != ["directions"] or both:
        return None
    return result._replace(axes=tuple(one for one in result.axes if one != "directions"))


def _layer(node: OnnxNode, result: _Result, steps: int) -> Piece | None:
    """Return the layer that has a result of a recurrent node as its output, or None."""
    direction = _direction(node)
    sequences = "steps" in result.axes
    if result.step is not None:  # the one that is made last, of one direction
        last = {"forward": (-1, steps - 1), "reverse": (0, -steps)}.get(direction, ())
        if result.step not in last:
            return None
    # A layer that goes backwards returns the steps in its own order.
    if sequences and result.turned != (direction == "reverse"):
        raise Refused("its steps must be in the order in which they are made")
    _check(node)
    count = 2 if direction == "bidirectional" else 1
    chosen = list(_activations(node, count))
    made, weights = [], []
    for place in range(count):
        backwards = direction == "reverse" or place == 1
        each = len(chosen) // count
        layer, given = _one(node, place, chosen[place * each : (place + 1) * each])
        layer.return_sequences, layer.go_backwards = sequences, backwards
        made.append(layer)
        weights += given
    if count == 1:
        return Piece(made[0], weights)
    return Piece(layers.Bidirectional(made[0], backward_layer=made[1]), weights)


def _check(node: OnnxNode) -> None:
    for name, usual in (("layout", 0), ("input_forget", 0), ("clip", None)):
        if node.attributes.get(name, usual) != usual:
            raise Refused(f"it has {name} {node.attributes[name]}")
    if len(node.inputs) > 1 or any(one is None for one in node.operands[1:3]):
        raise Refused("its kernels, bias and states must be constants")
    for place, operand in enumerate(node.operands[4:], start=4):
        if operand is not None and (place == 4 or np.any(operand != 0)):
            name = _INPUTS[place] if place < len(_INPUTS) else "peepholes"
            raise Refused(f"it has {name}")


def _one(
    node: OnnxNode, place: int, chosen: list[Activation | None]
) -> tuple[layers.LSTM | layers.GRU | layers.SimpleRNN, list[Array]]:
    """Return the layer of one direction, and its weights."""
    order = np.argsort(GATES[node.kind])
    weights = [_gates(one[place], order).T for one in node.operands[1:3] if one is not None]
    units = weights[1].shape[0]
    bias = node.operands[3] if len(node.operands) > 3 else None
    after = bool(node.attributes.get("linear_before_reset", 0))
    if bias is not None:
        both = [_gates(half, order) for half in bias[place].reshape(2, -1)]
        weights.append(np.stack(both) if node.kind == "GRU" and after else both[0] + both[1])
    settings: dict[str, Any] = {"use_bias": bias is not None, "activation": chosen[-1]}
    if node.kind == "RNN":
        return layers.SimpleRNN(units, **settings), weights
    settings["recurrent_activation"] = chosen[0]
    if node.kind == "GRU":
        return layers.GRU(units, reset_after=after, **settings), weights
    if chosen[1] != chosen[2]:
        raise Refused("its activations of the cell and of the output must be the same")
    return layers.LSTM(units, **settings), weights


def _gates(rows: Array, order: Array) -> Array:
    """Return rows, as many for each gate, with the gates in another order."""
    parts = np.split(rows, len(order))
    return np.concatenate([parts[place] for place in order])


def _activations(node: OnnxNode, count: int) -> Iterator[Activation | None]:
    given = [name.decode() for name in node.attributes.get("activations", [])]
    numbers = [list(node.attributes.get(f"activation_{name}", [])) for name in ("alpha", "beta")]
    for name in given or _USUAL[node.kind] * count:
        if name not in NAMES:
            raise Refused(f"it has the activation {name}")
        activation, usual = NAMES[name]
        usual = _NUMBERS.get(name, usual)
        own = [
            number(values.pop(0)) if values else default
            for values, default in zip(numbers, usual, strict=False)
        ]
        if name == "LeakyRelu":
            activation = activations.LeakyReLU(own[0])
        elif name == "Elu":
            activation = activations.ELU(own[0])
        elif own and not np.allclose(own, NAMES[name][1], atol=1e-6):
            raise Refused(f"it has the activation {name} of {own}")
        yield activation
