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
