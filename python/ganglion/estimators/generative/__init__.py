"""Models of samples without targets: what samples look like, and new ones."""

from __future__ import annotations

from ganglion.estimators.generative.autoencoder import Autoencoder
from ganglion.estimators.generative.gan import GAN
from ganglion.estimators.generative.vae import VAE

__all__ = ["GAN", "VAE", "Autoencoder"]
