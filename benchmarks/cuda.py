"""The CUDA engine: a training step beside PyTorch's on the same GPU, kernels, registers.

``python -m benchmarks cuda`` measures, on a machine with a GPU. ``--counts`` counts kernels, FLOPs
and bytes of a step, for which the emulated module is enough, and ``--registers`` reads what the
compiler said of its kernels. Each prints its table last.
"""

from __future__ import annotations

import argparse
import importlib
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import CASES, Case

TITLE = "CUDA engine"
ROUNDS = 5
MOST_ROWS = 1 << 17
WIDE = (784, 2048, 2048, 10)
MEASURED = [
    *CASES[:5],
    *(Case(CASES[0].widths, rows) for rows in (1024, 8192)),
    *(Case(CASES[3].widths, rows) for rows in (1024, 8192)),
    Case(WIDE, 1024),
]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--counts", action="store_true", help="count, and measure nothing")
    parser.add_argument(
        "--registers",
        type=Path,
        nargs="+",
        metavar="LOG",
        help="of kernels: what nvcc -Xptxas -v said when it compiled them",
    )


def samples(case: Case) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    rows = min(MOST_ROWS, 256 * case.batch_size)
    X = draw.normal(size=(rows, case.widths[0])).astype(np.float32)
    return X, draw.integers(0, case.widths[-1], size=rows).astype(np.int64)


def ganglion_network(case: Case) -> Any:
    from ganglion import Sequential, layers

    hidden = [layers.Dense(width, case.activation) for width in case.widths[1:-1]]
    return Sequential(
        [*hidden, layers.Dense(case.widths[-1], activation="softmax")],
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        random_state=0,
        device="cuda",
    )


def ganglion_epoch(case: Case) -> Callable[[], float]:
    """Seconds of a step, from an epoch."""
    X, y = samples(case)
    net = ganglion_network(case)
    net.fit(X, y, batch_size=case.batch_size)

    def epoch() -> float:
        # One epoch is taken from two, so that what a call of fit costs is left out.
        times = []
        for epochs in (1, 2):
            start = time.perf_counter()
            net.fit(X, y, epochs=epochs, batch_size=case.batch_size)
            times.append(time.perf_counter() - start)
        return (times[1] - times[0]) / -(-len(X) // case.batch_size)

    return epoch


def torch_epoch(case: Case, captured: bool) -> Callable[[], float]:
    """The same of PyTorch, its data on the device too: as usual, or a step captured as a graph."""
    import torch

    X, y = (torch.from_numpy(array).cuda() for array in samples(case))
    parts: list[torch.nn.Module] = []
    for a, b in zip(case.widths[:-1], case.widths[1:], strict=True):
        parts += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    net = torch.nn.Sequential(*parts[:-1]).cuda()
    adam = torch.optim.Adam(net.parameters(), fused=True, capturable=captured)
    loss = torch.nn.CrossEntropyLoss()
    rows = case.batch_size
    inputs, target = X[:rows].clone(), y[:rows].clone()

    def step() -> None:
        adam.zero_grad(set_to_none=not captured)
        loss(net(inputs), target).backward()
        adam.step()

    graph = torch.cuda.CUDAGraph() if captured else None
    if graph is not None:
        aside = torch.cuda.Stream()
        with torch.cuda.stream(aside):
            for _ in range(3):
                step()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            step()

    def epoch() -> float:
        start = time.perf_counter()
        order = torch.randperm(len(X), device="cuda")
        steps = len(X) // rows
        for first in range(0, steps * rows, rows):
            batch = order[first : first + rows]
            torch.index_select(X, 0, batch, out=inputs)
            torch.index_select(y, 0, batch, out=target)
            step() if graph is None else graph.replay()
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / steps

    epoch()
    return epoch


def race() -> list[str]:
    """The table of microseconds a step: medians of turns, one after the other."""
    makers: dict[str, Callable[[Case], Callable[[], float]]] = {"ganglion": ganglion_epoch}
    if importlib.util.find_spec("torch"):
        makers["PyTorch"] = lambda case: torch_epoch(case, False)
        makers["PyTorch, graph"] = lambda case: torch_epoch(case, True)
    lines = [
        f"| network, batch | {' | '.join(makers)} | TFLOP/s |",
        "|---" * (len(makers) + 2) + "|",
    ]
    for case in MEASURED:
        epochs = {name: make(case) for name, make in makers.items()}
        turns: dict[str, list[float]] = {name: [] for name in makers}
        for _ in range(ROUNDS):
            for name, epoch in epochs.items():
                turns[name].append(epoch())
        times = {name: statistics.median(values) for name, values in turns.items()}
        cells = " | ".join(f"{1e6 * seconds:.1f}" for seconds in times.values())
        lines.append(f"| {case.name} | {cells} | {case.flops / times['ganglion'] / 1e12:.2f} |")
        print(lines[-1], file=sys.stderr)
    return lines


def count() -> list[str]:
    """The table of kernels, floating point operations and bytes of a training step."""
    from ganglion import engines

    found = [
        name for name in ("_cuda", "_cuda_emulated") if importlib.util.find_spec(f"ganglion.{name}")
    ]
    if not found:
        raise SystemExit("nothing to count: no CUDA module was built, nor the emulated one")
    module = importlib.import_module(f"ganglion.{found[-1]}")
    sys.modules["ganglion._cuda"] = module
    reason = engines.missing("cuda")
    if reason is not None:
        raise SystemExit(f"nothing to count: {reason}")
    lines = ["| network, batch | kernels | MFLOP | MB read and written |", "|---|---|---|---|"]
    for case in MEASURED:
        net = ganglion_network(case)
        net.build((None, case.widths[0]))
        executable = net._built.executable("train")
        rows = case.batch_size
        program = executable.program
        inputs = [np.zeros((rows, case.widths[0]), np.float32), np.zeros(rows, np.float32)]
        before = module.count_kernels()
        scalars = dict.fromkeys(program.scalars, 1.0)
        executable.run(inputs, rows, scalars)
        kernels = module.count_kernels() - before
        flops, moved = map(int, program.listing(rows).split()[-2:])
        lines.append(f"| {case.name} | {kernels} | {flops / 1e6:.2f} | {moved / 1e6:.2f} |")
    return lines


def registers(logs: list[Path]) -> list[str]:
    """The table of registers, stack, spills and shared memory of each kernel that was compiled."""
    lines = [
        "| architecture | kernel | registers | stack | spilled | shared |",
        "|---|---|---|---|---|---|",
    ]
    symbol = architecture = stack = spilled = ""
    for line in "\n".join(log.read_text() for log in logs).splitlines():
        if found := re.search(r"entry function '(\S+)' for '(\w+)'", line):
            symbol, architecture = found.groups()
            stack = ""
        elif found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores", line):
            stack, spilled = (stack, spilled) if stack else found.groups()
        elif found := re.search(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?", line):
            used, shared = found.groups(default="0")
            cells = (architecture, demangled(symbol), used, stack, spilled, shared)
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def demangled(symbol: str) -> str:
    """A kernel's name and what it was made for, without namespaces and parameters."""
    text = subprocess.run(["c++filt", symbol], capture_output=True, text=True, check=True).stdout
    text = text.replace("ganglion::cuda::", "").replace("(anonymous namespace)::", "")
    text = re.sub(r"Code<(\w+), 16, 4, 20, 56>", r"ShortCode<\1>", text.strip())
    text = re.sub(r"Code<(\w+), 16, 1, 20, 56>", r"ShortNarrowCode<\1>", text)
    text = re.sub(r"Code<(\w+), 250, 1, 240, 620>", r"LongCode<\1>", text)
    return re.sub(r"^void ", "", text).split("(")[0].replace("|", "/")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked for, as the lines of a table."""
    if options.registers:
        return {"lines": registers(options.registers)}
    return {"lines": count() if options.counts else race()}


def show(result: dict[str, Any]) -> str:
    return "\n".join(result["lines"])
