"""Layers for sequences that have no state: padding, repetition, a layer for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import check_count, check_number, place
from ganglion.layers.base import Layer, LayerSettings, check_single_output
from ganglion.layers.dense import Dense
from ganglion.layers.dropout import Dropout
from ganglion.ops.structure import samples_as_steps, steps_as_samples
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
        In ``build``, an input other than (None, steps, features). When data are read, for a sample
        that is nothing but padding.

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

    @property
    def padding_value(self) -> float:
        return self.mask_value

    def build(self, x: Value) -> Value:
        check_sequences(self, x)
        counts = ops.max(ops.not_equal(x, self.mask_value), axis=-1)
        if x.mask is not None:
            counts = counts * x.mask
        return ops.with_mask(ops.where(ops.expand_dims(counts, -1), x, 0.0), counts)


class RepeatVector(Layer):
    """The input at each of ``n`` steps: (None, n, features) for (None, features).

    Parameters
    ----------
    n : int
        Number of steps.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input other than (None, features).

    Examples
    --------
    >>> ops.evaluate(RepeatVector(2), [[1.0, 5.0]]).tolist()
    [[[1.0, 5.0], [1.0, 5.0]]]
    """

    def __init__(self, n: int, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.n = n
        check_count(self, "n")

    @classmethod
    def examples(cls) -> list[RepeatVector]:
        return [cls(3)]

    def build(self, x: Value) -> Value:
        if len(x.shape) != 2:
            raise ValueError(f"[RepeatVector] expected (None, features), got {x.shape}")
        return ops.broadcast_to(ops.expand_dims(x, 1), (None, self.n, *x.shape[1:]))


class TimeDistributed(Layer):
    """A layer applied to each step of a sequence by itself, with the same weights.

    All steps of a batch go through it at once, as samples. So `BatchNormalization` within takes
    its moments over all of them, where Keras's takes those of each step. The layer may not be
    recurrent, nor hold one that is.

    Parameters
    ----------
    layer : Layer
        For inputs (None, ...).
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input other than (None, steps, ...).

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import layers
    >>> images = TimeDistributed(layers.Conv2D(4, 3))
    >>> ops.evaluate(images, np.ones((2, 7, 5, 5, 1))).shape
    (2, 7, 3, 3, 4)
    """

    keeps_mask = True
    example_shape = (4, 3)

    def __init__(self, layer: Layer, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        if not isinstance(layer, Layer):
            raise TypeError(f"[TimeDistributed] layer must be a Layer, got {layer!r}")
        check_single_output(place(self), layer)
        self.layer = layer

    @classmethod
    def examples(cls) -> list[TimeDistributed]:
        return [cls(Dense(2, activation="tanh")), cls(Dropout(0.4, noise_shape=(None, 1)))]

    def build(self, x: Value) -> Value:
        if len(x.shape) < 3:
            raise ValueError(f"[TimeDistributed] expected (None, steps, ...), got {x.shape}")
        with steps_as_samples(x) as steps:
            y = self.layer(steps)
        return samples_as_steps(y, x.shape[1])


def check_sequences(layer: Layer, x: Value) -> None:
    """Raise where ``x`` is not (None, steps, features)."""
    if len(x.shape) != 3:
        raise ValueError(
            f"[{type(layer).__name__}] expected (None, steps, features), got {x.shape}"
        )
