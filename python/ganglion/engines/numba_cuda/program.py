"""A program as this engine runs it: what `Program.describe` tells, with sizes and without views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.engines.numba_cuda.formulas import FORMULAS, arity

# Operations whose result is the operand's memory under another shape.
_VIEWS = frozenset({"reshape", "stop_gradient", "as_batch", "from_batch"})


@dataclass(frozen=True)
class Shape:
    """Of a value: where it is batched, its first dimension is a multiple of the batch.

    Attributes
    ----------
    dims : tuple of int
        Of one sample; of the whole value where it is not batched.
    batched : bool
        Whether there are as many samples as the batch has rows.
    """

    dims: tuple[int, ...]
    batched: bool

    def of(self, rows: int) -> tuple[int, ...]:
        """Return the dimensions for a batch."""
        if not self.batched:
            return self.dims
        return (self.dims[0] * rows, *self.dims[1:])

    def size(self, rows: int) -> int:
        """Return the elements for a batch."""
        return math.prod(self.dims) * (rows if self.batched else 1)

    @property
    def sample_size(self) -> int:
        """Elements of one sample."""
        return math.prod(self.dims)


@dataclass(frozen=True)
class Value:
    """What operations read and write.

    Attributes
    ----------
    shape : Shape
        Of its elements.
    storage : str
        "arena", "input", "parameter", "state", "scalar" or "constant".
    offset : int
        Where it stands in its storage.
    """

    shape: Shape
    storage: str
    offset: int


@dataclass(frozen=True)
class Chain:
    """A chain of elementwise functions.

    Attributes
    ----------
    instructions : tuple of (opcode, a, b, c, stream)
        Operands are registers: first those of the operation, then one for each instruction.
    results : tuple of int
        The registers that are stored, one for each output.
    """

    instructions: tuple[tuple[str, int, int, int, int], ...]
    results: tuple[int, ...]

    @property
    def is_random(self) -> bool:
        """Whether random numbers are drawn."""
        return any(opcode.startswith("random_") for opcode, *_ in self.instructions)


@dataclass(frozen=True)
class Expression:
    """A chain over one shape.

    Attributes
    ----------
    shape : Shape
        That is gone over, and to which operands are broadcast.
    chain : Chain
        What is computed of each element.
    """

    shape: Shape
    chain: Chain


@dataclass(frozen=True)
class Loop:
    """What an operation "scan" does: see cpp/program/loop.h."""

    body: Lowered
    steps: int
    carries: int
    sequences: int
    reverse: bool
    masked: bool


@dataclass(frozen=True)
class Operation:
    """One step of a program.

    Attributes
    ----------
    kind : str
        What it does.
    inputs, outputs : tuple of int
        Values.
    attributes : dict
        Settings.
    is_update : bool
        Whether it is in the update section.
    number : int
        Its place in the program as the core lists it.
    expression : Expression or None
        Of kind "expression".
    loop : Loop or None
        Of kind "scan".
    foreign : callable or None
        Of kind "call": what is called with arrays and the shapes of the results.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attributes: dict[str, Any]
    is_update: bool
    number: int
    expression: Expression | None = None
    loop: Loop | None = None
    foreign: Any = None


@dataclass
class Lowered:
    """A program without views and epilogues: a view is another name of what it shows.

    Attributes
    ----------
    values : list of Value
        By number.
    operations : list of Operation
        In the order in which they run.
    inputs, outputs : list of int
        Values.
    output_names, scalars : list of str
        In their order.
    constants : list of ndarray
        Flat.
    roots : dict of int to int
        Of a view, the value whose memory it is.
    listed : int
        How many operations the core lists.
    """

    values: list[Value]
    operations: list[Operation]
    inputs: list[int]
    outputs: list[int]
    output_names: list[str]
    scalars: list[str]
    constants: list[NDArray[np.float64]]
    roots: dict[int, int] = field(default_factory=dict)
    listed: int = 0

    def root(self, value: int) -> int:
        """Return the value whose memory a value is."""
        return self.roots.get(value, value)


def lower(description: dict[str, Any]) -> Lowered:
    """Return a program as this engine runs it.

    Parameters
    ----------
    description : dict
        What `Program.describe` returns.
    """
    values = [
        Value(_shape(value), value["storage"], value["offset"]) for value in description["values"]
    ]
    lowered = Lowered(
        values,
        [],
        list(description["inputs"]),
        [value for _, value in description["outputs"]],
        [name for name, _ in description["outputs"]],
        list(description["scalars"]),
        list(description["constants"]),
        listed=len(description["operations"]),
    )
    for number, operation in enumerate(description["operations"]):
        _lower(lowered, operation, number)
    return lowered


def _lower(lowered: Lowered, entry: dict[str, Any], number: int) -> None:
    kind, inputs, outputs = entry["kind"], tuple(entry["inputs"]), tuple(entry["outputs"])
    settings, is_update = entry["attributes"], entry["section"] == "update"

    def add(kind: str, inputs: Sequence[int], outputs: Sequence[int], **parts: Any) -> None:
        made = Operation(kind, tuple(inputs), tuple(outputs), settings, is_update, number, **parts)
        lowered.operations.append(made)

    if kind in _VIEWS:
        # Those of weights and state have a place there themselves.
        if lowered.values[outputs[0]].storage == "arena":
            if lowered.values[lowered.root(inputs[0])].storage in ("parameter", "state"):
                add("move", inputs, outputs)
            else:
                lowered.roots[outputs[0]] = lowered.root(inputs[0])
    elif kind == "assign":
        add("move", inputs[1:], inputs[:1])
    elif kind == "call":
        add(kind, inputs, outputs, foreign=entry["foreign"])
    elif kind == "scan":
        add(kind, inputs, outputs, loop=_loop(entry["loop"]))
    elif kind == "expression":
        add(kind, inputs, outputs, expression=_expression(entry["expression"]))
    elif entry["expression"]:  # an epilogue, of which the product is the first operand
        expression = _expression(entry["expression"])
        own = len(inputs) - entry["expression"]["operands"] + 1
        product = len(lowered.values)
        lowered.values.append(Value(expression.shape, "arena", 0))
        add(kind, inputs[:own], [product])
        add("expression", (product, *inputs[own:]), outputs, expression=expression)
    elif (alone := _alone(kind, entry, lowered.values[outputs[0]].shape)) is not None:
        add("expression", inputs, outputs, expression=alone)
    else:
        add(kind, inputs, outputs)


def _alone(kind: str, entry: dict[str, Any], shape: Shape) -> Expression | None:
    """Return an elementwise operation as a chain of one; None for one that is not elementwise."""
    if kind == "copy":
        return Expression(shape, Chain((), (0,)))
    if kind not in FORMULAS:
        return None
    count = arity(kind)
    a, b, c = (at if at < count else -1 for at in range(3))
    stream = entry["attributes"].get("stream", 0)
    return Expression(shape, Chain(((kind, a, b, c, stream),), (count,)))


def _shape(entry: dict[str, Any]) -> Shape:
    return Shape(tuple(entry["shape"]), bool(entry["batched"]))


def _expression(entry: dict[str, Any]) -> Expression:
    instructions = tuple(tuple(instruction) for instruction in entry["instructions"])
    return Expression(_shape(entry), Chain(instructions, tuple(entry["results"])))


def _loop(entry: dict[str, Any]) -> Loop:
    return Loop(
        lower(entry["body"]),
        entry["steps"],
        entry["carries"],
        entry["sequences"],
        entry["reverse"],
        entry["masked"],
    )
