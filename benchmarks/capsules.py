"""A training step of capsule networks beside PyTorch's, as milliseconds and a share of the peak."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks import machine, table
from benchmarks.process import Job, race
from benchmarks.timing import medians

TITLE = "Capsules"
Array = np.ndarray


@dataclass(frozen=True)
class Network:
    """A convolution, primary capsules and ten capsules, on gray squares, with the margin loss."""

    size: int
    filters: int
    kernel: int
    primary: int  # primary capsules at each place
    strides: int
    batch_size: int
    primary_dim: int = 8
    dim: int = 16
    capsules: int = 10
    routings: int = 3

    @property
    def places(self) -> int:
        return ((self.size - 2 * (self.kernel - 1) - 1) // self.strides + 1) ** 2

    @property
    def inputs(self) -> int:
        """Primary capsules of an image."""
        return self.places * self.primary

    @property
    def flops(self) -> int:
        """Of one step, if each prediction is made once and kept: two gradients for each product.

        A round of routing is a sum of the predictions, and a scalar product with them but for the
        last, whose sum has a gradient.
        """
        first = (self.size - self.kernel + 1) ** 2 * self.kernel**2 * self.filters
        second = self.places * self.kernel**2 * self.filters * self.primary * self.primary_dim
        predictions = self.inputs * self.capsules * self.dim
        multiplied = 2 * first + 3 * second + 3 * predictions * self.primary_dim
        return 2 * self.batch_size * (multiplied + 2 * self.routings * predictions)

    def samples(self) -> tuple[Array, Array]:
        """Images, channels last, and one-hot classes, for some steps."""
        draw = np.random.default_rng(0)
        count = self.batch_size * self.steps
        images = draw.standard_normal((count, self.size, self.size, 1), np.float32)
        return images, np.eye(self.capsules, dtype=np.float32)[draw.integers(0, 10, count)]

    @property
    def steps(self) -> int:
        """Of one turn."""
        return max(2, min(200, int(2e10 / self.flops)))


NETWORKS = {
    "digits 8x8: 32 filters, 128 primary capsules": Network(8, 32, 3, 8, 1, 64),
    "28x28: 32 filters, 288 primary capsules": Network(28, 32, 9, 8, 2, 64),
    "28x28: 16 filters of 5x5, 800 primary capsules": Network(28, 16, 5, 8, 2, 64),
    "28x28, the paper's: 256 filters, 1152 primary capsules": Network(28, 256, 9, 32, 2, 64),
}


class Ganglion:
    """One call of `Sequential.fit`."""

    def __init__(self, threads: int, **network: Any) -> None:
        import ganglion
        from ganglion import Sequential, layers

        given = Network(**network)
        ganglion.set_num_threads(threads)
        self.units, self.batch_size = given.steps, given.batch_size
        self.X, self.y = given.samples()
        self.network = Sequential(
            [
                layers.Conv2D(given.filters, given.kernel, activation="relu"),
                layers.PrimaryCapsule(
                    given.primary, given.primary_dim, given.kernel, given.strides
                ),
                layers.CapsuleLayer(given.capsules, given.dim, given.routings),
                layers.CapsuleLength(),
            ],
            loss="margin",
            random_state=0,
        )

    def run(self) -> None:
        self.network.fit(self.X, self.y, batch_size=self.batch_size, verbose=0)


class PyTorch:
    """The usual loop with the fused Adam. Of einsums and of sums of products, the faster ones.

    The predictions that couplings come from are detached, as usual and as in ganglion.
    """

    compiled = False
    variants = ("einsum", "sums")

    def __init__(self, threads: int, **network: Any) -> None:
        import torch

        self.torch, self.given = torch, Network(**network)
        torch.set_num_threads(threads)
        self.units = self.given.steps
        X, y = self.given.samples()
        self.X = torch.from_numpy(X.transpose(0, 3, 1, 2).copy())
        self.y = torch.from_numpy(y)
        self.step = self._fastest()

    def run(self) -> None:
        for batch in self.torch.randperm(len(self.X)).split(self.given.batch_size):
            self.step(self.X[batch], self.y[batch])

    def _fastest(self) -> Any:
        steps = {variant: self._step(variant) for variant in self.variants}
        batch = self.X[: self.given.batch_size], self.y[: self.given.batch_size]
        times: dict[str, list[float]] = {variant: [] for variant in steps}
        for _ in range(6):
            for variant, step in steps.items():
                started = time.perf_counter()
                step(*batch)
                times[variant].append(time.perf_counter() - started)
        return steps[min(times, key=lambda variant: min(times[variant]))]

    def _step(self, variant: str) -> Any:
        from torch.nn import functional

        torch, given = self.torch, self.given
        torch.manual_seed(0)
        convolutions = torch.nn.ModuleList(
            [
                torch.nn.Conv2d(1, given.filters, given.kernel),
                torch.nn.Conv2d(
                    given.filters, given.primary * given.primary_dim, given.kernel, given.strides
                ),
            ]
        )
        shape = given.inputs, given.primary_dim, given.capsules * given.dim
        weights = torch.nn.Parameter(0.05 * torch.randn(shape))

        def squash(s: Any) -> Any:
            squared = s.square().sum(-1, keepdim=True)
            return s * (squared.clamp_min(1e-30).sqrt() / (1 + squared))

        def summed(c: Any, predicted: Any) -> Any:
            if variant == "einsum":
                return torch.einsum("nij,nijd->njd", c, predicted)
            return (c.unsqueeze(-1) * predicted).sum(1)

        def agreement(predicted: Any, v: Any) -> Any:
            if variant == "einsum":
                return torch.einsum("nijd,njd->nij", predicted, v)
            return (predicted * v.unsqueeze(1)).sum(-1)

        def loss(x: Any, y: Any) -> Any:
            first, primary = convolutions
            u = primary(functional.relu(first(x)))
            u = u.view(len(x), given.primary, given.primary_dim, -1).transpose(2, 3)
            u = squash(u.reshape(len(x), given.inputs, given.primary_dim))
            predicted = torch.einsum("nik,ikm->nim", u, weights)
            predicted = predicted.view(len(x), given.inputs, given.capsules, given.dim)
            held = predicted.detach()
            v = squash(held.sum(1) / given.capsules)
            logits = 0
            for round in range(1, given.routings):
                logits = logits + agreement(held, v)
                last = round == given.routings - 1
                v = squash(summed(logits.softmax(-1), predicted if last else held))
            lengths = v.square().sum(-1).clamp_min(1e-30).sqrt()
            present = y * (0.9 - lengths).relu().square()
            return (present + 0.5 * (1 - y) * (lengths - 0.1).relu().square()).sum(1).mean()

        computed = torch.compile(loss, dynamic=False) if self.compiled else loss
        parameters = [*convolutions.parameters(), weights]
        optimizer = torch.optim.Adam(parameters, eps=1e-7, fused=True)

        def step(x: Any, y: Any) -> None:
            optimizer.zero_grad(set_to_none=True)
            computed(x, y).backward()
            optimizer.step()

        return step


class Compiled(PyTorch):
    """Forward and backward as one graph each."""

    compiled = True


TASKS = {"ganglion": Ganglion, "PyTorch": PyTorch, "torch.compile": Compiled}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which networks."""
    parser.add_argument("--cases", type=int, nargs="+", choices=range(1, len(NETWORKS) + 1))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Each network by each library."""
    tasks = {n: t for n, t in TASKS.items() if not options.peers or n.lower() in options.peers}
    chosen = [list(NETWORKS.items())[case - 1] for case in options.cases or ()]
    rows = []
    for name, network in chosen or NETWORKS.items():
        jobs = {
            task: Job(f"{kind.__module__}:{kind.__name__}", asdict(network), options.threads)
            for task, kind in tasks.items()
        }
        measured, failures = race(jobs, seconds=options.seconds)
        rows.append(
            {
                "case": f"{name}, {network.batch_size}",
                "flops": network.flops,
                "microseconds": {n: 1e6 * s for n, s in medians(measured).items()},
                "failures": failures,
            }
        )
    return {"threads": options.threads, "peak": machine.peak(options.threads), "rows": rows}


def show(result: dict[str, Any]) -> str:
    return (
        f"Microseconds a step, median, threads: {result['threads']}. Peak: the share of "
        f"{result['peak'] / 1e9:.0f} GFLOP/s that the operations of a step come to, if each "
        "prediction is computed once. ganglion computes them anew in each round rather than keep "
        "them, and so does more.\n\n" + table.rows_beside(result, "network, batch")
    )
