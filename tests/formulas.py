"""Formulas of activations, losses and regularizers in NumPy, by registered name.

Each is written from its definition, on a spec `s` that carries the settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from reference.operations import softmax_losses
from scipy import special, stats

Array = np.ndarray
EPSILON = 1e-7  # Keras's: the least probability and the least divisor
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def relu(s: Any, x: Array) -> Array:
    y = np.where(x >= s.threshold, x, s.negative_slope * (x - s.threshold))
    return y if s.max_value is None else np.minimum(y, s.max_value)


def elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def gelu(s: Any, x: Array) -> Array:
    if s.approximate:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * special.ndtr(x)


def squash(x: Array) -> Array:
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x * length / (1 + length**2))


ACTIVATIONS: dict[str, Callable[[Any, Array], Array]] = {
    "linear": lambda s, x: x,
    "sigmoid": lambda s, x: special.expit(x),
    "hard_sigmoid": lambda s, x: np.clip(x / 6 + 0.5, 0, 1),
    "tanh": lambda s, x: np.tanh(x),
    "relu": relu,
    "relu6": lambda s, x: np.clip(x, 0, 6),
    "leaky_relu": lambda s, x: np.where(x > 0, x, s.negative_slope * x),
    "prelu": lambda s, x: np.where(x > 0, x, s.alpha_initializer.value * x),
    "elu": lambda s, x: elu(x, s.alpha),
    "selu": lambda s, x: SELU_SCALE * elu(x, SELU_ALPHA),
    "gelu": gelu,
    "softplus": lambda s, x: np.logaddexp(0, x),
    "softsign": lambda s, x: x / (1 + np.abs(x)),
    "silu": lambda s, x: x * special.expit(x),
    "mish": lambda s, x: x * np.tanh(np.logaddexp(0, x)),
    "exponential": lambda s, x: np.exp(x),
    "softmax": lambda s, x: special.softmax(x, axis=-1),
    "log_softmax": lambda s, x: special.log_softmax(x, axis=-1),
    "squash": lambda s, x: squash(x),
}


def safe(probability: Array) -> Array:
    return np.clip(probability, EPSILON, 1 - EPSILON)


def shares(s: Any, prediction: Array) -> Array:
    """Probabilities of classes from logits or from what stands for probabilities."""
    if s.from_logits:
        return special.softmax(prediction, axis=-1)
    return safe(prediction / prediction.sum(axis=-1, keepdims=True))


def binary_terms(target: Array, prediction: Array, from_logits: bool) -> Array:
    if from_logits:
        return target * np.logaddexp(0, -prediction) + (1 - target) * np.logaddexp(0, prediction)
    p = safe(prediction)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def binary_crossentropy(s: Any, y: Array, p: Array) -> Array:
    y = y * (1 - s.label_smoothing) + 0.5 * s.label_smoothing
    return binary_terms(y, p, s.from_logits).mean(axis=-1)


def binary_focal_crossentropy(s: Any, y: Array, p: Array) -> Array:
    y = y * (1 - s.label_smoothing) + 0.5 * s.label_smoothing
    probability = special.expit(p) if s.from_logits else p
    right = y * probability + (1 - y) * (1 - probability)
    loss = (1 - right) ** s.gamma * binary_terms(y, p, s.from_logits)
    if s.apply_class_balancing:
        loss = loss * (y * s.alpha + (1 - y) * (1 - s.alpha))
    return loss.mean(axis=-1)


def smoothed(s: Any, y: Array) -> Array:
    return y * (1 - s.label_smoothing) + s.label_smoothing / y.shape[-1]


def categorical_crossentropy(s: Any, y: Array, p: Array) -> Array:
    if s.from_logits:
        return (smoothed(s, y) * softmax_losses(p)).sum(axis=-1)
    return -(smoothed(s, y) * np.log(shares(s, p))).sum(axis=-1)


def categorical_focal_crossentropy(s: Any, y: Array, p: Array) -> Array:
    q = safe(shares(s, p))
    terms = -smoothed(s, y) * np.log(q)
    return (np.asarray(s.alpha) * (1 - q) ** s.gamma * terms).sum(axis=-1)


def sparse_categorical_crossentropy(s: Any, y: Array, p: Array) -> Array:
    terms = softmax_losses(p) if s.from_logits else -np.log(shares(s, p))
    counted = np.ones(y.shape, bool) if s.ignore_class is None else y != s.ignore_class
    index = np.where(counted, y, 0).astype(int)[..., None]
    loss = np.where(counted, np.take_along_axis(terms, index, axis=-1)[..., 0], 0.0)
    return loss / max(counted.mean(), 1e-30)  # so that the mean is over those that count


def huber(s: Any, y: Array, p: Array) -> Array:
    error = np.abs(y - p)
    near = error <= s.delta
    return np.where(near, error**2 / 2, s.delta * error - s.delta**2 / 2).mean(axis=-1)


def kl_divergence(s: Any, y: Array, p: Array) -> Array:
    y, p = np.clip(y, EPSILON, 1), np.clip(p, EPSILON, 1)
    return (y * np.log(y / p)).sum(axis=-1)


def signs(y: Array) -> Array:
    return np.where(y == 0, -1.0, y) if set(np.unique(y)) <= {0.0, 1.0} else y


def margin(s: Any, y: Array, p: Array) -> Array:
    present = y * np.maximum(s.m_plus - p, 0) ** 2
    absent = (1 - y) * np.maximum(p - s.m_minus, 0) ** 2
    return (present + s.absent_weight * absent).sum(axis=-1)


def categorical_hinge(s: Any, y: Array, p: Array) -> Array:
    right, wrong = (y * p).sum(axis=-1), ((1 - y) * p).max(axis=-1)
    return np.maximum(wrong - right + 1, 0)


def cosine_similarity(s: Any, y: Array, p: Array) -> Array:
    lengths = [np.maximum(np.sqrt((v * v).sum(axis=-1)), EPSILON) for v in (y, p)]
    return -(y * p).sum(axis=-1) / (lengths[0] * lengths[1])


def quantile(s: Any, y: Array, p: Array) -> Array:
    level = np.atleast_1d(s.quantiles)
    error = y[..., None] - p.reshape(*y.shape, len(level))
    return np.maximum(level * error, (level - 1) * error).mean(axis=(-2, -1))


def log_plus_one(x: Array) -> Array:
    return np.log1p(np.maximum(x, EPSILON))


LOSSES: dict[str, Callable[[Any, Array, Array], Array]] = {
    "mean_squared_error": lambda s, y, p: ((y - p) ** 2).mean(axis=-1),
    "mean_absolute_error": lambda s, y, p: np.abs(y - p).mean(axis=-1),
    "mean_absolute_percentage_error": lambda s, y, p: (
        100 * (np.abs(y - p) / np.maximum(np.abs(y), EPSILON)).mean(axis=-1)
    ),
    "mean_squared_logarithmic_error": lambda s, y, p: (
        (log_plus_one(y) - log_plus_one(p)) ** 2
    ).mean(axis=-1),
    "huber": huber,
    "log_cosh": lambda s, y, p: np.log(np.cosh(p - y)).mean(axis=-1),
    "binary_crossentropy": binary_crossentropy,
    "binary_focal_crossentropy": binary_focal_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "categorical_focal_crossentropy": categorical_focal_crossentropy,
    "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
    "kl_divergence": kl_divergence,
    "poisson": lambda s, y, p: (p - y * np.log(p + EPSILON)).mean(axis=-1),
    "hinge": lambda s, y, p: np.maximum(1 - signs(y) * p, 0).mean(axis=-1),
    "squared_hinge": lambda s, y, p: (np.maximum(1 - signs(y) * p, 0) ** 2).mean(axis=-1),
    "categorical_hinge": categorical_hinge,
    "margin": margin,
    "cosine_similarity": cosine_similarity,
    "quantile": quantile,
    "bernoulli_nll": lambda s, y, p: binary_terms(y, p, s.from_logits).sum(axis=-1),
    "gaussian_nll": lambda s, y, p: -stats.norm.logpdf(y, p, s.stddev).sum(axis=-1),
}

REGULARIZERS: dict[str, Callable[[Any, Array], float]] = {
    "l1": lambda s, w: s.l1 * np.abs(w).sum(),
    "l2": lambda s, w: s.l2 * (w * w).sum(),
    "l1_l2": lambda s, w: s.l1 * np.abs(w).sum() + s.l2 * (w * w).sum(),
}
