"""What moves numbers and computes nothing: strided copies, one kernel for each rank."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from numba import cuda

from ganglion.engines.numba_cuda.device import Call, Device
from ganglion.engines.numba_cuda.sites import Place, Site, operation

# Elements at which each slice of a flat buffer starts.
_ALIGNMENT = 16


@functools.cache
def _copy(rank: int) -> Any:
    """Return a kernel: extents but the first, then strides of the result and of the source."""
    axes = range(rank)
    names = [f"e{axis}" for axis in axes if axis] + [f"{p}{axis}" for p in "tf" for axis in axes]
    lines = [f"def copy(out, x, n, to, origin, {', '.join(names)}):"]
    lines += ["    for i in range(cuda.grid(1), n, cuda.gridsize(1)):"]
    lines += ["        rest = i", "        target = to", "        source = origin"]
    for axis in range(rank - 1, 0, -1):
        lines += [f"        at = rest % e{axis}", f"        rest = rest // e{axis}"]
        lines += [f"        target += at * t{axis}", f"        source += at * f{axis}"]
    lines += ["        out[target + rest * t0] = x[source + rest * f0]"]
    names_of: dict[str, Any] = {"cuda": cuda}
    exec("\n".join(lines) + "\n", names_of)
    return cuda.jit(names_of["copy"])


class Strided(NamedTuple):
    """Elements of flat memory: where they begin, and how far apart they are along each axis."""

    array: Any
    first: int
    strides: tuple[int, ...]


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of a contiguous array, in elements."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def copy(device: Device, extents: Sequence[int], to: Strided, source: Strided) -> list[Call]:
    """Return the launch that copies elements from some strides to others."""
    kept: list[list[int]] = []
    for extent, *strides in zip(extents, to.strides, source.strides, strict=True):
        if extent == 1:
            continue
        if kept and all(kept[-1][at + 1] == extent * strides[at] for at in range(2)):
            kept[-1] = [kept[-1][0] * extent, *strides]  # one run of memory in both
        else:
            kept.append([extent, *strides])
    kept = kept or [[1, 1, 1]]
    count = math.prod(extents)
    if not count:
        return []
    columns = list(zip(*kept, strict=True))
    numbers = (count, to.first, source.first, *columns[0][1:], *columns[1], *columns[2])
    return [device.over(_copy(len(kept)), count, to.array, source.array, *numbers)]


@functools.cache
def _fill(T: Any) -> Any:
    def kernel(out, n, value):
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            out[i] = value

    return cuda.jit(kernel)


def fill(device: Device, T: Any, out: Any, count: int, value: float) -> Call:
    """Return the launch that sets elements to a number."""
    return device.over(_fill(T), count, out, count, T(value))


def move(site: Site, to: Place, source: Place) -> list[Call]:
    """Return the launch that copies one value into another of its size."""
    strides = (1,)
    origin, target = Strided(source.array, 0, strides), Strided(to.array, 0, strides)
    return copy(site.device, (source.size,), target, origin)


@operation("move")
def _move(site: Site) -> list[Call]:
    return move(site, site.outputs[0], site.inputs[0])


@operation("axis_size")
def _axis_size(site: Site) -> list[Call]:
    first, last = site.attributes["first"], site.attributes["last"]
    size = math.prod(site.inputs[0].shape[first : last + 1])
    return [fill(site.device, site.T, site.outputs[0].array, 1, size)]


def _reading(site: Site, shape: Sequence[int], first: int, strides: Sequence[int]) -> list[Call]:
    """Return the launch that writes all of the result from some elements of the operand."""
    to = Strided(site.outputs[0].array, 0, strides_of(shape))
    return copy(site.device, shape, to, Strided(site.inputs[0].array, first, tuple(strides)))


@operation("transpose")
def _transpose(site: Site) -> list[Call]:
    strides = strides_of(site.inputs[0].shape)
    moved = [strides[axis] for axis in site.attributes["permutation"]]
    return _reading(site, site.outputs[0].shape, 0, moved)


@operation("slice")
def _slice(site: Site) -> list[Call]:
    strides = strides_of(site.inputs[0].shape)
    first = site.attributes["start"] * strides[site.attributes["axis"]]
    return _reading(site, site.outputs[0].shape, first, strides)


@operation("flip")
def _flip(site: Site) -> list[Call]:
    shape, axis = site.inputs[0].shape, site.attributes["axis"]
    strides = list(strides_of(shape))
    last = (shape[axis] - 1) * strides[axis]
    strides[axis] = -strides[axis]
    return _reading(site, shape, last, strides)


def _into(site: Site, part: Place, axis: int, start: int) -> list[Call]:
    """Return the launch that copies a value to a part of the result along an axis."""
    out = site.outputs[0]
    strides = strides_of(out.shape)
    to = Strided(out.array, start * strides[axis], strides)
    return copy(site.device, part.shape, to, Strided(part.array, 0, strides_of(part.shape)))


@operation("pad")
def _pad(site: Site) -> list[Call]:
    out = site.outputs[0]
    zeros = fill(site.device, site.T, out.array, out.size, 0.0)
    axis, before = site.attributes["axis"], site.attributes["before"]
    return [zeros, *_into(site, site.inputs[0], axis, before)]


@operation("concat")
def _concat(site: Site) -> list[Call]:
    axis = site.attributes["axis"]
    calls, start = [], 0
    for part in site.inputs:
        calls += _into(site, part, axis, start)
        start += part.shape[axis]
    return calls


@operation("roll")
def _roll(site: Site) -> list[Call]:
    x, out = site.inputs[0], site.outputs[0]
    rows = x.shape[0]
    size = x.size // rows
    shift = site.attributes["shift"] % rows
    calls: list[Call] = []
    for first, to, count in [(0, shift, rows - shift), (rows - shift, 0, shift)]:
        target = Strided(out.array, to * size, (1,))
        calls += copy(site.device, (count * size,), target, Strided(x.array, first * size, (1,)))
    return calls


@operation("pack")
def _pack(site: Site) -> list[Call]:
    out = site.outputs[0]
    calls = [fill(site.device, site.T, out.array, out.size, 0.0)]
    start = 0
    for part in site.inputs:
        to = Strided(out.array, start, (1,))
        calls += copy(site.device, (part.size,), to, Strided(part.array, 0, (1,)))
        start += -(-part.size // _ALIGNMENT) * _ALIGNMENT
    return calls
