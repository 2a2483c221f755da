"""A network that predicts classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import type_of_target

from ganglion import losses, optimizers
from ganglion.arguments import names_arguments
from ganglion.callbacks import Callback
from ganglion.errors import check_choice
from ganglion.estimators.base import ELSEWHERE, ELSEWHERE_IN_FIT, Head, HeldOut, NeuralEstimator
from ganglion.estimators.labels import Labels, label_array, weights_of_classes
from ganglion.estimators.tasks import epoch_tasks, with_callbacks
from ganglion.layers import Layer


class NeuralClassifier(ClassifierMixin, NeuralEstimator):
    """Classify with a network of hidden layers of your choice.

    The output layer and the loss follow from ``y``: two classes give one sigmoid with binary
    cross-entropy, more give a softmax with categorical cross-entropy, and a matrix of zeros and
    ones (several labels a sample) gives a sigmoid for each column.

    Parameters
    ----------
    layers : sequence of int or Layer, default=(100,)
        The hidden layers. A number is the width of a `layers.Dense` with ``activation``; a layer is
        taken as it is (its copy is trained, so it can be used again).
    activation : str, Activation or callable, default="relu"
        Activation of the layers given by their width.
    dropout : float, default=0.0
        Share of the outputs set to zero in training after each layer given by its width, [0, 1).
    kernel_regularizer : str, Regularizer or None, default=None
        Penalty on the weights of the layers given by their width and of the output layer.
    loss : "auto", str or Loss, default="auto"
        Another loss on the same output layer, for example ``"categorical_focal_crossentropy"``. Not
        one ``from_logits``: the layer gives probabilities.
    optimizer : str or Optimizer, default="adam"
        Update rule.
    learning_rate : float, Schedule, callable, "auto" or None, default=None
        Replaces the optimizer's own. ``"auto"`` is what `find_learning_rate` suggests for the
        network and the data; ``network_.learning_rate`` has it.
    epochs : int, default=100
        Passes over the data.
    batch_size : int or None, default=32
        Samples of one update; None for all of them.
    shuffle : bool, default=True
        Whether each epoch has an order of its own.
    early_stopping : bool, default=False
        Whether to set ``validation_fraction`` of the data aside, to stop when the loss there no
        longer falls, and to keep the best weights. The classes keep their shares. This copies the
        data; otherwise it is read in place. Nothing is set aside when `fit` is given ``X_val``.
    validation_fraction : float, default=0.1
        Share of the data that early stopping holds out, (0, 1).
    patience : int, default=10
        Epochs without improvement before early stopping ends the training.
    min_delta : float, default=0.0
        How much the validation loss must fall to count as an improvement.
    metrics : sequence of str or Metric, or None, default=()
        What to follow beside the loss in ``history_``.
    callbacks : sequence of Callback or None, default=()
        Called at each epoch.
    class_weight : dict, "balanced" or None, default=None
        What each class counts in the loss, by its label; ``"balanced"`` for weights that give every
        class the same sum. For several labels a sample, a list of dictionaries, a label each.
    warm_start : bool, default=False
        Whether ``fit`` trains on from the weights of the last ``fit``.
    memory : str, path or None, default=None
        Folder where fits are kept, by settings and data, so that one that differs from an earlier
        one in more ``epochs`` alone goes on from it, to the same bits as if it had begun anew: for
        searches in which epochs are the resource, such as ``HalvingRandomSearchCV``. Needs an
        integer ``random_state``; not with callbacks or early stopping. Files stay until you delete
        them.
    random_state : int, RandomState or None, default=None
        Seeds weights, order and dropout. The same number gives the same bits.
    dtype : {"float32", "float64"}, default="float32"
        Number type of weights and arithmetic.
    device : {"auto", "cpu", "cuda", "numba-cuda"}, default="auto"
        Where to train: ``"auto"`` is the processor, as yet; ``"cuda"`` a GPU, which needs
        ``pip install "ganglion[numba-cuda]"``.
    verbose : int or "auto", default=0
        0 for silence, 1 for a progress bar, 2 for a line each epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted. For several labels a sample, the numbers of the columns.
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
        Outputs of the last layer.
    n_features_in_ : int
        Columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where ``X`` had them.

    Notes
    -----
    ``fit`` scales the sample weights (times those of the classes) to a mean of one. So a sample of
    weight two counts as two samples, whatever the others are, when ``batch_size`` is None; with
    smaller batches this holds on average.

    From scikit-learn 1.9 on its own callbacks (``sklearn.callback``) are taken by
    ``set_callbacks``; a fit is a task of theirs, and each epoch a subtask.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ganglion import NeuralClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NeuralClassifier([16], learning_rate=0.01, epochs=50, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.95)
    True
    >>> model.predict_proba(X[:2]).shape
    (2, 3)
    """

    @names_arguments("NeuralClassifier", ELSEWHERE)
    def __init__(
        self,
        layers: Sequence[int | Layer] = (100,),
        *,
        activation: Any = "relu",
        dropout: float = 0.0,
        kernel_regularizer: Any = None,
        loss: str | losses.Loss = "auto",
        optimizer: str | optimizers.Optimizer = "adam",
        learning_rate: Any = None,
        epochs: int = 100,
        batch_size: int | None = 32,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0,
        metrics: Sequence[Any] | None = (),
        callbacks: Sequence[Callback] | None = (),
        class_weight: Any = None,
        warm_start: bool = False,
        memory: str | os.PathLike[str] | None = None,
        random_state: Any = None,
        dtype: str = "float32",
        device: str = "auto",
        verbose: int | str = 0,
    ) -> None:
        super().__init__(
            layers,
            activation=activation,
            dropout=dropout,
            kernel_regularizer=kernel_regularizer,
            loss=loss,
            optimizer=optimizer,
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            min_delta=min_delta,
            metrics=metrics,
            callbacks=callbacks,
            warm_start=warm_start,
            memory=memory,
            random_state=random_state,
            dtype=dtype,
            device=device,
            verbose=verbose,
        )
        self.class_weight = class_weight

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
    ) -> NeuralClassifier:
        """Train on labelled samples, anew unless ``warm_start``.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type; or a list of sequences of different lengths, for
            layers that take them.
        y : array of shape (n_samples,) or (n_samples, n_labels)
            Labels: numbers or strings; or zeros and ones, a column for each label.
        sample_weight : array of shape (n_samples,), optional
            What each sample counts in the loss, at least 0; scaled, times what its class counts, to
            a mean of one.
        X_val, y_val : like X and y, optional
            What loss and metrics are also computed on after each epoch, under names in ``history_``
            that begin with ``val_``; early stopping looks at this and splits nothing off.
        sample_weight_val : like sample_weight, optional
            What the samples of ``X_val`` count.

        Returns
        -------
        NeuralClassifier
            Itself, trained.

        Raises
        ------
        ValueError
            For data that is empty, of unequal lengths or not finite; for labels that are no
            classes, that are all one class, or, with ``warm_start``, that the last ``fit`` did not
            see; for a setting out of its range.
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
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> NeuralClassifier:
        """Train for one epoch on these samples, on from the weights there are.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.
        y : array of shape (n_samples,) or (n_samples, n_labels)
            Labels, each among ``classes``.
        classes : array of shape (n_classes,), optional
            Every label there will be. The first call needs it, unless ``y`` is a matrix of zeros
            and ones; later calls may repeat it.
        sample_weight : array of shape (n_samples,), optional
            What each sample counts in the loss, at least 0, taken as it is.

        Returns
        -------
        NeuralClassifier
            Itself, trained a little more.

        Raises
        ------
        ValueError
            As `fit`; and for a first call without ``classes``, or ``class_weight="balanced"``,
            which needs all the labels.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                '[NeuralClassifier] class_weight="balanced" needs all labels at once: '
                "give partial_fit a dictionary of weights"
            )
        first = not hasattr(self, "network_")
        if first and classes is None and type_of_target(y) != "multilabel-indicator":
            raise ValueError("[NeuralClassifier] the first call of partial_fit needs classes")
        if not (first or classes is None or np.array_equal(np.unique(classes), self.classes_)):
            raise ValueError(
                "[NeuralClassifier] classes differ from those of the first call: "
                f"{np.unique(classes)} against {self.classes_}"
            )
        self._fit(X, y, sample_weight, partial=True, classes=classes)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable label of each sample.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels; for several labels a sample, one where the probability is over a half.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For data of another width than the network was trained on, or not finite.
        """
        outputs = self._outputs(X)
        return self._labels.decode(outputs)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return the probability of each class for each sample.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows that sum to one; for several labels a sample, the probability of each label alone.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For data of another width than the network was trained on, or not finite.
        """
        outputs = self._outputs(X)
        return self._labels.probabilities(outputs)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return the logarithm of `predict_proba`, minus infinity where that is 0.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Finite numbers of any real type.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            logarithms: NDArray[Any] = np.log(self.predict_proba(X))
        return logarithms

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _check_settings(self) -> None:
        super()._check_settings()
        if isinstance(self.class_weight, str):
            check_choice(self, ["balanced"], "class_weight")

    def _check_targets(self, y: Any) -> NDArray[Any]:
        return label_array(y)

    def _learn_targets(self, y: NDArray[Any], classes: ArrayLike | None) -> None:
        self._labels = Labels.of(y, classes)
        self.classes_ = self._labels.classes
        self.n_outputs_ = self._labels.units

    def _encode(self, y: NDArray[Any]) -> NDArray[Any]:
        return self._labels.encode(y, one_hot=self._loss().target_kind != "class_index")

    def _head(self) -> Head:
        if self._labels.independent:
            return Head(self.n_outputs_, "sigmoid", "binary_crossentropy")
        return Head(self.n_outputs_, "softmax", "sparse_categorical_crossentropy")

    def _strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        return None if self._labels.multilabel else y

    def _class_weight_of(self, y: NDArray[Any]) -> NDArray[Any] | None:
        return None if self.class_weight is None else weights_of_classes(self, y)
