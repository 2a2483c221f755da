"""Weights as PyTorch keeps them: a dict of names and arrays, in the order of the modules."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import compile, layers
from ganglion.built import Built
from ganglion.calls import LayerCall
from ganglion.data import as_array
from ganglion.interop.recurrent_state import converted, module_and_name, names_of
from ganglion.layers.convolution import Windowed
from ganglion.layers.recurrent import Recurrent
from ganglion.variables import Variable

Array = NDArray[Any]

# What PyTorch calls a weight that has another name here.
_NAMES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "pointwise_kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "alpha": "weight",
    "embeddings": "weight",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# A counter of PyTorch's, and layers that it does not have: they keep their statistics.
_IGNORED = "num_batches_tracked"
_KEPT = ({"mean", "variance", "count"}, {"minimum", "maximum", "count"})
# What leaves the features of a sample in their order; a weight of theirs has one number for each.
_PASSING = (
    layers.Activation,
    layers.BatchNormalization,
    layers.Dropout,
    layers.GaussianNoise,
    layers.LayerNormalization,
    layers.PReLU,
)


def weights_from(built: Built, state: Mapping[str, Any]) -> list[Array]:
    """Return all weights of a network, taken from a dict; see `Sequential.load_state_dict`.

    Parameters
    ----------
    built : Built
        The network.
    state : dict of str to array
        As ``model.state_dict()`` gives it.
    """
    if not isinstance(state, Mapping):
        raise TypeError(
            "[load_state_dict] state must be a dict of names and arrays, as model.state_dict() "
            f"gives it, got {state!r}"
        )
    state = _with_projections_apart(state)
    ours, theirs = _our_layers(built), _their_modules(state)
    if len(ours) != len(theirs):
        paths = _listed(path for path, _ in ours)
        raise ValueError(
            f"[load_state_dict] the network has {len(ours)} layers with weights, {paths}, and the "
            f"dict has {len(theirs)}, {_listed(theirs)}"
        )
    calls = compile.predict_trace(built.example).calls
    applied = {call.path: call.layer for call in calls}
    orders = _feature_orders(calls)
    given: dict[str, Array] = {}
    for (path, weights), (module, names) in zip(ours, theirs.items(), strict=True):
        layer = applied.get(path)
        needed = names_of(layer) if isinstance(layer, Recurrent) else list(weights)
        if set(needed) != set(names):
            raise ValueError(
                f"[load_state_dict] layer {path!r} needs {_listed(needed)}, and {module!r} "
                f"of the dict has {_listed(names)}"
            )
        if isinstance(layer, Recurrent):
            given |= _recurrent(layer, path, weights, {n: (k, state[k]) for n, k in names.items()})
            continue
        around = applied.get(path.rpartition("/")[0])
        for name, variable in weights.items():
            if isinstance(around, layers.MultiHeadAttention):
                given[variable.name] = _projection(variable, names[name], state[names[name]])
                continue
            array = _fitting(variable, layer, names[name], state[names[name]])
            if path in orders and (_is_kernel(variable) or isinstance(layer, _PASSING)):
                array = array[orders[path]]
            given[variable.name] = array
    return [given.get(variable.name, built.view(variable)) for variable in built.variables]


def _our_layers(built: Built) -> list[tuple[str, dict[str, Variable]]]:
    """Return the layers with weights: path, and weights by PyTorch's names."""
    found: list[tuple[str, dict[str, Variable]]] = []
    for variable in built.variables:
        path, _, own = variable.name.rpartition("/")
        name = _NAMES.get(own, own)
        # An activation that has a weight is a module of its own in PyTorch.
        if not found or found[-1][0] != path or name in found[-1][1]:
            found.append((path, {}))
        found[-1][1][name] = variable
    return [(path, layer) for path, layer in found if set(layer) not in _KEPT]


def _with_projections_apart(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dict with the weights of attention, which PyTorch joins, by themselves."""
    found: dict[str, Any] = {}
    for key, value in state.items():
        module, joined, name = str(key).rpartition("in_proj_")
        if not joined or len(value) % 3:
            found[key] = value
            continue
        size = len(value) // 3
        for place, part in enumerate(("query", "key", "value")):
            found[f"{module}{part}.{name}"] = value[place * size : (place + 1) * size]
    return found


def _their_modules(state: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return for each module its weights: names within it, and in the dict."""
    found: dict[str, dict[str, str]] = {}
    for key in state:
        module, _, name = str(key).rpartition(".")
        if name != _IGNORED:
            module, name = module_and_name(module, name)
            found.setdefault(module, {})[name] = key
    return found


def _feature_orders(calls: list[LayerCall]) -> dict[str, Array]:
    """Return for the layers behind a flattened image where each feature is in PyTorch.

    There the channels of what a convolution puts out are first, and so they are when it is
    flattened.
    """
    orders: dict[str, Array] = {}
    flattened: dict[int, Array] = {}
    convolved = False
    for call in calls:
        convolved = convolved or isinstance(call.layer, Windowed)
        sizes = [size for size in call.input.shape if size is not None]
        if isinstance(call.layer, layers.Flatten) and convolved and len(sizes) > 1:
            first = np.arange(np.prod(sizes)).reshape(sizes[-1], *sizes[:-1])
            flattened[call.output.id] = np.moveaxis(first, 0, -1).ravel()
        elif call.input.id in flattened:
            orders[call.path] = flattened[call.input.id]
            if isinstance(call.layer, _PASSING):
                flattened[call.output.id] = flattened[call.input.id]
    return orders


def _is_kernel(variable: Variable) -> bool:
    return variable.name.endswith("kernel")


def _is_depthwise(variable: Variable, layer: object) -> bool:
    own = variable.name.rpartition("/")[2]
    return own == "depthwise_kernel" or (
        own == "kernel" and isinstance(layer, layers.DepthwiseConv2D)
    )


def _recurrent(
    layer: Recurrent, path: str, weights: Mapping[str, Variable], theirs: dict[str, tuple[str, Any]]
) -> dict[str, Array]:
    """Return the weights of a recurrent layer; its states stay."""
    arrays = {name: _array(key, value) for name, (key, value) in theirs.items()}
    rows = layer.gates * layer.units
    features = weights["weight"].shape[0]
    shapes = {"weight_ih": (rows, features), "weight_hh": (rows, layer.units)}
    for name, array in arrays.items():
        wanted = shapes.get(name, (rows,))
        if array.shape != wanted:
            raise ValueError(
                f"[load_state_dict] {theirs[name][0]!r} has shape {array.shape}, and {path!r} "
                f"needs {wanted}, outputs first"
            )
    made = converted(layer, path, arrays)
    return {f"{path}/{name}": array for name, array in made.items()}


def _array(key: str, value: Any) -> Array:
    """Return a value of the dict as an array of finite numbers."""
    # A tensor of PyTorch's that is trained, or not in the processor's memory, is no array; nor is
    # one of a dtype that NumPy lacks.
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    array: Array = as_array("load_state_dict", repr(key), value)
    if not np.isfinite(array).all():
        raise ValueError(f"[load_state_dict] {key!r} has a value that is not finite")
    return array


def _projection(variable: Variable, key: str, value: Any) -> Array:
    """Return a value in the layout of a weight of attention, where heads have an axis."""
    array, shape = _array(key, value), variable.shape
    last = variable.name.endswith("/attention_output/kernel")
    units = prod(shape[2:] if last else shape[1:]) if _is_kernel(variable) else prod(shape)
    wanted = (units, prod(shape) // units) if _is_kernel(variable) else (units,)
    if array.shape != wanted:
        raise ValueError(
            f"[load_state_dict] {key!r} has shape {array.shape}, and {variable.name!r} needs "
            f"{wanted}" + (", outputs first" if _is_kernel(variable) else "")
        )
    made: Array = array.T.reshape(shape)
    return made


def _fitting(variable: Variable, layer: object, key: str, value: Any) -> Array:
    """Return a value in the layout of a weight: of kernels, PyTorch has the outputs first."""
    array = _array(key, value)
    own = variable.name.rpartition("/")[2]
    wanted = variable.shape
    if _is_depthwise(variable, layer):
        *window, channels, multiplier = variable.shape
        wanted = (channels * multiplier, 1, *window)
    elif _is_kernel(variable):
        wanted = (*variable.shape[:-3:-1], *variable.shape[:-2])
    if own == "alpha" and array.size == 1:  # one for all features
        array = np.broadcast_to(array.reshape(()), variable.shape)
    if array.shape != wanted:
        raise ValueError(
            f"[load_state_dict] {key!r} has shape {array.shape}, and {variable.name!r} needs "
            f"{wanted}" + (", outputs first" if _is_kernel(variable) else "")
        )
    if _is_kernel(variable):
        array = array.transpose(*range(2, array.ndim), 1, 0).reshape(variable.shape)
    return array


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names)) or "none"
