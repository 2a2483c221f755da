"""Cases of rows of tables, and of the k-th largest."""

from __future__ import annotations

import numpy as np
from programs import Array, Case, Domain, Operand, classes, normal, operation_case

Shape = tuple[int | None, ...]


def take_cases(kind: str) -> list[Case]:
    cases = []
    for rows, columns, index in [
        (1, 1, (None,)),
        (5, 3, (None,)),
        (7, 17, (None, 4)),
        (40, 64, (None, 3, 2)),
        (300, 130, (None, 25)),
        (6, 4, (5,)),
    ]:
        named = Operand(index, classes(rows), False)
        if kind == "take":
            cases.append(operation_case(kind, [Operand((rows, columns)), named]))
        else:
            moved = Operand((*index, columns))
            cases.append(operation_case(kind, [named, moved], {"rows": rows}))
    return cases


def counts(most: int) -> Domain:
    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return 1.0 + classes(most)(generator, shape)

    return draw


def kth_largest_cases() -> list[Case]:
    """All values, so that no position is missed, and values that are equal."""
    return [
        operation_case(
            "kth_largest",
            [Operand(shape, values, False), Operand((), counts(most), False)],
        )
        for shape, values, most in [
            ((None, 1), normal, 1),
            ((None, 17), normal, 17),
            ((None, 17), classes(3), 17),
            ((None, 3, 130), normal, 20),
            ((None, 64), normal, 64),
            ((7,), normal, 7),
        ]
    ]


CASES: dict[str, list[Case]] = {
    **{kind: take_cases(kind) for kind in ("take", "take_gradient")},
    "kth_largest": kth_largest_cases(),
}
