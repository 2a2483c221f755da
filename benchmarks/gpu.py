"""Training steps on a GPU: launches, traffic, registers; and, where there is one, the time.

Without a GPU the columns of times are empty: what the kernels need is counted all the same.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from typing import Any

import numpy as np

from benchmarks import text
from benchmarks.cases import CASES, Case
from benchmarks.peers.ganglion import Model
from benchmarks.timing import interleave, medians

TITLE = "GPU"
# Of Hopper.
CAPABILITY = (9, 0)
STEPS = 50


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which of the cases, by number."""
    parser.add_argument("--cases", nargs="+", type=int, choices=range(1, len(CASES) + 1))


def network_of(case: Case, threads: int, device: str = "cpu") -> tuple[Any, Any, Any]:
    """The network of a case and data for some steps, as the table of training steps has them."""
    generator = np.random.default_rng(0)
    rows = STEPS * case.batch_size
    settings = {name: value for name, value in case.arguments.items() if name != "steps"}
    model = Model(threads=threads, **settings)
    features = model_features(case)
    X = generator.standard_normal((rows, features)).astype(np.float32)
    y = generator.integers(0, case.widths[-1], rows)
    model.start(X, y, 0)
    net = model.network
    if device != "cpu":
        other = type(net)(
            [type(layer).from_config(layer.get_config()) for layer in net.layers],
            loss=net.loss,
            optimizer="adam",
            random_state=0,
            device=device,
        )
        other.build(net.input_shape)
        other.set_weights(net.get_weights())
        net = other
    return net, model.X, y


def model_features(case: Case) -> int:
    """Numbers of one sample."""
    from benchmarks.images import IMAGES
    from benchmarks.recurrences import RECURRENCES

    before, recurrence = IMAGES[case.images], RECURRENCES[case.recurrent]
    if recurrence:
        return recurrence.steps * recurrence.features
    return int(np.prod(before.shape)) if before else case.widths[0]


def counted(case: Case, threads: int) -> dict[str, Any]:
    """What a step launches and moves, and what its kernels need."""
    from benchmarks import ptx

    net, *_ = network_of(case, threads)
    built = net._built
    program = built.executable("train").program
    with ptx.compiling(CAPABILITY) as device:
        bound = device.bind(program, built.parameters.array.size, case.batch_size, np.float32)
        found: dict[str, Any] = {
            "launches": sum(len(calls) for _, calls in bound.launches),
            "kernels": len(device.made),
            "flops": program.flops(case.batch_size),
            "bytes": program.bytes(case.batch_size),
        }
        assembler = ptx.assembler()
        if assembler is not None:
            found |= ptx.resources(device, assembler)._asdict()
    return found


def step_timer(case: Case, threads: int, device: str) -> Any:
    """A function that trains for an epoch of `STEPS`; returns the seconds of a step."""
    net, X, y = network_of(case, threads, device)
    net.fit(X, y, batch_size=case.batch_size, verbose=0)  # compiled and warm

    def run() -> float:
        begun = time.perf_counter()
        net.fit(X, y, batch_size=case.batch_size, verbose=0)
        return (time.perf_counter() - begun) / STEPS

    return run


def torch_timer(case: Case, device: str) -> Any:
    """The same of PyTorch, eager, for dense networks; data and the order of rows on the device."""
    import torch
    from torch import nn

    rows = STEPS * case.batch_size
    X = torch.randn(rows, case.widths[0], device=device)
    y = torch.randint(0, case.widths[-1], (rows,), device=device)
    parts: list[Any] = []
    for inside, outside in zip(case.widths, case.widths[1:], strict=False):
        parts += [nn.Linear(inside, outside), nn.ReLU()]
    net = nn.Sequential(*parts[:-1]).to(device)
    optimizer = torch.optim.Adam(net.parameters())

    def run() -> float:
        begun = time.perf_counter()
        total = torch.zeros((), device=device)
        for batch in torch.randperm(rows, device=device).split(case.batch_size):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(X[batch]), y[batch])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        float(total)  # waits
        return (time.perf_counter() - begun) / STEPS

    run()
    return run


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Count for each case, and measure where there is a GPU."""
    from ganglion import engines

    numbers = options.cases or range(1, len(CASES) + 1)
    reason = engines.missing("numba-cuda")
    rows = []
    for case in (CASES[number - 1] for number in numbers):
        row: dict[str, Any] = {"case": case.name, "microseconds": {}}
        if importlib.util.find_spec("numba_cuda"):
            row |= counted(case, options.threads)
        if reason is None:
            timers = {
                "numba-cuda": step_timer(case, options.threads, "numba-cuda"),
                "cpu": step_timer(case, options.threads, "cpu"),
            }
            if importlib.util.find_spec("torch") and not (case.images or case.recurrent):
                timers["PyTorch"] = torch_timer(case, "cuda")
            measured, _ = interleave(timers, seconds=options.seconds)
            row["microseconds"] = {
                name: 1e6 * seconds for name, seconds in medians(measured).items()
            }
        rows.append(row)
        print(row, file=sys.stderr)
    return {"missing": reason, "rows": rows}


def show(result: dict[str, Any]) -> str:
    """The table, and why there are no times where there are none."""
    header = ["network, batch", "launches", "kernels", "MFLOP", "MB", "registers", "spilled"]
    engines = ["numba-cuda", "cpu", "PyTorch"]
    lines = []
    for row in result["rows"]:
        numbers = [
            row.get("launches"),
            row.get("kernels"),
            row["flops"] / 1e6 if "flops" in row else None,
            row["bytes"] / 1e6 if "bytes" in row else None,
            row.get("registers"),
            row.get("spilled"),
        ]
        times = [row["microseconds"].get(name) for name in engines]
        cells = [
            str(number) if isinstance(number, int) else text.figure(number) for number in numbers
        ]
        lines.append([row["case"], *cells, *map(text.figure, times)])
    why = f"\n\nNo times: {result['missing']}" if result["missing"] else ""
    return (
        "A training step (Adam, float32) on a GPU: what the Numba-CUDA engine launches, how many "
        "kernels these are, the registers of the largest and the bytes that all spill (sm_90), and "
        "microseconds a step, beside this processor and PyTorch on the same GPU.\n\n"
        + text.table([*header, *(f"{name}, us" for name in engines)], lines)
        + why
    )
