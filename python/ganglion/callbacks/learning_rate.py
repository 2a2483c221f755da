"""Callbacks that change the learning rate between epochs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ganglion.callbacks.base import Callback, Logs
from ganglion.callbacks.monitor import MonitorCallback
from ganglion.errors import check_at_least, check_integer, check_positive


class LearningRateScheduler(Callback):
    """Set the learning rate at the start of each epoch.

    A schedule given to the optimizer changes it at each step and costs nothing; this one takes any
    function.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate)``, or ``schedule(epoch)``, returns the new learning rate.
        ``epoch`` counts from 0 over the life of the network, so that a resumed fit carries on.
    verbose : int, default=0
        1 prints the learning rate of each epoch.

    Raises
    ------
    TypeError
        When ``schedule`` cannot be called or does not return a number.

    Examples
    --------
    >>> callback = LearningRateScheduler(lambda epoch, rate: rate * 0.9)
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"[LearningRateScheduler] schedule must be callable, got {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """See that the learning rate can be set."""
        self.model.need_settable_learning_rate()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the learning rate."""
        given = (epoch, self.model.learning_rate)[: 2 - _takes_one(self.schedule)]
        self.model.learning_rate = self.schedule(*given)
        if self.verbose:
            print(f"epoch {epoch + 1}: learning rate {self.model.learning_rate:.6g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Log the learning rate."""
        if logs is not None:
            logs["learning_rate"] = self.model.learning_rate


def _takes_one(function: Callable[..., Any]) -> bool:
    """Tell whether a function takes one argument by position, and not two."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return True
    except ValueError:  # one of C, that does not say
        pass
    return False


class ReduceLROnPlateau(MonitorCallback):
    """Lower the learning rate when a monitored quantity no longer improves.

    Parameters
    ----------
    monitor : str, default="val_loss"
        Name in the logs of an epoch.
    factor : float, default=0.1
        What the learning rate is multiplied with, in (0, 1).
    patience : int, default=10
        Epochs without improvement before it is lowered.
    verbose : int, default=0
        1 prints each change.
    mode : {"auto", "min", "max"}, default="auto"
        Whether smaller or larger is better; "auto" tells from the name.
    min_delta : float, default=1e-4
        Least change that counts as an improvement.
    cooldown : int, default=0
        Epochs after a change in which none are counted.
    min_lr : float, default=0.0
        The learning rate is never lowered below this.

    Raises
    ------
    ValueError
        For settings out of range; and after the first epoch, without the monitored quantity.

    Examples
    --------
    >>> callback = ReduceLROnPlateau("val_loss", factor=0.5, patience=3)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        check_positive(self, "factor")
        if factor >= 1:
            raise ValueError(f"[ReduceLROnPlateau] factor must be less than 1, got {factor!r}")
        check_integer(self, "patience", "cooldown")
        check_at_least(self, 0, "patience", "cooldown", "min_lr")
        self._waited = 0
        self._cooling = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew, and see that the learning rate can be set."""
        super().on_train_begin(logs)
        self.model.need_settable_learning_rate()
        self._waited = 0
        self._cooling = 0

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "waited": self._waited, "cooling": self._cooling}

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self._waited, self._cooling = int(state["waited"]), int(state["cooling"])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and lower the learning rate when patience is spent."""
        rate = self.model.learning_rate
        if logs is not None:
            logs["learning_rate"] = rate
        value = self.monitored(logs)
        if self._cooling > 0:
            self._cooling -= 1
            self._waited = 0
        if self.improves(value, self.best):
            self.best = value
            self._waited = 0
        elif self._cooling == 0:
            self._waited += 1
            if self._waited >= self.patience and rate > self.min_lr:
                self.model.learning_rate = max(rate * self.factor, self.min_lr)
                self._cooling = self.cooldown
                self._waited = 0
                if self.verbose:
                    print(f"epoch {epoch + 1}: learning rate {self.model.learning_rate:.6g}")
