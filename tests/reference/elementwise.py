"""Elementwise functions: opcode name -> function of float64 arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

Array = np.ndarray

ELEMENTWISE: dict[str, Callable[..., Array]] = {
    "copy": lambda a: a,
    "negative": lambda a: -a,
    "absolute": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "square": lambda a: a * a,
    "sqrt": np.sqrt,
    "rsqrt": lambda a: 1.0 / np.sqrt(a),
    "reciprocal": lambda a: 1.0 / a,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softplus": lambda a: np.logaddexp(0.0, a),
    "erf": special.erf,
    "relu": lambda a: np.maximum(a, 0.0),
    "is_finite": lambda a: np.isfinite(a).astype(np.float64),
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "greater": lambda a, b: (a > b).astype(np.float64),
    "greater_equal": lambda a, b: (a >= b).astype(np.float64),
    "equal": lambda a, b: (a == b).astype(np.float64),
    "where": lambda a, b, c: np.where(a != 0.0, b, c),
}
