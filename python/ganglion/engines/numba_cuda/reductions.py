"""Sums and greatest elements over neighbouring axes: (outer, middle, inner) to (outer, inner)."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numba import cuda

from ganglion.engines.numba_cuda.device import Call
from ganglion.engines.numba_cuda.groups import fold_max, fold_sum
from ganglion.engines.numba_cuda.sites import Site, operation

# A longer middle of few results is cut into parts, whose sums are summed.
_PART = 1 << 15


@functools.cache
def _reduction(T: Any, block: int, is_sum: bool) -> Any:
    fold = fold_sum(T) if is_sum else fold_max(T)
    least = T(0) if is_sum else T(-np.inf)

    def kernel(out, x, outer, middle, inner, parts, part, lanes):
        shared = cuda.shared.array(block, T)
        slots = cuda.blockDim.x // lanes
        # Neighbouring threads read neighbouring elements.
        if inner == 1:
            lane = cuda.threadIdx.x % lanes
            slot = cuda.threadIdx.x // lanes
        else:
            lane = cuda.threadIdx.x // slots
            slot = cuda.threadIdx.x % slots
        count = outer * parts * inner
        for first in range(cuda.blockIdx.x * slots, count, cuda.gridDim.x * slots):
            result = first + slot
            value = least
            if result < count:
                rest = result // inner
                start = (rest % parts) * part
                stop = min(start + part, middle)
                origin = (rest // parts) * middle * inner + result % inner
                for at in range(start + lane, stop, lanes):
                    number = x[origin + at * inner]
                    if is_sum:
                        value += number
                    elif not number <= value:
                        value = number
            value = fold(shared, slot * lanes, lane, lanes, value)
            if lane == 0 and result < count:
                out[result] = value

    return cuda.jit(kernel)


def reduce(
    site: Site, out: Any, x: Any, outer: int, middle: int, inner: int, is_sum: bool
) -> list[Call]:
    """Return the launches of one reduction.

    Parameters
    ----------
    site : Site
        Where it runs.
    out, x : device array
        (outer, inner) and (outer, middle, inner), flat.
    outer, middle, inner : int
        Sizes.
    is_sum : bool
        Or else the greatest element, NaN where there is one.
    """
    device = site.device
    kernel = _reduction(site.T, device.threads, is_sum)

    def once(out: Any, x: Any, middle: int, parts: int, part: int) -> Call:
        count = outer * parts * inner
        lanes = device.lanes(count, part)
        sizes = (outer, middle, inner, parts, part, lanes)
        return device.over_groups(kernel, count, lanes, out, x, *sizes)

    parts = -(-middle // _PART) if outer * inner * device.most_lanes < _PART else 1
    if parts == 1:
        return [once(out, x, middle, 1, middle)]
    partial = site.numbers(outer * parts * inner)
    return [once(partial, x, middle, parts, _PART), once(out, partial, parts, 1, parts)]


@operation("reduce_sum")
def _reduce_sum(site: Site) -> list[Call]:
    return reduce(site, site.outputs[0].array, site.inputs[0].array, *_sizes(site), True)


@operation("reduce_max")
def _reduce_max(site: Site) -> list[Call]:
    return reduce(site, site.outputs[0].array, site.inputs[0].array, *_sizes(site), False)


def _sizes(site: Site) -> tuple[int, int, int]:
    shape, first, last = site.inputs[0].shape, site.attributes["first"], site.attributes["last"]
    return (
        math.prod(shape[:first]),
        math.prod(shape[first : last + 1]),
        math.prod(shape[last + 1 :]),
    )
