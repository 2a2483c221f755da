"""The layers. Names, arguments, defaults, formulas and weight layouts are Keras's."""

from ganglion.layers.activation import Activation, PReLU
from ganglion.layers.adapted import Normalization
from ganglion.layers.attention import MultiHeadAttention
from ganglion.layers.base import Layer
from ganglion.layers.bidirectional import Bidirectional
from ganglion.layers.capsules import CapsuleLayer, CapsuleLength, LongestCapsule, PrimaryCapsule
from ganglion.layers.colors import RandomBrightness, RandomContrast, RandomErasing
from ganglion.layers.combinators import Branches, Residual
from ganglion.layers.convolution import Conv1D, Conv2D
from ganglion.layers.cropping import Cropping1D, Cropping2D, ZeroPadding1D, ZeroPadding2D
from ganglion.layers.dense import Dense
from ganglion.layers.dropout import Dropout, GaussianNoise, SpatialDropout1D, SpatialDropout2D
from ganglion.layers.embedding import Embedding
from ganglion.layers.function import Function
from ganglion.layers.geometry import (
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from ganglion.layers.global_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
)
from ganglion.layers.group_normalization import GroupNormalization
from ganglion.layers.gru import GRU
from ganglion.layers.input import Input
from ganglion.layers.lstm import LSTM
from ganglion.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
)
from ganglion.layers.mixing import CutMix, MixUp
from ganglion.layers.normalization import BatchNormalization, LayerNormalization
from ganglion.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from ganglion.layers.positions import PositionalEncoding, PositionEmbedding
from ganglion.layers.rectified import ELU, LeakyReLU, ReLU, Softmax
from ganglion.layers.regularization import ActivityRegularization
from ganglion.layers.resizing import CenterCrop, Resizing, UpSampling2D
from ganglion.layers.sampling import GaussianSampling
from ganglion.layers.separable import DepthwiseConv2D, SeparableConv2D
from ganglion.layers.sequences import Masking, RepeatVector, TimeDistributed
from ganglion.layers.shape import Flatten, Permute, Rescaling, Reshape
from ganglion.layers.simple_rnn import SimpleRNN
from ganglion.layers.spectral import SpectralNormalization
from ganglion.layers.transposed import Conv2DTranspose

__all__ = [
    "Activation",
    "ActivityRegularization",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Bidirectional",
    "Branches",
    "CapsuleLayer",
    "CapsuleLength",
    "CenterCrop",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Cropping1D",
    "Cropping2D",
    "CutMix",
    "Dense",
    "DepthwiseConv2D",
    "Dot",
    "Dropout",
    "ELU",
    "Embedding",
    "Flatten",
    "Function",
    "GRU",
    "GaussianNoise",
    "GaussianSampling",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "Input",
    "LSTM",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "LongestCapsule",
    "Masking",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "MixUp",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "PositionEmbedding",
    "PositionalEncoding",
    "PrimaryCapsule",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Residual",
    "Resizing",
    "SeparableConv2D",
    "SimpleRNN",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpectralNormalization",
    "Subtract",
    "TimeDistributed",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
]


def __dir__() -> list[str]:
    return __all__
