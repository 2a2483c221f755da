"""Layers of Keras as ganglion's, by their configuration.

Names, settings and weight layouts are Keras's here. Keras itself is not imported: whoever has a
model of it has done so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import layers, spec
from ganglion.interop.graph import Node, Piece
from ganglion.layers.recurrent import Recurrent
from ganglion.spec import parameter_names

Array = NDArray[Any]

# Layers of which nothing is left, and models that stand in the place of a layer.
NOTHING = frozenset({"Identity", "InputLayer"})
MODELS = frozenset({"Sequential", "Functional"})
# Arguments of calls that Keras fills in behind `Masking` and embeddings, as layers do here.
MASKS = frozenset({"mask", "query_mask", "value_mask", "key_mask"})
# Activations that are layers of their own in Keras.
_ACTIVATIONS = frozenset({"ReLU", "LeakyReLU", "ELU", "Softmax"})
# What a layer may say beside the settings known here: that it does without.
_WITHOUT = (None, False, "channels_last")
_WITHOUT_EFFECT = frozenset({"dtype", "renorm_momentum", "fill_mode", "unroll"})
_ACTIVATION_SETTINGS = frozenset({"activation", "recurrent_activation"})
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


def config_of(model: Any) -> dict[str, Any]:
    """Return the description of a model, or raise where what it computes cannot be told by it."""
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
    return dict(config)


def _of_keras(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] == "keras"


def node_of(model: Any, described: Mapping[str, Any], inputs: list[Node]) -> KerasNode:
    """Return the node of a layer as a model describes it."""
    module, kind, config = (described[name] for name in ("module", "class_name", "config"))
    name = described.get("name") or config["name"]
    if module != "keras.layers" and not (kind in MODELS and _of_keras(module)):
        kind = f"{module}.{kind}" if module else f"{kind} of your own"
        return KerasNode(name, kind, inputs, config)
    return KerasNode(name, kind, inputs, config, model.get_layer(name))


def read_layer(node: KerasNode) -> Piece:
    """Return what a layer of Keras is, with its weights, or refuse it."""
    made = _layer(node, node.kind, node.config)
    return Piece(made, [*node.layer.get_weights(), *_states(node, made)])


def _states(node: KerasNode, layer: layers.Layer) -> list[Array]:
    """Return the states that a layer keeps, zeros, which Keras does not count as weights."""
    if not getattr(getattr(layer, "layer", layer), "stateful", False):
        return []
    if not isinstance(layer, Recurrent):
        raise refused(node, "holds layers that are stateful, which is not supported")
    shape = node.layer.states[0].shape
    return [np.zeros(shape) for _ in layer.state_names]


def supported() -> set[str]:
    """Return the names of the layers that can be read."""
    own = {cls.__name__ for cls in spec.built_in("layer").values()}
    return own - {"Input", "RandomCrop", "Residual", "Branches"}


def refused(node: Node, why: str) -> ValueError:
    """Return the error that says why a layer cannot be read whose kind can."""
    return ValueError(f"[from_keras] layer {node.name!r} ({node.kind}) {why}")


def unsupported(node: Node) -> ValueError:
    """Return the error that names a layer of a kind that cannot be read."""
    known = ", ".join(sorted(supported() | MODELS))
    return ValueError(
        f"[from_keras] layer {node.name!r} is a {node.kind}, which is not supported; supported "
        f"are {known}"
    )


def attending_to_itself(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of attention of a value to itself, with what its call says."""
    (call,), config = layer["inbound_nodes"], dict(layer["config"])
    if len(set(tensors_in(call))) > 1 or call["kwargs"].get("return_attention_scores"):
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


def tensors_in(value: Any) -> Iterator[str]:
    """Yield the names of the layers whose results are among the arguments of a call."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"][0]
        else:
            for name, item in value.items():
                if name not in MASKS:
                    yield from tensors_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)


def _layer(node: KerasNode, kind: str, config: Mapping[str, Any]) -> layers.Layer:
    """Return a layer by the name of its class and its settings, or refuse the node."""
    cls = _class("layer", kind)
    if kind == "RandomCrop":
        raise refused(
            node,
            "crops in training alone, where ganglion's predicts from the middle: crop "
            "before the model, or leave the layer out",
        )
    if cls is not None and kind in supported():
        made: layers.Layer = cls(**_settings(node, cls, config))
        return made
    raise unsupported(node)


def _settings(node: KerasNode, cls: type[Any], config: Mapping[str, Any]) -> dict[str, Any]:
    settings, known = {}, parameter_names(cls)
    for name, value in config.items():
        if name in known:
            settings[name] = _setting(node, name, value)
        elif name not in _WITHOUT_EFFECT and value not in _WITHOUT:
            raise refused(node, f"has {name} {value!r}, which is not supported")
    return settings


def _setting(node: KerasNode, name: str, value: Any) -> Any:
    if name in _ACTIVATION_SETTINGS and isinstance(value, str):
        try:
            return spec.get("activation", value)
        except ValueError:
            raise refused(node, f"has the activation {value!r}, which is not supported") from None
    if not isinstance(value, Mapping):
        return value
    if name in _LAYER_SETTINGS:
        return _layer(node, value["class_name"], value["config"])
    if name in _ACTIVATION_SETTINGS:
        if value.get("class_name") not in _ACTIVATIONS:  # a function, or a layer with weights
            raise refused(node, "has an activation that is not supported")
        layer = _layer(node, value["class_name"], {**value["config"], "name": None})
        assert isinstance(layer, (layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Softmax))
        return layer.activation
    kind = name.rpartition("_")[2]
    cls = _class(kind, value["class_name"])
    if cls is None:
        if kind == "initializer":  # the weights are there already
            return "zeros"
        raise refused(node, f"has the {name} {value['class_name']}, which is not supported")
    given = {key: one for key, one in value["config"].items() if one is not None}
    return cls(**{key: one for key, one in given.items() if key in parameter_names(cls)})


def _class(kind: str, class_name: str) -> type[Any] | None:
    """Return the class of a kind that is called as Keras's is, or None."""
    return {cls.__name__: cls for cls in spec.built_in(kind).values()}.get(class_name)
