"""What is limited by memory: Adam and out-of-cache passes, beside the machine's bandwidth."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import text
from benchmarks.process import Job, race
from benchmarks.timing import medians

TITLE = "Memory"

# 10 million parameters; Adam reads four numbers of each and writes three.
PARAMETERS = 10_000_000
ADAM_BYTES = 28
# A matrix of 64 MB, several times the largest cache.
ROWS, COLUMNS = 65_536, 256


class Adam:
    """ganglion's Adam, on a flat vector with its gradient given, as its optimizer traces it."""

    def __init__(self, threads: int) -> None:
        import ganglion
        from ganglion import _core, ops
        from ganglion.optimizers import Adam, Slots
        from ganglion.tracing import Trace
        from ganglion.variables import Variables

        ganglion.set_num_threads(threads)
        trace = Trace(training=True, variables=Variables())
        with trace:
            weights = trace.parameter("weights", (PARAMETERS,), 0)
            gradient = trace.parameter("gradient", (PARAMETERS,), PARAMETERS)
            slots = Slots(trace, PARAMETERS)
            rate, iteration = trace.scalar("learning_rate"), trace.scalar("iteration")
            ops.assign(weights, Adam().update(weights, gradient, slots, rate, iteration))
        store = _core.Store(2 * PARAMETERS, "float32")
        store.array[:] = 0.5
        states = _core.Store(slots.size, "float32")
        slots.fill(states.array)
        self.executable = _core.Executable(trace.finish(), "float32", store, states)

    def run(self) -> None:
        self.executable.run([], 1, {"learning_rate": 1e-3, "iteration": 3.0})


class TorchAdam:
    """PyTorch's fused Adam."""

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        weights = torch.nn.Parameter(torch.full((PARAMETERS,), 0.5))
        weights.grad = torch.full((PARAMETERS,), 0.5)
        self.optimizer = torch.optim.Adam([weights], fused=True)

    def run(self) -> None:
        self.optimizer.step()


class NumpyPasses:
    """Adam's traffic without its arithmetic: one vector += another, two are scaled in place."""

    def __init__(self, threads: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        vectors = [np.full(PARAMETERS, 0.5, np.float32) for _ in range(4)]
        self.parts = list(zip(*(np.array_split(v, threads) for v in vectors), strict=True))
        self.pool = ThreadPoolExecutor(threads)

    @staticmethod
    def _part(vectors: tuple[np.ndarray, ...]) -> None:
        a, b, c, d = vectors
        np.add(a, d, out=a)
        np.multiply(b, np.float32(0.999), out=b)
        np.multiply(c, np.float32(0.999), out=c)

    def run(self) -> None:
        list(self.pool.map(self._part, self.parts))


class TorchPasses:
    """The same in PyTorch."""

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.vectors = [torch.full((PARAMETERS,), 0.5) for _ in range(4)]

    def run(self) -> None:
        a, b, c, d = self.vectors
        a.add_(d)
        b.mul_(0.999)
        c.mul_(0.999)


def _layer(name: str, **settings: Any) -> Callable[..., Any]:
    def apply(x: Any) -> Any:
        from ganglion import layers

        return getattr(layers, name)(**settings)(x)

    return apply


def _chain(x: Any) -> Any:
    from ganglion import ops

    return ops.relu(x * 0.5 + 0.1) * x - 0.2


def _softmax(x: Any) -> Any:
    from ganglion import ops

    return ops.softmax(x)


def _sum(x: Any) -> Any:
    from ganglion import ops

    return ops.sum(x, axis=1)


# What is computed of a matrix, and the bytes an element that a training step has to move for it at
# least: the sample is read from the user's array (4), stored (4), and so is the result (4). Batch
# normalisation has to read it once more, after the means.
PASSES: dict[str, tuple[Callable[..., Any], int]] = {
    "elementwise chain": (_chain, 12),
    "softmax": (_softmax, 12),
    "layer normalisation": (_layer("LayerNormalization"), 12),
    "batch normalisation": (_layer("BatchNormalization"), 16),
    "sum of rows": (_sum, 8),
}


class Pass:
    """A function of a matrix in ganglion, as a step of training meets it.

    The user's array is read batch-wise; what comes out is a sum for each row, so that the copy of
    the outputs, which a step does not make, is small.
    """

    def __init__(self, threads: int, name: str) -> None:
        import ganglion
        from ganglion import _core, ops
        from ganglion.tracing import Trace
        from ganglion.variables import Variables

        ganglion.set_num_threads(threads)
        variables = Variables()
        for _ in range(2):  # the first trace finds the weights
            trace = Trace(training=True, variables=variables)
            with trace:
                y = PASSES[name][0](trace.input("x", (None, COLUMNS)))
                trace.output("y", ops.sum(y, axis=1) if len(y.shape) == 2 else y)
            variables.lay_out()
        store = _core.Store(max(variables.size, 16), "float32")
        for variable in variables:
            store.array[variable.span] = variable.initial_value(0).ravel()
        self.executable = _core.Executable(trace.finish(), "float32", store, None)
        self.x = np.random.default_rng(0).standard_normal((ROWS, COLUMNS), dtype=np.float32)

    def run(self) -> None:
        self.executable.run([self.x], ROWS)


YARDSTICKS = ["NumPy's passes", "PyTorch's passes"]
ADAMS = {
    "ganglion": Adam,
    "PyTorch, fused": TorchAdam,
    "NumPy's passes": NumpyPasses,
    "PyTorch's passes": TorchPasses,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    has_torch = importlib.util.find_spec("torch") is not None
    jobs = {
        name: Job(f"{__name__}:{kind.__name__}", {}, options.threads)
        for name, kind in ADAMS.items()
        if has_torch or "PyTorch" not in name
    }
    for name in PASSES:
        jobs[name] = Job(f"{__name__}:{Pass.__name__}", {"name": name}, options.threads)
    measured, failures = race(jobs, seconds=options.seconds)
    rates = {}
    for name, seconds in medians(measured).items():
        passed = ROWS * COLUMNS * PASSES[name][1] if name in PASSES else PARAMETERS * ADAM_BYTES
        rates[name] = passed / seconds
        print(f"{name}: {rates[name] / 1e9:.1f} GB/s", file=sys.stderr)
    return {"threads": options.threads, "rates": rates, "failures": failures}


def show(result: dict[str, Any]) -> str:
    rates = result["rates"]
    bandwidth = max((rates[name] for name in YARDSTICKS if name in rates), default=None)
    rows = [
        [name, text.figure(rate / 1e9), text.percent(rate / bandwidth if bandwidth else None)]
        for name, rate in rates.items()
    ]
    return (
        f"GB/s, median, threads: {result['threads']}. Adam on 10 million parameters, "
        f"{ADAM_BYTES} bytes each: four numbers read and three written in place. Bandwidth: the "
        "better of two libraries whose plain passes (one vector added to another in place, two "
        "scaled in place) move the same bytes through vectors of the same size with as many "
        f"threads. Below, functions of a matrix of {ROWS} x {COLUMNS} in training, by the bytes "
        "that they have to move at least.\n\n"
        + text.table(["", "GB/s", "of the bandwidth"], rows)
        + text.left_out({"all": result["failures"]})
    )
