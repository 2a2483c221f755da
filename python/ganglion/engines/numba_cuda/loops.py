"""Loops over the steps of sequences: the host walks through them, and launches the body."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numba import cuda

from ganglion.engines.numba_cuda.copies import Move, Strided, copy, strides_of, whole
from ganglion.engines.numba_cuda.device import Call
from ganglion.engines.numba_cuda.program import Loop
from ganglion.engines.numba_cuda.sites import Place, Site

if TYPE_CHECKING:
    from ganglion.engines.numba_cuda.bound import Bound


@functools.cache
def _masked_copy(T: Any, zeros: bool) -> Any:
    """Return a kernel: samples whose step does not happen stay as they are, or become 0."""
    zero = T(0)

    def kernel(out, x, mask, n, size, first, stride, mask_first, mask_stride):
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            row = i // size
            to = first + row * stride + i % size
            if mask[mask_first + row * mask_stride] != zero:
                out[to] = x[i]
            elif zeros:
                out[to] = zero

    return cuda.jit(kernel)


def bind_loop(
    site: Site, loop: Loop, rows: int, bind: Callable[[Sequence[Place]], Bound]
) -> list[Call]:
    """Return the launches of a loop.

    Parameters
    ----------
    site : Site
        Where it runs. Inputs: carries, sequences (n, steps, ...), shared values; outputs: last
        carries, results (n, steps, ...).
    loop : Loop
        What it does.
    rows : int
        Samples of the batch.
    bind : callable
        Returns the body, bound to its inputs.
    """
    device, T = site.device, site.T
    first = loop.carries + loop.sequences
    carried, sequences = site.outputs[: loop.carries], site.inputs[loop.carries : first]
    results = site.outputs[loop.carries :]
    slices = [_step_place(site, sequence) for sequence in sequences]
    body = bind([*carried, *slices, *site.inputs[first:]])
    following = body.outputs[: loop.carries]
    made = body.outputs[loop.carries :]
    mask = sequences[-1].array if loop.masked else None

    def take(moves: Sequence[tuple[Place, Place]], at: int) -> list[Call]:
        """Copy carries of the next step, where the step happens."""
        if mask is None:
            return copy(device, [whole(to, source) for to, source in moves])
        calls = []
        for to, source in moves:
            size = to.size // rows
            arguments = (to.array, source.array, mask, to.size, size, 0, size, at, loop.steps)
            calls.append(device.over(_masked_copy(T, False), to.size, *arguments))
        return calls

    def give(at: int) -> list[Call]:
        """Copy the results of this step; and put aside carries that others will be."""
        moves = [whole(place, following[number]) for number, place in aside.items()]
        steps = list(zip(results, made, strict=False))
        if mask is None:
            return copy(device, [*moves, *(_given(out, step, at) for out, step in steps)])
        calls = copy(device, moves)
        for result, step in steps:
            size = step.size // rows
            arguments = (result.array, step.array, mask, step.size, size)
            strides = (at * size, loop.steps * size, at, loop.steps)
            calls.append(device.over(_masked_copy(T, True), step.size, *arguments, *strides))
        return calls

    # A carry that becomes what another one was is put aside first.
    kept = [id(place.array) for place in carried]
    aside = {
        number: Place(site.numbers(place.size), place.shape)
        for number, place in enumerate(following)
        if id(place.array) in kept
    }
    next_carries = [
        (to, aside.get(number, source))
        for number, (to, source) in enumerate(zip(carried, following, strict=True))
    ]
    firsts = zip(carried, site.inputs[: loop.carries], strict=True)
    calls = copy(device, [whole(to, source) for to, source in firsts])
    order = range(loop.steps)
    for at in reversed(order) if loop.reverse else order:
        read = zip(slices, sequences, strict=True)
        calls += copy(device, [_taken(step, sequence, at) for step, sequence in read])
        calls += [call for _, launches in body.launches for call in launches]
        calls += give(at)
        calls += take(next_carries, at)
    return calls


def _step_place(site: Site, sequence: Place) -> Place:
    shape = (sequence.shape[0], *sequence.shape[2:])
    return Place(site.numbers(math.prod(shape)), shape)


def _taken(step: Place, sequence: Place, at: int) -> Move:
    to = Strided(step.array, 0, strides_of(step.shape))
    return Move(step.shape, to, _step_of(sequence, at))


def _given(sequence: Place, step: Place, at: int) -> Move:
    source = Strided(step.array, 0, strides_of(step.shape))
    return Move(step.shape, _step_of(sequence, at), source)


def _step_of(sequence: Place, at: int) -> Strided:
    strides = strides_of(sequence.shape)
    return Strided(sequence.array, at * strides[1], (strides[0], *strides[2:]))
