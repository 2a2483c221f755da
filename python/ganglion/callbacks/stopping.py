"""Callbacks that end a fit early."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ganglion.callbacks.base import Callback, Logs
from ganglion.callbacks.monitor import MonitorCallback
from ganglion.errors import check_at_least, check_integer, check_number


class EarlyStopping(MonitorCallback):
    """Stop when a monitored quantity no longer improves.

    Differs from Keras in ``restore_best_weights``, which is on by default.

    Parameters
    ----------
    monitor : str, default="val_loss"
        Name in the logs of an epoch.
    min_delta : float, default=0.0
        Least change that counts as an improvement.
    patience : int, default=0
        Epochs without improvement after which the fit stops.
    verbose : int, default=0
        1 prints the epoch at which the fit stopped.
    mode : {"auto", "min", "max"}, default="auto"
        Whether smaller or larger is better; "auto" tells from the name.
    baseline : float, optional
        The fit also stops when the quantity gets no better than this within ``patience`` epochs.
    restore_best_weights : bool, default=True
        Whether the network ends with the weights of its best epoch rather than of its last.
    start_from_epoch : int, default=0
        Epochs of the fit before monitoring starts.

    Attributes
    ----------
    best : float
        Best value of the monitored quantity.
    best_epoch : int
        Epoch it belongs to, counted from 0 over the life of the network; -1 before the first.
    stopped_epoch : int
        Epoch after which the fit was stopped, counted likewise; -1 when it was not.

    Raises
    ------
    ValueError
        For settings out of range; and after the first epoch, without the monitored quantity.

    Examples
    --------
    >>> EarlyStopping("val_accuracy", patience=5).larger_is_better
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = True,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        check_integer(self, "patience", "start_from_epoch")
        check_at_least(self, 0, "patience", "start_from_epoch")
        if baseline is not None:
            check_number(self, "baseline")
        self._forget()

    def _forget(self) -> None:
        self.best_epoch = -1
        self.stopped_epoch = -1
        self._waited = 0
        self._first_epoch = 0
        self._best_weights: list[NDArray[Any]] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew."""
        super().on_train_begin(logs)
        self._forget()
        self._first_epoch = self.model.epoch_

    def get_state(self) -> dict[str, Any]:
        weights = enumerate(self._best_weights or ())
        return {
            **super().get_state(),
            "best_epoch": self.best_epoch,
            "waited": self._waited,
            "first_epoch": self._first_epoch,
            **{f"best_weights/{index}": weight for index, weight in weights},
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self.best_epoch, self._waited = int(state["best_epoch"]), int(state["waited"])
        self._first_epoch = int(state["first_epoch"])
        names = [name for name in state if name.startswith("best_weights/")]
        if names:
            self._best_weights = [state[f"best_weights/{index}"] for index in range(len(names))]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, remember the best weights, stop when patience is spent."""
        value = self.monitored(logs)
        if epoch - self._first_epoch < self.start_from_epoch:
            return
        self._waited += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self._best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(value, self.baseline):
                self._waited = 0
        if self._waited >= max(self.patience, 1):
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Restore the best weights."""
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)
            self._best_weights = None
        if self.stopped_epoch >= 0 and self.verbose:
            print(f"stopped after epoch {self.stopped_epoch + 1}, best was {self.best_epoch + 1}")


class TerminateOnNaN(Callback):
    """Stop after an epoch of which any logged quantity is NaN or infinite.

    The training loss needs no watching: a fit whose loss is no longer finite always stops, at that
    very step. This adds the metrics and the validation loss. Keras's looks at the training loss
    alone, after each batch.

    Examples
    --------
    >>> callback = TerminateOnNaN()
    """

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Stop when a value is not finite."""
        for name, value in (logs or {}).items():
            if not math.isfinite(value):
                print(f"[TerminateOnNaN] {name} is {value} after epoch {epoch + 1}: stopped")
                self.model.stop_training = True
