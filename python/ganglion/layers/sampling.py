"""Random codes whose distribution the layers before them say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import check_at_least, check_seed, place
from ganglion.layers.base import Layer, LayerSettings
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class GaussianSampling(Layer):
    """Draw from the normal distribution whose mean and log-variance are the input's two halves.

    ``mean + exp(log_variance / 2) * noise`` in training, so that gradients reach both (Kingma &
    Welling 2014); the mean in prediction. ``kl_weight`` times the Kullback-Leibler divergence from
    the standard normal distribution, summed over the code and averaged over the samples, is added
    to the loss: the encoder of a variational autoencoder ends in such a layer.

    Parameters
    ----------
    kl_weight : float
        Of the divergence in the loss, non-negative; the beta of Higgins et al. (2017).
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input whose last axis has no two halves.

    Examples
    --------
    >>> ops.evaluate(GaussianSampling(), [[1.0, 2.0, 0.0, 0.0]])
    array([[1., 2.]])
    >>> import numpy as np
    >>> drawn = ops.evaluate(GaussianSampling(), np.zeros((1000, 20)), training=True)
    >>> drawn.shape, round(float(drawn.std()), 1)
    ((1000, 10), 1.0)
    """

    def __init__(
        self, kl_weight: float = 1.0, seed: int | None = None, **settings: Unpack[LayerSettings]
    ) -> None:
        super().__init__(**settings)
        self.kl_weight = kl_weight
        self.seed = seed
        check_at_least(self, 0, "kl_weight")
        check_seed(self)

    @classmethod
    def examples(cls) -> list[GaussianSampling]:
        return [cls(), cls(kl_weight=0.5, seed=1)]

    def build(self, x: Value) -> Value:
        """Return (None, ..., k) for ``x`` of (None, ..., 2 k)."""
        width = x.shape[-1] if len(x.shape) > 1 else None
        if width is None or width % 2:
            raise ValueError(
                f"{place(self)} needs means and log-variances, (None, ..., 2 k), got {x.shape}"
            )
        mean, log_variance = x[..., : width // 2], x[..., width // 2 :]
        if self.kl_weight:
            divergence = ops.sum(normal_divergence(mean, log_variance))
            self.add_loss(self.kl_weight * divergence / ops.axis_size(x, axis=0))
        if not self.training:
            return mean
        return drawn_normal(mean, log_variance, self.seed)


def normal_divergence(mean: Value, log_variance: Value) -> Value:
    """Return the Kullback-Leibler divergence from the standard normal distribution, by element.

    ``(mean^2 + variance - 1 - log_variance) / 2``
    """
    return 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)


def drawn_normal(mean: Value, log_variance: Value, seed: int | None = None) -> Value:
    """Return numbers of normal distributions, through which gradients reach both arguments."""
    return mean + ops.exp(0.5 * log_variance) * ops.random_normal(mean.shape, seed)
