"""A network as boxes and arrows, with the shapes of what flows between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganglion.errors import not_fitted
from ganglion.graph import Graph
from ganglion.model import Model
from ganglion.optional import require
from ganglion.plot.boxes import MARGIN, Chain
from ganglion.plot.graph_drawing import GraphDrawing
from ganglion.sequential import Sequential

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def network(model: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the layers of a network, what each has, and the shapes between them.

    Parameters
    ----------
    model : Sequential, Model or estimator
        A network that was built, or an estimator that was fitted. Of a `Model` the graph is drawn,
        inputs above and outputs below; a layer in several places has a box in each.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, large enough for the text.

    Returns
    -------
    matplotlib Axes
        Where it was drawn; one unit is an inch.

    Raises
    ------
    ImportError
        Without matplotlib.
    NotFittedError
        For a network without shapes yet.
    TypeError
        For anything else.

    Examples
    --------
    >>> from ganglion import Sequential, layers
    >>> net = Sequential([layers.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1)])
    >>> [text.get_text() for text in network(net).texts][:2]
    ['Input', 'input']
    """
    net = getattr(model, "network_", model)
    if not isinstance(net, (Sequential, Model)):
        raise TypeError(
            f"[network] model must be a Sequential, a Model, or one of ganglion's estimators that "
            f"was fitted, got {type(model).__name__}"
        )
    if not net.built:
        raise not_fitted("[network] the network has no shapes yet: call fit, or build((None, ...))")
    rows = {id(row.layer): row for row in net.layer_rows}
    drawn: Chain | GraphDrawing
    recipe = net.current("network").recipe
    if isinstance(recipe.graph, Graph):
        drawn = GraphDrawing(recipe.graph, recipe.output_names, rows)
    else:
        drawn = Chain(net.layers, rows)
    if ax is None:
        pyplot = require("matplotlib.pyplot", "network", extra="plot")
        size = drawn.width + 2 * MARGIN, drawn.height + 2 * MARGIN
        figure = pyplot.figure(figsize=size)
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.set_xlim(-drawn.width / 2 - MARGIN, drawn.width / 2 + MARGIN)
    ax.set_ylim(-drawn.height - MARGIN, MARGIN)
    drawn.draw(ax, 0.0, 0.0)
    axes: Axes = ax
    return axes
