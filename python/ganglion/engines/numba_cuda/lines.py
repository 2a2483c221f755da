"""What runs over the last axis: softmax, cross-entropy, their gradients, places of elements.

As in the core, the sum of exponentials leaves out that of the greatest logit, which is 1: so the
log of the sum is log1p(others), which keeps its digits when one class is sure.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import cuda

from ganglion.engines.numba_cuda.device import Call
from ganglion.engines.numba_cuda.groups import fold_max, fold_sum
from ganglion.engines.numba_cuda.scalars import exp, log1p
from ganglion.engines.numba_cuda.sites import Site, operation


@functools.cache
def _greatest(T: Any) -> Any:
    """Return the device function of the greatest element of a row and its place, -1 for NaN."""
    fold = fold_max(T)
    least = T(-np.inf)

    def function(shared, base, lane, lanes, x, start, columns):
        value = least
        for j in range(lane, columns, lanes):
            if not x[start + j] <= value:
                value = x[start + j]
        value = fold(shared, base, lane, lanes, value)
        # The first of equals: the greatest of the negative places.
        place = T(-columns)
        for j in range(lane, columns, lanes):
            if x[start + j] == value:
                place = max(place, T(-j))
        return value, -fold(shared, base, lane, lanes, place)

    return cuda.jit(function, device=True)


@functools.cache
def _others(T: Any) -> Any:
    """Return the device function of the sum of exponentials but that of the greatest logit."""
    fold = fold_sum(T)

    def function(shared, base, lane, lanes, x, start, columns, shift, place):
        total = T(0)
        for j in range(lane, columns, lanes):
            if T(j) != place:
                total += exp(x[start + j] - shift)
        return fold(shared, base, lane, lanes, total)

    return cuda.jit(function, device=True)


# What a kernel computes of a row.
_SOFTMAX, _LOG_SOFTMAX, _CROSSENTROPY, _SPARSE_CROSSENTROPY = range(4)


@functools.cache
def _softmax_kernel(T: Any, block: int, purpose: int) -> Any:
    """Return a kernel; ``loss`` and ``target`` are read by the cross-entropies alone."""
    greatest_of, others_of, fold = _greatest(T), _others(T), fold_sum(T)
    zero, one, nan = T(0), T(1), T(np.nan)

    def kernel(out, loss, x, target, rows, columns, lanes):
        shared = cuda.shared.array(block, T)
        slots = cuda.blockDim.x // lanes
        lane = cuda.threadIdx.x % lanes
        slot = cuda.threadIdx.x // lanes
        base = slot * lanes
        for first in range(cuda.blockIdx.x * slots, rows, cuda.gridDim.x * slots):
            # Groups beyond the last row do it again: all threads of a block meet.
            row = min(first + slot, rows - 1)
            start = row * columns
            shift, place = greatest_of(shared, base, lane, lanes, x, start, columns)
            others = others_of(shared, base, lane, lanes, x, start, columns, shift, place)
            if purpose == _LOG_SOFTMAX:
                log_sum = log1p(others)
                for j in range(lane, columns, lanes):
                    out[start + j] = (x[start + j] - shift) - log_sum
            else:
                inverse = one / (one + others)
                for j in range(lane, columns, lanes):
                    out[start + j] = exp(x[start + j] - shift) * inverse
            if purpose == _SPARSE_CROSSENTROPY and lane == 0:
                right = target[row]
                if right >= zero and right < T(columns):
                    loss[row] = log1p(others) + (shift - x[start + int(right)])
                else:
                    loss[row] = nan
            if purpose == _CROSSENTROPY:
                log_sum = log1p(others)
                total = zero
                for j in range(lane, columns, lanes):
                    share = target[start + j]
                    if share != zero:
                        total += share * (log_sum + (shift - x[start + j]))
                total = fold(shared, base, lane, lanes, total)
                if lane == 0:
                    loss[row] = total

    return cuda.jit(kernel)


def _rows(site: Site) -> tuple[int, int, int]:
    """Return rows, columns, and the lanes for each row."""
    shape = site.inputs[0].shape
    rows = site.inputs[0].size // shape[-1]
    return rows, shape[-1], site.device.lanes(rows, shape[-1])


def _launch(site: Site, kernel: Any, *arguments: Any) -> list[Call]:
    rows, columns, lanes = _rows(site)
    call = site.device.over_groups(kernel, rows, lanes, *arguments, rows, columns, lanes)
    return [call]


@operation("softmax")
def _softmax(site: Site) -> list[Call]:
    out, x = site.outputs[0].array, site.inputs[0].array
    return _launch(site, _softmax_kernel(site.T, site.device.threads, _SOFTMAX), out, out, x, x)


@operation("log_softmax")
def _log_softmax(site: Site) -> list[Call]:
    out, x = site.outputs[0].array, site.inputs[0].array
    kernel = _softmax_kernel(site.T, site.device.threads, _LOG_SOFTMAX)
    return _launch(site, kernel, out, out, x, x)


@operation("crossentropy")
def _crossentropy(site: Site) -> list[Call]:
    return _losses(site, _CROSSENTROPY)


@operation("sparse_crossentropy")
def _sparse_crossentropy(site: Site) -> list[Call]:
    return _losses(site, _SPARSE_CROSSENTROPY)


def _losses(site: Site, purpose: int) -> list[Call]:
    loss, probabilities = (place.array for place in site.outputs)
    logits, target = (place.array for place in site.inputs)
    kernel = _softmax_kernel(site.T, site.device.threads, purpose)
    return _launch(site, kernel, probabilities, loss, logits, target)


# What is summed over a row before its gradient is computed.
_SOFTMAX_GRADIENT, _LOG_GRADIENT, _CROSSENTROPY_GRADIENT, _SPARSE_GRADIENT = range(4)


@functools.cache
def _gradient_kernel(T: Any, block: int, purpose: int) -> Any:
    """Return a kernel; ``y`` is what the forward operation put out."""
    fold = fold_sum(T)
    zero, nan = T(0), T(np.nan)
    has_loss = purpose in (_CROSSENTROPY_GRADIENT, _SPARSE_GRADIENT)

    def kernel(d_x, y, other, d_loss, rows, columns, lanes):
        shared = cuda.shared.array(block, T)
        slots = cuda.blockDim.x // lanes
        lane = cuda.threadIdx.x % lanes
        slot = cuda.threadIdx.x // lanes
        for first in range(cuda.blockIdx.x * slots, rows, cuda.gridDim.x * slots):
            row = min(first + slot, rows - 1)
            start = row * columns
            scale, right = zero, zero
            if has_loss:
                scale = d_loss[row]
            if purpose == _SPARSE_GRADIENT:
                right = other[row]
                if right >= zero and right < T(columns):
                    right = T(int(right))
                else:
                    scale = nan
            total = zero
            for j in range(lane, columns, lanes):
                if purpose == _SOFTMAX_GRADIENT:
                    total += other[start + j] * y[start + j]
                elif purpose == _SPARSE_GRADIENT:
                    # Of the others: probability - 1 would round to 0.
                    if T(j) != right:
                        total += y[start + j]
                else:
                    total += other[start + j]
            total = fold(shared, slot * lanes, lane, lanes, total)
            for j in range(lane, columns, lanes):
                if purpose == _SOFTMAX_GRADIENT:
                    d_x[start + j] = y[start + j] * (other[start + j] - total)
                elif purpose == _LOG_GRADIENT:
                    d_x[start + j] = other[start + j] - exp(y[start + j]) * total
                elif purpose == _CROSSENTROPY_GRADIENT:
                    d_x[start + j] = scale * (y[start + j] * total - other[start + j])
                elif T(j) == right:
                    d_x[start + j] = scale * -total
                else:
                    d_x[start + j] = scale * y[start + j]

    return cuda.jit(kernel)


def _gradients(site: Site, purpose: int) -> list[Call]:
    kernel = _gradient_kernel(site.T, site.device.threads, purpose)
    y, other, *d_loss = (place.array for place in site.inputs)
    return _launch(site, kernel, site.outputs[0].array, y, other, d_loss[0] if d_loss else other)


@operation("softmax_gradient")
def _softmax_gradient(site: Site) -> list[Call]:
    return _gradients(site, _SOFTMAX_GRADIENT)


@operation("log_softmax_gradient")
def _log_softmax_gradient(site: Site) -> list[Call]:
    return _gradients(site, _LOG_GRADIENT)


@operation("crossentropy_gradient")
def _crossentropy_gradient(site: Site) -> list[Call]:
    return _gradients(site, _CROSSENTROPY_GRADIENT)


@operation("sparse_crossentropy_gradient")
def _sparse_crossentropy_gradient(site: Site) -> list[Call]:
    return _gradients(site, _SPARSE_GRADIENT)


@functools.cache
def _argmax_kernel(T: Any, block: int) -> Any:
    greatest_of = _greatest(T)

    def kernel(out, x, rows, columns, lanes):
        shared = cuda.shared.array(block, T)
        slots = cuda.blockDim.x // lanes
        lane = cuda.threadIdx.x % lanes
        slot = cuda.threadIdx.x // lanes
        for first in range(cuda.blockIdx.x * slots, rows, cuda.gridDim.x * slots):
            row = min(first + slot, rows - 1)
            _, place = greatest_of(shared, slot * lanes, lane, lanes, x, row * columns, columns)
            if lane == 0:
                out[row] = place

    return cuda.jit(kernel)


@operation("argmax")
def _argmax(site: Site) -> list[Call]:
    kernel = _argmax_kernel(site.T, site.device.threads)
    return _launch(site, kernel, site.outputs[0].array, site.inputs[0].array)


@functools.cache
def _kth_largest_kernel(T: Any) -> Any:
    """Return a kernel whose threads look each whether an element is the k-th of its row."""

    def kernel(out, x, k, count, columns):
        wanted = int(k[0])
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            start = (i // columns) * columns
            value = x[i]
            greater, equal = 0, 0
            for j in range(start, start + columns):
                if x[j] > value:
                    greater += 1
                elif x[j] == value:
                    equal += 1
            if greater < wanted and wanted <= greater + equal:
                out[i // columns] = value

    return cuda.jit(kernel)


@operation("kth_largest")
def _kth_largest(site: Site) -> list[Call]:
    x, k = site.inputs
    out = site.outputs[0].array
    kernel = _kth_largest_kernel(site.T)
    return [site.device.over(kernel, x.size, out, x.array, k.array, x.size, x.shape[-1])]
