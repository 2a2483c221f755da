"""Single kernels: GFLOP/s and share of the peak of products, nanoseconds a value of functions.

``pytest benchmarks`` from the root of the repository; ``GANGLION_ISA=avx2`` measures another
instruction set against its own peak. Repeats inside a call divide out what it costs from Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ganglion import _core

kernels = _core.kernels

# rows of A, inner size, columns of B; A or B transposed in memory
PRODUCTS = {
    "512^3": (512, 512, 512, False, False),
    "2048^3": (2048, 2048, 2048, False, False),
    "32x784x128": (32, 784, 128, False, False),
    "32x784x128 dX": (32, 128, 784, False, True),
    "32x784x128 dW": (784, 32, 128, True, False),
    "32x64x20": (32, 64, 20, False, False),
    "32x20x64": (32, 20, 64, False, False),
    "32x64x2": (32, 64, 2, False, False),
}
FUNCTIONS = ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf"]


@pytest.fixture(scope="session")
def peaks() -> dict[str, float]:
    """FLOP/s of one thread, by dtype."""
    return {dtype: kernels.peak(0.3, dtype) for dtype in ("float32", "float64")}


# A second thread is asked of products from 0.2 MFLOP on.
CASES = [
    (name, threads)
    for name in PRODUCTS
    for threads in (1, 2)
    if threads == 1 or "^3" in name or "784" in name
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, threads", CASES)
def test_matmul(
    benchmark: Any, peaks: dict[str, float], name: str, dtype: str, threads: int
) -> None:
    m, k, n, transpose_a, transpose_b = PRODUCTS[name]
    generator = np.random.default_rng(0)
    a = generator.standard_normal((k, m) if transpose_a else (m, k)).astype(dtype)
    b = generator.standard_normal((n, k) if transpose_b else (k, n)).astype(dtype)
    flops = 2 * m * k * n
    repeats = max(1, int(2e7 / flops))
    benchmark.pedantic(
        kernels.matmul,
        args=(a, b, transpose_a, transpose_b),
        kwargs={"threads": threads, "repeats": repeats},
        rounds=10,
        warmup_rounds=1,
    )
    rate = flops * repeats / benchmark.stats.stats.min
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
