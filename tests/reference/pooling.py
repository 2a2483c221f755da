"""Windows over images, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from reference.operations import Array, Attributes, operation


class Window(NamedTuple):
    """One window: where its result stands, its part of the image, and where in it that begins."""

    result: tuple[Any, ...]
    part: tuple[Any, ...]
    row: int
    column: int


def windows(size: tuple[int, int], attributes: Attributes) -> Iterator[Window]:
    counts = [
        (size[axis] + before + attributes["after"][axis] - attributes["window"][axis])
        // attributes["strides"][axis]
        + 1
        for axis, before in enumerate(attributes["before"])
    ]
    for result in np.ndindex(*counts):
        starts, parts = [], []
        for axis in (0, 1):
            start = result[axis] * attributes["strides"][axis] - attributes["before"][axis]
            stop = min(start + attributes["window"][axis], size[axis])
            parts.append(slice(max(start, 0), stop))
            starts.append(max(start, 0) - start)
        yield Window((slice(None), *result), (slice(None), *parts), *starts)


def count(size: tuple[int, int], attributes: Attributes) -> tuple[int, int]:
    last = list(windows(size, attributes))[-1].result
    return last[1] + 1, last[2] + 1


@operation("max_pool")
def max_pool(inputs: list[Array], attributes: Attributes, rows: int) -> list[Array]:
    (x,) = inputs
    size = x.shape[1:3]
    out = np.empty((len(x), *count(size, attributes), x.shape[3]))
    place = np.empty_like(out)
    for window in windows(size, attributes):
        part = x[window.part]
        columns = part.shape[2]
        flat = part.reshape(len(x), -1, x.shape[3])
        first = flat.argmax(axis=1)
        out[window.result] = flat.max(axis=1)
        row, column = first // columns + window.row, first % columns + window.column
        place[window.result] = row * attributes["window"][1] + column
    return [out, place]


@operation("max_pool_gradient")
def max_pool_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    place, d_out = inputs
    size = attributes["size"]
    d_x = np.zeros((len(place), *size, place.shape[3]))
    for window in windows(size, attributes):
        part = d_x[window.part]
        for row, column in np.ndindex(part.shape[1:3]):
            number = (window.row + row) * attributes["window"][1] + window.column + column
            chosen = place[window.result] == number
            part[:, row, column] += np.where(chosen, d_out[window.result], 0.0)
    return d_x


@operation("window_sum")
def window_sum(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    (x,) = inputs
    size = x.shape[1:3]
    out = np.empty((len(x), *count(size, attributes), x.shape[3]))
    for window in windows(size, attributes):
        out[window.result] = x[window.part].sum(axis=(1, 2))
    return out


@operation("window_spread")
def window_spread(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    (x,) = inputs
    size = attributes["size"]
    out = np.zeros((len(x), *size, x.shape[3]))
    for window in windows(size, attributes):
        out[window.part] += x[window.result][:, None, None]
    return out
