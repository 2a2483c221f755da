"""Small programs over the core's own builder, and the checks made on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import reference
from tolerances import DIFFERENCE_STEP

from ganglion import _core

Array = np.ndarray
Domain = Callable[[np.random.Generator, tuple[int, ...]], Array]


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return generator.normal(size=shape)


def apart(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers at least 0.05 from one another and from the integers and halves."""
    size = int(np.prod(shape))
    steps = np.arange(size) - size // 2
    return (0.25 + 0.5 * generator.permutation(steps)).reshape(shape)


def positive(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return generator.uniform(0.2, 3.0, size=shape)


def nonzero(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return generator.choice([-1.0, 1.0], size=shape) * generator.uniform(0.2, 3.0, size=shape)


def flags(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return generator.integers(0, 2, size=shape).astype(np.float64)


def distribution(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    weights = generator.uniform(0.1, 1.0, size=shape)
    return weights / weights.sum(axis=-1, keepdims=True)


def classes(count: int) -> Domain:
    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return generator.integers(0, count, size=shape).astype(np.float64)

    return draw


@dataclass
class Operand:
    """An operand of a case: batched where its shape begins with None."""

    shape: tuple[int | None, ...]
    domain: Domain = normal
    differentiable: bool = True

    @property
    def batched(self) -> bool:
        return bool(self.shape) and self.shape[0] is None

    def draw(self, generator: np.random.Generator, rows: int) -> Array:
        shape = tuple(rows if extent is None else extent for extent in self.shape)
        return np.asarray(self.domain(generator, shape), dtype=np.float64)


@dataclass
class Case:
    """A way to apply operations to operands; `emit` gets the builder and the operands' ids."""

    name: str
    emit: Callable[[Any, list[int]], list[int]]
    operands: list[Operand]
    rows: Sequence[int] = (1, 3, 33)
    exact_gradient: bool = True  # False: no gradient flows (steps, random numbers)

    def __str__(self) -> str:
        return self.name


def operation_case(
    kind: str,
    operands: list[Operand],
    attributes: dict[str, Any] | None = None,
    *,
    name: str = "",
    rows: Sequence[int] = (1, 3, 33),
) -> Case:
    """A case that applies a single kind."""
    attributes = attributes or {}
    shapes = "x".join("_".join("n" if d is None else str(d) for d in o.shape) for o in operands)
    details = "-".join(f"{key}{value}".replace(" ", "") for key, value in attributes.items())
    label = "-".join(part for part in (kind, name or shapes, details) if part)
    return Case(label, lambda b, ids: b.apply(kind, ids, attributes), operands, rows)


@dataclass
class Written:
    """A case written as a program: fed by batched arrays and a flat buffer for the others."""

    program: Any
    operands: list[Operand]
    offsets: list[int]
    size: int
    names: list[str] = field(default_factory=list)

    def executable(self, dtype: str) -> tuple[Any, Any]:
        parameters = _core.Store(max(self.size, 16), dtype)
        return _core.Executable(self.program, dtype, parameters, None), parameters

    def fill(self, buffer: Array, arrays: list[Array]) -> list[Array]:
        """Lays the arrays without a batch into the buffer; returns the others, the inputs."""
        inputs = []
        for operand, offset, array in zip(self.operands, self.offsets, arrays, strict=True):
            if operand.batched:
                inputs.append(array)
            else:
                buffer[offset : offset + array.size] = array.ravel()
        return inputs

    def run(self, arrays: list[Array], rows: int, dtype: str, **key: int) -> list[Array]:
        executable, parameters = self.executable(dtype)
        inputs = self.fill(parameters.array, arrays)
        return list(executable.run(inputs, rows, **key))

    def refer(self, arrays: list[Array], rows: int, **key: Any) -> list[Array]:
        buffer = np.zeros(max(self.size, 16))
        inputs = self.fill(buffer, arrays)
        result = reference.run(self.program.describe(), inputs, rows=rows, parameters=buffer, **key)
        return list(result.outputs.values())


def declare(builder: Any, operands: list[Operand]) -> tuple[list[int], list[int], int]:
    """Declares the operands: ids, offsets into the flat buffer (-1: input), and its size."""
    ids, offsets, size = [], [], 0
    for position, operand in enumerate(operands):
        if operand.batched:
            ids.append(builder.input(f"x{position}", operand.shape))
            offsets.append(-1)
        else:
            ids.append(builder.parameter(f"x{position}", operand.shape, size))
            offsets.append(size)
            size += -(-int(np.prod(operand.shape)) // 16) * 16
    return ids, offsets, size


def write(case: Case, *, fuse: bool = True) -> Written:
    """The forward program of a case."""
    builder = _core.Builder()
    ids, offsets, size = declare(builder, case.operands)
    for position, value in enumerate(case.emit(builder, ids)):
        builder.output(f"y{position}", value)
    return Written(builder.finish(fuse), case.operands, offsets, size)


def write_gradient(case: Case, *, fuse: bool = True) -> Written:
    """The first output of a case, then the gradients of sum(output * seed).

    The seed is one more operand, after the case's own.
    """
    builder = _core.Builder()
    probe = _core.Builder()
    shape = probe.shape(case.emit(probe, declare(probe, case.operands)[0])[0])
    operands = [*case.operands, Operand(shape)]
    ids, offsets, size = declare(builder, operands)
    output = case.emit(builder, ids[:-1])[0]
    wrt = [i for i, o in zip(ids, operands[:-1], strict=False) if o.differentiable]
    builder.output("y", output)
    for position, value in enumerate(builder.gradient(output, wrt, ids[-1])):
        builder.output(f"d_x{position}", value)
    return Written(builder.finish(fuse), operands, offsets, size)


def central_difference(
    function: Callable[[Array], float], x: Array, at: Array, step: float = DIFFERENCE_STEP
) -> Array:
    """d function / d x at the flat positions `at`, by a fourth-order central difference."""
    flat = x.ravel()
    slopes = np.empty(len(at))
    for row, position in enumerate(at):
        h = step * max(1.0, abs(flat[position]))
        values = []
        for multiple in (-2, -1, 1, 2):
            moved = flat.copy()
            moved[position] += multiple * h
            values.append(function(moved.reshape(x.shape)))
        slopes[row] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    return slopes


def check_gradient(case: Case, rows: int, *, points: int = 40, seed: int = 0) -> None:
    """Every gradient of a case against central differences, on a sample of elements."""
    from tolerances import GRADIENT

    generator = np.random.default_rng(seed)
    written = write_gradient(case)
    arrays = [operand.draw(generator, rows) for operand in written.operands]
    weights = arrays[-1]
    executable, parameters = written.executable("float64")

    def run(values: list[Array]) -> list[Array]:
        return list(executable.run(written.fill(parameters.array, values), rows))

    gradients = run(arrays)[1:]
    differentiable = [i for i, o in enumerate(case.operands) if o.differentiable]
    for gradient, position in zip(gradients, differentiable, strict=True):
        x = arrays[position]
        assert gradient.shape == x.shape, (case.name, gradient.shape, x.shape)
        at = generator.permutation(x.size)[:points]

        def loss(moved: Array, position: int = position) -> float:
            values = [*arrays]
            values[position] = moved
            return float((run(values)[0] * weights).sum())

        slopes = central_difference(loss, x, at)
        scale = max(np.abs(slopes).max(initial=0.0), np.abs(gradient).max(initial=0.0), 1e-3)
        error = np.abs(gradient.ravel()[at] - slopes).max(initial=0.0) / scale
        assert error < GRADIENT, f"{case.name}: d_x{position} is {error:.1e} off"
