"""Random numbers from a counter (Philox4x32-10), the same as the core's: see cpp/core/philox.h.

A number depends on seed, stream, step and element alone: masks of dropout are the processor's.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import cuda

from ganglion.engines.numba_cuda.scalars import half_turns, log, sqrt, whole

_LOWER = whole(0xFFFFFFFF)
_WORD, _TWO, _THREE, _ONE = whole(32), whole(2), whole(3), whole(1)
_STEP_PLACE, _HALF_PLACE = whole(16), whole(31)
_FIRST_MULTIPLIER, _SECOND_MULTIPLIER = whole(0xD2511F53), whole(0xCD9E8D57)
_FIRST_WEYL, _SECOND_WEYL = whole(0x9E3779B9), whole(0xBB67AE85)
_FLOAT_BITS, _UPPER_BITS, _LOWER_BITS = whole(8), whole(21), whole(11)


def _word(seed, step, stream, element, half):
    """Return the 32-bit word of an element."""
    block = element >> _TWO
    c0 = block & _LOWER
    c1 = stream
    c2 = step & _LOWER
    c3 = (block >> _WORD) | ((step >> _WORD) << _STEP_PLACE) | (half << _HALF_PLACE)
    k0 = seed & _LOWER
    k1 = seed >> _WORD
    for _ in range(10):
        left = c0 * _FIRST_MULTIPLIER
        right = c2 * _SECOND_MULTIPLIER
        c0 = (right >> _WORD) ^ c1 ^ k0
        c1 = right & _LOWER
        c2 = (left >> _WORD) ^ c3 ^ k1
        c3 = left & _LOWER
        k0 = (k0 + _FIRST_WEYL) & _LOWER
        k1 = (k1 + _SECOND_WEYL) & _LOWER
    at = element & _THREE
    if at < _TWO:
        return c0 if at < _ONE else c1
    return c2 if at < _THREE else c3


_philox_word = cuda.jit(_word, device=True)


@functools.cache
def uniform(T: Any) -> Any:
    """Return the device function of numbers in [0, 1): 24 bits of a word, or 53 of two."""
    is_double = T is np.float64
    unit, least = T(2.0**-24), T(2.0**-53)
    none, one = whole(0), whole(1)

    def function(seed, step, stream, element):
        upper = _philox_word(seed, step, stream, element, none)
        if is_double:
            lower = _philox_word(seed, step, stream, element, one)
            return T(np.int64((upper << _UPPER_BITS) | (lower >> _LOWER_BITS))) * least
        return T(np.int64(upper >> _FLOAT_BITS)) * unit

    return cuda.jit(function, device=True)


@functools.cache
def _positive(T: Any) -> Any:
    """Return the device function of numbers in (0, 1], with all bits that small ones can have."""
    is_double = T is np.float64
    draw = uniform(T)
    none = whole(0)

    def function(seed, step, stream, element):
        if is_double:
            return draw(seed, step, stream, element) + T(2.0**-54)
        upper = _philox_word(seed, step, stream, element, none)
        rounded = np.float64(T(np.int64(upper >> _ONE)))
        return T(rounded * np.float64(2.0**-31) + np.float64(2.0**-32))

    return cuda.jit(function, device=True)


@functools.cache
def normal(T: Any) -> Any:
    """Return the device function of normal numbers: of a pair, radius times cosine and sine."""
    draw, radius_of = uniform(T), _positive(T)
    sine, cosine = half_turns(T, 0), half_turns(T, 1)
    two, minus_two = T(2), T(-2)

    def function(seed, step, stream, element):
        odd = element & _ONE
        first = element - odd
        radius = sqrt(minus_two * log(radius_of(seed, step, stream, first)))
        angle = two * draw(seed, step, stream, first + _ONE)
        if odd == _ONE:
            return radius * sine(angle)
        return radius * cosine(angle)

    return cuda.jit(function, device=True)
