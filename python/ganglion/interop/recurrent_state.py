"""The weights of PyTorch's recurrent modules, ``weight_ih_l0`` and so on, in the layout of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.layers import GRU
from ganglion.layers.recurrent import Recurrent

Array = NDArray[Any]

_NAME = re.compile(r"(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)(_l\d+(?:_reverse)?)")
# Where each gate of ours stands in PyTorch's GRU, whose first gate is the one that resets.
_GRU_ORDER = (1, 0, 2)


def module_and_name(module: str, name: str) -> tuple[str, str]:
    """Return a module for each layer and direction of a recurrent one: ``"rnn_l0"``, its weight."""
    found = _NAME.fullmatch(name)
    return (module + found[2], found[1]) if found else (module, name)


def names_of(layer: Recurrent) -> list[str]:
    """Return what PyTorch calls the weights of a layer."""
    return ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if layer.use_bias else [])]


def converted(layer: Recurrent, path: str, theirs: Mapping[str, Array]) -> dict[str, Array]:
    """Return kernels and bias, by our names, of what PyTorch has; shapes are checked by others.

    Parameters
    ----------
    layer : Recurrent
        The layer.
    path : str
        Its path, for the error.
    theirs : dict of str to ndarray
        Kernels (gates * units, inputs), and two biases, which are added up in PyTorch too.

    Raises
    ------
    ValueError
        For a `GRU` without ``reset_after``, which PyTorch does not have.
    """
    if isinstance(layer, GRU) and not layer.reset_after:
        raise ValueError(
            f"[load_state_dict] layer {path!r} has reset_after=False, and PyTorch's GRU resets "
            "after the product"
        )
    ordered = {name: _ordered(layer, array) for name, array in theirs.items()}
    weights = {"kernel": ordered["weight_ih"].T, "recurrent_kernel": ordered["weight_hh"].T}
    if layer.use_bias:
        both = [ordered["bias_ih"], ordered["bias_hh"]]
        weights["bias"] = np.stack(both) if isinstance(layer, GRU) else both[0] + both[1]
    return weights


def _ordered(layer: Recurrent, array: Array) -> Array:
    """Return the gates of an array, its rows, in our order."""
    if not isinstance(layer, GRU) or len(array) % 3:
        return array
    return np.concatenate([np.split(array, 3)[gate] for gate in _GRU_ORDER])
