"""Convolutions and their two gradients beside PyTorch's, as a share of the peak."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import products

TITLE = "Convolutions"
Array = np.ndarray


@dataclass(frozen=True)
class Convolution:
    """Of one of the three products, a batch of square images and a square kernel."""

    product: str  # "", "dX" or "dW"
    images: int
    size: int
    channels: int
    kernel: int
    filters: int
    same: bool = False
    stride: int = 1
    groups: int = 1

    @property
    def padding(self) -> int:
        return self.kernel // 2 if self.same else 0

    @property
    def result(self) -> int:
        """Rows and columns of it."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def flops(self) -> int:
        taps = self.kernel**2 * self.channels // self.groups
        return 2 * self.images * self.result**2 * taps * self.filters

    def operands(self) -> tuple[Array, Array, Array]:
        """Images and results, channels last, and weights (rows, columns, channels, filters)."""
        draw = np.random.default_rng(0).standard_normal
        shapes = [
            (self.images, self.size, self.size, self.channels),
            (self.images, self.result, self.result, self.filters),
            (self.kernel, self.kernel, self.channels // self.groups, self.filters),
        ]
        x, y, weights = (draw(shape, np.float32) for shape in shapes)
        return x, y, weights


def _products(name: str, *sizes: int, **settings: Any) -> dict[str, Convolution]:
    return {
        f"{name} {product}".strip(): Convolution(product, *sizes, **settings)
        for product in ("", "dX", "dW")
    }


CONVOLUTIONS = {
    **_products("64x28x28x32 to 64, 3x3", 64, 28, 32, 3, 64, same=True),
    **_products("64x13x13x32 to 64, 3x3", 64, 13, 32, 3, 64),
    **_products("64x28x28x1 to 32, 3x3", 64, 28, 1, 3, 32),
    **_products("64x14x14x6 to 16, 5x5", 64, 14, 6, 5, 16),
    **_products("64x16x16x64 to 64, 3x3, strides 2", 64, 16, 64, 3, 64, same=True, stride=2),
    **_products("64x14x14x64, 3x3 depthwise", 64, 14, 64, 3, 64, same=True, groups=64),
}


class Ganglion:
    """A program of one operation; the seconds are the operation's own, without its input's copy."""

    reports_seconds = True

    def __init__(self, threads: int, **convolution: Any) -> None:
        from ganglion import _core

        given = Convolution(**convolution)
        x, y, weights = given.operands()
        self.images = given.images
        self.units = max(1, int(2e8 / given.flops))
        builder = _core.Builder()
        attributes: dict[str, Any] = {
            "strides": [given.stride] * 2,
            "padding": [given.padding] * 4,
            "dilation": [1, 1],
            "groups": given.groups,
        }
        self.inputs = {"": [x], "dX": [y], "dW": [x, y]}[given.product]
        values = [
            builder.input(f"x{i}", (None, *array.shape[1:])) for i, array in enumerate(self.inputs)
        ]
        store = _core.Store(weights.size, "float32")
        store.array[:] = weights.ravel()
        kind = "convolution"
        if given.product == "dW":
            kind, attributes["size"] = "convolution_weight_gradient", [given.kernel] * 2
        else:
            values.append(builder.parameter("weights", weights.shape, 0))
        if given.product == "dX":
            kind, attributes["size"] = "convolution_input_gradient", [given.size] * 2
        builder.output("result", builder.apply(kind, values, attributes)[0])
        self.executable = _core.Executable(builder.finish(True), "float32", store, None)
        _core.set_num_threads(threads)
        self.executable.profile(True)

    def run(self) -> float:
        for _ in range(self.units):
            self.executable.run(self.inputs, self.images)
        return sum(self.executable.profile(True))


class PyTorch:
    """Channels first, as PyTorch's fastest kernels want them here."""

    def __init__(self, threads: int, **convolution: Any) -> None:
        import torch

        torch.set_num_threads(threads)
        given = Convolution(**convolution)
        x, y, weights = given.operands()
        first = [np.ascontiguousarray(array.transpose(0, 3, 1, 2)) for array in (x, y)]
        self.x, self.y = map(torch.from_numpy, first)
        self.weights = torch.from_numpy(weights.transpose(3, 2, 0, 1).copy())
        settings = [given.stride] * 2, [given.padding] * 2, [1, 1], False, [0, 0], given.groups
        mask = [given.product == "dX", given.product == "dW", False]

        def gradient() -> None:
            torch.ops.aten.convolution_backward(self.y, self.x, self.weights, None, *settings, mask)

        def forward() -> None:
            torch.ops.aten.convolution(self.x, self.weights, None, *settings)

        self.call = gradient if given.product else forward
        self.units = max(1, int(2e8 / given.flops))

    def run(self) -> None:
        for _ in range(self.units):
            self.call()


TASKS = {"ganglion": Ganglion, "PyTorch": PyTorch}


def add_options(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    return products.measure_all(TASKS, CONVOLUTIONS, options)


def show(result: dict[str, Any]) -> str:
    return (
        f"Share of the peak, {products.peaks(result)}, in float32, by number of threads: images "
        "(samples, height, width, channels) to filters, kernel. dX and dW: the gradients by input "
        "and weights.\n\n" + products.shares(result)
    )
