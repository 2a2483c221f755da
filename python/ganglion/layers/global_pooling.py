"""Pooling over whole images and sequences: one number for each channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from ganglion import ops
from ganglion.errors import check_boolean
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.images import check_images
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


# Less than what float32 holds of data, and itself a number that it holds.
_LOWEST = -3e38


class _GlobalPooling(Layer, registered=False):
    """What the four have in common."""

    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Value]]

    def __init__(self, keepdims: bool = False, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.keepdims = keepdims
        check_boolean(self, "keepdims")

    def build(self, x: Value) -> Value:
        check_images(self, x, self.axes)
        return type(self).pool(x, range(1, self.axes + 1), keepdims=self.keepdims)


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel of an image: (None, channels).

    Keras's ``data_format`` is left out: channels are last.

    Parameters
    ----------
    keepdims : bool
        Keep the axes of height and width, with size 1.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(GlobalAveragePooling2D(), np.arange(8.0).reshape(1, 2, 2, 2))
    array([[3., 4.]])
    """

    axes = 2
    pool = staticmethod(ops.mean)
    example_shape = (3, 4, 5)

    @classmethod
    def examples(cls) -> list[GlobalAveragePooling2D]:
        return [cls(), cls(keepdims=True)]


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel of a sequence: (None, channels).

    Padding does not count, see `ops.with_mask`; of nothing but padding the mean is 0.

    Parameters
    ----------
    keepdims, **settings
        See :class:`GlobalAveragePooling2D`.

    Examples
    --------
    >>> ops.evaluate(GlobalAveragePooling1D(), [[[1.0, 2.0], [3.0, 6.0]]])
    array([[2., 4.]])
    """

    axes = 1
    pool = staticmethod(ops.mean)
    reads_mask = True
    example_shape = (4, 3)

    @classmethod
    def examples(cls) -> list[GlobalAveragePooling1D]:
        return [cls(), cls(keepdims=True)]

    def build(self, x: Value) -> Value:
        if x.mask is None:
            return super().build(x)
        check_images(self, x, self.axes)
        counts = ops.expand_dims(x.mask, -1)
        total = ops.sum(ops.where(counts, x, 0.0), axis=1, keepdims=self.keepdims)
        number = ops.sum(counts, axis=1, keepdims=self.keepdims)
        return total / ops.maximum(number, 1.0)


class GlobalMaxPooling2D(_GlobalPooling):
    """The largest element of each channel of an image: (None, channels).

    Equal ones share the gradient evenly.

    Parameters
    ----------
    keepdims, **settings
        See :class:`GlobalAveragePooling2D`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(GlobalMaxPooling2D(), np.arange(8.0).reshape(1, 2, 2, 2))
    array([[6., 7.]])
    """

    axes = 2
    pool = staticmethod(ops.max)
    example_shape = (3, 4, 5)

    @classmethod
    def examples(cls) -> list[GlobalMaxPooling2D]:
        return [cls(), cls(keepdims=True)]


class GlobalMaxPooling1D(_GlobalPooling):
    """The largest element of each channel of a sequence: (None, channels).

    Equal ones share the gradient evenly. Padding does not count, as it does in Keras; of nothing
    but padding the result is 0.

    Parameters
    ----------
    keepdims, **settings
        See :class:`GlobalAveragePooling2D`.

    Examples
    --------
    >>> ops.evaluate(GlobalMaxPooling1D(), [[[1.0, 6.0], [3.0, 2.0]]])
    array([[3., 6.]])
    """

    axes = 1
    pool = staticmethod(ops.max)
    reads_mask = True
    example_shape = (4, 3)

    @classmethod
    def examples(cls) -> list[GlobalMaxPooling1D]:
        return [cls(), cls(keepdims=True)]

    def build(self, x: Value) -> Value:
        if x.mask is None:
            return super().build(x)
        check_images(self, x, self.axes)
        counts = ops.expand_dims(x.mask, -1)
        largest = ops.max(ops.where(counts, x, _LOWEST), axis=1, keepdims=self.keepdims)
        return ops.where(ops.max(counts, axis=1, keepdims=self.keepdims), largest, 0.0)
