"""The generative models that are measured, in ganglion: see `Generator` for what each can do.

Both are those that the estimators build for images of 28 x 28 by default.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

import ganglion
from ganglion import GAN, VAE

Array = np.ndarray
KINDS = ("vae", "gan", "wgan")  # the last with a gradient penalty
LATENT = {"vae": 20, "gan": 64, "wgan": 64}
BATCH = {"vae": 128, "gan": 64, "wgan": 64}
# Of Adam: the rate, and for the two networks of a GAN how long it remembers.
VAE_RATE, GAN_RATE, GAN_BETA = 1e-3, 2e-4, 0.5
# With the gradient penalty: its factor, and batches for the discriminator to one for the generator.
PENALTY, STEPS = 10.0, 5


class Generator(Protocol):
    """A model of images (rows, 28, 28), float32 from 0 to 1: one of `KINDS`."""

    def __init__(self, kind: str, threads: int, seed: int) -> None: ...

    def train(self, X: Array, epochs: int) -> None:
        """Train on from what was learned."""

    def sample(self, count: int) -> Array:
        """Return new images."""

    def bound(self, X: Array) -> float:
        """Return the evidence lower bound an image, in nats; of a VAE."""


class Model:
    """See `Generator`."""

    def __init__(self, kind: str, threads: int, seed: int) -> None:
        ganglion.set_num_threads(threads)
        self.kind = kind
        common: dict[str, Any] = {"epochs": 1, "batch_size": BATCH[kind], "random_state": seed}
        if kind == "vae":
            self.model = VAE(LATENT[kind], **common)
        else:
            loss = "wasserstein" if kind == "wgan" else "non-saturating"
            self.model = GAN(LATENT[kind], loss=loss, **common)
        self.trained = False

    def train(self, X: Array, epochs: int) -> None:
        if not self.trained:  # which builds the networks
            self.model.fit(X)
            epochs -= 1
            self.trained = True
        if epochs:
            self.model.network_.fit(X, epochs=epochs, batch_size=BATCH[self.kind], verbose=0)

    def sample(self, count: int) -> Array:
        made: Array = self.model.sample(count, random_state=0)
        return made

    def bound(self, X: Array) -> float:
        return float(self.model.score(X))
