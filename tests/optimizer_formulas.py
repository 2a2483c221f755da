"""Optimizers in NumPy, as Keras 3 writes them: one class that steps a list of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Slots = dict[str, Array]


def sgd(s: Any, w: Array, g: Array, slots: Slots, rate: float, t: int) -> Array:
    if s.momentum == 0:
        return w - rate * g
    velocity = slots["velocity"] = s.momentum * slots.get("velocity", 0 * w) - rate * g
    return w + (s.momentum * velocity - rate * g if s.nesterov else velocity)


def adagrad(s: Any, w: Array, g: Array, slots: Slots, rate: float, t: int) -> Array:
    start = np.full_like(w, s.initial_accumulator_value)
    total = slots["total"] = slots.get("total", start) + g * g
    return w - rate * g / np.sqrt(total + s.epsilon)


def adadelta(s: Any, w: Array, g: Array, slots: Slots, rate: float, t: int) -> Array:
    squares = slots["squares"] = s.rho * slots.get("squares", 0 * w) + (1 - s.rho) * g * g
    moves = slots.get("moves", 0 * w)
    move = -np.sqrt(moves + s.epsilon) / np.sqrt(squares + s.epsilon) * g
    slots["moves"] = s.rho * moves + (1 - s.rho) * move * move
    return w + rate * move


def rmsprop(s: Any, w: Array, g: Array, slots: Slots, rate: float, t: int) -> Array:
    squares = slots["squares"] = s.rho * slots.get("squares", 0 * w) + (1 - s.rho) * g * g
    spread = squares
    if s.centered:
        mean = slots["mean"] = s.rho * slots.get("mean", 0 * w) + (1 - s.rho) * g
        spread = squares - mean * mean
    move = rate * g / np.sqrt(spread + s.epsilon)
    if s.momentum > 0:
        move = slots["momentum"] = s.momentum * slots.get("momentum", 0 * w) + move
    return w - move


def moments(s: Any, w: Array, g: Array, slots: Slots) -> tuple[Array, Array]:
    m = slots["m"] = s.beta_1 * slots.get("m", 0 * w) + (1 - s.beta_1) * g
    v = slots["v"] = s.beta_2 * slots.get("v", 0 * w) + (1 - s.beta_2) * g * g
    return m, v


def adam(s: Any, w: Array, g: Array, slots: Slots, rate: float, t: int) -> Array:
    m, v = moments(s, w, g, slots)
    if s.amsgrad:
        v = slots["largest"] = np.maximum(slots.get("largest", 0 * w), v)
    corrected = rate * math.sqrt(1 - s.beta_2**t) / (1 - s.beta_1**t)
    return w - corrected * m / (np.sqrt(v) + s.epsilon)


def adamax(s: Any, w: Array, g: Array, slots: Slots, rate: float, t: int) -> Array:
    m = slots["m"] = s.beta_1 * slots.get("m", 0 * w) + (1 - s.beta_1) * g
    u = slots["u"] = np.maximum(s.beta_2 * slots.get("u", 0 * w), np.abs(g))
    return w - rate / (1 - s.beta_1**t) * m / (u + s.epsilon)


def nadam(s: Any, w: Array, g: Array, slots: Slots, rate: float, t: int) -> Array:
    m, v = moments(s, w, g, slots)

    def weight(step: int) -> float:
        return float(s.beta_1 * (1 - 0.5 * 0.96**step))

    product = math.prod(weight(step) for step in range(1, t + 1))
    ahead = product * weight(t + 1)
    m_hat = weight(t + 1) * m / (1 - ahead) + (1 - weight(t)) * g / (1 - product)
    return w - rate * m_hat / (np.sqrt(v / (1 - s.beta_2**t)) + s.epsilon)


def lion(s: Any, w: Array, g: Array, slots: Slots, rate: float, t: int) -> Array:
    m = slots.get("m", 0 * w)
    slots["m"] = s.beta_2 * m + (1 - s.beta_2) * g
    return w - rate * np.sign(s.beta_1 * m + (1 - s.beta_1) * g)


OPTIMIZERS: dict[str, Callable[..., Array]] = {
    "sgd": sgd,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adam,
    "adamax": adamax,
    "nadam": nadam,
    "lion": lion,
}


class Descent:
    """An optimizer with everything around its formula: clipping, decay, accumulation, averages.

    Each weight learns `multipliers` times as fast, where those are given.
    """

    def __init__(
        self, settings: Any, weights: list[Array], multipliers: list[float] | None = None
    ) -> None:
        self.s = settings
        self.multipliers = multipliers or [1.0] * len(weights)
        self.weights = [w.copy() for w in weights]
        self.slots: list[Slots] = [{} for _ in weights]
        self.sums = [0 * w for w in weights]
        self.averages = [0 * w for w in weights]
        self.batches = 0
        self.updates = 0

    def clipped(self, gradients: list[Array]) -> list[Array]:
        s = self.s
        if s.clipnorm is not None:
            lengths = [np.sqrt((g * g).sum()) for g in gradients]
            return [
                g * s.clipnorm / max(length, s.clipnorm)
                for g, length in zip(gradients, lengths, strict=True)
            ]
        if s.global_clipnorm is not None:
            length = np.sqrt(sum((g * g).sum() for g in gradients))
            return [g * s.global_clipnorm / max(length, s.global_clipnorm) for g in gradients]
        if s.clipvalue is not None:
            return [np.clip(g, -s.clipvalue, s.clipvalue) for g in gradients]
        return gradients

    def step(self, gradients: list[Array], rate: float) -> None:
        s = self.s
        self.batches += 1
        every = s.gradient_accumulation_steps or 1
        self.sums = [total + g for total, g in zip(self.sums, gradients, strict=True)]
        if self.batches % every:
            return
        gradients = self.clipped([total / every for total in self.sums])
        self.sums = [0 * total for total in self.sums]
        self.updates += 1
        formula = OPTIMIZERS[s.registered_name]
        for i, g in enumerate(gradients):
            w, own_rate = self.weights[i], rate * self.multipliers[i]
            if s.weight_decay:
                w = w - own_rate * s.weight_decay * w
            self.weights[i] = formula(s, w, g, self.slots[i], own_rate, self.updates)
        if s.use_ema:
            self.average()

    def average(self) -> None:
        s = self.s
        momentum = s.ema_momentum if self.updates > 1 else 0.0
        for i, w in enumerate(self.weights):
            self.averages[i] = momentum * self.averages[i] + (1 - momentum) * w
        if s.ema_overwrite_frequency and self.updates % s.ema_overwrite_frequency == 0:
            self.weights = [average.copy() for average in self.averages]
