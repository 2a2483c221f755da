"""Kernels of the Numba-CUDA engine compiled without a GPU: what their launches are and cost."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import cuda
from numba.cuda import dispatcher

from ganglion.engines.numba_cuda.bound import Bound, Context
from ganglion.engines.numba_cuda.device import Device
from ganglion.engines.numba_cuda.program import lower

Array = np.ndarray


class Compiling(Device):
    """A device whose memory is NumPy's, and on which a launch compiles its kernel, once.

    Attributes
    ----------
    made : dict
        From a kernel and the types of its arguments to its PTX.
    """

    def __init__(self, capability: tuple[int, int]) -> None:
        super().__init__()
        self.capability = capability
        self.made: dict[tuple[Any, Any], str] = {}

    def empty(self, size: int, dtype: Any) -> Array:
        return np.zeros(max(size, 1), dtype)

    def upload(self, array: Array) -> Array:
        return np.ascontiguousarray(array).reshape(-1)

    def call(self, kernel: Any, blocks: Any, threads: Any, *arguments: Any) -> Any:
        signature = tuple(map(_type_of, arguments))
        key = kernel.py_func, signature
        if key not in self.made:
            self.made[key] = cuda.compile_ptx(kernel.py_func, signature, cc=self.capability)[0]
        return lambda: None

    def bind(self, program: Any, size: int, rows: int, T: Any) -> Bound:
        """Compile all kernels of a program over ``size`` weights and as much state, and more."""
        memory = [self.empty(length, T) for length in (size, 4 * size + 64, 16)]
        context = Context(self, T, *memory, self.empty(2, np.uint64))
        return Bound(context, lower(program.describe()), rows)


def _type_of(argument: Any) -> Any:
    if isinstance(argument, np.ndarray):
        return numba.types.Array(numba.from_dtype(argument.dtype), 1, "C")
    if isinstance(argument, tuple):
        return numba.types.UniTuple(numba.types.int64, len(argument))
    return numba.types.int64 if isinstance(argument, int) else numba.typeof(argument)


@contextmanager
def compiling(capability: tuple[int, int] = (8, 0)) -> Iterator[Compiling]:
    """Compile for an architecture, whatever GPU is there or not."""
    # Functions that kernels call are compiled for the GPU at hand otherwise.
    before = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    try:
        yield Compiling(capability)
    finally:
        dispatcher.get_current_device = before


class Resources(NamedTuple):
    """What the assembler says of kernels: registers of a thread at most, and bytes spilled."""

    registers: int
    spilled: int


def assembler() -> str | None:
    """Path of ``ptxas``: on the system's path, or in NVIDIA's wheel; None where there is none."""
    found = shutil.which("ptxas")
    if found is None:
        folder = Path(numba.__file__).parents[1] / "nvidia"
        found = next((str(path) for path in sorted(folder.glob("*/bin/ptxas"))), None)
    return found


def resources(device: Compiling, ptxas: str) -> Resources:
    """Return the resources of all kernels that were compiled, the greatest of each."""
    registers = spilled = 0
    architecture = "sm_{}{}".format(*device.capability)
    with tempfile.TemporaryDirectory() as folder:
        for text in device.made.values():
            source = Path(folder) / "kernel.ptx"
            source.write_text(text, encoding="utf-8")
            command = [ptxas, "-v", f"-arch={architecture}", str(source), "-o", f"{source}.bin"]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
            registers = max(registers, *map(int, re.findall(r"Used (\d+) registers", told)))
            spilled += sum(map(int, re.findall(r"(\d+) bytes spill", told)))
    return Resources(registers, spilled)
