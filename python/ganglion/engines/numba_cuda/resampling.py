"""Images read at the places that a matrix gives, and the way back."""

from __future__ import annotations

import functools
from typing import Any

from numba import cuda

from ganglion.engines.numba_cuda.copies import fill
from ganglion.engines.numba_cuda.device import Call
from ganglion.engines.numba_cuda.scalars import floor
from ganglion.engines.numba_cuda.sites import Place, Site, operation

# As the core counts fill modes.
_CONSTANT, _NEAREST, _REFLECT, _WRAP = range(4)
# Places further away are taken for this one, which is whole and has neighbours in float; NaN too.
_FARTHEST = 2.0**22


@functools.cache
def _pixel(T: Any, fill_mode: int) -> Any:
    """Return the device function of the pixel at a whole place of an axis, -1 for none."""
    zero, one, two = T(0), T(1), T(2)

    def function(i, size):
        if fill_mode == _WRAP:
            return int(i - size * floor(i / size))
        if fill_mode == _REFLECT:
            period = two * size
            inside = i - period * floor(i / period)
            return int(inside) if inside < size else int(period - one - inside)
        last = size - one
        nearest = zero if i < zero else (last if i > last else i)
        if fill_mode == _CONSTANT and nearest != i:
            return -1
        return int(nearest)

    return cuda.jit(function, device=True)


@functools.cache
def _bounded(T: Any) -> Any:
    farthest = T(_FARTHEST)

    def function(place):
        below = place if place < farthest else farthest
        return below if below > -farthest else -farthest

    return cuda.jit(function, device=True)


@functools.cache
def _resample_kernel(T: Any, fill_mode: int, bilinear: bool) -> Any:
    """Return a kernel whose threads make an element of the result each."""
    pixel, bounded = _pixel(T, fill_mode), _bounded(T)
    zero, one, half = T(0), T(1), T(0.5)

    def kernel(out, x, matrices, count, height, width, channels, down, across):
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            c = i % channels
            rest = i // channels
            column = T(rest % across)
            rest = rest // across
            line = T(rest % down)
            image = rest // down
            m = 6 * image
            at_x = bounded(matrices[m] * column + (matrices[m + 1] * line + matrices[m + 2]))
            at_y = bounded(matrices[m + 3] * column + (matrices[m + 4] * line + matrices[m + 5]))
            left, top = floor(at_x), floor(at_y)
            part_x, part_y = at_x - left, at_y - top
            taps = 2
            if not bilinear:
                left, top = floor(at_x + half), floor(at_y + half)
                part_x, part_y = zero, zero
                taps = 1
            total = zero
            for tap_y in range(taps):
                row = pixel(T(top) + T(tap_y), T(height))
                share_y = part_y if tap_y == 1 else one - part_y
                for tap_x in range(taps):
                    place = pixel(T(left) + T(tap_x), T(width))
                    share_x = part_x if tap_x == 1 else one - part_x
                    if row >= 0 and place >= 0:
                        number = x[((image * height + row) * width + place) * channels + c]
                        total += share_y * share_x * number
            out[i] = total

    return cuda.jit(kernel)


@functools.cache
def _gradient_kernel(T: Any, fill_mode: int, bilinear: bool) -> Any:
    """Return a kernel whose threads take a channel of an image each: sums have one order."""
    pixel, bounded = _pixel(T, fill_mode), _bounded(T)
    zero, one, half = T(0), T(1), T(0.5)

    def kernel(d_x, d_out, matrices, count, height, width, channels, down, across):
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            c, image = i % channels, i // channels
            m = 6 * image
            for at in range(down * across):
                column, line = T(at % across), T(at // across)
                at_x = bounded(matrices[m] * column + (matrices[m + 1] * line + matrices[m + 2]))
                at_y = bounded(
                    matrices[m + 3] * column + (matrices[m + 4] * line + matrices[m + 5])
                )
                left, top = floor(at_x), floor(at_y)
                part_x, part_y = at_x - left, at_y - top
                taps = 2
                if not bilinear:
                    left, top = floor(at_x + half), floor(at_y + half)
                    part_x, part_y = zero, zero
                    taps = 1
                number = d_out[(image * down * across + at) * channels + c]
                for tap_y in range(taps):
                    row = pixel(T(top) + T(tap_y), T(height))
                    share_y = part_y if tap_y == 1 else one - part_y
                    for tap_x in range(taps):
                        place = pixel(T(left) + T(tap_x), T(width))
                        share_x = part_x if tap_x == 1 else one - part_x
                        if row >= 0 and place >= 0:
                            to = ((image * height + row) * width + place) * channels + c
                            d_x[to] += share_y * share_x * number

    return cuda.jit(kernel)


def _settings(images: Place, results: Place) -> tuple[int, ...]:
    _, height, width, channels = images.shape
    return (height, width, channels, *results.shape[1:3])


def _choices(site: Site) -> tuple[int, bool]:
    return site.attributes["fill_mode"], bool(site.attributes["interpolation"])


@operation("resample")
def _resample(site: Site) -> list[Call]:
    (x, matrices), out = site.inputs, site.outputs[0]
    arguments = (out.array, x.array, matrices.array, out.size, *_settings(x, out))
    return [site.device.over(_resample_kernel(site.T, *_choices(site)), out.size, *arguments)]


@operation("resample_gradient")
def _resample_gradient(site: Site) -> list[Call]:
    (d_out, matrices), d_x = site.inputs, site.outputs[0]
    count = d_x.shape[0] * d_x.shape[3]
    arguments = (d_x.array, d_out.array, matrices.array, count, *_settings(d_x, d_out))
    return [
        fill(site.device, site.T, d_x.array, d_x.size, 0.0),
        site.device.over(_gradient_kernel(site.T, *_choices(site)), count, *arguments),
    ]
