"""What happens between the epochs of a multi-layer perceptron: rates, scores, and when to stop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ganglion.callbacks import Callback
from ganglion.callbacks.base import Logs
from ganglion.errors import warn
from ganglion.estimators.mlp.lbfgs import NOT_FINITE

Array = NDArray[Any]

# An adaptive rate is divided by this, and ends the training when it is as small as that.
_DIVISOR, _SMALLEST_RATE = 5.0, 1e-6


class Solver:
    """The learning rate of a solver that takes batches, from epoch to epoch.

    Parameters
    ----------
    settings : BaseMLP
        Of which ``learning_rate`` counts with ``solver="sgd"`` alone.

    Attributes
    ----------
    learning_rate : float
        Of the next epoch, where the optimizer has no schedule of its own.
    """

    def __init__(self, settings: Any) -> None:
        self.policy = settings.learning_rate if settings.solver == "sgd" else "constant"
        self.power_t = settings.power_t
        self.first = self.learning_rate = float(settings.learning_rate_init)

    def end_epoch(self, samples: int) -> None:
        """Set the rate after an epoch; ``samples`` is how many were seen in all."""
        if self.policy == "invscaling":
            self.learning_rate = self.first / (samples + 1) ** self.power_t

    def end_patience(self) -> bool:
        """Lower an adaptive rate; False when there is nothing left but to stop."""
        if self.policy != "adaptive" or self.learning_rate <= _SMALLEST_RATE:
            return False
        self.learning_rate /= _DIVISOR
        return True


class Shuffling:
    """The order of each epoch's samples, from the random numbers that scikit-learn would draw.

    Parameters
    ----------
    samples : int
        How many there are.
    random : RandomState
        Drawn from at each call.
    """

    def __init__(self, samples: int, random: np.random.RandomState) -> None:
        self.order = np.arange(samples)
        self.random = random

    def __call__(self, epoch: int) -> NDArray[np.int64]:
        # Each order shuffles the one before, in place, which no fit looks at any more.
        self.random.shuffle(self.order)
        return self.order


class Monitor(Callback):
    """Writes an estimator's curves after each epoch, and stops it as scikit-learn does.

    Parameters
    ----------
    estimator : BaseMLP
        Its attributes are kept up to date.
    samples : int
        Rows of an epoch.
    validation : (X, target, weight) or None
        What is scored after each epoch.
    partial : bool
        Whether one epoch is all there should be.
    """

    def __init__(
        self,
        estimator: Any,
        samples: int,
        validation: tuple[Any, Array, Array | None] | None,
        partial: bool,
    ) -> None:
        self.estimator = estimator
        self.samples = samples
        self.validation = validation
        self.epochs = 1 if partial else estimator.max_iter
        self.partial = partial
        self.best = estimator.network_.get_weights() if estimator.early_stopping else None
        estimator.n_iter_ = 0
        if validation is not None and estimator.validation_scores_ is None:
            estimator.validation_scores_ = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        estimator, solver = self.estimator, self.estimator._optimizer
        assert logs is not None
        self._record(logs["loss"])
        if self.validation is not None:
            self._score()
        if estimator.early_stopping:
            self._compare_scores()
        else:
            self._compare_losses()
        solver.end_epoch(estimator.t_)
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            self._lose_patience()
        if solver.policy != "constant":
            self.model.learning_rate = solver.learning_rate

    def _record(self, loss: float) -> None:
        estimator = self.estimator
        estimator.n_iter_ += 1
        estimator.t_ += self.samples
        estimator.loss_ = loss
        estimator.loss_curve_.append(loss)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")

    def _score(self) -> None:
        assert self.validation is not None
        X, target, weight = self.validation
        estimator = self.estimator
        outputs = estimator.network_.predict(X)
        finite = bool(np.isfinite(outputs).all())  # weights may be, and their sums not
        score = estimator._score_outputs(target, outputs, weight) if finite else math.nan
        estimator.validation_scores_.append(score)
        if estimator.verbose:
            print(f"Validation score: {score:f}")

    def _compare_scores(self) -> None:
        estimator = self.estimator
        score = estimator.validation_scores_[-1]
        worse = score < estimator.best_validation_score_ + estimator.tol
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if worse else 0
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            self.best = estimator.network_.get_weights()

    def _compare_losses(self) -> None:
        estimator = self.estimator
        worse = estimator.loss_ > estimator.best_loss_ - estimator.tol
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if worse else 0
        estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)

    def _lose_patience(self) -> None:
        estimator, solver = self.estimator, self.estimator._optimizer
        what = "Validation score" if estimator.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )
        if solver.end_patience():
            estimator._no_improvement_count = 0
            message += f" Setting learning rate to {solver.learning_rate:f}"
        else:
            self.model.stop_training = True
            message += " Stopping."
        if estimator.verbose:
            print(message)

    def finish(self) -> None:
        """Say how the training ended: it converged, or did not, or diverged.

        Raises
        ------
        ValueError
            When it diverged and nothing was held out to stop by. The weights are finite.
        """
        estimator = self.estimator
        stopped = self.model.stop_training  # here, or by another callback
        if not stopped and estimator.n_iter_ < self.epochs:  # the network stopped by itself
            if not estimator.early_stopping:
                raise ValueError(NOT_FINITE)
            estimator.loss_curve_.append(math.nan)
            estimator.validation_scores_.append(math.nan)
        elif not stopped and not self.partial:
            warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
            )

    def restore(self) -> None:
        """Go back to the weights with the best score, where the training stops by scores."""
        if self.best is not None:
            self.estimator.network_.set_weights(self.best)
