"""What the functions of the kernels should give, and how far off it they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
from reference import ELEMENTWISE


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _erf(x: Any) -> Any:
    return scipy.special.erf(x.astype(np.float64))


DTYPES = [np.float32, np.float64]

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": _erf,
    "sinpi": ELEMENTWISE["sinpi"],
    "cospi": ELEMENTWISE["cospi"],
}


def units_in_last_place(found: Any, expected: Any) -> Any:
    """Distance to the expected value, in units of the last place it has in found's dtype."""
    info = np.finfo(found.dtype)
    wide = expected.dtype.type
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.frexp(expected)[1] - 1, info.minexp)
        unit = np.ldexp(wide(1), exponent - info.nmant)
        error = np.abs(found.astype(wide) - expected) / unit
        # What rounds to infinity must be infinity.
        overflows = np.isinf(found) & (found.astype(wide) * expected > 0)
        overflows &= np.abs(expected) >= wide(info.max) * (1 + wide(info.eps) / 4)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected)) | overflows
    return np.where(same, 0, np.where(np.isfinite(error), error, np.inf))


def normal(*shape: int, dtype: Any = np.float32, seed: int = 0) -> Any:
    """Standard normal numbers, the same for the same shape and seed."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)
