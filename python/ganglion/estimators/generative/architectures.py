"""The layers that encode and decode samples of a shape, where the user names none.

Images of at least 8 x 8 pixels, (height, width) or (height, width, channels), are halved by
convolutions until they are smaller; all else is a vector to dense layers.
"""

from __future__ import annotations

import math
from typing import Any

from ganglion import layers
from ganglion.layers import Layer

Shape = tuple[int, ...]

_SMALLEST_HALVED = 8
# A multiple of the stride: every pixel of a transposed convolution is made of as many others.
_KERNEL = 4
# Halvings of an image, at most, and filters before the first and after any of them.
_MOST_HALVINGS = 4
_FIRST_FILTERS, _MOST_FILTERS = 32, 128
# Units of the first of two dense layers: as many as a sample has numbers, but within these.
_LEAST_UNITS, _MOST_UNITS = 32, 512


def is_image(shape: Shape) -> bool:
    """Tell whether samples of a shape are taken for images.

    Examples
    --------
    >>> is_image((28, 28)), is_image((32, 32, 3)), is_image((784,)), is_image((5, 40))
    (True, True, False, False)
    """
    return len(shape) in (2, 3) and min(shape[:2]) >= _SMALLEST_HALVED


def encoding_layers(shape: Shape, activation: Any = "relu") -> list[Layer]:
    """Return the layers before the code, which is still to come.

    Examples
    --------
    >>> for layer in encoding_layers((28, 28)): print(layer)
    Reshape((28, 28, 1))
    Conv2D(32, 4, strides=2, padding='same', activation='relu')
    Conv2D(64, 4, strides=2, padding='same', activation='relu')
    Flatten()
    """
    if not is_image(shape):
        wide, narrow = _units(shape)
        first: list[Layer] = [layers.Flatten()] if len(shape) > 1 else []
        return [
            *first,
            layers.Dense(wide, activation=activation),
            layers.Dense(narrow, activation=activation),
        ]
    convolutions = [
        layers.Conv2D(filters, _KERNEL, strides=2, padding="same", activation=activation)
        for filters in _filters(shape)
    ]
    return [*_with_channels(shape), *convolutions, layers.Flatten()]


def decoding_layers(
    shape: Shape,
    activation: Any = "relu",
    output_activation: Any = None,
    normalized: bool = False,
) -> list[Layer]:
    """Return the layers from a code to a sample.

    Parameters
    ----------
    shape : tuple of int
        Of one sample.
    activation, output_activation : str, Activation or callable, optional
        Of the hidden layers, and of the last.
    normalized : bool, default=False
        Whether the hidden layers have batch normalisation.

    Examples
    --------
    >>> for layer in decoding_layers((28, 28), output_activation="sigmoid"): print(layer)
    Dense(3136, activation='relu')
    Reshape((7, 7, 64))
    Conv2DTranspose(32, 4, strides=2, padding='same', activation='relu')
    Conv2DTranspose(1, 4, strides=2, padding='same', activation='sigmoid')
    Reshape((28, 28))
    """

    def hidden(layer: Any, *settings: Any, **more: Any) -> list[Layer]:
        if not normalized:
            return [layer(*settings, **more, activation=activation)]
        linear = layer(*settings, **more, use_bias=False)
        return [linear, layers.BatchNormalization(momentum=0.9), layers.Activation(activation)]

    if not is_image(shape):
        wide, narrow = _units(shape)
        last: list[Layer] = [layers.Reshape(shape)] if len(shape) > 1 else []
        return [
            *hidden(layers.Dense, narrow),
            *hidden(layers.Dense, wide),
            layers.Dense(math.prod(shape), activation=output_activation),
            *last,
        ]
    *fewer, most = _filters(shape)
    halvings = len(fewer) + 1
    height, width = (-(-size // 2**halvings) for size in shape[:2])
    growing = [
        layer
        for count in reversed(fewer)
        for layer in hidden(layers.Conv2DTranspose, count, _KERNEL, strides=2, padding="same")
    ]
    channels = shape[2] if len(shape) == 3 else 1
    grown = height * 2**halvings, width * 2**halvings
    return [
        *hidden(layers.Dense, height * width * most),
        layers.Reshape((height, width, most)),
        *growing,
        layers.Conv2DTranspose(
            channels, _KERNEL, strides=2, padding="same", activation=output_activation
        ),
        *([] if grown == shape[:2] else [layers.CenterCrop(*shape[:2])]),
        *([layers.Reshape(shape)] if len(shape) == 2 else []),
    ]


def _with_channels(shape: Shape) -> list[Layer]:
    return [layers.Reshape((*shape, 1))] if len(shape) == 2 else []


def _units(shape: Shape) -> tuple[int, int]:
    wide = min(max(math.prod(shape), _LEAST_UNITS), _MOST_UNITS)
    return wide, wide // 2


def _filters(shape: Shape) -> list[int]:
    """Return the filters of each halving of images."""
    halvings = math.floor(math.log2(min(shape[:2]) / (_SMALLEST_HALVED / 2)))
    return [
        min(_FIRST_FILTERS * 2**number, _MOST_FILTERS)
        for number in range(min(halvings, _MOST_HALVINGS))
    ]
