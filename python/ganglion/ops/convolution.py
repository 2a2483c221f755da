"""Convolutions over images, and over sequences as images of one row; channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganglion.ops.pooling import per_axis, same_padding
from ganglion.ops.structure import reshape
from ganglion.tracing import current_trace
from ganglion.value import Value


def convolution(
    x: Value,
    kernel: Value,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    dilation_rate: int | Sequence[int] = 1,
    groups: int = 1,
) -> Value:
    """Return the convolution of images or sequences with a kernel, which is not mirrored.

    Parameters
    ----------
    x : Value
        Images (None, height, width, channels) or sequences (None, steps, channels).
    kernel : Value
        (rows, columns, channels / groups, filters), or (steps, channels / groups, filters).
    strides, dilation_rate : int or sequence of int
        Distance between results, and between the elements of the kernel.
    padding : {"valid", "same", "causal"}
        Only where the kernel fits; one result at each stride, with zeros around; or, of sequences,
        with zeros before alone, so that no result sees a later step.
    groups : int
        Parts of the channels, each of which makes its own part of the filters.

    Returns
    -------
    Value
        (None, rows, columns, filters) or (None, steps, filters).

    Raises
    ------
    ValueError
        Shapes that do not fit, or a kernel larger than ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import constant, evaluate
    >>> edge = np.array([-1.0, 1.0]).reshape(2, 1, 1)
    >>> x = np.array([0.0, 0.0, 5.0, 5.0]).reshape(1, 4, 1)
    >>> evaluate(lambda x: convolution(x, constant(edge)), x).ravel()
    array([0., 5., 0.])
    """
    axes = _axes("convolution", x, kernel)
    settings = _settings(axes, strides, dilation_rate, groups)
    pads = _padding(_sizes(x.shape[1:-1]), _sizes(kernel.shape[:-2]), settings, padding)
    y = current_trace().apply(
        "convolution", as_images(x), _as_kernel(kernel), **settings, padding=pads
    )
    return y if axes == 2 else reshape(y, (None, *y.shape[2:]))


def convolution_transpose(
    x: Value,
    kernel: Value,
    size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    before: int | Sequence[int] = 0,
    dilation_rate: int | Sequence[int] = 1,
) -> Value:
    """Return what has ``x`` as the shape of its convolution: the gradient of one.

    Each element of ``x`` is multiplied by the kernel and added to the result where a convolution
    with the same strides would have read it.

    Parameters
    ----------
    x : Value
        (None, height, width, channels) or (None, steps, channels).
    kernel : Value
        (rows, columns, filters, channels), or (steps, filters, channels).
    size : int or sequence of int
        Height and width of the result, or its steps.
    strides, dilation_rate : int or sequence of int
        Of the convolution.
    before : int or sequence of int
        Rows and columns of the full result that lie before its first ones.

    Returns
    -------
    Value
        (None, height, width, filters) or (None, steps, filters).

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import constant, evaluate
    >>> twice, x = np.ones((2, 1, 1)), np.array([1.0, 2.0]).reshape(1, 2, 1)
    >>> evaluate(lambda x: convolution_transpose(x, constant(twice), 4, strides=2), x).ravel()
    array([1., 1., 2., 2.])
    """
    axes = _axes("convolution_transpose", x, kernel)
    settings = _settings(axes, strides, dilation_rate, 1)
    wanted, cut = _both_axes(size, axes), _both_axes(before, axes, 0)
    pads = []
    given, windows = _sizes(as_images(x).shape[1:3]), _sizes(_as_kernel(kernel).shape[:2])
    for axis in range(2):
        # Zeros that make the convolution of the result as large as x.
        span = (windows[axis] - 1) * settings["dilation"][axis] + 1
        reach = (given[axis] - 1) * settings["strides"][axis] + span
        pads += [cut[axis], max(reach - wanted[axis] - cut[axis], 0)]
    y = current_trace().apply(
        "convolution_input_gradient",
        as_images(x),
        _as_kernel(kernel),
        **settings,
        padding=pads,
        size=wanted,
    )
    return y if axes == 2 else reshape(y, (None, *y.shape[2:]))


def as_images(x: Value) -> Value:
    """Return sequences as images of one row, and images as they are."""
    return x if len(x.shape) == 4 else reshape(x, (None, 1, *x.shape[1:]))


def _as_kernel(kernel: Value) -> Value:
    return kernel if len(kernel.shape) == 4 else reshape(kernel, (1, *kernel.shape))


def _sizes(shape: Sequence[int | None]) -> list[int]:
    return [size for size in shape if size is not None]


def _axes(place: str, x: Value, kernel: Value) -> int:
    axes = len(x.shape) - 2
    if axes not in (1, 2) or x.shape[:1] != (None,) or len(kernel.shape) != axes + 2:
        raise ValueError(
            f"[{place}] needs images (None, height, width, channels) and a kernel of four axes, or "
            f"sequences (None, steps, channels) and one of three, got {x.shape} and {kernel.shape}"
        )
    return axes


def _both_axes(value: int | Sequence[int], axes: int, missing: int = 1) -> list[int]:
    return [missing] * (2 - axes) + per_axis(value, axes)


def _settings(
    axes: int, strides: int | Sequence[int], dilation_rate: int | Sequence[int], groups: int
) -> dict[str, Any]:
    return {
        "strides": _both_axes(strides, axes),
        "dilation": _both_axes(dilation_rate, axes),
        "groups": groups,
    }


def _padding(
    sizes: Sequence[int], windows: Sequence[int], settings: dict[str, Any], padding: str
) -> list[int]:
    """Zeros above, below, left and right."""
    pads: list[int] = []
    strides, dilation = settings["strides"][-len(sizes) :], settings["dilation"][-len(sizes) :]
    for size, window, stride, rate in zip(sizes, windows, strides, dilation, strict=True):
        span = (window - 1) * rate + 1
        if padding == "same":
            pads += same_padding(size, span, stride)
        elif padding == "causal" and len(sizes) == 1:
            pads += [span - 1, 0]
        elif padding == "valid":
            pads += [0, 0]
        else:
            raise ValueError(f"[convolution] unknown padding {padding!r}")
    return [0] * (4 - len(pads)) + pads
