"""Measure everything into one directory, a file a part, in 15 to 20 minutes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.process import ROOT


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", nargs="+", metavar="PART", help="such as table-1 growth")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each candidate")


def parts() -> dict[str, tuple[list[str], dict[str, str]]]:
    """Name of each part: the command that measures it, and its environment."""
    found: dict[str, tuple[list[str], dict[str, str]]] = {}
    counts = sorted({1, machine.processors()})
    for command in ("table", "predict", "memory"):
        for threads in counts:
            found[f"{command}-{threads}"] = [command, "--threads", str(threads)], {}
    found["products"] = ["products"], {}
    found["convolutions"] = ["convolutions"], {}
    found["capsules"] = ["capsules"], {}
    if machine.environment()["instructions"] == "avx512":
        # The peers choose their instructions themselves.
        for command in ("products", "convolutions"):
            alone = [command, "--peers", "ganglion"]
            found[f"{command}-avx2"] = alone, {"GANGLION_ISA": "avx2"}
    for command in ("growth", "accuracy", "pipeline", "footprint"):
        found[command] = [command], {}
    found["accuracy-convolutional"] = ["accuracy", "--network", "convolutional"], {}
    return found


def run(options: argparse.Namespace) -> None:
    """Measure the parts one after the other; a part that fails is named at the end."""
    options.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, (command, variables) in parts().items():
        if options.only and name not in options.only:
            continue
        started = time.perf_counter()
        target = options.out.resolve() / name
        files = ["--json", f"{target}.json"]
        if command[0] in ("table", "predict", "growth"):
            files += ["--png", f"{target}.png"]
        finished = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks",
                *command,
                *files,
                "--seconds",
                str(options.seconds),
            ],
            cwd=ROOT,
            env={**os.environ, **variables},
        )
        if finished.returncode:
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if failed:
        raise SystemExit(f"[all] failed: {', '.join(failed)}")
