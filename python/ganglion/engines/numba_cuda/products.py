"""Matrix products, tile by tile: a block reads parts of both operands into shared memory."""

from __future__ import annotations

import functools
import math
from typing import Any

from numba import cuda

from ganglion.engines.numba_cuda.device import Call
from ganglion.engines.numba_cuda.sites import Site, operation

# Rows of batches of products in one launch: what the third dimension of a grid can have.
_MOST_BATCHES = 65535


@functools.cache
def _product(T: Any, across: int, own: int, depth: int) -> Any:
    """Return a kernel for tiles of ``across * own`` squared, of which a thread has ``own`` squared.

    An element is one chain of multiply-adds in the order of k.
    """
    side = across * own
    threads = across * across
    zero = T(0)

    def kernel(out, a, b, batches, m, n, k, strides):
        a_batch, a_row, a_column, b_batch, b_row, b_column = strides
        tile_a = cuda.shared.array((depth, side), T)
        tile_b = cuda.shared.array((depth, side), T)
        sums = cuda.local.array((own, own), T)
        thread = cuda.threadIdx.x
        down, right = thread // across, thread % across
        first_row = cuda.blockIdx.x * side
        first_column = cuda.blockIdx.y * side
        for batch in range(cuda.blockIdx.z, batches, cuda.gridDim.z):
            from_a, from_b = batch * a_batch, batch * b_batch
            for i in range(own):
                for j in range(own):
                    sums[i, j] = zero
            for start in range(0, k, depth):
                for at in range(thread, depth * side, threads):
                    # Neighbouring threads read along the axis that lies in memory.
                    if a_column == 1:
                        p, i = at % depth, at // depth
                    else:
                        p, i = at // side, at % side
                    row, term = first_row + i, start + p
                    inside = row < m and term < k
                    tile_a[p, i] = a[from_a + row * a_row + term * a_column] if inside else zero
                    if b_column == 1:
                        p, j = at // side, at % side
                    else:
                        p, j = at % depth, at // depth
                    column, term = first_column + j, start + p
                    inside = column < n and term < k
                    tile_b[p, j] = b[from_b + term * b_row + column * b_column] if inside else zero
                cuda.syncthreads()
                for p in range(min(depth, k - start)):
                    for i in range(own):
                        left = tile_a[p, i * across + down]
                        for j in range(own):
                            sums[i, j] += left * tile_b[p, j * across + right]
                cuda.syncthreads()
            for i in range(own):
                row = first_row + i * across + down
                for j in range(own):
                    column = first_column + j * across + right
                    if row < m and column < n:
                        out[(batch * m + row) * n + column] = sums[i, j]

    return cuda.jit(kernel)


@operation("matmul")
def _matmul(site: Site) -> list[Call]:
    a, b = site.inputs
    transpose_a, transpose_b = (site.attributes[f"transpose_{name}"] for name in "ab")
    b_rows, b_columns = b.shape[-2:]
    if len(b.shape) == 2:  # all rows of a are rows of one product
        batches, a_rows = 1, a.size // a.shape[-1]
    else:
        batches, a_rows = math.prod(b.shape[:-2]), a.shape[-2]
    a_columns = a.shape[-1]
    m, k = (a_columns, a_rows) if transpose_a else (a_rows, a_columns)
    n = b_rows if transpose_b else b_columns
    across, own, depth = site.device.tile
    if m <= across * own // 2 or n <= across * own // 2:
        own = 1
    side = across * own
    # Rows are along x, where a grid is long enough for any.
    grid = (-(-m // side), -(-n // side), min(batches, _MOST_BATCHES))
    a_strides = (1, a_columns) if transpose_a else (a_columns, 1)
    b_strides = (1, b_columns) if transpose_b else (b_columns, 1)
    strides = (a_rows * a_columns, *a_strides, b_rows * b_columns, *b_strides)
    kernel = _product(site.T, across, own, depth)
    arrays = (site.outputs[0].array, a.array, b.array)
    threads = across * across
    return [site.device.call(kernel, grid, threads, *arrays, batches, m, n, k, strides)]
