"""Loss and metrics against epochs, after a fit or while it runs."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganglion.callbacks import Callback
from ganglion.callbacks.base import Logs
from ganglion.errors import check_at_least, not_fitted
from ganglion.figure import TRAINING_COLOR, VALIDATION_COLOR, panels, plain, tidy
from ganglion.optional import require
from ganglion.progress import in_notebook

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What scikit-learn's ``validation_scores_`` are called in a panel of their own.
_SCORE = "validation score"


def learning_curves(
    model: Any, names: Sequence[str] | None = None, *, ax: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw loss and metrics against epochs, training beside validation, the best epoch marked.

    The best epoch is the one of the lowest validation loss.

    Parameters
    ----------
    model : Sequential, estimator or dict of str to sequence of float
        Something trained, with a ``history_`` or scikit-learn's ``loss_curve_``; or such a history
        itself.
    names : sequence of str, optional
        What to draw, a panel each; by default everything in the history.
    ax : sequence of matplotlib Axes, optional
        Where to draw, one for each name; by default a new figure.

    Returns
    -------
    list of matplotlib Axes
        One for each name.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError
        For something that is neither, such as a list of models.
    ValueError
        For an empty history, no names or an unknown one, or another number of axes than of names.

    Examples
    --------
    >>> history = {"loss": [0.9, 0.5, 0.4], "val_loss": [1.0, 0.6, 0.7]}
    >>> [axes.get_ylabel() for axes in learning_curves(history)]
    ['loss']
    """
    history = _history(model)
    known = [name for name in history if not name.startswith("val_")]
    if not known:
        raise ValueError("[learning_curves] the history is empty: fit first")
    names = known if names is None else list(names)
    for name in names:
        if name not in known:
            raise ValueError(f"[learning_curves] unknown name {name!r}, the history has {known}")
    drawn = panels("learning_curves", ax, len(names))
    for panel, name in zip(drawn, names, strict=True):
        _draw_curve(panel, name, history)
    return drawn


def _history(model: Any) -> Mapping[str, Sequence[float]]:
    history = model if isinstance(model, Mapping) else getattr(model, "history_", None)
    if history is None and hasattr(model, "loss_curve_"):
        scores = getattr(model, "validation_scores_", None)
        return {"loss": model.loss_curve_, **({_SCORE: scores} if scores else {})}
    if history is None and hasattr(model, "fit"):
        raise not_fitted(f"[learning_curves] this {type(model).__name__} was not fitted by epochs")
    if history is None or not all(np.ndim(values) == 1 for values in history.values()):
        raise TypeError(
            "[learning_curves] model must be one trained network or estimator, or a dict of names "
            f"to numbers, got {type(model).__name__}: draw several one by one, each with its ax"
        )
    checked: Mapping[str, Sequence[float]] = history
    return checked


def _draw_curve(axes: Axes, name: str, history: Mapping[str, Sequence[float]]) -> None:
    training = history[name]
    # A single epoch has no line.
    marker = "o" if len(training) == 1 else None
    epochs = range(1, len(training) + 1)
    validated = name == _SCORE
    color = VALIDATION_COLOR if validated else TRAINING_COLOR
    label = "validation" if validated else "training"
    axes.plot(epochs, training, color=color, marker=marker, label=label)
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
    axes.set(xlabel="epoch", ylabel=plain(name))
    axes.locator_params(axis="x", integer=True)
    tidy(axes)
    axes.legend(frameon=False, fontsize="small")


class LiveCurves(Callback):
    """Draw the learning curves while the network trains, each time over the last.

    In a notebook the picture stands below the cell; elsewhere it has a window, where matplotlib's
    backend has windows. Without a window pyplot does not know the figure, and nothing has to be
    closed, however the fit ends; ``axes`` has it.

    Parameters
    ----------
    names : sequence of str, optional
        What to draw, a panel each; by default everything in the history.
    every : float, default=1.0
        Seconds from one drawing to the next, at least. The last epoch is always drawn.

    Attributes
    ----------
    axes : list of matplotlib Axes
        What was drawn on; empty before the first epoch ends.

    Raises
    ------
    ImportError
        Without matplotlib, when the fit begins.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers
    >>> live = LiveCurves()
    >>> net = Sequential([layers.Dense(1)], loss="mse")
    >>> _ = net.fit(np.eye(4), np.arange(4), epochs=3, callbacks=[live])
    >>> len(live.axes[0].lines[0].get_xdata())
    3
    """

    def __init__(self, names: Sequence[str] | None = None, every: float = 1.0) -> None:
        self.names = names
        self.every = every
        check_at_least(self, 0, "every")
        self.axes: list[Axes] = []

    def __getstate__(self) -> dict[str, Any]:
        # A copy, as scikit-learn's clone makes one, begins a picture of its own.
        return {**vars(self), "axes": [], "_shown": None}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin a new picture."""
        require("matplotlib", "LiveCurves", extra="plot")
        self.axes = []
        self._shown: Any = None
        self._drawn_at = -math.inf

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Draw, unless that was done a moment ago."""
        if time.monotonic() - self._drawn_at >= self.every:
            self._draw()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Draw the whole training."""
        if self.model.history_:
            self._draw()

    def _draw(self) -> None:
        for panel in self.axes:
            panel.clear()
        self.axes = learning_curves(self.model, self.names, ax=self.axes or None)
        figure: Any = self.axes[0].figure
        notebook = in_notebook()
        if not notebook and figure.canvas.required_interactive_framework:
            figure.show()
            figure.canvas.draw()
            figure.canvas.flush_events()
        else:
            # A figure of pyplot would be shown once more when the cell ends.
            require("matplotlib.pyplot", "LiveCurves", extra="plot").close(figure)
        if notebook:
            self._show_in_notebook(figure)
        self._drawn_at = time.monotonic()

    def _show_in_notebook(self, figure: Any) -> None:
        from IPython.display import Image, display

        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=90)
        image = Image(data=data.getvalue())
        if self._shown is None:
            self._shown = display(image, display_id=True)
        else:
            self._shown.update(image)
