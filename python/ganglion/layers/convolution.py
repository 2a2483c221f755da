"""Convolutions: each result looks at a window of the input, all through the same kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from ganglion import activations, initializers, ops, regularizers
from ganglion.activations import Activation
from ganglion.errors import as_tuple, check_boolean, check_choice, check_count, check_sizes, place
from ganglion.initializers import Initializer
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.images import check_images
from ganglion.ops.pooling import per_axis
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Windowed(Layer, registered=False):
    """What all convolutions have: a window that moves, a bias and an activation.

    Arguments as for :class:`Conv2D`.
    """

    axes: ClassVar[int] = 2
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        dilation_rate: int | Sequence[int],
        activation: str | Activation | Callable[[Value], Value] | None,
        use_bias: bool,
        bias_initializer: str | Initializer,
        bias_regularizer: str | Regularizer | None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.kernel_size = as_tuple(kernel_size)
        self.strides = as_tuple(strides)
        self.padding = padding
        self.dilation_rate = as_tuple(dilation_rate)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        check_sizes(self, self.axes, "kernel_size", "strides", "dilation_rate")
        check_choice(self, self.paddings, "padding")
        check_boolean(self, "use_bias")

    @property
    def window(self) -> tuple[int, ...]:
        """The size of the kernel along each axis."""
        return tuple(per_axis(self.kernel_size, self.axes))

    def check_input(self, x: Value) -> int:
        """Return the channels of ``x``, or say what is wrong with it.

        Raises
        ------
        ValueError
            ``x`` is of another rank, has its channels first, or is smaller than the kernel.
        """
        sizes = check_images(self, x, self.axes)
        rates = per_axis(self.dilation_rate, self.axes)
        spans = [(size - 1) * rate + 1 for size, rate in zip(self.window, rates, strict=True)]
        if self.padding == "valid" and any(map(int.__gt__, spans, sizes)):
            spread = f" with dilation_rate {self.dilation_rate}" if spans != [*self.window] else ""
            raise ValueError(
                f"{place(self)} kernel_size {self.kernel_size}{spread} is larger than the input of "
                f"{' x '.join(map(str, sizes))}; with padding='same' it may be"
            )
        return int(x.shape[-1] or 0)

    def finish(self, y: Value) -> Value:
        """Return ``y`` with the bias added, and activated."""
        if self.use_bias:
            y = y + self.add_weight(
                "bias", y.shape[-1:], self.bias_initializer, regularizer=self.bias_regularizer
            )
        return y if self.activation is None else self.activation(y)


class _Convolution(Windowed, registered=False):
    """What Conv1D and Conv2D have in common."""

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: str | Activation | Callable[[Value], Value] | None = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
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
        self.filters = filters
        self.groups = groups
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        check_count(self, "filters", "groups")
        if filters % groups:
            raise ValueError(
                f"{place(self)} groups must divide the {filters} filters, got {groups}"
            )

    def build(self, x: Value) -> Value:
        channels = self.check_input(x)
        if channels % self.groups:
            raise ValueError(
                f"{place(self)} groups must divide the {channels} channels of {x.shape}, "
                f"got {self.groups}"
            )
        kernel = self.add_weight(
            "kernel",
            (*self.window, channels // self.groups, self.filters),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        return self.finish(
            ops.convolution(x, kernel, self.strides, self.padding, self.dilation_rate, self.groups)
        )


class Conv2D(_Convolution):
    """``activation(convolution(x, kernel) + bias)`` over images, channels last.

    Weights: ``kernel`` (rows, columns, channels / groups, filters), ``bias`` (filters,). Keras's
    ``data_format``, constraints, LoRA and quantization arguments are left out; strides and
    dilation may be used together, which Keras forbids.

    Parameters
    ----------
    filters : int
        Channels of the result.
    kernel_size : int or sequence of int
        Rows and columns of the kernel; one number for both.
    strides : int or sequence of int
        Steps from result to result, down and across.
    padding : {"valid", "same"}
        Only where the kernel fits, or a result at each stride with zeros around the image.
    dilation_rate : int or sequence of int
        Steps from one element of the kernel to the next.
    groups : int
        Parts of the channels, each convolved to its own part of the filters.
    activation : str, Activation or callable, optional
        Linear by default.
    use_bias : bool
        Add a bias.
    kernel_initializer, bias_initializer : str or Initializer
        First values.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        A setting out of range; in ``build``, an input that is no images, has its channels first,
        is smaller than the kernel, or whose channels the groups do not divide.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(Conv2D(8, 3, activation="relu"), np.zeros((2, 28, 28, 1))).shape
    (2, 26, 26, 8)
    """

    example_shape = (5, 6, 3)

    @classmethod
    def examples(cls) -> list[Conv2D]:
        return [
            cls(4, 3, activation="tanh", bias_initializer="normal"),
            cls(6, (2, 3), strides=(2, 1), padding="same", groups=3, kernel_regularizer="l2"),
        ]


class Conv1D(_Convolution):
    """``activation(convolution(x, kernel) + bias)`` over sequences, channels last.

    Weights: ``kernel`` (steps, channels / groups, filters), ``bias`` (filters,).

    Parameters
    ----------
    filters : int
        Channels of the result.
    kernel_size, strides, dilation_rate : int
        In steps.
    padding : {"valid", "same", "causal"}
        As for :class:`Conv2D`; causal puts all zeros before the first step, so that no result
        looks at a later one.
    groups, activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, \
bias_regularizer, **settings
        See :class:`Conv2D`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(Conv1D(4, 3, padding="causal"), np.zeros((2, 10, 3))).shape
    (2, 10, 4)
    """

    axes = 1
    paddings = ("valid", "same", "causal")
    example_shape = (7, 3)

    @classmethod
    def examples(cls) -> list[Conv1D]:
        return [cls(4, 3, activation="relu"), cls(2, 2, padding="causal", dilation_rate=2)]
