"""Graphs of layers, drawn before there is a program: Keras's functional style.

``Dense(8)(x)`` on a :class:`Node` computes nothing and writes nothing. It returns another node,
which remembers how it is made; a `Model` does that again in every program it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganglion.tracing import Trace, set_outside
from ganglion.value import Operand, Shape, Value
from ganglion.variables import Variables

if TYPE_CHECKING:
    from ganglion.layers.base import Layer


class Call:
    """A layer or an operation as it was applied to nodes.

    Attributes
    ----------
    layer : Layer or None
        None for an operation.
    kind : str
        The operation; empty for a layer.
    arguments : tuple
        Nodes, numbers, arrays, and lists of them.
    keywords : dict
        The same by name; the attributes of an operation.
    nodes : list of Node
        The results.
    """

    def __init__(
        self,
        layer: Layer | None,
        kind: str,
        arguments: Sequence[Any],
        keywords: Mapping[str, Any],
    ) -> None:
        self.layer = layer
        self.kind = kind
        self.arguments = tuple(arguments)
        self.keywords = dict(keywords)
        self.nodes: list[Node] = []

    @property
    def is_input(self) -> bool:
        """Whether it stands for what a user gives."""
        return self.layer is not None and not self.arguments

    def operands(self) -> Iterator[Node]:
        """Yield the nodes among the arguments."""
        yield from _nodes_in([self.arguments, list(self.keywords.values())])

    def write(self, trace: Trace, value_of: Callable[[Node], Value]) -> list[Value]:
        """Append it to a program; return its results."""
        arguments = _mapped(self.arguments, value_of)
        if self.layer is None:
            return [trace.apply(self.kind, *arguments, **self.keywords)]
        return _as_list(self.layer(*arguments, **_mapped(self.keywords, value_of)))

    def draw(self) -> Any:
        """Return nodes for the results, of the shapes that they have in a program."""
        trace = Trace(training=False, variables=Variables())
        values: dict[Node, Value] = {}

        def value_of(node: Node) -> Value:
            if node not in values:
                values[node] = trace.input(f"x{len(values)}", node.shape)
            return values[node]

        with trace:
            results = self.write(trace, value_of)
        self.nodes = [Node(self, value.shape) for value in results]
        return self.nodes[0] if len(self.nodes) == 1 else tuple(self.nodes)


class Node(Value):
    """What a layer or an operation will make: a value of a graph, without a program.

    Attributes
    ----------
    call : Call
        What makes it.
    shape : tuple of int or None
        With None for the batch.
    """

    __slots__ = ("_shape", "call")

    def __init__(self, call: Call, shape: Shape) -> None:
        super().__init__(_DRAWING, -1)
        self.call = call
        self._shape = shape

    @property
    def shape(self) -> Shape:
        return self._shape

    @property
    def is_input(self) -> bool:
        return self.call.is_input

    def argument_of(self, kind: str) -> Value | None:
        """Return None: operations are seen in programs."""
        return None

    def __repr__(self) -> str:
        return f"<Node {self.shape} from {self.call.layer or self.call.kind!r}>"


class _Drawing(Trace):
    """Where operations on nodes go, since no program is being written."""

    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(
            "[ops] work on the values of a program or a graph; call them in a build method, on what "
            "layers make of layers.Input, or look at their result with ops.evaluate"
        )

    def apply(self, kind: str, *operands: Operand, **attributes: Any) -> Value:
        if not is_drawn(operands):
            self.__getattr__(kind)
        node: Value = Call(None, kind, operands, attributes).draw()
        return node


_DRAWING = _Drawing()
set_outside(_DRAWING)


def is_drawn(argument: Any) -> bool:
    """Whether a layer is applied to nodes, and so part of a graph instead of a program."""
    return next(_nodes_in([argument]), None) is not None


def draw(layer: Layer, *arguments: Any, **keywords: Any) -> Any:
    """Return the nodes of a layer applied to others."""
    return Call(layer, "", _mapped(arguments, _same), _mapped(keywords, _same)).draw()


class Graph:
    """How nodes are made of inputs.

    Parameters
    ----------
    inputs, outputs : list of Node
        Where it begins and ends.

    Attributes
    ----------
    calls : list of Call
        All there is between, each behind those it needs.
    layers : list of Layer
        The layers, each once.

    Raises
    ------
    ValueError
        An output that needs another input, an input that no output needs, or one given twice.
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        for node in inputs:
            if not node.is_input:
                raise ValueError(f"[Model] inputs must be layers.Input, got {node!r}")
        if len({node.call for node in inputs}) < len(self.inputs):
            raise ValueError("[Model] inputs has the same Input twice")
        self.calls = _in_order(self.outputs)
        given = {node.call for node in inputs}
        for call in self.calls:
            if call.is_input and call not in given:
                raise ValueError(f"[Model] outputs need {call.layer!r}, which is not in inputs")
        for node in inputs:
            if node.call not in self.calls:
                raise ValueError(f"[Model] no output depends on the input {node.call.layer!r}")
        layers = [node.call.layer for node in inputs] + [call.layer for call in self.calls]
        self.layers = list({id(layer): layer for layer in layers if layer is not None}.values())

    def write(self, trace: Trace, values: Sequence[Value]) -> list[Value]:
        """Append the graph to a program; return the outputs.

        Parameters
        ----------
        trace : Trace
            Of the program.
        values : sequence of Value
            For the inputs.
        """
        known: dict[Node, Value] = dict(zip(self.inputs, values, strict=True))
        for call in self.calls:
            if not call.is_input:
                results = call.write(trace, known.__getitem__)
                known.update(zip(call.nodes, results, strict=True))
        return [known[node] for node in self.outputs]


def _in_order(outputs: Sequence[Node]) -> list[Call]:
    """Return the calls that nodes are made by, each behind those it needs."""
    ordered: dict[Call, None] = {}
    waiting = [(node.call, False) for node in reversed(outputs)]
    while waiting:
        call, is_ready = waiting.pop()
        if is_ready:
            ordered.setdefault(call)
        elif call not in ordered:
            waiting.append((call, True))
            waiting += [(node.call, False) for node in reversed(list(call.operands()))]
    return list(ordered)


def _nodes_in(argument: Any) -> Iterator[Node]:
    if isinstance(argument, (list, tuple)):
        for part in argument:
            yield from _nodes_in(part)
        return
    node = getattr(argument, "node", argument)  # of an Input
    if isinstance(node, Node):
        yield node


def _mapped(argument: Any, of: Callable[[Node], Any]) -> Any:
    """Return an argument with something in the place of each node."""
    if isinstance(argument, (list, tuple)):
        return [_mapped(part, of) for part in argument]
    if isinstance(argument, dict):
        return {name: _mapped(part, of) for name, part in argument.items()}
    node = getattr(argument, "node", argument)
    return of(node) if isinstance(node, Node) else argument


def _same(node: Node) -> Node:
    return node


def _as_list(results: Any) -> list[Value]:
    return list(results) if isinstance(results, (list, tuple)) else [results]
