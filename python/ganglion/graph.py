"""How the layers of a network are joined: in a chain, or in a graph."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ganglion.drawing import Call, Layer, Node, mapped
from ganglion.tracing import Trace
from ganglion.value import Value
from ganglion.variables import Variables


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
            arguments = mapped(call.arguments, known.__getitem__)
            keywords = mapped(call.keywords, known.__getitem__)
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
            return _without_arrays(mapped(argument, reference))

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
