"""Microseconds of a training step, ganglion beside PyTorch, JAX and scikit-learn.

``python -m benchmarks.training [--threads N]`` from the root of the repository. A library that is
not installed is left out, and said to be. Every candidate trains the same dense network with Adam
on softmax cross-entropy, in batches gathered from one float32 array in an order of the epoch's own.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import timing

Epoch = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """A dense network with relu between its layers, and a batch size."""

    widths: tuple[int, ...]
    batch_size: int

    @property
    def name(self) -> str:
        """As the table shows it: ``20-64-64-2, 32``."""
        return "-".join(map(str, self.widths)) + f", {self.batch_size}"

    @property
    def steps(self) -> int:
        """Steps of one measured epoch: enough that a call's own cost does not show."""
        return max(8, min(400, int(2e9 / self.flops)))

    @property
    def flops(self) -> int:
        """Of one step's products: forward, and two for each gradient but the input's."""
        products = [a * b for a, b in zip(self.widths, self.widths[1:], strict=False)]
        return 2 * self.batch_size * (3 * sum(products) - products[0])

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (steps * batch, widths[0]) float32 and class numbers."""
        generator = np.random.default_rng(0)
        rows = self.steps * self.batch_size
        inputs = generator.standard_normal((rows, self.widths[0]), dtype=np.float32)
        return inputs, generator.integers(0, self.widths[-1], rows)


CASES = [
    Case((20, 64, 64, 2), 32),
    Case((20, 64, 64, 2), 256),
    Case((64, 100, 10), 32),
    Case((784, 128, 10), 32),
    Case((784, 128, 10), 128),
    Case((784, 512, 512, 10), 128),
]


def ganglion_epoch(case: Case, threads: int) -> Epoch:
    """One call of ``Sequential.fit``."""
    import ganglion
    from ganglion import Sequential, layers

    ganglion.set_num_threads(threads)
    X, y = case.data()
    hidden = [layers.Dense(width, activation="relu") for width in case.widths[1:-1]]
    network = Sequential(
        [*hidden, layers.Dense(case.widths[-1], activation="softmax")],
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        random_state=0,
    )
    return lambda: network.fit(X, y, epochs=1, batch_size=case.batch_size, verbose=0)


def pytorch_epoch(case: Case, threads: int) -> Epoch:
    """The usual loop, with the fused Adam."""
    import torch

    torch.set_num_threads(threads)
    X, y = (torch.from_numpy(array) for array in case.data())
    parts: list[torch.nn.Module] = []
    for inputs, outputs in zip(case.widths, case.widths[1:], strict=False):
        parts += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    network = torch.nn.Sequential(*parts[:-1])
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def epoch() -> None:
        for batch in torch.randperm(len(X)).split(case.batch_size):
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(network(X[batch]), y[batch]).backward()
            optimizer.step()

    return epoch


def jax_epoch(case: Case, threads: int) -> Epoch:
    """One jitted ``lax.scan`` over the epoch's batches.

    NumPy draws the order: ``jax.random.permutation`` sorts, which took as long as the steps of the
    small networks. One-hot targets spare the gradient a scatter.
    """
    import jax
    from jax import numpy as jnp

    X, y = map(jnp.asarray, case.data())
    generator = np.random.default_rng(0)
    weights = [
        (jnp.asarray(generator.normal(0, a**-0.5, (a, b)), jnp.float32), jnp.zeros(b))
        for a, b in zip(case.widths, case.widths[1:], strict=False)
    ]
    zeros = jax.tree.map(jnp.zeros_like, weights)

    def loss(weights: Any, inputs: Any, target: Any) -> Any:
        for kernel, bias in weights[:-1]:
            inputs = jax.nn.relu(inputs @ kernel + bias)
        logits = inputs @ weights[-1][0] + weights[-1][1]
        wanted = jax.nn.one_hot(target, case.widths[-1])
        return -jnp.mean(jnp.sum(wanted * jax.nn.log_softmax(logits), axis=1))

    def step(carry: Any, batch: Any) -> Any:
        (weights, first, second), iteration = carry
        gradient = jax.grad(loss)(weights, X[batch], y[batch])
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**iteration) / (1 - 0.9**iteration)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second
        )
        return ((weights, first, second), iteration + 1), None

    @jax.jit
    def epoch(carry: Any, order: Any) -> Any:
        return jax.lax.scan(step, carry, order)[0]

    state = [((weights, zeros, zeros), jnp.float32(1))]

    def run() -> None:
        order = generator.permutation(len(X)).astype(np.int32).reshape(-1, case.batch_size)
        state[0] = jax.block_until_ready(epoch(state[0], order))

    return run


def sklearn_epoch(case: Case, threads: int) -> Epoch:
    """One ``partial_fit`` of ``MLPClassifier``."""
    import threadpoolctl
    from sklearn.neural_network import MLPClassifier

    X, y = case.data()
    network = MLPClassifier(case.widths[1:-1], batch_size=case.batch_size, random_state=0)
    classes = np.arange(case.widths[-1])

    def epoch() -> None:
        with threadpoolctl.threadpool_limits(threads):
            network.partial_fit(X, y, classes=classes)

    return epoch


# Name in the table, module that must be there, maker of the epoch.
CANDIDATES = [
    ("ganglion", "ganglion", ganglion_epoch),
    ("PyTorch", "torch", pytorch_epoch),
    ("JAX", "jax", jax_epoch),
    ("scikit-learn", "sklearn", sklearn_epoch),
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="to measure each candidate for")
    parser.add_argument("--cases", type=int, default=len(CASES), help="only the first so many")
    options = parser.parse_args(arguments)
    if hasattr(
        os, "sched_setaffinity"
    ):  # libraries that hand work to threads of their own lose time otherwise
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    os.environ["XLA_FLAGS"] = (  # JAX reads it when it is first imported
        f"--xla_cpu_multi_thread_eigen={'true' if options.threads > 1 else 'false'} "
        f"intra_op_parallelism_threads={options.threads}"
    )
    present = [candidate for candidate in CANDIDATES if importlib.util.find_spec(candidate[1])]
    missing = [name for name, module, _ in CANDIDATES if not importlib.util.find_spec(module)]
    peak = timing.peak(options.threads)
    print(timing.environment(options.threads))
    print(f"peak: {peak / 1e9:.0f} GFLOP/s of float32 multiply-adds in registers")
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    print("\nmicroseconds a step, median; ratio: best other over ganglion; share: of the peak\n")
    print(f"{'network, batch':<24}" + "".join(f"{name:>14}" for name, *_ in present), end="")
    print(f"{'ratio':>8}{'share':>8}")
    for case in CASES[: options.cases]:
        epochs = {name: make(case, options.threads) for name, _, make in present}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            times = timing.medians(timing.interleave(epochs, seconds=options.seconds))
        steps = {name: seconds / case.steps for name, seconds in times.items()}
        others = [seconds for name, seconds in steps.items() if name != "ganglion"]
        ratio = f"{min(others) / steps['ganglion']:.2f}" if others else "-"
        share = case.flops / steps["ganglion"] / peak
        print(
            f"{case.name:<24}"
            + "".join(f"{seconds * 1e6:>14.1f}" for seconds in steps.values())
            + f"{ratio:>8}{share:>8.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
