"""What the callbacks that watch a quantity share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ganglion.callbacks.base import Callback, Logs
from ganglion.errors import check_at_least, check_choice, place, suggestion

# Quantities that are better when larger, by a word of their name.
_LARGER_IS_BETTER = frozenset({"accuracy", "acc", "precision", "recall", "f1", "auc", "r2"})


class MonitorCallback(Callback):
    """A callback that compares a monitored quantity with the best so far.

    Parameters
    ----------
    monitor : str
        Name in the logs, such as ``"val_loss"``.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" tells from the name.
    min_delta : float
        Least change that counts as an improvement, at least 0.
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(
                f"{place(self)} monitor must be a name such as 'val_loss', got {monitor!r}"
            )
        self.monitor = monitor
        self.mode = mode
        self.min_delta = min_delta
        check_choice(self, ["auto", "min", "max"], "mode")
        check_at_least(self, 0, "min_delta")
        self.best = math.nan

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the best value."""
        self.best = -math.inf if self.larger_is_better else math.inf

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.best = float(state["best"])

    @property
    def larger_is_better(self) -> bool:
        """Whether an increase of the monitored quantity is an improvement."""
        if self.mode != "auto":
            return self.mode == "max"
        return not _LARGER_IS_BETTER.isdisjoint(self.monitor.split("_"))

    def improves(self, value: float, reference: float) -> bool:
        """Tell whether ``value`` is better than ``reference`` by more than ``min_delta``."""
        if self.larger_is_better:
            return value - self.min_delta > reference
        return value + self.min_delta < reference

    def monitored(self, logs: Logs | None) -> float:
        """Return the monitored quantity of an epoch.

        Looked for here and not before training, since callbacks may add to the logs.

        Raises
        ------
        ValueError
            It is not in the logs.
        """
        logs = logs or {}
        if self.monitor not in logs:
            hint = suggestion(self.monitor, logs)
            if self.monitor.startswith("val_") and not any(name[:4] == "val_" for name in logs):
                hint = ": fit needs validation_data for it, that of an estimator X_val and y_val"
            raise ValueError(f"{place(self)} monitor {self.monitor!r} is not in the logs{hint}")
        return logs[self.monitor]
