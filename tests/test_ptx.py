"""Kernels of the Numba-CUDA engine are compiled to PTX, so that errors of types show without a GPU.

Nothing runs: memory is NumPy's, and a launch compiles its kernel for the arguments.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from engine_runs import IS_SIMULATED
from op_cases import CASES
from programs import write

# As Ampere has it; the PTX of one architecture is compiled on for later ones.
CAPABILITY = (8, 0)
Array = np.ndarray


@pytest.fixture(scope="module")
def compiling() -> Any:
    """A device on which launches compile; skips where there is no compiler."""
    if IS_SIMULATED:
        pytest.skip("the simulator compiles nothing")
    pytest.importorskip("numba_cuda")
    import numba
    from numba import cuda
    from numba.cuda import dispatcher

    from ganglion.engines.numba_cuda.device import Device

    if not hasattr(cuda, "compile_ptx") or not cuda.cudadrv.nvvm.is_available():
        pytest.skip('no compiler: pip install "ganglion[numba-cuda]"')

    class Compiling(Device):
        """Compiles each kernel once for each type of its arguments."""

        def __init__(self) -> None:
            super().__init__()
            self.made: dict[Any, str] = {}

        def empty(self, size: int, dtype: Any) -> Array:
            return np.zeros(max(size, 1), dtype)

        def upload(self, array: Array) -> Array:
            return np.ascontiguousarray(array).reshape(-1)

        def call(self, kernel: Any, blocks: Any, threads: Any, *arguments: Any) -> Any:
            signature = tuple(map(type_of, arguments))
            key = kernel.py_func, signature
            if key not in self.made:
                self.made[key] = cuda.compile_ptx(kernel.py_func, signature, cc=CAPABILITY)[0]
            return lambda: None

    def type_of(argument: Any) -> Any:
        if isinstance(argument, np.ndarray):
            return numba.types.Array(numba.from_dtype(argument.dtype), 1, "C")
        if isinstance(argument, tuple):
            return numba.types.UniTuple(numba.types.int64, len(argument))
        return numba.types.int64 if isinstance(argument, int) else numba.typeof(argument)

    patch = pytest.MonkeyPatch()
    # Functions that kernels call are compiled for the GPU at hand, if any.
    there = SimpleNamespace(compute_capability=CAPABILITY)
    patch.setattr(dispatcher, "get_current_device", lambda: there)
    yield Compiling()
    patch.undo()


def bind(device: Any, program: Any, size: int, rows: int, T: Any) -> None:
    from ganglion.engines.numba_cuda.bound import Bound, Context
    from ganglion.engines.numba_cuda.program import lower

    memory = [device.empty(length, T) for length in (size, 16, 16)]
    context = Context(device, T, *memory, device.empty(2, np.uint64))
    Bound(context, lower(program.describe()), rows)


# Double precision is 64 times slower on most GPUs.
DOUBLE_ARITHMETIC = re.compile(r"(add|sub|mul|fma|div|sqrt)(\.rn)?\.f64")
MEANT = ("sinpi", "cospi", "random_normal")  # the reduction of large angles, and rounding once


@pytest.mark.parametrize("kind", list(CASES))
def test_kernels_of_every_operation_compile(kind: str, compiling: Any) -> None:
    """In both precisions; those of float32 compute nothing in double."""
    known = set(compiling.made)
    for case in CASES[kind]:
        written = write(case)
        bind(compiling, written.program, written.size, case.rows[-1], np.float32)
    for (function, signature), text in compiling.made.items():
        if (function, signature) not in known and kind not in MEANT:
            assert not DOUBLE_ARITHMETIC.search(text), function.__qualname__
    for case in CASES[kind][:3]:
        written = write(case)
        bind(compiling, written.program, written.size, case.rows[-1], np.float64)


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
