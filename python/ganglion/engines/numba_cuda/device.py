"""The GPU, through Numba: memory, transfers and launches. In Numba's simulator, the processor."""

from __future__ import annotations

import functools
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda
from numba.core import config
from numba.core.errors import NumbaPerformanceWarning
from numpy.typing import NDArray

Array = NDArray[Any]
# A kernel with its arguments: launches it.
Call = Callable[[], None]

# Blocks of one launch, at most: threads take several elements each beyond.
_MOST_BLOCKS = 8192


def on_host(array: Any) -> Array:
    """Return a copy of an array that is on the GPU."""
    copied: Array = cuda.as_cuda_array(array).copy_to_host()
    return copied


class RunLock:
    """Held while something runs: other threads wait, what is called by the run itself must not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def __enter__(self) -> None:
        if self._owner == threading.get_ident():
            raise RuntimeError(
                "[cuda] the GPU cannot be used from the progress callback of what runs on it"
            )
        self._lock.acquire()
        self._owner = threading.get_ident()

    def __exit__(self, *error: object) -> None:
        self._owner = None
        self._lock.release()


class Device:
    """The GPU that Numba uses.

    Attributes
    ----------
    lock : RunLock
        Held by each run: programs over the same weights share them on the GPU.
    is_simulated : bool
        Whether kernels run in Numba's simulator. There threads cost more than what they do, so
        there are few.
    threads : int
        Of a block.
    most_lanes : int
        Threads that work on one row or sum together, at most.
    tile : tuple of int
        Of a matrix product: threads of a block down and across, the elements that each has of the
        result down and across, and how many terms are read at a time.
    """

    def __init__(self) -> None:
        self.lock = RunLock()
        self.is_simulated = bool(config.ENABLE_CUDASIM)
        self.threads = 4 if self.is_simulated else 256
        self.most_lanes = 2 if self.is_simulated else 256
        self.tile = (2, 3, 5) if self.is_simulated else (16, 4, 16)
        self._process = os.getpid()

    def check_process(self) -> None:
        """Raise where this process was forked from the one that used the GPU."""
        if os.getpid() != self._process:
            raise RuntimeError(
                "[cuda] this process was forked from one that had used the GPU, which CUDA does not"
                " allow: start processes by 'spawn' or 'forkserver', or use device='cpu'"
            )

    # Memory.

    def empty(self, size: int, dtype: Any) -> Any:
        """Return memory for numbers, as it is."""
        return self._tried(lambda: cuda.device_array(max(size, 1), dtype), size, dtype)

    def upload(self, array: Array) -> Any:
        """Return the elements of an array, flat, on the GPU."""
        flat = np.ascontiguousarray(array).reshape(-1)
        if not flat.size:
            return self.empty(0, flat.dtype)
        return self._tried(lambda: cuda.to_device(flat), flat.size, flat.dtype)

    def as_flat(self, array: Any) -> Any:
        """Return an array that is on the GPU already, flat, without a copy if it is contiguous."""
        found = cuda.as_cuda_array(array)
        if not found.is_c_contiguous():
            return self.upload(on_host(array))
        return found.reshape(found.size)

    def write(self, to: Any, array: Array) -> None:
        """Copy an array, flat, into memory of its size and dtype."""
        if array.size:
            _first(to, array.size).copy_to_device(np.ascontiguousarray(array).reshape(-1))

    def read(self, source: Any, into: Array) -> None:
        """Copy memory into a contiguous array of its size, when all before is done."""
        if into.size:
            _first(source, into.size).copy_to_host(into.reshape(-1))

    def free_bytes(self) -> float:
        """Return how much memory is left."""
        return float(cuda.current_context().get_memory_info().free)

    def synchronize(self) -> None:
        """Wait until all that was launched is done."""
        cuda.synchronize()

    @staticmethod
    def _tried(allocate: Callable[[], Any], size: int, dtype: Any) -> Any:
        try:
            return allocate()
        except Exception as error:
            if "OUT_OF_MEMORY" not in str(error) and not isinstance(error, MemoryError):
                raise
            gigabytes = size * np.dtype(dtype).itemsize / 1e9
            raise MemoryError(
                f"[cuda] there is no memory on the GPU for {gigabytes:.3g} GB more: use smaller "
                "batches, or device='cpu'"
            ) from None

    # Launches.

    def over(self, kernel: Any, count: int, *arguments: Any) -> Call:
        """Return the launch of a kernel whose threads share ``count`` elements."""
        blocks = 1 if self.is_simulated else min(-(-count // self.threads), _MOST_BLOCKS)
        return self.call(kernel, blocks, 1 if self.is_simulated else self.threads, *arguments)

    def over_groups(self, kernel: Any, count: int, lanes: int, *arguments: Any) -> Call:
        """Return the launch of a kernel in which ``lanes`` threads share each of ``count``."""
        blocks = min(-(-count // (self.threads // lanes)), _MOST_BLOCKS)
        threads = self.threads if lanes > 1 or not self.is_simulated else 1
        return self.call(kernel, 1 if self.is_simulated else blocks, threads, *arguments)

    def lanes(self, count: int, size: int) -> int:
        """Return how many threads share each of ``count`` rows of a size: a power of two."""
        lanes = 1
        enough = 5 if self.is_simulated else 1 << 18
        while lanes < self.most_lanes and 8 * lanes < size and count * lanes < enough:
            lanes *= 2
        return lanes

    def call(self, kernel: Any, blocks: Any, threads: Any, *arguments: Any) -> Call:
        """Return the launch of a kernel."""
        if self.is_simulated:

            def simulated() -> None:
                with warnings.catch_warnings():
                    # CUDA says nothing of what is not finite.
                    warnings.simplefilter("ignore", RuntimeWarning)
                    kernel[blocks, threads](*arguments)

            return simulated
        configured = _configured(kernel, blocks, threads)
        return lambda: configured(*arguments)


def _first(memory: Any, size: int) -> Any:
    """Return the first elements of memory, which takes no time where these are all."""
    return memory if memory.shape[0] == size else memory[:size]


@functools.cache
def _configured(kernel: Any, blocks: Any, threads: Any) -> Any:
    """Return a kernel for a grid, without the warning that small batches leave the GPU idle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaPerformanceWarning)
        return kernel[blocks, threads]
