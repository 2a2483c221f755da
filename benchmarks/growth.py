"""How a step's time grows with width, depth and batch, beside the arithmetic at peak."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine, text
from benchmarks.cases import Case
from benchmarks.peers import PEERS
from benchmarks.process import race
from benchmarks.timing import medians
from benchmarks.training import Training, job

TITLE = "Cost growth"

# Panel -> its points: what varies, and the network.
PANELS: dict[str, list[tuple[int, Case]]] = {
    "width": [(w, Case((w, w, w, 10), 64)) for w in (8, 16, 32, 64, 128, 256, 512, 1024, 2048)],
    "depth": [(d, Case((64,) * (d + 1) + (10,), 64)) for d in (1, 2, 4, 8, 16, 32, 64)],
    "batch": [(b, Case((128, 128, 128, 10), b)) for b in (1, 4, 16, 64, 256, 1024, 4096)],
}
FIXED = {
    "width": "w-w-w-10, batch 64",
    "depth": "64-...-64-10, batch 64",
    "batch": "128-128-128-10",
}
BESIDE = ["PyTorch", "JAX"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def series(options: argparse.Namespace) -> dict[str, tuple[str, int]]:
    """Name of each line, its peer's module and number of threads."""
    lines = {f"ganglion, {n}": ("ganglion", n) for n in sorted({1, options.threads})}
    for peer in PEERS:
        wanted = not options.peers or peer.name.lower() in options.peers
        if peer.name in BESIDE and wanted:
            lines[f"{peer.name}, {options.threads}"] = (peer.module, options.threads)
    return lines


def measure(options: argparse.Namespace) -> dict[str, Any]:
    lines = series(options)
    panels: dict[str, list[dict[str, Any]]] = {}
    for panel, points in PANELS.items():
        panels[panel] = []
        for index, (at, case) in enumerate(points):
            jobs = {
                name: job(Training, module, threads, **case.arguments)
                for name, (module, threads) in lines.items()
                if module == "ganglion" or index % 2 == 0  # peers take long to compile
            }
            # A look at the shape: a fifth of the usual time.
            measured, failures = race(jobs, seconds=options.seconds / 5, rounds=3)
            micro = {name: 1e6 * seconds for name, seconds in medians(measured).items()}
            panels[panel].append(
                {"at": at, "flops": case.flops, "microseconds": micro, "failures": failures}
            )
            print(f"{panel} {at}: {micro}", file=sys.stderr)
    counts = sorted({1, options.threads})
    return {
        "threads": counts,
        "peak": {str(n): machine.peak(n) for n in counts},
        "lines": list(lines),
        "panels": panels,
    }


def show(result: dict[str, Any]) -> str:
    """A table a panel; the picture shows it better."""
    counts = result["threads"]
    parts = [
        "Microseconds a step, by number of threads, and what its products would take at peak with "
        f"{counts[-1]}."
    ]
    failures = {}
    for panel, points in result["panels"].items():
        failures.update({f"{panel} {point['at']}": point["failures"] for point in points})
        peak = result["peak"][str(counts[-1])]
        rows = [
            [
                str(point["at"]),
                *(text.figure(point["microseconds"].get(line)) for line in result["lines"]),
                text.figure(1e6 * point["flops"] / peak),
            ]
            for point in points
        ]
        header = [panel, *result["lines"], "at peak"]
        parts.append(f"{panel.capitalize()}: {FIXED[panel]}\n\n{text.table(header, rows)}")
    return "\n\n".join(parts) + text.left_out(failures)


def draw(result: dict[str, Any], path: Path) -> None:
    from benchmarks.pictures import draw_growth

    draw_growth(result, FIXED, path)
