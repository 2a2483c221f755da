"""The transposed convolution, which enlarges images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ganglion import initializers, ops, regularizers
from ganglion.activations import Activation
from ganglion.errors import as_tuple, check_count, place
from ganglion.initializers import Initializer
from ganglion.layers.base import LayerSettings
from ganglion.layers.convolution import Windowed
from ganglion.layers.images import check_images
from ganglion.ops.pooling import per_axis
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


def enlarged(
    size: int, span: int, stride: int, padding: str, output_padding: int | None
) -> tuple[int, int]:
    """Return the size of the result, and how much of the full one lies before it.

    The full one has ``(size - 1) * stride + span`` elements. Keras's rules, as its JAX backend
    has them.
    """
    if padding == "valid":
        more = max(stride - span, 0) if output_padding is None else output_padding
        return (size - 1) * stride + span + more, 0
    if output_padding is None:
        result, kept = size * stride, stride + span - 2
    else:
        odd = span % 2
        result = (size - 1) * stride + odd + output_padding
        kept = span + odd - 2 + output_padding
    return result, max(span - 1 - (kept + 1) // 2, 0)


class Conv2DTranspose(Windowed):
    """Enlarge images: each element is multiplied by the kernel and added where it lies.

    It is the gradient of :class:`Conv2D` with respect to its input, and so has its shapes the
    other way round. Weights: ``kernel`` (rows, columns, filters, channels), ``bias`` (filters,).
    Keras's ``data_format`` and constraints are left out.

    Parameters
    ----------
    filters : int
        Channels of the result.
    kernel_size, strides, dilation_rate
        See :class:`Conv2D`; with strides of 2 the result is twice as large.
    padding : {"valid", "same"}
        All that the kernel reaches, or ``strides`` times the size of the input.
    output_padding : int or sequence of int, optional
        Rows and columns added behind the smallest possible result, smaller than the strides; by
        default such that the sizes are those of ``padding``.
    activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, \
bias_regularizer, **settings
        See :class:`Conv2D`.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(Conv2DTranspose(8, 3, strides=2, padding="same"), np.zeros((2, 7, 7, 4))).shape
    (2, 14, 14, 8)
    """

    example_shape = (3, 4, 2)

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        dilation_rate: int | Sequence[int] = 1,
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
        self.output_padding = as_tuple(output_padding)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        check_count(self, "filters")
        if output_padding is not None:
            self._check_output_padding()

    def _check_output_padding(self) -> None:
        given = self.output_padding
        paddings = given if isinstance(given, tuple) and len(given) == 2 else (given, given)
        fit = all(
            isinstance(one, int) and not isinstance(one, bool) and 0 <= one < stride
            for one, stride in zip(paddings, per_axis(self.strides, 2), strict=True)
        )
        if not fit:
            raise ValueError(
                f"{place(self)} output_padding must be None, an integer or two, from 0 and smaller "
                f"than the strides {self.strides}, got {given!r}"
            )

    @classmethod
    def examples(cls) -> list[Conv2DTranspose]:
        return [
            cls(3, 3, strides=2, padding="same", activation="relu"),
            cls(2, (2, 3), strides=(2, 1), output_padding=(1, 0), kernel_regularizer="l2"),
        ]

    def build(self, x: Value) -> Value:
        sizes = check_images(self, x, 2)
        more = [None] * 2 if self.output_padding is None else per_axis(self.output_padding, 2)
        results, before = [], []
        for size, window, stride, rate, added in zip(
            sizes,
            self.window,
            per_axis(self.strides, 2),
            per_axis(self.dilation_rate, 2),
            more,
            strict=True,
        ):
            span = (window - 1) * rate + 1
            result, cut = enlarged(size, span, stride, self.padding, added)
            results.append(result)
            before.append(cut)
        if min(results) < 1:
            raise ValueError(
                f"{place(self)} padding={self.padding!r} with output_padding "
                f"{self.output_padding} leaves nothing of an input of shape {x.shape}"
            )
        kernel = self.add_weight(
            "kernel",
            (*self.window, self.filters, x.shape[-1]),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        return self.finish(
            ops.convolution_transpose(x, kernel, results, self.strides, before, self.dilation_rate)
        )
