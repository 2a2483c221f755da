"""Reading a functional model of Keras as a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import layers
from ganglion.interop.graph import Piece
from ganglion.interop.keras_layers import (
    MASKS,
    MODELS,
    NOTHING,
    attending_to_itself,
    config_of,
    node_of,
    read_layer,
    refused,
)
from ganglion.interop.keras_operations import apply_operation
from ganglion.layers.recurrent import Carrying

Array = NDArray[Any]
Reference = tuple[str, int, int]  # a layer, which of its calls, which of its results

_OPERATIONS = "keras.src.ops."


def load(make: Callable[..., Any], model: Any) -> Any:
    """Return the network of a model; see `Model.from_keras`.

    Parameters
    ----------
    make : callable
        The class, called with inputs, outputs and dtype.
    model : keras.Model
        Sequential or functional.
    """
    config = config_of(model)
    made = _Layers()
    if "output_layers" not in config:
        inputs: Any = _input("input", [None, *model.input_shape[1:]], model.input_shape[0])
        outputs: Any = made.chain(model, config, inputs)
    else:
        descriptions = {layer["name"]: layer for layer in config["layers"]}
        inputs = _placed(
            config["input_layers"],
            lambda given: _input(given[0], descriptions[given[0]]["config"]["batch_shape"]),
        )
        outputs = made.graph(model, config, inputs)
    pieces = made.pieces
    is_double = any(array.dtype == np.float64 for piece in pieces for array in piece.weights)
    net = make(inputs, outputs, dtype="float64" if is_double else "float32")
    _set_weights(net, pieces)
    return net


def _input(name: str, shape: Sequence[int | None], batch_size: int | None = None) -> layers.Input:
    sizes = list(shape[1:])
    if None in sizes[1:]:
        raise ValueError(
            f"[from_keras] input {name!r} must have known sizes, but for the steps, got {sizes}"
        )
    return layers.Input(sizes, batch_size or shape[0], name=name)


def _set_weights(net: Any, pieces: Sequence[Piece]) -> None:
    """Give each layer its weights: Keras orders layers by their depth, we by their first use."""
    paths = {id(row.layer): row.name for row in net.layer_rows}
    named = list(zip(net.weight_names, net.weights, strict=True))
    for layer, weights in pieces:
        path = paths[id(layer)]
        own = [weight for name, weight in named if name.startswith(f"{path}/")]
        for weight, values in zip(own, weights, strict=True):
            weight[...] = values


class _Layers:
    """The layers that are read, each once.

    Attributes
    ----------
    pieces : list of Piece
        Those, with their weights.
    """

    def __init__(self) -> None:
        self._made: dict[int, Piece] = {}

    @property
    def pieces(self) -> list[Piece]:
        return list(self._made.values())

    def chain(self, model: Any, config: Mapping[str, Any], x: Any, inner: bool = False) -> Any:
        """Return what a sequential model makes of a node."""
        for described in config["layers"]:
            if described["class_name"] == "InputLayer":
                continue
            x = self.called(model, described, x, {}, inner)
        return x

    def graph(self, model: Any, config: Mapping[str, Any], inputs: Any, inner: bool = False) -> Any:
        """Return what a functional model makes of nodes; both as the model has them."""
        return _Graph(self, model, config, inputs, inner).outputs()

    def called(
        self,
        model: Any,
        described: Mapping[str, Any],
        x: Any,
        keywords: Mapping[str, Any],
        inner: bool,
    ) -> Any:
        """Return what a layer of a model, or a model within it, makes of what it is called with."""
        node = node_of(model, described, [])
        if node.kind in NOTHING:
            return x
        if node.kind in MODELS:
            config = config_of(node.layer)
            within = self.graph if "output_layers" in config else self.chain
            return within(node.layer, config, x, True)
        known = self._made.get(id(node.layer))
        if known is None:
            known = read_layer(node)
            if inner:  # names are those of another model
                known.layer.name = None
            self._made[id(node.layer)] = known
        given = {
            name: value
            for name, value in keywords.items()
            if name not in MASKS and value not in (None, False)
        }
        states = given.pop("initial_state", None)
        if given:
            raise refused(node, f"is called with {', '.join(given)}, which is not supported")
        if states is None:
            return known.layer(x)
        if not isinstance(known.layer, Carrying):
            raise refused(node, "is called with initial_state, which is not supported")
        states = states if isinstance(states, (list, tuple)) else [states]
        return known.layer(x, initial_state=states)


class _Graph:
    """The calls of a functional model, made when one that needs them is.

    Parameters
    ----------
    layers : _Layers
        Where those are that were read.
    model, config
        Of Keras.
    inputs : node, or list or dict of nodes
        As ``config["input_layers"]``.
    inner : bool
        Whether the model stands within another.
    """

    def __init__(
        self, layers: _Layers, model: Any, config: Mapping[str, Any], inputs: Any, inner: bool
    ) -> None:
        self._layers, self._model, self._inner = layers, model, inner
        self._config = config
        self._described = {layer["name"]: layer for layer in config["layers"]}
        self._results: dict[tuple[str, int], Any] = {}
        given = list(_leaves(config["input_layers"], _is_reference))
        found = list(_leaves(inputs, _is_node))
        if len(given) != len(found):
            raise ValueError(
                f"[from_keras] model {model.name!r} takes {len(given)} inputs and is called with "
                f"{len(found)}"
            )
        for (name, call, _), node in zip(given, found, strict=True):
            self._results[name, call] = node

    def outputs(self) -> Any:
        """Return the nodes of the outputs, as the model has them."""

        def end(reference: Reference) -> Any:
            name, call, result = reference
            # Keras counts the calls of a functional model from 1 here, and from 0 elsewhere.
            first = int(self._described[name]["class_name"] == "Functional")
            return self._node((name, call - first, result))

        return _placed(self._config["output_layers"], end)

    def _node(self, reference: Reference) -> Any:
        name, call, result = reference
        self._make(name, call)
        made = self._results[name, call]
        return made[result] if isinstance(made, (list, tuple)) else made

    def _make(self, name: str, call: int) -> None:
        """Make a call, and before it those it needs; without recursion, since graphs are deep."""
        waiting = [(name, call)]
        while waiting:
            now = waiting[-1]
            missing = [] if now in self._results else self._needed(*now)
            waiting += missing
            if not missing:
                if now not in self._results:
                    self._results[now] = self._call(*now)
                waiting.pop()

    def _arguments(self, name: str, call: int) -> tuple[Any, Any]:
        made = self._described[name]["inbound_nodes"][call]
        keywords = {key: value for key, value in made["kwargs"].items() if key not in MASKS}
        return made["args"], keywords

    def _needed(self, name: str, call: int) -> list[tuple[str, int]]:
        found = ((tensor[0], tensor[1]) for tensor in _tensors(self._arguments(name, call)))
        return [one for one in found if one not in self._results]

    def _call(self, name: str, call: int) -> Any:
        described = self._described[name]
        arguments, keywords = (self._value(part) for part in self._arguments(name, call))
        module = str(described["module"])
        if module.startswith(_OPERATIONS):
            settings = described["config"]
            return apply_operation(name, described["class_name"], settings, arguments, keywords)
        if described["class_name"] == "MultiHeadAttention":
            one = {**described, "inbound_nodes": [described["inbound_nodes"][call]]}
            described, arguments, keywords = attending_to_itself(one), arguments[:1], {}
        if len(arguments) > 1:
            keywords = {**dict(zip(("initial_state",), arguments[1:], strict=True)), **keywords}
        x = arguments[0] if arguments else keywords.pop("inputs")
        made = self._layers.called(self._model, described, x, keywords, self._inner)
        return list(_leaves(made, _is_node)) if described["class_name"] in MODELS else made

    def _value(self, described: Any) -> Any:
        """Return an argument of a call: nodes, numbers, slices, and lists of them."""
        if isinstance(described, (list, tuple)):
            return [self._value(part) for part in described]
        if not isinstance(described, Mapping):
            return described
        kind = described.get("class_name")
        if kind == "__keras_tensor__":
            name, call, result = described["config"]["keras_history"]
            return self._node((name, call, result))
        if kind == "__slice__":
            bounds = described["config"]
            return slice(bounds["start"], bounds["stop"], bounds["step"])
        if kind == "__ellipsis__":
            return Ellipsis
        if kind == "__tuple__":
            return tuple(self._value(part) for part in described["items"])
        if kind in ("__numpy__", "__tensor__"):
            return np.asarray(described["config"]["value"], dtype=np.float64)
        return {name: self._value(part) for name, part in described.items()}


def _is_reference(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[0], str)


def _is_node(value: Any) -> bool:
    return not isinstance(value, (list, tuple, dict))


def _placed(structure: Any, of: Callable[[Any], Any]) -> Any:
    """Return a structure of references with something in the place of each."""
    if _is_reference(structure):
        return of(structure)
    if isinstance(structure, Mapping):
        return {name: _placed(part, of) for name, part in structure.items()}
    return [_placed(part, of) for part in structure]


def _leaves(structure: Any, is_leaf: Callable[[Any], bool]) -> Iterator[Any]:
    """Yield what a structure holds, in Keras's order: dicts by their keys."""
    if is_leaf(structure):
        yield structure
        return
    parts = (
        [structure[name] for name in sorted(structure)]
        if isinstance(structure, Mapping)
        else structure
    )
    for part in parts:
        yield from _leaves(part, is_leaf)


def _tensors(described: Any) -> Iterator[Reference]:
    if isinstance(described, Mapping):
        if described.get("class_name") == "__keras_tensor__":
            name, call, result = described["config"]["keras_history"]
            yield name, call, result
            return
        described = list(described.values())
    if isinstance(described, (list, tuple)):
        for part in described:
            yield from _tensors(part)
