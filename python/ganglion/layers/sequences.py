"""Layers for sequences that have no state: padding, repetition, a layer for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import check_number
from ganglion.layers.base import Layer, LayerSettings
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Masking(Layer):
    """Takes steps whose features all have one value for padding.

    Such steps become 0, and do not count in the layers behind, in the loss and in the metrics, as
    far as the layers between keep the mask: those that act on each step do.

    Parameters
    ----------
    mask_value : float
        What padding is filled with.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input other than (None, steps, features).

    Examples
    --------
    >>> from ganglion import layers
    >>> x = [[[1.0, 2.0], [3.0, 4.0], [-1.0, -1.0]]]
    >>> mean = layers.GlobalAveragePooling1D()
    >>> ops.evaluate(lambda x: mean(Masking(mask_value=-1.0)(x)), x)
    array([[2., 3.]])
    """

    keeps_mask = True
    example_shape = (4, 3)

    def __init__(self, mask_value: float = 0.0, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.mask_value = mask_value
        check_number(self, "mask_value")

    def build(self, x: Value) -> Value:
        check_sequences(self, x)
        counts = ops.max(ops.not_equal(x, self.mask_value), axis=-1)
        if x.mask is not None:
            counts = counts * x.mask
        return ops.with_mask(ops.where(ops.expand_dims(counts, -1), x, 0.0), counts)


def check_sequences(layer: Layer, x: Value) -> None:
    """Raise where ``x`` is not (None, steps, features)."""
    if len(x.shape) != 3:
        raise ValueError(
            f"[{type(layer).__name__}] expected (None, steps, features), got {x.shape}"
        )
