"""Objectives traced: the networks as a user's function sees them, and what it made of a batch."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ganglion.errors import suggestion
from ganglion.graph import Chain, Graph
from ganglion.joint.objective import Objective
from ganglion.lines import blame
from ganglion.tracing import Trace
from ganglion.training import Training
from ganglion.value import Operand, Shape, Value, fits
from ganglion.variables import Variables


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
        # Shapes of their inputs, by the names of the networks.
        self.applied: dict[str, tuple[Shape, ...]] = {}

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

    def __init__(self, name: str, network: Training, trace: ObjectiveTrace) -> None:
        self._name = name
        self._network = network
        self._trace = trace

    def __call__(self, *values: Value, training: bool | None = None) -> Any:
        """Apply its layers.

        Parameters
        ----------
        *values : Value
            (None, ...), one for each of its inputs.
        training : bool, optional
            Whether its layers act as in training. By default they do in `Joint.fit`, and not in
            `Joint.evaluate`.

        Returns
        -------
        Value, or list of them for a network of several outputs

        Raises
        ------
        TypeError
            What is given is no value.
        ValueError
            The network takes other shapes.
        """
        name, trace = self._name, self._trace
        for value in values:
            if not isinstance(value, Value):
                raise TypeError(f"[{name}] expected a value of a batch, got {value!r}")
        graph, shapes = self._graph, tuple(value.shape for value in values)
        self._check_shapes(shapes)
        trace.applied.setdefault(name, shapes)
        with trace.applying(name, training):
            results = graph.write(trace, list(values))
        return results[0] if len(results) == 1 else results

    @property
    def _graph(self) -> Chain | Graph:
        if self._network.built:
            return self._network.current("Joint").recipe.graph
        if not self._network.layers:
            raise ValueError(f"[{self._name}] the network has no layers")
        return Chain(self._network.layers)

    def _check_shapes(self, shapes: tuple[Shape, ...]) -> None:
        network = self._network
        built = network.current("Joint").recipe.input_shapes if network.built else None
        known = built or self._trace.applied.get(self._name)
        if known is None:
            if len(shapes) != 1:
                raise ValueError(f"[{self._name}] the network takes one value, got {len(shapes)}")
            return
        if len(known) != len(shapes) or not all(map(fits, known, shapes)):
            takes, got = (", ".join(map(str, some)) for some in (known, shapes))
            raise ValueError(f"[{self._name}] the network takes {takes}, got {got or 'nothing'}")


class Networks:
    """The networks of a `Joint`, as attributes or items, in the function of an objective."""

    def __init__(self, networks: Mapping[str, Training], trace: ObjectiveTrace) -> None:
        self._applied = {name: Applied(name, net, trace) for name, net in networks.items()}

    def __getitem__(self, name: str) -> Applied:
        if name not in self._applied:
            raise ValueError(
                f"[Joint] no network is named {name!r}{suggestion(name, self._applied)}"
            )
        return self._applied[name]

    def __getattr__(self, name: str) -> Applied:
        if name.startswith("_") or name not in self._applied:
            known = {} if name.startswith("_") else self._applied
            raise AttributeError(f"[Joint] no network is named {name!r}{suggestion(name, known)}")
        return self._applied[name]

    def __dir__(self) -> list[str]:
        return list(self._applied)


def trace_objective(
    objective: Objective,
    networks: Mapping[str, Training],
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
        with _located(objective):
            result = objective.function(*arguments, **named)
            return trace, given, _reported(result, objective.name)


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


def _reported(result: Any, name: str) -> dict[str, Value]:
    """Return the scalars of an objective's function by name."""
    values = result if isinstance(result, Mapping) else {name: result}
    if not values:
        raise ValueError(f"[Joint] an objective must return at least one scalar, got {result!r}")
    for name, value in values.items():
        what = f" as {name!r}" if values is result else ""
        if not isinstance(name, str):
            raise TypeError(f"[Joint] an objective must return scalars by name, got {name!r}")
        if not isinstance(value, Value):
            raise TypeError(
                f"[Joint] an objective must return a scalar or a dict of them, got {value!r}{what}"
            )
        if value.shape != ():
            raise ValueError(
                f"[Joint] an objective must return scalars, got shape {value.shape}{what}: "
                "ops.mean makes one"
            )
    return dict(values)


@contextmanager
def _located(objective: Objective) -> Iterator[None]:
    """Have an error say in which objective it arose, and in which line of the user's."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (TypeError, ValueError, IndexError, AttributeError)):
            error.args = (f"{error} (in objective {objective.name!r})",)
        blame(error, objective.function)
        raise


def is_zero(trace: Trace, gradient: Value) -> bool:
    """Tell whether nothing led from a loss to what this is its gradient with respect to."""
    zero = trace.constant(0.0)
    producer = trace.builder.producer(gradient.id)
    return gradient.id == zero.id or (
        producer is not None and producer[0] == "copy" and producer[1] == [zero.id]
    )
