"""Area under the ROC or the precision-recall curve."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ganglion import ops
from ganglion.errors import check_at_least, check_boolean, check_choice, check_integer
from ganglion.losses.weights import aligned
from ganglion.metrics.base import Metric, Sums, ratio
from ganglion.metrics.decisions import class_of_target, is_multiclass
from ganglion.value import Value

Floats = npt.NDArray[np.float64]


class AUC(Metric, name="auc"):
    """Area under the curve, from counts at thresholds spread evenly over [0, 1].

    Adds up over batches and needs no sorting, so it is an approximation: scores that fall between
    the same two thresholds count as equal. Outputs are probabilities. For one class of many, each
    output is a yes/no question. Keras's ``thresholds``, ``num_labels`` and ``label_weights`` are
    left out, and it takes no class numbers for targets. What comes after ``summation_method`` is
    given by name.

    Parameters
    ----------
    num_thresholds : int, default 200
        Number of thresholds, at least 2. The first is below 0 and the last above 1.
    curve : {"ROC", "PR"}, default "ROC"
        True positive rate over false positive rate, or precision over recall.
    summation_method : {"interpolation", "minoring", "majoring"}, default "interpolation"
        Between two points: straight lines (for PR, of the counts; Davis & Goadrich, 2006), the
        smaller or the larger of the two.
    multi_label : bool, default False
        The mean of the areas of the outputs, rather than one area with all outputs together.
    from_logits : bool, default False
        Outputs are logits. It is not needed where the loss says so.
    name : str, optional
        Key in the history, default "auc".

    Raises
    ------
    ValueError
        If a setting is out of range.

    Examples
    --------
    >>> AUC(curve="PR")
    AUC(curve='PR')
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        *,
        multi_label: bool = False,
        from_logits: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.num_thresholds = num_thresholds
        self.curve = curve
        self.summation_method = summation_method
        self.multi_label = multi_label
        self.from_logits = from_logits
        check_integer(self, "num_thresholds")
        check_at_least(self, 2, "num_thresholds")
        check_choice(self, ("ROC", "PR"), "curve")
        check_choice(self, ("interpolation", "minoring", "majoring"), "summation_method")
        check_boolean(self, "multi_label", "from_logits")

    @property
    def _grid(self) -> tuple[int, int]:
        # Rows and columns of a rectangle that holds the steps between thresholds.
        columns = math.isqrt(self.num_thresholds - 2) + 1
        return -(-(self.num_thresholds - 1) // columns), columns

    def update(self, target: Value, prediction: Value, weight: Value | None) -> Value:
        outputs = prediction.shape[-1]
        assert outputs is not None
        multiclass = is_multiclass(target, prediction, self._loss)
        if self.from_logits or (self._loss is not None and self._loss.threshold == 0.0):
            prediction = ops.softmax(prediction) if multiclass else ops.sigmoid(prediction)
        if multiclass:
            yes = ops.one_hot(class_of_target(target, prediction), outputs)
        else:
            yes = target > 0.5
        # A histogram of yes and one of no. To count without a pass for each threshold, the step is
        # written as row and column of a rectangle, and the product of their one-hot forms sums over
        # all samples.
        steps, (rows, columns) = self.num_thresholds - 1, self._grid
        step = ops.clip(-ops.floor(-prediction * float(steps)), 1.0, float(steps)) - 1.0
        row = ops.floor((step + 0.5) / float(columns))
        column = step - columns * row
        if self.multi_label:
            row = row + ops.constant(rows * np.arange(outputs))
            rows *= outputs
        if weight is not None:
            weight = aligned(weight, yes)
        answers = [yes, 1.0 - yes] if weight is None else [yes * weight, (1.0 - yes) * weight]
        in_row = ops.one_hot(row, rows)
        marked = ops.concat([in_row * ops.expand_dims(answer, -1) for answer in answers])
        counts = ops.matmul(
            ops.rows(marked), ops.rows(ops.one_hot(column, columns)), transpose_a=True
        )
        return ops.reshape(counts, (2 * rows * columns,))

    def result(self, sums: Sums) -> float:
        rows, columns = self._grid
        steps = sums.reshape(2, -1, rows * columns)[..., : self.num_thresholds - 1]
        above = np.cumsum(steps[..., ::-1], axis=-1)[..., ::-1]
        true, false = np.concatenate([above, np.zeros_like(above[..., :1])], axis=-1)
        return float(np.mean([self._area(*pair) for pair in zip(true, false, strict=True)]))

    def _area(self, true: Floats, false: Floats) -> float:
        # Positives and negatives above each threshold, decreasing; all of them at the first.
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated_precision(true, false)
        recall = ratio(true, true[0])
        x, y = (
            (ratio(false, false[0]), recall)
            if self.curve == "ROC"
            else (recall, ratio(true, true + false))
        )
        left, right = y[:-1], y[1:]
        if self.summation_method == "interpolation":
            height = (left + right) / 2.0
        else:
            height = (np.minimum if self.summation_method == "minoring" else np.maximum)(
                left, right
            )
        return float(np.sum((x[:-1] - x[1:]) * height))

    @classmethod
    def examples(cls) -> list[Any]:
        return [cls(), cls(curve="PR"), cls(50, summation_method="majoring", multi_label=True)]


def _interpolated_precision(true: Floats, false: Floats) -> float:
    # Between two thresholds the true positives are a line over all positives p: true = a + b p. The
    # integral of precision (a + b p) / p over true is b (true + a log(p)) between the ends.
    positives = true + false
    d_true = true[:-1] - true[1:]
    slope = ratio(d_true, positives[:-1] - positives[1:])
    intercept = true[1:] - slope * positives[1:]
    both = (positives[:-1] > 0) & (positives[1:] > 0)
    growth = np.where(both, ratio(positives[:-1], positives[1:]), 1.0)
    return float(np.sum(ratio(slope * (d_true + intercept * np.log(growth)), true[0])))
