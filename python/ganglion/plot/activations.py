"""Activation functions and their derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganglion import activations as library
from ganglion import initializers, layers, spec
from ganglion.activations import Activation
from ganglion.figure import TRAINING_COLOR, VALIDATION_COLOR, panels, tidy
from ganglion.sequential import Sequential
from ganglion.value import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 401
Function = str | Activation | Callable[[Value], Value]


def activations(
    names: Function | Sequence[Function] | None = None,
    *,
    low: float = -7.0,
    high: float = 7.0,
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw activation functions, and the derivatives that the core computes of them.

    Softmax and its like look at all features of a sample; they are drawn for the first of two, the
    other being 0. "prelu" is drawn with a slope of 0.25.

    Parameters
    ----------
    names : str, Activation or callable, or a sequence of them, optional
        What a layer takes as its activation, a panel each; by default all that ganglion has.
    low, high : float, default=-7 and 7
        What is put in, from and to.
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
    ValueError, TypeError
        For no names or an unknown one, ``low`` not below ``high``, or another number of axes.

    Examples
    --------
    >>> panels = activations(["relu", "gelu"])
    >>> [panel.get_title() for panel in panels]
    ['relu', 'gelu']
    """
    if not low < high:
        raise ValueError(f"[activations] low must be less than high, got {low!r} and {high!r}")
    if names is None:
        chosen = _own_names()
    elif isinstance(names, str) or callable(names):
        chosen = [names]
    else:
        chosen = list(names)
    functions = [_function(name) for name in chosen]
    drawn = panels("activations", ax, len(chosen), columns=6, size=(2.4, 2.1))
    x = np.linspace(low, high, _POINTS)
    for panel, name, function in zip(drawn, chosen, functions, strict=True):
        y, derivative = _evaluate(function, x)
        panel.axhline(0.0, color="0.8", linewidth=0.8)
        panel.plot(x, y, color=TRAINING_COLOR, label="function")
        panel.plot(x, derivative, color=VALIDATION_COLOR, linestyle="--", label="derivative")
        panel.set_title(name if isinstance(name, str) else repr(function), fontsize="medium")
        panel.set_xticks([low, (low + high) / 2, high])
        tidy(panel)
    drawn[0].legend(frameon=False, fontsize="small")
    return drawn


def _function(name: Function) -> Activation | None:
    if isinstance(name, str) and name == "prelu":
        # By itself it begins as ReLU, which has a panel already.
        return library.PReLU(initializers.Constant(0.25))
    return library.get(name)


def _own_names() -> list[Function]:
    classes = spec.registry("activation").items()
    return [name for name, cls in classes if cls.__module__.startswith("ganglion.")]


def _evaluate(
    function: Activation | None, x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the function of each number, beside a second feature that is 0, and its derivative."""
    net = Sequential([layers.Activation(function)], dtype="float64", random_state=0)
    y = net.forward(np.stack([x, np.zeros_like(x)], axis=1))
    first = np.zeros_like(y)
    first[:, 0] = 1.0
    derivative = net.backward(first)
    return y[:, 0], derivative[:, 0]
