"""What the generative estimators share: their data, their layers, their codes."""

from __future__ import annotations

import copy
import numbers
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from ganglion import optimizers
from ganglion.errors import check_count
from ganglion.estimators.base import with_learning_rate
from ganglion.estimators.checking import check_inputs
from ganglion.layers import Layer
from ganglion.sequential import Sequential

Array = NDArray[Any]


class GenerativeEstimator(BaseEstimator):
    """A model of what samples look like. The constructor stores; values are checked by ``fit``."""

    latent_dim: int
    optimizer: Any
    learning_rate: Any
    random_state: Any
    dtype: str
    sample_shape_: tuple[int, ...]

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


class Coder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, GenerativeEstimator):
    """A model that goes from samples to codes, and back."""

    encoder_: Sequential
    decoder_: Sequential

    @abstractmethod
    def _encoded(self, X: ArrayLike) -> Array:
        """Return the codes of samples, (n, latent_dim)."""

    @abstractmethod
    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how normal each sample is, (n,)."""

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Return the codes of samples.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features) or (n_samples, ...)
            Of the shape that was trained on.

        Returns
        -------
        ndarray of shape (n_samples, latent_dim)
            In the network's number type; or what `set_output` asks for.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For samples of another shape, or not finite.
        """
        return self._encoded(X)

    def inverse_transform(self, codes: ArrayLike) -> NDArray[Any]:
        """Return the samples that codes stand for.

        Parameters
        ----------
        codes : array of shape (n_samples, latent_dim)
            As `transform` gives them, or any others.

        Returns
        -------
        ndarray of shape (n_samples, ...)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For codes of another width, or not finite.
        """
        check_is_fitted(self)
        samples: Array = self.decoder_.predict(self._codes(codes))
        return samples

    def reconstruct(self, X: ArrayLike) -> NDArray[Any]:
        """Return what is left of samples once they went through their codes.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features) or (n_samples, ...)
            Of the shape that was trained on.

        Returns
        -------
        ndarray of the shape of X

        Raises
        ------
        NotFittedError, ValueError
            As `transform`.
        """
        samples: Array = self.decoder_.predict(self._encoded(X))
        return samples

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Return the mean of `score_samples`, by which searches choose."""
        return float(self.score_samples(X).mean())

    def _codes(self, codes: ArrayLike) -> Array:
        """Return codes as an array (n, latent_dim)."""
        found: Array = check_array(codes, dtype="numeric", input_name="codes", estimator=self)
        if found.shape[1] != self.latent_dim:
            raise ValueError(
                f"[{type(self).__name__}] codes must have shape ('n', {self.latent_dim}), got "
                f"{found.shape}"
            )
        return found

    @property
    def _n_features_out(self) -> int:
        """What scikit-learn's mixin counts the names of the features by."""
        return self.latent_dim

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


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
