"""Loops over the steps of sequences: bodies as recurrent layers write them, and odd ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from programs import Array, Case, Operand, flags

from ganglion import _core

Shape = tuple[int | None, ...]
Apply = Callable[..., int]
# Gets `apply`, carries, steps of the sequences and shared values; returns next carries and results.
Body = Callable[[Apply, list[int], list[int], list[int]], tuple[list[int], list[int]]]


def loop_case(
    name: str,
    body: Body,
    carries: Sequence[Operand],
    sequences: Sequence[Operand],
    shared: Sequence[Operand] = (),
    reverse: bool = False,
    masked: bool = False,
) -> Case:
    """A case of one loop; results come first, whose gradient is asked, then the last carries.

    `masked`: the last sequence is the mask.
    """
    operands = [*carries, *sequences, *shared]

    def emit(builder: Any, ids: list[int]) -> list[int]:
        inner = _core.Builder()

        def apply(kind: str, *inputs: int, **attributes: Any) -> int:
            return int(inner.apply(kind, list(inputs), attributes)[0])

        shapes = [operand.shape for operand in operands]
        for i in range(len(carries), len(carries) + len(sequences)):
            shapes[i] = (None, *shapes[i][2:])
        inputs = [inner.input(f"x{i}", shape) for i, shape in enumerate(shapes)]
        first, last = len(carries), len(carries) + len(sequences)
        following, results = body(apply, inputs[:first], inputs[first:last], inputs[last:])
        for value in (*following, *results):
            inner.output("", value)
        made = builder.scan(inner, ids[:first], ids[first:last], ids[last:], reverse, masked)
        return [*made[first : first + len(results)], *made[:first]]

    return Case(f"scan-{name}", emit, operands, rows=(1, 3, 33))


def small(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Weights whose powers stay small."""
    return generator.normal(scale=1.0 / shape[0], size=shape)


def product(apply: Apply, a: int, b: int, **transposes: int) -> int:
    return apply("matmul", a, b, **{"transpose_a": 0, "transpose_b": 0, **transposes})


def part(apply: Apply, x: int, start: int, stop: int) -> int:
    return apply("slice", x, axis=1, start=start, stop=stop)


def simple(apply, carries, steps, shared):
    h = apply("tanh", apply("add", steps[0], product(apply, carries[0], shared[0])))
    return [h], [h]


def lstm(apply, carries, steps, shared):
    z = apply("add", steps[0], product(apply, carries[0], shared[0]))
    i, f, o = (apply("sigmoid", part(apply, z, 5 * at, 5 * at + 5)) for at in (0, 1, 3))
    g = apply("tanh", part(apply, z, 10, 15))
    c = apply("add", apply("multiply", f, carries[1]), apply("multiply", i, g))
    h = apply("multiply", o, apply("tanh", c))
    return [h, c], [h]


def gru(apply, carries, steps, shared):
    """The product of the candidate apart from those of the gates, and a bias within."""
    h, (x, (u, v, b)) = carries[0], (steps[0], shared)
    gates = apply("sigmoid", apply("add", part(apply, x, 0, 8), product(apply, h, u)))
    update, reset = part(apply, gates, 0, 4), part(apply, gates, 4, 8)
    inner = apply("add", product(apply, apply("multiply", reset, h), v), b)
    candidate = apply("tanh", apply("add", part(apply, x, 8, 12), inner))
    h = apply("add", candidate, apply("multiply", update, apply("subtract", h, candidate)))
    return [h], [h]


def running_sum(apply, carries, steps, shared):
    total = apply("add", carries[0], steps[0])
    return [total], [apply("tanh", total)]


def moving(apply, carries, steps, shared):
    """Two sequences, two results, and what samples have each for all steps."""
    level = apply("add", apply("multiply", carries[0], shared[0]), steps[0])
    other = apply("where", steps[1], level, carries[1])
    return [apply("tanh", level), other], [apply("multiply", other, steps[0]), level]


def mapped(apply, carries, steps, shared):
    return [], [apply("softmax", product(apply, steps[0], shared[0]))]


def parts_of_a_weight(apply, carries, steps, shared):
    """Gates with a product each, of a slice of one weight, the other way round."""
    weight = shared[0]
    left, right = (apply("slice", weight, axis=0, start=start, stop=start + 3) for start in (0, 3))
    gate = apply("sigmoid", product(apply, carries[0], left, transpose_b=1))
    h = apply("multiply", gate, apply("tanh", product(apply, steps[0], right, transpose_b=1)))
    return [h], [h]


def swapped(apply, carries, steps, shared):
    """Carries that are each other, and a result that is a step."""
    return [carries[1], apply("tanh", apply("add", carries[0], steps[0]))], [steps[0], carries[0]]


def twins(apply, carries, steps, shared):
    """Two carries that become the same value."""
    h = apply("tanh", apply("add", steps[0], apply("add", carries[0], carries[1])))
    return [h, h], [apply("square", h)]


def only_final(apply, carries, steps, shared):
    h = apply("tanh", apply("add", steps[0], product(apply, carries[0], shared[0])))
    return [h], []


def wide(*shapes: Shape) -> list[Operand]:
    return [Operand(shape) for shape in shapes]


CASES: dict[str, list[Case]] = {
    "scan": [
        loop_case("simple", simple, wide((None, 4)), wide((None, 5, 4)), wide((4, 4))),
        loop_case("reverse", simple, wide((None, 4)), wide((None, 5, 4)), wide((4, 4)), True),
        loop_case("one-step", simple, wide((None, 4)), wide((None, 1, 4)), wide((4, 4))),
        loop_case(
            "wide", simple, wide((None, 33)), wide((None, 3, 33)), [Operand((33, 33), small)]
        ),
        loop_case("final", only_final, wide((None, 4)), wide((None, 5, 4)), wide((4, 4))),
        *[
            loop_case(
                f"masked-{reverse}",
                simple,
                wide((None, 4)),
                [Operand((None, 5, 4)), Operand((None, 5), flags, False)],
                wide((4, 4)),
                reverse,
                masked=True,
            )
            for reverse in (False, True)
        ],
        loop_case("lstm", lstm, wide((None, 5), (None, 5)), wide((None, 6, 20)), wide((5, 20))),
        loop_case(
            "gru", gru, wide((None, 4)), wide((None, 6, 12)), wide((4, 8), (4, 4), (4,)), True
        ),
        loop_case("numbers", running_sum, wide((None,)), wide((None, 7))),
        loop_case("images", running_sum, wide((None, 2, 3)), wide((None, 4, 2, 3))),
        loop_case(
            "moving",
            moving,
            wide((None, 3), (None, 3)),
            [Operand((None, 5, 3)), Operand((None, 5, 1), flags, False)],
            wide((None, 3)),
        ),
        loop_case("mapped", mapped, [], wide((None, 5, 3)), wide((3, 6))),
        loop_case("parts", parts_of_a_weight, wide((None, 3)), wide((None, 5, 3)), wide((6, 3))),
        loop_case("twins", twins, wide((None, 3), (None, 3)), wide((None, 5, 3))),
        loop_case(
            "masked-twins",
            twins,
            wide((None, 3), (None, 3)),
            [Operand((None, 5, 3)), Operand((None, 5), flags, False)],
            masked=True,
        ),
        loop_case("swapped", swapped, wide((None, 3), (None, 3)), wide((None, 5, 3))),
    ]
}
