"""What the pictures share: new figures, colours, and the model behind an argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ganglion.optional import require
from ganglion.training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A pair that stays apart in grey and for the colour-blind.
TRAINING_COLOR, VALIDATION_COLOR = "#1f6fb4", "#d1600e"


def panels(
    place: str,
    axes: Axes | Sequence[Axes] | None,
    count: int = 1,
    *,
    columns: int = 3,
    size: tuple[float, float] = (5.2, 3.8),
) -> list[Axes]:
    """Return the axes to draw on, those given or those of a new figure.

    Parameters
    ----------
    place : str
        Who draws, for the error.
    axes : Axes, sequence of Axes or None
        What the user gave.
    count : int
        How many are needed.
    columns : int
        Panels beside each other in a new figure, at most.
    size : (float, float)
        Width and height of a panel of a new figure, in inches.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        For no panels, or another number of axes.
    """
    if count == 0:
        raise ValueError(f"[{place}] there is nothing to draw")
    pyplot = require("matplotlib.pyplot", place, extra="plot")
    if axes is not None:
        # As subplots returns them too: one, or an array of several.
        given: list[Axes] = list(np.ravel(np.asarray(axes, dtype=object)))
        if len(given) != count:
            raise ValueError(f"[{place}] needs {count} axes, got {len(given)}")
        return given
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, grid = pyplot.subplots(
        rows,
        columns,
        figsize=(size[0] * columns, size[1] * rows),
        squeeze=False,
        layout="constrained",
    )
    every = list(grid.flat)
    for unused in every[count:]:
        figure.delaxes(unused)
    return every[:count]


def tidy(axes: Axes, *, grid: bool = True) -> None:
    """Give axes the looks that the pictures share."""
    if grid:
        axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def plain(text: Any) -> str:
    r"""Return the text of a label that shows a name as it is: its dollars begin no formula.

    Examples
    --------
    >>> print(plain("$10 to $20"))
    \$10 to \$20
    """
    return str(text).replace("$", r"\$")


def trained_network(
    place: str, model: Any, X: ArrayLike, y: ArrayLike
) -> tuple[Training, ArrayLike, ArrayLike]:
    """Return the network of a model, and samples as that takes them.

    Raises
    ------
    TypeError
        When it is neither a network nor one of ganglion's estimators.
    NotFittedError
        For an estimator that was not fitted.
    """
    if isinstance(model, Training):
        return model, X, y
    if not hasattr(model, "network_and_samples"):
        raise TypeError(
            f"[{place}] model must be a Sequential, NeuralClassifier or NeuralRegressor, got "
            f"{type(model).__name__}"
        )
    network, X, y, _ = model.network_and_samples(X, y)
    return network, X, y
