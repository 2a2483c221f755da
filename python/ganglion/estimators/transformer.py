"""A layer of a network as features for other estimators."""

from __future__ import annotations

import copy
import math
import numbers
from typing import Any

from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from ganglion.estimators.checking import check_inputs
from ganglion.estimators.failing import left_whole
from ganglion.sequential import Sequential


class NeuralTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What a layer of a network makes of the data, as features.

    An estimator is trained by ``fit``, a copy of it, as scikit-learn's ``SelectFromModel`` does; a
    network is used with the weights it has. To use an estimator that is trained already, give its
    ``network_``, or the estimator in scikit-learn's ``FrozenEstimator``.

    Parameters
    ----------
    estimator : NeuralClassifier, NeuralRegressor or Sequential
        Whose layer it is.
    layer : int or str, default=-2
        Position or name, as `Sequential.summary` shows it. The one before the last is the last
        hidden layer (of an estimator with dropout, that layer's dropout, which does nothing here).

    Attributes
    ----------
    network_ : Sequential
        The layers up to that one, with weights of their own.
    estimator_ : estimator
        The trained estimator; not there for a network.
    n_features_in_ : int
        Columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where ``X`` had them.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from ganglion import NeuralClassifier, NeuralTransformer
    >>> X, y = load_digits(return_X_y=True)
    >>> features = NeuralTransformer(NeuralClassifier([32], epochs=5, random_state=0))
    >>> features.fit(X, y).transform(X).shape
    (1797, 32)
    >>> model = make_pipeline(features, KNeighborsClassifier()).fit(X, y)
    """

    def __init__(self, estimator: Any, *, layer: int | str = -2) -> None:
        self.estimator = estimator
        self.layer = layer

    def fit(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> NeuralTransformer:
        """Train the estimator, or look whether the network takes the data.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.
        y : array of shape (n_samples,) or (n_samples, n_outputs), optional
            Targets; not looked at with a network.
        sample_weight : array of shape (n_samples,), optional
            What each sample counts in the loss; not looked at with a network.

        Returns
        -------
        NeuralTransformer
            Itself.

        Raises
        ------
        NotFittedError
            For a network that has no weights yet.
        TypeError
            For an estimator without a ``network_``.
        ValueError
            For a layer that is not there, and for what the estimator does not take.
        """
        if not isinstance(self.estimator, (Sequential, BaseEstimator)):
            raise TypeError(
                "[NeuralTransformer] estimator must be a NeuralClassifier, a NeuralRegressor or a "
                f"Sequential, got {self.estimator!r}"
            )
        with left_whole(self):
            inputs = check_inputs(self, X, reset=True)
            network = self._trained_network(inputs, y, sample_weight)
            expected = network.input_shape[1:]
            if inputs.shape[1:] != expected:
                raise ValueError(
                    f"[NeuralTransformer] X must have shape {('n', *expected)} for this network, "
                    f"got {inputs.shape}"
                )
            self.network_ = _until(network, self._position(network))
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Return what the layer gives for each sample.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            In the network's number type, a layer of several dimensions made flat; or what
            `set_output` asks for.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For data of another width than the network was trained on, or not finite.
        """
        check_is_fitted(self)
        features: NDArray[Any] = self.network_.predict(check_inputs(self, X, reset=False))
        return features.reshape(len(features), -1)

    @property
    def _n_features_out(self) -> int:
        """What scikit-learn's mixin counts the names of the features by."""
        return math.prod(size or 1 for size in self.network_.output_shape[1:])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.sparse = True
        if not isinstance(self.estimator, Sequential):
            tags.target_tags = get_tags(self.estimator).target_tags
            tags.non_deterministic = get_tags(self.estimator).non_deterministic
        return tags

    def _trained_network(self, X: Any, y: Any, sample_weight: Any) -> Sequential:
        if isinstance(self.estimator, Sequential):
            self.__dict__.pop("estimator_", None)
            return self.estimator
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator_ = clone(self.estimator).fit(X, y, **weights)
        network = getattr(self.estimator_, "network_", None)
        if not isinstance(network, Sequential):
            raise TypeError(
                "[NeuralTransformer] estimator must have a network_ after fit, "
                f"got {self.estimator!r}"
            )
        return network

    def _position(self, network: Sequential) -> int:
        count = len(network.layers)
        if isinstance(self.layer, str):
            found = network.get_layer(self.layer)  # by identity: layers of like settings are equal
            return next(i for i, layer in enumerate(network.layers) if layer is found)
        if not isinstance(self.layer, numbers.Integral) or isinstance(self.layer, bool):
            raise TypeError(
                f"[NeuralTransformer] layer must be a position or a name, got {self.layer!r}"
            )
        if int(self.layer) not in range(-count, count):
            raise ValueError(
                f"[NeuralTransformer] layer must be in [{-count}, {count}), the positions in this "
                f"network, got {self.layer!r}"
            )
        return int(self.layer) % count


def _until(network: Sequential, position: int) -> Sequential:
    """Return the layers up to a position, copied, with copies of their weights."""
    part = Sequential(
        copy.deepcopy(network.layers[: position + 1]),
        random_state=network.seed_,
        dtype=network.dtype,
    )
    part.build(network.input_shape)
    # The weights of a network stand layer by layer.
    part.set_weights(network.get_weights()[: len(part.weight_names)])
    return part
