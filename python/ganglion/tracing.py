"""Tracing: Python runs once, on values without data, and leaves a program for the core.

A :class:`Trace` is one program being written. Functions of :mod:`ganglion.ops` append operations to
it and return a :class:`Value`, which knows its shape and where it came from, but no numbers.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ganglion import _core
from ganglion.calls import ActivationCall, LayerCall
from ganglion.lines import current_line
from ganglion.spec import snake_case
from ganglion.value import Operand, Shape, Value
from ganglion.variables import Variables

if TYPE_CHECKING:
    from ganglion.initializers import Initializer
    from ganglion.regularizers import Regularizer


Stepped = tuple[Sequence[Value], Sequence[Value]]  # carries and results
StepFunction = Callable[[list[Value], list[Value]], Stepped]


class _Scope:
    """Where the trace stands: within a layer, a loss, an optimizer."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.trainable = True
        self.learning_rate_multiplier = 1.0
        self.layers: dict[str, object] = {}  # within, by name
        self.reserved: set[str] = set()  # names that layers within were given
        self.weights: set[str] = set()  # added since it was last entered


class Trace:
    """One program being written. ``with trace:`` makes it the one that ops append to.

    Parameters
    ----------
    training : bool
        What layers see as ``self.training``.
    variables : Variables
        The weights of the network, which the first trace adds to.

    Attributes
    ----------
    penalties : list of Value
        Scalars to be added to the loss: regularizers, and what layers gave to ``add_loss``.
    calls : list of LayerCall
        The layers applied, in order, inner ones before the combinator around them.
    unmasked : list of LayerCall
        The operations of a graph that have no mask although what they read has one.
    target_shares : dict of int to Value
        Where samples are mixed: what the target of the sample that many places before counts in the
        loss of each, (None,). Empty where each has its own target alone.
    activations : list of ActivationCall
        The activations applied, in order.
    weights : dict of str to Value
        The weights read, by name.
    stand_ins : dict of str to callable
        What layers see in the place of a weight, by its name: a function of it.
    carried : dict of str to Value
        By ``"path/name"``, the states that recurrent layers start with where not with zeros.
    final : dict of str to Value
        By the same names, the states after the last step.
    batch_size : int or None
        Samples of every batch, where that is fixed.
    draws : str
        Sets what the program draws apart from what others draw that run over the same batches.
    fold : int
        Rows of a batched value that belong to one sample: 1, but for steps taken for samples.

    Examples
    --------
    >>> trace = Trace(training=False, variables=Variables())
    >>> with trace:
    ...     x = trace.input("x", (None, 3))
    ...     trace.output("y", 2 * x + 1)
    >>> trace.finish().outputs
    [('y', (None, 3))]
    """

    def __init__(self, *, training: bool, variables: Variables) -> None:
        self.builder = _core.Builder()
        self.training = training
        self.variables = variables
        self.penalties: list[Value] = []
        self.target_shares: dict[int, Value] = {}
        self.calls: list[LayerCall] = []
        self.unmasked: list[LayerCall] = []
        self.activations: list[ActivationCall] = []
        self.weights: dict[str, Value] = {}
        self.stand_ins: dict[str, Callable[[Value], Value]] = {}
        self.carried: dict[str, Value] = {}
        self.final: dict[str, Value] = {}
        self.batch_size: int | None = None
        self.draws = ""
        self.fold = 1
        self._scopes: dict[str, _Scope] = {}
        self._stack = [_Scope("")]
        self._random_ops: dict[str, int] = {}
        self._lines: dict[tuple[str, str], str | None] = {}  # the first to write a kind in a layer
        self._tokens: list[Token[Trace | None]] = []

    def __enter__(self) -> Trace:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _current.reset(self._tokens.pop())

    # What a program reads and returns.

    def input(self, name: str, shape: Shape) -> Value:
        """Declare an input; None as the first dimension is the batch."""
        return Value(self, self.builder.input(name, shape))

    def scalar(self, name: str) -> Value:
        """Return a number given at each run, such as the learning rate."""
        return Value(self, self.builder.scalar(name))

    def parameter(self, name: str, shape: tuple[int, ...], offset: int) -> Value:
        """Return a part of the flat buffer of weights."""
        return Value(self, self.builder.parameter(name, shape, offset))

    def state(self, name: str, shape: tuple[int, ...], offset: int) -> Value:
        """Return a part of the flat buffer of optimizer state."""
        return Value(self, self.builder.state(name, shape, offset))

    def constant(self, array: npt.ArrayLike) -> Value:
        """Return a value known now."""
        return Value(self, self.builder.constant(np.asarray(array, dtype=np.float64)))

    def output(self, name: str, value: Value) -> None:
        """Name a result of the program."""
        self.builder.output(name, self._id(value, "output"))

    def finish(self, fuse: bool = True) -> _core.Program:
        """Return the finished program, without what no output and no assignment needs."""
        return self.builder.finish(fuse)

    # Operations.

    def apply(self, kind: str, *operands: Operand, **attributes: Any) -> Value:
        """Append an operation of the core and return its first result.

        Parameters
        ----------
        kind : str
            Name of the primitive.
        *operands : Value, float or array
            Numbers and arrays become constants.
        **attributes
            As the primitive takes them.

        Raises
        ------
        ValueError
            Shapes that do not fit, or values of two traces.
        TypeError
            An operand that is no number.
        """
        for operand in operands:  # of a loop within: it happens there
            if isinstance(operand, Value) and operand.trace.is_within(self):
                return operand.trace.apply(kind, *operands, **attributes)
        inputs = [self._id(operand, kind) for operand in operands]
        made = Value(self, self.builder.apply(kind, inputs, attributes)[0])
        if (self.path, kind) not in self._lines:
            self._lines[self.path, kind] = current_line()
        return made

    def call(
        self, function: _core.Foreign, operands: Sequence[Operand], shape: dict[str, Any]
    ) -> Value:
        """Append a call of a function of arrays, see `ops.call`."""
        inputs = [self._id(operand, "call") for operand in operands]
        return Value(self, self.builder.call(function, inputs, **shape))

    def is_within(self, trace: Trace) -> bool:
        """Whether this is the body of a loop of a trace, being written."""
        return False

    def scan(
        self,
        step: StepFunction,
        carries: Sequence[Value],
        sequences: Sequence[Value],
        reverse: bool = False,
        mask: Value | None = None,
    ) -> tuple[list[Value], list[Value]]:
        """Append a loop over the steps of sequences, see `ops.scan`; masked steps give zeros."""
        if mask is not None:
            sequences = [*sequences, mask]
        carry_ids = [self._id(value, "scan") for value in carries]
        sequence_ids = [self._id(value, "scan") for value in sequences]
        for values, rank, expected in ((carries, 1, "..."), (sequences, 2, "steps, ...")):
            for value in values:
                if len(value.shape) < rank or value.shape[0] is not None:
                    raise ValueError(f"[scan] expected (None, {expected}), got {value.shape}")
        if sequences and mask is None and all(value.shape[1] == 1 for value in sequences):
            return self._only_step(step, carries, sequences)
        inner = _StepTrace(self)
        with inner:
            carried = [inner.input("carry", value.shape) for value in carries]
            slices = [inner.input("step", (None, *value.shape[2:])) for value in sequences]
            following, results = step(carried, slices if mask is None else slices[:-1])
        if len(following) != len(carries):
            raise ValueError(
                f"[scan] the step must return {len(carries)} carries, got {len(following)}"
            )
        for value in (*following, *results):
            inner.output("", value)
        shared_ids = [self._id(value, "scan") for value in inner.captured]
        made = self.builder.scan(
            inner.builder, carry_ids, sequence_ids, shared_ids, reverse, mask is not None
        )
        values = [Value(self, id) for id in made]
        return values[: len(carries)], values[len(carries) : len(carries) + len(results)]

    def _only_step(
        self, step: StepFunction, carries: Sequence[Value], sequences: Sequence[Value]
    ) -> tuple[list[Value], list[Value]]:
        """Append what a loop of one step does, without a loop."""
        slices = [
            self.apply("reshape", value, shape=[1, *value.shape[2:]], batched=1)
            for value in sequences
        ]
        following, results = step(list(carries), slices)
        shapes = [value.shape for value in carries]
        if [value.shape for value in following] != shapes:
            raise ValueError(
                f"[scan] the step must return carries of the shapes {shapes}, got "
                f"{[value.shape for value in following]}"
            )
        return list(following), [
            self.apply("reshape", value, shape=[1, 1, *value.shape[1:]], batched=1)
            for value in results
        ]

    def _id(self, operand: Operand, place: str) -> int:
        if isinstance(operand, Value):
            if operand.trace is not self and isinstance(operand.trace, _StepTrace):
                raise ValueError(
                    f"[{place}] got a value of a step of a loop from outside of it: let the step "
                    "return it"
                )
            if operand.trace is not self:
                raise ValueError(
                    f"[{place}] got a value of another trace: a Value must not be kept from one "
                    "pass through a network to the next"
                )
            return operand.id
        if isinstance(operand, (int, float, np.number, np.ndarray)):
            return self.constant(operand).id
        raise TypeError(f"[{place}] expected values and numbers, got {operand!r}")

    def gradient(
        self, output: Value, wrt: Sequence[Value], seed: Value | None = None
    ) -> list[Value]:
        """Return the gradient of ``sum(output * seed)`` to each of ``wrt``."""
        ids = [self._id(value, "gradient") for value in wrt]
        seed_id = -1 if seed is None else self._id(seed, "gradient")
        try:
            found = self.builder.gradient(self._id(output, "gradient"), ids, seed_id)
        except ValueError as error:
            refused = re.search(r"the operation '(\w+?)(_gradient)?'.* \(in '(.*?)'\)", str(error))
            line = self._lines.get((refused[3], refused[1])) if refused else None
            if line is not None:
                error.args = (f"{error} ({line})",)
            raise
        return [Value(self, id) for id in found]

    @property
    def section(self) -> str:
        """``"gradient"`` or ``"update"``: where the next operations go."""
        return self.builder.section

    @section.setter
    def section(self, name: str) -> None:
        self.builder.section = name

    # Layers.

    @property
    def path(self) -> str:
        """Path of the layer being built, ``"residual/dense"``; empty outside of layers."""
        return self._stack[-1].path

    @property
    def trainable(self) -> bool:
        """Whether the layer being built, and all around it, are trainable."""
        return self._stack[-1].trainable

    @contextmanager
    def scope(
        self, path: str, trainable: bool = True, learning_rate_multiplier: float = 1.0
    ) -> Iterator[None]:
        """Label the operations within as those of a layer, a loss or an optimizer.

        Parameters
        ----------
        path : str
            Name under the current scope.
        trainable : bool
            False freezes all weights made within.
        learning_rate_multiplier : float
            How many times as fast all weights made within learn as those around.
        """
        outer = self._stack[-1]
        full = f"{outer.path}/{path}" if outer.path else path
        scope = self._scopes.setdefault(full, _Scope(full))
        scope.trainable = trainable and outer.trainable
        scope.learning_rate_multiplier = learning_rate_multiplier * outer.learning_rate_multiplier
        scope.weights.clear()
        self._stack.append(scope)
        self.builder.label = full
        try:
            yield
        finally:
            self._stack.pop()
            self.builder.label = outer.path

    def reserve(self, layers: Iterable[object]) -> None:
        """Keep the names that layers of the current scope were given from being taken by others."""
        names = (getattr(layer, "name", None) for layer in layers)
        self._stack[-1].reserved.update(name for name in names if name)

    def name_of(self, layer: object, name: str | None = None) -> str:
        """Return the name of a layer within the current scope; the same layer keeps its name.

        Parameters
        ----------
        layer : object
            The layer.
        name : str, optional
            The name it was given. By default ``"dense"``, ``"dense_1"``, ... after its class.

        Raises
        ------
        ValueError
            Another layer has that name.
        """
        layers, reserved = self._stack[-1].layers, self._stack[-1].reserved
        for known, owner in layers.items():
            if owner is layer:
                return known
        if name in layers:
            raise ValueError(f"[{type(layer).__name__}] another layer is named {name!r}")
        base = snake_case(type(layer).__name__)
        chosen, count = name or base, 0
        while name is None and (chosen in layers or chosen in reserved):
            count += 1
            chosen = f"{base}_{count}"
        layers[chosen] = layer
        return chosen

    def add_weight(
        self,
        name: str,
        shape: Sequence[int],
        initializer: Initializer,
        *,
        trainable: bool = True,
        regularizer: Regularizer | None = None,
    ) -> Value:
        """Return a weight of the layer being built, see ``Layer.add_weight``."""
        path = f"{self.path}/{name}" if self.path else name
        added = self._stack[-1].weights
        if name in added:
            raise ValueError(f"[{self.path}] the weight {name!r} was added twice")
        added.add(name)
        variable = self.variables.get_or_add(
            path,
            tuple(int(size) for size in shape),
            initializer,
            trainable=trainable and self.trainable,
            regularizer=regularizer,
            learning_rate_multiplier=self._stack[-1].learning_rate_multiplier,
        )
        if path not in self.weights:  # a layer used again in one network shares its weights
            weight = self.parameter(path, variable.shape, variable.offset)
            self.weights[path] = weight
            if regularizer is not None and variable.trainable:
                self.penalties.append(regularizer.build(weight))
        weight, stand_in = self.weights[path], self.stand_ins.get(path)
        return weight if stand_in is None else stand_in(weight)

    def random_stream(self, seed: int | None = None) -> int:
        """Return the number that keeps the next random operation apart from all others.

        It is a function of the layer's path, the seed and how many random operations the layer had
        so far: other layers, added before or after, do not change what a layer draws.
        """
        count = self._random_ops.get(self.path, 0)
        self._random_ops[self.path] = count + 1
        return zlib.crc32(f"{self.draws}{self.path}#{count}#{seed}".encode())


class _StepTrace(Trace):
    """The body of a loop being written. What it reads of the program around becomes an input.

    Attributes
    ----------
    captured : dict of Value to Value
        Values of the program around, and what they are called within.
    """

    def __init__(self, around: Trace) -> None:
        super().__init__(training=around.training, variables=around.variables)
        self.around = around
        self.captured: dict[Value, Value] = {}
        self.penalties = around.penalties
        self._scopes, self._stack = around._scopes, around._stack
        self._random_ops, self._lines = around._random_ops, around._lines
        self.draws = around.draws
        self.builder.label = around.path

    def is_within(self, trace: Trace) -> bool:
        return bool(self._tokens) and (self.around is trace or self.around.is_within(trace))

    def scalar(self, name: str) -> Value:
        return self.around.scalar(name)

    def add_weight(self, *arguments: Any, **settings: Any) -> Value:
        return self.around.add_weight(*arguments, **settings)

    def apply(self, kind: str, *operands: Operand, **attributes: Any) -> Value:
        """Append an operation here, or around where nothing of a step is in it."""
        values = [operand for operand in operands if isinstance(operand, Value)]
        if values and kind != "assign" and all(value.trace is not self for value in values):
            return self.around.apply(kind, *operands, **attributes)
        return super().apply(kind, *operands, **attributes)

    def _id(self, operand: Operand, place: str) -> int:
        if not isinstance(operand, Value) or operand.trace is self:
            return super()._id(operand, place)
        self.around._id(operand, place)  # is of a program around
        if operand not in self.captured:
            self.captured[operand] = self.input("shared", operand.shape)
        return self.captured[operand].id


_current: ContextVar[Trace | None] = ContextVar("ganglion_trace", default=None)


_outside: Trace | None = None


def set_outside(trace: Trace) -> None:
    """Say what `current_trace` returns where no program is being written."""
    global _outside
    _outside = trace


def current_trace() -> Trace:
    """Return the trace that layers and ops append to."""
    trace = _current.get() or _outside
    assert trace is not None
    return trace
