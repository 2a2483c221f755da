"""Weights as PyTorch keeps them: a dict of names and arrays, in the order of the modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.built import Built
from ganglion.data import as_array
from ganglion.variables import Variable

Array = NDArray[Any]

# What PyTorch calls a weight that has another name here.
_NAMES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "alpha": "weight",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# A counter of PyTorch's, and layers that it does not have: they keep their statistics.
_IGNORED = "num_batches_tracked"
_KEPT = ({"mean", "variance", "count"}, {"minimum", "maximum", "count"})


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
    ours, theirs = _our_layers(built), _their_modules(state)
    if len(ours) != len(theirs):
        paths = _listed(path for path, _ in ours)
        raise ValueError(
            f"[load_state_dict] the network has {len(ours)} layers with weights, {paths}, and the "
            f"dict has {len(theirs)}, {_listed(theirs)}"
        )
    given: dict[str, Array] = {}
    for (path, layer), (module, names) in zip(ours, theirs.items(), strict=True):
        if layer.keys() != set(names):
            raise ValueError(
                f"[load_state_dict] layer {path!r} needs {_listed(layer)}, and {module!r} of the "
                f"dict has {_listed(names)}"
            )
        for name, variable in layer.items():
            given[variable.name] = _fitting(variable, names[name], state[names[name]])
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


def _their_modules(state: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return for each module its weights: names within it, and in the dict."""
    found: dict[str, dict[str, str]] = {}
    for key in state:
        module, _, name = str(key).rpartition(".")
        if name != _IGNORED:
            found.setdefault(module, {})[name] = key
    return found


def _fitting(variable: Variable, key: str, value: Any) -> Array:
    """Return a value in the layout of a weight."""
    # A tensor of PyTorch's that is trained, or not in the processor's memory, is no array; nor is
    # one of a dtype that NumPy lacks.
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    array = as_array("load_state_dict", repr(key), value)
    own = variable.name.rpartition("/")[2]
    wanted = variable.shape[::-1] if own == "kernel" else variable.shape
    if own == "alpha" and array.size == 1:  # one for all features
        array = np.broadcast_to(array.reshape(()), variable.shape)
    if array.shape != wanted:
        raise ValueError(
            f"[load_state_dict] {key!r} has shape {array.shape}, and {variable.name!r} needs "
            f"{wanted}" + (", outputs first" if own == "kernel" else "")
        )
    if not np.isfinite(array).all():
        raise ValueError(f"[load_state_dict] {key!r} has a value that is not finite")
    return array.T if own == "kernel" else array


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names)) or "none"
