"""Kernels of the Numba-CUDA engine are compiled to PTX, so that errors of types show without a GPU.

Nothing runs: memory is NumPy's, and a launch compiles its kernel for the arguments.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from engine_runs import IS_SIMULATED
from op_cases import CASES
from programs import write


@pytest.fixture(scope="module")
def compiling() -> Any:
    """A device on which launches compile; skips where there is no compiler."""
    if IS_SIMULATED:
        pytest.skip("the simulator compiles nothing")
    pytest.importorskip("numba_cuda")
    from numba import cuda

    if not cuda.cudadrv.nvvm.is_available():
        pytest.skip('no compiler: pip install "ganglion[numba-cuda]"')
    from benchmarks import ptx

    with ptx.compiling() as device:
        yield device


# Double precision is 64 times slower on most GPUs.
DOUBLE_ARITHMETIC = re.compile(r"(add|sub|mul|fma|div|sqrt)(\.rn)?\.f64")
MEANT = ("sinpi", "cospi", "random_normal")  # the reduction of large angles, and rounding once


@pytest.mark.parametrize("kind", list(CASES))
def test_kernels_of_every_operation_compile(kind: str, compiling: Any) -> None:
    """In both precisions; those of float32 compute nothing in double."""
    known = set(compiling.made)
    for case in CASES[kind]:
        written = write(case)
        compiling.bind(written.program, written.size, case.rows[-1], np.float32)
    for (function, signature), text in compiling.made.items():
        if (function, signature) not in known and kind not in MEANT:
            assert not DOUBLE_ARITHMETIC.search(text), function.__qualname__
    for case in CASES[kind][:3]:
        written = write(case)
        compiling.bind(written.program, written.size, case.rows[-1], np.float64)


def test_inputs_and_steps_compile(compiling: Any) -> None:
    from ganglion.engines.numba_cuda import sources, trainer

    order, starts = np.zeros(4, np.int64), np.zeros(5, np.int64)
    for T in (np.float32, np.float64):
        out = np.zeros(8, T)
        for dtype in (np.uint8, np.int64, np.float32, np.float64):
            data = np.zeros(8, dtype)
            for ordered in (False, True):
                gather = sources._gather(T, ordered)
                compiling.call(gather, 1, 1, out, data, order, 0, 8, 2)
                sparse = sources._gather_sparse(T, ordered)
                compiling.call(sparse, 1, 1, out, data, order, starts, order, 0, 4, 2)
                ragged = sources._gather_ragged(T, ordered)
                compiling.call(ragged, 1, 1, out, data, starts, order, 0, 8, 2)
        keys = np.zeros(8, np.uint64)
        compiling.call(trainer._begin_kernel(), 1, 1, out, keys, out, keys, 0, 2)
