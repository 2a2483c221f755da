"""PyTorch: the usual loop, with the fused Adam; prediction through a frozen trace.

Whether convolutions are faster on channels first or last depends on the network, so each model on
images tries both.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from benchmarks.images import IMAGES, Pooling
from benchmarks.peers import Array, initial_weights
from benchmarks.recurrences import RECURRENCES, Recurrence

FORMATS = [torch.contiguous_format, torch.channels_last]
TRIALS, TRIAL_STEPS = 4, 16


class Recurrent(torch.nn.Module):
    """PyTorch's own layer, to which the order of the gates in the weights is that given."""

    def __init__(
        self, recurrence: Recurrence, kernel: Array, recurrent_kernel: Array, bias: Array
    ) -> None:
        super().__init__()
        name = "RNN" if recurrence.kind == "SimpleRNN" else recurrence.kind
        make = getattr(torch.nn, name)
        self.layer = make(recurrence.features, recurrence.units, batch_first=True)
        self.each_step = recurrence.each_step
        biases = np.broadcast_to(bias, (2, recurrence.width)).copy()
        arrays = kernel.T.copy(), recurrent_kernel.T.copy(), *biases
        names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
        state = {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}
        self.layer.load_state_dict(state)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)[0]
        return y if self.each_step else y[:, -1]


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
        torch.set_num_threads(threads)
        self.widths, self.batch_size = widths, batch_size
        self.images, self.recurrent = images, recurrent
        self.activation = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation]
        self.format: torch.memory_format | None = None  # where there are images

    def start(self, X: Array, y: Array, seed: int) -> None:
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        before = IMAGES[self.images]
        recurrence = RECURRENCES[self.recurrent]
        if recurrence:
            self.X = self.X.reshape(-1, recurrence.steps, recurrence.features)
        if before:  # of one channel first is last
            height, width, channels = before.shape
            self.X = self.X.reshape(-1, channels, height, width)
            self.format = self.format or self._fastest()
        self._build(seed)

    def _build(self, seed: int) -> None:
        torch.manual_seed(seed)
        weights = initial_weights(self.widths, seed, self.images, self.recurrent)
        recurrence = RECURRENCES[self.recurrent]
        parts = [Recurrent(recurrence, *weights.pop(0))] if recurrence else self._before(weights)
        for kernel, bias in weights:
            layer = torch.nn.Linear(*kernel.shape)
            layer.load_state_dict(
                {"weight": torch.from_numpy(kernel.T.copy()), "bias": torch.from_numpy(bias)}
            )
            parts += [layer, self.activation()]
        self.network = torch.nn.Sequential(*parts[:-1])  # logits
        if self.format:
            self.network.to(memory_format=self.format)
        self.optimizer = torch.optim.Adam(self.network.parameters(), eps=1e-7, fused=True)
        self.traced: torch.jit.ScriptModule | None = None

    def _fastest(self) -> torch.memory_format:
        """The format with the shortest of a few trials, which take turns."""
        times: dict[torch.memory_format, list[float]] = {format: [] for format in FORMATS}
        rows = torch.arange(min(len(self.X), TRIAL_STEPS * self.batch_size))
        for _ in range(TRIALS):
            for self.format in FORMATS:
                self._build(seed=0)
                started = time.perf_counter()
                self._train(rows)
                times[self.format].append(time.perf_counter() - started)
        return min(FORMATS, key=lambda format: min(times[format]))

    def _before(self, weights: list[tuple[Array, ...]]) -> list[torch.nn.Module]:
        """The layers on images, which take their weights away."""
        found: list[torch.nn.Module] = []
        before = IMAGES[self.images]
        if not before:
            return found
        for part in before.parts:
            if isinstance(part, Pooling):
                found.append((torch.nn.AvgPool2d if part.average else torch.nn.MaxPool2d)(2))
                continue
            kernel, bias = weights.pop(0)
            layer = torch.nn.Conv2d(kernel.shape[2], part.filters, part.size, padding=part.padding)
            state = {"weight": torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())}
            layer.load_state_dict({**state, "bias": torch.from_numpy(bias)})
            found += [layer, self.activation()]
        return [*found, torch.nn.Flatten()]

    def train(self, epochs: int) -> None:
        self.traced = None
        for _ in range(epochs):
            self._train(torch.randperm(len(self.X)))

    def _train(self, order: torch.Tensor) -> None:
        for batch in order.split(self.batch_size):
            self.optimizer.zero_grad(set_to_none=True)
            logits = self.network(self.X[batch])
            # Where each step has a class, steps are samples.
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), self.y[batch].flatten())
            loss.backward()
            self.optimizer.step()

    def predict(self, X: Array) -> Array:
        with torch.inference_mode():
            rows = torch.from_numpy(X)
            if self.traced is None:  # a third faster on one row than calling the module
                module = torch.nn.Sequential(self.network, torch.nn.Softmax(dim=1)).eval()
                self.traced = torch.jit.freeze(torch.jit.trace(module, rows))
            return self.traced(rows).numpy()
