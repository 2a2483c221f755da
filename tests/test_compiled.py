"""Compiled expressions give the bits of interpreted ones, on every instruction set."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganglion import _core
from ganglion.threads import threads

Array = np.ndarray
# The elementwise operations of the core, by their number of operands.
ARITIES = {
    name: int(arity)
    for name, arity in re.findall(
        r"X\((\w+), (\d)\)",
        (Path(__file__).parents[1] / "cpp" / "core" / "opcode.h").read_text(encoding="utf-8"),
    )
}
SHAPES = [(None, 37), (37,), (None, 1), (), (1, 37)]
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 2.5, -2.5, 1e-42, 3e38]


def expression(seed: int, length: int) -> Any:
    """A program of one random chain: operands of each shape, results here and there."""
    draw = np.random.default_rng(seed)
    builder = _core.Builder()
    values = [builder.input(f"x{i}", shape) for i, shape in enumerate(SHAPES)]
    # The first has the shape of the whole, so that all that follows can be one expression.
    names = sorted(ARITIES)
    for number in range(length):
        name = names[draw.integers(len(names))]
        attributes = {"shape": [1, 37], "batched": 1, "stream": number} if not ARITIES[name] else {}
        # Each step reads the one before, and long-lived values that have to be kept meanwhile.
        inputs = [int(v) for v in draw.choice(values[:12] + values[-3:], ARITIES[name])]
        if inputs:
            inputs[0] = values[0] if number == 0 else values[-1]
        values.append(builder.apply(name, inputs, attributes)[0])
        if draw.uniform() < 0.2:
            builder.output(f"y{number}", values[-1])
    builder.output("last", values[-1])
    return builder.finish()


def run(program: Any, rows: int, dtype: str) -> list[Array]:
    draw = np.random.default_rng(rows)
    executable = _core.Executable(program, dtype, None, None)
    inputs = []
    for shape in SHAPES:
        x = draw.normal(size=[rows if extent is None else extent for extent in shape])
        special = draw.uniform(size=x.shape) < 0.2
        inputs.append(np.where(special, draw.choice(SPECIAL, x.shape), x))
    return list(executable.run(inputs, rows, seed=3, step=5))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 4, 12, 40])
def test_compiled_and_interpreted_agree_to_the_bit(
    length: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(60 if length < 12 else 25):
        program = expression(1000 * length + seed, length)
        for rows in (1, 5, 70):
            results = {}
            for setting in ("0", "1"):
                monkeypatch.setenv("GANGLION_COMPILE", setting)
                results[setting] = run(program, rows, dtype)
            for interpreted, compiled in zip(results["0"], results["1"], strict=True):
                where = f"{seed=} {rows=}"
                np.testing.assert_array_equal(compiled, interpreted, err_msg=where)
                # Zeros have signs that count; those of NaN do not.
                zeros = interpreted == 0
                signs = np.signbit(interpreted)
                np.testing.assert_array_equal(np.signbit(compiled) & zeros, signs & zeros, where)


def settings_agree(program: Any, inputs: list[Array], rows: int, size: int) -> None:
    """Compiled with one thread and with three, against interpreted, bit for bit."""
    store = _core.Store(max(size, 16), "float32")
    store.array[:] = np.random.default_rng(0).normal(size=store.array.size)
    results = []
    for setting, count in (("0", 1), ("1", 1), ("1", 3)):
        with pytest.MonkeyPatch.context() as patch, threads(count):
            patch.setenv("GANGLION_COMPILE", setting)
            executable = _core.Executable(program, "float32", store, None)
            executable.reserve(max(rows, 70))
            results.append(executable.run(inputs, rows, seed=1, step=2))
    for got in results[1:]:
        for a, b in zip(results[0], got, strict=True):
            np.testing.assert_array_equal(a, b)


def epilogue(draw: np.random.Generator) -> tuple[Any, list[tuple[int, ...]], int]:
    """A product, 2-D or 3-D, and a random chain behind it; its inputs and number of weights."""
    k, m, n = (int(draw.choice(sizes)) for sizes in ([1, 3, 8], [1, 2, 5, 16], [1, 3, 16, 17, 300]))
    builder = _core.Builder()
    inputs: list[tuple[int, ...]] = []
    size = 0

    def parameter(shape: tuple[int, ...]) -> int:
        nonlocal size
        size += -(-int(np.prod(shape)) // 16) * 16
        return int(builder.parameter(f"p{size}", shape, size - -(-int(np.prod(shape)) // 16) * 16))

    def batch(shape: tuple[int, ...]) -> int:
        inputs.append(shape)
        return int(builder.input(f"x{len(inputs)}", (None, *shape)))

    deep, both = draw.uniform() < 0.7, draw.uniform() < 0.5
    full = (m, n) if deep else (n,)
    right = batch((k, n)) if deep and both else parameter((k, n))
    left = batch((m, k) if deep else (k,))
    flags = {"transpose_a": 0, "transpose_b": 0}
    product = value = builder.apply("matmul", [left, right], flags)[0]
    for stream in range(int(draw.integers(1, 5))):
        kind = str(draw.choice(["add", "multiply", "maximum", "random_uniform", "tanh", "again"]))
        if kind == "random_uniform":
            attributes = {"shape": [1, *full], "batched": 1, "stream": stream}
            noise = builder.apply(kind, [], attributes)[0]
            value = builder.apply("multiply", [value, noise], {})[0]
        elif kind == "tanh":
            value = builder.apply(kind, [value], {})[0]
        elif kind == "again":
            value = builder.apply("add", [value, product], {})[0]
        else:
            shape = tuple(1 if draw.uniform() < 0.4 else extent for extent in full)
            other = batch(shape) if draw.uniform() < 0.4 else parameter(shape)
            value = builder.apply(kind, [value, other], {})[0]
    builder.output("y", value)
    if draw.uniform() < 0.3:
        builder.output("product", product)
    return builder.finish(), inputs, size


@pytest.mark.parametrize("seed", range(120))
def test_epilogues_of_products_agree(seed: int) -> None:
    draw = np.random.default_rng(seed)
    program, shapes, size = epilogue(draw)
    rows = int(draw.choice([1, 2, 15, 16, 17, 33, 70]))
    settings_agree(program, [draw.normal(size=(rows, *shape)) for shape in shapes], rows, size)


@pytest.mark.parametrize("width", [1000, 1500, 5000])
def test_wide_rows_of_random_numbers_agree(width: int) -> None:
    builder = _core.Builder()
    x, w = builder.input("x", (None, 1)), builder.parameter("w", (1, width), 0)
    product = builder.apply("matmul", [x, w], {"transpose_a": 0, "transpose_b": 0})[0]
    attributes = {"shape": [1, width], "batched": 1, "stream": 3}
    noise = builder.apply("random_uniform", [], attributes)[0]
    builder.output("y", builder.apply("multiply", [product, noise], {})[0])
    settings_agree(builder.finish(), [np.ones((48, 1))], 48, -(-width // 16) * 16)


@pytest.mark.parametrize("count", [5, 11, 20, 29, 40])
def test_more_constants_than_registers_agree(count: int) -> None:
    builder = _core.Builder()
    value = builder.input("x", (None, 37))

    def constant(number: float) -> int:
        return int(builder.constant(np.array(number)))

    for number in range(count):
        kind = "multiply" if number % 2 else "add"
        value = builder.apply(kind, [constant(1 + 0.01 * number), value], {})[0]
    condition = builder.apply("greater", [value, constant(-3.5)], {})[0]
    chosen = builder.apply("where", [condition, constant(7.25), constant(-9.5)], {})[0]
    builder.output("chosen", chosen)
    builder.output("value", value)
    x = np.random.default_rng(0).normal(size=(50, 37)) * 3 - 8
    settings_agree(builder.finish(), [x], 50, 0)


@pytest.mark.parametrize("isa", sorted(set(_core.available_isas()) - {_core.kernel_isa()}))
def test_on_the_other_instruction_sets(isa: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "agree"],
        env={**os.environ, "GANGLION_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
