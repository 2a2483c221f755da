"""Functions of one number, as kernels call them.

Kernels are compiled by Numba, which knows Python's ``math``. Numba's simulator runs them as Python,
where ``math`` raises at what CUDA gives infinities and NaN for: there NumPy's functions stand in.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numba import cuda
from numba.core import config

_library: Any = np if config.ENABLE_CUDASIM else math
cos, sin = _library.cos, _library.sin
exp, expm1 = _library.exp, _library.expm1
log, log1p = _library.log, _library.log1p
floor, fmod = _library.floor, _library.fmod
sqrt, tanh = _library.sqrt, _library.tanh
erf = math.erf

__all__ = [
    "cos",
    "erf",
    "exp",
    "expm1",
    "floor",
    "fmod",
    "half_turns",
    "log",
    "log1p",
    "sin",
    "softplus",
    "sqrt",
    "tanh",
]


@functools.cache
def softplus(T: Any) -> Any:
    """Return the device function log(1 + exp(a)) of numbers of type ``T``."""
    zero = T(0)

    def function(a):
        above = zero if a <= zero else a
        return above + log1p(exp(-abs(a)))

    return cuda.jit(function, device=True)


@functools.cache
def half_turns(T: Any, ahead: int) -> Any:
    """Return the device function sin(pi (a + ahead / 2)), exact about each multiple of 1/2."""
    two, four, half, quarter, pi = T(2), T(4), T(0.5), T(0.25), T(math.pi)
    zero, one, three, forward = T(0), T(1), T(3), T(ahead)

    def function(a):
        turned = fmod(a, two)
        nearest = floor(two * turned + half)
        angle = pi * (turned - half * nearest)
        place = nearest + forward
        place -= four * floor(quarter * place)
        if place == zero:
            return sin(angle)
        if place == one:
            return cos(angle)
        if place == two:
            return -sin(angle)
        if place == three:
            return -cos(angle)
        return a - a  # NaN of what is not finite

    return cuda.jit(function, device=True)


def whole(number: int) -> Any:
    """Return a constant of the type in which bits are counted."""
    return np.uint64(number)
