"""The functions of single elements: their error, their edges, and the ends of arrays."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_references import DTYPES, FUNCTIONS, normal, units_in_last_place

from ganglion import _core

kernels = _core.kernels
SIZES = [0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 64, 100]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, -2.0, -3.0, math.inf, -math.inf, math.nan]

UNARY: dict[str, Callable[..., Any]] = {
    "negative": np.negative,
    "absolute": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "square": np.square,
    "sqrt": np.sqrt,
    "rsqrt": lambda a: 1 / np.sqrt(a),
    "reciprocal": lambda a: 1 / a,
    "relu": lambda a: np.where(a < 0, 0, a),
    "is_finite": np.isfinite,
}
BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "equal": np.equal,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_exact_functions_are_exact(name: str, dtype: Any) -> None:
    a, b = np.meshgrid(np.array([*SPECIAL, *normal(20)], dtype), np.array(SPECIAL, dtype))
    operands = [np.ascontiguousarray(x.ravel()) for x in ((a,) if name in UNARY else (a, b))]
    with np.errstate(all="ignore"):
        expected = {**UNARY, **BINARY}[name](*operands).astype(dtype)
    np.testing.assert_array_equal(kernels.elementwise(name, *operands), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_where(dtype: Any) -> None:
    a, b, c = (normal(100, dtype=dtype, seed=seed) for seed in range(3))
    condition = (a > 0).astype(dtype)
    np.testing.assert_array_equal(
        kernels.elementwise("where", condition, b, c), np.where(condition != 0, b, c)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_power_at_the_edges(dtype: Any) -> None:
    values = np.array([*SPECIAL, 1e-30, 1e30, 7.5, 1001.0, -1000.0, 1.0000001], dtype)
    a, b = (np.ascontiguousarray(x.ravel()) for x in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.power(a, b)
    found = kernels.elementwise("power", a, b)
    rtol = 2e-7 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=np.finfo(dtype).smallest_subnormal)
    np.testing.assert_array_equal(np.signbit(found[found == 0]), np.signbit(expected[found == 0]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*FUNCTIONS, "floor", "add", "power", "where"])
def test_tails_have_the_bits_of_vectors(name: str, dtype: Any) -> None:
    arity = {"add": 2, "power": 2, "where": 3}.get(name, 1)
    operands = [np.abs(normal(128, dtype=dtype, seed=seed)) for seed in range(arity)]
    whole = kernels.elementwise(name, *operands)
    for size in SIZES:
        found = kernels.elementwise(name, *(x[:size].copy() for x in operands))
        np.testing.assert_array_equal(found, whole[:size])


def check_floats(name: str, bits: Any, most: float) -> None:
    x = bits.astype(np.uint32).view(np.float32)
    found = kernels.elementwise(name, x)
    with np.errstate(all="ignore"):
        expected = FUNCTIONS[name](x.astype(np.float64))
    error = units_in_last_place(found, expected)
    worst = int(np.argmax(error))
    assert error[worst] <= most, (name, x[worst], found[worst], expected[worst])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float_error_is_at_most_two_units(name: str) -> None:
    edges = [0, 1, 0x007FFFFF, 0x00800000, 0x3F800000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000]
    near = np.concatenate([np.arange(edge - 200, edge + 200) for edge in edges])
    check_floats(name, np.concatenate([near, near + 2**31]) % 2**32, 2)
    # Every float there is takes minutes.
    stride = 1 if "GANGLION_ALL_FLOATS" in os.environ else 100003
    size = 2**22
    for start in range(0, 2**32, stride * size):
        check_floats(name, np.arange(start, min(2**32, start + stride * size), stride), 2)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="needs a longer double to judge")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_double_error_is_at_most_three_units(name: str) -> None:
    generator = np.random.default_rng(0)
    x = np.concatenate(
        [
            generator.uniform(-4, 4, 10000),
            generator.uniform(-750, 715, 10000),
            generator.standard_normal(10000) * 2.0 ** generator.integers(-60, 60, 10000),
            SPECIAL,
            [5e-324, -5e-324, 2.3e-308, 1e308, -1e308],
        ]
    )
    with np.errstate(all="ignore"):
        expected = FUNCTIONS[name](x.astype(np.longdouble))
    error = units_in_last_place(kernels.elementwise(name, x), expected)
    worst = int(np.argmax(error))
    assert error[worst] <= 3, (name, x[worst])
