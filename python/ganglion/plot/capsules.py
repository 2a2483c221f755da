"""What the numbers of a capsule stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ganglion.figure import panels
from ganglion.plot.samples import tiled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AMOUNTS = np.linspace(-0.25, 0.25, 11)
# Inches of an image.
_SIZE = 0.5


def capsule_dimensions(
    model: Any,
    image: ArrayLike,
    label: Any = None,
    *,
    dimensions: Sequence[int] | None = None,
    amounts: ArrayLike = _AMOUNTS,
    ax: Axes | None = None,
) -> Axes:
    """Draw an image as a capsule decodes it, while its numbers are moved one by one.

    A row for each number of the capsule, from less to more of it, shows what of the image the
    number stands for: its stroke, slant or width (Sabour et al. 2017, figure 4).

    Parameters
    ----------
    model : CapsuleClassifier
        Fitted, with a decoder.
    image : array_like
        One image, of the shape that was trained on.
    label : object, optional
        The class whose capsule is decoded; that of the longest one by default.
    dimensions : sequence of int, optional
        Which numbers, counted from 0; all by default.
    amounts : array_like, default=-0.25 to 0.25 in steps of 0.05
        What is added to a number, a column each.
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
    TypeError
        For another model.
    ValueError
        For an image of another shape, no numbers or such as there are not, or an unknown label.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from ganglion import CapsuleClassifier, plot
    >>> X, y = load_digits(return_X_y=True)
    >>> model = CapsuleClassifier(decoder=(32,), epochs=1, random_state=0).fit(X[:100], y[:100])
    >>> plot.capsule_dimensions(model, X[0], dimensions=[0, 3]).get_ylabel()
    'dimension'
    """
    if not hasattr(model, "reconstruct") or not hasattr(model, "dim_capsule"):
        raise TypeError(
            f"[capsule_dimensions] model must be a CapsuleClassifier, got {type(model).__name__}"
        )
    chosen = list(range(model.dim_capsule)) if dimensions is None else list(dimensions)
    known = range(model.dim_capsule)
    if not chosen or any(number not in known for number in chosen):
        raise ValueError(
            f"[capsule_dimensions] dimensions must be numbers from 0 to {known[-1]}, got {chosen}"
        )
    steps = np.atleast_1d(np.asarray(amounts, dtype=float))
    moved = np.zeros((len(chosen), len(steps), model.dim_capsule))
    for row, number in enumerate(chosen):
        moved[row, :, number] = steps
    count = len(chosen) * len(steps)
    images = np.repeat(np.asarray(image)[np.newaxis], count, axis=0)
    labels = None if label is None else np.full(count, label)
    pictures = model.reconstruct(images, labels, moved.reshape(count, -1))
    height, width, channels = model.image_shape_
    least, greatest = model.pixel_range_
    shown = (pictures.reshape(count, height, width, channels) - least) / ((greatest - least) or 1.0)
    grid = tiled(shown, len(steps), 1.0)
    (panel,) = panels(
        "capsule_dimensions", ax, size=(_SIZE * len(steps) + 1, _SIZE * len(chosen) + 0.7)
    )
    panel.imshow(grid if channels == 3 else grid[..., 0], cmap="gray", vmin=0, vmax=1)
    panel.spines[:].set_visible(False)
    panel.set_xticks(
        [(0.5 + column) * (width + 1) for column in range(len(steps))],
        [f"{step:+.2f}" for step in steps],
        fontsize="small",
    )
    panel.set_yticks([(0.5 + row) * (height + 1) for row in range(len(chosen))], map(str, chosen))
    panel.set(xlabel="added to it", ylabel="dimension")
    return panel
