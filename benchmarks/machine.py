"""What measurements are compared with, the limits of the machine, and what they depend on."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from ganglion import _core

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = ["numpy", "torch", "jax", "jaxlib", "keras", "scikit-learn"]
# Some systems set these, which fix the kernels of NumPy's OpenBLAS whatever the processor is.
DISTORTING = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]

# Share of the processors that other programs may take before figures are worth nothing.
TOLERATED = 0.05


def processors() -> int:
    """How many this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def at_once(threads: int, call: Callable[[], float]) -> float:
    """Sum of what so many threads return that call at the same time."""
    with ThreadPoolExecutor(threads) as pool:
        return sum(future.result() for future in [pool.submit(call) for _ in range(threads)])


def peak(threads: int) -> float:
    """FLOP/s of threads that do nothing but float32 multiply-adds in registers, all at once."""
    return at_once(threads, lambda: _core.kernels.peak(0.3, "float32"))


class Others:
    """How much of the processors other programs take, from now on. Known on Linux alone."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._busy, self._own = self._seconds()

    @staticmethod
    def _seconds() -> tuple[float, float]:
        """Processor time of all programs, and of this one with its children that have ended."""
        statistics = Path("/proc/stat")
        if not statistics.exists():
            return math.nan, math.nan
        # user, nice, system, idle, waiting, interrupts, soft interrupts, stolen by another guest
        ticks = [int(field) for field in statistics.read_text().split("\n")[0].split()[1:9]]
        busy = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
        return busy, sum(os.times()[:4])

    def share(self) -> float | None:
        """Of all processors, since this was made; None where it is not known."""
        busy, own = self._seconds()
        if math.isnan(busy):
            return None
        everything = (time.perf_counter() - self._started) * (os.cpu_count() or 1)
        return max(0.0, busy - self._busy - (own - self._own)) / everything


def environment() -> dict[str, Any]:
    """Processor, versions, date, and what could distort a measurement."""
    return {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "processors": processors(),
        "system": f"{platform.system()} {platform.machine()}",
        "instructions": _core.kernel_isa(),
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in DISTRIBUTIONS},
        "distorting": [name for name in DISTORTING if name in os.environ],
    }


def describe(found: dict[str, Any]) -> str:
    """The environment in a few lines."""
    versions = ", ".join(
        f"{name} {version or 'missing'}" for name, version in found["versions"].items()
    )
    lines = [
        f"{found['date']}, {found['processor']}, {found['processors']} processors, "
        f"{found['system']}, {found['instructions']} kernels",
        f"ganglion {found['commit']}, Python {found['python']}, {versions}",
    ]
    if found["distorting"]:
        lines.append(
            f"Warning: {' and '.join(found['distorting'])} set, which slows NumPy and "
            "scikit-learn down. Unset to compare fairly."
        )
    return "  \n".join(lines)


def disturbance(result: dict[str, Any]) -> str:
    """A sentence on what other programs took meanwhile."""
    share = result["others"]
    if share is None:
        return ""
    warning = "" if share < TOLERATED else "; these figures are not to be trusted"
    return f"Other programs took {share:.0%} of the processors meanwhile{warning}."


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    """Version and commit, with a plus when there are changes since."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return _core.__version__
    return f"{_core.__version__} ({found})"
