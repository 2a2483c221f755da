"""Two small networks and what they are trained for together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganglion import Joint, Objective, Sequential, layers, ops, optimizers

Array = np.ndarray


def networks(dtype: str = "float64", seed: int = 0) -> dict[str, Sequential]:
    """A line from 2 numbers to 3, and one from 3 to 1; without activations."""
    return {
        "generator": Sequential([layers.Dense(3)], random_state=seed, dtype=dtype),
        "discriminator": Sequential([layers.Dense(1)], random_state=seed + 1, dtype=dtype),
    }


def judge(networks: Any, x: Any, z: Any) -> Any:
    """What the discriminator minimises: its mean on made samples less that on true ones."""
    made = networks.discriminator(networks.generator(z))
    return {"judge": ops.mean(made) - ops.mean(networks.discriminator(x)), "made": ops.mean(made)}


def deceive(networks: Any, x: Any, z: Any) -> Any:
    return -ops.mean(networks["discriminator"](networks["generator"](z)))


def pull(networks: Any, x: Any) -> Any:
    return ops.mean(networks.discriminator(x) ** 2)


def push(networks: Any, x: Any) -> Any:
    return ops.mean((networks.discriminator(x) - 1.0) ** 2)


def data(rows: int = 40) -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(rows, 3)) + 1, generator.normal(size=(rows, 2))


def joint(nets: dict[str, Sequential], every: int = 1, **settings: Any) -> Joint:
    return Joint(
        nets,
        [
            Objective(judge, "discriminator", optimizers.SGD(0.1)),
            Objective(deceive, "generator", optimizers.SGD(0.2), every=every),
        ],
        random_state=0,
        **settings,
    )
