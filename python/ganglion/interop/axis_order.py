"""Moving a change of the order of axes behind the layers that follow it.

Elsewhere images have their channels first, and here last. Each layer that needs them last is read
between two `Permute`; moved behind what does not care, they meet and cancel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganglion import activations, layers
from ganglion.layers import Layer, Permute
from ganglion.spec import settings_of

Order = tuple[int, ...]

# They look at each element by itself.
_ELEMENTWISE_LAYERS = (layers.Dropout, layers.GaussianNoise)
# They look at an axis.
_OTHER_ACTIVATIONS = (activations.Softmax, activations.LogSoftmax, activations.PReLU)


def composed(first: Order, second: Order) -> Order:
    """Return the order that is one after the other.

    Examples
    --------
    >>> composed((3, 1, 2), (2, 3, 1))
    (1, 2, 3)
    """
    return tuple(first[axis - 1] for axis in second)


def is_none(order: Order) -> bool:
    """Whether an order leaves all axes where they are."""
    return order == tuple(sorted(order))


def moved_before(order: Order, layer: Layer) -> Layer | None:
    """Return the layer that does before `Permute(order)` what a layer does after it, or None."""
    if isinstance(layer, layers.Activation):
        return None if isinstance(layer.activation, _OTHER_ACTIVATIONS) else layer
    if isinstance(layer, _ELEMENTWISE_LAYERS):
        shaped = isinstance(layer, layers.Dropout) and layer.noise_shape is not None
        return None if shaped else layer
    if isinstance(layer, layers.Rescaling):
        scale, offset = (_before(order, np.asarray(one)) for one in (layer.scale, layer.offset))
        return layers.Rescaling(scale, offset)
    if isinstance(layer, layers.BatchNormalization):
        axis = order[layer.axis % (len(order) + 1) - 1]
        return with_setting(layer, axis=-1 if axis == len(order) else axis)
    if isinstance(layer, layers.Residual):
        chains = [chain_before(order, chain) for chain in (layer.layers, layer.shortcut or [])]
        if chains[0] is None or chains[1] is None:
            return None
        return layers.Residual(chains[0], chains[1] or None)
    if isinstance(layer, layers.Branches):
        branches = [chain_before(order, chain) for chain in layer.branches]
        if any(branch is None for branch in branches):
            return None
        axis = order[layer.axis % (len(order) + 1) - 1]
        return with_setting(layer, branches=branches, axis=-1 if axis == len(order) else axis)
    return None


def chain_before(order: Order, chain: Sequence[Layer]) -> list[Layer] | None:
    """Return the layers that do before `Permute(order)` what a chain does after it, or None."""
    found: list[Layer] = []
    now = order
    for layer in chain:
        if isinstance(layer, Permute) and len(layer.dims) == len(now):
            now = composed(now, layer.dims)
            continue
        before = layer if is_none(now) else moved_before(now, layer)
        if before is None:
            return None
        found.append(before)
    return found if now == order else None


def _before(order: Order, array: Any) -> Any:
    """Return what broadcasts to a sample before the order as an array does after it."""
    if array.size == 1:
        return array.item()
    array = array.reshape((1,) * (len(order) - array.ndim) + array.shape)
    return array.transpose(np.argsort(order))


def with_setting(layer: Any, **changed: Any) -> Layer:
    """Return the layer with some other settings."""
    made: Layer = type(layer)(**{**settings_of(layer), **changed})
    return made
