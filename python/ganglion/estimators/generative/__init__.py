"""Models of samples without targets: what samples look like, and new ones."""

from __future__ import annotations

from ganglion.estimators.generative.autoencoder import Autoencoder

__all__ = ["Autoencoder"]
