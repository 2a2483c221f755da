"""Giving up on settings that do not promise much, in a search by Optuna."""

from __future__ import annotations

from typing import Any

from ganglion.callbacks.base import Logs
from ganglion.callbacks.monitor import MonitorCallback
from ganglion.optional import require


class OptunaPruning(MonitorCallback):
    """Report each epoch to a trial of Optuna, and end the fit when the study's pruner says so.

    One fit a trial: Optuna takes one value for each epoch. A copy of the callback, such as
    scikit-learn's ``clone`` makes, reports to the same trial.

    Parameters
    ----------
    trial : optuna.trial.Trial
        What the objective was called with.
    monitor : str, default="val_loss"
        Name in the logs of an epoch: what the objective returns, or goes with it.
    mode : {"auto", "min", "max"}, default="auto"
        Whether smaller or larger is better; "auto" tells from the name. It must be the direction of
        the study, since pruners go by that.

    Raises
    ------
    ImportError
        Without Optuna.
    TypeError
        For something else than a trial.
    ValueError
        When training begins, for a study of the other direction; after the first epoch, without the
        monitored quantity.
    optuna.TrialPruned
        From ``fit``, at the epoch where the trial is pruned. The network stays as far as it was
        trained.

    Examples
    --------
    >>> import optuna
    >>> from sklearn.datasets import load_iris
    >>> from ganglion import NeuralClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> def objective(trial):
    ...     model = NeuralClassifier(
    ...         [16],
    ...         learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
    ...         epochs=20,
    ...         early_stopping=True,
    ...         callbacks=[OptunaPruning(trial)],
    ...         random_state=0,
    ...     )
    ...     return min(model.fit(X, y).history_["val_loss"])
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    >>> study.optimize(objective, n_trials=10)
    >>> study.best_value < 0.3
    True
    """

    def __init__(self, trial: Any, monitor: str = "val_loss", mode: str = "auto") -> None:
        super().__init__(monitor, mode)
        optuna = require("optuna", "OptunaPruning", extra="search")
        if not isinstance(trial, optuna.trial.BaseTrial):
            raise TypeError(f"[OptunaPruning] trial must be a trial of Optuna, got {trial!r}")
        self.trial = trial

    def __deepcopy__(self, memo: Any) -> OptunaPruning:
        return type(self)(self.trial, self.monitor, self.mode)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Compare the direction with that of the study."""
        super().on_train_begin(logs)
        study = getattr(self.trial, "study", None)  # a fixed trial has none
        if study is None:
            return
        wanted = "max" if self.larger_is_better else "min"
        if not study.direction.name.lower().startswith(wanted):
            raise ValueError(
                f"[OptunaPruning] monitor {self.monitor!r} has mode {wanted!r}, but the study's "
                f"direction is {study.direction.name.lower()!r}"
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Report the epoch, and raise when the trial is pruned."""
        self.trial.report(self.monitored(logs), epoch)
        if self.trial.should_prune():
            optuna = require("optuna", "OptunaPruning", extra="search")
            raise optuna.TrialPruned(f"pruned after epoch {epoch + 1}")
