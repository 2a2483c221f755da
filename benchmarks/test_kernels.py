"""Single kernels: GFLOP/s and share of the peak of products, nanoseconds a value of functions.

``pytest benchmarks`` from the root of the repository; ``GANGLION_ISA=avx2`` measures another
instruction set against its own peak. Repeats inside a call divide out what it costs from Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.products import PRODUCTS
from ganglion import _core

kernels = _core.kernels

FUNCTIONS = ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf"]


@pytest.fixture(scope="session")
def peaks() -> dict[str, float]:
    """FLOP/s of one thread, by dtype."""
    return {dtype: kernels.peak(0.3, dtype) for dtype in ("float32", "float64")}


# A second thread is asked of products from 0.2 MFLOP on.
CASES = [
    (name, threads)
    for name, product in PRODUCTS.items()
    for threads in (1, 2)
    if threads == 1 or product.flops > 0.2e6
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, threads", CASES)
def test_matmul(
    benchmark: Any, peaks: dict[str, float], name: str, dtype: str, threads: int
) -> None:
    product = PRODUCTS[name]
    repeats = max(1, int(2e7 / product.flops))
    benchmark.pedantic(
        kernels.matmul,
        args=(*product.operands(dtype), product.transpose_a, product.transpose_b),
        kwargs={"threads": threads, "repeats": repeats},
        rounds=10,
        warmup_rounds=1,
    )
    rate = product.flops * repeats / benchmark.stats.stats.min
    benchmark.extra_info["GFLOP/s"] = round(rate / 1e9, 1)
    benchmark.extra_info["share of peak"] = round(rate / peaks[dtype] / threads, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(benchmark: Any, name: str, dtype: str) -> None:
    x = np.random.default_rng(0).uniform(0.01, 4, 4096).astype(dtype)
    repeats = 100
    call = {"args": (name, x), "kwargs": {"repeats": repeats}}
    benchmark.pedantic(kernels.elementwise, **call, rounds=30, warmup_rounds=1)
    seconds = benchmark.stats.stats.min / repeats / x.size
    benchmark.extra_info["ns a value"] = round(seconds * 1e9, 3)


def test_where_out_of_cache(benchmark: Any) -> None:
    a, b, c = (np.ones(2**23, np.float32) for _ in range(3))
    call = {"args": ("where", a, b, c), "kwargs": {"repeats": 5}}
    benchmark.pedantic(kernels.elementwise, **call, rounds=5, warmup_rounds=1)
    rate = 5 * 4 * a.nbytes / benchmark.stats.stats.min
    benchmark.extra_info["GB/s"] = round(rate / 1e9, 1)
    benchmark.extra_info["share of bandwidth"] = round(rate / kernels.bandwidth(0.5), 3)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_random(benchmark: Any, distribution: str) -> None:
    make = getattr(kernels, f"random_{distribution}")
    benchmark.pedantic(make, args=(0, 0, 0, 0, 2**16), rounds=30, warmup_rounds=1)
    seconds = benchmark.stats.stats.min / 2**16
    benchmark.extra_info["ns a value"] = round(seconds * 1e9, 3)
