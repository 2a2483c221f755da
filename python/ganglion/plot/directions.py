"""Directions in the space of the weights, and where a path of descent lies along them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Weights = Sequence[Array]


@dataclass(frozen=True)
class Plane:
    """A point of the space of all weights, and one or two directions from it.

    Attributes
    ----------
    centre : list of ndarray
        All weights, as `Sequential.get_weights` returns them.
    directions : ndarray, shape (directions, weights)
        Of all weights, one after the other; 0 where a weight stays.
    labels : list of str
        What the axes of a picture say.
    """

    centre: list[Array]
    directions: NDArray[np.float64]
    labels: list[str]

    def at(self, steps: Sequence[float]) -> list[Array]:
        """Return the weights that many steps along each direction."""
        return unflatten(flatten(self.centre) + np.asarray(steps) @ self.directions, self.centre)

    def project(self, path: Sequence[Weights]) -> NDArray[np.float64]:
        """Return the steps to the nearest point of the plane, for each point of a path."""
        away = np.stack([flatten(weights) for weights in path]) - flatten(self.centre)
        steps: NDArray[np.float64] = np.linalg.lstsq(self.directions.T, away.T, rcond=None)[0].T
        return steps


def flatten(weights: Weights) -> NDArray[np.float64]:
    """Return all weights as one vector."""
    return np.concatenate([np.asarray(weight, np.float64).ravel() for weight in weights])


def unflatten(vector: Array, like: Weights) -> list[Array]:
    """Return a vector as arrays of the shapes of others."""
    ends = np.cumsum([weight.size for weight in like])[:-1]
    parts = np.split(vector, ends)
    return [part.reshape(weight.shape) for part, weight in zip(parts, like, strict=True)]


def random_plane(centre: list[Array], trained: Sequence[bool], count: int, seed: int) -> Plane:
    """Return random directions of which each filter is as long as that of the weights.

    After Li et al. (2018), "Visualizing the loss landscape of neural nets", section 4: a filter is
    what makes one output, here a column of a kernel. Biases and scales stay, as there.

    Parameters
    ----------
    centre : list of ndarray
        All weights.
    trained : sequence of bool
        Which of them the optimizer changes; the others stay.
    count : int
        Directions wanted.
    seed : int
        Of the random numbers.
    """
    generator = np.random.default_rng(seed)
    directions = []
    for _ in range(count):
        drawn = [generator.standard_normal(weight.shape) for weight in centre]
        directions.append(
            flatten(
                [
                    _with_filters_of(weight, d) if moves and weight.ndim > 1 else np.zeros_like(d)
                    for weight, d, moves in zip(centre, drawn, trained, strict=True)
                ]
            )
        )
    labels = [f"random direction {index + 1}" for index in range(count)]
    return Plane(centre, np.stack(directions), labels if count > 1 else ["random direction"])


def _with_filters_of(weight: Array, direction: Array) -> Array:
    inputs = tuple(range(weight.ndim - 1))
    lengths = np.linalg.norm(direction.reshape(-1, weight.shape[-1]), axis=0)
    wanted = np.linalg.norm(weight.reshape(-1, weight.shape[-1]).astype(np.float64), axis=0)
    scaled: Array = direction * np.expand_dims(wanted / lengths, inputs)
    return scaled


def path_plane(
    centre: list[Array], trained: Sequence[bool], count: int, path: Sequence[Weights]
) -> Plane:
    """Return the principal directions of a path of descent around the weights it came to.

    As in Li et al. (2018), section 7: random directions hardly show a path, since in so many
    dimensions nearly all of it is at right angles to them.

    Parameters
    ----------
    centre : list of ndarray
        All weights.
    trained : sequence of bool
        Which of them the optimizer changes. Moving statistics, which go far, are left out.
    count : int
        Directions wanted.
    path : sequence of lists of ndarray
        Earlier weights.

    Raises
    ------
    ValueError
        When the path stays at one point, or has not as many directions.
    """
    moves = flatten(
        [np.full(weight.shape, flag) for weight, flag in zip(centre, trained, strict=True)]
    )
    away = (np.stack([flatten(weights) for weights in path]) - flatten(centre)) * moves
    _, lengths, directions = np.linalg.svd(away, full_matrices=False)
    if not lengths[0] > 0 or len(directions) < count:
        raise ValueError(
            f"[loss_landscape] the path has less than {count} directions: take random ones"
        )
    share = lengths**2 / np.sum(lengths**2)
    # Along the first the path comes from the left.
    sides = np.where((away @ directions[:count].T)[0] > 0, -1.0, 1.0)
    labels = [
        f"direction {index + 1} of the path ({share[index]:.0%} of it)" for index in range(count)
    ]
    return Plane(centre, directions[:count] * sides[:, None], labels)


def as_path(place: str, path: Any, centre: Weights) -> list[list[Array]]:
    """Return the weights of a `WeightRecorder`, or of such a list, checked.

    Raises
    ------
    ValueError
        When there are fewer than two, or they do not fit the network.
    """
    recorded: Sequence[Sequence[ArrayLike]] = getattr(path, "weights", path)
    points = [[np.asarray(weight) for weight in weights] for weights in recorded]
    if len(points) < 2:
        raise ValueError(f"[{place}] path must have at least 2 points, got {len(points)}")
    shapes = [weight.shape for weight in centre]
    for index, point in enumerate(points):
        if [weight.shape for weight in point] != shapes:
            raise ValueError(f"[{place}] point {index} of the path does not fit the network")
    return points
