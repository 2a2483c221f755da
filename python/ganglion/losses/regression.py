"""Losses for targets that are numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ganglion import ops
from ganglion.errors import check_numbers, check_positive
from ganglion.losses.base import EPSILON, Loss
from ganglion.value import Shape, Value


class MeanSquaredError(Loss, aliases=("mse", "MSE")):
    """Mean of the squared errors, `mean((prediction - target)^2)` over the last axis.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("mse")
    MeanSquaredError()
    """

    def build(self, target: Value, prediction: Value) -> Value:
        return ops.mean(ops.square(prediction - target), axis=-1)


class MeanAbsoluteError(Loss, aliases=("mae", "MAE")):
    """Mean of the absolute errors, `mean(|prediction - target|)` over the last axis.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("mae")
    MeanAbsoluteError()
    """

    def build(self, target: Value, prediction: Value) -> Value:
        return ops.mean(ops.absolute(prediction - target), axis=-1)


class MeanAbsolutePercentageError(Loss, aliases=("mape", "MAPE")):
    """Mean of the relative errors in percent.

    `100 mean(|prediction - target| / max(|target|, 1e-7))` over the last axis.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("mape")
    MeanAbsolutePercentageError()
    """

    def build(self, target: Value, prediction: Value) -> Value:
        scale = ops.maximum(ops.absolute(target), EPSILON)
        return 100.0 * ops.mean(ops.absolute(prediction - target) / scale, axis=-1)


class MeanSquaredLogarithmicError(Loss, aliases=("msle", "MSLE")):
    """Mean of the squared differences of logarithms, `mean((log(1 + p) - log(1 + t))^2)`.

    Predictions `p` and targets `t` below 1e-7 count as 1e-7. Targets are at least 0.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("msle")
    MeanSquaredLogarithmicError()
    """

    target_kind = "non_negative"

    def build(self, target: Value, prediction: Value) -> Value:
        ratio = ops.log1p(ops.maximum(prediction, EPSILON)) - ops.log1p(
            ops.maximum(target, EPSILON)
        )
        return ops.mean(ops.square(ratio), axis=-1)


class Huber(Loss):
    """Squared error near the target, absolute error far from it (Huber, 1964).

    `mean(e^2 / 2 if |e| <= delta else delta |e| - delta^2 / 2)` with `e = prediction - target`.

    Parameters
    ----------
    delta : float, default 1.0
        Where the parabola turns into lines, positive.

    Raises
    ------
    ValueError
        If `delta` is not positive.

    Examples
    --------
    >>> Huber(delta=2.0)
    Huber(delta=2.0)
    """

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta
        check_positive(self, "delta")

    def build(self, target: Value, prediction: Value) -> Value:
        size = ops.absolute(prediction - target)
        # The part of the error within delta; d^2/2 + delta (|e| - d) is both branches at once.
        inner = ops.minimum(size, self.delta)
        return ops.mean(inner * (size - 0.5 * inner), axis=-1)

    @classmethod
    def examples(cls) -> list[Huber]:
        return [cls(), cls(0.3)]


class LogCosh(Loss):
    """Logarithm of the hyperbolic cosine of the errors, `mean(log(cosh(prediction - target)))`.

    Like the squared error near the target and the absolute error far from it, and smooth.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("log_cosh")
    LogCosh()
    """

    def build(self, target: Value, prediction: Value) -> Value:
        error = prediction - target
        # log((e^x + e^-x) / 2), without overflow.
        return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


class Poisson(Loss):
    """Negative log-likelihood of counts, without its constant `log(t!)`.

    `mean(p - t log(p + 1e-7))`, where predictions `p` are rates, positive, and targets `t` are
    counts, at least 0.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("poisson")
    Poisson()
    """

    target_kind = "non_negative"

    def build(self, target: Value, prediction: Value) -> Value:
        return ops.mean(prediction - target * ops.log(prediction + EPSILON), axis=-1)


class CosineSimilarity(Loss):
    """Minus the cosine of the angle between target and prediction over the last axis.

    `-sum(t / |t| * p / |p|)`, between -1 (same direction) and 1 (opposite). Vectors shorter than
    1e-7 are divided by 1e-7, so that a zero vector has loss 0.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("cosine_similarity")
    CosineSimilarity()
    """

    def build(self, target: Value, prediction: Value) -> Value:
        product = ops.sum(target * prediction, axis=-1)
        return -product * _inverse_length(target) * _inverse_length(prediction)


def _inverse_length(vectors: Value) -> Value:
    # The maximum comes before the root, whose slope is infinite at 0.
    return ops.rsqrt(ops.maximum(ops.sum(ops.square(vectors), axis=-1), EPSILON**2))


class Quantile(Loss, aliases=("pinball",)):
    """Pinball loss, whose minimum is a quantile of the target (Koenker & Bassett, 1978).

    `mean(max(q e, (q - 1) e))` with `e = target - prediction`. Half the mean absolute error at
    `q = 0.5`. Not in Keras.

    With several quantiles the network has one output for each quantile of each target: the outputs
    of target 0 first, in the order of `quantiles`.

    Parameters
    ----------
    quantiles : float or sequence of float, default 0.5
        Each between 0 and 1, exclusive.

    Raises
    ------
    ValueError
        If a quantile is out of range.

    Examples
    --------
    >>> Quantile([0.1, 0.5, 0.9]).target_shape((None, 6))
    (None, 2)
    """

    def __init__(self, quantiles: float | Sequence[float] = 0.5) -> None:
        self.quantiles = quantiles
        check_numbers(self, "quantiles")
        if (
            np.ndim(quantiles) > 1
            or not self._levels
            or not all(0 < level < 1 for level in self._levels)
        ):
            raise ValueError(f"[Quantile] quantiles must be in (0, 1), got {quantiles!r}")

    @property
    def _levels(self) -> list[float]:
        levels: list[float] = np.atleast_1d(self.quantiles).tolist()
        return levels

    def target_shape(self, prediction_shape: Shape) -> Shape:
        shape, count = super().target_shape(prediction_shape), len(self._levels)
        outputs = shape[-1] or 0
        if outputs % count:
            raise ValueError(
                f"[Quantile] needs {count} outputs for each target, one a quantile, got {outputs}"
            )
        return (*shape[:-1], outputs // count)

    def build(self, target: Value, prediction: Value) -> Value:
        error = ops.expand_dims(target, -1) - ops.reshape(
            prediction, (*target.shape, len(self._levels))
        )
        level = ops.constant(self._levels)
        loss = ops.maximum(level * error, (level - 1.0) * error)
        return ops.mean(loss, axis=(-2, -1))

    @classmethod
    def examples(cls) -> list[Quantile]:
        return [cls(), cls(0.9), cls([0.1, 0.5, 0.9])]
