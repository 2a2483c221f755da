"""Schedules along a cosine: with a warm-up, with restarts, up and down once."""

from __future__ import annotations

import numpy as np

from ganglion.errors import check_at_least, check_fraction, check_integer, check_positive
from ganglion.schedules.base import Floats, Schedule


class CosineDecay(Schedule):
    """Rate that falls along half a cosine, after an optional straight warm-up.

    `rate(t) = initial_learning_rate * ((1 - alpha) * (1 + cos(pi * s)) / 2 + alpha)` with
    `s = min(t / decay_steps, 1)` (Loshchilov & Hutter, 2017).

    With a `warmup_target`, the rate first goes in a straight line from `initial_learning_rate` to
    the target in `warmup_steps`, and the cosine starts from the target then.

    Parameters
    ----------
    initial_learning_rate : float
        Rate at step 0, not negative.
    decay_steps : float
        Steps of the cosine.
    alpha : float, default 0.0
        Rate at the end as a fraction of the highest, between 0 and 1.
    warmup_target : float, optional
        Rate at the end of the warm-up. Without it there is no warm-up.
    warmup_steps : float, default 0
        Steps of the warm-up.

    Examples
    --------
    >>> CosineDecay(0.1, decay_steps=10)([0, 5, 10]).round(6).tolist()
    [0.1, 0.05, 0.0]
    >>> CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=4)([0, 2, 4]).tolist()
    [0.0, 0.05, 0.1]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps
        check_at_least(self, 0, "initial_learning_rate", "warmup_steps")
        check_positive(self, "decay_steps")
        check_fraction(self, "alpha")
        if warmup_target is not None:
            check_positive(self, "warmup_target")
        elif warmup_steps:
            raise ValueError(
                f"[CosineDecay] warmup_steps needs a warmup_target, got {warmup_steps} and None"
            )

    def rate(self, step: Floats) -> Floats:
        highest, warm = self.initial_learning_rate, 0.0
        if self.warmup_target is not None:
            highest, warm = self.warmup_target, self.warmup_steps
        time = np.clip((step - warm) / self.decay_steps, 0.0, 1.0)
        cosine = highest * _half_cosine(time, self.alpha)
        if not warm:
            return cosine
        line = self.initial_learning_rate + (highest - self.initial_learning_rate) * (step / warm)
        return np.where(step < warm, line, cosine)

    @classmethod
    def examples(cls) -> list[CosineDecay]:
        """Return instances to test."""
        return [cls(0.1, 30, alpha=0.1), cls(0.01, 30, warmup_target=0.1, warmup_steps=9)]


class CosineDecayRestarts(Schedule):
    """Rate that falls along half a cosine again and again (SGDR; Loshchilov & Hutter, 2017).

    Period `i` lasts `first_decay_steps * t_mul ** i` steps and starts from
    `initial_learning_rate * m_mul ** i`.

    Parameters
    ----------
    initial_learning_rate : float
        Rate at step 0, positive.
    first_decay_steps : float
        Steps of the first period.
    t_mul : float, default 2.0
        Each period is this times as long as the one before, at least 1.
    m_mul : float, default 1.0
        Each period starts this times as high as the one before, positive.
    alpha : float, default 0.0
        Rate at the end of a period as a fraction of `initial_learning_rate`, between 0 and 1.

    Examples
    --------
    >>> CosineDecayRestarts(0.1, first_decay_steps=10)([0, 5, 10, 20, 30]).round(6).tolist()
    [0.1, 0.05, 0.1, 0.05, 0.1]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        check_positive(self, "initial_learning_rate", "first_decay_steps", "m_mul")
        check_at_least(self, 1, "t_mul")
        check_fraction(self, "alpha")

    def rate(self, step: Floats) -> Floats:
        time = step / self.first_decay_steps
        if self.t_mul == 1.0:
            period = np.floor(time)
            within = time - period
        else:
            # The periods before number i take (t_mul^i - 1) / (t_mul - 1) times the first one.
            growth = float(self.t_mul)
            period = np.floor(np.log1p(time * (growth - 1.0)) / np.log(growth))
            # The logarithms may round to either side of a restart: the sums decide.
            period += time >= (growth ** (period + 1.0) - 1.0) / (growth - 1.0)
            period -= time < (growth**period - 1.0) / (growth - 1.0)
            within = (time - (growth**period - 1.0) / (growth - 1.0)) / growth**period
        height = float(self.m_mul) ** period
        return self.initial_learning_rate * _half_cosine(within, self.alpha, height)

    @classmethod
    def examples(cls) -> list[CosineDecayRestarts]:
        """Return instances to test."""
        return [cls(0.1, 8, m_mul=0.7, alpha=0.1), cls(0.1, 8, t_mul=1.0)]


class OneCycle(Schedule):
    """Rate that rises once and falls once, both along half a cosine (Smith & Topin, 2018).

    Rises from `max_learning_rate / initial_factor` to `max_learning_rate` in the first
    `warmup_fraction` of `total_steps`, then falls to the initial rate over `final_factor`, and
    stays there. The same as PyTorch's `OneCycleLR` with its defaults.

    Parameters
    ----------
    max_learning_rate : float
        Highest rate, positive.
    total_steps : int
        Steps of the whole cycle, at least 2.
    warmup_fraction : float, default 0.3
        Share of the steps that rise, between 0 and 1.
    initial_factor : float, default 25.0
        The highest rate over the initial one, at least 1.
    final_factor : float, default 1e4
        The initial rate over the final one, at least 1.

    Examples
    --------
    >>> OneCycle(0.1, total_steps=11, warmup_fraction=0.5)([0, 4, 10]).round(7).tolist()
    [0.004, 0.0971052, 4e-07]
    """

    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        warmup_fraction: float = 0.3,
        initial_factor: float = 25.0,
        final_factor: float = 1e4,
    ) -> None:
        self.max_learning_rate = max_learning_rate
        self.total_steps = total_steps
        self.warmup_fraction = warmup_fraction
        self.initial_factor = initial_factor
        self.final_factor = final_factor
        check_positive(self, "max_learning_rate")
        check_integer(self, "total_steps")
        check_at_least(self, 2, "total_steps")
        check_fraction(self, "warmup_fraction")
        check_at_least(self, 1, "initial_factor", "final_factor")

    def rate(self, step: Floats) -> Floats:
        initial = self.max_learning_rate / self.initial_factor
        final = initial / self.final_factor
        # The peak and the end are steps of their own: the last of total_steps has the final rate.
        peak = max(self.warmup_fraction * self.total_steps - 1.0, 0.0)
        last = self.total_steps - 1.0
        rising = np.clip(step / peak, 0.0, 1.0) if peak else np.ones_like(step)
        falling = np.clip((step - peak) / (last - peak), 0.0, 1.0) if last > peak else step * 0.0
        up = self.max_learning_rate + (initial - self.max_learning_rate) * _half_cosine(rising)
        down = final + (self.max_learning_rate - final) * _half_cosine(falling)
        return np.where(step < peak, up, down)

    @classmethod
    def examples(cls) -> list[OneCycle]:
        """Return instances to test."""
        return [cls(0.1, 40)]


def _half_cosine(time: Floats, floor: float = 0.0, height: Floats | float = 1.0) -> Floats:
    # From `height` at time 0 to 0 at time 1, lifted to end at `floor`.
    return (1.0 - floor) * (0.5 * height * (1.0 + np.cos(np.pi * time))) + floor
