"""What the two networks of a `GAN` minimise, and how they are shown classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import ops
from ganglion.value import Value

# Beside the squares of a gradient: the square root has no slope at 0.
_LEAST_SQUARES = 1e-12


class AdversarialLoss:
    """Base of the two.

    Parameters
    ----------
    latent_dim : int
        Numbers of the noise.
    classes : int
        How many the samples are of; 0 where they have none.
    wasserstein : bool
        Whether the discriminator's answers are compared as they are, and not as logits.
    """

    def __init__(self, latent_dim: int, classes: int, wasserstein: bool) -> None:
        self.latent_dim = latent_dim
        self.classes = classes
        self.wasserstein = wasserstein

    def _made(self, networks: Any, labels: Value | None) -> Value:
        noise = ops.random_normal((None, self.latent_dim))
        if labels is not None:
            noise = ops.concat([noise, ops.one_hot(labels, self.classes)])
        made: Value = networks.generator(noise)
        return made

    def _seen(self, samples: Value, labels: Value | None) -> Value:
        """Return samples as the discriminator sees them: with channels, and with their classes."""
        if len(samples.shape) == 3:
            samples = ops.expand_dims(samples, -1)
        if labels is None:
            return samples
        rows = ops.one_hot(labels, self.classes)
        around = samples.shape[1:-1]
        rows = ops.reshape(rows, (None, *(1 for _ in around), self.classes))
        return ops.concat([samples, ops.broadcast_to(rows, (None, *around, self.classes))])


class DiscriminatorLoss(AdversarialLoss):
    """Of the discriminator: what it says of real samples shall be high, of others low.

    Parameters
    ----------
    latent_dim, classes, wasserstein
        See `AdversarialLoss`.
    label_smoothing : float
        How far from 1 the answer for real samples should be.
    penalty : float
        Factor of ``(|gradient| - 1)^2``.
    """

    def __init__(
        self,
        latent_dim: int,
        classes: int,
        wasserstein: bool,
        label_smoothing: float,
        penalty: float,
    ) -> None:
        super().__init__(latent_dim, classes, wasserstein)
        self.label_smoothing = label_smoothing
        self.penalty = penalty

    def __call__(self, networks: Any, x: Value, y: Value | None = None) -> dict[str, Value]:
        real = self._seen(x, y)
        fake = self._seen(self._made(networks, y), y)
        of_real, of_fake = networks.discriminator(real), networks.discriminator(fake)
        if self.wasserstein:
            loss = ops.mean(of_fake) - ops.mean(of_real)
        else:
            smoothed = ops.softplus(-of_real) + self.label_smoothing * of_real
            loss = ops.mean(smoothed) + ops.mean(ops.softplus(of_fake))
        reported = {"real": ops.mean(of_real), "fake": ops.mean(of_fake)}
        if self.penalty:
            steepness = self._steepness(networks, real, fake)
            loss = loss + self.penalty * steepness
            reported["penalty"] = steepness
        return {"discriminator_loss": loss, **reported}

    def _steepness(self, networks: Any, real: Value, fake: Value) -> Value:
        """Return ``(|gradient| - 1)^2``, at places between samples, of which each has its own."""
        share = ops.random_uniform((None, *(1 for _ in real.shape[1:])))
        between = share * real + (1.0 - share) * fake
        gradient = ops.gradient(networks.discriminator(between), between)
        squares = ops.sum(ops.square(gradient), axis=list(range(1, len(gradient.shape))))
        return ops.mean(ops.square(ops.sqrt(squares + _LEAST_SQUARES) - 1.0))


class GeneratorLoss(AdversarialLoss):
    """Of the generator: what the discriminator says of its samples shall be high."""

    def __call__(self, networks: Any, x: Value, y: Value | None = None) -> Value:
        answers = networks.discriminator(self._seen(self._made(networks, y), y))
        return ops.mean(-answers if self.wasserstein else ops.softplus(-answers))


def as_rows(numbers: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return class numbers as rows of zeros with a one."""
    rows: NDArray[np.float64] = np.eye(count)[numbers]
    return rows
