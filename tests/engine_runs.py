"""Engines by name, and what runs on them beside the reference: the one suite for all of them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import threading
from typing import Any

import numpy as np
import pytest
import reference

from ganglion import Sequential, _core, engines

Array = np.ndarray
# The CUDA engine's kernels, compiled for the processor by -DGANGLION_EMULATED_CUDA=ON: the tests
# run them as the CUDA module, unless that is there and finds a GPU.
IS_EMULATED = (
    importlib.util.find_spec("ganglion._cuda_emulated") is not None
    and engines.missing("cuda") is not None
)
if IS_EMULATED:
    sys.modules["ganglion._cuda"] = importlib.import_module("ganglion._cuda_emulated")
# Numba's simulator runs kernels as Python, on the processor.
IS_SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
# Elements that the simulator gets in one case, at most.
MOST_SIMULATED = 4000


def engine_named(name: str) -> Any:
    """An engine; skips where it cannot be used, with the reason."""
    reason = engines.missing(name)
    if reason is not None:
        pytest.skip(reason if IS_SIMULATED else f"{reason} (simulated: NUMBA_ENABLE_CUDASIM=1)")
    if is_slow(name):
        sys.setswitchinterval(1e-5)  # its threads wait for each other
        share_memory_safely()
        fill_memory()
    return engines.named(name)


class _Allocations(dict[Any, Any]):
    """Shared memory by place: who finds none holds the others up until it has made it."""

    def __init__(self) -> None:
        super().__init__()
        self._making = threading.Lock()

    def get(self, key: Any, default: Any = None) -> Any:
        self._making.acquire()
        if key in self:
            self._making.release()
        return super().get(key, default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self._making.release()


@functools.cache
def share_memory_safely() -> None:
    """Mend the simulator, two of whose threads may make shared memory of their own each."""
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    make = FakeCUDAShared.__init__

    def mended(self: Any, size: int) -> None:
        make(self, size)
        self._allocations = _Allocations()

    FakeCUDAShared.__init__ = mended


@functools.cache
def fill_memory() -> None:
    """Have NaN in memory that nothing was written to, so that it shows who reads it."""
    from ganglion.engines.numba_cuda.device import Device

    empty = Device.empty

    def filled(self: Any, size: int, dtype: Any) -> Any:
        made = empty(self, size, dtype)
        if np.dtype(dtype).kind == "f":
            made.copy_to_device(np.full(made.shape, np.nan, dtype))
        return made

    Device.empty = filled


def is_slow(name: str) -> bool:
    return IS_SIMULATED and name == "numba-cuda"


def train_by_reference(
    net: Sequential, arrays: list[Array], epochs: int, batch_size: int
) -> tuple[Array, list[float]]:
    """The flat weights and the loss of each epoch, from the weights and the counters of a network.

    As `fit` of such a network goes, step by step in NumPy.
    """
    built = net._built
    executable = built.executable("train")
    program = executable.program
    description = program.describe()
    parameters = np.array(built.parameters.array, np.float64)
    states = np.array(built.states.array, np.float64)
    rows, step, losses = len(arrays[0]), net.step_, []
    for epoch in range(net.epoch_, net.epoch_ + epochs):
        order = _core.epoch_order(rows, net.seed_, epoch)
        total = 0.0
        for first in range(0, rows, batch_size):
            batch = order[first : first + batch_size]
            scalars = net.scalars(np.array([step]))
            result = reference.run(
                description,
                [array[batch] for array in arrays],
                rows=len(batch),
                parameters=parameters,
                states=states,
                scalars={name: float(scalars[name][0]) for name in program.scalars},
                seed=net.seed_,
                step=step,
                update=(step + 1) % net.optimizer.batches_per_update == 0,
                dtype=net.dtype,
            )
            parameters, states = result.parameters, result.states
            total += float(result.outputs["loss"]) * len(batch)
            step += 1
        losses.append(total / rows)
    return parameters, losses
