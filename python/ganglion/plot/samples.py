"""Samples in a grid, and where their codes lie."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion.data import whole_number
from ganglion.figure import panels, plain, tidy
from ganglion.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]
# Classes that a legend lists; of more, y is taken for a number.
_MOST_CLASSES = 20
_INCHES = 5.0


def image_grid(
    images: ArrayLike,
    *,
    columns: int | None = None,
    shape: tuple[int, ...] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw images beside and below each other, row by row.

    Parameters
    ----------
    images : array_like of shape (n, height, width) or (n, height, width, channels)
        With one channel in grey, with three in colours: from 0 or, where there are numbers below
        it, -1, to 1 or, where there are numbers above it, the largest.
    columns : int, optional
        Images in a row; by default as many as there are rows.
    shape : tuple of int, optional
        (height, width) or (height, width, channels) of images that come flat.
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
    ValueError
        For what are no images.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import plot
    >>> plot.image_grid(np.zeros((6, 8, 8)), columns=3).get_images()[0].get_size()
    (19, 28)
    """
    pictures = _pictures(images, shape)
    if columns is not None:
        whole_number("image_grid", "columns", columns)
    low = -1.0 if pictures.min() < 0 else 0.0
    high = max(1.0, float(pictures.max()))
    grid = tiled((pictures - low) / (high - low), columns, 1.0)
    (panel,) = panels("image_grid", ax, size=(_INCHES, _INCHES * grid.shape[0] / grid.shape[1]))
    drawn = np.clip(grid if grid.shape[-1] == 3 else grid[..., 0], 0.0, 1.0)
    panel.imshow(drawn, cmap="gray", vmin=0.0, vmax=1.0)
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)
    return panel


def latent_space(
    model: Any, X: ArrayLike, y: ArrayLike | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw the codes that a model gives samples, in the two directions in which they vary most.

    Parameters
    ----------
    model : Autoencoder, VAE or any transformer
        Fitted.
    X : array_like of shape (n_samples, ...)
        The samples.
    y : array_like of shape (n_samples,), optional
        Their classes, or numbers, by which the points are coloured.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn. Codes of two numbers are drawn as they are.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError
        For a model without ``transform``.
    ValueError
        For samples that the model does not take, or another number of classes.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Autoencoder, plot
    >>> X = np.random.default_rng(0).normal(size=(50, 4))
    >>> plot.latent_space(Autoencoder(2, epochs=1).fit(X), X).get_xlabel()
    'code 1'
    """
    if not hasattr(model, "transform"):
        raise TypeError(
            f"[latent_space] model must have transform, as Autoencoder and VAE, got {model!r}"
        )
    codes = np.asarray(model.transform(X), np.float64)
    labels = None if y is None else np.asarray(y)
    if labels is not None and labels.shape != (len(codes),):
        raise ValueError(f"[latent_space] y must have shape ({len(codes)},), got {labels.shape}")
    points, names = _two_directions(codes)
    (panel,) = panels("latent_space", ax, size=(_INCHES, _INCHES))
    style: dict[str, Any] = {
        "s": max(2.0, min(16.0, 2e4 / len(points))),
        "alpha": 0.7,
        "linewidths": 0,
    }
    classes = [None] if labels is None else list(np.unique(labels))
    if len(classes) > _MOST_CLASSES:
        style |= {"c": labels, "cmap": "viridis"}
        colored = panel.scatter(points[:, 0], points[:, 1], **style)
        panel.figure.colorbar(colored, ax=panel)
    else:
        colors = require("matplotlib", "latent_space", extra="plot").colormaps["tab20"].colors
        order = [*range(0, _MOST_CLASSES, 2), *range(1, _MOST_CLASSES, 2)]
        for index, label in enumerate(classes):
            chosen = points if label is None else points[labels == label]
            panel.scatter(
                chosen[:, 0], chosen[:, 1], color=colors[order[index]], label=plain(label), **style
            )
        if labels is not None:
            panel.legend(
                frameon=False,
                fontsize="small",
                markerscale=(40 / style["s"]) ** 0.5,
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
            )
    panel.set(xlabel=names[0], ylabel=names[1])
    tidy(panel)
    return panel


class SampleGrid:
    """Draw samples into a file each time it is called: what a `GAN` takes as its ``picture``.

    Parameters
    ----------
    path : str or path
        Picture to write, over the last one. With ``{epoch}`` in its name, as in
        ``"epoch-{epoch:03d}.png"``, there is one for each epoch.
    columns : int, optional
        Images in a row; by default as many as there are rows.
    shape : tuple of int, optional
        (height, width) or (height, width, channels) of images that come flat.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from ganglion import GAN, plot
    >>> X = load_digits().images / 16
    >>> _ = GAN(epochs=2, picture=plot.SampleGrid("digits.png")).fit(X)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: int | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self.path = path
        self.columns = columns
        self.shape = shape

    def __call__(self, epoch: int, samples: ArrayLike) -> None:
        """Draw samples after an epoch, counted from 1."""
        pyplot = require("matplotlib.pyplot", "SampleGrid", extra="plot")
        panel = image_grid(samples, columns=self.columns, shape=self.shape)
        panel.set_title(f"epoch {epoch}", fontsize="medium")
        figure: Any = panel.figure
        figure.savefig(os.fspath(self.path).format(epoch=epoch), dpi=110)
        pyplot.close(figure)


def tiled(pictures: Array, columns: int | None, between: float) -> Array:
    """Return pictures (n, height, width, channels) as one, with a line around each.

    Examples
    --------
    >>> tiled(np.zeros((5, 2, 2, 1)), None, 1.0).shape
    (7, 10, 1)
    """
    count, height, width, channels = pictures.shape
    columns = int(np.ceil(np.sqrt(count))) if columns is None else min(columns, count)
    rows = -(-count // columns)
    grid = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1, channels), between)
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (height + 1) + 1, (index % columns) * (width + 1) + 1
        grid[top : top + height, left : left + width] = picture
    return grid


def _pictures(images: ArrayLike, shape: tuple[int, ...] | None) -> Array:
    array = np.asarray(images)
    if shape is not None and array.ndim == 2 and np.prod(shape) == array.shape[1]:
        array = array.reshape(len(array), *shape)
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or not array.size:
        raise ValueError(
            "[image_grid] images must have shape (n, height, width), or (n, height, width, "
            f"channels) with 1 or 3 channels, got {array.shape}"
            + ("; give shape=(height, width)" if array.ndim == 2 else "")
        )
    return array


def _two_directions(codes: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
    """Return codes in two dimensions, and what those are called."""
    if codes.shape[1] == 2:
        return codes, ["code 1", "code 2"]
    if codes.shape[1] == 1:
        return np.hstack([codes, np.zeros_like(codes)]), ["code 1", ""]
    centred = codes - codes.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    shares = sizes**2 / max(float((sizes**2).sum()), 1e-300)
    names = [f"component {i + 1}, {shares[i]:.0%} of the variance" for i in (0, 1)]
    return centred @ directions[:2].T, names
