"""Layers that disturb their input in training and do nothing afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import as_tuple, check_at_least, check_fraction, check_seed
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.images import check_images
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _Dropout(Layer, registered=False):
    """What the three have in common."""

    keeps_mask = True

    def __init__(
        self, rate: float, seed: int | None = None, **settings: Unpack[LayerSettings]
    ) -> None:
        super().__init__(**settings)
        self.rate = rate
        self.seed = seed
        check_fraction(self, "rate")
        check_seed(self)

    def build(self, x: Value) -> Value:
        mask_shape = self._mask_shape(x)
        if not self.training or self.rate == 0:
            return x
        if self.rate == 1:
            return ops.where(0.0, x, 0.0)
        keep = ops.random_uniform(mask_shape, self.seed) >= self.rate
        return ops.where(keep, x * (1.0 / (1.0 - self.rate)), 0.0)

    def _mask_shape(self, x: Value) -> list[int | None]:
        """Return a shape that broadcasts to ``x``: 1 where all elements share their fate."""
        raise NotImplementedError


class Dropout(_Dropout):
    """Set a share of the elements to 0 in training, and scale the others by ``1 / (1 - rate)``.

    After Srivastava et al. (2014). Which ones is a function of the network's seed, the step, and
    the layer's place and ``seed``.

    Parameters
    ----------
    rate : float
        Share that is set to 0, in [0, 1].
    noise_shape : sequence of int or None, optional
        Shape of the mask, which is broadcast: 1 along an axis where all elements share their fate.
        None stands for the input's size.
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> dropped = ops.evaluate(Dropout(0.2), np.ones((100, 100)), training=True)
    >>> np.unique(dropped), round(float(dropped.mean()), 1)
    (array([0.  , 1.25]), 1.0)
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(rate, seed, **settings)
        self.noise_shape = as_tuple(noise_shape)
        if noise_shape is not None and not isinstance(self.noise_shape, tuple):
            raise TypeError(
                f"[Dropout] noise_shape must be a tuple of integers and None, got {noise_shape!r}"
            )

    @classmethod
    def examples(cls) -> list[Dropout]:
        return [cls(0.4), cls(0.3, noise_shape=(None, 1), seed=1)]

    def _mask_shape(self, x: Value) -> list[int | None]:
        if self.noise_shape is None:
            return list(x.shape)
        fits = len(self.noise_shape) == len(x.shape) and all(
            size in (None, 1, wanted)
            for size, wanted in zip(self.noise_shape, x.shape, strict=True)
        )
        if not fits:
            raise ValueError(f"[Dropout] noise_shape {self.noise_shape} does not fit {x.shape}")
        return [
            own if size is None else size
            for size, own in zip(self.noise_shape, x.shape, strict=True)
        ]


class SpatialDropout2D(_Dropout):
    """Set a share of the channels of each image to 0 in training, all of a channel at once.

    After Tompson et al. (2015): neighbouring pixels tell much the same, so that little is lost
    where single ones are dropped. Keras's ``data_format`` is left out: channels are last.

    Parameters
    ----------
    rate : float
        Share of the channels that are set to 0, in [0, 1]; the others are scaled by
        ``1 / (1 - rate)``.
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> dropped = ops.evaluate(SpatialDropout2D(0.5), np.ones((1, 8, 8, 100)), training=True)
    >>> bool((dropped == dropped[:, :1, :1]).all()), np.unique(dropped)
    (True, array([0., 2.]))
    """

    example_shape = (3, 4, 5)

    @classmethod
    def examples(cls) -> list[SpatialDropout2D]:
        return [cls(0.4)]

    def _mask_shape(self, x: Value) -> list[int | None]:
        check_images(self, x, 2)
        return [None, 1, 1, x.shape[-1]]


class SpatialDropout1D(_Dropout):
    """Set a share of the channels of each sequence to 0 in training, all of a channel at once.

    Parameters
    ----------
    rate, seed, **settings
        See :class:`SpatialDropout2D`.

    Examples
    --------
    >>> import numpy as np
    >>> dropped = ops.evaluate(SpatialDropout1D(0.5), np.ones((1, 8, 100)), training=True)
    >>> bool((dropped == dropped[:, :1]).all()), np.unique(dropped)
    (True, array([0., 2.]))
    """

    example_shape = (4, 5)

    @classmethod
    def examples(cls) -> list[SpatialDropout1D]:
        return [cls(0.4)]

    def _mask_shape(self, x: Value) -> list[int | None]:
        check_images(self, x, 1)
        return [None, 1, x.shape[-1]]


class GaussianNoise(Layer):
    """Add normal noise in training.

    Parameters
    ----------
    stddev : float
        Standard deviation, non-negative.
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> noise = ops.evaluate(GaussianNoise(2.0), np.zeros((100, 100)), training=True)
    >>> round(float(noise.std()), 1)
    2.0
    """

    keeps_mask = True

    def __init__(
        self, stddev: float, seed: int | None = None, **settings: Unpack[LayerSettings]
    ) -> None:
        super().__init__(**settings)
        self.stddev = stddev
        self.seed = seed
        check_at_least(self, 0, "stddev")
        check_seed(self)

    @classmethod
    def examples(cls) -> list[GaussianNoise]:
        return [cls(0.5)]

    def build(self, x: Value) -> Value:
        if not self.training or self.stddev == 0:
            return x
        return x + self.stddev * ops.random_normal(x.shape, self.seed)
