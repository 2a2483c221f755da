"""The range test: which learning rate suits a network and its data (Smith, 2017)."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion.callbacks.base import Callback, Logs
from ganglion.data import non_negative, whole_number
from ganglion.errors import DivergenceWarning, warn
from ganglion.source import Source
from ganglion.spec import settings_of
from ganglion.training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PLACE = "find_learning_rate"
# The test ends when a moving average, with this share of the past, is so many times its least.
_MEMORY, _DIVERGED = 0.95, 4.0
# Batches averaged, on both sides of each: an average of the past alone would be least too late. Of
# few steps a tenth, since over more than that the rate changes too much.
_WINDOW = 21
# With fewer steps what is seen is mostly how the batches differ.
_FEW_STEPS = 50
# How much of the fall of the loss is made at the rate suggested: later it is about to diverge.
_FALLEN = 0.9


@dataclass(frozen=True, eq=False)
class RangeTest:
    """What `find_learning_rate` saw.

    Attributes
    ----------
    learning_rates : ndarray, shape (n,)
        The rate of each batch, growing.
    losses : ndarray, shape (n,)
        The loss of each batch, before its step.
    smoothed_losses : ndarray, shape (n,)
        The mean of the 21 around each, or of a tenth of the steps where that is less.
    suggestion : float
        The rate at which the smoothed loss had made nine tenths of its fall.
    """

    learning_rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed_losses: NDArray[np.float64]
    suggestion: float

    def __repr__(self) -> str:
        return f"RangeTest(suggestion={self.suggestion:.3g}, {len(self.losses)} batches)"

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the loss against the learning rate, with the suggestion.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        matplotlib Axes
            Where it was drawn.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        # Here, so that importing ganglion does not load the pictures.
        from ganglion.figure import TRAINING_COLOR, VALIDATION_COLOR, panels, tidy

        (panel,) = panels(_PLACE, ax, size=(5.6, 3.8))
        panel.plot(self.learning_rates, self.losses, color="0.8", linewidth=1, label="each batch")
        panel.plot(
            self.learning_rates, self.smoothed_losses, color=TRAINING_COLOR, label="smoothed"
        )
        panel.axvline(
            self.suggestion,
            color=VALIDATION_COLOR,
            linestyle=":",
            label=f"suggested: {self.suggestion:.2g}",
        )
        # The last batches may be anywhere: they would leave the rest no height.
        low, high = self.losses.min(), self.smoothed_losses[0]
        room = max(high - low, 1e-3 * abs(high))
        panel.set_ylim(low - 0.05 * room, high + 0.5 * room)
        panel.set(xscale="log", xlabel="learning rate", ylabel="loss")
        tidy(panel)
        panel.legend(frameon=False, fontsize="small")
        return panel


class _BatchLosses(Callback):
    """Keeps the loss of each batch, and ends the fit when it has enough of them or diverges."""

    def __init__(self, batch_size: int | None, steps: int) -> None:
        self.batch_size = batch_size
        self.steps = steps
        self.losses: list[float] = []
        self._average, self._least = 0.0, math.inf

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._seen, self._total = 0, 0.0

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        # The logs have the mean over the epoch's samples so far.
        samples = self.params["samples"]
        seen = min(self._seen + (self.batch_size or samples), samples)
        total = (logs or {})["loss"] * seen
        loss = (total - self._total) / (seen - self._seen)
        self._seen, self._total = seen, total
        self.losses.append(loss)
        self._average = _MEMORY * self._average + (1 - _MEMORY) * loss
        average = self._average / (1 - _MEMORY ** len(self.losses))
        self._least = min(self._least, average)
        diverged = average - self._least > (_DIVERGED - 1) * abs(self._least)
        self.model.stop_training = diverged or len(self.losses) == self.steps


def find_learning_rate(
    net: Any,
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[int, float] | None = None,
    batch_size: int | None = 32,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 200,
) -> RangeTest:
    """Train a copy with a rate that grows from batch to batch, and see where the loss falls.

    The test of Smith (2017), "Cyclical learning rates for training neural networks": while the rate
    is too low the loss stays, then it falls, and where the rate is too high it climbs. The test
    ends there, when a moving average of the loss is four times its least value or not finite.

    The copy has the network's weights and a fresh optimizer. The network itself, its optimizer's
    state and its counters are not touched, however the test ends.

    Parameters
    ----------
    net : Sequential or estimator
        A network with a loss, trained or not; or a `NeuralClassifier` or `NeuralRegressor`, of
        which the network that its `fit` would begin with is tested.
    X, y, sample_weight
        As for its `fit`.
    class_weight : dict of int to float, optional
        As for `Sequential.fit`. An estimator has a setting for it.
    batch_size : int or None, default=32
        Samples of one step, best as in the training to come: larger batches bear larger rates. An
        estimator's own setting is used instead.
    lowest, highest : float, default=1e-6 and 10
        The first rate and the last; between them it grows exponentially.
    steps : int, default=200
        Batches until ``highest``, at least 2; with fewer than 50 the suggestion is rough, which a
        warning says. It takes as many epochs as that needs.

    Returns
    -------
    RangeTest
        ``suggestion``, with the ``learning_rates`` and ``losses`` behind it, and ``plot()``.

    Raises
    ------
    TypeError
        When ``net`` is neither.
    ValueError
        For data that `fit` would refuse, rates out of order, a loss that is not finite from the
        first batch on, or one that never falls.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, find_learning_rate, layers
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> net = Sequential([layers.Dense(1)], loss="mse", optimizer="sgd", random_state=0)
    >>> found = find_learning_rate(net, X, X.sum(axis=1))
    >>> 0.01 < found.suggestion < 0.3
    True
    >>> net.learning_rate = found.suggestion
    """
    rates = _growing(lowest, highest, steps)
    if isinstance(net, Training):
        trial = copy.deepcopy(net)
    elif hasattr(net, "network_and_samples"):
        if class_weight is not None:
            raise ValueError(f"[{_PLACE}] class_weight is a setting of {type(net).__name__}")
        trial, X, y, sample_weight = net.network_and_samples(X, y, sample_weight, fitted=False)
        batch_size = net.batch_size
    else:
        raise TypeError(
            f"[{_PLACE}] net must be a Sequential, NeuralClassifier or NeuralRegressor, "
            f"got {type(net).__name__}"
        )
    _follow(trial, rates)
    seen = _BatchLosses(batch_size, steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        trial.fit(
            X,
            y,
            epochs=steps,  # at most: the callback ends it
            batch_size=batch_size,
            sample_weight=sample_weight,
            class_weight=class_weight,
            callbacks=[seen],
            verbose=0,
        )
    if not seen.losses:
        raise ValueError(f"[{_PLACE}] the loss of the first batch is not finite: scale the data")
    smoothed = _smoothed(seen.losses, steps)
    few = steps < _FEW_STEPS
    if smoothed.argmin() == 0:
        helps = "more than the few steps" if few else "scaled data or lower rates"
        raise ValueError(
            f"[{_PLACE}] the loss never fell: it was least, {smoothed[0]:.4g}, at the first of "
            f"{steps} rates, {rates[0]:.2g}; {helps} may help, unless nothing is left to learn"
        )
    if few:
        warn(
            f"[{_PLACE}] with {steps} steps, each a batch, the suggestion depends much on how the "
            f"batches differ: {_FEW_STEPS} or more tell better"
        )
    return RangeTest(
        rates[: len(smoothed)],
        np.array(seen.losses),
        smoothed,
        float(rates[_nearly_fallen(smoothed)]),
    )


def _growing(lowest: float, highest: float, steps: int) -> NDArray[np.float64]:
    whole_number(_PLACE, "steps", steps, minimum=2)
    low = non_negative(_PLACE, "lowest", lowest)
    high = non_negative(_PLACE, "highest", highest)
    if not 0 < low < high:
        raise ValueError(
            f"[{_PLACE}] lowest must be positive and less than highest, got {low:g} and {high:g}"
        )
    rates: NDArray[np.float64] = np.geomspace(low, high, steps)
    return rates


def _smoothed(losses: list[float], steps: int) -> NDArray[np.float64]:
    """Return the mean of the losses around each, at the ends of as many as there are."""
    window = np.ones(min(_WINDOW, steps // 10 | 1, len(losses)))
    counts = np.convolve(np.ones(len(losses)), window, "same")
    mean: NDArray[np.float64] = np.convolve(losses, window, "same") / counts
    return mean


def _nearly_fallen(smoothed: NDArray[np.float64]) -> int:
    """Return the last batch at which most of the fall to the least loss was still to be made."""
    least = int(smoothed.argmin())
    reached = smoothed[0] + _FALLEN * (smoothed[least] - smoothed[0])
    return int(np.flatnonzero(smoothed[: least + 1] >= reached)[-1])


def _follow(trial: Training, rates: NDArray[np.float64]) -> None:
    """Set the optimizer back, and let it take one rate after the other."""
    optimizer = trial.optimizer
    settings = settings_of(optimizer)
    settings["learning_rate"] = lambda step: rates[np.minimum(step, len(rates) - 1).astype(int)]
    trial.compile(loss=trial.loss, optimizer=type(optimizer)(**settings))
