"""Layers that mix samples with others of the batch in training, and their targets with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import as_tuple, check_positive, check_seed
from ganglion.layers.augmentation import bounds, random_rectangle, symmetric_beta, uniform
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.images import check_images
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

# The sample mixed in is the one before; the order of an epoch is random.
_SHIFT = 1
# Keras's: no Beta distribution has a parameter of 0.
_LEAST_ALPHA = 1e-6


class MixUp(Layer):
    """Mix each sample with another one of the batch in training (Zhang et al., 2018).

    ``share * x + (1 - share) * other`` with a share for each sample from Beta(alpha, alpha). The
    loss is that share of the loss against the sample's own target, and the rest against the
    other's, whatever the targets are: for cross-entropy that is the same as mixing one-hot rows.
    Sample weights and class weights go with the targets. Metrics look at the sample's own target.

    Put it first, or anywhere in the chain of a network, but not within another layer. Keras's is
    applied to the data before training, and takes one-hot targets only.

    Parameters
    ----------
    alpha : float, default=0.2
        Positive: small numbers leave most samples nearly as they are, 1 makes all shares alike.
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> mixed = ops.evaluate(MixUp(), np.array([[0.0], [1.0], [0.0], [1.0]]), training=True)
    >>> bool((mixed >= 0).all() and (mixed <= 1).all()), bool(((mixed > 0) & (mixed < 1)).any())
    (True, True)
    """

    example_shape = (5, 4, 3)

    def __init__(
        self, alpha: float = 0.2, seed: int | None = None, **settings: Unpack[LayerSettings]
    ) -> None:
        super().__init__(**settings)
        self.alpha = alpha
        self.seed = seed
        check_positive(self, "alpha")
        check_seed(self)

    @classmethod
    def examples(cls) -> list[MixUp]:
        return [cls(), cls(1.5, seed=1)]

    def build(self, x: Value) -> Value:
        if not self.training:
            return x
        share = symmetric_beta(self.alpha, self.seed)
        self.mix_targets(share, _SHIFT)
        other = ops.roll(x, _SHIFT)
        own = ops.reshape(share, (None, *[1] * (len(x.shape) - 1)))
        return other + own * (x - other)


class CutMix(Layer):
    """Put a rectangle of another image of the batch into each image in training (Yun et al., 2019).

    The rectangle covers a share from Beta(a, a) of the image, with a for each image from ``factor``
    (Keras draws one for the batch). Losses and weights are mixed as by :class:`MixUp`, by the share
    of the pixels that are the sample's own; Keras takes the share before it is rounded to pixels.

    Parameters
    ----------
    factor : float or (float, float), default=1.0
        Bounds of a, in [0, 1]. One number stands for (0, number).
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((2, 8, 8, 1)) + np.array([0.0, 1.0]).reshape(2, 1, 1, 1)
    >>> np.unique(ops.evaluate(CutMix((1, 1)), images, training=True))
    array([0., 1.])
    """

    example_shape = (5, 4, 3)

    def __init__(
        self,
        factor: float | Sequence[float] = 1.0,
        seed: int | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.factor = as_tuple(factor)
        self.seed = seed
        bounds(self, "factor", 0, 1)
        check_seed(self)

    @classmethod
    def examples(cls) -> list[CutMix]:
        return [cls((0.5, 1.0)), cls((1.0, 1.0), seed=1)]

    def build(self, x: Value) -> Value:
        check_images(self, x, 2)
        if not self.training:
            return x
        alpha = uniform(bounds(self, "factor", 0, 1), 0, self.seed) + _LEAST_ALPHA
        side = ops.sqrt(1.0 - symmetric_beta(alpha, self.seed))
        inside, covered = random_rectangle(x, side, side, self.seed)
        self.mix_targets(1.0 - covered, _SHIFT)
        return ops.where(inside, ops.roll(x, _SHIFT), x)
