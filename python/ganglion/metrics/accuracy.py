"""Shares of right decisions."""

from __future__ import annotations

from ganglion import ops
from ganglion.errors import check_count, check_number
from ganglion.metrics.base import Metric
from ganglion.metrics.decisions import (
    class_of_prediction,
    class_of_target,
    is_multiclass,
    is_yes,
)
from ganglion.value import Value


class Accuracy(Metric, aliases=("acc",)):
    """Share of right decisions, of the kind that fits the network.

    One output, or a loss that treats outputs as yes/no questions (binary cross-entropy, hinge): as
    `BinaryAccuracy`. Otherwise as `CategoricalAccuracy`. Keras takes the second for several yes/no
    outputs too.

    Parameters
    ----------
    name : str, optional
        Key in the history, default "accuracy".

    Examples
    --------
    >>> Accuracy().label
    'accuracy'
    """

    def values(self, target: Value, prediction: Value) -> Value:
        if is_multiclass(target, prediction, self._loss):
            return ops.equal(class_of_target(target, prediction), class_of_prediction(prediction))
        return ops.equal(target > 0.5, is_yes(prediction, None, self._loss))


class BinaryAccuracy(Metric):
    """Share of outputs on the right side of the threshold.

    Targets above 0.5 are yes.

    Parameters
    ----------
    name : str, optional
        Key in the history, default "binary_accuracy".
    threshold : float, optional
        Outputs above it are yes. Default: 0 when the loss takes logits or margins, otherwise 0.5,
        which is Keras's default throughout.

    Examples
    --------
    >>> BinaryAccuracy(threshold=0.3)
    BinaryAccuracy(threshold=0.3)
    """

    def __init__(self, name: str | None = None, threshold: float | None = None) -> None:
        super().__init__(name)
        self.threshold = threshold
        if threshold is not None:
            check_number(self, "threshold")

    def values(self, target: Value, prediction: Value) -> Value:
        return ops.equal(target > 0.5, is_yes(prediction, self.threshold, self._loss))


class CategoricalAccuracy(Metric):
    """Share of samples whose largest output is that of the right class.

    Targets are one-hot or class numbers.

    Parameters
    ----------
    name : str, optional
        Key in the history, default "categorical_accuracy".

    Examples
    --------
    >>> CategoricalAccuracy().label
    'categorical_accuracy'
    """

    def values(self, target: Value, prediction: Value) -> Value:
        return ops.equal(class_of_target(target, prediction), class_of_prediction(prediction))


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """`CategoricalAccuracy` under the name it has for class numbers.

    Parameters
    ----------
    name : str, optional
        Key in the history, default "sparse_categorical_accuracy".

    Examples
    --------
    >>> SparseCategoricalAccuracy().label
    'sparse_categorical_accuracy'
    """


class TopKCategoricalAccuracy(Metric):
    """Share of samples whose right class is among the `k` largest outputs.

    It is when fewer than `k` outputs are larger than its own. Targets are one-hot or class numbers.

    Parameters
    ----------
    k : int, default 5
        How many outputs count.
    name : str, optional
        Key in the history, default "top_k_categorical_accuracy".

    Raises
    ------
    ValueError
        If `k` is not positive.

    Examples
    --------
    >>> TopKCategoricalAccuracy(k=3)
    TopKCategoricalAccuracy(k=3)
    """

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        self.k = k
        check_count(self, "k")

    def values(self, target: Value, prediction: Value) -> Value:
        classes = prediction.shape[-1]
        assert classes is not None
        right = ops.one_hot(class_of_target(target, prediction), classes)
        output = ops.sum(right * prediction, axis=-1, keepdims=True)
        return ops.sum(prediction > output, axis=-1) < float(self.k)

    @classmethod
    def examples(cls) -> list[TopKCategoricalAccuracy]:
        return [cls(k=2)]


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """`TopKCategoricalAccuracy` under the name it has for class numbers.

    Parameters
    ----------
    k : int, default 5
        How many outputs count.
    name : str, optional
        Key in the history, default "sparse_top_k_categorical_accuracy".

    Examples
    --------
    >>> SparseTopKCategoricalAccuracy(k=3).label
    'sparse_top_k_categorical_accuracy'
    """
