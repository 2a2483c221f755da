"""Weights, gradients and dead units over the epochs, as a `LayerRecorder` saw them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganglion.callbacks import LayerRecorder
from ganglion.figure import TRAINING_COLOR, VALIDATION_COLOR, panels, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Histograms of one panel, and how far each reaches over the next.
_RIDGES, _OVERLAP = 12, 2.2
# Of layers, in this order and again from the first.
_COLORS = TRAINING_COLOR, VALIDATION_COLOR, *(f"C{index}" for index in range(2, 10))
# Rare values far out would leave the rest no width: this share is left out at either side.
_TAIL = 0.2


def weight_histograms(
    recorder: LayerRecorder,
    names: Sequence[str] | None = None,
    *,
    gradients: bool = False,
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw how weights, or their gradients, were distributed, one histogram behind the other.

    The first look is at the back, the last in front. Up to twelve of them are drawn. Gradients are
    shown by their size, in powers of ten, which tells where they vanish or explode; how many are
    exactly 0 stands in the title.

    Parameters
    ----------
    recorder : LayerRecorder
        A callback that a fit had.
    names : sequence of str, optional
        Weights, a panel each; by default those of two and more dimensions: kernels, no biases.
    gradients : bool, default=False
        Whether to draw the gradients of the loss instead of the weights.
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
    ValueError
        For a recorder that saw nothing, no names or an unknown one, or another number of axes than
        of names.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers
    >>> X = np.eye(4)
    >>> recorder = LayerRecorder(X, X[0])
    >>> net = Sequential([layers.Dense(8, "relu"), layers.Dense(1)], loss="mse", random_state=0)
    >>> _ = net.fit(X, X[0], epochs=3, callbacks=[recorder])
    >>> [panel.get_title() for panel in weight_histograms(recorder)]
    ['dense/kernel', 'dense_1/kernel']
    """
    place = "weight_histograms"
    _check_recorder(place, recorder)
    seen = recorder.gradients if gradients else recorder.weights
    names = list(recorder.kernels if names is None else names)
    for name in names:
        if name not in seen:
            raise ValueError(f"[{place}] unknown name {name!r}, the recorder has {list(seen)}")
    drawn = panels(place, ax, len(names), size=(4.0, 3.8))
    for panel, name in zip(drawn, names, strict=True):
        values, title = seen[name], plain(name)
        if gradients:
            title += f" ({np.mean(values[-1] == 0):.0%} are 0 at the end)"
            values = [np.log10(np.abs(gradient[gradient != 0])) for gradient in values]
            panel.xaxis.set_major_formatter("$10^{{{x:g}}}$")
        # A layer that was frozen at first has no looks before it was trained.
        _draw_ridges(panel, recorder.epochs[-len(values) :], values)
        panel.set_title(title, fontsize="medium")
        panel.set_xlabel("size of the gradient" if gradients else "weight")
        panel.set_ylabel("epoch", labelpad=8)
        panel.locator_params(axis="x", nbins=6)
    return drawn


def _check_recorder(place: str, recorder: Any) -> None:
    if not isinstance(recorder, LayerRecorder):
        raise TypeError(f"[{place}] recorder must be a LayerRecorder, got {recorder!r}")
    if not recorder.epochs:
        raise ValueError(f"[{place}] the recorder saw no fit: give it to fit as a callback")


def _draw_ridges(axes: Axes, epochs: Sequence[int], values: Sequence[NDArray[Any]]) -> None:
    from matplotlib import colormaps

    shown = np.unique(np.linspace(0, len(epochs) - 1, _RIDGES).round().astype(int))
    everything = np.concatenate([values[index] for index in shown])
    low, high = np.percentile(everything, [_TAIL, 100 - _TAIL]) if everything.size else (0.0, 0.0)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    # So many that a bin has enough of the values to tell more than chance.
    bins = int(np.clip(np.sqrt(everything.size / len(shown)), 10, 80))
    edges = np.linspace(low, high, bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    counts = [np.histogram(values[index], edges)[0] for index in shown]
    tallest = max(1, max(count.max() for count in counts))
    colors = colormaps["viridis"](np.linspace(0.85, 0.1, len(shown)))
    for position, (count, color) in enumerate(zip(counts, colors, strict=True)):
        # The first at the back: at the top of the picture, and drawn first.
        base = len(shown) - 1 - position
        height = base + _OVERLAP * count / tallest
        axes.fill_between(
            centres,
            base,
            height,
            facecolor=color,
            edgecolor="white",
            linewidth=0.7,
            zorder=position,
        )
    axes.set_yticks(range(len(shown)), [str(epochs[index]) for index in shown[::-1]])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(low, high)
    tidy(axes, grid=False)
    axes.spines["left"].set_visible(False)


def dead_units(recorder: LayerRecorder, *, ax: Axes | None = None) -> Axes:
    """Draw the share of dead units in each layer against epochs.

    Parameters
    ----------
    recorder : LayerRecorder
        A callback that a fit had; it says what a dead unit is.
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
        For a recorder that saw nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers
    >>> X = np.eye(4)
    >>> recorder = LayerRecorder(X, X[0])
    >>> net = Sequential([layers.Dense(8, "relu"), layers.Dense(1)], loss="mse", random_state=0)
    >>> _ = net.fit(X, X[0], epochs=3, callbacks=[recorder])
    >>> dead_units(recorder).get_ylabel()
    'dead units'
    """
    _check_recorder("dead_units", recorder)
    (panel,) = panels("dead_units", ax)
    for color, (name, counts) in zip(cycle(_COLORS), recorder.dead_units.items(), strict=False):
        units = recorder.units[name]
        label = f"{plain(name)}: {counts[-1]} of {units} at the end"
        panel.plot(recorder.epochs, np.array(counts) / units, color=color, label=label)
    panel.set(xlabel="epoch", ylabel="dead units")
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.locator_params(axis="x", integer=True)
    tidy(panel)
    if recorder.dead_units:
        panel.legend(frameon=False, fontsize="small")
    return panel
