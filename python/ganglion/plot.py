"""Pictures of training and of what came out. Needs matplotlib, which is loaded when used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from ganglion.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A pair that stays apart in grey and for the colour-blind.
TRAINING_COLOR, VALIDATION_COLOR = "#1f6fb4", "#d1600e"


def learning_curves(
    model: Any, names: Sequence[str] | None = None, *, axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw loss and metrics against epochs, training beside validation, the best epoch marked.

    The best epoch is the one of the lowest validation loss.

    Parameters
    ----------
    model : Sequential, estimator or dict of str to sequence of float
        Something trained, with a ``history_``; or such a history itself.
    names : sequence of str, optional
        What to draw, a panel each; by default everything in the history.
    axes : sequence of matplotlib Axes, optional
        Where to draw, one for each name; by default a new figure.

    Returns
    -------
    list of matplotlib Axes
        One for each name.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        For an empty history, an unknown name, or another number of axes than of names.

    Examples
    --------
    >>> history = {"loss": [0.9, 0.5, 0.4], "val_loss": [1.0, 0.6, 0.7]}
    >>> [axes.get_ylabel() for axes in learning_curves(history)]
    ['loss']
    """
    history: Mapping[str, Sequence[float]] = (
        model if isinstance(model, Mapping) else getattr(model, "history_", {})
    )
    known = [name for name in history if not name.startswith("val_")]
    if not known:
        raise ValueError("[learning_curves] the history is empty: fit first")
    names = known if names is None else list(names)
    for name in names:
        if name not in known:
            raise ValueError(f"[learning_curves] unknown name {name!r}, the history has {known}")
    if axes is None:
        pyplot = require("matplotlib.pyplot", "learning_curves", extra="plot")
        figure, grid = pyplot.subplots(
            1, len(names), figsize=(5.2 * len(names), 3.8), squeeze=False, layout="constrained"
        )
        axes = list(grid[0])
    if len(axes) != len(names):
        raise ValueError(f"[learning_curves] got {len(axes)} axes for {len(names)} names")
    for panel, name in zip(axes, names, strict=True):
        _draw_curve(panel, name, history)
    return list(axes)


def confusion_matrix(
    estimator: Any, X: ArrayLike, y: ArrayLike, *, axes: Axes | None = None
) -> Axes:
    """Draw how often each class was taken for each, with scikit-learn's display.

    Parameters
    ----------
    estimator : classifier
        A fitted classifier, or a pipeline that ends in one.
    X : array of shape (n_samples, n_features)
        Samples.
    y : array of shape (n_samples,)
        Their true labels.
    axes : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    ImportError
        Without matplotlib or scikit-learn.
    """
    require("matplotlib", "confusion_matrix", extra="plot")
    metrics = require(
        "sklearn.metrics", "confusion_matrix", extra="sklearn", distribution="scikit-learn"
    )
    display = metrics.ConfusionMatrixDisplay.from_estimator(
        estimator, X, y, ax=axes, cmap="Blues", colorbar=False
    )
    drawn: Axes = display.ax_
    return drawn


def _draw_curve(axes: Axes, name: str, history: Mapping[str, Sequence[float]]) -> None:
    training = history[name]
    axes.plot(range(1, len(training) + 1), training, color=TRAINING_COLOR, label="training")
    validation = history.get(f"val_{name}")
    if validation:
        epochs = range(len(training) - len(validation) + 1, len(training) + 1)
        axes.plot(epochs, validation, color=VALIDATION_COLOR, label="validation")
        stopping = history.get("val_loss", validation)
        # Epochs that had no validation, or one that was not finite, are none to be the best.
        finite = [index for index, value in enumerate(stopping) if math.isfinite(value)]
        if finite:
            best = min(finite, key=lambda index: stopping[index])
            axes.axvline(epochs[best], color="0.6", linewidth=1, linestyle=":")
            axes.plot(
                epochs[best],
                validation[best],
                "o",
                color=VALIDATION_COLOR,
                label=f"best loss: epoch {epochs[best]}, here {validation[best]:.4g}",
            )
    axes.set(xlabel="epoch", ylabel=name)
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
