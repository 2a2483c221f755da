"""Capsules: vectors whose length says whether something is there, and their direction how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganglion import initializers, ops, regularizers
from ganglion.activations import Squash
from ganglion.errors import as_tuple, check_boolean, check_choice, check_count, check_sizes, place
from ganglion.initializers import Initializer
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.convolution import Conv2D
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class PrimaryCapsule(Layer):
    """The first capsules: parts of the channels of a convolution, squashed.

    Weights: ``kernel`` (rows, columns, channels, num_capsules * dim_capsule), ``bias``. Returns
    (None, places * num_capsules, dim_capsule), where places are those of the kernel on the image
    (Sabour et al. 2017).

    Parameters
    ----------
    num_capsules : int
        Capsules at each place.
    dim_capsule : int
        Numbers of a capsule.
    kernel_size : int or sequence of int
        Rows and columns of the kernel; one number for both.
    strides : int or sequence of int, default=1
        Steps from place to place, down and across.
    padding : {"valid", "same"}, default="valid"
        Only where the kernel fits, or a place at each stride with zeros around the image.
    use_bias : bool, default=True
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
        A setting out of range; in ``build``, an input that is no images, has its channels first, or
        is smaller than the kernel.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(PrimaryCapsule(32, 8, 9, strides=2), np.zeros((2, 20, 20, 4))).shape
    (2, 1152, 8)
    """

    example_shape = (5, 6, 3)

    def __init__(
        self,
        num_capsules: int,
        dim_capsule: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.num_capsules = num_capsules
        self.dim_capsule = dim_capsule
        self.kernel_size = as_tuple(kernel_size)
        self.strides = as_tuple(strides)
        self.padding = padding
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        check_count(self, "num_capsules", "dim_capsule")
        check_sizes(self, 2, "kernel_size", "strides")
        check_choice(self, ("valid", "same"), "padding")
        check_boolean(self, "use_bias")

    @classmethod
    def examples(cls) -> list[PrimaryCapsule]:
        return [
            cls(3, 4, 3, bias_initializer="normal"),
            cls(2, 5, (2, 3), strides=2, padding="same", kernel_regularizer="l2"),
        ]

    def build(self, x: Value) -> Value:
        convolution = Conv2D(
            self.num_capsules * self.dim_capsule,
            self.kernel_size,
            self.strides,
            self.padding,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
        )
        y = convolution.build(x)
        places = (y.shape[1] or 1) * (y.shape[2] or 1)
        return Squash()(ops.reshape(y, (None, places * self.num_capsules, self.dim_capsule)))


class CapsuleLayer(Layer):
    """Capsules that capsules below route to by agreement (Sabour et al. 2017, procedure 1).

    Each input capsule ``u_i`` predicts each capsule as ``u_i @ kernel[j, :, i]``. A capsule is the
    squashed sum of its predictions, weighed by couplings: for each input capsule a softmax over the
    capsules, even at first; after each round, predictions that agree with the capsule are coupled
    to it more. Weights: ``kernel`` (num_capsules, input_dim, inputs, dim_capsule). The paper has no
    bias, and neither has this.

    Parameters
    ----------
    num_capsules : int
        Capsules, in classification one for each class.
    dim_capsule : int
        Numbers of a capsule.
    routings : int, default=3
        Rounds of routing; with 1 all couplings stay even.
    through_couplings : bool, default=False
        Whether gradients also flow through the couplings, as in the paper's own code. Otherwise
        those are constants to the gradient, as in most implementations since: so training takes
        less than half the time in this layer.
    kernel_initializer : str or Initializer, default="truncated_normal"
        First values.
    kernel_regularizer : str or Regularizer, optional
        Penalty.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        A setting out of range; in ``build``, an input that is no capsules, (None, inputs, dim).

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(CapsuleLayer(10, 16), np.ones((2, 36, 8))).shape
    (2, 10, 16)
    """

    example_shape = (7, 4)

    def __init__(
        self,
        num_capsules: int,
        dim_capsule: int,
        routings: int = 3,
        through_couplings: bool = False,
        kernel_initializer: str | Initializer = "truncated_normal",
        kernel_regularizer: str | Regularizer | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.num_capsules = num_capsules
        self.dim_capsule = dim_capsule
        self.routings = routings
        self.through_couplings = through_couplings
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        check_count(self, "num_capsules", "dim_capsule", "routings")
        check_boolean(self, "through_couplings")

    @classmethod
    def examples(cls) -> list[CapsuleLayer]:
        return [
            cls(3, 5, routings=1, kernel_regularizer="l2"),
            cls(3, 5, through_couplings=True, kernel_initializer="normal"),
        ]

    def build(self, x: Value) -> Value:
        inputs, input_dim = check_capsules(self, x)
        kernel = self.add_weight(
            "kernel",
            (self.num_capsules, input_dim, inputs, self.dim_capsule),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        squash = Squash()
        u = ops.transpose(x, (0, 2, 1))
        factors = (u, kernel)
        if not self.through_couplings:
            factors = (ops.stop_gradient(u), ops.stop_gradient(kernel))
        even = ops.constant(1.0 / self.num_capsules)
        couplings = ops.broadcast_to(even, (None, self.num_capsules, inputs))
        agreed = None
        for _ in range(self.routings - 1):
            v = squash.build(ops.routing_sum(couplings, *factors))
            # Agreement is linear: that of the sum is the sum of all rounds'.
            agreed = v if agreed is None else agreed + v
            couplings = _over_capsules(ops.routing_agreement(*factors, agreed))
        return squash(ops.routing_sum(couplings, u, kernel))


class CapsuleLength(Layer):
    """The length of each capsule: (None, capsules, dim) becomes (None, capsules).

    Examples
    --------
    >>> ops.evaluate(CapsuleLength(), [[[3.0, 4.0], [0.0, 1.0]]])
    array([[5., 1.]])
    """

    example_shape = (3, 4)

    def build(self, x: Value) -> Value:
        check_capsules(self, x)
        return capsule_lengths(x)


class LongestCapsule(Layer):
    """The longest capsule as it is, and zeros in place of the others; the first of equals.

    It is what a decoder reads in prediction, where the true class is not known.

    Examples
    --------
    >>> ops.evaluate(LongestCapsule(), [[[3.0, 4.0], [0.0, 1.0]]])
    array([[[3., 4.],
            [0., 0.]]])
    """

    example_shape = (3, 4)

    def build(self, x: Value) -> Value:
        capsules, _ = check_capsules(self, x)
        return only_capsule(x, ops.argmax(capsule_lengths(x)))


def check_capsules(layer: Layer, x: Value) -> tuple[int, int]:
    """Return the number of capsules and of their dimensions, or say what is wrong with ``x``.

    Raises
    ------
    ValueError
        ``x`` is not (None, capsules, dim).
    """
    if len(x.shape) != 3 or x.shape[0] is not None:
        raise ValueError(
            f"{place(layer)} needs capsules, an input of shape (None, capsules, dim), got {x.shape}"
        )
    return x.shape[1] or 1, x.shape[2] or 1


def capsule_lengths(x: Value) -> Value:
    """Return the lengths (None, capsules) of capsules; at 0 their gradient is 0."""
    return ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=-1), 1e-30))


def only_capsule(x: Value, index: Value) -> Value:
    """Return capsules (None, capsules, dim) with zeros for all but one, (None,), of each sample."""
    return x * ops.expand_dims(ops.one_hot(index, x.shape[1] or 1), -1)


def _over_capsules(agreement: Value) -> Value:
    """Return the softmax over the capsules, which stand along axis 1."""
    greatest = ops.stop_gradient(ops.max(agreement, axis=1, keepdims=True))
    shares = ops.exp(agreement - greatest)
    return shares / ops.sum(shares, axis=1, keepdims=True)
