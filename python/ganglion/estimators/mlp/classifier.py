"""scikit-learn's multi-layer perceptron for classes, trained by the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)

from ganglion.errors import check_choice
from ganglion.estimators.base import HeldOut
from ganglion.estimators.failing import left_whole
from ganglion.estimators.labels import weights_of_both, weights_of_classes
from ganglion.estimators.mlp.base import BaseMLP
from ganglion.estimators.mlp.checks import takes_batches
from ganglion.estimators.tasks import epoch_tasks, with_callbacks
from ganglion.losses import Loss
from ganglion.losses.perceptron import BinaryLogLoss, LogLoss

if TYPE_CHECKING:
    from typing_extensions import Self

Array = NDArray[Any]


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multi-layer perceptron for classes: change the import, and scikit-learn's runs in the core.

    Arguments, defaults, attributes, warnings and formulas are those of
    ``sklearn.neural_network.MLPClassifier``, but for one: the log losses are not clipped as
    scikit-learn's are. The same ``random_state`` starts from the same weights, holds the same
    samples out, and has the same order of samples in each epoch.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Widths of the hidden layers.
    activation : str, Activation, callable or list of them, default="relu"
        Of the hidden layers: ``"identity"``, ``"logistic"``, ``"tanh"``, ``"relu"``, any of
        `ganglion.activations`; a list has one for each layer.
    solver : str or Optimizer, default="adam"
        ``"lbfgs"`` is SciPy's, over all samples at once. ``"sgd"`` and ``"adam"`` take batches, and
        so does any other name of `ganglion.optimizers`, with ``learning_rate_init``. An optimizer
        is taken as it is, with its own learning rate.
    alpha : float, default=0.0001
        Strength of the L2 penalty: ``alpha / 2`` times the sum of squared weights, divided by the
        number of samples of a batch (by the sum of their weights, where they have any).
    batch_size : int or "auto", default="auto"
        Samples of one update; "auto" is 200, or all where there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        How the rate of "sgd" changes after an epoch: not; to ``learning_rate_init / (t_ + 1) **
        power_t``; or to a fifth when ``n_iter_no_change`` epochs did not improve.
    learning_rate_init : float, default=0.001
        The first learning rate.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Most epochs, or iterations of "lbfgs".
    shuffle : bool, default=True
        Whether each epoch has an order of its own.
    random_state : int, RandomState or None, default=None
        Seeds weights, order, dropout and the split of early stopping.
    tol : float, default=0.0001
        What counts as an improvement of the loss, or of the score with early stopping. For "lbfgs"
        the largest gradient at which it ends.
    verbose : bool or int, default=False
        Whether to print a line for each iteration.
    warm_start : bool, default=False
        Whether ``fit`` trains on from the weights there are.
    momentum : float, default=0.9
        Of "sgd", [0, 1].
    nesterovs_momentum : bool, default=True
        Whether that is Nesterov's.
    early_stopping : bool, default=False
        Whether to hold out ``validation_fraction`` of the samples, stop when the score there no
        longer improves, and keep the best weights.
    validation_fraction : float, default=0.1
        Share that early stopping holds out, [0, 1).
    beta_1, beta_2 : float, default=0.9, 0.999
        Decays of "adam", [0, 1).
    epsilon : float, default=1e-8
        Of "adam", keeps the divisor from 0.
    n_iter_no_change : int or inf, default=10
        Epochs without improvement that end the training.
    max_fun : int, default=15000
        Most evaluations of the loss by "lbfgs".
    dropout : float, default=0.0
        Share of each hidden layer's outputs that training sets to zero, [0, 1).
    class_weight : dict, "balanced" or None, default=None
        What each class counts, by its label; for several labels a sample a list of dictionaries.
    l1 : float, default=0.0
        Strength of an L1 penalty, divided as ``alpha`` is.
    batch_normalization : bool, default=False
        Whether to normalise each hidden layer before its activation.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Number type of weights and arithmetic. "auto" follows ``X`` as scikit-learn does: float32
        for float32, otherwise float64. With "float32" training takes about half the time.
    device : {"auto", "cpu", "cuda", "numba-cuda"}, default="auto"
        Where to train.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer. They are the network's own: what is written into them or assigned to
        the list is used.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer, the network's own too.
    loss_ : float
        Loss of the last iteration, with its penalties.
    best_loss_ : float or None
        The least so far; None with early stopping. This and the next four not with "lbfgs".
    loss_curve_ : list of float
        Loss of each epoch.
    validation_scores_ : list of float or None
        Accuracy on what is held out, after each epoch.
    best_validation_score_ : float or None
        The best of them; None without early stopping.
    t_ : int
        Samples seen in training.
    n_iter_ : int
        Iterations of the last call.
    n_layers_, n_outputs_ : int
        Layers, with those of inputs and outputs; outputs.
    out_activation_ : str
        ``"softmax"`` or ``"logistic"``.
    n_features_in_ : int
        Columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where ``X`` had them.
    network_ : Sequential
        The network itself.

    Notes
    -----
    From scikit-learn 1.9 on its own callbacks (``sklearn.callback``) are taken by
    ``set_callbacks``; a fit is a task of theirs, and each epoch a subtask ("lbfgs" has none).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ganglion import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), solver="lbfgs", max_iter=500, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    def __init__(
        self,
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
        class_weight: Any = None,
        l1: float = 0.0,
        batch_normalization: bool = False,
        dtype: str = "auto",
        device: str = "auto",
    ) -> None:
        super().__init__(
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
            class_weight=class_weight,
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
        """Train on samples and their labels, anew unless ``warm_start``.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.
        y : array of shape (n_samples,) or (n_samples, n_labels)
            Labels; zeros and ones for several labels a sample.
        sample_weight : array of shape (n_samples,), optional
            What each sample counts, at least 0. A batch's loss is divided by its weights' sum.
        X_val, y_val : array, optional
            Samples that are not trained on: ``validation_scores_`` are theirs, and early stopping
            uses them instead of a part of ``X``.
        sample_weight_val : array, optional
            What each of those counts in the score.

        Returns
        -------
        MLPClassifier
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
        self._check_class_weight()
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
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on these samples, on from the weights there are.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array of shape (n_classes,), optional
            Every label there will be. The first call needs it, later ones may repeat it.

        Returns
        -------
        MLPClassifier
            Itself, trained a little more.

        Raises
        ------
        ValueError
            As `fit`; for other ``classes`` than the first call's; and for what needs all samples at
            once: early stopping and ``class_weight="balanced"``.
        """
        self._check_class_weight()
        if isinstance(self.class_weight, str):
            raise ValueError(
                '[MLPClassifier] class_weight="balanced" needs all labels at once: give '
                "partial_fit a dictionary of weights"
            )
        with left_whole(self):
            if _check_partial_fit_first_call(self, classes):
                several = type_of_target(y).startswith("multilabel")
                self._label_binarizer = LabelBinarizer().fit(y if several else classes)
            self._fit(X, y, sample_weight, partial=True)
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Return the most probable label of each sample.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For data of another width than the network was trained on, or not finite.
        """
        outputs = self._outputs(X)
        labels: Array = self._label_binarizer.inverse_transform(
            outputs[:, 0] if self.n_outputs_ == 1 else outputs
        )
        return labels

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probability of each class for each sample.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``. For several labels a sample, of each label alone.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`.
        """
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Return the logarithms of `predict_proba`, with its arguments and errors."""
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _check_class_weight(self) -> None:
        if isinstance(self.class_weight, str):
            check_choice(self, ["balanced"], "class_weight")

    def _learn_targets(self, y: Array, *, first: bool, partial: bool) -> None:
        if first and not partial:
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif not partial and set(unique_labels(y)) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {unique_labels(y)}"
            )

    def _encode(self, y: Array) -> Array:
        found = np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])
        unknown = np.setdiff1d(found, self.classes_)
        if len(unknown):
            raise ValueError(
                f"[MLPClassifier] y holds labels that are not among the classes: {unknown[:5]}"
            )
        encoded: Array = self._label_binarizer.transform(y).astype(bool)
        return encoded

    def _weighted(self, y: Array, weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return weight
        return weights_of_both(self, weights_of_classes(self, y), weight)

    def _output(self) -> str:
        many = self._label_binarizer.y_type_ == "multiclass"
        return "softmax" if many else "logistic"

    def _loss(self) -> Loss:
        return LogLoss() if self.out_activation_ == "softmax" else BinaryLogLoss()

    def _targets(self, encoded: Array) -> Array:
        # Class numbers are fewer to read than zeros and ones.
        return encoded.argmax(axis=1) if self.out_activation_ == "softmax" else encoded

    def _strata(self, target: Array) -> Array | None:
        # As in scikit-learn: one column is two classes.
        return target if target.shape[1] == 1 else None

    def _score_outputs(self, target: Array, outputs: Array, weight: Array | None) -> float:
        if self.out_activation_ == "softmax":
            right = outputs.argmax(axis=1) == target.argmax(axis=1)
        else:
            right = ((outputs > 0.5) == target).all(axis=1)
        return float(np.average(right, weights=weight))
