"""Operations that move elements and compute nothing."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from ganglion.tracing import current_trace
from ganglion.value import Value


def normalize_axis(place: str, x: Value, axis: int) -> int:
    """Return an axis counted from the front, or say that ``x`` has none such."""
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise ValueError(f"[{place}] there is no axis {axis} in a value of shape {x.shape}")
    return axis % rank


def normalize_axes(place: str, x: Value, axis: int | Sequence[int] | None) -> list[int]:
    """Return axes counted from the front, in order; None stands for all."""
    if axis is None:
        return list(range(len(x.shape)))
    given = (axis,) if isinstance(axis, (int, np.integer)) else axis
    axes = sorted(normalize_axis(place, x, int(one)) for one in given)
    if len(set(axes)) < len(axes):
        raise ValueError(
            f"[{place}] axis {axis} names an axis twice, in a value of shape {x.shape}"
        )
    return axes


def feature_axes(place: str, x: Value, axis: int | Sequence[int] | None) -> list[int]:
    """Return the axes that a layer names, counted from the front, in order; none for None.

    Parameters
    ----------
    place : str
        Name of the layer, for the error.
    x : Value
        Batched.
    axis : int, sequence of int or None
        Axes of ``x``, not the batch.

    Raises
    ------
    ValueError
        ``x`` has no such axis, or it is the batch.
    """
    if axis is None:
        return []
    axes = normalize_axes(place, x, axis)
    if 0 in axes:
        raise ValueError(f"[{place}] axis {axis} names the batch of {x.shape}")
    return axes


def shape_attributes(shape: Sequence[int | None]) -> dict[str, Any]:
    """Return a shape as primitives take it: per sample, with 1, or the fold, for the batch."""
    batched = len(shape) > 0 and shape[0] is None
    dims = [current_trace().fold, *shape[1:]] if batched else list(shape)
    return {"shape": dims, "batched": int(batched)}


def restore_axes(reduced: Value, x: Value, axes: Sequence[int]) -> Value:
    """Put size 1 back where ``axes`` of ``x`` were reduced away."""
    return reshape(reduced, [1 if axis in axes else size for axis, size in enumerate(x.shape)])


def reshape(x: Value, shape: Sequence[int | None]) -> Value:
    """Return the same elements in another shape.

    Parameters
    ----------
    x : Value
        Any shape.
    shape : sequence of int or None
        The new shape. None first when ``x`` is batched: each sample keeps its elements. One other
        size may be -1, for what is left.

    Raises
    ------
    ValueError
        The sizes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: reshape(x, (None, 2, -1)), np.arange(12.0).reshape(2, 6)).shape
    (2, 2, 3)
    """
    wanted = tuple(shape)
    unknown = [axis for axis, size in enumerate(wanted) if size == -1]
    known = prod(size for size in wanted if size is not None and size != -1)
    available = prod(size for size in x.shape if size is not None)
    if len(unknown) == 1 and known > 0 and available % known == 0:
        size = available // known
        wanted = tuple(size if axis in unknown else old for axis, old in enumerate(wanted))
    batch_first = wanted[:1] == x.shape[:1] if None in x.shape else True
    if -1 in wanted or wanted.count(None) != x.shape.count(None) or not batch_first:
        raise ValueError(f"[reshape] cannot reshape {x.shape} into {tuple(shape)}")
    return current_trace().apply("reshape", x, **shape_attributes(wanted))


def flatten(x: Value) -> Value:
    """Return ``x`` with all axes after the batch in one."""
    return reshape(x, (None, -1))


def rows(x: Value) -> Value:
    """Return a batched ``x`` of shape (None, ..., k) as a table (None, k), with all its rows.

    The axes between become part of the batch: a sample of ``n`` rows is ``n`` samples then.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(rows, np.zeros((5, 3, 4))).shape
    (15, 4)
    """
    sizes = [size for size in x.shape if size is not None]
    if len(x.shape) < 2 or len(sizes) == len(x.shape):
        raise ValueError(f"[rows] needs a shape (None, ..., k), got {x.shape}")
    shape = [current_trace().fold * prod(sizes[:-1]), sizes[-1]]
    return current_trace().apply("reshape", x, shape=shape, batched=1)


@contextmanager
def steps_as_samples(x: Value) -> Iterator[Value]:
    """Give the steps of sequences, (None, steps, ...), as samples of their own, (None, ...).

    What is made within is folded likewise; :func:`samples_as_steps` is the way back.
    """
    trace, steps = x.trace, x.shape[1]
    assert steps is not None
    trace.fold *= steps
    try:
        yield trace.apply("reshape", x, **shape_attributes((None, *x.shape[2:])))
    finally:
        trace.fold //= steps


def samples_as_steps(x: Value, steps: int | None) -> Value:
    """Return what was made of steps, (None, ...), as sequences, (None, steps, ...)."""
    shape = (None, steps, *x.shape[1:])
    return current_trace().apply("reshape", x, **shape_attributes(shape))


def expand_dims(x: Value, axis: int) -> Value:
    """Return ``x`` with an axis of size 1 inserted, which is axis ``axis`` of the result."""
    rank = len(x.shape) + 1
    if not -rank <= axis < rank:
        raise ValueError(f"[expand_dims] axis {axis} does not fit a value of shape {x.shape}")
    at = axis % rank
    return reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def squeeze(x: Value, axis: int) -> Value:
    """Return ``x`` without an axis of size 1."""
    at = normalize_axis("squeeze", x, axis)
    if x.shape[at] != 1:
        raise ValueError(f"[squeeze] axis {axis} of a value of shape {x.shape} is not of size 1")
    return reshape(x, (*x.shape[:at], *x.shape[at + 1 :]))


def transpose(x: Value, axes: Sequence[int]) -> Value:
    """Return ``x`` with its axes in another order.

    Parameters
    ----------
    x : Value
        Any shape.
    axes : sequence of int
        Axis ``i`` of the result is axis ``axes[i]`` of ``x``. Axis 0 stays first when it is the
        batch.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: transpose(x, (0, 2, 1)), np.zeros((5, 3, 4))).shape
    (5, 4, 3)
    """
    permutation = [normalize_axis("transpose", x, axis) for axis in axes]
    return current_trace().apply("transpose", x, permutation=permutation)


def swapaxes(x: Value, first: int, second: int) -> Value:
    """Return ``x`` with two axes, of which none is the batch, in each other's place."""
    order = list(range(len(x.shape)))
    a, b = normalize_axis("swapaxes", x, first), normalize_axis("swapaxes", x, second)
    order[a], order[b] = b, a
    return x if a == b else transpose(x, order)


def broadcast_to(x: Value, shape: Sequence[int | None]) -> Value:
    """Return ``x`` repeated to a shape that it broadcasts to; None first for the batch."""
    return current_trace().apply("copy", x, **shape_attributes(shape))


def zeros_like(x: Value) -> Value:
    """Return zeros in the shape of ``x``."""
    return broadcast_to(current_trace().constant(0.0), x.shape)


def ones_like(x: Value) -> Value:
    """Return ones in the shape of ``x``."""
    return broadcast_to(current_trace().constant(1.0), x.shape)


def slice(x: Value, axis: int, start: int, stop: int) -> Value:
    """Return elements ``start`` to ``stop`` (excluded) along an axis, which is not the batch.

    ``x[..., start:stop]`` is the same along the last axis.
    """
    at = normalize_axis("slice", x, axis)
    return current_trace().apply("slice", x, axis=at, start=start, stop=stop)


def flip(x: Value, axis: int) -> Value:
    """Return ``x`` with its elements in reverse order along an axis, which is not the batch.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: flip(x, axis=1), np.array([[1.0, 2.0, 3.0]]))
    array([[3., 2., 1.]])
    """
    return current_trace().apply("flip", x, axis=normalize_axis("flip", x, axis))


def as_batch(x: Value) -> Value:
    """Return rows (size, ...) of a value without a batch as samples (None, ...).

    The program then runs with batches of that size only.
    """
    return current_trace().apply("as_batch", x)


def from_batch(x: Value, size: int) -> Value:
    """Return samples (None, ...) as rows (size, ...), which a state that is kept can be.

    The program then runs with batches of that size only.
    """
    return current_trace().apply("from_batch", x, size=size)


def get_item(x: Value, key: object) -> Value:
    """Return ``x[key]`` for a key of integers, slices without steps, ``...`` and None.

    Raises
    ------
    IndexError
        An index out of range, too many of them, a step, or an index into the batch.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    indexed = builtins.sum(one is not None and one is not Ellipsis for one in keys)
    if indexed > len(x.shape) or keys.count(Ellipsis) > 1:
        raise IndexError(f"[slice] {key!r} does not fit a value of shape {x.shape}")
    at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    keys[at : at + 1] = [builtins.slice(None)] * (len(x.shape) - indexed)

    shape: list[int | None] = []
    axis = 0
    result = x
    for one in keys:
        if one is None:
            shape.append(1)
            continue
        size = x.shape[axis]
        if isinstance(one, builtins.slice):
            if one not in (builtins.slice(None), builtins.slice(None, None, 1)):
                start, stop = _bounds(one, size, x)
                if stop - start != size:
                    result = slice(result, axis, start, stop)
                size = stop - start
            shape.append(size)
        else:
            index = _index(one, size, x)
            if size != 1:
                result = slice(result, axis, index, index + 1)
        axis += 1
    is_sliced_alone = result is not x and result.shape == tuple(shape)
    return result if is_sliced_alone else reshape(result, shape)


def _bounds(key: builtins.slice, size: int | None, x: Value) -> tuple[int, int]:
    if size is None or key.step not in (None, 1):
        raise IndexError(f"[slice] cannot take {key} of a value of shape {x.shape}")
    start, stop, _ = key.indices(size)
    if start >= stop:
        raise IndexError(f"[slice] {key} leaves nothing of a value of shape {x.shape}")
    return start, stop


def _index(key: Any, size: int | None, x: Value) -> int:
    index = operator.index(key)
    if size is None or not -size <= index < size:
        raise IndexError(f"[slice] index {index} does not fit a value of shape {x.shape}")
    return index % size


def roll(x: Value, shift: int) -> Value:
    """Return the samples in other places: each goes ``shift`` places on, from the end to the start.

    It is the one operation that mixes the samples of a batch. What it returns in prediction depends
    on how samples were divided into batches.

    Parameters
    ----------
    x : Value
        (None, ...)
    shift : int
        Places along the batch; may be negative, or larger than the batch.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: roll(x, 1), np.array([1.0, 2.0, 3.0]))
    array([3., 1., 2.])
    """
    return current_trace().apply("roll", x, shift=shift)


def pad(x: Value, axis: int, before: int, after: int) -> Value:
    """Return ``x`` with zeros put before and after its elements along an axis, not the batch."""
    at = normalize_axis("pad", x, axis)
    return current_trace().apply("pad", x, axis=at, before=before, after=after)


def concat(values: Sequence[Value], axis: int = -1) -> Value:
    """Return values joined along an axis, which is not the batch.

    Parameters
    ----------
    values : sequence of Value
        Of equal shapes but for that axis.
    axis : int
        The axis.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: concat([x, -x]), np.array([[1.0, 2.0]]))
    array([[ 1.,  2., -1., -2.]])
    """
    if not values:
        raise ValueError("[concat] needs at least one value")
    return current_trace().apply("concat", *values, axis=normalize_axis("concat", values[0], axis))


def stack(values: Sequence[Value], axis: int = -1) -> Value:
    """Return values of one shape joined along a new axis, which is axis ``axis`` of the result.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: stack([x, -x], axis=1), np.array([[1.0, 2.0]]))
    array([[[ 1.,  2.],
            [-1., -2.]]])
    """
    if not values:
        raise ValueError("[stack] needs at least one value")
    return concat([expand_dims(value, axis) for value in values], axis)


def split(x: Value, parts: int, axis: int = -1) -> list[Value]:
    """Return parts of equal size along an axis, which is not the batch.

    Raises
    ------
    ValueError
        The axis has a size that they do not divide.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: split(x, 2)[1], np.array([[1.0, 2.0, 3.0, 4.0]]))
    array([[3., 4.]])
    """
    at = normalize_axis("split", x, axis)
    size = x.shape[at]
    if size is None or parts < 1 or size % parts:
        raise ValueError(f"[split] axis {axis} of {x.shape} has no {parts} equal parts")
    step = size // parts
    return [slice(x, at, start, start + step) for start in range(0, size, step)]
