"""torch.compile: a whole step, its Adam too, as one graph behind a wrapper in C++.

Compiling the network or the loss alone, with the fused Adam around it, leaves autograd and the
optimizer to Python, and took three times as long on small networks; `max-autotune` gained nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from benchmarks.peers import Array, initial_weights

Tensor = torch.Tensor
BETA_1, BETA_2, EPSILON, RATE = 0.9, 0.999, 1e-7, 1e-3


def forward(weights: list[Tensor], x: Tensor) -> Tensor:
    """Logits; weights are kernel (units, inputs) and bias of each layer in turn."""
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = torch.relu(functional.linear(x, kernel, bias))
    return functional.linear(x, weights[-2], weights[-1])


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """As one graph, for the shapes of the first call."""
    options = {"cpp_wrapper": True}
    return torch.compile(function, fullgraph=True, dynamic=False, options=options)


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
        if images or recurrent:
            raise NotImplementedError("dense networks alone are written here")
        torch.set_num_threads(threads)
        self.widths, self.batch_size = widths, batch_size
        self.rate = torch.zeros(())
        self.step = compiled(self._step)
        self.probabilities = compiled(lambda weights, x: forward(weights, x).softmax(dim=1))

    def start(self, X: Array, y: Array, seed: int) -> None:
        torch.manual_seed(seed)
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        self.weights: list[Tensor] = []
        for kernel, bias in initial_weights(self.widths, seed):
            self.weights += [torch.from_numpy(kernel.T.copy()), torch.from_numpy(bias)]
        self.first = [torch.zeros_like(weight) for weight in self.weights]
        self.second = [torch.zeros_like(weight) for weight in self.weights]
        self.iteration = 0

    @staticmethod
    def _step(
        weights: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
        X: Tensor,
        y: Tensor,
        batch: Tensor,
        rate: Tensor,
    ) -> None:
        inputs, target = X[batch], y[batch]

        def loss(weights: list[Tensor]) -> Tensor:
            return functional.cross_entropy(forward(weights, inputs), target)

        gradients = torch.func.grad(loss)(weights)
        for weight, m, v, gradient in zip(weights, first, second, gradients, strict=True):
            m.mul_(BETA_1).add_(gradient, alpha=1 - BETA_1)
            v.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
            weight.sub_(rate * m / (v.sqrt() + EPSILON))

    def train(self, epochs: int) -> None:
        with torch.no_grad():
            for _ in range(epochs):
                for batch in torch.randperm(len(self.X)).split(self.batch_size):
                    self.iteration += 1
                    unbiased = (1 - BETA_2**self.iteration) ** 0.5 / (1 - BETA_1**self.iteration)
                    self.rate.fill_(RATE * unbiased)
                    state = self.weights, self.first, self.second
                    self.step(*state, self.X, self.y, batch, self.rate)

    def predict(self, X: Array) -> Array:
        with torch.inference_mode():
            return self.probabilities(self.weights, torch.from_numpy(X)).numpy()
