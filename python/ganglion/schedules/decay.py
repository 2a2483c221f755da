"""Schedules that fall by a rule: exponential, inverse in time, in steps, polynomial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganglion.errors import check_at_least, check_boolean, check_numbers, check_positive
from ganglion.schedules.base import Floats, Schedule


class ExponentialDecay(Schedule):
    """Rate that falls by the same factor every `decay_steps`.

    `rate(t) = initial_learning_rate * decay_rate ** (t / decay_steps)`

    Parameters
    ----------
    initial_learning_rate : float
        Rate at step 0, positive.
    decay_steps : float
        Steps over which the rate is multiplied by `decay_rate` once.
    decay_rate : float
        Factor, positive.
    staircase : bool, default False
        Change the rate only at whole multiples of `decay_steps`.

    Examples
    --------
    >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)([0, 10, 20]).tolist()
    [0.1, 0.05, 0.025]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        check_positive(self, "initial_learning_rate", "decay_steps", "decay_rate")
        check_boolean(self, "staircase")

    def rate(self, step: Floats) -> Floats:
        periods = step / self.decay_steps
        if self.staircase:
            periods = np.floor(periods)
        return self.initial_learning_rate * np.power(float(self.decay_rate), periods)

    @classmethod
    def examples(cls) -> list[ExponentialDecay]:
        """Return instances to test."""
        return [cls(0.1, 7, 0.9), cls(0.1, 7, 0.9, staircase=True)]


class InverseTimeDecay(Schedule):
    """Rate that falls as one over the time.

    `rate(t) = initial_learning_rate / (1 + decay_rate * t / decay_steps)`

    Parameters
    ----------
    initial_learning_rate : float
        Rate at step 0, positive.
    decay_steps : float
        Steps that make one unit of time.
    decay_rate : float
        Speed of the fall, not negative.
    staircase : bool, default False
        Change the rate only at whole multiples of `decay_steps`.

    Examples
    --------
    >>> InverseTimeDecay(0.1, decay_steps=10, decay_rate=1.0)([0, 10, 30]).tolist()
    [0.1, 0.05, 0.025]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        check_positive(self, "initial_learning_rate", "decay_steps")
        check_at_least(self, 0, "decay_rate")
        check_boolean(self, "staircase")

    def rate(self, step: Floats) -> Floats:
        periods = step / self.decay_steps
        if self.staircase:
            periods = np.floor(periods)
        return self.initial_learning_rate / (1.0 + self.decay_rate * periods)

    @classmethod
    def examples(cls) -> list[InverseTimeDecay]:
        """Return instances to test."""
        return [cls(0.1, 7, 0.9), cls(0.1, 7, 0.9, staircase=True)]


class PiecewiseConstantDecay(Schedule):
    """Rate that is constant between boundaries.

    `values[0]` up to and including step `boundaries[0]`, then `values[1]`, and so on.

    Parameters
    ----------
    boundaries : sequence of int
        Steps after which the rate changes, increasing.
    values : sequence of float
        Rates, one more than boundaries, not negative.

    Examples
    --------
    >>> PiecewiseConstantDecay([100, 200], [0.1, 0.01, 0.001])([0, 100, 101, 500]).tolist()
    [0.1, 0.1, 0.01, 0.001]
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float]) -> None:
        self.boundaries = boundaries
        self.values = values
        check_numbers(self, "boundaries", "values")
        if np.ndim(boundaries) != 1 or np.ndim(values) != 1:
            raise TypeError(
                "[PiecewiseConstantDecay] boundaries and values must be lists of numbers, got "
                f"{boundaries!r} and {values!r}"
            )
        self.boundaries = [float(boundary) for boundary in boundaries]
        self.values = [float(value) for value in values]
        steps = np.diff(self.boundaries, prepend=0.0)
        if not np.all(steps > 0):
            raise ValueError(
                f"[PiecewiseConstantDecay] boundaries must be positive and increase, "
                f"got {boundaries}"
            )
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                "[PiecewiseConstantDecay] values must be one more than boundaries, "
                f"got {len(self.values)} values and {len(self.boundaries)} boundaries"
            )
        if not all(value >= 0 for value in self.values):
            raise ValueError(f"[PiecewiseConstantDecay] values must be non-negative, got {values}")

    def rate(self, step: Floats) -> Floats:
        boundaries = np.asarray(self.boundaries, dtype=np.float64)
        index = np.searchsorted(boundaries, step, side="left")
        return np.asarray(self.values, dtype=np.float64)[index]

    @classmethod
    def examples(cls) -> list[PiecewiseConstantDecay]:
        """Return instances to test."""
        return [cls([5, 20], [0.1, 0.05, 0.01])]


class PolynomialDecay(Schedule):
    """Rate that falls to `end_learning_rate` along a power of the time left.

    `rate(t) = (initial - end) * (1 - min(t, decay_steps) / decay_steps) ** power + end`

    Parameters
    ----------
    initial_learning_rate : float
        Rate at step 0, positive.
    decay_steps : float
        Steps until the end.
    end_learning_rate : float, default 1e-4
        Rate from then on, not negative.
    power : float, default 1.0
        1 is a straight line.
    cycle : bool, default False
        Rather than stay at the end, stretch `decay_steps` to its next multiple whenever it is
        passed.

    Examples
    --------
    >>> PolynomialDecay(0.1, decay_steps=10, end_learning_rate=0.0)([0, 5, 10, 99]).tolist()
    [0.1, 0.05, 0.0, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        check_positive(self, "initial_learning_rate", "decay_steps", "power")
        check_at_least(self, 0, "end_learning_rate")
        check_boolean(self, "cycle")

    def rate(self, step: Floats) -> Floats:
        if self.cycle:
            period = self.decay_steps * np.maximum(np.ceil(step / self.decay_steps), 1.0)
        else:
            period = np.float64(self.decay_steps)
            step = np.minimum(step, period)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * np.power(1.0 - step / period, self.power) + self.end_learning_rate

    @classmethod
    def examples(cls) -> list[PolynomialDecay]:
        """Return instances to test."""
        return [cls(0.1, 12, power=2.0), cls(0.1, 12, power=2.0, cycle=True)]
