"""The grid of convolutions: sizes, strides, padding, dilation, groups, and odd numbers of each."""

from __future__ import annotations

from typing import Any

from programs import Case, Operand, operation_case

# Images, kernel (rows, columns, filters), strides, padding (top, bottom, left, right), dilation,
# groups.
Geometry = tuple[Any, ...]
PLAIN = (1, 1)
NONE = (0, 0, 0, 0)
GRID: list[Geometry] = [
    ((None, 1, 1, 1), (1, 1, 1), PLAIN, NONE, PLAIN, 1),
    ((None, 5, 5, 1), (3, 3, 2), PLAIN, NONE, PLAIN, 1),
    ((None, 5, 7, 3), (3, 3, 5), PLAIN, (1, 1, 1, 1), PLAIN, 1),
    ((None, 9, 8, 4), (3, 3, 33), PLAIN, NONE, PLAIN, 1),
    ((None, 4, 14, 2), (2, 5, 16), PLAIN, (0, 1, 2, 2), PLAIN, 1),
    ((None, 6, 27, 1), (5, 5, 6), PLAIN, (2, 2, 2, 2), PLAIN, 1),
    ((None, 9, 12, 1), (3, 4, 8), (2, 1), (1, 0, 0, 1), (2, 1), 1),
    ((None, 7, 6, 5), (3, 2, 4), (2, 2), (1, 1, 0, 1), PLAIN, 1),
    ((None, 8, 9, 3), (2, 2, 7), (3, 2), NONE, PLAIN, 1),
    ((None, 5, 5, 2), (1, 1, 3), (2, 3), NONE, PLAIN, 1),
    ((None, 9, 8, 2), (3, 3, 3), PLAIN, (2, 2, 2, 2), (2, 2), 1),
    ((None, 10, 7, 3), (3, 2, 4), (2, 1), (0, 1, 1, 0), (2, 3), 1),
    ((None, 4, 4, 6), (3, 3, 4), PLAIN, (1, 1, 1, 1), PLAIN, 2),
    ((None, 5, 6, 4), (2, 3, 4), (2, 1), (0, 0, 1, 1), (1, 2), 4),
    ((None, 6, 5, 17), (3, 3, 17), PLAIN, (1, 1, 1, 1), PLAIN, 17),
    ((None, 7, 7, 3), (3, 3, 6), (2, 2), (0, 1, 0, 1), PLAIN, 3),
    ((None, 1, 30, 3), (1, 5, 8), PLAIN, (0, 0, 4, 0), PLAIN, 1),
    ((None, 3, 3, 20), (3, 3, 40), PLAIN, NONE, PLAIN, 1),
    ((None, 68, 3, 2), (66, 2, 3), PLAIN, NONE, PLAIN, 1),
    ((None, 2, 2, 3), (4, 4, 5), PLAIN, (2, 2, 2, 2), PLAIN, 1),
    ((None, 4, 4, 1), (2, 2, 1), (5, 5), (0, 3, 0, 3), PLAIN, 1),
    ((3, 4, 5, 2), (3, 3, 4), PLAIN, (1, 1, 1, 1), PLAIN, 1),
]


def result_of(geometry: Geometry) -> list[int]:
    images, kernel, strides, padding, dilation, _ = geometry
    return [
        (images[1 + a] + sum(padding[2 * a : 2 * a + 2]) - (kernel[a] - 1) * dilation[a] - 1)
        // strides[a]
        + 1
        for a in range(2)
    ]


def convolution_case(kind: str, geometry: Geometry, rows: tuple[int, ...] = (1, 3)) -> Case:
    """A case of one of the three products: the same geometry makes each of them."""
    images, kernel, strides, padding, dilation, groups = geometry
    attributes: dict[str, Any] = {
        "strides": list(strides),
        "padding": list(padding),
        "dilation": list(dilation),
        "groups": groups,
    }
    x = Operand(images)
    weights = Operand((*kernel[:2], images[3] // groups, kernel[2]))
    y = Operand((images[0], *result_of(geometry), kernel[2]))
    if kind == "convolution":
        return operation_case(kind, [x, weights], attributes, rows=rows)
    if kind == "convolution_input_gradient":
        attributes["size"] = list(images[1:3])
        return operation_case(kind, [y, weights], attributes, rows=rows)
    attributes["size"] = list(kernel[:2])
    return operation_case(kind, [x, y], attributes, rows=rows)


KINDS = ("convolution", "convolution_input_gradient", "convolution_weight_gradient")
CASES = {kind: [convolution_case(kind, geometry) for geometry in GRID] for kind in KINDS}
