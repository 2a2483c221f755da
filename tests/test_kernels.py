"""The kernels one by one, on every instruction set this machine has."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_references import DTYPES, FUNCTIONS, normal
from reference import philox
from tolerances import NORMAL

from ganglion import _core

kernels = _core.kernels

# ---- products

SHAPES = [
    (1, 1, 1),
    (32, 20, 64),
    (32, 64, 2),
    (64, 32, 20),
    (1, 784, 128),
    (2, 300, 131),
    (3, 17, 300),
    (13, 1, 33),
    (25, 300, 47),
    (30, 600, 50),
    (100, 257, 300),
    (0, 4, 5),
    (4, 0, 5),
    (4, 5, 0),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("accumulate", [False, True], ids=["set", "add"])
@pytest.mark.parametrize("transpose_b", [False, True], ids=["b", "bT"])
@pytest.mark.parametrize("transpose_a", [False, True], ids=["a", "aT"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_matmul_is_the_product(
    shape: tuple[int, int, int], transpose_a: bool, transpose_b: bool, accumulate: bool, dtype: Any
) -> None:
    m, k, n = shape
    a, b = normal(m, k, dtype=dtype), normal(k, n, dtype=dtype)
    start = normal(m, n, dtype=dtype, seed=1) if accumulate else np.zeros((m, n), dtype)
    expected = a.astype(np.float64) @ b.astype(np.float64) + start
    found = kernels.matmul(
        np.ascontiguousarray(a.T) if transpose_a else a,
        np.ascontiguousarray(b.T) if transpose_b else b,
        transpose_a,
        transpose_b,
        start if accumulate else None,
    )
    assert found.dtype == dtype
    bound = (math.sqrt(k) + 2) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b) + np.abs(start))
    assert np.all(np.abs(found - expected) <= bound)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul_reads_any_strides(dtype: Any) -> None:
    a, b = normal(60, 80, dtype=dtype)[::2, ::-2], normal(40, 150, dtype=dtype)[:, ::3]
    expected = kernels.matmul(np.ascontiguousarray(a), np.ascontiguousarray(b))
    np.testing.assert_array_equal(kernels.matmul(a, b), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES[1:11], ids=str)
def test_matmul_bits_depend_on_a_row_and_a_column_alone(
    shape: tuple[int, int, int], dtype: Any
) -> None:
    m, k, n = shape
    a, b = normal(m, k, dtype=dtype), normal(k, n, dtype=dtype)
    whole = kernels.matmul(a, b)
    row, column = m // 2, n // 3
    np.testing.assert_array_equal(kernels.matmul(a[row : row + 1], b)[0], whole[row])
    np.testing.assert_array_equal(kernels.matmul(a, b[:, column:])[:, 0], whole[:, column])
    for transposed in (np.ascontiguousarray(a.T), a):
        is_transposed = transposed is not a
        np.testing.assert_array_equal(
            kernels.matmul(transposed, b, is_transposed, threads=3), whole
        )
    # Two halves of k, the second added to the first, are one chain.
    first = kernels.matmul(a[:, : k // 2], b[: k // 2])
    second = kernels.matmul(a[:, k // 2 :], b[k // 2 :], accumulate_into=first)
    np.testing.assert_array_equal(second, whole)


# Each packs the operands in another way.
@pytest.mark.parametrize("transpose_b", [False, True], ids=["b", "bT"])
@pytest.mark.parametrize("transpose_a", [False, True], ids=["a", "aT"])
@pytest.mark.parametrize(
    "shape", [(500, 600, 1050), (30, 2100, 700), (2100, 30, 700), (1100, 1030, 1040)], ids=str
)
def test_matmul_of_many_blocks(
    shape: tuple[int, int, int], transpose_a: bool, transpose_b: bool
) -> None:
    m, k, n = shape
    a, b = normal(m, k), normal(k, n)
    x = np.ascontiguousarray(a.T) if transpose_a else a
    y = np.ascontiguousarray(b.T) if transpose_b else b
    found = kernels.matmul(x, y, transpose_a, transpose_b)
    np.testing.assert_allclose(found, a.astype(np.float64) @ b, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(kernels.matmul(x, y, transpose_a, transpose_b, threads=2), found)
    np.testing.assert_array_equal(kernels.matmul(a[7:8], b)[0], found[7])


def test_matmul_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"\[matmul\] inner sizes differ: 3 against 4"):
        kernels.matmul(normal(2, 3), normal(4, 2))
    with pytest.raises(ValueError, match="one dtype"):
        kernels.matmul(normal(2, 3), normal(3, 2, dtype=np.float64))


# ---- random numbers


def test_philox_known_answers() -> None:
    # From the authors' own test file: counter and key of zeros.
    words = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox.words(0, 0, 0, count=4, half=0).tolist() == words
    found = kernels.random_uniform(0, 0, 0, first=0, count=4)
    assert (found * 2**24).tolist() == [word >> 8 for word in words]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers_are_the_references(dtype: str) -> None:
    key = (0x123456789ABCDEF0, 7, 2**33 + 5)
    uniform = kernels.random_uniform(*key, 0, 40000, dtype)
    np.testing.assert_array_equal(uniform, philox.random_uniform(*key, 40000, dtype))
    found = kernels.random_normal(*key, 0, 40000, dtype)
    expected = philox.random_normal(*key, 40000, dtype)
    np.testing.assert_allclose(found, expected, rtol=0, atol=NORMAL[dtype])
    assert abs(found.mean()) < 0.02
    assert abs(found.std() - 1) < 0.02


def test_both_precisions_drop_the_same_units() -> None:
    single, double = (
        kernels.random_uniform(1, 2, 3, 0, 10000, dtype) for dtype in ("float32", "float64")
    )
    assert np.all((single <= double) & (double < single.astype(np.float64) + 2.0**-24))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["random_uniform", "random_normal"])
def test_random_elements_depend_on_their_place_alone(name: str, dtype: str) -> None:
    make = getattr(kernels, name)
    whole = make(1, 2, 3, 0, 1000, dtype)
    for first, count in [(0, 1), (1, 1), (3, 2), (5, 600), (255, 3), (998, 2), (7, 0)]:
        np.testing.assert_array_equal(
            make(1, 2, 3, first, count, dtype), whole[first : first + count]
        )
    for other in [(2, 2, 3), (1, 3, 3), (1, 2, 4), (1, 2, 3 + 2**32)]:
        assert not np.array_equal(make(*other, 0, 1000, dtype), whole)


# ---- reductions


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(3, 5), (4, 1, 7), (2, 1500, 3), (5, 2049), (3, 40, 131)], ids=str
)
def test_reductions(shape: tuple[int, ...], dtype: Any) -> None:
    x = normal(*shape, dtype=dtype)
    for first in range(len(shape)):
        for last in range(first, len(shape)):
            axes = tuple(range(first, last + 1))
            error = kernels.reduce_sum(x, first, last) - x.astype(np.longdouble).sum(axes)
            assert np.all(np.abs(error) <= 4 * np.finfo(dtype).eps * np.abs(x).sum(axes))
            np.testing.assert_array_equal(kernels.reduce_max(x, first, last), x.max(axes))


def test_a_sum_of_ones_of_every_size_is_exact() -> None:
    for size in [*range(70), 1023, 1024, 1025, 5000]:
        assert kernels.reduce_sum(np.ones((1, size), np.float32), 1, 1)[0] == size
        x = np.zeros((3, size), np.float32)
        np.testing.assert_array_equal(kernels.reduce_sum(x + 1, 0, 0), np.full(size, 3))


def test_a_row_sum_does_not_depend_on_other_rows() -> None:
    x = normal(7, 3000)
    whole = kernels.reduce_sum(x, 1, 1)
    parts = [kernels.reduce_sum(x[i : i + 1].copy(), 1, 1)[0] for i in range(7)]
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("columns", [1, 2, 10, 16, 33, 100])
def test_argmax_and_max_of_ties_and_nan(columns: int) -> None:
    x = np.random.default_rng(0).integers(0, 4, (50, columns)).astype(np.float32)
    x[:25][x[:25] == 2] = np.nan
    x[3] = -np.inf
    np.testing.assert_array_equal(kernels.argmax(x)[0], x.argmax(1))
    np.testing.assert_array_equal(kernels.reduce_max(x, 1, 1), x.max(1))
    np.testing.assert_array_equal(kernels.reduce_max(x, 0, 0), x.max(0))


# ---- softmax and cross-entropy


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 16, 19])
@pytest.mark.parametrize("columns", [1, 2, 10, 32, 33, 512, 1500])
def test_softmax_family(columns: int, rows: int, dtype: Any) -> None:
    x, d_out = normal(rows, columns, dtype=dtype) * 3, normal(rows, columns, dtype=dtype, seed=1)
    index = np.random.default_rng(0).integers(0, columns, rows)
    target = softmax(normal(rows, columns, seed=2)).astype(dtype)
    d_loss = normal(rows, dtype=dtype)
    exact = softmax(x.astype(np.float64))
    logs = np.log(exact)
    spread = d_loss[:, None].astype(np.float64)

    def close(found: Any, expected: Any) -> None:
        scale = 1 + np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=30 * np.finfo(dtype).eps * scale)

    (probabilities,) = kernels.softmax(x)
    close(probabilities, exact)
    (log_probabilities,) = kernels.log_softmax(x)
    close(log_probabilities, logs)
    inner = (d_out * exact).sum(1, keepdims=True)
    close(kernels.softmax_gradient(probabilities, d_out)[0], exact * (d_out - inner))
    total = d_out.astype(np.float64).sum(1, keepdims=True)
    close(kernels.log_softmax_gradient(log_probabilities, d_out)[0], d_out - exact * total)

    loss, saved = kernels.sparse_crossentropy(x, index.astype(dtype))
    np.testing.assert_array_equal(saved, probabilities)
    close(loss, -logs[np.arange(rows), index])
    d_logits = kernels.sparse_crossentropy_gradient(saved, index.astype(dtype), d_loss)[0]
    close(d_logits, spread * (exact - np.eye(columns)[index]))
    loss, saved = kernels.crossentropy(x, target)
    np.testing.assert_array_equal(saved, probabilities)
    close(loss, -(target * logs).sum(1))
    d_logits = kernels.crossentropy_gradient(saved, target, d_loss)[0]
    close(d_logits, spread * (exact * target.sum(1, keepdims=True) - target))


@pytest.mark.parametrize("columns", [3, 40])
def test_crossentropy_keeps_its_digits_at_extreme_logits(columns: int) -> None:
    logits = np.full((4, columns), -30, np.float32)
    logits[:, 1] = [0, 60, 1e30, 20]
    logits[3, 0] = 19
    share = (columns - 1) * math.exp(-30)
    index = np.array([1, 1, 1, 0], np.float32)
    loss, probabilities = kernels.sparse_crossentropy(logits, index)
    others = math.exp(-1) + (columns - 2) * math.exp(-50)
    np.testing.assert_allclose(loss[[0, 3]], [share, math.log1p(others) + 1], rtol=1e-6)
    np.testing.assert_allclose(loss[1], (columns - 1) * math.exp(-90), rtol=1e-6)
    assert loss[2] == 0
    ones = np.ones(4, np.float32)
    d_logits = kernels.sparse_crossentropy_gradient(probabilities, index, ones)[0]
    np.testing.assert_allclose(d_logits[0, 1], -share, rtol=1e-6)
    one_hot = np.eye(columns, dtype=np.float32)[index.astype(int)]
    np.testing.assert_allclose(kernels.crossentropy(logits, one_hot)[0], loss, rtol=1e-6)


@pytest.mark.parametrize("index", [-1, 3, math.nan])
def test_an_index_out_of_range_gives_nan(index: float) -> None:
    loss, _ = kernels.sparse_crossentropy(normal(1, 3), np.array([index], np.float32))
    assert np.isnan(loss[0])


# ---- gathering


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "source", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
)
def test_gather_reads_every_type_and_stride(source: str, dtype: str) -> None:
    full = np.random.default_rng(0).integers(0, 120, (9, 6, 8, 4)).astype(source)
    rows = np.array([5, 0, 2, 2], np.int64)
    views = [
        full,
        full[::-1, :, ::2],
        full.transpose(0, 2, 3, 1),
        full[:, 1:3, ::-1, 1],
        full[:, 0, 0, 0],
    ]
    for x in views:
        expected = x.reshape(len(x), -1).astype(dtype)
        np.testing.assert_array_equal(kernels.gather(x, rows, dtype=dtype), expected[rows])
        found = kernels.gather(x, first=3, count=4, dtype=dtype)
        np.testing.assert_array_equal(found, expected[3:7])


def test_gather_converts_every_half() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)[:, None]
    found = kernels.gather(halves, count=2**16)
    np.testing.assert_array_equal(found, halves.astype(np.float32))


def test_gather_reads_unaligned_memory() -> None:
    memory = np.zeros(8 * 10 + 1, np.uint8)
    x = memory[1:].view(np.float64).reshape(5, 2)
    x[:] = normal(5, 2)
    np.testing.assert_array_equal(kernels.gather(x, count=5, dtype="float64"), x)


# ---- instruction sets


def digests() -> dict[str, str]:
    """A hash of what each kernel makes of fixed inputs."""
    results: dict[str, Any] = {}
    for dtype in DTYPES:
        name = np.dtype(dtype).name
        x = np.concatenate([normal(10007, dtype=dtype) * scale for scale in (1, 40)])
        for function in FUNCTIONS:
            results[f"{function} {name}"] = kernels.elementwise(function, x)
        results[f"power {name}"] = kernels.elementwise("power", np.abs(x), x)
        for distribution in ("random_uniform", "random_normal"):
            results[f"{distribution} {name}"] = getattr(kernels, distribution)(
                1, 2, 3, 1, 999, name
            )
        for m, k, n in SHAPES:
            a, b = normal(m, k, dtype=dtype), normal(k, n, dtype=dtype)
            results[f"matmul {m} {k} {n} {name}"] = kernels.matmul(a, b)
            turned = kernels.matmul(a, np.ascontiguousarray(b.T), False, True)
            results[f"matmul bT {m} {k} {n} {name}"] = turned
        for columns in (1, 3, 10, 40, 1500):
            rows = normal(19, columns, dtype=dtype)
            index = np.arange(19, dtype=dtype) % columns
            results[f"sums {columns} {name}"] = kernels.reduce_sum(rows, 1, 1)
            results[f"column sums {columns} {name}"] = kernels.reduce_sum(rows, 0, 0)
            results[f"softmax {columns} {name}"] = kernels.softmax(rows)[0]
            results[f"crossentropy {columns} {name}"] = kernels.sparse_crossentropy(rows, index)[0]
    quiet = {key: np.where(np.isnan(value), np.nan, value) for key, value in results.items()}
    return {key: sha256(value.tobytes()).hexdigest() for key, value in quiet.items()}


def run_python(isa: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "GANGLION_ISA": isa},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_avx2_and_avx512_have_the_same_bits() -> None:
    isas = [isa for isa in _core.available_isas() if isa in ("avx2", "avx512")]
    if len(isas) < 2:
        pytest.skip("this machine has not both")
    code = "import json, test_kernels; print(json.dumps(test_kernels.digests()))"
    first, second = (json.loads(run_python(isa, "-c", code).stdout) for isa in isas)
    assert {key for key in first if first[key] != second[key]} == set()


@pytest.mark.parametrize(
    "isa", [isa for isa in _core.available_isas() if isa != _core.kernel_isa()]
)
def test_other_instruction_sets_pass_these_tests(isa: str) -> None:
    if "GANGLION_ISA" in os.environ:
        pytest.skip("runs where the instruction set is not given")
    tests = [
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "test_kernels.py",
        "test_kernel_math.py",
    ]
    found = run_python(isa, *tests)
    assert found.returncode == 0, found.stdout[-3000:]


def test_an_unknown_instruction_set_ends_the_import() -> None:
    found = run_python("mmx", "-c", "import ganglion")
    assert found.returncode != 0
    expected = ", ".join(_core.available_isas())
    assert (
        f"[GANGLION_ISA] 'mmx' is not an instruction set of this machine: {expected}"
        in found.stderr
    )
