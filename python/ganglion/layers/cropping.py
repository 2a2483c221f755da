"""Zeros put around images and sequences, and edges cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import place
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.images import Edges, as_tuples, check_images, edges_of
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


def _padded(x: Value, edges: Sequence[tuple[int, int]]) -> Value:
    for axis, (before, after) in enumerate(edges, start=1):
        if before or after:
            x = ops.pad(x, axis, before, after)
    return x


def _cropped(layer: Layer, x: Value, edges: Sequence[tuple[int, int]]) -> Value:
    sizes = check_images(layer, x, len(edges))
    for axis, ((before, after), size) in enumerate(zip(edges, sizes, strict=True), start=1):
        if before + after >= size:
            raise ValueError(
                f"{place(layer)} cropping {before} and {after} leaves nothing of {size}, in an "
                f"input of shape {x.shape}"
            )
        if before or after:
            x = ops.slice(x, axis, before, size - after)
    return x


class ZeroPadding2D(Layer):
    """Images with zeros around them. Keras's ``data_format`` is left out: channels are last.

    Parameters
    ----------
    padding : int, (int, int) or ((int, int), (int, int))
        Rows and columns on each side: one number for all, two for rows and columns, or
        ``((top, bottom), (left, right))``.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(ZeroPadding2D(((0, 1), (1, 0))), np.ones((1, 2, 2, 1)))[0, :, :, 0]
    array([[0., 1., 1.],
           [0., 1., 1.],
           [0., 0., 0.]])
    """

    example_shape = (3, 4, 2)

    def __init__(self, padding: Edges = (1, 1), **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.padding = as_tuples(padding)
        edges_of(self, "padding", 2)

    @classmethod
    def examples(cls) -> list[ZeroPadding2D]:
        return [cls(), cls((2, 0)), cls(((0, 1), (2, 0)))]

    def build(self, x: Value) -> Value:
        check_images(self, x, 2)
        return _padded(x, edges_of(self, "padding", 2))


class ZeroPadding1D(Layer):
    """Sequences with zeros before and after.

    Parameters
    ----------
    padding : int or (int, int)
        Steps on both sides, or before and after.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> ops.evaluate(ZeroPadding1D((1, 2)), [[[5.0]]])[0, :, 0]
    array([0., 5., 0., 0.])
    """

    example_shape = (3, 2)

    def __init__(self, padding: Edges = 1, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.padding = as_tuples(padding)
        edges_of(self, "padding", 1)

    @classmethod
    def examples(cls) -> list[ZeroPadding1D]:
        return [cls(), cls((2, 0))]

    def build(self, x: Value) -> Value:
        check_images(self, x, 1)
        return _padded(x, edges_of(self, "padding", 1))


class Cropping2D(Layer):
    """Images without their edges. Keras's ``data_format`` is left out: channels are last.

    Parameters
    ----------
    cropping : int, (int, int) or ((int, int), (int, int))
        Rows and columns on each side: one number for all, two for rows and columns, or
        ``((top, bottom), (left, right))``.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an image of which nothing is left.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(Cropping2D(((1, 0), (0, 2))), np.arange(9.0).reshape(1, 3, 3, 1))[0, :, :, 0]
    array([[3.],
           [6.]])
    """

    example_shape = (4, 5, 2)

    def __init__(
        self, cropping: Edges = ((0, 0), (0, 0)), **settings: Unpack[LayerSettings]
    ) -> None:
        super().__init__(**settings)
        self.cropping = as_tuples(cropping)
        edges_of(self, "cropping", 2)

    @classmethod
    def examples(cls) -> list[Cropping2D]:
        return [cls(1), cls(((1, 0), (2, 1)))]

    def build(self, x: Value) -> Value:
        return _cropped(self, x, edges_of(self, "cropping", 2))


class Cropping1D(Layer):
    """Sequences without their first and last steps.

    Parameters
    ----------
    cropping : int or (int, int)
        Steps on both sides, or before and after.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> ops.evaluate(Cropping1D((1, 0)), [[[1.0], [2.0], [3.0]]])[0, :, 0]
    array([2., 3.])
    """

    example_shape = (4, 2)

    def __init__(self, cropping: Edges = (1, 1), **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.cropping = as_tuples(cropping)
        edges_of(self, "cropping", 1)

    @classmethod
    def examples(cls) -> list[Cropping1D]:
        return [cls(), cls((0, 3))]

    def build(self, x: Value) -> Value:
        return _cropped(self, x, edges_of(self, "cropping", 1))
