"""Reading a Keras model as a network.

Names, settings and weight layouts are Keras's here, so that a layer is read by its configuration.
Keras itself is not imported: whoever has a model of it has done so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import layers, spec
from ganglion.interop.graph import GraphReader, Node, Piece, weights_of
from ganglion.layers.recurrent import Recurrent
from ganglion.spec import parameter_names

Array = NDArray[Any]

# Layers of which nothing is left, and models that stand in the place of a layer.
_NOTHING = frozenset({"Identity", "InputLayer"})
_MODELS = frozenset({"Sequential", "Functional"})
# Activations that are layers of their own in Keras.
_ACTIVATIONS = frozenset({"ReLU", "LeakyReLU", "ELU", "Softmax"})
# What a layer may say beside the settings known here: that it does without.
_WITHOUT = (None, False, "channels_last")
_WITHOUT_EFFECT = frozenset({"dtype", "renorm_momentum", "fill_mode", "unroll"})
_ACTIVATION_SETTINGS = frozenset({"activation", "recurrent_activation"})
# Arguments of calls that Keras fills in behind `Masking` and embeddings, as layers do here.
_MASKS = frozenset({"mask", "query_mask", "value_mask", "key_mask"})
_LAYER_SETTINGS = frozenset({"layer", "backward_layer"})


@dataclass(eq=False)
class KerasNode(Node):
    """A layer of a Keras model.

    Attributes
    ----------
    config : dict
        Its settings.
    layer : keras.layers.Layer or None
        Itself; None for the network's input.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    layer: Any = None


def load(make: Callable[..., Any], model: Any) -> Any:
    """Return the network of a model; see `Sequential.from_keras`.

    Parameters
    ----------
    make : callable
        The class, called with layers and dtype.
    model : keras.Model
        Sequential or functional.
    """
    nodes = _nodes_of(model)
    shape = _input_shape(model)
    pieces = _KerasReader(nodes).chain(nodes[0], nodes[-1])
    weights = weights_of(pieces)
    dtype = "float64" if any(array.dtype == np.float64 for array in weights) else "float32"
    stateful = any(getattr(piece.layer, "stateful", False) for piece in pieces)
    batch_size = model.input_shape[0] if stateful else None
    chain = [layers.Input(shape, batch_size), *(piece.layer for piece in pieces)]
    net = make(layers=chain, dtype=dtype)
    net.set_weights(weights)
    return net


def _nodes_of(model: Any) -> list[KerasNode]:
    """Return the layers of a model, each behind its inputs; the output last."""
    if not any(_of_keras(cls.__module__) for cls in type(model).__mro__):
        raise TypeError(f"[from_keras] model must be a Keras model, got {model!r}")
    name = getattr(model, "name", "")
    try:
        config = model.get_config()
    except NotImplementedError:  # of a class that does not say how it is made
        config = {}
    # A class of one's own may compute something else than its layers do.
    if "layers" not in config or not _of_keras(type(model).__module__):
        raise ValueError(
            "[from_keras] model must be a Sequential or functional model, got the "
            f"{type(model).__name__} {name!r}"
        )
    if not model.built:
        raise ValueError(f"[from_keras] model {name!r} has no weights yet: call it on data")
    described = config["layers"]
    if "output_layers" in config:
        return _connected(model, described, config["output_layers"])
    nodes = [KerasNode("input", "InputLayer")]
    for layer in described:
        if layer["class_name"] != "InputLayer":
            nodes.append(_node(model, layer, [nodes[-1]]))
    return nodes


def _of_keras(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] == "keras"


def _node(model: Any, described: Mapping[str, Any], inputs: list[Node]) -> KerasNode:
    module, kind, config = (described[name] for name in ("module", "class_name", "config"))
    name = described.get("name") or config["name"]
    if module != "keras.layers" and not (kind in _MODELS and _of_keras(module)):
        kind = f"{module}.{kind}" if module else f"{kind} of your own"
        return KerasNode(name, kind, inputs, config)
    return KerasNode(name, kind, inputs, config, model.get_layer(name))


def _connected(model: Any, described: list[Any], outputs: Any) -> list[KerasNode]:
    found: dict[str, KerasNode] = {}
    for layer in described:
        calls = layer["inbound_nodes"]
        if len(calls) > 1:
            raise ValueError(
                f"[from_keras] layer {layer['name']!r} is called {len(calls)} times: a layer can "
                "be used once"
            )
        attends = layer["class_name"] == "MultiHeadAttention"
        # Attention is called with one value as query and as value.
        names = dict.fromkeys(_tensors(calls)) if attends else _tensors(calls)
        inputs: list[Node] = [found[name] for name in names]
        if not calls and any(not node.inputs for node in found.values()):
            raise ValueError(f"[from_keras] model {model.name!r} must have one input")
        found[layer["name"]] = _node(model, _to_itself(layer) if attends else layer, inputs)
    if len(np.ravel(np.asarray(outputs, dtype=object))) != 3:
        raise ValueError(f"[from_keras] model {model.name!r} must have one output")
    last = found[outputs[0] if isinstance(outputs[0], str) else outputs[0][0]]
    return [*(node for node in found.values() if node is not last), last]


def _to_itself(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of attention of a value to itself, with what its call says."""
    (call,), config = layer["inbound_nodes"], dict(layer["config"])
    if len(set(_tensors(call))) > 1 or call["kwargs"].get("return_attention_scores"):
        raise ValueError(
            f"[from_keras] layer {layer['name']!r} (MultiHeadAttention) must be called with one "
            "value, layer(x, x), and return the outputs alone"
        )
    if tuple(config.pop("attention_axes") or (1,)) != (1,):
        raise ValueError(
            f"[from_keras] layer {layer['name']!r} (MultiHeadAttention) must attend along axis 1"
        )
    config["causal"] = bool(call["kwargs"].get("use_causal_mask"))
    return {**layer, "config": config}


def _tensors(value: Any) -> Iterator[str]:
    """Yield the names of the layers whose results are among the arguments of a call."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"][0]
        else:
            for name, item in value.items():
                if name not in _MASKS:
                    yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _input_shape(model: Any) -> tuple[int | None, ...]:
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) < 2 or None in shape[2:]:
        raise ValueError(f"[from_keras] the model must take samples of known sizes, got {shape}")
    return shape[1:]


class _KerasReader(GraphReader):
    """Reads the layers of a Keras model as ganglion's."""

    word = "layer"
    merges = {
        "Add": "add",
        "Subtract": "subtract",
        "Multiply": "multiply",
        "Average": "average",
        "Maximum": "maximum",
        "Minimum": "minimum",
        "Concatenate": "concat",
    }

    def __init__(self, nodes: list[KerasNode]) -> None:
        super().__init__("from_keras", nodes)

    def pieces_of(self, node: Node) -> list[Piece]:
        assert isinstance(node, KerasNode)
        if node.kind in _NOTHING:
            return []
        if node.kind in _MODELS:
            nodes = _nodes_of(node.layer)
            within = _KerasReader(nodes).chain(nodes[0], nodes[-1])
            for piece in within:  # names are those of another model
                piece.layer.name = None
            return within
        made = self._layer(node, node.kind, node.config)
        return [Piece(made, [*node.layer.get_weights(), *self._states(node, made)])]

    def _states(self, node: KerasNode, layer: layers.Layer) -> list[Array]:
        """Return the states that a layer keeps, zeros, which Keras does not count as weights."""
        if not getattr(getattr(layer, "layer", layer), "stateful", False):
            return []
        if not isinstance(layer, Recurrent):
            raise self.refused(node, "holds layers that are stateful, which is not supported")
        shape = node.layer.states[0].shape
        return [np.zeros(shape) for _ in layer.state_names]

    def merge_settings(self, node: Node) -> dict[str, Any]:
        assert isinstance(node, KerasNode)
        return {"axis": node.config["axis"]} if node.kind == "Concatenate" else {}

    @property
    def supported(self) -> list[str]:
        own = {cls.__name__ for cls in spec.built_in("layer").values()}
        without = {"Input", "RandomCrop", "Residual", "Branches"}
        return list((own - without) | self.merges.keys() | _MODELS)

    def _layer(self, node: KerasNode, kind: str, config: Mapping[str, Any]) -> layers.Layer:
        """Return a layer by the name of its class and its settings, or refuse the node."""
        cls = _class("layer", kind)
        if kind == "RandomCrop":
            raise self.refused(
                node,
                "crops in training alone, where ganglion's predicts from the middle: crop "
                "before the model, or leave the layer out",
            )
        if cls is not None and kind in self.supported:
            made: layers.Layer = cls(**self._settings(node, cls, config))
            return made
        raise self.unsupported(node)

    def _settings(
        self, node: KerasNode, cls: type[Any], config: Mapping[str, Any]
    ) -> dict[str, Any]:
        settings, known = {}, parameter_names(cls)
        for name, value in config.items():
            if name in known:
                settings[name] = self._setting(node, name, value)
            elif name not in _WITHOUT_EFFECT and value not in _WITHOUT:
                raise self.refused(node, f"has {name} {value!r}, which is not supported")
        return settings

    def _setting(self, node: KerasNode, name: str, value: Any) -> Any:
        if name in _ACTIVATION_SETTINGS and isinstance(value, str):
            try:
                return spec.get("activation", value)
            except ValueError:
                raise self.refused(
                    node, f"has the activation {value!r}, which is not supported"
                ) from None
        if not isinstance(value, Mapping):
            return value
        if name in _LAYER_SETTINGS:
            return self._layer(node, value["class_name"], value["config"])
        if name in _ACTIVATION_SETTINGS:
            if value.get("class_name") not in _ACTIVATIONS:  # a function, or a layer with weights
                raise self.refused(node, "has an activation that is not supported")
            layer = self._layer(node, value["class_name"], {**value["config"], "name": None})
            assert isinstance(layer, (layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Softmax))
            return layer.activation
        kind = name.rpartition("_")[2]
        cls = _class(kind, value["class_name"])
        if cls is None:
            if kind == "initializer":  # the weights are there already
                return "zeros"
            raise self.refused(
                node, f"has the {name} {value['class_name']}, which is not supported"
            )
        given = {key: one for key, one in value["config"].items() if one is not None}
        return cls(**{key: one for key, one in given.items() if key in parameter_names(cls)})


def _class(kind: str, class_name: str) -> type[Any] | None:
    """Return the class of a kind that is called as Keras's is, or None."""
    return {cls.__name__: cls for cls in spec.built_in(kind).values()}.get(class_name)
