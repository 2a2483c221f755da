"""Random programs: chains and diamonds of operations, with several outputs and assignments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganglion import _core

UNARY = (
    "tanh",
    "sigmoid",
    "softplus",
    "square",
    "negative",
    "absolute",
    "relu",
    "erf",
    "exp_bounded",
)
BINARY = ("add", "subtract", "multiply", "maximum", "minimum")
Shape = tuple[int | None, ...]
TANH = _core.Foreign("tanh", lambda arrays, _: [np.asarray(np.tanh(arrays[0]))])


@dataclass
class Random:
    """A program written from a seed, and the arrays that feed it."""

    program: Any
    parameters: int
    states: int
    inputs: list[Shape]


class Writer:
    """Writes one random program; `shapes` are known values one can build on."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.builder = _core.Builder()
        self.values: list[int] = []
        self.targets: list[int] = []
        self.size = {"parameter": 0, "state": 0}

    def shape(self, value: int) -> Shape:
        return tuple(self.builder.shape(value))

    def apply(self, kind: str, *inputs: int, **attributes: Any) -> int:
        return int(self.builder.apply(kind, list(inputs), attributes)[0])

    def place(self, storage: str, shape: Shape) -> int:
        declare = getattr(self.builder, storage)
        value = int(declare(f"{storage}{self.size[storage]}", shape, self.size[storage]))
        self.size[storage] += -(-int(np.prod(shape)) // 16) * 16
        return value

    def pick(self) -> int:
        # Recent values more often, so that chains grow long enough to fuse.
        pool = self.values[-4:] if self.draw.random() < 0.6 else self.values
        return int(self.draw.choice(pool))

    def binary(self) -> int:
        for _ in range(20):
            a, b = self.pick(), self.pick()
            try:
                return self.apply(str(self.draw.choice(BINARY)), a, b)
            except ValueError:
                continue
        return self.unary()

    def unary(self) -> int:
        kind = str(self.draw.choice(UNARY))
        x = self.pick()
        if kind == "exp_bounded":
            return self.apply("exp", self.apply("tanh", x))
        return self.apply(kind, x)

    def ternary(self) -> int:
        for _ in range(20):
            try:
                # Not two values that may be equal but for rounding.
                threshold = self.builder.constant(np.array(self.draw.normal()))
                condition = self.apply("greater", self.pick(), threshold)
                return self.apply("where", condition, self.pick(), self.pick())
            except ValueError:
                continue
        return self.unary()

    def product(self) -> int:
        x = self.pick()
        shape = self.shape(x)
        if len(shape) < 2:
            return self.unary()
        width = int(self.draw.choice([1, 7, 17, 32]))
        kernel = self.place("parameter", (int(shape[-1] or 1), width))
        out = self.apply("matmul", x, kernel, transpose_a=0, transpose_b=0)
        if self.draw.random() < 0.7:
            out = self.apply("add", out, self.place("parameter", (width,)))
        return out

    def reduction(self) -> int:
        x = self.pick()
        rank = len(self.shape(x))
        if rank == 0:
            return self.unary()
        first = int(self.draw.integers(0, rank))
        last = int(self.draw.integers(first, rank))
        total = self.apply("reduce_sum", x, first=first, last=last)
        return self.apply("divide", total, self.apply("axis_size", x, first=first, last=last))

    def rows(self) -> int:
        x = self.pick()
        shape = self.shape(x)
        if len(shape) < 2:
            return self.unary()
        return self.apply(str(self.draw.choice(["softmax", "log_softmax"])), x)

    def layout(self) -> int:
        x = self.pick()
        shape = self.shape(x)
        if shape == (17, 17) and self.draw.random() < 0.5:
            view = self.apply("reshape", x, shape=[289], batched=0)
            return self.apply("reduce_sum", view, first=0, last=0)
        if len(shape) < 2:
            return self.unary()
        axis, size = len(shape) - 1, int(shape[-1] or 1)
        choice = int(self.draw.integers(0, 4))
        if choice == 0 and size > 1:
            return self.apply("slice", x, axis=axis, start=1, stop=size)
        if choice == 1:
            return self.apply("pad", x, axis=axis, before=1, after=2)
        if choice == 2 and shape[0] is None:
            sample = [int(extent or 1) for extent in shape[1:]]
            flat = int(np.prod(sample))
            return self.apply("reshape", x, shape=[1, 1, flat], batched=1)
        return int(self.builder.apply("concat", [x, x], {"axis": axis})[0])

    def random(self) -> int:
        width = int(self.draw.choice([1, 7, 17]))
        kind = str(self.draw.choice(["random_uniform", "random_normal"]))
        stream = int(self.draw.integers(0, 50))
        return self.apply(kind, shape=[1, width], batched=1, stream=stream)

    def foreign(self) -> int:
        x = self.pick()
        shape = self.shape(x)
        extents = [1 if extent is None else extent for extent in shape]
        made = self.builder.call(TANH, [x], extents, shape[:1] == (None,))
        return self.apply("stop_gradient", made)  # it could not be called in the update section

    def assign(self) -> int:
        """Reads a target before and after it changes; both must stay right."""
        target = int(self.draw.choice(self.targets))
        before = self.apply("tanh", target)
        change = self.apply("multiply", before, self.builder.constant(np.array(0.5)))
        for _ in range(5):
            value = self.pick()
            if self.shape(value) == self.shape(target):
                change = self.apply("add", change, self.apply("tanh", value))
        self.builder.apply("assign", [target, change], {})
        self.values.append(before)
        # A view is a second name of the place: it reads what was stored last.
        shape = [int(extent or 1) for extent in self.shape(target)]
        return self.apply("reshape", target, shape=[*shape, 1], batched=0)

    def write(self, length: int, fuse: bool) -> Random:
        inputs: list[Shape] = [(None, 7), (None, 17), (None, 1)]
        self.values += [self.builder.input(f"x{i}", shape) for i, shape in enumerate(inputs)]
        for shape in [(7,), (17,), (), (17, 17), (33,)]:
            for storage in ("parameter", "state"):
                self.targets.append(self.place(storage, shape))
        self.values += self.targets
        self.values.append(self.builder.scalar("rate"))
        steps = [self.unary] * 6 + [self.binary] * 8 + [self.ternary, self.product, self.product]
        steps += [self.reduction, self.rows, self.layout, self.random, self.assign, self.assign]
        steps.append(self.foreign)
        for _ in range(length):
            value = steps[int(self.draw.integers(0, len(steps)))]()
            # Keeps numbers from growing along a long program.
            if self.draw.random() < 0.3:
                value = self.apply("tanh", value)
            self.values.append(value)
        parameters = [target for target in self.targets if self.draw.random() < 0.5]
        self.builder.section = "update"
        loss = self.total(self.values[-1])
        for slot, gradient in enumerate(self.builder.gradient(loss, [self.values[0], *parameters])):
            self.builder.output(f"gradient{slot}", gradient)
        for name in range(4):
            self.builder.output(f"value{name}", self.pick())
        self.builder.output("loss", loss)
        sizes = self.size
        return Random(self.builder.finish(fuse), sizes["parameter"], sizes["state"], inputs)

    def total(self, value: int) -> int:
        rank = len(self.shape(value))
        return self.apply("reduce_sum", value, first=0, last=rank - 1) if rank else value
