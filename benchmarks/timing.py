"""The one timer: candidates take turns, so that a machine that slows down slows all of them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ganglion import _core

# Seconds before each turn. The threads of OpenBLAS and OpenMP wait for more work by spinning, for
# up to 0.1 seconds, and would hold the processors in the next candidate's turn.
PAUSE = 0.15


def interleave(
    candidates: Mapping[str, Callable[[], object]], *, seconds: float = 2.0, rounds: int = 5
) -> dict[str, list[float]]:
    """Seconds of single calls of each candidate, measured in turns.

    Parameters
    ----------
    candidates : dict of str to callable
        Called without arguments. The first call of each is a warm-up and does not count.
    seconds : float
        About how long to measure, for each candidate.
    rounds : int
        Fewest turns, whatever they take.

    Returns
    -------
    dict of str to list of float
        Every measurement, in order.
    """
    for call in candidates.values():
        call()
    measured: dict[str, list[float]] = {name: [] for name in candidates}
    end = time.perf_counter() + seconds * len(candidates)
    turns = 0
    while turns < rounds or time.perf_counter() < end:
        turns += 1
        for name, call in candidates.items():
            time.sleep(PAUSE)
            started = time.perf_counter()
            call()
            measured[name].append(time.perf_counter() - started)
    return measured


def medians(measured: Mapping[str, list[float]]) -> dict[str, float]:
    """Median of each candidate's measurements, in seconds."""
    return {name: statistics.median(times) for name, times in measured.items()}


def peak(threads: int) -> float:
    """FLOP/s of ``threads`` threads that do nothing but float32 multiply-adds in registers."""
    return threads * _core.kernels.peak(0.3, "float32")


def environment(threads: int) -> str:
    """Processor, threads and what could distort a measurement, in one line."""
    # Some systems set these, which fix the kernels of NumPy's OpenBLAS whatever the processor is.
    set_ = [name for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if name in os.environ]
    warning = f"; {' and '.join(set_)} set: unset to compare fairly" if set_ else ""
    return (
        f"{_processor()}, {threads} threads, Python {platform.python_version()}, "
        f"NumPy {np.__version__}{warning}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
