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


# Copies of one launch, at most: what a kernel can have as arguments is limited.
_TOGETHER = 8


@functools.cache
def _copy(ranks: tuple[int, ...]) -> Any:
    """Return a kernel that makes copies of some ranks one after the other.

    For each it takes the two arrays, the number of elements, where both begin, the extents but the
    first, and the strides of the result and of the source.
    """
    arguments, lines = [], []
    for number, rank in enumerate(ranks):
        own = ["out", "x", "n", "to", "origin", *(f"e{axis}_" for axis in range(1, rank))]
        own += [f"{side}{axis}_" for side in "tf" for axis in range(rank)]
        arguments += [f"{name}{number}" for name in own]
        lines += [f"    for i in range(cuda.grid(1), n{number}, cuda.gridsize(1)):"]
        lines += ["        rest = i", f"        target = to{number}"]
        lines += [f"        source = origin{number}"]
        for axis in range(rank - 1, 0, -1):
            extent = f"e{axis}_{number}"
            lines += [f"        at = rest % {extent}", f"        rest = rest // {extent}"]
            lines += [f"        target += at * t{axis}_{number}"]
            lines += [f"        source += at * f{axis}_{number}"]
        read = f"x{number}[source + rest * f0_{number}]"
        lines += [f"        out{number}[target + rest * t0_{number}] = {read}"]
    names_of: dict[str, Any] = {"cuda": cuda}
    exec(f"def copy({', '.join(arguments)}):\n" + "\n".join(lines) + "\n", names_of)
    return cuda.jit(names_of["copy"])


class Strided(NamedTuple):
    """Elements of flat memory: where they begin, and how far apart they are along each axis."""

    array: Any
    first: int
    strides: tuple[int, ...]


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of a contiguous array, in elements."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


class Move(NamedTuple):
    """A copy of elements from some strides to others."""

    extents: tuple[int, ...]
    to: Strided
    source: Strided


def copy(device: Device, moves: Sequence[Move]) -> list[Call]:
    """Return the launches of copies of which none writes what another reads."""
    calls = []
    for first in range(0, len(moves), _TOGETHER):
        together = moves[first : first + _TOGETHER]
        ranks, arguments = zip(*map(_arguments, together), strict=True)
        most = max(math.prod(move.extents) for move in together)
        flat = [argument for own in arguments for argument in own]
        calls.append(device.over(_copy(ranks), most, *flat))
    return calls


def _arguments(move: Move) -> tuple[int, list[Any]]:
    """Return the rank of a copy, as few axes as can be, and what its kernel takes."""
    kept: list[list[int]] = []
    for extent, *strides in zip(move.extents, move.to.strides, move.source.strides, strict=True):
        if extent == 1:
            continue
        if kept and all(kept[-1][at + 1] == extent * strides[at] for at in range(2)):
            kept[-1] = [kept[-1][0] * extent, *strides]  # one run of memory in both
        else:
            kept.append([extent, *strides])
    kept = kept or [[1, 1, 1]]
    extents, to, source = zip(*kept, strict=True)
    numbers = (math.prod(move.extents), move.to.first, move.source.first, *extents[1:])
    return len(kept), [move.to.array, move.source.array, *numbers, *to, *source]


@functools.cache
def _fill(T: Any) -> Any:
    def kernel(out, n, value):
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            out[i] = value

    return cuda.jit(kernel)


def fill(device: Device, T: Any, out: Any, count: int, value: float) -> Call:
    """Return the launch that sets elements to a number."""
    return device.over(_fill(T), count, out, count, T(value))


def whole(to: Place, source: Place) -> Move:
    """Return the copy of one value into another of its size."""
    return Move((source.size,), Strided(to.array, 0, (1,)), Strided(source.array, 0, (1,)))


@operation("move")
def _move(site: Site) -> list[Call]:
    return copy(site.device, [whole(site.outputs[0], site.inputs[0])])


def _reading(site: Site, shape: Sequence[int], first: int, strides: Sequence[int]) -> list[Call]:
    """Return the launch that writes all of the result from some elements of the operand."""
    to = Strided(site.outputs[0].array, 0, strides_of(shape))
    source = Strided(site.inputs[0].array, first, tuple(strides))
    return copy(site.device, [Move(tuple(shape), to, source)])


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


def _into(site: Site, part: Place, axis: int, start: int) -> Move:
    """Return the copy of a value to a part of the result along an axis."""
    out = site.outputs[0]
    strides = strides_of(out.shape)
    to = Strided(out.array, start * strides[axis], strides)
    return Move(part.shape, to, Strided(part.array, 0, strides_of(part.shape)))


@operation("pad")
def _pad(site: Site) -> list[Call]:
    out = site.outputs[0]
    zeros = fill(site.device, site.T, out.array, out.size, 0.0)
    axis, before = site.attributes["axis"], site.attributes["before"]
    return [zeros, *copy(site.device, [_into(site, site.inputs[0], axis, before)])]


@operation("concat")
def _concat(site: Site) -> list[Call]:
    axis = site.attributes["axis"]
    moves, start = [], 0
    for part in site.inputs:
        moves.append(_into(site, part, axis, start))
        start += part.shape[axis]
    return copy(site.device, moves)


@operation("roll")
def _roll(site: Site) -> list[Call]:
    x, out = site.inputs[0], site.outputs[0]
    rows = x.shape[0]
    size = x.size // rows
    shift = site.attributes["shift"] % rows
    moves = []
    for first, to, count in [(0, shift, rows - shift), (rows - shift, 0, shift)]:
        if count:
            target = Strided(out.array, to * size, (1,))
            moves.append(Move((count * size,), target, Strided(x.array, first * size, (1,))))
    return copy(site.device, moves)


@operation("pack")
def _pack(site: Site) -> list[Call]:
    out = site.outputs[0]
    moves, start = [], 0
    for part in site.inputs:
        to = Strided(out.array, start, (1,))
        moves.append(Move((part.size,), to, Strided(part.array, 0, (1,))))
        start += -(-part.size // _ALIGNMENT) * _ALIGNMENT
    return [fill(site.device, site.T, out.array, out.size, 0.0), *copy(site.device, moves)]
