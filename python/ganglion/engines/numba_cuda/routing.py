"""Products of the routing between capsules: see cpp/program/routing.cpp.

All come from one form of four factors, L = sum c(n, j, i) u(n, k, i) W(j, k, i, d) v(n, j, d): each
is its derivative by one of them.
"""

from __future__ import annotations

import functools
from typing import Any

from numba import cuda

from ganglion.engines.numba_cuda.device import Call
from ganglion.engines.numba_cuda.groups import fold_sum
from ganglion.engines.numba_cuda.sites import Site, operation


@functools.cache
def _agreement_kernel(T: Any) -> Any:
    """Return a kernel: (n, j, i) of u, W and v."""

    def kernel(out, u, weights, v, count, sizes):
        capsules, inputs, input_dim, dim = sizes
        for at in range(cuda.grid(1), count, cuda.gridsize(1)):
            i = at % inputs
            pair = at // inputs
            n, j = pair // capsules, pair % capsules
            total = T(0)
            for k in range(input_dim):
                row = ((j * input_dim + k) * inputs + i) * dim
                fit = T(0)
                for d in range(dim):
                    fit += weights[row + d] * v[pair * dim + d]
                total += u[(n * input_dim + k) * inputs + i] * fit
            out[at] = total

    return cuda.jit(kernel)


@functools.cache
def _input_kernel(T: Any) -> Any:
    """Return a kernel: (n, k, i) of c, W and v."""

    def kernel(out, c, weights, v, count, sizes):
        capsules, inputs, input_dim, dim = sizes
        for at in range(cuda.grid(1), count, cuda.gridsize(1)):
            i = at % inputs
            k = (at // inputs) % input_dim
            n = at // (inputs * input_dim)
            total = T(0)
            for j in range(capsules):
                row = ((j * input_dim + k) * inputs + i) * dim
                fit = T(0)
                for d in range(dim):
                    fit += weights[row + d] * v[(n * capsules + j) * dim + d]
                total += c[(n * capsules + j) * inputs + i] * fit
            out[at] = total

    return cuda.jit(kernel)


@functools.cache
def _weight_kernel(T: Any) -> Any:
    """Return a kernel: (j, k, i, d) of c, u and v."""

    def kernel(out, c, u, v, rows, count, sizes):
        capsules, inputs, input_dim, dim = sizes
        for at in range(cuda.grid(1), count, cuda.gridsize(1)):
            d = at % dim
            rest = at // dim
            i = rest % inputs
            rest = rest // inputs
            k, j = rest % input_dim, rest // input_dim
            total = T(0)
            for n in range(rows):
                coupled = c[(n * capsules + j) * inputs + i] * v[(n * capsules + j) * dim + d]
                total += coupled * u[(n * input_dim + k) * inputs + i]
            out[at] = total

    return cuda.jit(kernel)


@functools.cache
def _sum_kernel(T: Any, block: int) -> Any:
    """Return a kernel: (n, j, d) of c, u and W; a group shares the input capsules."""
    fold = fold_sum(T)

    def kernel(out, c, u, weights, count, lanes, sizes):
        shared = cuda.shared.array(block, T)
        capsules, inputs, input_dim, dim = sizes
        slots = cuda.blockDim.x // lanes
        lane, slot = cuda.threadIdx.x // slots, cuda.threadIdx.x % slots
        for first in range(cuda.blockIdx.x * slots, count, cuda.gridDim.x * slots):
            at = min(first + slot, count - 1)
            d = at % dim
            pair = at // dim
            n, j = pair // capsules, pair % capsules
            total = T(0)
            for i in range(lane, inputs, lanes):
                predicted = T(0)
                for k in range(input_dim):
                    weight = weights[((j * input_dim + k) * inputs + i) * dim + d]
                    predicted += u[(n * input_dim + k) * inputs + i] * weight
                total += c[pair * inputs + i] * predicted
            total = fold(shared, slot * lanes, lane, lanes, total)
            if lane == 0:
                out[at] = total

    return cuda.jit(kernel)


@operation("routing_agreement")
def _agreement(site: Site) -> list[Call]:
    (u, weights, v), out = site.inputs, site.outputs[0]
    arrays = (out.array, u.array, weights.array, v.array)
    kernel = _agreement_kernel(site.T)
    return [site.device.over(kernel, out.size, *arrays, out.size, _sizes(weights.shape))]


@operation("routing_input_gradient")
def _input_gradient(site: Site) -> list[Call]:
    (c, weights, v), out = site.inputs, site.outputs[0]
    arrays = (out.array, c.array, weights.array, v.array)
    kernel = _input_kernel(site.T)
    return [site.device.over(kernel, out.size, *arrays, out.size, _sizes(weights.shape))]


@operation("routing_weight_gradient")
def _weight_gradient(site: Site) -> list[Call]:
    (c, u, v), out = site.inputs, site.outputs[0]
    arrays = (out.array, c.array, u.array, v.array)
    kernel, rows = _weight_kernel(site.T), c.shape[0]
    return [site.device.over(kernel, out.size, *arrays, rows, out.size, _sizes(out.shape))]


@operation("routing_sum")
def _routing_sum(site: Site) -> list[Call]:
    (c, u, weights), out = site.inputs, site.outputs[0]
    arrays = (out.array, c.array, u.array, weights.array)
    lanes = site.device.lanes(out.size, c.shape[2])
    kernel = _sum_kernel(site.T, site.device.threads)
    arguments = (*arrays, out.size, lanes, _sizes(weights.shape))
    return [site.device.over_groups(kernel, out.size, lanes, *arguments)]


def _sizes(weights: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return capsules, inputs, input dim and dim of weights (capsules, input dim, inputs, dim)."""
    capsules, input_dim, inputs, dim = weights
    return capsules, inputs, input_dim, dim
