"""Layers that change the values of pixels at random in training, and do nothing afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ganglion import ops
from ganglion.errors import as_tuple, check_number, check_seed, place
from ganglion.layers.augmentation import bounds, check_value_range, random_rectangle, uniform
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.images import check_images
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

Factor = float | Sequence[float]


class RandomContrast(Layer):
    """Pull the pixels of each channel away from its mean, or towards it, in training.

    ``(x - mean) * factor + mean`` with a random factor for each image, cut to ``value_range``.
    Keras's code takes one number for the upper bound alone, its documentation for both, as here.

    Parameters
    ----------
    factor : float or (float, float)
        How much less and more than 1 the factor may be, ``[1 - lower, 1 + upper]``, each in [0, 1].
        One number stands for both.
    value_range : (float, float), default=(0, 255)
        Least and largest value of a pixel.
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([10.0, 20.0, 30.0]).reshape(1, 1, 3, 1)
    >>> changed = ops.evaluate(RandomContrast(0.5), image, training=True).ravel()
    >>> round(float(changed[1]), 6), bool(5 <= changed[0] <= 15)
    (20.0, True)
    """

    example_shape = (5, 4, 3)

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.factor = as_tuple(factor)
        self.value_range = as_tuple(value_range)
        self.seed = seed
        bounds(self, "factor", 0, 1)
        check_value_range(self, value_range)
        check_seed(self)

    @classmethod
    def examples(cls) -> list[RandomContrast]:
        return [cls(0.4, (-9.0, 9.0)), cls((0.2, 0.9), (-9.0, 9.0), seed=1)]

    def build(self, x: Value) -> Value:
        check_images(self, x, 2)
        if not self.training:
            return x
        lower, upper = np.broadcast_to(self.factor, 2)
        factor = uniform((1.0 - lower, 1.0 + upper), 3, self.seed)
        mean = ops.mean(ops.mean(x, axis=1, keepdims=True), axis=2, keepdims=True)
        mean = ops.broadcast_to(mean, (None, 1, *x.shape[2:]))  # long rows, where channels are few
        return ops.clip((x - mean) * factor + mean, *self.value_range)


class RandomBrightness(Layer):
    """Add a random number to all pixels of each image in training.

    Parameters
    ----------
    factor : float or (float, float)
        Lower and upper bound of what is added, in [-1, 1], as a share of the width of
        ``value_range``. One number stands for (-number, number).
    value_range : (float, float), default=(0, 255)
        Least and largest value of a pixel, to which the result is cut.
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([10.0, 20.0, 250.0]).reshape(1, 1, 3, 1)
    >>> ops.evaluate(RandomBrightness((0.1, 0.1)), image, training=True).ravel()
    array([ 35.5,  45.5, 255. ])
    """

    example_shape = (5, 4, 3)

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.factor = as_tuple(factor)
        self.value_range = as_tuple(value_range)
        self.seed = seed
        bounds(self, "factor", -1, 1)
        check_value_range(self, value_range)
        check_seed(self)

    @classmethod
    def examples(cls) -> list[RandomBrightness]:
        return [cls(0.2, (-9.0, 9.0)), cls((-0.1, 0.3), (-9.0, 9.0), seed=1)]

    def build(self, x: Value) -> Value:
        check_images(self, x, 2)
        if not self.training:
            return x
        least, most = self.value_range
        added = uniform(bounds(self, "factor", -1, 1), 3, self.seed) * (most - least)
        return ops.clip(x + added, least, most)


class RandomErasing(Layer):
    """Write over a random rectangle of each image in training (Zhong et al., 2020).

    Height and width of the rectangle are drawn apart: the square roots of two numbers from
    ``scale``, as shares of the image's.

    Parameters
    ----------
    factor : float or (float, float), default=1.0
        Bounds of the probability, in [0, 1], with which an image is written over; it is drawn for
        each image. One number stands for (0, number).
    scale : float or (float, float), default=(0.02, 0.33)
        Bounds of the numbers above, in [0, 1].
    fill_value : float or sequence of float, optional
        What is written: a number, or one for each channel. None for normal noise of standard
        deviation ``value_range[1]``.
    value_range : (float, float), default=(0, 255)
        Least and largest value of a pixel, to which what is written is cut.
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> quarter = RandomErasing((1.0, 1.0), scale=(0.25, 0.25), fill_value=7.0)
    >>> erased = ops.evaluate(quarter, np.zeros((5, 8, 8, 3)), training=True)
    >>> (erased == 7).mean(axis=(1, 2, 3))
    array([0.25, 0.25, 0.25, 0.25, 0.25])
    """

    example_shape = (5, 4, 3)

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: Factor = (0.02, 0.33),
        fill_value: float | Sequence[float] | None = None,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.factor = as_tuple(factor)
        self.scale = as_tuple(scale)
        self.fill_value = as_tuple(fill_value)
        self.value_range = as_tuple(value_range)
        self.seed = seed
        bounds(self, "factor", 0, 1)
        bounds(self, "scale", 0, 1)
        check_value_range(self, value_range)
        if fill_value is not None and np.ndim(fill_value) == 0:
            check_number(self, "fill_value")
        check_seed(self)

    @classmethod
    def examples(cls) -> list[RandomErasing]:
        return [cls(), cls(0.9, 0.6, fill_value=(1.0, 2.0, 3.0), value_range=(0, 3))]

    def build(self, x: Value) -> Value:
        check_images(self, x, 2)
        channels = x.shape[-1]
        if self.fill_value is not None and np.shape(self.fill_value) not in ((), (channels,)):
            raise ValueError(
                f"{place(self)} fill_value must be a number or one for each of {channels} "
                f"channels, got {self.fill_value!r}"
            )
        if not self.training:
            return x
        scale = bounds(self, "scale", 0, 1)
        high, wide = (ops.sqrt(uniform(scale, 0, self.seed)) for _ in range(2))
        inside, _ = random_rectangle(x, high, wide, self.seed)
        probability = uniform(bounds(self, "factor", 0, 1), 3, self.seed)
        erased = inside * (uniform((0.0, 1.0), 3, self.seed) < probability)
        return ops.where(erased, self._written(x), x)

    def _written(self, x: Value) -> Value:
        least, most = self.value_range
        if self.fill_value is not None:
            return ops.constant(np.clip(np.asarray(self.fill_value, np.float64), least, most))
        return ops.clip(ops.random_normal(x.shape, self.seed) * most, least, most)
