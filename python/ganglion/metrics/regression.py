"""Metrics for targets that are numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganglion import ops
from ganglion.errors import check_at_least, check_choice, check_integer
from ganglion.metrics.base import Metric, Sums, column_sums, ratio
from ganglion.value import Value


class MeanAbsoluteError(Metric, aliases=("mae", "MAE")):
    """Mean of the absolute errors.

    Parameters
    ----------
    name : str, optional
        Key in the history, default "mean_absolute_error".

    Examples
    --------
    >>> from ganglion import metrics
    >>> metrics.get("mae").label
    'mae'
    """

    def values(self, target: Value, prediction: Value) -> Value:
        return ops.absolute(prediction - target)


class MeanSquaredError(Metric, aliases=("mse", "MSE")):
    """Mean of the squared errors.

    Parameters
    ----------
    name : str, optional
        Key in the history, default "mean_squared_error".

    Examples
    --------
    >>> from ganglion import metrics
    >>> metrics.get("mse").label
    'mse'
    """

    def values(self, target: Value, prediction: Value) -> Value:
        return ops.square(prediction - target)


class RootMeanSquaredError(MeanSquaredError, aliases=("rmse", "RMSE")):
    """Root of the mean of the squared errors.

    Parameters
    ----------
    name : str, optional
        Key in the history, default "root_mean_squared_error".

    Examples
    --------
    >>> from ganglion import metrics
    >>> metrics.get("rmse").label
    'rmse'
    """

    def result(self, sums: Sums) -> float:
        return float(np.sqrt(super().result(sums)))


class R2Score(Metric, aliases=("r2",)):
    """Share of the variance of the targets that predictions explain.

    `1 - sum((t - p)^2) / sum((t - mean(t))^2)` for each output. An output whose targets are all
    equal scores 1 when predictions are exact and 0 otherwise, as in scikit-learn.

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average"}
        Mean over outputs, plain (the default) or weighted by the variance of their targets.
    num_regressors : int, default 0
        Independent variables in the model, for the adjusted score; 0 does not adjust. Keras takes
        every output of a sample for a sample here.
    name : str, optional
        Key in the history, default "r2_score".

    Raises
    ------
    ValueError
        If a setting is out of range.

    Examples
    --------
    >>> from ganglion import metrics
    >>> metrics.get("r2").label
    'r2'
    """

    def __init__(
        self,
        class_aggregation: str = "uniform_average",
        num_regressors: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        choices = ("uniform_average", "variance_weighted_average")
        check_choice(self, choices, "class_aggregation")
        check_integer(self, "num_regressors")
        check_at_least(self, 0, "num_regressors")

    def update(self, target: Value, prediction: Value, weight: Value | None) -> Value:
        # Sums of squares of targets far from 0 would lose in float32 what the variance is made of.
        # So each batch is measured from its own mean c, and what joins the batches, sum(w) c and
        # sum(w) c^2, is given in two parts each, which the trainer adds up in float64.
        count = column_sums(ops.broadcast_to(ops.constant(1.0), target.shape), weight)
        centre = column_sums(target, weight) / ops.maximum(count, 1e-30)
        offset = target - centre
        first, first_rest = _exact_product(count, centre)
        square, square_rest = _exact_product(centre, centre)
        second, second_rest = _exact_product(count, square)
        residual = column_sums(ops.square(target - prediction), weight)
        parts = [
            residual,
            count,
            first,
            first_rest + column_sums(offset, weight),
            second,
            second_rest + count * square_rest + 2.0 * centre * column_sums(offset, weight),
            column_sums(ops.square(offset), weight),
        ]
        return ops.concat(parts, axis=0)

    def result(self, sums: Sums) -> float:
        residual, count, *rest = sums.reshape(7, -1)
        total, squares = rest[0] + rest[1], rest[2] + rest[3] + rest[4]
        spread = squares - total * ratio(total, count)
        # What rounding leaves of targets that are all equal.
        constant = spread <= 1e-12 * squares
        scores = 1.0 - ratio(residual, np.where(constant, 1.0, spread))
        scores = np.where(constant, (residual <= 1e-12 * squares) * 1.0, scores)
        if self.class_aggregation == "uniform_average":
            score = float(np.mean(scores))
        else:
            score = float(ratio(np.sum(scores * spread), np.sum(spread)))
        if self.num_regressors:
            samples = float(count[0])
            score = 1.0 - (1.0 - score) * (samples - 1.0) / (samples - self.num_regressors - 1.0)
        return score

    @classmethod
    def examples(cls) -> list[Any]:
        return [cls(), cls("variance_weighted_average", num_regressors=2)]


def _exact_product(a: Value, b: Value) -> tuple[Value, Value]:
    # The product and its rounding error (Dekker, 1971). With 12 bits in each half the parts of a
    # float32 product are exact; in float64 what is lost is below its own rounding.
    product = a * b
    a_high, b_high = _high_half(a), _high_half(b)
    a_low, b_low = a - a_high, b - b_high
    rest = a_high * b_high - product
    return product, ((rest + a_high * b_low) + a_low * b_high) + a_low * b_low


def _high_half(x: Value) -> Value:
    scaled = 4097.0 * x
    return scaled - (scaled - x)
