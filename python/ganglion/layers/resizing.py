"""Layers that give images another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import as_tuple, check_boolean, check_choice, check_count, check_sizes
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.images import check_images
from ganglion.ops.pooling import per_axis
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

_INTERPOLATIONS = ("bilinear", "nearest")


def _middle(x: Value, height: int, width: int) -> Value:
    """Cut out the middle; where it cannot be met exactly, the upper and left one."""
    for axis, size in ((1, height), (2, width)):
        whole = x.shape[axis] or size
        if size < whole:
            start = (whole - size) // 2
            x = ops.slice(x, axis, start, start + size)
    return x


def _in_proportion(x: Value, height: int, width: int) -> Value:
    """Cut out the largest middle that has the proportions of a height and a width."""
    _, rows, columns, _ = (size or 1 for size in x.shape)
    return _middle(
        x,
        max(min(rows, columns * height // width), 1),
        max(min(columns, rows * width // height), 1),
    )


class UpSampling2D(Layer):
    """Images larger by whole factors.

    Keras's ``data_format`` is left out: channels are last. So are the interpolations that are
    rarely used.

    Parameters
    ----------
    size : int or sequence of int
        Factors of the height and the width; one number for both.
    interpolation : {"nearest", "bilinear"}
        Each pixel repeated, or what lies between pixels made of the four around it.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> ops.evaluate(UpSampling2D((1, 2)), x)[0, :, :, 0]
    array([[1., 1., 2., 2.],
           [3., 3., 4., 4.]])
    """

    example_shape = (3, 4, 2)

    def __init__(
        self,
        size: int | Sequence[int] = (2, 2),
        interpolation: str = "nearest",
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.size = as_tuple(size)
        self.interpolation = interpolation
        check_sizes(self, 2, "size")
        check_choice(self, _INTERPOLATIONS, "interpolation")

    @classmethod
    def examples(cls) -> list[UpSampling2D]:
        return [cls((2, 3)), cls(interpolation="bilinear")]

    def build(self, x: Value) -> Value:
        sizes = zip(check_images(self, x), per_axis(self.size, 2), strict=True)
        return ops.resize(x, [size * factor for size, factor in sizes], self.interpolation)


class Resizing(Layer):
    """Images in one size, whatever they had.

    As Keras's without ``antialias``; its ``data_format`` is left out, since channels are last,
    and so are ``pad_to_aspect_ratio`` and the interpolations that are rarely used.

    Parameters
    ----------
    height, width : int
        The new size.
    interpolation : {"bilinear", "nearest"}
        Between the four pixels around a place, or the nearest of them.
    crop_to_aspect_ratio : bool
        Keep the proportions of what is seen, and cut off what is too much of it. Otherwise images
        are stretched.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(Resizing(2, 2), np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    example_shape = (5, 4, 2)

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.height = height
        self.width = width
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        check_count(self, "height", "width")
        check_choice(self, _INTERPOLATIONS, "interpolation")
        check_boolean(self, "crop_to_aspect_ratio")

    @classmethod
    def examples(cls) -> list[Resizing]:
        return [cls(3, 6), cls(7, 3, "nearest"), cls(4, 2, crop_to_aspect_ratio=True)]

    def build(self, x: Value) -> Value:
        check_images(self, x)
        if self.crop_to_aspect_ratio:
            x = _in_proportion(x, self.height, self.width)
        return ops.resize(x, (self.height, self.width), self.interpolation)


class CenterCrop(Layer):
    """The middle of images; of smaller ones the largest middle in proportion, enlarged.

    Parameters
    ----------
    height, width : int
        The new size.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(CenterCrop(2, 2), np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  6.],
           [ 9., 10.]])
    """

    example_shape = (5, 4, 2)

    def __init__(self, height: int, width: int, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.height = height
        self.width = width
        check_count(self, "height", "width")

    @classmethod
    def examples(cls) -> list[CenterCrop]:
        return [cls(2, 4), cls(6, 3)]

    def build(self, x: Value) -> Value:
        rows, columns = check_images(self, x)
        if self.height <= rows and self.width <= columns:
            return _middle(x, self.height, self.width)
        return ops.resize(_in_proportion(x, self.height, self.width), (self.height, self.width))
