"""Normalisation over groups of channels of each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import initializers, ops
from ganglion.errors import check_integer, place
from ganglion.initializers import Initializer
from ganglion.layers.base import LayerSettings
from ganglion.layers.normalization import Affine
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class GroupNormalization(Affine):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, over groups of channels.

    After Wu & He (2018): the moments are those of a sample, of neighbouring channels together.
    Weights: ``gamma``, ``beta``, a number for each channel. Keras's constraints are left out, and
    axes other than the last one.

    Parameters
    ----------
    groups : int
        Number of groups, which divides that of the channels; -1 for one of each channel.
    axis : int
        Axis of the channels, the last one.
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

    Raises
    ------
    ValueError
        In ``build``, channels that do not make so many groups.

    Examples
    --------
    >>> ops.evaluate(GroupNormalization(2, epsilon=0.0), [[1.0, 3.0, 50.0, 60.0]])
    array([[-1.,  1., -1.,  1.]])
    """

    example_shape = (3, 4, 6)

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        self.groups = groups
        self.axis = axis
        check_integer(self, "groups", "axis")
        if groups < 1 and groups != -1:
            raise ValueError(f"{place(self)} groups must be positive or -1, got {groups}")

    @classmethod
    def examples(cls) -> list[GroupNormalization]:
        normal = initializers.RandomNormal(mean=1.0, stddev=0.2)
        return [
            cls(2, gamma_initializer=normal, beta_initializer=normal),
            cls(-1, epsilon=0.1, center=False),
            cls(1, scale=False),
        ]

    def build(self, x: Value) -> Value:
        (axis,) = ops.feature_axes(type(self).__name__, x, self.axis)
        channels = x.shape[axis] or 1
        if axis != len(x.shape) - 1:
            raise ValueError(
                f"{place(self)} axis must be the last one, got {self.axis} for {x.shape}"
            )
        groups = channels if self.groups == -1 else self.groups
        if channels % groups:
            raise ValueError(
                f"{place(self)} {channels} channels of {x.shape} cannot be in {groups} groups"
            )
        deviation = x - self._mean(x, groups)
        variance = self._mean(ops.square(deviation), groups)
        factor = ops.rsqrt(variance + self.epsilon)
        gamma, beta = self.add_affine((channels,))
        y = deviation * (factor if gamma is None else factor * gamma)
        return y if beta is None else y + beta

    def _mean(self, x: Value, groups: int) -> Value:
        """Return the mean of each channel's group, (None, 1, ..., channels).

        First over all that a channel has: the channels are neighbours in memory, and those of a
        group are few.
        """
        *inner, channels = (size or 1 for size in x.shape[1:])
        shape = (None, groups, channels // groups)
        of_channels = ops.mean(x, range(1, len(inner) + 1)) if inner else x
        of_groups = ops.mean(ops.reshape(of_channels, shape), -1, keepdims=True)
        spread = ops.broadcast_to(of_groups, shape)
        return ops.reshape(spread, (None, *(1 for _ in inner), channels))
