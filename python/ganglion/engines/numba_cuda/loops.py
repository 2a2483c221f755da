"""Loops over the steps of sequences: the host walks through them, and launches the body."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numba import cuda

from ganglion.engines.numba_cuda.copies import Strided, copy, strides_of
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

    def take(to: Place, source: Place, at: int) -> list[Call]:
        """Copy a carry of the next step, where the step happens."""
        if mask is None:
            return copy(device, (to.size,), _flat(to), _flat(source))
        size = to.size // rows
        arguments = (to.array, source.array, mask, to.size, size, 0, size, at, loop.steps)
        return [device.over(_masked_copy(T, False), to.size, *arguments)]

    def give(result: Place, step: Place, at: int) -> list[Call]:
        """Copy a result of this step."""
        size = step.size // rows
        if mask is None:
            source = Strided(step.array, 0, strides_of(step.shape))
            return copy(device, step.shape, _step_of(result, at), source)
        arguments = (result.array, step.array, mask, step.size, size)
        strides = (at * size, loop.steps * size, at, loop.steps)
        return [device.over(_masked_copy(T, True), step.size, *arguments, *strides)]

    # A carry that becomes what another one was is put aside first.
    aside: dict[int, Place] = {}
    kept = [id(place.array) for place in carried]
    for number, place in enumerate(following):
        if id(place.array) in kept:
            aside[number] = Place(site.numbers(place.size), place.shape)
    calls: list[Call] = []
    for carry, first_value in zip(carried, site.inputs[: loop.carries], strict=True):
        calls += copy(device, (carry.size,), _flat(carry), _flat(first_value))
    order = range(loop.steps)
    for at in reversed(order) if loop.reverse else order:
        for step, sequence in zip(slices, sequences, strict=True):
            to = Strided(step.array, 0, strides_of(step.shape))
            calls += copy(device, step.shape, to, _step_of(sequence, at))
        calls += [call for _, launches in body.launches for call in launches]
        for result, step in zip(results, made, strict=False):
            calls += give(result, step, at)
        for number, place in aside.items():
            calls += copy(device, (place.size,), _flat(place), _flat(following[number]))
        for number, (carry, made_value) in enumerate(zip(carried, following, strict=True)):
            calls += take(carry, aside.get(number, made_value), at)
    return calls


def _step_place(site: Site, sequence: Place) -> Place:
    shape = (sequence.shape[0], *sequence.shape[2:])
    return Place(site.numbers(math.prod(shape)), shape)


def _flat(place: Place) -> Strided:
    return Strided(place.array, 0, (1,))


def _step_of(sequence: Place, at: int) -> Strided:
    strides = strides_of(sequence.shape)
    return Strided(sequence.array, at * strides[1], (strides[0], *strides[2:]))
