"""Groups of threads that share a row or a sum: ``lanes`` of a block each, a power of two.

Kernels that use them begin alike: ``lane`` is the number of a thread in its group, and the shared
memory of the group begins at ``base``. What several lanes sum is folded by halves, always in the
same order.
"""

from __future__ import annotations

import functools
from typing import Any

from numba import cuda


@functools.cache
def fold_sum(T: Any) -> Any:
    """Return the device function that gives each lane the sum of what the lanes have."""

    def fold(shared, base, lane, lanes, value):
        if lanes == 1:
            return value
        shared[base + lane] = value
        cuda.syncthreads()
        half = lanes // 2
        while half > 0:
            if lane < half:
                shared[base + lane] += shared[base + lane + half]
            cuda.syncthreads()
            half //= 2
        total = shared[base]
        cuda.syncthreads()
        return total

    return cuda.jit(fold, device=True)


@functools.cache
def fold_max(T: Any) -> Any:
    """Return the device function that gives each lane the greatest of what they have, or NaN."""

    def fold(shared, base, lane, lanes, value):
        if lanes == 1:
            return value
        shared[base + lane] = value
        cuda.syncthreads()
        half = lanes // 2
        while half > 0:
            if lane < half:
                other = shared[base + lane + half]
                if not other <= shared[base + lane]:
                    shared[base + lane] = other
            cuda.syncthreads()
            half //= 2
        greatest = shared[base]
        cuda.syncthreads()
        return greatest

    return cuda.jit(fold, device=True)
