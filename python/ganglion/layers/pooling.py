"""Pooling: each window over an image or a sequence becomes its largest element, or its mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from ganglion import ops
from ganglion.errors import as_tuple, check_choice, check_sizes, place
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.images import Edges, as_tuples, check_images, check_windows, edges_of
from ganglion.ops.pooling import per_axis
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _Pooling(Layer, registered=False):
    """What the four have in common."""

    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Value]]

    def __init__(
        self,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: str | Edges = "valid",
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.pool_size = as_tuple(pool_size)
        self.strides = as_tuple(strides)
        self.padding = as_tuples(padding)
        check_sizes(self, self.axes, "pool_size")
        if strides is not None:
            check_sizes(self, self.axes, "strides")
        if isinstance(padding, str):
            check_choice(self, ("valid", "same"), "padding")
        elif any(
            max(edges) >= window
            for edges, window in zip(
                edges_of(self, "padding", self.axes),
                per_axis(self.pool_size, self.axes),
                strict=True,
            )
        ):
            raise ValueError(
                f"{place(self)} padding must be less than pool_size {pool_size}, got {padding}"
            )

    def build(self, x: Value) -> Value:
        sizes = check_images(self, x, self.axes)
        padding = self.window_padding
        if not isinstance(padding, str):
            sizes = tuple(sum(edges, size) for edges, size in zip(padding, sizes, strict=True))
        if padding != "same":
            check_windows(self, "pool_size", self.pool_size, sizes)
        return type(self).pool(x, self.pool_size, self.strides, padding)

    @property
    def window_padding(self) -> str | list[tuple[int, int]]:
        """The padding, where it is no word as widths before and after each axis."""
        return (
            self.padding if isinstance(self.padding, str) else edges_of(self, "padding", self.axes)
        )


class MaxPooling2D(_Pooling):
    """The largest element of each window of an image, in each channel by itself.

    Where several are equal, the first of them gets the gradient. Keras's ``data_format`` is left
    out: channels are last.

    Parameters
    ----------
    pool_size : int or sequence of int
        Height and width of a window; one number for both.
    strides : int or sequence of int, optional
        Steps from window to window, down and across; by default the size of a window.
    padding : {"valid", "same"}, int, (int, int) or ((int, int), (int, int))
        Windows within the image alone; or one at each stride; or, which Keras has not, as many rows
        and columns more on each side, given as for :class:`ZeroPadding2D` and less than a window.
        What lies outside counts for nothing.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input that is no images, or is smaller than a window.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(MaxPooling2D(), np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    axes = 2
    pool = staticmethod(ops.max_pool)
    example_shape = (5, 6, 3)

    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2),
        strides: int | Sequence[int] | None = None,
        padding: str | Edges = "valid",
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(pool_size, strides, padding, **settings)

    @classmethod
    def examples(cls) -> list[MaxPooling2D]:
        return [cls(), cls((3, 2), strides=(2, 1), padding="same")]


class MaxPooling1D(_Pooling):
    """The largest element of each window of a sequence, in each channel by itself.

    Parameters
    ----------
    pool_size : int
        Steps of a window.
    strides : int, optional
        Steps from window to window, by default the size of a window.
    padding, **settings
        See :class:`MaxPooling2D`.

    Examples
    --------
    >>> ops.evaluate(MaxPooling1D(), [[[1.0], [4.0], [3.0], [2.0]]])[0, :, 0]
    array([4., 3.])
    """

    axes = 1
    pool = staticmethod(ops.max_pool)
    example_shape = (7, 3)

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str | Edges = "valid",
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(pool_size, strides, padding, **settings)

    @classmethod
    def examples(cls) -> list[MaxPooling1D]:
        return [cls(), cls(3, strides=2, padding="same")]


class AveragePooling2D(_Pooling):
    """The mean of each window of an image, in each channel by itself.

    What lies outside the image with ``padding="same"`` is no part of the mean.

    Parameters
    ----------
    pool_size : int or sequence of int
        Height and width of a window; one number for both.
    strides : int or sequence of int, optional
        Steps from window to window, down and across; by default the size of a window.
    padding, **settings
        See :class:`MaxPooling2D`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(AveragePooling2D(2), np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    axes = 2
    pool = staticmethod(ops.average_pool)
    example_shape = (5, 6, 3)

    @classmethod
    def examples(cls) -> list[AveragePooling2D]:
        return [cls(2), cls(3, strides=1, padding="same")]


class AveragePooling1D(_Pooling):
    """The mean of each window of a sequence, in each channel by itself.

    Parameters
    ----------
    pool_size : int
        Steps of a window.
    strides : int, optional
        Steps from window to window, by default the size of a window.
    padding, **settings
        See :class:`MaxPooling2D`; what lies outside is no part of the mean.

    Examples
    --------
    >>> ops.evaluate(AveragePooling1D(2), [[[1.0], [4.0], [3.0], [2.0]]])[0, :, 0]
    array([2.5, 2.5])
    """

    axes = 1
    pool = staticmethod(ops.average_pool)
    example_shape = (7, 3)

    @classmethod
    def examples(cls) -> list[AveragePooling1D]:
        return [cls(2), cls(3, strides=1, padding="same")]
