"""The cases of `call`: functions of arrays, with their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from programs import Case, Operand, apart

from ganglion import _core

Array = np.ndarray


def foreign(forward: Any, backward: Any) -> Any:
    gradient = _core.Foreign("backward", lambda arrays, _: backward(*arrays))
    return _core.Foreign("forward", lambda arrays, _: [forward(*arrays)], gradient)


def running_sum(x: Array) -> Array:
    return np.cumsum(x, axis=-1)


def d_running_sum(d_y: Array, x: Array, y: Array) -> list[Array]:
    return [np.ascontiguousarray(np.cumsum(d_y[..., ::-1], axis=-1)[..., ::-1])]


def centred(x: Array) -> Array:
    """Each sample depends on all others of the batch."""
    return x - x.mean(axis=0)


def d_centred(d_y: Array, x: Array, y: Array) -> list[Array]:
    return [d_y - d_y.mean(axis=0)]


def weighted(x: Array, weight: Array) -> Array:
    return np.square(x) @ weight


def d_weighted(d_y: Array, x: Array, weight: Array, y: Array) -> list[Array]:
    return [2 * x * (d_y @ weight.T), np.square(x).T @ d_y]


def ordered(x: Array) -> Array:
    return np.sort(x, axis=-1)


def d_ordered(d_y: Array, x: Array, y: Array) -> list[Array]:
    return [np.take_along_axis(d_y, x.argsort(axis=-1).argsort(axis=-1), axis=-1)]


def case(name: str, functions: tuple[Any, Any], operands: list[Operand], result: list[int]) -> Case:
    """A call between other operations, which it must not be taken apart from by stages."""
    function = foreign(*functions)

    def emit(builder: Any, ids: list[int]) -> list[int]:
        doubled = builder.apply("multiply", [ids[0], builder.constant(np.array(2.0))], {})
        called = builder.call(function, [*doubled, *ids[1:]], result, True)
        return list(builder.apply("sigmoid", [called], {}))

    return Case(f"call-{name}", emit, operands)


CASES = {
    "call": [
        case("running_sum", (running_sum, d_running_sum), [Operand((None, 17))], [1, 17]),
        case("running_sum-image", (running_sum, d_running_sum), [Operand((None, 2, 3))], [1, 2, 3]),
        case("centred", (centred, d_centred), [Operand((None, 5))], [1, 5]),
        case("ordered", (ordered, d_ordered), [Operand((None, 9), apart)], [1, 9]),
        case("weighted", (weighted, d_weighted), [Operand((None, 4)), Operand((4, 3))], [1, 3]),
    ]
}
