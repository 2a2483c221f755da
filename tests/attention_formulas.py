"""Attention and positions in NumPy, one head and one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray
Weights = dict[str, Array]


def attention(s: Any, w: Weights, x: Array, training: bool, counted: Array | None = None) -> Array:
    """Vaswani et al. (2017), section 3.2; of the steps that count, (samples, steps), if given."""

    def projected(name: str, head: int) -> Array:
        y = x @ w[f"{name}/kernel"][:, head]
        return y + w[f"{name}/bias"][head] if s.use_bias else y

    output = w["attention_output/kernel"]
    y = np.zeros((*x.shape[:2], *output.shape[2:]))
    for head in range(s.num_heads):
        query, key, value = (projected(name, head) for name in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(s.key_dim)
        if s.causal:
            scores = scores + np.triu(np.full(scores.shape[1:], -np.inf), 1)
        if counted is not None:
            scores = np.where(counted[:, np.newaxis], scores, -np.inf)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        y = y + np.tensordot(shares @ value, output[head], 1)
    return y + w["attention_output/bias"] if s.use_bias else y


def waves(s: Any, w: Weights, x: Array, training: bool) -> Array:
    """Vaswani et al. (2017), section 3.5."""
    y = x.astype(float)
    features = x.shape[2]
    for step in range(x.shape[1]):
        for feature in range(features):
            angle = step / s.max_wavelength ** (2 * (feature // 2) / features)
            y[:, step, feature] += np.cos(angle) if feature % 2 else np.sin(angle)
    return y


def learned(s: Any, w: Weights, x: Array, training: bool) -> Array:
    return x + w["embeddings"][: x.shape[1]]


ATTENTION_LAYERS = {
    "multi_head_attention": attention,
    "positional_encoding": waves,
    "position_embedding": learned,
}
