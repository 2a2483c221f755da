"""What convolutional layers compute, from their settings: windows of the padded input, summed."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def per_axis(value: Any, axes: int) -> list[int]:
    return list(np.broadcast_to(value, axes))


def windows(s: Any, x: Array) -> Array:
    """(samples, results along each axis, elements of the kernel along each axis, channels)."""
    axes = x.ndim - 2
    sizes, strides, rates = (
        per_axis(value, axes) for value in (s.kernel_size, s.strides, s.dilation_rate)
    )
    for axis, (size, stride, rate) in enumerate(zip(sizes, strides, rates, strict=True), 1):
        span, given = (size - 1) * rate + 1, x.shape[axis]
        missing = {
            "valid": 0,
            "same": max((-(-given // stride) - 1) * stride + span - given, 0),
            "causal": span - 1,
        }[s.padding]
        before = missing if s.padding == "causal" else missing // 2
        widths = [(0, 0)] * x.ndim
        widths[axis] = (before, missing - before)
        x = np.pad(x, widths)
    spans = [(size - 1) * rate + 1 for size, rate in zip(sizes, rates, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axis=tuple(range(1, axes + 1)))
    for axis in range(axes):
        view = view[(slice(None),) * (1 + axis) + (slice(None, None, strides[axis]),)]
        view = view[(slice(None),) * (2 + axes + axis) + (slice(None, None, rates[axis]),)]
    return np.moveaxis(view, axes + 1, -1)


def convolution(s: Any, w: dict[str, Array], x: Array) -> Array:
    """Before bias and activation."""
    axes, view = x.ndim - 2, windows(s, x)
    parts = [
        np.tensordot(part, kernel, axes=axes + 1)
        for part, kernel in zip(
            np.split(view, s.groups, axis=-1), np.split(w["kernel"], s.groups, axis=-1), strict=True
        )
    ]
    return np.concatenate(parts, axis=-1)


def depthwise(s: Any, w: dict[str, Array], x: Array, name: str = "kernel") -> Array:
    y = np.einsum("nhwijc,ijcm->nhwcm", windows(s, x), w[name])
    return y.reshape(*y.shape[:3], -1)


def separable(s: Any, w: dict[str, Array], x: Array) -> Array:
    return depthwise(s, w, x, "depthwise_kernel") @ w["pointwise_kernel"][0, 0]


def transposed(s: Any, w: dict[str, Array], x: Array) -> Array:
    """Each element times the kernel, added where it lies; then the middle of what that makes."""
    kernel = w["kernel"]
    strides, rates = per_axis(s.strides, 2), per_axis(s.dilation_rate, 2)
    spans = [(kernel.shape[axis] - 1) * rates[axis] + 1 for axis in range(2)]
    reach = [(x.shape[1 + axis] - 1) * strides[axis] + spans[axis] for axis in range(2)]
    full = np.zeros((len(x), *(size + 2 * max(strides) for size in reach), kernel.shape[2]))
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            top, left = row * strides[0], column * strides[1]
            rows = slice(top, top + spans[0], rates[0])
            columns = slice(left, left + spans[1], rates[1])
            full[:, rows, columns] += np.einsum("nc,ijfc->nijf", x[:, row, column], kernel)
    for axis in range(2):
        begin, size = 0, reach[axis] + max(strides[axis] - spans[axis], 0)
        if s.output_padding is not None:
            size = reach[axis] + per_axis(s.output_padding, 2)[axis]
        if s.padding == "same":  # the gradient of a convolution with zeros around
            assert s.output_padding is None
            size = x.shape[1 + axis] * strides[axis]
            begin = max(spans[axis] - strides[axis], 0) // 2
        full = np.take(full, range(begin, begin + size), axis=1 + axis)
    return full
