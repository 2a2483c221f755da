"""JAX: a jitted ``lax.scan`` over the epoch's batches.

NumPy draws the order: ``jax.random.permutation`` sorts, which took as long as the steps of a small
network. One-hot targets spare the gradient a scatter. Which of a few ways of writing it is the
fastest depends on the network and on the threads, so each model tries them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from benchmarks.images import IMAGES, Pooling
from benchmarks.peers import Array, initial_weights
from benchmarks.recurrences import RECURRENCES

Epoch = Callable[..., Any]

# Gather an epoch's samples before the scan, or each batch's within it; give the old weights away.
VARIANTS = [
    {"gather_first": False, "donate": False},
    {"gather_first": False, "donate": True},
    {"gather_first": True, "donate": False},
]


class Network(NamedTuple):
    """What stands before the dense layers, by name, and the activation between layers."""

    images: str
    recurrent: str
    activation: str

    def __call__(self, weights: Any, x: Any) -> Any:
        """Logits."""
        activate = jnp.tanh if self.activation == "tanh" else jax.nn.relu
        weights, before = list(weights), IMAGES[self.images]
        if before:
            x = x.reshape(-1, *before.shape)
            for part in before.parts:
                if isinstance(part, Pooling):
                    x = pooled(x, part.average)
                else:
                    kernel, bias = weights.pop(0)
                    layout = ("NHWC", "HWIO", "NHWC")
                    y = jax.lax.conv_general_dilated(
                        x, kernel, (1, 1), part.padding.upper(), dimension_numbers=layout
                    )
                    x = activate(y + bias)
            x = x.reshape(len(x), -1)
        recurrence = RECURRENCES[self.recurrent]
        if recurrence:
            steps = x.reshape(-1, recurrence.steps, recurrence.features)
            x = recurred(recurrence.kind, steps, *weights.pop(0))
            x = x.swapaxes(0, 1) if recurrence.each_step else x[-1]
        for kernel, bias in weights[:-1]:
            x = activate(x @ kernel + bias)
        return x @ weights[-1][0] + weights[-1][1]


def pooled(x: Any, average: bool) -> Any:
    window = (1, 2, 2, 1)
    if average:
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, window, window, "VALID") / 4
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")


def recurred(kind: str, x: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
    """States after each step, steps first; the input's part is one product of all of them."""
    units = len(recurrent_kernel)
    projected = x.swapaxes(0, 1) @ kernel + (bias[0] if kind == "GRU" else bias)
    state = jnp.zeros((len(x), units))

    def simple(h: Any, z: Any) -> Any:
        h = jnp.tanh(z + h @ recurrent_kernel)
        return h, h

    def gru(h: Any, z: Any) -> Any:
        inner = h @ recurrent_kernel + bias[1]
        kept, reset = jnp.split(jax.nn.sigmoid((z + inner)[:, : 2 * units]), 2, axis=1)
        written = jnp.tanh(z[:, 2 * units :] + reset * inner[:, 2 * units :])
        h = kept * h + (1 - kept) * written
        return h, h

    def lstm(states: Any, z: Any) -> Any:
        h, c = states
        i, f, g, o = jnp.split(z + h @ recurrent_kernel, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    cell = {"SimpleRNN": simple, "GRU": gru, "LSTM": lstm}[kind]
    return jax.lax.scan(cell, (state, state) if kind == "LSTM" else state, projected)[1]


def loss(weights: Any, network: Network, x: Any, y: Any) -> Any:
    logits = network(weights, x)
    target = jax.nn.one_hot(y, logits.shape[-1])
    return -jnp.mean(jnp.sum(target * jax.nn.log_softmax(logits), axis=-1))


def update(state: Any, network: Network, x: Any, y: Any) -> Any:
    """One step: weights, both moments and the step's number, from 1."""
    weights, first, second, iteration = state
    gradient = jax.grad(loss)(weights, network, x, y)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
    rate = 1e-3 * jnp.sqrt(1 - 0.999**iteration) / (1 - 0.9**iteration)
    weights = jax.tree.map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second
    )
    return weights, first, second, iteration + 1


def make_epoch(network: Network, gather_first: bool, donate: bool) -> Epoch:
    """Compile a function of state, samples, classes and order (steps, batch); it returns a state.

    The last batch, where it is smaller, is ``rest`` (samples,).
    """

    def epoch(state: Any, X: Any, y: Any, order: Any, rest: Any) -> Any:
        def gathered(state: Any, batch: Any) -> Any:
            return update(state, network, *batch), None

        def gathering(state: Any, batch: Any) -> Any:
            return update(state, network, X[batch], y[batch]), None

        if gather_first:
            state = jax.lax.scan(gathered, state, (X[order], y[order]))[0]
        else:
            state = jax.lax.scan(gathering, state, order)[0]
        return update(state, network, X[rest], y[rest]) if rest.size else state

    return jax.jit(epoch, donate_argnums=(0,) if donate else ())


class Model:
    """See `benchmarks.peers.Model`."""

    def __init__(
        self,
        widths: list[int],
        batch_size: int,
        threads: int,
        images: str = "",
        recurrent: str = "",
        activation: str = "relu",
    ) -> None:
        self.widths, self.batch_size = widths, batch_size
        self.network = Network(images, recurrent, activation)
        self.epoch: Epoch | None = None

    def start(self, X: Array, y: Array, seed: int) -> None:
        self.X, self.y = jnp.asarray(X), jnp.asarray(y.astype(np.int32))
        self.generator = np.random.default_rng(seed)
        self.state = self._first_state(seed)
        self.probabilities: Callable[[Array], Any] | None = None

    def _first_state(self, seed: int) -> Any:
        first = initial_weights(self.widths, seed, self.network.images, self.network.recurrent)
        weights = jax.tree.map(jnp.asarray, first)
        zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
        return weights, *zeros, jnp.float32(1)

    def _order(self) -> tuple[Array, Array]:
        order = self.generator.permutation(len(self.X)).astype(np.int32)
        whole = len(order) - len(order) % self.batch_size
        return order[:whole].reshape(-1, self.batch_size), order[whole:]

    def _fastest(self) -> Epoch:
        """The best of the variants, by the shortest of a few epochs."""
        best: tuple[float, Epoch] | None = None
        for variant in VARIANTS:
            epoch = make_epoch(self.network, **variant)
            state = self._first_state(seed=0)
            times = []
            for _ in range(4):  # the first one compiles
                started = time.perf_counter()
                state = jax.block_until_ready(epoch(state, self.X, self.y, *self._order()))
                times.append(time.perf_counter() - started)
            if best is None or min(times) < best[0]:
                best = min(times), epoch
        assert best is not None
        return best[1]

    def train(self, epochs: int) -> None:
        self.epoch = self.epoch or self._fastest()
        self.probabilities = None
        for _ in range(epochs):
            self.state = self.epoch(self.state, self.X, self.y, *self._order())
        jax.block_until_ready(self.state)

    def predict(self, X: Array) -> Array:
        if self.probabilities is None:  # weights that are constants need not be passed
            weights = self.state[0]
            self.probabilities = jax.jit(lambda x: jax.nn.softmax(self.network(weights, x)))
        return np.asarray(self.probabilities(X))
