"""Schedules: each against its formula written out for one step at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from registry import classes, examples

from ganglion import Sequential, layers, optimizers, schedules

STEPS = np.arange(60)


def exponential_decay(s: Any, t: float) -> float:
    periods = t / s.decay_steps
    return float(
        s.initial_learning_rate * s.decay_rate ** (int(periods) if s.staircase else periods)
    )


def inverse_time_decay(s: Any, t: float) -> float:
    periods = t / s.decay_steps
    return float(
        s.initial_learning_rate / (1 + s.decay_rate * (int(periods) if s.staircase else periods))
    )


def piecewise_constant_decay(s: Any, t: float) -> float:
    for boundary, value in zip(s.boundaries, s.values, strict=False):
        if t <= boundary:
            return float(value)
    return float(s.values[-1])


def polynomial_decay(s: Any, t: float) -> float:
    period = s.decay_steps
    if s.cycle:
        period *= max(1, math.ceil(t / s.decay_steps))
    left = 1 - min(t, period) / period
    return float(
        (s.initial_learning_rate - s.end_learning_rate) * left**s.power + s.end_learning_rate
    )


def cosine_decay(s: Any, t: float) -> float:
    start, warm = s.initial_learning_rate, 0
    if s.warmup_target is not None:
        start, warm = s.warmup_target, s.warmup_steps
        if t < warm:
            first = s.initial_learning_rate
            return float(first + (start - first) * t / warm)
    done = min(t - warm, s.decay_steps) / s.decay_steps
    return float(start * ((1 - s.alpha) * 0.5 * (1 + math.cos(math.pi * done)) + s.alpha))


def cosine_decay_restarts(s: Any, t: float) -> float:
    length, height = float(s.first_decay_steps), 1.0
    while t >= length:
        t, length, height = t - length, length * s.t_mul, height * s.m_mul
    cosine = 0.5 * height * (1 + math.cos(math.pi * t / length))
    return float(s.initial_learning_rate * ((1 - s.alpha) * cosine + s.alpha))


def one_cycle(s: Any, t: float) -> float:
    first = s.max_learning_rate / s.initial_factor
    last = first / s.final_factor
    peak, end = s.warmup_fraction * s.total_steps - 1, s.total_steps - 1

    def between(a: float, b: float, share: float) -> float:
        return b + (a - b) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))

    if t <= peak:
        return float(between(first, s.max_learning_rate, t / peak))
    return float(between(s.max_learning_rate, last, (t - peak) / (end - peak)))


FORMULAS: dict[str, Callable[[Any, float], float]] = {
    function.__name__: function
    for function in (
        exponential_decay,
        inverse_time_decay,
        piecewise_constant_decay,
        polynomial_decay,
        cosine_decay,
        cosine_decay_restarts,
        one_cycle,
    )
}


def test_every_schedule_has_a_formula() -> None:
    assert set(classes("schedule")) == set(FORMULAS)


@pytest.mark.parametrize("schedule", examples("schedule"))
def test_schedule_follows_its_formula(schedule: Any) -> None:
    expected = [FORMULAS[schedule.registered_name](schedule, float(step)) for step in STEPS]
    rates = schedule(STEPS)
    assert rates.dtype == np.float64 and rates.shape == STEPS.shape
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=1e-15)
    assert (rates >= 0).all()


@pytest.mark.parametrize("schedule", examples("schedule"))
def test_schedule_takes_one_step_or_many(schedule: Any) -> None:
    assert schedule(3).shape == ()
    assert float(schedule(3)) == schedule(STEPS)[3]


def test_training_uses_the_rate_of_each_step() -> None:
    """Plain descent on a loss with gradient 1 moves a weight by the sum of the rates."""
    schedule = schedules.PiecewiseConstantDecay([1, 3], [0.5, 0.25, 0.125])
    net = Sequential(
        [layers.Dense(1, use_bias=False, kernel_initializer="zeros")],
        loss="mean_absolute_error",
        optimizer=optimizers.SGD(schedule),
        random_state=0,
        dtype="float64",
    )
    x, y = np.ones((10, 1)), np.full((10, 1), 100.0)
    net.fit(x, y, epochs=3, batch_size=5, verbose=0)
    assert net.get_weights()[0].item() == pytest.approx(schedule(np.arange(6)).sum(), abs=1e-12)


def test_a_plain_function_is_a_schedule() -> None:
    net = Sequential(
        [layers.Dense(1, use_bias=False, kernel_initializer="zeros")],
        loss="mean_absolute_error",
        optimizer=optimizers.SGD(lambda step: 1.0 / (1.0 + step)),
        random_state=0,
        dtype="float64",
    )
    net.fit(np.ones((4, 1)), np.full((4, 1), 100.0), epochs=3, batch_size=4, verbose=0)
    assert net.get_weights()[0].item() == pytest.approx(1 + 1 / 2 + 1 / 3, abs=1e-12)
