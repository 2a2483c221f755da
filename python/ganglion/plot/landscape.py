"""The loss around the weights of a network (Li et al., 2018)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion.data import non_negative, whole_number
from ganglion.errors import suggestion
from ganglion.figure import TRAINING_COLOR, VALIDATION_COLOR, panels, tidy, trained_network
from ganglion.plot.directions import Plane, as_path, path_plane, random_plane
from ganglion.training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]

_PLACE = "loss_landscape"
# How far beyond the path the picture goes, as a share of its extent.
_MARGIN = 0.25
_LEVELS = 24


def loss_landscape(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    dimensions: int = 2,
    path: Any = None,
    directions: str = "auto",
    span: float = 1.0,
    points: int = 25,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss around the weights there are, in one direction or two, with the descent path.

    The losses are computed with a copy of the network: the network itself is not touched.

    Parameters
    ----------
    model : Sequential, NeuralClassifier or NeuralRegressor
        Something trained.
    X, y : array_like
        What the loss is computed on, as for `fit`. Some thousand samples are enough.
    dimensions : {1, 2}, default=2
        Directions: a curve, or a map with lines of equal loss.
    path : WeightRecorder or list of lists of ndarray, optional
        Weights on the way, drawn where they are nearest to the picture.
    directions : {"auto", "random", "path"}, default="auto"
        ``"random"`` ones are scaled filter by filter to the network's weights, so that one step is
        as far for large weights as for small ones; ``"path"`` are the principal ones of the path.
        ``"auto"`` takes the path's where there is a path.
    span : float, default=1.0
        Steps to each side in random directions: at 1 the random part is as large as the weights.
    points : int, default=25
        Losses computed along each direction, at least 3. A curve also has that of the present
        weights.
    seed : int, default=0
        Of the random directions.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    ImportError
        Without matplotlib.
    NotFittedError
        For a model that was not fitted.
    TypeError, ValueError
        For settings out of range, a path that does not fit, or data that `fit` would refuse.

    References
    ----------
    Li, Xu, Taylor, Studer, Goldstein: "Visualizing the loss landscape of neural nets", 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers
    >>> from ganglion.callbacks import WeightRecorder
    >>> X, path = np.eye(4), WeightRecorder()
    >>> net = Sequential([layers.Dense(3, "tanh"), layers.Dense(1)], loss="mse", random_state=0)
    >>> _ = net.fit(X, X[0], epochs=5, callbacks=[path])
    >>> loss_landscape(net, X, X[0], dimensions=1, points=5).get_xlabel()
    'random direction'
    >>> loss_landscape(net, X, X[0], path=path, points=5).get_xlabel()
    'direction 1 of the path (100% of it)'
    """
    _check_settings(dimensions, directions, span, points, seed)
    if directions == "path" and path is None:
        raise ValueError(f"[{_PLACE}] directions 'path' need a path")
    network, X, y = trained_network(_PLACE, model, X, y)
    centre = network.get_weights()
    way = None if path is None else as_path(_PLACE, path, centre)
    (panel,) = panels(_PLACE, ax, size=(5.8, 4.6) if dimensions == 2 else (5.6, 3.8))
    moving = set(network.trainable_weight_names)
    trained = [name in moving for name in network.weight_names]
    if way is None or directions == "random":
        plane = random_plane(centre, trained, dimensions, seed)
        projected = None if way is None else plane.project(way)
        limits = [(-span, span)] * dimensions
    else:
        plane = path_plane(centre, trained, dimensions, way)
        projected = plane.project(way)
        limits = _around(projected)
    grid = [np.linspace(low, high, points) for low, high in limits]
    if dimensions == 1:
        # Between two points the loss of the present weights would be a guess.
        grid = [np.union1d(grid[0], 0.0)]
    losses = _losses(network, plane, grid, X, y)
    draw = _draw_curve if dimensions == 1 else _draw_map
    draw(panel, grid, losses, projected)
    panel.set_xlabel(plane.labels[0])
    panel.set_ylabel("loss" if dimensions == 1 else plane.labels[1])
    return panel


def _check_settings(dimensions: int, directions: str, span: float, points: int, seed: int) -> None:
    if dimensions not in (1, 2):
        raise ValueError(f"[{_PLACE}] dimensions must be 1 or 2, got {dimensions!r}")
    known = ["auto", "random", "path"]
    if directions not in known:
        raise ValueError(
            f"[{_PLACE}] unknown directions {directions!r}{suggestion(directions, known)}"
        )
    if not non_negative(_PLACE, "span", span):
        raise ValueError(f"[{_PLACE}] span must be positive, got {span!r}")
    whole_number(_PLACE, "points", points, minimum=3)
    whole_number(_PLACE, "seed", seed, minimum=0)


def _around(steps: Array) -> list[tuple[float, float]]:
    """Return limits, for each direction, that hold the path and the weights it came to, at 0."""
    low, high = np.minimum(steps.min(axis=0), 0.0), np.maximum(steps.max(axis=0), 0.0)
    # A path that is straight has no width of its own.
    margin = _MARGIN * np.maximum(high - low, 0.2 * (high - low).max())
    return [(float(a), float(b)) for a, b in zip(low - margin, high + margin, strict=True)]


def _losses(
    network: Training, plane: Plane, grid: Sequence[Array], X: ArrayLike, y: ArrayLike
) -> Array:
    """Return the loss at each point of the grid; NaN where it is not finite."""
    trial = copy.deepcopy(network)
    trial.compile(loss=network.loss)
    losses = np.empty([len(steps) for steps in grid])
    for index in np.ndindex(losses.shape):
        trial.set_weights(plane.at([steps[i] for steps, i in zip(grid, index, strict=True)]))
        losses[index] = trial.evaluate(X, y)["loss"]
    return np.where(np.isfinite(losses), losses, np.nan)


def _draw_curve(axes: Axes, grid: Sequence[Array], losses: Array, projected: Array | None) -> None:
    axes.plot(grid[0], losses, color=TRAINING_COLOR)
    here = float(np.interp(0.0, grid[0], losses))
    if projected is not None:
        steps = projected[:, 0]
        shown = (steps >= grid[0][0]) & (steps <= grid[0][-1])
        heights = np.interp(steps[shown], grid[0], losses)
        axes.plot(steps[shown], heights, ".", color="0.35", label="path of descent")
    axes.plot(0.0, here, "o", color=VALIDATION_COLOR, label=f"present weights: {here:.3g}")
    tidy(axes)
    axes.legend(frameon=False, fontsize="small")


def _draw_map(axes: Axes, grid: Sequence[Array], losses: Array, projected: Array | None) -> None:
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(np.nanmin(losses)), float(np.nanmax(losses))
    # The loss often spans powers of ten; then equal ratios are equally many lines.
    by_ratio = low > 0 and high > 10 * low
    levels = (np.geomspace if by_ratio else np.linspace)(low, high, _LEVELS)
    if not high > low:
        levels = np.array([low, low + 1.0])
    norm = (LogNorm if by_ratio else Normalize)(levels[0], levels[-1])
    filled = axes.contourf(*grid, losses.T, levels=levels, norm=norm, cmap="viridis")
    axes.contour(
        *grid, losses.T, levels=levels, norm=norm, colors="white", linewidths=0.4, alpha=0.5
    )
    bar = axes.figure.colorbar(filled, ax=axes, label="loss")
    shown = levels[:: _LEVELS // 6]
    bar.set_ticks(list(shown), labels=[f"{level:.2g}" for level in shown])
    bar.minorticks_off()
    if projected is not None:
        x, y = projected.T
        axes.plot(x, y, "w.-", linewidth=1.2, markersize=4, label="path of descent")
    label = "present weights"
    if projected is not None and np.abs(projected[-1]).max() > 0.01 * np.ptp(grid[0]):
        label += ", from before its end"  # an earlier epoch was better, and was restored
    axes.plot(0.0, 0.0, "o", color=VALIDATION_COLOR, markeredgecolor="white", label=label)
    axes.legend(fontsize="small", facecolor="0.75", framealpha=0.6)
    axes.locator_params(nbins=6)
    axes.set_xlim(grid[0][0], grid[0][-1])
    axes.set_ylim(grid[1][0], grid[1][-1])
