"""What every metric is: statistics that add up over batches, and a number made of their sums."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ganglion import ops
from ganglion.errors import place
from ganglion.lines import blame
from ganglion.losses import Loss
from ganglion.losses.weights import aligned, axes_beyond
from ganglion.spec import Spec
from ganglion.value import Value

Sums = npt.NDArray[np.float64]
MetricType = TypeVar("MetricType", bound="Metric")


class Metric(Spec, kind="metric"):
    """Base of the metrics: how good predictions are, over all batches of an epoch.

    Most are a mean over the samples: a metric of your own is then a subclass with a `values`
    method, written with `ganglion.ops`. Others have an `update`, which runs in the core for each
    batch and returns statistics that add up, and a `result`, which makes the number of their sums,
    in NumPy. Sample weights count in all metrics here; in Keras only in `weighted_metrics`.

    Parameters
    ----------
    name : str, optional
        Key in the history. By default the name the metric was asked for with, or its class's.

    Examples
    --------
    >>> from ganglion import ops
    >>> class WithinTenPercent(Metric):
    ...     def values(self, target, prediction):
    ...         return ops.absolute(prediction - target) < 0.1 * ops.absolute(target)
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self._loss: Loss | None = None

    @property
    def label(self) -> str:
        """Key in the history."""
        return self.name or type(self).registered_name

    def for_loss(self: MetricType, loss: Loss) -> MetricType:
        """Return the metric as it is beside a loss, which says how outputs are to be read.

        Parameters
        ----------
        loss : Loss
            What the network is trained with.
        """
        metric = copy.copy(self)
        metric._loss = loss
        return metric

    def values(self, target: Value, prediction: Value) -> Value:
        """Return what is averaged, shape (batch, ...); arguments as for `update`."""
        raise NotImplementedError(f"[{type(self).__name__}] has no values method")

    def update(self, target: Value, prediction: Value, weight: Value | None) -> Value:
        """Return what is to be added for a batch, by default for the mean of `values`.

        Parameters
        ----------
        target : Value
            What the loss takes: (batch, ..., outputs), or (batch, ...) for class numbers.
        prediction : Value
            (batch, ..., outputs).
        weight : Value or None
            (batch,), or (batch, steps) for sequences of which steps are padding; None counts each
            sample once.

        Returns
        -------
        Value
            A vector of statistics, without the batch.
        """
        try:
            values = self.values(target, prediction)
            if not isinstance(values, Value) or values.shape[:1] != (None,):
                raise ValueError(
                    f"{place(self)} must give values of shape (None, ...), got {values!r}"
                )
        except Exception as error:
            blame(error, getattr(self, "function", self.values))
            raise
        return ops.concat([weighted_sum(values, weight), total_weight(values, weight)], axis=0)

    def result(self, sums: Sums) -> float:
        """Return the metric.

        Parameters
        ----------
        sums : ndarray of float64
            Sums over batches of what `update` returned.
        """
        return float(ratio(sums[0], sums[1]))


class FunctionMetric(Metric, registered=False):
    """The mean of a function of targets and predictions.

    Parameters
    ----------
    function : callable
        `function(target, prediction)` with `ganglion.ops`, of shape (batch, ...).
    name : str, optional
        Default: the function's name.

    Examples
    --------
    >>> def largest_error(target, prediction):
    ...     return ops.max(ops.absolute(prediction - target), axis=-1)
    >>> FunctionMetric(largest_error).label
    'largest_error'
    """

    def __init__(self, function: Callable[[Value, Value], Value], name: str | None = None) -> None:
        super().__init__(name or getattr(function, "__name__", "function"))
        self.function = function

    def values(self, target: Value, prediction: Value) -> Value:
        return self.function(target, prediction)


def weighted_sum(values: Value, weight: Value | None) -> Value:
    """Return the weighted sum of all `values`, shape (1,).

    Parameters
    ----------
    values : Value
        (batch, ...).
    weight : Value or None
        (batch,), or (batch, steps).
    """
    if weight is not None:
        axes = axes_beyond(weight, values)
        values = weight * (ops.sum(values, axis=axes) if axes else values)
    return ops.reshape(ops.sum(values), (1,))


def total_weight(values: Value, weight: Value | None) -> Value:
    """Return the weighted number of all `values`, shape (1,); arguments as for `weighted_sum`."""
    if weight is None:
        return ops.reshape(ops.axis_size(values), (1,))
    each = float(np.prod([values.shape[axis] or 1 for axis in axes_beyond(weight, values)]))
    return ops.reshape(ops.sum(weight) * each, (1,))


def column_sums(values: Value, weight: Value | None) -> Value:
    """Return the weighted sums over all axes but the last.

    Parameters
    ----------
    values : Value
        (batch, ..., columns).
    weight : Value or None
        (batch,), or (batch, steps).

    Returns
    -------
    Value
        (columns,)
    """
    if weight is not None:
        values = values * aligned(weight, values)
    return ops.sum(values, axis=list(range(len(values.shape) - 1)))


def ratio(part: Any, whole: Any) -> Any:
    """Return `part / whole`, elementwise, with 0 where `whole` is 0.

    Examples
    --------
    >>> ratio(1.0, 0.0), ratio(1.0, 2.0)
    (0.0, 0.5)
    """
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    quotient = np.divide(part, whole, out=np.zeros_like(part / 1.0), where=whole != 0)
    return float(quotient) if quotient.ndim == 0 else quotient
