"""Convolution and its gradients, channels last: a thread or a group sums one element."""

from __future__ import annotations

import functools
from typing import Any

from numba import cuda

from ganglion.engines.numba_cuda.device import Call
from ganglion.engines.numba_cuda.groups import fold_sum
from ganglion.engines.numba_cuda.sites import Place, Site, operation


@functools.cache
def _forward_kernel(T: Any) -> Any:
    """Return a kernel: y (n, down, across, filters) of x and the weights."""

    def kernel(y, x, weights, count, geometry):
        height, width, channels, down, across, filters, taps_h, taps_w = geometry[:8]
        stride_h, stride_w, top, left, dilation_h, dilation_w, groups = geometry[8:]
        own, shared_by = channels // groups, filters // groups
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            f = i % filters
            rest = i // filters
            first_column = (rest % across) * stride_w - left
            rest = rest // across
            first_row = (rest % down) * stride_h - top
            image = (rest // down) * height
            channel = (f // shared_by) * own
            total = T(0)
            for tap_h in range(taps_h):
                row = first_row + tap_h * dilation_h
                for tap_w in range(taps_w):
                    column = first_column + tap_w * dilation_w
                    if row >= 0 and row < height and column >= 0 and column < width:
                        at = ((image + row) * width + column) * channels + channel
                        weight = (tap_h * taps_w + tap_w) * own * filters + f
                        for c in range(own):
                            total += x[at + c] * weights[weight + c * filters]
            y[i] = total

    return cuda.jit(kernel)


@functools.cache
def _input_kernel(T: Any) -> Any:
    """Return a kernel: d_x (n, height, width, channels) of d_y and the weights."""

    def kernel(d_x, d_y, weights, count, geometry):
        height, width, channels, down, across, filters, taps_h, taps_w = geometry[:8]
        stride_h, stride_w, top, left, dilation_h, dilation_w, groups = geometry[8:]
        own, shared_by = channels // groups, filters // groups
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            c = i % channels
            rest = i // channels
            column = rest % width + left
            rest = rest // width
            row = rest % height + top
            image = (rest // height) * down
            filter_ = (c // own) * shared_by
            total = T(0)
            for tap_h in range(taps_h):
                y = row - tap_h * dilation_h
                for tap_w in range(taps_w):
                    x = column - tap_w * dilation_w
                    # Only where a result was read from.
                    if (
                        y >= 0 and x >= 0 and y % stride_h == 0 and x % stride_w == 0
                        and y // stride_h < down and x // stride_w < across
                    ):  # fmt: skip
                        at = ((image + y // stride_h) * across + x // stride_w) * filters + filter_
                        weight = ((tap_h * taps_w + tap_w) * own + c % own) * filters + filter_
                        for f in range(shared_by):
                            total += d_y[at + f] * weights[weight + f]
            d_x[i] = total

    return cuda.jit(kernel)


@functools.cache
def _weight_kernel(T: Any, block: int) -> Any:
    """Return a kernel: d_weights (taps, taps, channels / groups, filters) of x and d_y."""
    fold = fold_sum(T)

    def kernel(d_weights, x, d_y, images, count, lanes, geometry):
        height, width, channels, down, across, filters, taps_h, taps_w = geometry[:8]
        stride_h, stride_w, top, left, dilation_h, dilation_w, groups = geometry[8:]
        shared = cuda.shared.array(block, T)
        own, shared_by = channels // groups, filters // groups
        slots = cuda.blockDim.x // lanes
        lane, slot = cuda.threadIdx.x // slots, cuda.threadIdx.x % slots
        for first in range(cuda.blockIdx.x * slots, count, cuda.gridDim.x * slots):
            i = min(first + slot, count - 1)
            f = i % filters
            rest = i // filters
            c = rest % own + (f // shared_by) * own
            rest = rest // own
            from_column = (rest % taps_w) * dilation_w - left
            from_row = (rest // taps_w) * dilation_h - top
            total = T(0)
            for place in range(lane, images * down * across, lanes):
                column = (place % across) * stride_w + from_column
                rest = place // across
                row = (rest % down) * stride_h + from_row
                if row >= 0 and row < height and column >= 0 and column < width:
                    at = ((rest // down) * height + row) * width + column
                    total += x[at * channels + c] * d_y[place * filters + f]
            total = fold(shared, slot * lanes, lane, lanes, total)
            if lane == 0:
                d_weights[i] = total

    return cuda.jit(kernel)


def _geometry(site: Site, x: Place, weights: Place, y: Place) -> tuple[int, ...]:
    a = site.attributes
    _, height, width, channels = x.shape
    _, down, across, filters = y.shape
    top, _, left, _ = a["padding"]
    sizes = (height, width, channels, down, across, filters, *weights.shape[:2])
    return (*sizes, *a["strides"], top, left, *a["dilation"], a["groups"])


@operation("convolution")
def _convolution(site: Site) -> list[Call]:
    (x, weights), y = site.inputs, site.outputs[0]
    arguments = (y.array, x.array, weights.array, y.size, _geometry(site, x, weights, y))
    return [site.device.over(_forward_kernel(site.T), y.size, *arguments)]


@operation("convolution_input_gradient")
def _input_gradient(site: Site) -> list[Call]:
    (d_y, weights), d_x = site.inputs, site.outputs[0]
    arguments = (d_x.array, d_y.array, weights.array, d_x.size)
    geometry = _geometry(site, d_x, weights, d_y)
    return [site.device.over(_input_kernel(site.T), d_x.size, *arguments, geometry)]


@operation("convolution_weight_gradient")
def _weight_gradient(site: Site) -> list[Call]:
    (x, d_y), d_weights = site.inputs, site.outputs[0]
    device, images, count = site.device, x.shape[0], d_weights.size
    lanes = device.lanes(count, images * d_y.shape[1] * d_y.shape[2])
    arguments = (d_weights.array, x.array, d_y.array, images, count, lanes)
    geometry = _geometry(site, x, d_weights, d_y)
    kernel = _weight_kernel(site.T, device.threads)
    return [device.over_groups(kernel, count, lanes, *arguments, geometry)]
