"""The grid: for every kind of operation the core knows, the cases on which it is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import convolution_cases
import foreign_cases
import loop_cases
import numpy as np
import routing_cases
import table_cases
from programs import (
    Array,
    Case,
    Domain,
    Operand,
    apart,
    classes,
    declare,
    distribution,
    flags,
    nonzero,
    normal,
    operation_case,
    positive,
)

from ganglion import _core

Shape = tuple[int | None, ...]

# Tails of every vector width, batch dimension in front; then shapes without a batch.
UNARY_SHAPES: list[Shape] = [
    (None, 1),
    (None, 17),
    (None, 64),
    (None, 5, 7),
    (None,),
    (33,),
    (3, 5),
    (),
]

# Broadcasting patterns as layers, losses and optimizers write them.
BINARY_SHAPES: list[tuple[Shape, Shape]] = [
    ((None, 17), (None, 17)),
    ((None, 17), (17,)),
    ((17,), (None, 17)),
    ((None, 17), (None, 1)),
    ((None, 1), (None, 17)),
    ((None, 1), (17,)),
    ((None, 17), ()),
    ((), (None, 17)),
    ((None, 17), (1, 17)),
    ((None, 5, 7), (7,)),
    ((None, 5, 7), (5, 1)),
    ((None, 5, 7), (None, 1, 7)),
    ((None, 5, 7), (None, 5, 1)),
    ((None, 5, 7), (None, 1, 1)),
    ((None, 1, 7), (5, 1)),
    ((None,), (None,)),
    ((None,), ()),
    ((33,), (33,)),
    ((48,), ()),
    ((3, 5), (5,)),
    ((3, 1), (1, 5)),
    ((), ()),
]

TERNARY_SHAPES: list[tuple[Shape, Shape, Shape]] = [
    ((None, 17), (None, 17), (None, 17)),
    ((None, 17), (17,), (17,)),
    ((None, 17), (), ()),
    ((None, 1), (None, 17), ()),
    ((None, 1), (17,), (None, 17)),
    ((None, 5, 7), (5, 1), (7,)),
    ((33,), (), (33,)),
    ((), (), ()),
]

UNARY_DOMAINS: dict[str, Domain] = {
    "copy": normal,
    "negative": normal,
    "absolute": apart,
    "sign": apart,
    "floor": apart,
    "square": normal,
    "sqrt": positive,
    "rsqrt": positive,
    "reciprocal": nonzero,
    "exp": normal,
    "expm1": normal,
    "log": positive,
    "log1p": positive,
    "tanh": normal,
    "sigmoid": normal,
    "softplus": normal,
    "erf": normal,
    "sinpi": normal,
    "cospi": normal,
    "relu": apart,
    "is_finite": normal,
}


def shifted(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The other side of a comparison with `apart`: never equal to it."""
    return apart(generator, shape) + 0.2


def exponents(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return generator.uniform(-2.0, 2.0, size=shape)


def small_integers(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return generator.integers(0, 3, size=shape).astype(np.float64)


# domains of the operands, and which of them the function can be differentiated by
BINARY_DOMAINS: dict[str, tuple[Domain, Domain]] = {
    "add": (normal, normal),
    "subtract": (normal, normal),
    "multiply": (normal, normal),
    "divide": (normal, nonzero),
    "power": (positive, exponents),
    "maximum": (apart, shifted),
    "minimum": (apart, shifted),
    "greater": (apart, shifted),
    "greater_equal": (apart, shifted),
    "equal": (small_integers, small_integers),
}
TERNARY_DOMAINS: dict[str, tuple[Domain, Domain, Domain]] = {
    "where": (flags, normal, normal),
}
# Comparisons have no gradient; `where` none by its condition.
WITHOUT_GRADIENT = {"greater", "greater_equal", "equal", "is_finite"}


def elementwise_cases(kind: str) -> list[Case]:
    def operand(shape: Shape, domain: Domain) -> Operand:
        return Operand(shape, domain, domain is not flags and kind not in WITHOUT_GRADIENT)

    if kind in UNARY_DOMAINS:
        grid = [[operand(shape, UNARY_DOMAINS[kind])] for shape in UNARY_SHAPES]
    elif kind in BINARY_DOMAINS:
        domains = BINARY_DOMAINS[kind]
        grid = [list(map(operand, shapes, domains)) for shapes in BINARY_SHAPES]
    else:
        triple = TERNARY_DOMAINS[kind]
        grid = [list(map(operand, shapes, triple)) for shapes in TERNARY_SHAPES]
    return [operation_case(kind, operands) for operands in grid]


def matmul_cases() -> list[Case]:
    cases = []
    for m, k, n in [(1, 1, 1), (3, 5, 7), (17, 33, 9), (64, 64, 64), (2, 130, 50), (50, 3, 70)]:
        for transpose_a in (0, 1):
            for transpose_b in (0, 1):
                a = (k, m) if transpose_a else (m, k)
                b = (n, k) if transpose_b else (k, n)
                attributes = {"transpose_a": transpose_a, "transpose_b": transpose_b}
                cases.append(operation_case("matmul", [Operand(a), Operand(b)], attributes))
    plain = {"transpose_a": 0, "transpose_b": 0}
    batched: list[tuple[Shape, Shape, dict[str, int]]] = [
        ((None, 20), (20, 31), plain),
        ((None, 1), (1, 1), plain),
        ((None, 7), (7, 1), plain),
        ((None, 20), (31, 20), {"transpose_a": 0, "transpose_b": 1}),
        ((None, 5), (None, 9), {"transpose_a": 1, "transpose_b": 0}),  # a weight's gradient
        ((None, 4, 20), (20, 9), plain),
        ((None, 2, 3, 6), (6, 5), plain),
        ((None, 4, 6), (None, 6, 5), plain),
        ((None, 4, 6), (None, 5, 6), {"transpose_a": 0, "transpose_b": 1}),
        ((None, 6, 4), (None, 6, 5), {"transpose_a": 1, "transpose_b": 0}),
        ((None, 6, 4), (None, 5, 6), {"transpose_a": 1, "transpose_b": 1}),
        ((None, 2, 3, 6), (None, 2, 6, 5), plain),
        ((3, 4, 6), (3, 6, 5), plain),
    ]
    for a_shape, b_shape, attributes in batched:
        operands = [Operand(a_shape), Operand(b_shape)]
        cases.append(operation_case("matmul", operands, attributes))
    return cases


def reduction_cases(kind: str) -> list[Case]:
    spans: list[tuple[Shape, int, int]] = [
        ((None, 1), 1, 1),
        ((None, 17), 1, 1),
        ((None, 100), 1, 1),
        ((None, 1000), 1, 1),
        ((None, 17), 0, 0),
        ((None, 300), 0, 0),
        ((None, 17), 0, 1),
        ((None, 5, 7), 1, 1),
        ((None, 5, 7), 2, 2),
        ((None, 5, 7), 1, 2),
        ((None, 5, 7), 0, 1),
        ((None, 5, 7), 0, 2),
        ((None,), 0, 0),
        ((33,), 0, 0),
        ((6, 4, 5), 1, 1),
        ((6, 4, 5), 0, 0),
    ]
    domain = apart if kind == "reduce_max" else normal
    return [
        operation_case(kind, [Operand(shape, domain, kind != "axis_size")], {"first": f, "last": t})
        for shape, f, t in spans
    ]


def row_cases(kind: str) -> list[Case]:
    shapes: list[Shape] = [
        (None, 1),
        (None, 2),
        (None, 10),
        (None, 17),
        (None, 130),
        (None, 3, 5),
        (7,),
        (4, 6),
    ]
    domain = apart if kind == "argmax" else normal
    return [operation_case(kind, [Operand(shape, domain, kind != "argmax")]) for shape in shapes]


def crossentropy_cases(kind: str) -> list[Case]:
    cases = []
    for shape in [(None, 1), (None, 2), (None, 10), (None, 17), (None, 3, 5), (4, 6)]:
        target = (
            Operand(shape, distribution, False)
            if kind == "crossentropy"
            else Operand(shape[:-1], classes(shape[-1]), False)
        )
        cases.append(operation_case(kind, [Operand(shape), target]))
    return cases


def folded(builder: Any, ids: list[int]) -> list[int]:
    """Through (None * 3, 4), the rows of a product over time steps, and back."""
    rows = builder.apply("reshape", ids, {"shape": [3, 4], "batched": 1})
    shares = builder.apply("softmax", rows, {})
    return list(builder.apply("reshape", shares, {"shape": [1, 3, 4], "batched": 1}))


def layout_cases() -> dict[str, list[Case]]:
    def case(kind: str, operand: Shape, **attributes: object) -> Case:
        return operation_case(kind, [Operand(operand)], attributes)

    return {
        "reshape": [
            case("reshape", (None, 12), shape=[1, 3, 4], batched=1),
            case("reshape", (None, 3, 4), shape=[1, 12], batched=1),
            Case("reshape-folded", folded, [Operand((None, 3, 4))]),
            case("reshape", (None, 5), shape=[1, 5, 1], batched=1),
            case("reshape", (12,), shape=[3, 4], batched=0),
            case("reshape", (1,), shape=[], batched=0),
        ],
        "transpose": [
            case("transpose", (None, 3, 4), permutation=[0, 2, 1]),
            case("transpose", (None, 3, 4, 5), permutation=[0, 3, 1, 2]),
            case("transpose", (None, 17, 33), permutation=[0, 2, 1]),
            case("transpose", (3, 4), permutation=[1, 0]),
            case("transpose", (33, 65), permutation=[1, 0]),
            case("transpose", (3, 4, 5), permutation=[2, 0, 1]),
        ],
        "slice": [
            case("slice", (None, 17), axis=1, start=0, stop=5),
            case("slice", (None, 17), axis=1, start=5, stop=17),
            case("slice", (None, 5, 7), axis=1, start=1, stop=4),
            case("slice", (None, 5, 7), axis=2, start=6, stop=7),
            case("slice", (33,), axis=0, start=16, stop=30),
            case("slice", (6, 4), axis=0, start=1, stop=3),
        ],
        "pad": [
            case("pad", (None, 17), axis=1, before=2, after=3),
            case("pad", (None, 5, 7), axis=1, before=0, after=2),
            case("pad", (None, 5, 7), axis=2, before=1, after=0),
            case("pad", (33,), axis=0, before=3, after=4),
        ],
        "concat": [
            operation_case("concat", list(map(Operand, shapes)), {"axis": axis})
            for shapes, axis in [
                ([(None, 17), (None, 3)], 1),
                ([(None, 1), (None, 4), (None, 2)], 1),
                ([(None, 5, 7), (None, 2, 7)], 1),
                ([(None, 5, 7), (None, 5, 1)], 2),
                ([(None, 3)], 1),
                ([(5,), (16,), (2,)], 0),
                ([(2, 3), (4, 3)], 0),
            ]
        ],
        "flip": [
            case("flip", (None, 17), axis=1),
            case("flip", (None, 5, 7), axis=1),
            case("flip", (None, 3, 1, 4), axis=2),
            case("flip", (6, 4), axis=0),
        ],
        "as_batch": [
            operation_case("as_batch", [Operand((rows, 4))], rows=(rows,)) for rows in (1, 33)
        ],
        "from_batch": [
            operation_case("from_batch", [Operand((None, 2, 3))], {"size": rows}, rows=(rows,))
            for rows in (1, 33)
        ],
        "roll": [
            case("roll", (None, 3), shift=1),
            case("roll", (None, 2, 3), shift=-40),
            case("roll", (None,), shift=2),
        ],
        "pack": [
            operation_case("pack", list(map(Operand, shapes)))
            for shapes in [[(3, 5), (5,)], [(16,)], [(), (17,), (2, 2, 2)]]
        ],
    }


# Images, window, strides, before, after: tails of every vector width, windows that overlap, that
# leave elements out, that reach beyond the image on one side or on all.
WINDOWS: list[tuple[Any, ...]] = [
    ((None, 4, 6, 32), (2, 2), (2, 2), (0, 0), (0, 0)),
    ((None, 4, 6, 1), (2, 2), (2, 2), (0, 0), (0, 0)),
    ((None, 5, 7, 3), (2, 2), (2, 2), (0, 0), (0, 0)),
    ((None, 5, 7, 17), (2, 2), (2, 2), (0, 0), (1, 1)),
    ((None, 7, 6, 5), (3, 3), (2, 2), (1, 0), (1, 1)),
    ((None, 6, 5, 20), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((None, 5, 6, 3), (3, 2), (2, 1), (1, 0), (1, 1)),
    ((None, 5, 5, 2), (1, 2), (3, 1), (0, 0), (0, 1)),
    ((None, 1, 9, 4), (1, 4), (1, 3), (0, 1), (0, 2)),
    ((None, 3, 3, 6), (3, 3), (1, 1), (0, 0), (0, 0)),
    ((None, 2, 2, 1), (4, 4), (2, 2), (2, 3), (3, 2)),
    ((3, 8, 4, 5), (2, 2), (2, 2), (0, 0), (0, 0)),
]


def pooling_case(kind: str, image: Shape, attributes: dict[str, Any]) -> Case:
    sizes, over = [], []
    for axis, size in enumerate(image[1:3]):
        outside = attributes["before"][axis] + attributes["after"][axis]
        sizes.append(size or 1)
        stretch = sizes[-1] + outside - attributes["window"][axis]
        over.append(stretch // attributes["strides"][axis] + 1)
    operand = Operand(image, apart if kind == "max_pool" else normal)
    if kind == "window_spread":
        attributes = {**attributes, "size": sizes}
        operand = Operand((image[0], *over, image[3]))
    case = operation_case(kind, [operand], attributes)
    # The place of the largest element is looked at through the gradient.
    return replace(case, emit=lambda builder, ids: case.emit(builder, ids)[:1])


def pooling_cases(kind: str) -> list[Case]:
    names = ("window", "strides", "before", "after")
    return [
        pooling_case(kind, image, dict(zip(names, map(list, settings), strict=True)))
        for image, *settings in WINDOWS
    ]


def matrices(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Of images that are moved and turned; in 64ths, so that places are exact in float32."""
    near = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    drawn = near + generator.normal(scale=[0.5, 0.5, 3.0, 0.5, 0.5, 3.0], size=shape)
    return np.round(drawn * 64.0) / 64.0


def resampling_cases(kind: str) -> list[Case]:
    """Each fill mode (constant, nearest, reflect, wrap), nearest pixel and bilinear; any sizes."""
    cases = []
    for (height, width, channels), size, fill_modes in [
        ((5, 4, 3), [5, 4], range(4)),
        ((4, 7, 1), [3, 9], range(4)),
        ((6, 5, 2), [6, 5], [0]),
        ((3, 4, 17), [4, 3], [2]),
        ((1, 1, 3), [2, 2], [3]),
        ((2, 70, 3), [2, 131], [2]),
    ]:
        for fill_mode in fill_modes:
            for interpolation in (0, 1):
                images: list[Shape] = [(None, height, width, channels), (None, *size, channels)]
                sizes = [[height, width], size]
                forward = kind == "resample"
                cases.append(
                    operation_case(
                        kind,
                        [Operand(images[not forward]), Operand((None, 6), matrices, False)],
                        {
                            "size": sizes[forward],
                            "fill_mode": fill_mode,
                            "interpolation": interpolation,
                        },
                    )
                )
    return cases


def random_cases(kind: str) -> list[Case]:
    def case(shape: list[int], batched: int, stream: int) -> Case:
        attributes = {"shape": shape, "batched": batched, "stream": stream}
        return operation_case(kind, [], attributes, rows=(1, 4, 37))

    return [
        case([1, 17], 1, 0),
        case([1, 5, 7], 1, 3),
        case([1], 1, 4000000000),
        case([1001], 0, 1),
    ]


def copy_cases() -> list[Case]:
    def case(shape: Shape, target: list[int], batched: int) -> Case:
        return operation_case("copy", [Operand(shape)], {"shape": target, "batched": batched})

    return [
        case((), [1, 17], 1),
        case((17,), [1, 17], 1),
        case((None, 1), [1, 17], 1),
        case((None, 1, 7), [1, 5, 7], 1),
        case((), [33], 0),
        case((4, 1), [4, 5], 0),
    ]


def assign_case(shape: Shape) -> Case:
    def emit(builder: Any, ids: list[int]) -> list[int]:
        return list(builder.apply("assign", ids, {}))

    name = "assign-" + "_".join(map(str, shape))
    return Case(name, emit, [Operand(shape), Operand(shape)])


def gradient_kernel(kind: str) -> list[Case]:
    """The gradients that are kinds of their own, reached by differentiating their forward kind."""
    forward = kind.removesuffix("_gradient")
    return [differentiated(case) for case in CASES[forward]]


def differentiated(case: Case) -> Case:
    builder = _core.Builder()
    seed = Operand(tuple(builder.shape(case.emit(builder, declare(builder, case.operands)[0])[0])))

    def emit(builder: Any, ids: list[int]) -> list[int]:
        output = case.emit(builder, ids[:-1])[0]
        return list(builder.gradient(output, [ids[0]], ids[-1]))

    return Case(f"d-{case.name}", emit, [*case.operands, seed], case.rows)


CASES: dict[str, list[Case]] = {
    **{k: elementwise_cases(k) for k in [*UNARY_DOMAINS, *BINARY_DOMAINS, *TERNARY_DOMAINS]},
    **{kind: reduction_cases(kind) for kind in ("reduce_sum", "reduce_max", "axis_size")},
    **{kind: row_cases(kind) for kind in ("argmax", "softmax", "log_softmax")},
    **{kind: crossentropy_cases(kind) for kind in ("sparse_crossentropy", "crossentropy")},
    **layout_cases(),
    **{kind: random_cases(kind) for kind in ("random_uniform", "random_normal")},
    **{kind: pooling_cases(kind) for kind in ("max_pool", "window_sum", "window_spread")},
    **{kind: resampling_cases(kind) for kind in ("resample", "resample_gradient")},
    "matmul": matmul_cases(),
    **convolution_cases.CASES,
    **loop_cases.CASES,
    **routing_cases.CASES,
    **table_cases.CASES,
    **foreign_cases.CASES,
    "assign": [assign_case(shape) for shape in [(33,), (3, 5), (1,)]],
    "stop_gradient": [operation_case("stop_gradient", [Operand(s)]) for s in UNARY_SHAPES],
}
CASES["copy"] += copy_cases()

# Kinds through which no gradient flows, and why.
NO_GRADIENT = {
    **{
        kind: "a step"
        for kind in ("sign", "floor", "is_finite", "greater", "greater_equal", "equal")
    },
    "axis_size": "a count",
    "argmax": "an index",
    "kth_largest": "none is known",
    "random_uniform": "no operand",
    "random_normal": "no operand",
    "assign": "a weight is set, not computed",
    "pack": "joins gradients",
    "stop_gradient": "says so",
}

for forward in ("softmax", "log_softmax", "sparse_crossentropy", "crossentropy", "max_pool"):
    CASES[f"{forward}_gradient"] = gradient_kernel(f"{forward}_gradient")
