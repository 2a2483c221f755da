"""Matrix products beside OpenBLAS (NumPy) and PyTorch, as a share of the peak."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from benchmarks import machine, text
from benchmarks.process import Job, race
from benchmarks.timing import medians

TITLE = "Products"
Array = np.ndarray


@dataclass(frozen=True)
class Product:
    """C (m, n) = A (m, k) B (k, n); A or B may lie transposed in memory."""

    m: int
    k: int
    n: int
    transpose_a: bool = False
    transpose_b: bool = False

    @property
    def flops(self) -> int:
        return 2 * self.m * self.k * self.n

    def operands(self, dtype: str = "float32") -> tuple[Array, Array]:
        """A and B as they lie in memory."""
        generator = np.random.default_rng(0)
        a = generator.standard_normal((self.k, self.m) if self.transpose_a else (self.m, self.k))
        b = generator.standard_normal((self.n, self.k) if self.transpose_b else (self.k, self.n))
        return a.astype(dtype), b.astype(dtype)

    def views(self) -> tuple[Array, Array]:
        """A (m, k) and B (k, n), transposed views where they lie transposed."""
        a, b = self.operands()
        return a.T if self.transpose_a else a, b.T if self.transpose_b else b


def _with_gradients(name: str, m: int, k: int, n: int) -> dict[str, Product]:
    """A layer's product, and those of the gradients by its input and its weights."""
    return {
        name: Product(m, k, n),
        f"{name} dX": Product(m, n, k, transpose_b=True),
        f"{name} dW": Product(k, m, n, transpose_a=True),
    }


PRODUCTS = {
    "512^3": Product(512, 512, 512),
    "2048^3": Product(2048, 2048, 2048),
    **_with_gradients("32x784x128", 32, 784, 128),
    "32x20x64": Product(32, 20, 64),
    "32x64x20": Product(32, 64, 20),
    **_with_gradients("32x64x64", 32, 64, 64),
    # Of an LSTM's state at each step, 128 and 256 units.
    **_with_gradients("64x128x512", 64, 128, 512),
    **_with_gradients("64x256x1024", 64, 256, 1024),
}


class Ganglion:
    """Repeats within the call, which copies nothing: a product as a training step runs it."""

    def __init__(self, threads: int, **product: Any) -> None:
        from ganglion import _core

        self.product = Product(**product)
        self.operands = self.product.operands()
        self.threads = threads
        self.units = max(1, int(5e7 / self.product.flops))
        self.matmul = _core.kernels.matmul

    def run(self) -> None:
        self.matmul(
            *self.operands,
            self.product.transpose_a,
            self.product.transpose_b,
            threads=self.threads,
            repeats=self.units,
        )


class OpenBLAS:
    """NumPy's ``matmul`` of a stack, whose loop in C takes the call's cost away, ``out`` given."""

    def __init__(self, threads: int, **product: Any) -> None:
        given = Product(**product)
        a, b = given.views()
        self.units = max(1, 2**16 // (given.m * given.n))  # C stays in cache
        self.a, self.b = (np.broadcast_to(x, (self.units, *x.shape)) for x in (a, b))
        self.c = np.empty((self.units, given.m, given.n), np.float32)

    def run(self) -> None:
        np.matmul(self.a, self.b, out=self.c)


class PyTorch:
    """``torch.mm`` with ``out`` given; the cost of a call, about a microsecond, is in it."""

    def __init__(self, threads: int, **product: Any) -> None:
        import torch

        torch.set_num_threads(threads)
        given = Product(**product)
        a, b = given.operands()
        self.a, self.b = torch.from_numpy(a), torch.from_numpy(b)
        self.a = self.a.t() if given.transpose_a else self.a
        self.b = self.b.t() if given.transpose_b else self.b
        self.c = torch.empty((given.m, given.n))
        self.mm = torch.mm

    def run(self) -> None:
        self.mm(self.a, self.b, out=self.c)


TASKS = {"ganglion": Ganglion, "OpenBLAS": OpenBLAS, "PyTorch": PyTorch}


def add_options(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


class Operands(Protocol):
    """What a task is made from: a dataclass, with its floating point operations."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def flops(self) -> int: ...


def measure(options: argparse.Namespace) -> dict[str, Any]:
    return measure_all(TASKS, PRODUCTS, options)


def measure_all(
    every: Mapping[str, type], products: Mapping[str, Operands], options: argparse.Namespace
) -> dict[str, Any]:
    """Each product by each library, with one thread and with all."""
    tasks = {n: t for n, t in every.items() if not options.peers or n.lower() in options.peers}
    counts = sorted({1, options.threads})
    rows = []
    for name, product in products.items():
        jobs = {
            f"{task} {threads}": Job(f"{kind.__module__}:{kind.__name__}", asdict(product), threads)
            for task, kind in tasks.items()
            for threads in counts
        }
        # A third of the usual time: products are many.
        measured, failures = race(jobs, seconds=options.seconds / 3, rounds=4)
        seconds = medians(measured)
        rows.append(
            {"product": name, "flops": product.flops, "seconds": seconds, "failures": failures}
        )
        print(f"{name}: {seconds}", file=sys.stderr)
    return {
        "threads": counts,
        "peak": {str(threads): machine.peak(threads) for threads in counts},
        "tasks": list(tasks),
        "rows": rows,
    }


def show(result: dict[str, Any]) -> str:
    return (
        f"Share of the peak, {peaks(result)}, in float32, by number of threads. dX and dW: the "
        "gradients by input and weights. OpenBLAS and ganglion repeat a product within one call; "
        "PyTorch's call, about a microsecond, weighs on the small ones.\n\n" + shares(result)
    )


def peaks(result: dict[str, Any]) -> str:
    """The peak, by number of threads."""
    return " and ".join(
        f"{peak / 1e9:.0f} GFLOP/s with {threads}" for threads, peak in result["peak"].items()
    )


def shares(result: dict[str, Any]) -> str:
    """Shares of the peak, and how much a second thread gains."""
    counts, tasks = result["threads"], result["tasks"]
    header = ["product", "MFLOP", *(f"{task}, {n}" for n in counts for task in tasks)]
    if len(counts) > 1:
        header.append(f"ganglion, {counts[-1]} over 1")
    lines = []
    for row in result["rows"]:
        cells = [row["product"], text.figure(row["flops"] / 1e6)]
        for threads in counts:
            for task in tasks:
                seconds = row["seconds"].get(f"{task} {threads}")
                rate = row["flops"] / seconds / result["peak"][str(threads)] if seconds else None
                cells.append(text.percent(rate))
        if len(counts) > 1:
            both = [row["seconds"].get(f"ganglion {threads}") for threads in counts]
            cells.append(f"{both[0] / both[-1]:.2f}" if all(both) else "-")
        lines.append(cells)
    failures = {row["product"]: row["failures"] for row in result["rows"]}
    return text.table(header, lines) + text.left_out(failures)
