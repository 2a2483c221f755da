"""Class labels: what a network learns instead of them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ganglion.errors import warn


def label_array(y: Any) -> NDArray[Any]:
    """Return labels as an array of one dimension, or of two for several labels a sample.

    Parameters
    ----------
    y : array of shape (n_samples,), (n_samples, 1) or (n_samples, n_labels), dense or sparse
        A column is flattened, with scikit-learn's ``DataConversionWarning``.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_labels)
        The labels.

    Raises
    ------
    ValueError
        For numbers that are no classes, and for several columns that are not zeros and ones.

    Examples
    --------
    >>> label_array(["b", "a"])
    array(['b', 'a'], dtype='<U1')
    """
    dense = np.asarray(y.toarray() if issparse(y) else y)
    check_classification_targets(dense)
    if dense.ndim == 1 or dense.shape[1] == 1:
        flat: NDArray[Any] = column_or_1d(dense, warn=True)
        return flat
    if type_of_target(dense) != "multilabel-indicator":
        raise ValueError(
            "[NeuralClassifier] y of several columns must hold zeros and ones, one a label"
        )
    return dense


def weights_of_classes(estimator: Any, y: NDArray[Any]) -> NDArray[Any]:
    """Return what each sample counts by ``class_weight``, shape (n_samples,).

    Parameters
    ----------
    estimator : NeuralClassifier or MLPClassifier
        With a ``class_weight``.
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Labels.

    Raises
    ------
    ValueError
        For a weight below 0 or not finite, and where no sample counts.
    """
    if isinstance(estimator.class_weight, Mapping) and y.ndim == 1:
        classes = np.asarray(estimator.classes_).tolist()
        unknown = [label for label in estimator.class_weight if label not in classes]
        # As in scikit-learn: a part of the data may lack a class, where the others have weights.
        if unknown and any(label not in estimator.class_weight for label in classes):
            raise ValueError(
                f"[{type(estimator).__name__}] class_weight names {unknown[0]!r}, which is none of "
                f"the classes {classes}"
            )
    weight: NDArray[Any] = compute_sample_weight(estimator.class_weight, y)
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
        raise ValueError(
            f"[{type(estimator).__name__}] class_weight must be finite, at least 0, and more than "
            f"0 for a class of y, got {estimator.class_weight!r}"
        )
    return weight


def weights_of_both(
    estimator: Any, by_class: NDArray[Any] | None, by_sample: NDArray[Any] | None
) -> NDArray[Any] | None:
    """Return what each sample counts by its class times what it counts by itself.

    Parameters
    ----------
    estimator : NeuralEstimator or MLPClassifier
        Named in the error.
    by_class, by_sample : ndarray of shape (n_samples,) or None
        Each with a sample that counts.

    Raises
    ------
    ValueError
        Where none counts by both.
    """
    if by_class is None or by_sample is None:
        return by_sample if by_class is None else by_class
    both: NDArray[Any] = by_class * by_sample
    if not both.any():
        raise ValueError(
            f"[{type(estimator).__name__}] class_weight times sample_weight is 0 for every sample: "
            f"class_weight is {estimator.class_weight!r}, and sample_weight is 0 for all samples "
            "of the other classes"
        )
    return both


@dataclass(frozen=True)
class Labels:
    """The classes of a problem.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The labels, sorted; the numbers of the columns when ``multilabel``.
    multilabel : bool
        Whether a sample may have several labels at once.

    Examples
    --------
    >>> labels = Labels.of(np.array(["cat", "dog", "cat"]))
    >>> labels.units, labels.encode(np.array(["dog", "cat"]), one_hot=False).tolist()
    (1, [[1], [0]])
    >>> labels.decode(np.array([[0.9], [0.2]])).tolist()
    ['dog', 'cat']
    """

    classes: NDArray[Any]
    multilabel: bool = False

    @classmethod
    def of(cls, y: NDArray[Any], classes: Any = None) -> Labels:
        """Return the labels in ``y``, or those in ``classes`` when given.

        Raises
        ------
        ValueError
            When all samples are of one class.
        """
        if y.ndim == 2:
            if y.shape[1] > 1 and (y.sum(axis=1) == 1).all():
                warn(
                    "[NeuralClassifier] y has a single 1 in every row, and is taken as "
                    f"{y.shape[1]} labels of which a sample may have several: for one class of "
                    f"{y.shape[1]} pass the class numbers, y.argmax(axis=1)"
                )
            return cls(np.arange(y.shape[1]), multilabel=True)
        found = np.unique(y if classes is None else column_or_1d(classes))
        if len(found) < 2:
            raise ValueError(
                "[NeuralClassifier] y must hold two classes or more, "
                f"got one class: {found.tolist()}"
            )
        return cls(found)

    @property
    def units(self) -> int:
        """Outputs of the network: one for two classes, otherwise one for each."""
        return 1 if len(self.classes) == 2 and not self.multilabel else len(self.classes)

    @property
    def independent(self) -> bool:
        """Whether each output is a probability of its own (sigmoid, not softmax)."""
        return self.multilabel or self.units == 1

    def encode(self, y: NDArray[Any], *, one_hot: bool) -> NDArray[Any]:
        """Return what the loss takes: (n, units) zeros and ones, or (n,) class numbers.

        Raises
        ------
        ValueError
            For labels that are not among ``classes``, or another number of columns.
        """
        if self.multilabel != (y.ndim == 2) or (y.ndim == 2 and y.shape[1] != len(self.classes)):
            expected = f"(n, {len(self.classes)})" if self.multilabel else "(n,)"
            raise ValueError(f"[NeuralClassifier] y must have the shape {expected}, got {y.shape}")
        if self.multilabel:
            return y.astype(np.uint8)
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"[NeuralClassifier] y holds labels that are not among the classes: {unknown[:5]}"
            )
        index = np.searchsorted(self.classes, y)
        if self.units == 1:
            return index[:, np.newaxis].astype(np.uint8)
        if one_hot:
            return np.eye(len(self.classes), dtype=np.uint8)[index]
        return np.asarray(index)

    def decode(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the most probable labels for outputs of shape (n, units)."""
        if self.multilabel:
            return (outputs > 0.5).astype(np.intp)
        index = outputs[:, 0] > 0.5 if self.units == 1 else outputs.argmax(axis=1)
        labels: NDArray[Any] = self.classes[index.astype(np.intp)]
        return labels

    def probabilities(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the probability of each class, (n, n_classes), for outputs of shape (n, units)."""
        if self.units == 1 and not self.multilabel:
            return np.hstack([1 - outputs, outputs])
        return outputs
