"""The weights of a network in memory: one flat buffer, of which each is a slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.data import as_array
from ganglion.variables import Variable, Variables

Array = NDArray[Any]


class Weights:
    """Weights of a network, by variable.

    Parameters
    ----------
    layout : Variables
        Where each of them stands.
    dtype : {"float32", "float64"}
        Of weights and arithmetic.

    Attributes
    ----------
    parameters : Store
        The flat buffer.
    """

    def __init__(self, layout: Variables, dtype: str) -> None:
        self.layout = layout
        self.dtype = dtype
        self.parameters = new_store(layout.size, dtype)

    @property
    def variables(self) -> list[Variable]:
        """The weights in the order of ``get_weights``."""
        return list(self.layout)

    def _within(self, path: str) -> list[Variable]:
        return [variable for variable in self.variables if variable.name.startswith(path + "/")]

    def view(self, variable: Variable) -> Array:
        """Return the values of a weight, writable, in its shape."""
        return self.parameters.array[variable.span].reshape(variable.shape)

    @property
    def untrained(self) -> Array:
        """The part of the flat weights that the optimizer leaves alone: moving statistics."""
        return self.parameters.array[self.layout.trainable_size :]

    def laid_out_anew(self, flat: Array, other: Weights) -> Array:
        """Return weights in this layout, given flat as another network of the same lays them."""
        anew = np.zeros_like(self.parameters.array)
        for variable in self.variables:
            anew[variable.span] = flat[other.layout[variable.name].span]
        return anew

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights, or none when one does not fit.

        Raises
        ------
        TypeError
            For a weight that holds no numbers.
        ValueError
            For another number of arrays, another shape, or a value that is not finite or would not
            be in the network's dtype.
        """
        variables = self.variables
        if not isinstance(weights, (Sequence, np.ndarray)) or isinstance(weights, str):
            raise TypeError(f"[set_weights] weights must be a list of arrays, got {weights!r}")
        if len(weights) != len(variables):
            raise ValueError(
                f"[set_weights] the network has {len(variables)} weights, got {len(weights)}"
            )
        arrays = [
            self._check_weight(f"weight {index} ({variable.name})", variable, weight)
            for index, (variable, weight) in enumerate(zip(variables, weights, strict=True))
        ]
        for variable, array in zip(variables, arrays, strict=True):
            self.view(variable)[...] = array

    def _check_weight(self, name: str, variable: Variable, weight: Any) -> Array:
        array = as_array("set_weights", name, weight)
        if array.shape != variable.shape:
            raise ValueError(
                f"[set_weights] {name} must have shape {variable.shape}, got {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"[set_weights] {name} has a value that is not finite")
        if np.abs(array).max(initial=0) > np.finfo(self.dtype).max:
            raise ValueError(f"[set_weights] {name} has a value too large for {self.dtype}")
        return array


def new_store(size: int, dtype: str) -> _core.Store:
    """Return a flat buffer, or say what there is no memory for."""
    try:
        return _core.Store(size, dtype)
    except MemoryError:
        gigabytes = size * np.dtype(dtype).itemsize / 1e9
        raise MemoryError(
            f"[Sequential] there is no memory for {size:,} weights or their optimizer's state, "
            f"{gigabytes:,.0f} GB"
        ) from None
