"""Pooling: windows over images, channels last. Ways back gather: no two threads share a place."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import cuda

from ganglion.engines.numba_cuda.device import Call
from ganglion.engines.numba_cuda.sites import Place, Site, operation


@functools.cache
def _pool_kernel(T: Any, is_max: bool) -> Any:
    """Return a kernel: the greatest element of each window and its place, or the sum."""
    zero, least = T(0), T(-np.inf)

    def kernel(out, places, x, count, geometry):
        height, width, channels, down, across = geometry[:5]
        window_h, window_w, stride_h, stride_w, before_h, before_w = geometry[5:]
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            c = i % channels
            rest = i // channels
            left = (rest % across) * stride_w - before_w
            rest = rest // across
            top = (rest % down) * stride_h - before_h
            image = (rest // down) * height
            value = least if is_max else zero
            place = -1
            for row in range(max(top, 0), min(top + window_h, height)):
                for column in range(max(left, 0), min(left + window_w, width)):
                    number = x[((image + row) * width + column) * channels + c]
                    if not is_max:
                        value += number
                    elif place < 0 or (not number <= value and value == value):
                        # The first of equals; a NaN stays.
                        value = number
                        place = (row - top) * window_w + column - left
            out[i] = value
            if is_max:
                places[i] = T(place)

    return cuda.jit(kernel)


@functools.cache
def _spread_kernel(T: Any, is_max: bool) -> Any:
    """Return a kernel: each element gets what its windows give it, all of them or one by place."""

    def kernel(d_x, places, d_out, count, geometry):
        height, width, channels, down, across = geometry[:5]
        window_h, window_w, stride_h, stride_w, before_h, before_w = geometry[5:]
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            c = i % channels
            rest = i // channels
            column = rest % width + before_w
            rest = rest // width
            row = rest % height + before_h
            image = (rest // height) * down
            total = T(0)
            for y in range(
                max(0, (row - window_h) // stride_h + 1), min(down, row // stride_h + 1)
            ):
                for x in range(
                    max(0, (column - window_w) // stride_w + 1), min(across, column // stride_w + 1)
                ):
                    at = ((image + y) * across + x) * channels + c
                    place = (row - y * stride_h) * window_w + column - x * stride_w
                    if not is_max or places[at] == T(place):
                        total += d_out[at]
            d_x[i] = total

    return cuda.jit(kernel)


def _geometry(site: Site, images: Place, windows: Place) -> tuple[int, ...]:
    a = site.attributes
    _, height, width, channels = images.shape
    _, down, across, _ = windows.shape
    return (height, width, channels, down, across, *a["window"], *a["strides"], *a["before"])


@operation("max_pool")
def _max_pool(site: Site) -> list[Call]:
    x, (out, places) = site.inputs[0], site.outputs
    kernel, arrays = _pool_kernel(site.T, True), (out.array, places.array, x.array)
    return [site.device.over(kernel, out.size, *arrays, out.size, _geometry(site, x, out))]


@operation("window_sum")
def _window_sum(site: Site) -> list[Call]:
    x, out = site.inputs[0], site.outputs[0]
    kernel, arrays = _pool_kernel(site.T, False), (out.array, out.array, x.array)
    return [site.device.over(kernel, out.size, *arrays, out.size, _geometry(site, x, out))]


@operation("max_pool_gradient")
def _max_pool_gradient(site: Site) -> list[Call]:
    (places, d_out), d_x = site.inputs, site.outputs[0]
    kernel, arrays = _spread_kernel(site.T, True), (d_x.array, places.array, d_out.array)
    return [site.device.over(kernel, d_x.size, *arrays, d_x.size, _geometry(site, d_x, d_out))]


@operation("window_spread")
def _window_spread(site: Site) -> list[Call]:
    x, out = site.inputs[0], site.outputs[0]
    kernel, arrays = _spread_kernel(site.T, False), (out.array, x.array, x.array)
    return [site.device.over(kernel, out.size, *arrays, out.size, _geometry(site, out, x))]
