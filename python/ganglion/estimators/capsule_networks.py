"""The networks of a classifier with capsules, and what they minimise together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ganglion import layers, losses, ops
from ganglion.joint import Joint, Objective
from ganglion.layers.capsules import capsule_lengths, only_capsule
from ganglion.optimizers import Optimizer
from ganglion.sequential import Sequential
from ganglion.value import Value

# Images from this size on, both ways, have the paper's kernels and strides; smaller ones others.
_LARGE = 20
_LARGE_KERNEL, _SMALL_KERNEL = 9, 3


@dataclass(frozen=True)
class CapsuleSizes:
    """Of the networks; see `CapsuleClassifier`."""

    image_shape: tuple[int, ...]
    classes: int
    filters: int
    primary_capsules: int
    primary_dim: int
    dim_capsule: int
    routings: int
    kernel_size: int | None
    decoder: tuple[int, ...]


def capsule_joint(
    sizes: CapsuleSizes,
    pixel_range: tuple[float, float],
    reconstruction_weight: float,
    optimizer: Optimizer,
    seed: int,
    dtype: str,
) -> Joint:
    """Return the networks ``capsules`` and, where its error counts, ``decoder``, to be trained.

    Raises
    ------
    ValueError
        For a kernel larger than the images.
    """
    least, greatest = pixel_range
    scale = 1.0 / (greatest - least) if greatest > least else 1.0
    scaling = layers.Rescaling(scale, -least * scale)
    large = min(sizes.image_shape[:2]) >= _LARGE
    kernel = sizes.kernel_size or (_LARGE_KERNEL if large else _SMALL_KERNEL)
    capsules = Sequential(
        [
            scaling,
            layers.Conv2D(sizes.filters, kernel, activation="relu"),
            layers.PrimaryCapsule(
                sizes.primary_capsules, sizes.primary_dim, kernel, strides=2 if large else 1
            ),
            layers.CapsuleLayer(sizes.classes, sizes.dim_capsule, sizes.routings),
        ],
        random_state=seed,
        dtype=dtype,
    )
    capsules.build((None, *sizes.image_shape))
    networks = {"capsules": capsules}
    if reconstruction_weight:
        # With a seed of its own: layers of one name would else begin with the same weights.
        decoder = Sequential(
            [
                layers.Flatten(),
                *(layers.Dense(width, activation="relu") for width in sizes.decoder),
                layers.Dense(math.prod(sizes.image_shape), activation="sigmoid"),
            ],
            random_state=seed + 1,
            dtype=dtype,
        )
        decoder.build(capsules.output_shape)
        networks["decoder"] = decoder
    objective = CapsuleObjective(sizes.classes, reconstruction_weight, scaling)
    return Joint(
        networks, [Objective(objective, optimizer=optimizer, name="loss")], random_state=seed
    )


class CapsuleObjective:
    """What a capsule network minimises: the margin loss, and the error of decoded images.

    Called by `Joint` with the networks ``capsules`` and, where ``reconstruction_weight`` is not 0,
    ``decoder``, whose pixels are those of the images behind ``scaling``.
    """

    def __init__(
        self, classes: int, reconstruction_weight: float, scaling: layers.Rescaling
    ) -> None:
        self.classes = classes
        self.reconstruction_weight = reconstruction_weight
        self.scaling = scaling

    def __call__(self, networks: Any, x: Value, y: Value) -> dict[str, Value]:
        capsules = networks.capsules(x)
        lengths = capsule_lengths(capsules)
        margin = ops.mean(losses.Margin()(ops.one_hot(y, self.classes), lengths))
        right = ops.mean(ops.equal(ops.argmax(lengths), y))
        if not self.reconstruction_weight:
            return {"loss": margin, "margin": margin, "accuracy": right}
        pixels = ops.flatten(self.scaling.build(x))
        decoded = networks.decoder(only_capsule(capsules, y))
        error = ops.mean(ops.square(decoded - pixels))
        return {
            "loss": margin + self.reconstruction_weight * error,
            "margin": margin,
            "reconstruction": error,
            "accuracy": right,
        }
