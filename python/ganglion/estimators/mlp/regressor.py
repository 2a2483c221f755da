"""scikit-learn's multi-layer perceptron for numbers, trained by the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from ganglion.errors import check_choice
from ganglion.estimators.base import HeldOut
from ganglion.estimators.checking import numeric_targets
from ganglion.estimators.mlp.base import BaseMLP
from ganglion.estimators.mlp.checks import takes_batches
from ganglion.estimators.tasks import epoch_tasks, with_callbacks
from ganglion.losses import Loss
from ganglion.losses.perceptron import HalfPoissonDeviance, HalfSquaredError

if TYPE_CHECKING:
    from typing_extensions import Self

Array = NDArray[Any]


class MLPRegressor(MultiOutputMixin, RegressorMixin, BaseMLP):
    """A multi-layer perceptron for numbers: change the import, and scikit-learn's runs in the core.

    Arguments, defaults, attributes, warnings and formulas are those of
    ``sklearn.neural_network.MLPRegressor``, but for one: the squared error of several outputs is
    summed over them, as its gradient is there too, where the ``loss_`` that scikit-learn reports is
    their mean.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        Half the squared error, or half the Poisson deviance of counts with an exponential output.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, \
power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, \
early_stopping, validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun, dropout, \
l1, batch_normalization, dtype, device
        As in `MLPClassifier`; early stopping goes by R2.

    Attributes
    ----------
    coefs_, intercepts_, loss_, best_loss_, loss_curve_, t_, n_iter_, n_layers_, n_outputs_, \
n_features_in_, feature_names_in_, network_
        As in `MLPClassifier`.
    validation_scores_ : list of float or None
        R2 on what is held out, after each epoch.
    best_validation_score_ : float or None
        The best of them; None without early stopping.
    out_activation_ : str
        ``"identity"``, or ``"exp"`` for "poisson".

    Notes
    -----
    `set_callbacks` as for `MLPClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import MLPRegressor
    >>> X = np.linspace(-2, 2, 200)[:, None]
    >>> model = MLPRegressor(activation="tanh", solver="lbfgs", tol=1e-3, random_state=0)
    >>> model.fit(X, np.sin(X[:, 0])).score(X, np.sin(X[:, 0])) > 0.99
    True
    """

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        l1: float = 0.0,
        batch_normalization: bool = False,
        dtype: str = "auto",
        device: str = "auto",
    ) -> None:
        super().__init__(
            loss=loss,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            dropout=dropout,
            l1=l1,
            batch_normalization=batch_normalization,
            dtype=dtype,
            device=device,
        )

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
    ) -> Self:
        """Train on samples and their targets, anew unless ``warm_start``.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Finite targets; counts, at least 0, for the Poisson loss.
        sample_weight : array of shape (n_samples,), optional
            What each sample counts, at least 0. A batch's loss is divided by its weights' sum.
        X_val, y_val : array, optional
            Samples that are not trained on: ``validation_scores_`` are theirs, and early stopping
            uses them instead of a part of ``X``.
        sample_weight_val : array, optional
            What each of those counts in the score.

        Returns
        -------
        MLPRegressor
            Itself, trained.

        Raises
        ------
        ValueError, TypeError
            For data or a setting that is wrong, and when the loss was no longer finite.

        Warns
        -----
        ConvergenceWarning
            When ``max_iter`` came first.
        """
        self._fit(
            X,
            y,
            sample_weight,
            held_out=HeldOut(X_val, y_val, sample_weight_val),
            tasks=epoch_tasks(self, X, y, sample_weight, self._epochs),
        )
        return self

    @available_if(takes_batches)  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch on these samples, on from the weights there are.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        MLPRegressor
            Itself, trained a little more.

        Raises
        ------
        ValueError
            As `fit`; and for early stopping, which needs all samples at once.
        """
        self._fit(X, y, sample_weight, partial=True)
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Return the predicted targets.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Of the number type that was trained in.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For data of another width than the network was trained on, or not finite.
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def _learn_targets(self, y: Array, *, first: bool, partial: bool) -> None:
        check_choice(self, ["squared_error", "poisson"], "loss")
        columns = 1 if y.ndim == 1 else y.shape[1]
        if not first and columns != self.coefs_[-1].shape[1]:
            raise ValueError(
                f"[MLPRegressor] y must have {self.coefs_[-1].shape[1]} columns, got {columns}"
            )

    def _encode(self, y: Array) -> Array:
        numbers = numeric_targets(self, y)
        return numbers.reshape(-1, 1) if y.ndim == 1 else numbers

    def _output(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _loss(self) -> Loss:
        return HalfPoissonDeviance() if self.out_activation_ == "exp" else HalfSquaredError()

    def _score_outputs(self, target: Array, outputs: Array, weight: Array | None) -> float:
        return float(r2_score(target, outputs, sample_weight=weight))
