"""Layers that make one value of several: where the paths of a graph meet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar

from ganglion import ops
from ganglion.errors import check_boolean, check_integer, place
from ganglion.layers.base import Layer, LayerSettings
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Merging(Layer, registered=False):
    """Base of the layers that are called with a list of values, of one shape where not said."""

    takes_several = True
    keeps_mask = True

    operation: ClassVar[str]
    """What is done with the result so far and the next value."""

    def __call__(self, x: Any, *others: Any) -> Any:
        if others:
            name = type(self).__name__
            raise TypeError(f"{place(self)} must be called with a list: {name}(...)([a, b])")
        return super().__call__(x)

    def build(self, x: Sequence[Value]) -> Value:
        """Return the result; ``x`` are values of shapes that broadcast together."""
        combine = getattr(ops, self.operation)
        return reduce(combine, x[1:], x[0])

    def _masked(self, x: Sequence[Value], y: Value) -> Value:
        """Return what was made, with the steps that count in all that have a mask."""
        masks = [value.mask for value in x if value.mask is not None]
        as_long = len(y.shape) > 1 and all(mask.shape[1] == y.shape[1] for mask in masks)
        if not masks or not as_long or not self.keeps_mask:
            return y
        return ops.with_mask(y, reduce(ops.multiply, masks[1:], masks[0]))


class Add(Merging):
    """The sum of several values.

    Parameters
    ----------
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    TypeError
        When it is not called with a list of values.
    ValueError
        Shapes that do not fit together.

    Examples
    --------
    >>> from ganglion import Model, layers
    >>> x = layers.Input((4,))
    >>> Model(x, layers.Add()([x, layers.Dense(4)(x)])).output_shape
    (None, 4)
    """

    operation = "add"


class Subtract(Merging):
    """The first value minus the second; arguments as for :class:`Add`.

    Raises
    ------
    ValueError
        For another number of values than two.

    Examples
    --------
    >>> Subtract(name="difference")
    Subtract(name='difference')
    """

    operation = "subtract"

    def build(self, x: Sequence[Value]) -> Value:
        """Return the difference; ``x`` are two values."""
        if len(x) != 2:
            raise ValueError(f"{place(self)} takes two values, got {len(x)}")
        return super().build(x)


class Multiply(Merging):
    """The product of several values, element by element; arguments as for :class:`Add`.

    Examples
    --------
    >>> Multiply()
    Multiply()
    """

    operation = "multiply"


class Average(Merging):
    """The mean of several values; arguments as for :class:`Add`.

    Examples
    --------
    >>> Average()
    Average()
    """

    operation = "add"

    def build(self, x: Sequence[Value]) -> Value:
        """Return the mean; ``x`` are values of shapes that broadcast together."""
        return super().build(x) / len(x)


class Maximum(Merging):
    """The largest of several values, element by element; arguments as for :class:`Add`.

    Examples
    --------
    >>> Maximum()
    Maximum()
    """

    operation = "maximum"


class Minimum(Merging):
    """The smallest of several values, element by element; arguments as for :class:`Add`.

    Examples
    --------
    >>> Minimum()
    Minimum()
    """

    operation = "minimum"


class Concatenate(Merging):
    """Several values one after the other along an axis.

    Parameters
    ----------
    axis : int
        The axis, not that of the batch; in the others the shapes are equal.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        Shapes that differ in other axes.

    Examples
    --------
    >>> from ganglion import Model, layers
    >>> left, right = layers.Input((4,)), layers.Input((3,))
    >>> Model([left, right], layers.Concatenate()([left, right])).output_shape
    (None, 7)
    """

    def __init__(self, axis: int = -1, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.axis = axis
        check_integer(self, "axis")

    @classmethod
    def examples(cls) -> list[Concatenate]:
        return [cls(), cls(axis=1)]

    def build(self, x: Sequence[Value]) -> Value:
        """Return them joined; ``x`` are values (None, ...) that differ in one axis alone."""
        return ops.concat(x, self.axis)


class Dot(Merging):
    """The product of two values, summed over an axis of each.

    Of vectors (None, n) it is their dot product, (None, 1). Of sequences or matrices it is their
    product for each sample: the remaining axes of the first, then those of the second.

    Parameters
    ----------
    axes : int or pair of int
        Which axis of the first and of the second, not that of the batch.
    normalize : bool
        Whether both are divided by their length along that axis first: the cosine of the angle
        between them.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        For another number of values than two, axes of different sizes, and more than three
        dimensions.

    Examples
    --------
    >>> from ganglion import Model, layers
    >>> left, right = layers.Input((4,)), layers.Input((4,))
    >>> Model([left, right], layers.Dot(axes=1, normalize=True)([left, right])).output_shape
    (None, 1)
    """

    keeps_mask = False

    def __init__(
        self,
        axes: int | Sequence[int],
        normalize: bool = False,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.axes = axes
        self.normalize = normalize
        check_boolean(self, "normalize")
        pair = [axes, axes] if isinstance(axes, int) else axes
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or 0 in pair:
            raise ValueError(
                f"{place(self)} axes must be a number or two, not 0, the batch's, got {axes!r}"
            )
        self._axes = [int(axis) for axis in pair]

    @classmethod
    def examples(cls) -> list[Dot]:
        return [cls(-1), cls((-1, -1), normalize=True)]

    def build(self, x: Sequence[Value]) -> Value:
        """Return the products; ``x`` are two values of at most three dimensions."""
        if len(x) != 2 or any(len(value.shape) not in (2, 3) for value in x):
            shapes = ", ".join(str(value.shape) for value in x)
            raise ValueError(
                f"{place(self)} takes two values of two or three dimensions, got {shapes}"
            )
        axes = [axis % len(value.shape) for axis, value in zip(self._axes, x, strict=True)]
        left, right = (self._prepared(value, axis) for value, axis in zip(x, axes, strict=True))
        if left.shape[axes[0]] != right.shape[axes[1]]:
            raise ValueError(
                f"{place(self)} sums over axes of sizes {left.shape[axes[0]]} and "
                f"{right.shape[axes[1]]}"
            )
        # As matrices of each sample: (None, rows, n) and (None, n, columns).
        first = _as_matrix(left, axes[0], last=True)
        second = _as_matrix(right, axes[1], last=False)
        product = ops.matmul(first, second)
        kept = [size for value, axis in zip(x, axes, strict=True) for size in _others(value, axis)]
        return ops.reshape(product, (None, *(kept or [1])))

    def _prepared(self, x: Value, axis: int) -> Value:
        if not self.normalize:
            return x
        squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
        return x * ops.rsqrt(ops.maximum(squares, 1e-12))


def _others(x: Value, axis: int) -> list[int]:
    return [size or 1 for index, size in enumerate(x.shape) if index not in (0, axis)]


def _as_matrix(x: Value, axis: int, last: bool) -> Value:
    """Return a value with a matrix for each sample, of which the axis is the last or the first."""
    if len(x.shape) == 2:
        return ops.expand_dims(x, 1 if last else 2)
    return x if (axis == 2) == last else ops.transpose(x, (0, 2, 1))
