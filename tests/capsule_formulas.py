"""The capsules of Sabour et al. (2017), with every prediction written down."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from convolution_formulas import windows
from formulas import squash
from scipy import special

Array = np.ndarray
Weights = dict[str, Array]


def primary_capsules(s: Any, w: Weights, x: Array, training: bool) -> Array:
    window = SimpleNamespace(**{"dilation_rate": 1, **vars(s)})
    y = np.tensordot(windows(window, x), w["kernel"], axes=3)
    y = y + w["bias"] if s.use_bias else y
    return squash(y.reshape(len(x), -1, s.dim_capsule))


def routed(s: Any, w: Weights, x: Array, training: bool) -> Array:
    """Procedure 1, round by round."""
    predicted = np.einsum("nik,jkid->nijd", x, w["kernel"])
    logits = np.zeros(predicted.shape[:3])
    for _ in range(s.routings):
        couplings = special.softmax(logits, axis=2)
        v = squash(np.einsum("nij,nijd->njd", couplings, predicted))
        logits += np.einsum("nijd,njd->nij", predicted, v)
    return v


def longest(s: Any, w: Weights, x: Array, training: bool) -> Array:
    y = np.zeros_like(x)
    for row, sample in enumerate(x):
        index = np.linalg.norm(sample, axis=-1).argmax()
        y[row, index] = sample[index]
    return y


CAPSULE_LAYERS = {
    "primary_capsule": primary_capsules,
    "capsule_layer": routed,
    "capsule_length": lambda s, w, x, training: np.linalg.norm(x, axis=-1),
    "longest_capsule": longest,
}
