"""scikit-learn's callbacks, such as its progress bar: an epoch is one of their tasks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

from ganglion.callbacks import Callback
from ganglion.callbacks.base import Logs

try:
    from sklearn import callback as sklearn_callback
except ImportError:  # there are none before scikit-learn 1.9
    sklearn_callback = None

_Fit = TypeVar("_Fit", bound=Callable[..., Any])

# Gives an estimator `set_callbacks`.
CallbackSupport: Any = getattr(
    sklearn_callback,
    "CallbackSupportMixin",
    type("CallbackSupport", (), {"__doc__": "Nothing: this scikit-learn has no callbacks."}),
)


def with_callbacks(fit: _Fit) -> _Fit:
    """Have a method end scikit-learn's callbacks, however it ends itself."""
    if sklearn_callback is None:
        return fit
    managed: _Fit = sklearn_callback.with_callbacks(fit)
    return managed


class EpochTasks(Callback):
    """Reports a fit, and each epoch of it as a subtask, to what ``set_callbacks`` was given.

    Parameters
    ----------
    estimator : NeuralEstimator or BaseMLP
        Whose callbacks they are.
    X, y
        What it is fitted to, as the callbacks see it.
    sample_weight : array_like or None
        Likewise.
    epochs : int
        How many there are at most.

    Attributes
    ----------
    fitted : callable
        Returns what a network, a copy that it may change, makes of the estimator.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any, epochs: int) -> None:
        self._fit = estimator._init_callback_context(max_subtasks=epochs)
        self._task: Any = None
        self.fitted: Callable[[Any], dict[str, Any]] = estimator._fitted
        self._shown = {
            "estimator": estimator,
            "X": X,
            "y": y,
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._fit.call_on_fit_task_begin(**self._shown)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._task = self._fit.subcontext(task_name="epoch")
        self._task.call_on_fit_task_begin(**self._shown)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._end(self._task):
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._end(self._fit)

    def _end(self, task: Any) -> bool:
        stop: bool = task.call_on_fit_task_end(
            **self._shown, reconstruction_attributes=self._fitted
        )
        return stop

    def _fitted(self) -> dict[str, Any]:
        # Asked for by those callbacks alone that look at the estimator as fitted so far.
        network = copy.copy(self.model)
        network.finalize()
        return self.fitted(network)


def epoch_tasks(
    estimator: Any, X: Any, y: Any, sample_weight: Any, epochs: int
) -> list[EpochTasks]:
    """Return an `EpochTasks` for an estimator that has scikit-learn's callbacks, else nothing."""
    if not hasattr(estimator, "_skl_callbacks"):
        return []
    return [EpochTasks(estimator, X, y, sample_weight, epochs)]
