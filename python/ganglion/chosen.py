"""What a network is trained for, as a user says it: names of losses and metrics, or instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganglion import losses
from ganglion import metrics as metric_library
from ganglion.losses import Loss
from ganglion.metrics import Metric


def chosen_losses(loss: Any) -> list[Loss]:
    """Return the loss of the only output; none for prediction alone."""
    return [] if loss is None else [losses.get(loss)]


def chosen_metrics(metrics: Any) -> list[Metric]:
    """Return the metrics of an output, in a list.

    Raises
    ------
    TypeError
        When they are no list.
    ValueError
        For an unknown name, or two of one name.
    """
    if metrics is not None and (isinstance(metrics, str) or not isinstance(metrics, Sequence)):
        raise TypeError(f"[compile] metrics must be a list, got {metrics!r}")
    reported = [metric_library.get(metric) for metric in metrics or ()]
    labels = [metric.label for metric in reported]
    for index, label in enumerate(labels):
        if label in ("loss", "learning_rate", *labels[:index]):
            raise ValueError(f"[compile] two metrics are named {label!r}: give one name=...")
    return reported
