"""Convolutions of each channel by itself, and what mixes the channels afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ganglion import initializers, ops, regularizers
from ganglion.activations import Activation
from ganglion.errors import check_count
from ganglion.initializers import Initializer
from ganglion.layers.base import LayerSettings
from ganglion.layers.convolution import Windowed
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _Depthwise(Windowed, registered=False):
    """What begins with a convolution of each channel."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        dilation_rate: int | Sequence[int] = 1,
        activation: str | Activation | Callable[[Value], Value] | None = None,
        use_bias: bool = True,
        depthwise_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        depthwise_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            **settings,
        )
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        check_count(self, "depth_multiplier")

    def depthwise(self, x: Value, name: str) -> Value:
        """Convolve each channel of ``x`` with its own part of the weight of that name."""
        channels = self.check_input(x)
        kernel = self.add_weight(
            name,
            (*self.window, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
        )
        parted = ops.reshape(kernel, (*self.window, 1, channels * self.depth_multiplier))
        return ops.convolution(
            x, parted, self.strides, self.padding, self.dilation_rate, groups=channels
        )


class DepthwiseConv2D(_Depthwise):
    """Convolve each channel of images with kernels of its own.

    Weights: ``kernel`` (rows, columns, channels, depth_multiplier), ``bias``
    (channels * depth_multiplier,). Keras's ``data_format`` and constraints are left out.

    Parameters
    ----------
    kernel_size, strides, padding, dilation_rate
        See :class:`Conv2D`.
    depth_multiplier : int
        Results of each channel; those of the first channel come first.
    activation, use_bias, bias_initializer, bias_regularizer, **settings
        See :class:`Conv2D`.
    depthwise_initializer : str or Initializer
        First values of the kernel.
    depthwise_regularizer : str or Regularizer, optional
        Penalty on the kernel.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(DepthwiseConv2D(3, depth_multiplier=2), np.zeros((2, 8, 8, 5))).shape
    (2, 6, 6, 10)
    """

    example_shape = (5, 6, 3)

    @classmethod
    def examples(cls) -> list[DepthwiseConv2D]:
        return [
            cls(3, activation="relu", bias_initializer="normal"),
            cls((2, 3), strides=2, padding="same", depth_multiplier=2, depthwise_regularizer="l2"),
        ]

    def build(self, x: Value) -> Value:
        return self.finish(self.depthwise(x, "kernel"))


class SeparableConv2D(_Depthwise):
    """Convolve each channel of images by itself, then mix the channels at each place.

    Weights: ``depthwise_kernel`` (rows, columns, channels, depth_multiplier), ``pointwise_kernel``
    (1, 1, channels * depth_multiplier, filters), ``bias`` (filters,).

    Parameters
    ----------
    filters : int
        Channels of the result.
    kernel_size, strides, padding, dilation_rate
        See :class:`Conv2D`.
    depth_multiplier : int
        Results of each channel, before they are mixed.
    activation, use_bias, bias_initializer, bias_regularizer, **settings
        See :class:`Conv2D`.
    depthwise_initializer, pointwise_initializer : str or Initializer
        First values of the two kernels.
    depthwise_regularizer, pointwise_regularizer : str or Regularizer, optional
        Penalties on them.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(SeparableConv2D(4, 3, padding="same"), np.zeros((2, 8, 8, 5))).shape
    (2, 8, 8, 4)
    """

    example_shape = (5, 6, 3)

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: str | Activation | Callable[[Value], Value] | None = None,
        use_bias: bool = True,
        depthwise_initializer: str | Initializer = "glorot_uniform",
        pointwise_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        depthwise_regularizer: str | Regularizer | None = None,
        pointwise_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            dilation_rate,
            activation,
            use_bias,
            depthwise_initializer,
            bias_initializer,
            depthwise_regularizer,
            bias_regularizer,
            **settings,
        )
        self.filters = filters
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        check_count(self, "filters")

    @classmethod
    def examples(cls) -> list[SeparableConv2D]:
        return [
            cls(4, 3, activation="tanh"),
            cls(2, (2, 3), strides=2, padding="same", depth_multiplier=2, use_bias=False),
        ]

    def build(self, x: Value) -> Value:
        y = self.depthwise(x, "depthwise_kernel")
        kernel = self.add_weight(
            "pointwise_kernel",
            (1, 1, y.shape[-1], self.filters),
            self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
        )
        return self.finish(ops.convolution(y, kernel))
