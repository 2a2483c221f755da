"""Objectives traced: the networks as a user's function sees them, and what it made of a batch."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ganglion.errors import suggestion
from ganglion.joint.objective import Objective
from ganglion.sequential import Sequential
from ganglion.tracing import Trace
from ganglion.value import Operand, Shape, Value, fits
from ganglion.variables import Variables

_PACKAGE = Path(__file__).parents[1]


class Inputs(NamedTuple):
    """The arrays of a batch, as an objective's function gets them.

    Attributes
    ----------
    shapes : dict of str to tuple
        (None, ...) of each, by the names under which errors know them.
    keywords : tuple of str
        Argument names; empty where they are given by position.
    """

    shapes: Mapping[str, Shape]
    keywords: tuple[str, ...] = ()


class ObjectiveTrace(Trace):
    """The program of an objective being written.

    Parameters
    ----------
    training : bool
        Whether it is the program that trains.
    variables : Variables
        The weights of all networks.
    objective : Objective
        What is traced.
    """

    def __init__(self, training: bool, variables: Variables, objective: Objective) -> None:
        super().__init__(training=training, variables=variables)
        self.draws = f"{objective.name}:"
        self._trains = objective.trains
        self._changes = training
        self._network: str | None = None
        self.applied: dict[str, Shape] = {}  # input shapes, by the names of the networks

    def trains(self, network: str) -> bool:
        """Whether the objective trains a network."""
        return self._trains is None or network in self._trains

    @contextmanager
    def applying(self, network: str, training: bool | None) -> Iterator[None]:
        """Label what follows as a network's; one that is not trained adds nothing to the loss."""
        was_training, penalties = self.training, len(self.penalties)
        if training is not None:
            self.training = training
        self._network = network
        try:
            with self.scope(network):
                yield
        finally:
            self._network, self.training = None, was_training
        if not self.trains(network):
            del self.penalties[penalties:]

    def apply(self, kind: str, *operands: Operand, **attributes: Any) -> Value:
        """Append an operation; statistics of networks that are not trained stay as they are."""
        if kind == "assign" and self._network is not None:
            target, value = operands
            if not (self._changes and self.trains(self._network)):
                assert isinstance(target, Value)
                return value if isinstance(value, Value) else target
        return super().apply(kind, *operands, **attributes)


class Applied:
    """A network, to be applied to values of a batch."""

    def __init__(self, name: str, network: Sequential, trace: ObjectiveTrace) -> None:
        self._name = name
        self._network = network
        self._trace = trace

    def __call__(self, x: Value, training: bool | None = None) -> Value:
        """Apply its layers.

        Parameters
        ----------
        x : Value
            (None, ...).
        training : bool, optional
            Whether its layers act as in training. By default they do in `Joint.fit`, and not in
            `Joint.evaluate`.

        Raises
        ------
        TypeError
            ``x`` is no value.
        ValueError
            The network takes another shape.
        """
        name, network, trace = self._name, self._network, self._trace
        if not isinstance(x, Value):
            raise TypeError(f"[{name}] expected a value of a batch, got {x!r}")
        known = network.input_shape if network.built else trace.applied.get(name)
        if known is not None and not fits(known, x.shape):
            raise ValueError(f"[{name}] the network takes {known}, got {x.shape}")
        if not network.layers:
            raise ValueError(f"[{name}] the network has no layers")
        trace.applied.setdefault(name, x.shape)
        with trace.applying(name, training):
            trace.reserve(network.layers)
            for layer in network.layers:
                x = layer(x)
        return x


class Networks:
    """The networks of a `Joint`, as attributes or items, in the function of an objective."""

    def __init__(self, networks: Mapping[str, Sequential], trace: ObjectiveTrace) -> None:
        self._applied = {name: Applied(name, net, trace) for name, net in networks.items()}

    def __getitem__(self, name: str) -> Applied:
        if name not in self._applied:
            raise ValueError(
                f"[Joint] no network is named {name!r}{suggestion(name, self._applied)}"
            )
        return self._applied[name]

    def __getattr__(self, name: str) -> Applied:
        if name.startswith("__") or name not in self.__dict__.get("_applied", ()):
            raise AttributeError(
                f"[Joint] no network is named {name!r}{suggestion(name, self._applied)}"
            )
        return self._applied[name]

    def __dir__(self) -> list[str]:
        return list(self._applied)


def trace_objective(
    objective: Objective,
    networks: Mapping[str, Sequential],
    variables: Variables,
    inputs: Inputs,
    training: bool,
) -> tuple[ObjectiveTrace, list[Value], dict[str, Value]]:
    """Call an objective's function.

    Returns
    -------
    trace : ObjectiveTrace
        What it wrote.
    given : list of Value
        The inputs.
    reported : dict of str to Value
        Scalars by name. The first is the loss, without penalties.

    Raises
    ------
    ValueError, TypeError
        For a function that does not take the inputs, or returns anything else; and what it raises,
        with the objective and the line of the function.
    """
    trace = ObjectiveTrace(training, variables, objective)
    with trace:
        given = [trace.input(name, shape) for name, shape in inputs.shapes.items()]
        called = Networks(networks, trace)
        arguments, named = [called, *given], {}
        if inputs.keywords:
            arguments, named = [called], dict(zip(inputs.keywords, given, strict=True))
        _check_arguments(objective, arguments, named, inputs)
        with located(objective):
            result = objective.function(*arguments, **named)
        return trace, given, _reported(objective, result)


def _check_arguments(
    objective: Objective, arguments: Sequence[Any], named: Mapping[str, Any], inputs: Inputs
) -> None:
    try:
        signature = inspect.signature(objective.function)
    except ValueError:  # of some functions written in C
        return
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        given = ", ".join(("networks", *inputs.shapes))
        raise TypeError(
            f"[Joint] objective {objective.name!r} takes {signature}, and is given ({given}): "
            f"{error}"
        ) from None


def _reported(objective: Objective, result: Any) -> dict[str, Value]:
    owner = f"[Joint] objective {objective.name!r}"
    values = result if isinstance(result, Mapping) else {objective.name: result}
    if not values:
        raise ValueError(f"{owner} must return at least one scalar, got {result!r}")
    for name, value in values.items():
        what = f" as {name!r}" if values is result else ""
        if not isinstance(name, str):
            raise TypeError(f"{owner} must return scalars by name, got {name!r}")
        if not isinstance(value, Value):
            raise TypeError(f"{owner} must return a scalar or a dict of them, got {value!r}{what}")
        if value.shape != ():
            raise ValueError(
                f"{owner} must return scalars, got shape {value.shape}{what}: ops.mean makes one"
            )
    return dict(values)


@contextmanager
def located(objective: Objective) -> Iterator[None]:
    """Have an error say in which objective it arose, and in which line of the user's."""
    try:
        yield
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if _PACKAGE not in Path(frame.filename).parents]
        where = f", {Path(own[-1].filename).name} line {own[-1].lineno}" if own else ""
        text = error.args[0] if len(error.args) == 1 else error
        error.args = (f"{text} (in objective {objective.name!r}{where})",)
        raise


def is_zero(trace: Trace, gradient: Value) -> bool:
    """Tell whether nothing led from a loss to what this is its gradient with respect to."""
    zero = trace.constant(0.0)
    producer = trace.builder.producer(gradient.id)
    return gradient.id == zero.id or (
        producer is not None and producer[0] == "copy" and producer[1] == [zero.id]
    )
