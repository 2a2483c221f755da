"""Normalisation over the batch, and over each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganglion import initializers, ops, regularizers
from ganglion.errors import (
    as_tuple,
    check_at_least,
    check_axes,
    check_boolean,
    check_fraction,
    check_integer,
)
from ganglion.initializers import Initializer
from ganglion.layers.axes import sizes_along, spread
from ganglion.layers.base import Layer, LayerSettings
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Affine(Layer, registered=False):
    """What normalisations have in common: ``gamma``, a factor, and ``beta``, an offset.

    Arguments as for :class:`LayerNormalization`.
    """

    keeps_mask = True

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: str | Initializer,
        gamma_initializer: str | Initializer,
        beta_regularizer: str | Regularizer | None,
        gamma_regularizer: str | Regularizer | None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        check_at_least(self, 0, "epsilon")
        check_boolean(self, "center", "scale")

    def add_affine(self, sizes: Sequence[int]) -> tuple[Value | None, Value | None]:
        """Return ``gamma`` and ``beta`` of these sizes, None where the layer has none."""
        gamma = beta = None
        if self.scale:
            gamma = self.add_weight(
                "gamma", sizes, self.gamma_initializer, regularizer=self.gamma_regularizer
            )
        if self.center:
            beta = self.add_weight(
                "beta", sizes, self.beta_initializer, regularizer=self.beta_regularizer
            )
        return gamma, beta


class BatchNormalization(Affine):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, over the batch.

    After Ioffe & Szegedy (2015). In training the moments (biased variance) are those of the batch,
    and ``moving = momentum * moving + (1 - momentum) * moment`` follows them; otherwise, and when
    the layer is not trainable, the moving ones are used. Padding of sequences does not count.

    Weights: ``gamma``, ``beta``, ``moving_mean``, ``moving_variance``, each as long as ``axis``.
    Keras's constraints, renormalisation and synchronisation are left out.

    Parameters
    ----------
    axis : int
        Axis of the features, not the batch.
    momentum : float
        In [0, 1].
    epsilon : float
        Added to the variance, non-negative.
    center, scale : bool
        Have ``beta``, ``gamma``.
    beta_initializer, gamma_initializer : str or Initializer
        First values.
    moving_mean_initializer, moving_variance_initializer : str or Initializer
        First values.
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
        Penalties.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> y = ops.evaluate(BatchNormalization(), [[1.0], [3.0]], training=True)
    >>> y.round(3).tolist()
    [[-1.0], [1.0]]
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | Initializer = "zeros",
        gamma_initializer: str | Initializer = "ones",
        moving_mean_initializer: str | Initializer = "zeros",
        moving_variance_initializer: str | Initializer = "ones",
        beta_regularizer: str | Regularizer | None = None,
        gamma_regularizer: str | Regularizer | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **settings,
        )
        self.axis = axis
        self.momentum = momentum
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        check_integer(self, "axis")
        check_fraction(self, "momentum")

    @classmethod
    def examples(cls) -> list[BatchNormalization]:
        normal = initializers.RandomNormal(mean=1.0, stddev=0.2)
        return [
            cls(gamma_initializer=normal, beta_initializer="normal"),
            cls(momentum=0.9, epsilon=1e-5, center=False, scale=False),
        ]

    def build(self, x: Value) -> Value:
        axes = ops.feature_axes(type(self).__name__, x, self.axis)
        sizes = sizes_along(x, axes)
        gamma, beta = self.add_affine(sizes)
        moving_mean = self.add_weight(
            "moving_mean", sizes, self.moving_mean_initializer, trainable=False
        )
        moving_variance = self.add_weight(
            "moving_variance", sizes, self.moving_variance_initializer, trainable=False
        )
        if self.learns:
            others = [axis for axis in range(len(x.shape)) if axis not in axes]
            mean = _mean(x, x.mask, others)
            deviation = x - mean
            variance = _mean(ops.square(deviation), x.mask, others)
        else:
            deviation = x - spread(moving_mean, x, axes)
            variance = spread(moving_variance, x, axes)
        factor = ops.rsqrt(variance + self.epsilon)
        if gamma is not None:
            factor = factor * spread(gamma, x, axes)
        y = deviation * factor
        if beta is not None:
            y = y + spread(beta, x, axes)
        # Last: what was computed before an assignment is not used again after it.
        if self.learns:
            self._follow(moving_mean, mean)
            self._follow(moving_variance, variance)
        return y

    def _follow(self, moving: Value, moment: Value) -> None:
        moment = ops.reshape(moment, moving.shape)
        ops.assign(moving, moving * self.momentum + moment * (1.0 - self.momentum))


def _mean(x: Value, mask: Value | None, axes: list[int]) -> Value:
    """Return the mean over axes, kept with size 1; of the steps that are no padding."""
    if mask is None or 1 not in axes:
        return ops.mean(x, axes, keepdims=True)
    counts = ops.reshape(mask, (None, x.shape[1], *[1] * (len(x.shape) - 2)))
    counted = ops.sum(ops.broadcast_to(counts, x.shape), axes, keepdims=True)
    return ops.sum(ops.where(counts, x, 0.0), axes, keepdims=True) / ops.maximum(counted, 1.0)


class LayerNormalization(Affine):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, over each sample.

    After Ba et al. (2016). Weights: ``gamma``, ``beta``, with the sizes of ``axis``. Keras's
    constraints are left out, and ``rms_scaling``, which Keras has withdrawn.

    Parameters
    ----------
    axis : int or sequence of int
        Axes over which mean and variance are taken, not the batch.
    epsilon : float
        Added to the variance, non-negative.
    center, scale : bool
        Have ``beta``, ``gamma``.
    beta_initializer, gamma_initializer : str or Initializer
        First values.
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
        Penalties.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> ops.evaluate(LayerNormalization(epsilon=0.0), [[1.0, 3.0]])
    array([[-1.,  1.]])
    """

    example_shape = (3, 4)

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | Initializer = "zeros",
        gamma_initializer: str | Initializer = "ones",
        beta_regularizer: str | Regularizer | None = None,
        gamma_regularizer: str | Regularizer | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **settings,
        )
        self.axis = as_tuple(axis)
        check_axes(self, "axis")

    @classmethod
    def examples(cls) -> list[LayerNormalization]:
        normal = initializers.RandomNormal(mean=1.0, stddev=0.2)
        return [cls(gamma_initializer=normal), cls(axis=(1, 2), beta_initializer=normal)]

    def build(self, x: Value) -> Value:
        axes = ops.feature_axes(type(self).__name__, x, self.axis)
        sizes = sizes_along(x, axes)
        gamma, beta = self.add_affine(sizes)
        mean, variance = ops.mean(x, axes, keepdims=True), ops.variance(x, axes, keepdims=True)
        y = (x - mean) * ops.rsqrt(variance + self.epsilon)
        if gamma is not None:
            y = y * spread(gamma, x, axes)
        return y if beta is None else y + spread(beta, x, axes)
