"""What measurements are compared with, the limits of the machine, and what they depend on."""

from __future__ import annotations

import os
import platform
import subprocess
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
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def describe(found: dict[str, Any]) -> str:
    """The environment in a few lines."""
    versions = ", ".join(
        f"{name} {version or 'missing'}" for name, version in found["versions"].items()
    )
    lines = [
        f"{found['date']}, {found['processor']}, {found['processors']} processors, "
        f"{found['system']}, {found['instructions']} kernels, load {found['load']} at the start",
        f"ganglion {found['commit']}, Python {found['python']}, {versions}",
    ]
    if found["distorting"]:
        lines.append(
            f"Warning: {' and '.join(found['distorting'])} set, which slows NumPy and "
            "scikit-learn down. Unset to compare fairly."
        )
    return "  \n".join(lines)


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
