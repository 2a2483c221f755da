"""What the generative estimators share: their data, their layers, their codes."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state

from ganglion import optimizers
from ganglion.errors import check_count
from ganglion.estimators.base import with_learning_rate
from ganglion.estimators.checking import check_inputs
from ganglion.layers import Layer
from ganglion.sequential import Sequential

Array = NDArray[Any]


class GenerativeEstimator(BaseEstimator):
    """A model of samples without targets, between which and codes it goes back and forth."""

    latent_dim: int
    optimizer: Any
    learning_rate: Any
    random_state: Any
    dtype: str
    sample_shape_: tuple[int, ...]
    decoder_: Sequential

    def _check_settings(self) -> None:
        check_count(self, "latent_dim", "epochs")

    def _samples(self, X: ArrayLike, *, reset: bool) -> Array:
        """Return samples as an array of the shape that was learned, or is with ``reset``."""
        samples: Array = check_inputs(self, X, reset=reset, sparse=False)
        if reset:
            self.sample_shape_ = samples.shape[1:]
        elif samples.shape[1:] != self.sample_shape_:
            raise ValueError(
                f"[{type(self).__name__}] X must have shape {('n', *self.sample_shape_)}, as it "
                f"was trained on, got {samples.shape}"
            )
        return samples

    def _codes(self, codes: ArrayLike) -> Array:
        """Return codes as an array (n, latent_dim)."""
        found: Array = check_array(codes, dtype="numeric", input_name="codes", estimator=self)
        if found.shape[1] != self.latent_dim:
            raise ValueError(
                f"[{type(self).__name__}] codes must have shape ('n', {self.latent_dim}), got "
                f"{found.shape}"
            )
        return found

    def _given(self, name: str) -> list[Layer] | None:
        """Return copies of the layers that a setting names, or None."""
        layers = getattr(self, name)
        if layers is None:
            return None
        if not isinstance(layers, Sequence) or not all(isinstance(one, Layer) for one in layers):
            raise TypeError(
                f"[{type(self).__name__}] {name} must be a list of Layers or None, got {layers!r}"
            )
        return [copy.deepcopy(layer) for layer in layers]

    def _check_output(self, name: str, network: Sequential, expected: tuple[int, ...]) -> None:
        """Raise where a network that is built gives another shape than ``expected``."""
        if network.output_shape[1:] != expected:
            raise ValueError(
                f"[{type(self).__name__}] {name} must give {('n', *expected)}, as the samples are, "
                f"got {('n', *network.output_shape[1:])}"
            )

    def _optimizer(self, setting: Any = None) -> optimizers.Optimizer:
        optimizer = copy.deepcopy(optimizers.get(self.optimizer if setting is None else setting))
        if self.learning_rate is None:
            return optimizer
        return with_learning_rate(optimizer, self.learning_rate)

    def _seed(self) -> int:
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))


def split(network: Sequential, position: int) -> tuple[Sequential, Sequential]:
    """Return a network's layers before a position and those from there on, with their weights."""
    copies = copy.deepcopy(network.layers)
    weights = network.get_weights()
    parts = []
    shape = network.input_shape
    for layers in (copies[:position], copies[position:]):
        part = Sequential(layers, random_state=network.seed_, dtype=network.dtype)
        part.build(shape)
        count = len(part.weight_names)
        part.set_weights(weights[:count])
        weights, shape = weights[count:], part.output_shape
        parts.append(part)
    return parts[0], parts[1]
