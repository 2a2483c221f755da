"""Networks for small images, ready to be compiled, and blocks of layers for networks of your own.

Their weights are drawn, not downloaded.

>>> from ganglion import applications
>>> net = applications.ResNet8(input_shape=(28, 28, 1), classes=10)
>>> net.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
"""

from __future__ import annotations

from collections.abc import Sequence

from ganglion.data import whole_number
from ganglion.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    Layer,
    LayerNormalization,
    MaxPooling2D,
    MultiHeadAttention,
    Residual,
)
from ganglion.sequential import Sequential

__all__ = ["LeNet5", "ResNet8", "ResNet20", "SmallVGG", "transformer_encoder"]


def __dir__() -> list[str]:
    return sorted(__all__)


def LeNet5(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int = 10,
    activation: str = "tanh",
    random_state: int | None = None,
) -> Sequential:
    """Two convolutions with average pooling, and two dense layers (LeCun et al. 1998).

    Parameters
    ----------
    input_shape : (int, int, int), default=(28, 28, 1)
        Height, width and channels of an image, at least 16 by 16.
    classes : int, default=10
        Outputs, probabilities.
    activation : str, default="tanh"
        Of all layers but the last.
    random_state : int, optional
        Of the weights and of training.

    Returns
    -------
    Sequential
        Built, to be compiled.

    Raises
    ------
    ValueError
        An image too small, or a number of classes below 2.

    Examples
    --------
    >>> LeNet5().count_params()
    61706
    """
    chain = [
        Conv2D(6, 5, padding="same", activation=activation),
        AveragePooling2D(2),
        Conv2D(16, 5, activation=activation),
        AveragePooling2D(2),
        Flatten(),
        Dense(120, activation=activation),
        Dense(84, activation=activation),
    ]
    return _network("LeNet5", input_shape, chain, classes, 16, random_state)


def SmallVGG(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int = 10,
    dropout: float = 0.25,
    random_state: int | None = None,
) -> Sequential:
    """Pairs of 3x3 convolutions with batch normalisation, halved by max pooling.

    After Simonyan and Zisserman (2015): two pairs, of 32 and 64 channels, and a dense layer of 128.

    Parameters
    ----------
    input_shape : (int, int, int), default=(28, 28, 1)
        Height, width and channels of an image, at least 4 by 4.
    classes : int, default=10
        Outputs, probabilities.
    dropout : float, default=0.25
        After each pair; twice that before the output.
    random_state : int, optional
        Of the weights and of training.

    Returns
    -------
    Sequential
        Built, to be compiled.

    Examples
    --------
    >>> SmallVGG((32, 32, 3)).output_shape
    (None, 10)
    """
    chain: list[Layer] = []
    for filters in (32, 64):
        chain += [*_unit(filters), Activation("relu"), *_unit(filters), Activation("relu")]
        chain += [MaxPooling2D(2), Dropout(dropout)]
    chain += [Flatten(), Dense(128, activation="relu"), Dropout(min(2 * dropout, 0.5))]
    return _network("SmallVGG", input_shape, chain, classes, 4, random_state)


def ResNet8(
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int = 10,
    filters: int = 16,
    random_state: int | None = None,
) -> Sequential:
    """Eight layers with weights: a residual block at each of three resolutions.

    After He et al. (2016), section 4.2; where a block changes the shape, its shortcut is a 1x1
    convolution.

    Parameters
    ----------
    input_shape : (int, int, int), default=(32, 32, 3)
        Height, width and channels of an image, at least 4 by 4.
    classes : int, default=10
        Outputs, probabilities.
    filters : int, default=16
        Channels of the first blocks; doubled with each halving of the image.
    random_state : int, optional
        Of the weights and of training.

    Returns
    -------
    Sequential
        Built, to be compiled.

    Examples
    --------
    >>> ResNet8((28, 28, 1)).count_params()
    78426
    """
    return _resnet("ResNet8", 1, input_shape, classes, filters, random_state)


def ResNet20(
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int = 10,
    filters: int = 16,
    random_state: int | None = None,
) -> Sequential:
    """Twenty layers with weights: three residual blocks at each of three resolutions.

    Parameters, returned network and source as for `ResNet8`.

    Examples
    --------
    >>> len([layer for layer in ResNet20().layers if type(layer).__name__ == "Residual"])
    9
    """
    return _resnet("ResNet20", 3, input_shape, classes, filters, random_state)


def transformer_encoder(
    width: int,
    num_heads: int,
    hidden_units: int | None = None,
    blocks: int = 1,
    dropout: float = 0.0,
    activation: str = "relu",
    causal: bool = False,
) -> list[Layer]:
    """Return the layers of a Transformer's encoder, for sequences (steps, width).

    After Vaswani et al. (2017), with the normalisation before each part, which needs no warm-up of
    the learning rate (Xiong et al. 2020), and once more at the end. Each block is a `Residual` of
    attention and a `Residual` of two dense layers.

    Parameters
    ----------
    width : int
        Features of a step, of the input as of the result; a multiple of ``num_heads``.
    num_heads : int
        Attentions beside each other, with keys and values of ``width / num_heads``.
    hidden_units : int, optional
        Of the dense layer between, by default four times the width.
    blocks : int, default=1
        How many.
    dropout : float, default=0.0
        Of attention weights and of what each part adds.
    activation : str, default="relu"
        Of the dense layer between.
    causal : bool, default=False
        Whether a step sees only those before it, as a language model must.

    Returns
    -------
    list of Layer
        To stand in a network behind what gives the steps their positions.

    Raises
    ------
    ValueError
        A width that is no multiple of ``num_heads``, or a number that is not positive.

    Examples
    --------
    >>> from ganglion import layers
    >>> net = Sequential(
    ...     [
    ...         layers.Input((64, 9)),
    ...         layers.Dense(32),
    ...         layers.PositionalEncoding(),
    ...         *transformer_encoder(32, num_heads=4, blocks=2),
    ...         layers.GlobalAveragePooling1D(),
    ...         layers.Dense(6, activation="softmax"),
    ...     ]
    ... )
    >>> net.count_params()
    25990
    """
    place = "transformer_encoder"
    hidden = 4 * width if hidden_units is None else hidden_units
    sizes = {"width": width, "num_heads": num_heads, "hidden_units": hidden, "blocks": blocks}
    for name, value in sizes.items():
        whole_number(place, name, value)
    if width % num_heads:
        raise ValueError(
            f"[{place}] width must be a multiple of num_heads, got {width} and {num_heads}"
        )
    chain: list[Layer] = []
    for _ in range(blocks):
        attention = MultiHeadAttention(
            num_heads, width // num_heads, dropout=dropout, causal=causal
        )
        dense = [Dense(hidden, activation=activation), Dense(width)]
        for part in ([attention], dense):
            chain.append(Residual([LayerNormalization(), *part, *_dropouts(dropout)]))
    return [*chain, LayerNormalization()]


def _dropouts(rate: float) -> list[Layer]:
    return [Dropout(rate)] if rate else []


def _resnet(
    place: str,
    blocks: int,
    input_shape: Sequence[int],
    classes: int,
    filters: int,
    random_state: int | None,
) -> Sequential:
    whole_number(place, "filters", filters)
    chain: list[Layer] = [*_unit(filters), Activation("relu")]
    for stage in range(3):
        for block in range(blocks):
            halves = stage > 0 and block == 0
            channels, strides = filters * 2**stage, 2 if halves else 1
            inner = [*_unit(channels, 3, strides), Activation("relu"), *_unit(channels)]
            shortcut = _unit(channels, 1, strides) if halves else None
            chain += [Residual(inner, shortcut=shortcut), Activation("relu")]
    chain.append(GlobalAveragePooling2D())
    return _network(place, input_shape, chain, classes, 4, random_state)


def _unit(filters: int, size: int = 3, strides: int = 1) -> list[Layer]:
    """Return a convolution without a bias, which the normalisation behind it would take away."""
    convolution = Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )
    return [convolution, BatchNormalization(momentum=0.9)]


def _network(
    place: str,
    input_shape: Sequence[int],
    chain: Sequence[Layer],
    classes: int,
    smallest: int,
    random_state: int | None,
) -> Sequential:
    shape = tuple(input_shape) if isinstance(input_shape, Sequence) else ()
    whole_number(place, "classes", classes, minimum=2)
    if len(shape) != 3 or min(shape[:2]) < smallest:
        raise ValueError(
            f"[{place}] input_shape must be (height, width, channels), at least {smallest} by "
            f"{smallest}, got {input_shape!r}"
        )
    layers = [Input(shape), *chain, Dense(classes, activation="softmax")]
    return Sequential(layers, random_state=random_state)
