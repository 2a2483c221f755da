"""Formulas of the layers on images and sequences in NumPy, by registered name.

Each takes the layer `s` for its settings, its weights `w`, and the input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Weights = dict[str, Array]
Formula = Callable[[Any, Weights, Array, bool], Array]


def slices(axis: int, start: int, stop: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(start, stop),)


def pooled(reduce: Callable[..., Any]) -> Formula:
    """Each window, a part of the input, reduced along the axes before the channels."""

    def formula(s: Any, w: Weights, x: Array, training: bool) -> Array:
        axes = range(1, x.ndim - 1)
        window = np.broadcast_to(s.pool_size, len(axes))
        stride = window if s.strides is None else np.broadcast_to(s.strides, len(axes))
        if s.padding == "same":
            counts = [-(-x.shape[axis] // step) for axis, step in zip(axes, stride, strict=True)]
        else:
            spans = zip(axes, window, stride, strict=True)
            counts = [(x.shape[axis] - size) // step + 1 for axis, size, step in spans]
        y = np.empty((len(x), *counts, x.shape[-1]))
        for at in np.ndindex(*counts):
            part = []
            for axis, place, size, step in zip(axes, at, window, stride, strict=True):
                outside = 0
                if s.padding == "same":
                    outside = max((-(-x.shape[axis] // step) - 1) * step + size - x.shape[axis], 0)
                start = place * step - outside // 2
                part.append(slice(max(start, 0), start + size))
            y[(slice(None), *at)] = reduce(x[(slice(None), *part)], axis=tuple(axes))
        return y

    return formula


def pooled_globally(reduce: Callable[..., Any]) -> Formula:
    return lambda s, w, x, training: reduce(
        x, axis=tuple(range(1, x.ndim - 1)), keepdims=s.keepdims
    )


def interpolated(x: Array, axis: int, size: int, interpolation: str) -> Array:
    """One axis in another size: its pixels' centres lie at 0.5, 1.5, ..."""
    before = x.shape[axis]
    places = (np.arange(size) + 0.5) * before / size
    if interpolation == "nearest":
        return x.take(np.floor(places).astype(int), axis=axis)
    centres = np.arange(before) + 0.5
    return np.apply_along_axis(lambda line: np.interp(places, centres, line), axis, x)


def resized(x: Array, sizes: tuple[int, int], interpolation: str) -> Array:
    for axis, size in enumerate(sizes, start=1):
        x = interpolated(x, axis, size, interpolation)
    return x


def middle(x: Array, sizes: tuple[int, int]) -> Array:
    for axis, size in enumerate(sizes, start=1):
        start = int((x.shape[axis] - size) / 2)
        x = x[slices(axis, start, start + size)]
    return x


def in_proportion(x: Array, sizes: tuple[int, int]) -> Array:
    """The largest middle in which height : width is that of the sizes."""
    height, width = x.shape[1:3]
    ratio = sizes[0] / sizes[1]
    rows, columns = int(min(height, width * ratio)), int(min(width, height / ratio))
    return middle(x, (max(rows, 1), max(columns, 1)))


def resizing(s: Any, w: Weights, x: Array, training: bool) -> Array:
    sizes = (s.height, s.width)
    return resized(in_proportion(x, sizes) if s.crop_to_aspect_ratio else x, sizes, s.interpolation)


def center_crop(s: Any, w: Weights, x: Array, training: bool) -> Array:
    sizes = (s.height, s.width)
    if s.height <= x.shape[1] and s.width <= x.shape[2]:
        return middle(x, sizes)
    return resized(in_proportion(x, sizes), sizes, "bilinear")


def up_sampling(s: Any, w: Weights, x: Array, training: bool) -> Array:
    factors = np.broadcast_to(s.size, 2)
    if s.interpolation == "nearest":
        return x.repeat(factors[0], axis=1).repeat(factors[1], axis=2)
    return resized(x, (x.shape[1] * factors[0], x.shape[2] * factors[1]), "bilinear")


def zero_padding(s: Any, w: Weights, x: Array, training: bool) -> Array:
    edges = np.zeros((x.ndim, 2), dtype=int)
    given = np.asarray(s.padding)
    # Two numbers are rows and columns of an image, but the steps before and after a sequence.
    edges[1:-1] = given[:, None] if given.shape == (2,) and x.ndim == 4 else given
    return np.pad(x, edges)


def cropping(s: Any, w: Weights, x: Array, training: bool) -> Array:
    given = np.asarray(s.cropping)
    shape = (x.ndim - 2, 2)
    edges = np.broadcast_to(given[:, None] if given.shape == (2,) and x.ndim == 4 else given, shape)
    for axis, (before, after) in enumerate(edges, start=1):
        x = x[slices(axis, before, x.shape[axis] - after)]
    return x


def group_normalization(s: Any, w: Weights, x: Array, training: bool) -> Array:
    channels = x.shape[-1]
    groups = channels if s.groups == -1 else s.groups
    parts = x.reshape(len(x), -1, groups, channels // groups)
    mean, variance = parts.mean(axis=(1, 3), keepdims=True), parts.var(axis=(1, 3), keepdims=True)
    y = ((parts - mean) / np.sqrt(variance + s.epsilon)).reshape(x.shape)
    return y * w.get("gamma", np.ones(1)) + w.get("beta", np.zeros(1))


IMAGE_LAYERS: dict[str, Formula] = {
    "max_pooling1d": pooled(np.max),
    "max_pooling2d": pooled(np.max),
    "average_pooling1d": pooled(np.mean),
    "average_pooling2d": pooled(np.mean),
    "global_average_pooling1d": pooled_globally(np.mean),
    "global_average_pooling2d": pooled_globally(np.mean),
    "global_max_pooling1d": pooled_globally(np.max),
    "global_max_pooling2d": pooled_globally(np.max),
    "up_sampling2d": up_sampling,
    "resizing": resizing,
    "center_crop": center_crop,
    "zero_padding1d": zero_padding,
    "zero_padding2d": zero_padding,
    "cropping1d": cropping,
    "cropping2d": cropping,
    "permute": lambda s, w, x, training: x.transpose(0, *s.dims),
    "spatial_dropout1d": lambda s, w, x, training: x,
    "spatial_dropout2d": lambda s, w, x, training: x,
    "group_normalization": group_normalization,
}
