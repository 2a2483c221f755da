"""Metrics of the right and wrong decisions for each class."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganglion import ops
from ganglion.errors import check_at_least, check_choice, check_integer, check_number, place
from ganglion.metrics.base import Metric, Sums, column_sums, ratio
from ganglion.metrics.decisions import decisions
from ganglion.value import Value

_AVERAGES = ("macro", "micro", "weighted")


class Precision(Metric):
    """Share of what was predicted that is right.

    Where the outputs are one class of many, the largest is predicted, and there is a score for each
    class. Otherwise outputs above the threshold are yes, and there is a score for each output. With
    one output the score is that of yes, as in scikit-learn's `average="binary"`; otherwise scores
    are averaged with scikit-learn's meaning of `average`. A score whose divisor is 0 is 0; a class
    that is neither there nor predicted has none.

    Keras's counts over all outputs together, which here is ``average="micro"``, and compares one
    class of many with a threshold too; its several ``thresholds`` and ``top_k`` are left out.

    Parameters
    ----------
    threshold : float, optional
        Outputs above it are yes. Default: 0 when the loss takes logits or margins, otherwise 0.5.
    average : {"macro", "micro", "weighted"}, default "macro"
        Mean of the scores; score of the sums; mean weighted by how often the class is there.
    class_id : int, optional
        The score of this class or output alone.
    name : str, optional
        Key in the history, default "precision".

    Raises
    ------
    ValueError
        If a setting is out of range.

    Examples
    --------
    >>> Precision(average="micro")
    Precision(average='micro')
    """

    def __init__(
        self,
        *,
        threshold: float | None = None,
        average: str = "macro",
        class_id: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.threshold = threshold
        self.average = average
        self.class_id = class_id
        if threshold is not None:
            check_number(self, "threshold")
        check_choice(self, _AVERAGES, "average")
        if class_id is not None:
            check_integer(self, "class_id")
            check_at_least(self, 0, "class_id")

    def score(self, right: Any, predicted: Any, actual: Any) -> Any:
        """Return the scores of classes from their weighted counts."""
        return ratio(right, predicted)

    def update(self, target: Value, prediction: Value, weight: Value | None) -> Value:
        outputs = prediction.shape[-1]
        if self.class_id is not None and outputs is not None and self.class_id >= outputs:
            raise ValueError(
                f"{place(self)} class_id must be less than {outputs}, the number of outputs, "
                f"got {self.class_id}"
            )
        actual, predicted = decisions(target, prediction, self.threshold, self._loss)
        counts = [actual * predicted, predicted, actual]
        return ops.concat([column_sums(count, weight) for count in counts], axis=0)

    def result(self, sums: Sums) -> float:
        counts = sums.reshape(3, -1)
        if self.class_id is not None:
            return float(self.score(*counts[:, self.class_id]))
        if counts.shape[1] == 1:
            return float(self.score(*counts[:, 0]))
        if self.average == "micro":
            return float(self.score(*counts.sum(axis=1)))
        scores, (_, predicted, actual) = self.score(*counts), counts
        share = actual if self.average == "weighted" else (predicted + actual > 0) * 1.0
        return float(ratio(np.sum(scores * share), np.sum(share)))

    @classmethod
    def examples(cls) -> list[Any]:
        return [cls(), cls(average="micro"), cls(average="weighted")]


class Recall(Precision):
    """Share of what is there that was predicted. Differs from Keras's as `Precision` does.

    Parameters
    ----------
    threshold, average, class_id, name
        As for `Precision`; the name is "recall" by default.

    Examples
    --------
    >>> Recall(class_id=1)
    Recall(class_id=1)
    """

    def score(self, right: Any, predicted: Any, actual: Any) -> Any:
        return ratio(right, actual)


class F1Score(Precision, aliases=("f1",)):
    """Harmonic mean of precision and recall.

    Keras's gives a score for each class by default (``average=None``); here it is one number.

    Parameters
    ----------
    threshold, average, class_id, name
        As for `Precision`; the name is "f1_score" by default.

    Examples
    --------
    >>> from ganglion import metrics
    >>> metrics.get("f1").label
    'f1'
    """

    def score(self, right: Any, predicted: Any, actual: Any) -> Any:
        return ratio(2.0 * right, predicted + actual)
