"""A network that predicts numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin

from ganglion.arguments import names_arguments
from ganglion.errors import warn
from ganglion.estimators.base import ELSEWHERE_IN_FIT, Head, HeldOut, NeuralEstimator
from ganglion.estimators.checking import numeric_targets
from ganglion.estimators.tasks import epoch_tasks, with_callbacks

# Root mean square from which on training by default hardly leaves the mean.
_LARGE_TARGETS = 1000


class NeuralRegressor(MultiOutputMixin, RegressorMixin, NeuralEstimator):
    """Predict one number a sample, or several, with a network of hidden layers of your choice.

    The output layer is linear, an output for each column of ``y``; the loss is the mean squared
    error unless ``loss`` names another. Targets far from zero or of large spread train slowly: wrap
    the estimator in scikit-learn's ``TransformedTargetRegressor`` with a ``StandardScaler``.

    Parameters
    ----------
    layers, activation, dropout, kernel_regularizer, optimizer, learning_rate, epochs, batch_size, \
shuffle, early_stopping, validation_fraction, patience, min_delta, metrics, callbacks, warm_start, \
memory, random_state, dtype, device, verbose
        As in `NeuralClassifier`.
    loss : "auto", str or Loss, default="auto"
        ``"auto"`` is the mean squared error.

    Attributes
    ----------
    network_ : Sequential
        The trained network.
    history_ : dict of str to list of float
        Loss and metrics after each epoch; with early stopping or ``X_val`` also those on the
        held-out data, under names that begin with ``val_``.
    loss_ : float
        Mean training loss of the last epoch.
    n_iter_ : int
        Epochs trained.
    n_outputs_ : int
        Columns of ``y``.
    n_features_in_ : int
        Columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where ``X`` had them.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import NeuralRegressor
    >>> X = np.linspace(-2, 2, 200)[:, None]
    >>> model = NeuralRegressor([32], activation="tanh", learning_rate=0.01, random_state=0)
    >>> bool(model.fit(X, np.sin(X[:, 0])).score(X, np.sin(X[:, 0])) > 0.99)
    True
    """

    @names_arguments("fit", ELSEWHERE_IN_FIT)
    @with_callbacks
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> NeuralRegressor:
        """Train on samples and their targets, anew unless ``warm_start``.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type; or a list of sequences of different lengths, for
            layers that take them.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Finite targets.
        sample_weight : array of shape (n_samples,), optional
            What each sample counts in the loss, at least 0; scaled to a mean of one.
        X_val, y_val : like X and y, optional
            What loss and metrics are also computed on after each epoch, under names in ``history_``
            that begin with ``val_``; early stopping looks at this and splits nothing off.
        sample_weight_val : like sample_weight, optional
            What the samples of ``X_val`` count.

        Returns
        -------
        NeuralRegressor
            Itself, trained.

        Raises
        ------
        ValueError
            For data that is empty, of unequal lengths or not finite; for a setting out of its
            range.
        TypeError
            For an entry of ``layers`` that is neither a width nor a Layer.
        """
        self._fit(
            X,
            y,
            sample_weight,
            held_out=HeldOut(X_val, y_val, sample_weight_val),
            tasks=epoch_tasks(self, X, y, sample_weight, self.epochs),
        )
        return self

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> NeuralRegressor:
        """Train for one epoch on these samples, on from the weights there are.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Finite targets.
        sample_weight : array of shape (n_samples,), optional
            What each sample counts in the loss, at least 0, taken as it is.

        Returns
        -------
        NeuralRegressor
            Itself, trained a little more.

        Raises
        ------
        ValueError
            As `fit`; and for another number of targets than the first call's.
        """
        self._fit(X, y, sample_weight, partial=True)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the predicted targets.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            float64, as scikit-learn's regressors give; as many dimensions as the ``y`` it was
            trained on.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For data of another width than the network was trained on, or not finite.
        """
        outputs = self._outputs(X).astype(np.float64)
        return outputs[:, 0] if self._flat else outputs

    def _head(self) -> Head:
        return Head(self.n_outputs_, "linear", "mean_squared_error")

    def _check_targets(self, y: Any) -> NDArray[Any]:
        return numeric_targets(self, y)

    def _learn_targets(self, y: NDArray[Any], classes: ArrayLike | None) -> None:
        self._flat = y.ndim == 1
        self.n_outputs_ = 1 if self._flat else y.shape[1]
        size = float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))
        if size > _LARGE_TARGETS:
            warn(
                f"[{type(self).__name__}] the targets are large, {size:.3g} in the mean, and a "
                "network begins near 0: wrap it in TransformedTargetRegressor with a StandardScaler"
            )

    def _encode(self, y: NDArray[Any]) -> NDArray[Any]:
        columns: NDArray[Any] = y[:, np.newaxis] if y.ndim == 1 else y
        if columns.shape[1] != self.n_outputs_:
            raise ValueError(
                f"[NeuralRegressor] y must have {self.n_outputs_} columns, got {columns.shape[1]}"
            )
        return columns
