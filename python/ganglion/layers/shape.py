"""Layers that change the shape or the scale of samples, and learn nothing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ganglion import ops
from ganglion.errors import check_numbers
from ganglion.layers.base import Layer, LayerSettings
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Flatten(Layer):
    """Put all axes of a sample into one. Keras's ``data_format`` is left out: channels are last.

    Parameters
    ----------
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(Flatten(), np.zeros((5, 2, 3))).shape
    (5, 6)
    """

    example_shape = (2, 3)

    def build(self, x: Value) -> Value:
        """Return (None, a * b * ...) for ``x`` of (None, a, b, ...)."""
        return ops.flatten(x)


class Reshape(Layer):
    """Give samples another shape.

    Parameters
    ----------
    target_shape : sequence of int
        Shape of a sample; one size may be -1, for what is left.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(Reshape((-1, 2)), np.zeros((5, 6))).shape
    (5, 3, 2)
    """

    def __init__(self, target_shape: Sequence[int], **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        sizes = list(target_shape) if isinstance(target_shape, (list, tuple)) else [0]
        sizes_fit = all(
            isinstance(size, (int, np.integer)) and not isinstance(size, bool) for size in sizes
        ) and all(size > 0 or size == -1 for size in sizes)
        if not sizes_fit or sizes.count(-1) > 1:
            raise ValueError(
                "[Reshape] target_shape must be positive integers and at most one -1, "
                f"got {target_shape!r}"
            )
        self.target_shape = tuple(sizes)

    @classmethod
    def examples(cls) -> list[Reshape]:
        return [cls((3, 2)), cls((-1, 3))]

    def build(self, x: Value) -> Value:
        available = prod(size for size in x.shape if size is not None)
        known = prod(size for size in self.target_shape if size != -1)
        if known != available if -1 not in self.target_shape else available % known:
            raise ValueError(f"[Reshape] cannot reshape {x.shape} into {self.target_shape}")
        return ops.reshape(x, (None, *self.target_shape))


class Permute(Layer):
    """Put the axes of a sample into another order.

    Parameters
    ----------
    dims : sequence of int
        Axis ``i`` of the result is axis ``dims[i - 1]`` of the input; the first axis behind the
        batch is 1.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    Images with channels first, as PyTorch has them, to channels last:

    >>> import numpy as np
    >>> ops.evaluate(Permute((2, 3, 1)), np.zeros((5, 3, 28, 32))).shape
    (5, 28, 32, 3)
    """

    example_shape = (2, 3, 4)

    def __init__(self, dims: Sequence[int], **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        axes = list(dims) if isinstance(dims, (list, tuple)) else []
        if (
            not axes
            or any(isinstance(axis, bool) for axis in axes)
            or (set(axes) != set(range(1, len(axes) + 1)) or len(set(axes)) < len(axes))
        ):
            raise ValueError(
                f"[Permute] dims must be the numbers from 1 on in some order, got {dims!r}"
            )
        self.dims = tuple(axes)

    @classmethod
    def examples(cls) -> list[Permute]:
        return [cls((3, 1, 2)), cls((1, 3, 2))]

    def build(self, x: Value) -> Value:
        if len(x.shape) != len(self.dims) + 1:
            raise ValueError(f"[Permute] dims {self.dims} do not fit an input of shape {x.shape}")
        return ops.transpose(x, (0, *self.dims))


class Rescaling(Layer):
    """``x * scale + offset``.

    Parameters
    ----------
    scale, offset : float or array_like
        Numbers, or arrays that broadcast to a sample.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> ops.evaluate(Rescaling(1 / 255), [[0.0, 51.0, 255.0]])
    array([[0. , 0.2, 1. ]])
    """

    keeps_mask = True

    def __init__(
        self,
        scale: npt.ArrayLike,
        offset: npt.ArrayLike = 0.0,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.scale = scale
        self.offset = offset
        check_numbers(self, "scale", "offset")

    @classmethod
    def examples(cls) -> list[Rescaling]:
        return [cls(0.5, offset=-1.0)]

    def build(self, x: Value) -> Value:
        return x * np.asarray(self.scale) + np.asarray(self.offset)
