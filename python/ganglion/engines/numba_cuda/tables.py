"""Rows of tables by their numbers, and the sums of what reaches each row."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import cuda

from ganglion.engines.numba_cuda.copies import fill
from ganglion.engines.numba_cuda.device import Call
from ganglion.engines.numba_cuda.sites import Site, operation


@functools.cache
def _take_kernel(T: Any) -> Any:
    zero, nan = T(0), T(np.nan)

    def kernel(out, table, index, count, rows, columns):
        for i in range(cuda.grid(1), count * columns, cuda.gridsize(1)):
            named = index[i // columns]
            if named >= zero and named < T(rows):
                out[i] = table[int(named) * columns + i % columns]
            else:
                out[i] = nan

    return cuda.jit(kernel)


@operation("take")
def _take(site: Site) -> list[Call]:
    (table, index), out = site.inputs, site.outputs[0]
    rows, columns = table.shape
    arguments = (out.array, table.array, index.array, index.size, rows, columns)
    return [site.device.over(_take_kernel(site.T), out.size, *arguments)]


@functools.cache
def _following_kernel(T: Any) -> Any:
    """Return a kernel: of each place of ids, the next with the same id, -1 where there is none."""

    def kernel(following, preceded, index, count):
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            after = i + 1
            while after < count and index[after] != index[i]:
                after += 1
            following[i] = after if after < count else -1
            if after < count:
                preceded[after] = 1

    return cuda.jit(kernel)


@functools.cache
def _sums_kernel(T: Any) -> Any:
    """Return a kernel that adds what reaches a row in the order of the ids."""
    zero = T(0)

    def kernel(d_table, d_out, index, following, preceded, count, rows, columns):
        for i in range(cuda.grid(1), count * columns, cuda.gridsize(1)):
            place, column = i // columns, i % columns
            named = index[place]
            if preceded[place] == 0 and named >= zero and named < T(rows):
                total = zero
                while place >= 0:
                    total += d_out[place * columns + column]
                    place = following[place]
                d_table[int(named) * columns + column] = total

    return cuda.jit(kernel)


@functools.cache
def _unpreceded_kernel() -> Any:
    def kernel(preceded, count):
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            preceded[i] = 0

    return cuda.jit(kernel)


@operation("take_gradient")
def _take_gradient(site: Site) -> list[Call]:
    (index, d_out), d_table = site.inputs, site.outputs[0]
    rows, columns = d_table.shape
    device, count = site.device, index.size
    following, preceded = site.integers(count), site.integers(count)
    arguments = (d_table.array, d_out.array, index.array, following, preceded)
    return [
        fill(device, site.T, d_table.array, d_table.size, 0.0),
        device.over(_unpreceded_kernel(), count, preceded, count),
        device.over(_following_kernel(site.T), count, following, preceded, index.array, count),
        device.over(_sums_kernel(site.T), count * columns, *arguments, count, rows, columns),
    ]
