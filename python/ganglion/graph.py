"""How the layers of a network are joined: in a chain, or in a graph drawn in Keras's style.

``Dense(8)(x)`` on a :class:`Node` computes nothing and writes nothing. It returns another node,
which remembers how it is made; a `Model` does that again in every program it needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ganglion.masks import masked
from ganglion.nodes import node_of
from ganglion.tracing import Trace, set_outside
from ganglion.value import Operand, Shape, Value
from ganglion.variables import Variables

Layer = Any  # of ganglion.layers, which know this module

_CONSTANT = "constant"

# Where the number of steps is open it is tried out, two at a time: what differs between the two
# follows the steps. Many first, which pooling does not use up; then few, where layers have a
# longest sequence.
TRIED_STEPS = ((64, 96), (1024, 1536), (16, 24), (4, 6))


def common_shape(shape: Shape, other: Shape) -> Shape:
    """Return a shape with None for the sizes in which it differs from another.

    Examples
    --------
    >>> common_shape((None, 64, 3), (None, 96, 3))
    (None, None, 3)
    """
    return tuple(a if a == b else None for a, b in zip(shape, other, strict=True))


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
    network : object
        The network that was called, of which this is a part; None where there is none.
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
        self.network: Any = None

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
        if self.kind == _CONSTANT:
            return [trace.constant(self.arguments[0])]
        if self.layer is None:
            result = trace.apply(self.kind, *arguments, **self.keywords)
            return [masked(trace, self.kind, arguments, self.keywords, result)]
        return _as_list(self.layer(*arguments, **_mapped(self.keywords, value_of)))

    def draw(self) -> Any:
        """Return nodes for the results, of the shapes that they have in a program."""
        self.nodes = [Node(self, shape) for shape in self._shapes()]
        return self.nodes[0] if len(self.nodes) == 1 else tuple(self.nodes)

    def _shapes(self) -> list[Shape]:
        if all(None not in node.shape[1:] for node in self.operands()):
            return self._shapes_for(None)
        refused: ValueError | None = None
        for few, many in TRIED_STEPS:
            try:
                pairs = zip(self._shapes_for(few), self._shapes_for(many), strict=True)
                return [common_shape(*pair) for pair in pairs]
            except ValueError as error:
                refused = refused or error
        assert refused is not None
        raise refused

    def _shapes_for(self, steps: int | None) -> list[Shape]:
        trace = Trace(training=False, variables=Variables())
        values: dict[Node, Value] = {}

        def value_of(node: Node) -> Value:
            if node not in values:
                shape = (*node.shape[:1], *(size or steps for size in node.shape[1:]))
                values[node] = trace.input(f"x{len(values)}", shape)
            return values[node]

        with trace:
            return [value.shape for value in self.write(trace, value_of)]


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
        super().__init__(_DRAWING, -1)  # none of a program
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
        self.fold = 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # somebody looks what this is
            raise AttributeError(name)
        raise RuntimeError(
            "[ops] work on the values of a program or a graph; call them in a build method, on "
            "layers.Input and what layers make of it (but what draws numbers), or look at their "
            "result with ops.evaluate"
        )

    # Arrays are copied: programs are written later, and the user's may have changed by then.

    def constant(self, array: npt.ArrayLike) -> Value:
        node: Value = Call(None, _CONSTANT, [np.array(array, dtype=np.float64)], {}).draw()
        return node

    def apply(self, kind: str, *operands: Operand, **attributes: Any) -> Value:
        if not is_drawn(operands):
            self.__getattr__(kind)
        if None in attributes.get("shape", ()):
            raise ValueError(
                f"[{kind}] needs to know the number of steps, which is open: call it in the build "
                "method of a layer of your own, where it is known"
            )
        kept = [np.array(part) if isinstance(part, np.ndarray) else part for part in operands]
        node: Value = Call(None, kind, kept, attributes).draw()
        return node

    def scan(self, *arguments: Any, **_: Any) -> Any:
        raise self._not_kept("scan", arguments)

    def call(self, *arguments: Any, **_: Any) -> Any:
        raise self._not_kept("call", arguments)

    def gradient(self, *arguments: Any, **_: Any) -> Any:
        raise self._not_kept("gradient", arguments)

    def _not_kept(self, kind: str, arguments: Sequence[Any]) -> Exception:
        if not is_drawn(arguments):
            self.__getattr__(kind)
        return TypeError(
            f"[{kind}] is no single operation, and a graph keeps nothing else beside layers: call "
            "it in the build method of a layer of your own"
        )


_DRAWING = _Drawing()
set_outside(_DRAWING)


def nodes_of(given: Any) -> list[Any]:
    """Return the nodes of one, of several, or of a dict of them, in a list."""
    if isinstance(given, dict):
        given = list(given.values())
    parts = given if isinstance(given, (list, tuple)) else [given]
    return [node_of(part) for part in parts]


def is_drawn(argument: Any) -> bool:
    """Whether a layer is applied to nodes, and so part of a graph instead of a program."""
    return next(_nodes_in([argument]), None) is not None


def draw(layer: Layer, *arguments: Any, **keywords: Any) -> Any:
    """Return the nodes of a layer applied to others."""
    return Call(layer, "", _mapped(arguments, _same), _mapped(keywords, _same)).draw()


class Chain:
    """Layers applied one after the other.

    Parameters
    ----------
    layers : list of Layer
        In order.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)

    def draw(self, nodes: Sequence[Node], network: object) -> list[Node]:
        """Return the node that the layers of a network make of another, alone in a list."""
        (node,) = nodes
        for layer in self.layers:
            made = Call(layer, "", [node], {})
            made.network = network
            node = made.draw()
        return [node]

    def write(self, trace: Trace, values: Sequence[Value]) -> list[Value]:
        """Append the layers to a program; return what the last puts out, alone in a list."""
        (value,) = values
        trace.reserve(self.layers)
        for layer in self.layers:
            value = layer(value)
        return [value]


class Graph:
    """How nodes are made of inputs.

    Parameters
    ----------
    inputs, outputs : list of Node
        Where it begins and ends.

    Attributes
    ----------
    calls : list of Call
        All there is, each behind those it needs; those of the inputs first.
    layers : list of Layer
        The layers, each once.

    Raises
    ------
    TypeError, ValueError
        Inputs that are none, or given twice; outputs that are no nodes, that need another input, or
        do not need one of these.
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        for name, nodes in (("inputs", inputs), ("outputs", outputs)):
            for node in nodes:
                if not isinstance(node, Node):
                    raise TypeError(
                        f"[Model] {name} must be layers.Input and what layers make of them, got "
                        f"{node!r}"
                    )
            if not nodes:
                raise ValueError(f"[Model] {name} must not be empty")
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        given = [node.call for node in inputs]
        for node in inputs:
            if not node.is_input:
                raise ValueError(f"[Model] inputs must be layers.Input, got {node!r}")
        if len(set(given)) < len(given):
            raise ValueError("[Model] inputs has the same Input twice")
        needed = _in_order(self.outputs)
        for call in needed:
            if call.is_input and call not in given:
                raise ValueError(f"[Model] outputs need {call.layer!r}, which is not in inputs")
        for call in given:
            if call not in needed:
                raise ValueError(f"[Model] no output depends on the input {call.layer!r}")
        self.calls = [*given, *(call for call in needed if not call.is_input)]
        layers = (call.layer for call in self.calls if call.layer is not None)
        self.layers: list[Layer] = list({id(layer): layer for layer in layers}.values())

    def write(self, trace: Trace, values: Sequence[Value]) -> list[Value]:
        """Append the graph to a program; return the outputs.

        Parameters
        ----------
        trace : Trace
            Of the program.
        values : sequence of Value
            For the inputs.
        """
        trace.reserve(self.layers)
        known: dict[Node, Value] = {}
        for node, value in zip(self.inputs, values, strict=True):
            assert node.call.layer is not None
            known[node] = node.call.layer(value)
        for call in self.calls[len(self.inputs) :]:
            results = call.write(trace, known.__getitem__)
            known.update(zip(call.nodes, results, strict=True))
        return [known[node] for node in self.outputs]

    def draw(self, nodes: Sequence[Node], network: object) -> list[Node]:
        """Return the outputs of a network drawn once more, with other nodes for its inputs."""
        known = dict(zip(self.inputs, nodes, strict=True))
        for call in self.calls[len(self.inputs) :]:
            arguments = _mapped(call.arguments, known.__getitem__)
            keywords = _mapped(call.keywords, known.__getitem__)
            made = Call(call.layer, call.kind, arguments, keywords)
            made.network = network
            made.draw()
            known.update(zip(call.nodes, made.nodes, strict=True))
        return [known[node] for node in self.outputs]

    def layer_names(self) -> dict[Call, str]:
        """Return the name of each call's layer, as a network has it; of operations, their kind."""
        trace = Trace(training=False, variables=Variables())
        trace.reserve(self.layers)
        return {
            call: call.kind if call.layer is None else trace.name_of(call.layer, call.layer.name)
            for call in self.calls
        }

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names of inputs and outputs: those of the layers, as a network has them."""
        known = self.layer_names()
        outputs: list[str] = []
        for node in self.outputs:
            name = known[node.call]
            others = (f"{name}_{count}" for count in itertools.count(1))
            outputs.append(
                name if name not in outputs else next(n for n in others if n not in outputs)
            )
        return [known[node.call] for node in self.inputs], outputs

    def connections(self) -> dict[str, list[str]]:
        """Return which layers each layer reads, in all its places, by their names.

        What operations make of layers is told as those layers.
        """
        names = self.layer_names()
        before: dict[Call, dict[str, None]] = {}
        found: dict[str, dict[str, None]] = {}
        for call in self.calls:
            read = [
                [names[node.call]] if node.call.layer is not None else before[node.call]
                for node in call.operands()
            ]
            before[call] = dict.fromkeys(name for part in read for name in part)
            if call.layer is not None:
                found.setdefault(names[call], {}).update(before[call])
        return {name: list(read) for name, read in found.items()}

    def behind(self) -> list[set[int]]:
        """Return for each layer the places of the others that what it makes goes to."""
        places = {id(layer): index for index, layer in enumerate(self.layers)}
        found: list[set[int]] = [set() for _ in self.layers]
        after: dict[Call, set[int]] = {call: set() for call in self.calls}
        for call in reversed(self.calls):
            own = set() if call.layer is None else {places[id(call.layer)]}
            for place in own:
                found[place] |= after[call] - own
            for node in call.operands():
                after[node.call] |= after[call] | own
        return found

    def get_config(self) -> dict[str, Any]:
        """Return how the layers are joined, in what JSON can hold; layers by their places."""
        numbers = {call: index for index, call in enumerate(self.calls)}
        places = {id(layer): index for index, layer in enumerate(self.layers)}

        def reference(node: Node) -> dict[str, list[int]]:
            return {"node": [numbers[node.call], node.call.nodes.index(node)]}

        def described(argument: Any) -> Any:
            mapped = _mapped(argument, reference)
            return _without_arrays(mapped)

        calls = [
            {
                "layer": None if call.layer is None else places[id(call.layer)],
                "kind": call.kind,
                "arguments": described(call.arguments),
                "keywords": described(call.keywords),
            }
            for call in self.calls
        ]
        return {
            "inputs": len(self.inputs),
            "calls": calls,
            "outputs": [reference(node)["node"] for node in self.outputs],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], layers: Sequence[Layer]) -> Graph:
        """Draw what `get_config` described, with these layers."""
        calls: list[Call] = []

        def found(argument: Any) -> Any:
            if isinstance(argument, list):
                return [found(part) for part in argument]
            if not isinstance(argument, dict):
                return argument
            if "node" in argument:
                call, result = argument["node"]
                return calls[call].nodes[result]
            if "array" in argument:
                return np.array(argument["array"])
            return {name: found(part) for name, part in argument.items()}

        for described in config["calls"]:
            layer = None if described["layer"] is None else layers[described["layer"]]
            arguments, keywords = found(described["arguments"]), found(described["keywords"])
            call = Call(layer, described["kind"], arguments, keywords)
            if call.is_input:
                assert layer is not None
                call = layer.node.call
            else:
                call.draw()
            calls.append(call)
        inputs = [call.nodes[0] for call in calls[: config["inputs"]]]
        return cls(inputs, [calls[call].nodes[result] for call, result in config["outputs"]])

    def __reduce__(self) -> Any:
        return Graph.from_config, (self.get_config(), self.layers)


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
    node = node_of(argument)
    if isinstance(node, Node):
        yield node


def _mapped(argument: Any, of: Callable[[Node], Any]) -> Any:
    """Return an argument with something in the place of each node."""
    if isinstance(argument, (list, tuple)):
        return [_mapped(part, of) for part in argument]
    if isinstance(argument, dict):
        return {name: _mapped(part, of) for name, part in argument.items()}
    node = node_of(argument)
    return of(node) if isinstance(node, Node) else argument


def _without_arrays(argument: Any) -> Any:
    """Return an argument with lists in the place of arrays, which JSON has not."""
    if isinstance(argument, np.ndarray):
        return {"array": argument.tolist()}
    if isinstance(argument, np.generic):
        return argument.item()
    if isinstance(argument, list):
        return [_without_arrays(part) for part in argument]
    if isinstance(argument, dict):
        return {name: _without_arrays(part) for name, part in argument.items()}
    return argument


def _same(node: Node) -> Node:
    return node


def _as_list(results: Any) -> list[Value]:
    return list(results) if isinstance(results, (list, tuple)) else [results]
