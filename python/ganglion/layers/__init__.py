"""The layers. Names, arguments, defaults, formulas and weight layouts are Keras's."""

from ganglion.layers.activation import Activation, PReLU
from ganglion.layers.adapted import Normalization
from ganglion.layers.base import Layer
from ganglion.layers.colors import RandomBrightness, RandomContrast, RandomErasing
from ganglion.layers.combinators import Branches, Residual
from ganglion.layers.convolution import Conv1D, Conv2D
from ganglion.layers.dense import Dense
from ganglion.layers.dropout import Dropout, GaussianNoise
from ganglion.layers.geometry import (
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from ganglion.layers.input import Input
from ganglion.layers.mixing import CutMix, MixUp
from ganglion.layers.normalization import BatchNormalization, LayerNormalization
from ganglion.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from ganglion.layers.regularization import ActivityRegularization
from ganglion.layers.shape import Flatten, Rescaling, Reshape

__all__ = [
    "Activation",
    "ActivityRegularization",
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Branches",
    "Conv1D",
    "Conv2D",
    "CutMix",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Input",
    "Layer",
    "LayerNormalization",
    "MaxPooling1D",
    "MaxPooling2D",
    "MixUp",
    "Normalization",
    "PReLU",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "Rescaling",
    "Reshape",
    "Residual",
]


def __dir__() -> list[str]:
    return __all__
