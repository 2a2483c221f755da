"""A network whose layers are frozen, unfrozen and replaced, and what is looked at in it."""

from __future__ import annotations

import numpy as np

from ganglion import Sequential, layers


def network(dropout=0.1, **settings) -> Sequential:
    """Three layers with weights, two of them and a normalisation before the head."""
    settings = {
        "loss": "sparse_categorical_crossentropy",
        "optimizer": "adam",
        "random_state": 0,
        **settings,
    }
    return Sequential(
        [
            layers.Input((6,)),
            layers.Dense(16, "relu", name="first"),
            layers.BatchNormalization(),
            layers.Dense(8, "relu", name="second"),
            layers.Dropout(dropout),
            layers.Dense(2, "softmax", name="head"),
        ],
        **settings,
    )


def weights(net: Sequential) -> dict[str, np.ndarray]:
    return dict(zip(net.weight_names, net.get_weights(), strict=True))


def changed(net: Sequential, before: dict[str, np.ndarray]) -> set[str]:
    """The layers of which a weight is no longer what it was."""
    after = weights(net)
    return {name.split("/")[0] for name in after if np.any(after[name] != before[name])}
