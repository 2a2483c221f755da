"""What layers on images and on sequences share: channels are the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganglion.errors import place
from ganglion.layers.base import Layer
from ganglion.ops.pooling import per_axis
from ganglion.value import Value

Edges = int | Sequence[int] | Sequence[Sequence[int]]
"""Widths on the sides of an image or a sequence, as Keras takes them."""

_AXES = {1: "steps", 2: "height, width"}
# Gray or colours, and a square of more than so many pixels a side: such pictures are common with
# their channels first, and hardly anybody has images so low that have a channel for each column.
_FIRST_CHANNELS = (1, 3)
_LARGEST_SQUARE_OF_CHANNELS = 16


def check_images(layer: Layer, x: Value, axes: int = 2) -> tuple[int, ...]:
    """Return the sizes along the axes before the channels, or say what is wrong with ``x``.

    Parameters
    ----------
    layer : Layer
        Named in the error.
    x : Value
        (None, height, width, channels) for two axes, (None, steps, channels) for one.
    axes : {1, 2}
        Axes between the batch and the channels.

    Raises
    ------
    ValueError
        ``x`` has another rank, or is the network's input and has its channels first.
    """
    wanted = f"(None, {_AXES[axes]}, channels)"
    sizes = tuple(size for size in x.shape if size is not None)
    if len(sizes) != axes + 1 or x.shape[:1] != (None,):
        remedy = ""
        if len(sizes) == axes:
            remedy = f"; where there is one channel, begin with Reshape({(*sizes, 1)})"
        raise ValueError(f"{place(layer)} needs an input of shape {wanted}, got {x.shape}{remedy}")
    if axes == 2 and x.is_input and _channels_first(sizes):
        raise ValueError(
            f"{place(layer)} takes images with channels last, {wanted}, and got {x.shape}, which "
            "looks like channels first; begin with Permute((2, 3, 1)), or move the axis of the data"
        )
    return sizes[:-1]


def _channels_first(sizes: Sequence[int]) -> bool:
    """Tell whether sizes are those of a square picture behind its channels."""
    first, height, width = sizes
    return first in _FIRST_CHANNELS and height == width > _LARGEST_SQUARE_OF_CHANNELS


def check_windows(
    layer: Layer, name: str, window: int | Sequence[int], sizes: Sequence[int]
) -> None:
    """Check that a window is not larger than what it moves over.

    Parameters
    ----------
    layer : Layer
        Named in the error.
    name : str
        Setting that gives the size of the window.
    window : int or sequence of int
        The setting.
    sizes : sequence of int
        Of the input along the same axes.

    Raises
    ------
    ValueError
        It is larger along some axis.
    """
    if any(one > size for one, size in zip(per_axis(window, len(sizes)), sizes, strict=True)):
        shown = " x ".join(map(str, sizes))
        raise ValueError(
            f"{place(layer)} {name} {window} is larger than the input of {shown}; with "
            "padding='same' it may be"
        )


def as_tuples(given: Any) -> Any:
    """Return lists as tuples, also within others: a setting that can be compared."""
    return tuple(map(as_tuples, given)) if isinstance(given, (list, tuple)) else given


def edges_of(owner: Layer, name: str, axes: int) -> list[tuple[int, int]]:
    """Return the widths before and after that a setting stands for, for each axis.

    Parameters
    ----------
    owner : Layer
        Named in the error.
    name : str
        The setting: one number for all sides; for an image (down, across) or
        ((top, bottom), (left, right)); for a sequence (before, after).
    axes : {1, 2}
        Axes between the batch and the channels.

    Raises
    ------
    ValueError
        None of these.
    """
    given = getattr(owner, name)
    entries = [given] * axes if axes == 1 or _is_width(given) else given
    if isinstance(entries, (list, tuple)) and len(entries) == axes:
        pairs = [(entry, entry) if _is_width(entry) else entry for entry in entries]
        if all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs) and all(
            map(_is_width, (width for pair in pairs for width in pair))
        ):
            return [(pair[0], pair[1]) for pair in pairs]
    forms = "(before, after)" if axes == 1 else "(down, across), ((top, bottom), (left, right))"
    raise ValueError(
        f"{place(owner)} {name} must be a non-negative integer or {forms}, got {given!r}"
    )


def _is_width(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
