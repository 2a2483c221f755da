"""Runs a described program: values, expressions, assignments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reference.elementwise import ELEMENTWISE
from reference.operations import OPERATIONS, full_shape
from reference.philox import RANDOM

Array = np.ndarray
Description = dict[str, Any]


@dataclass
class Result:
    """What one run leaves: outputs by name, and the flat buffers after it."""

    values: list[Array]  # of the outputs, in order
    outputs: dict[str, Array]
    parameters: Array
    states: Array


def _rows_like(flags: Array, array: Array) -> Array:
    """One flag a row, to be broadcast."""
    return flags.reshape(-1, *[1] * (array.ndim - 1))


@dataclass
class Run:
    """One run: the buffers it changes, and the values known so far."""

    values: list[Description]
    rows: int
    seed: int
    step: int
    dtype: str
    buffers: dict[str, Array]  # "parameter" and "state", flat
    known: dict[int, Array] = field(default_factory=dict)

    def buffer_slice(self, value: int) -> tuple[Array, slice] | None:
        place = self.values[value]
        if place["storage"] not in self.buffers:
            return None
        size = int(np.prod(place["shape"]))
        return self.buffers[place["storage"]], slice(place["offset"], place["offset"] + size)

    def read(self, value: int) -> Array:
        if value in self.known:
            return self.known[value]
        place = self.buffer_slice(value)
        assert place is not None, f"value {value} is read before it is made"
        buffer, where = place
        return buffer[where].copy().reshape(self.values[value]["shape"])

    def write(self, value: int, array: Array) -> None:
        place = self.buffer_slice(value)
        if place is None:
            self.known[value] = array
        else:
            buffer, where = place
            buffer[where] = array.ravel()

    def apply(self, kind: str, inputs: list[Array], attributes: Description) -> list[Array]:
        """One elementwise function, or one entry of the table of operations."""
        if kind in RANDOM:
            shape = full_shape(attributes, self.rows)
            size = int(np.prod(shape))
            stream = attributes["stream"]
            return [RANDOM[kind](self.seed, stream, self.step, size, self.dtype).reshape(shape)]
        if kind == "copy" and "shape" in attributes:
            return [np.broadcast_to(inputs[0], full_shape(attributes, self.rows)).copy()]
        if kind in ELEMENTWISE:
            return [np.asarray(ELEMENTWISE[kind](*inputs), dtype=np.float64)]
        return OPERATIONS[kind](inputs, attributes, self.rows)

    def expression(self, expression: Description, operands: list[Array]) -> list[Array]:
        """A fused chain: registers are the operands, then one per instruction."""
        shape = full_shape(expression, self.rows)
        registers = [np.broadcast_to(operand, shape) for operand in operands]
        for opcode, a, b, c, stream in expression["instructions"]:
            arguments = [registers[register] for register in (a, b, c) if register >= 0]
            attributes = {"shape": shape, "stream": stream} if opcode in RANDOM else {}
            registers.append(self.apply(opcode, arguments, attributes)[0])
        return [np.broadcast_to(registers[result], shape) for result in expression["results"]]

    def scan(self, loop: Description, inputs: list[Array]) -> list[Array]:
        """The body once a step: carries, then one entry of each sequence, then shared values."""
        carries, rest = inputs[: loop["carries"]], inputs[loop["carries"] :]
        sequences, shared = rest[: loop["sequences"]], rest[loop["sequences"] :]
        steps: list[list[Array]] = [[]] * loop["steps"]
        order = range(loop["steps"])
        for at in reversed(order) if loop["reverse"] else order:
            slices = [sequence[:, at] for sequence in sequences]
            made = run(
                loop["body"],
                [*carries, *slices, *shared],
                rows=self.rows,
                seed=self.seed,
                step=self.step,
                dtype=self.dtype,
            )
            following, steps[at] = made.values[: loop["carries"]], made.values[loop["carries"] :]
            if loop["masked"]:  # the last sequence
                happens = slices[-1] != 0.0
                following = [
                    np.where(_rows_like(happens, new), new, old)
                    for new, old in zip(following, carries, strict=True)
                ]
                steps[at] = [np.where(_rows_like(happens, x), x, 0.0) for x in steps[at]]
            carries = following
        return [*carries, *(np.stack(results, axis=1) for results in zip(*steps, strict=True))]

    def operate(self, operation: Description) -> None:
        kind, expression = operation["kind"], operation["expression"]
        if kind == "axis_size":  # looks at the shape alone, before there are elements
            shapes = [full_shape(self.values[value], self.rows) for value in operation["inputs"]]
            inputs = [np.broadcast_to(0.0, shape) for shape in shapes]
        else:
            inputs = [self.read(value) for value in operation["inputs"]]
        if kind == "assign":
            self.write(operation["inputs"][0], inputs[1])
            results = [inputs[1]]
        elif kind == "expression":
            results = self.expression(expression, inputs)
        elif kind == "call":
            values = (self.values[value] for value in operation["outputs"])
            results = operation["foreign"](inputs, [full_shape(v, self.rows) for v in values])
        elif kind == "scan":
            results = self.scan(operation["loop"], inputs)
        elif expression:  # the epilogue of a product
            own = len(inputs) - expression["operands"] + 1  # the product is an operand too
            product = self.apply(kind, inputs[:own], operation["attributes"])
            results = self.expression(expression, product + inputs[own:])
        else:
            results = self.apply(kind, inputs, operation["attributes"])
        assert len(results) >= len(operation["outputs"]), kind
        for value, result in zip(operation["outputs"], results, strict=False):
            expected = full_shape(self.values[value], self.rows)
            assert result.shape == expected, f"{kind}: {result.shape} instead of {expected}"
            self.write(value, result)


def run(
    description: Description,
    inputs: list[Array],
    *,
    rows: int,
    parameters: Array | None = None,
    states: Array | None = None,
    scalars: dict[str, float] | None = None,
    seed: int = 0,
    step: int = 0,
    update: bool = True,
    dtype: str = "float64",
) -> Result:
    """Outputs and new buffers of `Program.describe()` on float64 copies of the arrays given.

    `dtype` is that of the engine to be judged: random numbers have as many bits as it has.
    """
    empty = np.zeros(0)
    buffers = {
        "parameter": np.array(empty if parameters is None else parameters, dtype=np.float64),
        "state": np.array(empty if states is None else states, dtype=np.float64),
    }
    state = Run(description["values"], rows, seed, step, dtype, buffers)
    for value, array in zip(description["inputs"], inputs, strict=True):
        shape = full_shape(description["values"][value], rows)
        state.known[value] = np.asarray(array, dtype=np.float64).reshape(shape)
    for value, place in enumerate(description["values"]):
        if place["storage"] == "constant":
            constant = np.asarray(description["constants"][place["offset"]], dtype=np.float64)
            state.known[value] = constant.reshape(place["shape"])
        elif place["storage"] == "scalar":
            name = description["scalars"][place["offset"]]
            state.known[value] = np.asarray(float((scalars or {})[name]))
    for operation in description["operations"]:
        if update or operation["section"] == "gradient":
            state.operate(operation)
    values = [state.read(value).copy() for _, value in description["outputs"]]
    names = [name for name, _ in description["outputs"]]
    return Result(
        values, dict(zip(names, values, strict=True)), buffers["parameter"], buffers["state"]
    )
