"""Convolutions and their gradients, tap by tap: each is a product of what a tap reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from reference.operations import operation

Array = np.ndarray
Attributes = dict[str, Any]


def padded(x: Array, attributes: Attributes) -> Array:
    top, bottom, left, right = attributes["padding"]
    return np.pad(x, [(0, 0), (top, bottom), (left, right), (0, 0)])


def taps(
    x: Array, kernel: tuple[int, int], result: tuple[int, int], attributes: Attributes
) -> Iterator[tuple[int, int, Array]]:
    """For each tap, its place in the kernel and a view of what it reads of the padded x."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            first = [i * attributes["dilation"][0], j * attributes["dilation"][1]]
            rows, columns = (
                slice(start, start + (size - 1) * stride + 1, stride)
                for start, size, stride in zip(first, result, attributes["strides"], strict=True)
            )
            yield i, j, x[:, rows, columns]


def grouped(x: Array, groups: int) -> Array:
    """The last axis as (groups, channels of one)."""
    return x.reshape(*x.shape[:-1], groups, -1)


def results(size: int, kernel: int, attributes: Attributes, axis: int) -> int:
    before, after = attributes["padding"][2 * axis : 2 * axis + 2]
    span = (kernel - 1) * attributes["dilation"][axis] + 1
    return int((size + before + after - span) // attributes["strides"][axis] + 1)


@operation("convolution")
def convolution(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    x, weights = inputs
    groups = attributes["groups"]
    shape = tuple(results(x.shape[1 + a], weights.shape[a], attributes, a) for a in range(2))
    y = np.zeros((len(x), *shape, groups, weights.shape[3] // groups))
    for i, j, part in taps(padded(x, attributes), weights.shape[:2], shape, attributes):
        y += np.einsum("nhwgc,cgf->nhwgf", grouped(part, groups), grouped(weights[i, j], groups))
    return y.reshape(*y.shape[:3], -1)


@operation("convolution_input_gradient")
def convolution_input_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    d_y, weights = inputs
    groups, size = attributes["groups"], attributes["size"]
    top, _, left, _ = attributes["padding"]
    d_x = padded(np.zeros((len(d_y), *size, groups * weights.shape[2])), attributes)
    for i, j, part in taps(d_x, weights.shape[:2], d_y.shape[1:3], attributes):
        gradient = np.einsum(
            "nhwgf,cgf->nhwgc", grouped(d_y, groups), grouped(weights[i, j], groups)
        )
        part += gradient.reshape(part.shape)
    return d_x[:, top : top + size[0], left : left + size[1]]


@operation("convolution_weight_gradient")
def convolution_weight_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    x, d_y = inputs
    groups, size = attributes["groups"], attributes["size"]
    d_weights = np.zeros((*size, x.shape[3] // groups, d_y.shape[3]))
    for i, j, part in taps(padded(x, attributes), tuple(size), d_y.shape[1:3], attributes):
        gradient = np.einsum("nhwgc,nhwgf->cgf", grouped(part, groups), grouped(d_y, groups))
        d_weights[i, j] = gradient.reshape(d_weights.shape[2:])
    return d_weights
