"""Images read at other places, by SciPy."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reference.operations import Array, Attributes, operation

# As the core counts fill modes, the words of SciPy's that fill pixel by pixel.
MODES = ("grid-constant", "nearest", "reflect", "grid-wrap")


def read(image: Array, matrix: Array, size: tuple[int, int], attributes: Attributes) -> Array:
    """An image (height, width) at the places of pixels of a result of `size`."""
    y, x = np.indices(size)
    a0, a1, a2, b0, b1, b2 = matrix
    places = [b0 * x + b1 * y + b2, a0 * x + a1 * y + a2]
    mode, order = MODES[attributes["fill_mode"]], attributes["interpolation"]
    if order == 0:  # the nearest pixel; SciPy's own rounding of halves differs from mode to mode
        places = [np.floor(place + 0.5) for place in places]
    return ndimage.map_coordinates(image, places, order=order, mode=mode, prefilter=False)


@operation("resample")
def resample(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    images, matrices = inputs
    size = tuple(attributes["size"])
    result = np.empty((rows, *size, images.shape[3]))
    for sample in range(rows):
        for channel in range(images.shape[3]):
            image = images[sample, :, :, channel]
            result[sample, :, :, channel] = read(image, matrices[sample], size, attributes)
    return result


@operation("resample_gradient")
def resample_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    """The transpose: what each pixel of the image alone would have given."""
    d_out, matrices = inputs
    height, width = attributes["size"]
    d_images = np.empty((rows, height, width, d_out.shape[3]))
    for sample in range(rows):
        for pixel in range(height * width):
            image = np.zeros((height, width))
            image.flat[pixel] = 1.0
            share = read(image, matrices[sample], d_out.shape[1:3], attributes)
            d_images[sample, pixel // width, pixel % width] = np.tensordot(share, d_out[sample], 2)
    return d_images
