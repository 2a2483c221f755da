"""Import time over NumPy's, and installed size, beside the peers'."""

from __future__ import annotations

import argparse
import importlib.util
import re
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import text
from benchmarks.process import ROOT, environment
from benchmarks.table import chosen_peers

TITLE = "Footprint"
REPEATS = 7

# Module imported to build a network, and distribution, of each peer that is one of its own.
IMPORTS = {
    "ganglion": ("ganglion", "ganglion"),
    "PyTorch": ("torch", "torch"),
    "JAX": ("jax.numpy", "jax"),
    "Keras": ("keras", "keras"),
    "scikit-learn": ("sklearn.neural_network", "scikit-learn"),
}
# What a distribution needs without saying so: Keras is measured on JAX.
UNSAID = {"keras": ["jax"]}


def import_seconds(module: str) -> float:
    """Of a fresh process that has imported NumPy before."""
    code = (
        "import time, numpy; start = time.perf_counter(); "
        f"import {module}; print(time.perf_counter() - start)"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env=environment(1),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(found.stdout.split()[-1])


def folder_bytes(folder: Path) -> int:
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def distribution_bytes(name: str) -> int:
    """Of its files, compiled Python aside; of its folder where it is not installed as such."""
    try:
        files = metadata.distribution(name).files or []
    except metadata.PackageNotFoundError:
        files = []
    sizes = [
        path.stat().st_size
        for path in (Path(str(file.locate())) for file in files)
        if path.is_file() and "__pycache__" not in path.parts
    ]
    spec = importlib.util.find_spec(name) if name == "ganglion" else None
    if spec is not None and spec.origin:  # an editable install lists only a link to it
        return max(sum(sizes), folder_bytes(Path(spec.origin).parent))
    return sum(sizes)


def needed(name: str, known: set[str]) -> set[str]:
    """The distribution and those it requires, directly or not, but for NumPy."""
    if name in known or name == "numpy":
        return known
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        requirements = ["safetensors", "tqdm"] if name == "ganglion" else []
        if not requirements:
            return known
    known.add(name)
    for requirement in requirements:
        if "extra ==" not in requirement:
            found = re.match(r"[\w.-]+", requirement)
            assert found is not None
            needed(found[0].lower(), known)
    for other in UNSAID.get(name, []):
        needed(other, known)
    return known


def add_options(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    peers, failures = chosen_peers(options)
    names = [peer.name for peer in peers if peer.name in IMPORTS]
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(REPEATS + 1):
        for name in names:
            seconds = import_seconds(IMPORTS[name][0])
            if turn:  # the first reads the files from disk
                times[name].append(seconds)
    sizes = {}
    for name in names:
        distribution = IMPORTS[name][1]
        whole = sum(distribution_bytes(other) for other in needed(distribution, set()))
        sizes[name] = {"own": distribution_bytes(distribution), "whole": whole}
    imports = {name: statistics.median(values) for name, values in times.items()}
    return {"imports": imports, "sizes": sizes, "failures": failures}


def show(result: dict[str, Any]) -> str:
    rows = [
        [
            f"{name} (`{IMPORTS[name][0]}`)",
            text.figure(1e3 * seconds),
            text.figure(result["sizes"][name]["own"] / 1e6),
            text.figure(result["sizes"][name]["whole"] / 1e6),
        ]
        for name, seconds in result["imports"].items()
    ]
    return (
        f"Import: milliseconds after NumPy's, fresh processes in turns, median of {REPEATS}. Size: "
        "MB installed, compiled Python aside, of the distribution alone and with what it "
        "requires but NumPy (Keras: with JAX).\n\n"
        + text.table(["", "import, ms", "size, MB", "with requirements"], rows)
        + text.left_out({"all": result["failures"]})
    )
