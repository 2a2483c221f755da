"""A network as boxes and arrows, with the shapes of what flows between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganglion.built import LayerRow
from ganglion.errors import not_fitted
from ganglion.figure import TRAINING_COLOR
from ganglion.layers import Branches, Input, Layer, Residual
from ganglion.optional import require
from ganglion.sequential import Sequential
from ganglion.summary import shape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches.
_WIDTH, _HEIGHT, _GAP = 2.5, 0.52, 0.42
_BESIDE, _STUB, _FAN, _MERGE = 0.45, 0.28, 0.5, 0.13
_MARGIN = 0.25
# Of the size of small text, in a box.
_LETTERS = 40
# Of lines, and of text that is not the first thing to read.
_LINE = "0.35"
_SIGNS = {"add": "+", "multiply": "×"}


def network(model: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the layers of a network, what each has, and the shapes between them.

    Parameters
    ----------
    model : Sequential or estimator
        A network that was built, or an estimator that was fitted.
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
    if not isinstance(net, Sequential):
        raise TypeError(
            f"[network] model must be a Sequential, or one of ganglion's estimators that was "
            f"fitted, got {type(model).__name__}"
        )
    if not net.built:
        raise not_fitted("[network] the network has no shapes yet: call fit, or build((None, ...))")
    rows = {id(row.layer): row for row in net.layer_rows}
    chain = _Chain(net.layers, rows)
    if ax is None:
        pyplot = require("matplotlib.pyplot", "network", extra="plot")
        size = chain.width + 2 * _MARGIN, chain.height + 2 * _MARGIN
        figure = pyplot.figure(figsize=size)
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.set_xlim(-chain.width / 2 - _MARGIN, chain.width / 2 + _MARGIN)
    ax.set_ylim(-chain.height - _MARGIN, _MARGIN)
    chain.draw(ax, 0.0, 0.0)
    drawn: Axes = ax
    return drawn


class _Chain:
    """Layers below each other. ``draw`` takes the middle of its upper edge."""

    def __init__(self, layers: Sequence[Layer], rows: dict[int, LayerRow]) -> None:
        self.parts = [_part(layer, rows) for layer in layers]
        self.width: float = max([part.width for part in self.parts], default=_BESIDE)
        gaps = _GAP * max(len(self.parts) - 1, 0)
        self.height: float = sum(part.height for part in self.parts) + gaps

    def draw(self, axes: Axes, x: float, top: float) -> None:
        for index, part in enumerate(self.parts):
            part.draw(axes, x, top)
            top -= part.height
            if index < len(self.parts) - 1:
                _arrow(axes, (x, top), (x, top - _GAP))
                _shape(axes, x, top - _GAP / 2, part.row)
                top -= _GAP


@dataclass
class _Box:
    """One layer."""

    row: LayerRow
    width: float = _WIDTH
    height: float = _HEIGHT

    def draw(self, axes: Axes, x: float, top: float) -> None:
        from matplotlib.patches import FancyBboxPatch

        row = self.row
        plain = row.weights == 0
        axes.add_patch(
            FancyBboxPatch(
                (x - self.width / 2, top - self.height),
                self.width,
                self.height,
                boxstyle="round,pad=0,rounding_size=0.06",
                facecolor="#f3f3f3" if plain else "#e4eef7",
                edgecolor="0.6" if plain else TRAINING_COLOR,
                linewidth=1,
            )
        )
        _text(axes, x, top - 0.17, _title(row.layer), ha="center", fontsize=10)
        below = row.name if plain else f"{row.name}, {row.weights:,} params"
        size = min(8.0, 8.0 * _LETTERS / len(below))
        _text(axes, x, top - 0.37, below, ha="center", color=_LINE, fontsize=size)


class _Beside:
    """Chains beside each other in a frame, from one value to one merged."""

    def __init__(self, row: LayerRow, chains: Sequence[_Chain], merge: str) -> None:
        self.row = row
        self.chains = chains
        self.merge = merge
        inner = sum(chain.width for chain in chains) + _BESIDE * (len(chains) - 1)
        self.width: float = max(inner, _WIDTH) + 2 * _MARGIN
        self.inner = inner
        self.deepest = max(chain.height for chain in chains)
        self.height: float = self.deepest + 2 * _FAN + 2 * _MERGE + 2 * _STUB

    def draw(self, axes: Axes, x: float, top: float) -> None:
        split = top - _STUB
        first = split - _FAN
        merge = first - self.deepest - _FAN - _MERGE
        self._draw_frame(axes, x - self.width / 2, top)
        axes.plot([x, x], [top, split], color=_LINE, linewidth=1)
        left = x - self.inner / 2
        for chain in self.chains:
            middle = left + chain.width / 2
            below = first - chain.height
            if chain.parts:
                _bent(axes, [(x, split), (middle, split), (middle, first)])
                chain.draw(axes, middle, first)
                _shape(axes, middle, (below + merge) / 2, chain.parts[-1].row)
            else:
                axes.plot([x, middle, middle], [split, split, below], color=_LINE, linewidth=1)
            if abs(middle - x) < _MERGE:
                _bent(axes, [(middle, below), (x, merge + _MERGE)])
            else:
                end = x + (_MERGE if middle > x else -_MERGE), merge
                _bent(axes, [(middle, below), (middle, merge), end])
            left += chain.width + _BESIDE
        self._draw_merge(axes, x, merge)
        axes.plot([x, x], [merge - _MERGE, top - self.height], color=_LINE, linewidth=1)

    def _draw_frame(self, axes: Axes, left: float, top: float) -> None:
        from matplotlib.patches import Rectangle

        frame = Rectangle((left, top - self.height), self.width, self.height)
        frame.set(facecolor="none", edgecolor="0.7", linestyle=(0, (4, 3)))
        axes.add_patch(frame)
        label = f"{self.row.name} ({self.row.kind})"
        _text(axes, left + 0.08, top - 0.13, label, color=_LINE)

    def _draw_merge(self, axes: Axes, x: float, y: float) -> None:
        from matplotlib.patches import Circle

        axes.add_patch(Circle((x, y), _MERGE, facecolor="white", edgecolor=_LINE))
        if self.merge in _SIGNS:
            _text(axes, x, y, _SIGNS[self.merge], ha="center", fontsize=11)
        else:
            below = y - _MERGE - _STUB / 2
            _text(axes, x + 0.08, below, self.merge, color=_LINE)


def _part(layer: Layer, rows: dict[int, LayerRow]) -> _Box | _Beside:
    row = rows[id(layer)]
    if isinstance(layer, Residual):
        chains = [_Chain(layer.layers, rows), _Chain(layer.shortcut or [], rows)]
        return _Beside(row, chains, "add")
    if isinstance(layer, Branches):
        return _Beside(row, [_Chain(branch, rows) for branch in layer.branches], layer.merge)
    return _Box(row)


def _title(layer: Layer) -> str:
    activation: Any = getattr(layer, "activation", None)
    kind = type(layer).__name__
    if activation is None or isinstance(layer, Input):
        return kind
    return f"{kind}, {activation.registered_name.removesuffix('_activation')}"


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={"arrowstyle": "-|>", "color": _LINE, "shrinkA": 0, "shrinkB": 0},
    )


def _bent(axes: Axes, corners: Sequence[tuple[float, float]]) -> None:
    """Draw a line around corners that ends in an arrow."""
    *way, end = corners
    axes.plot(*zip(*way, strict=True), color=_LINE, linewidth=1)
    _arrow(axes, way[-1], end)


def _shape(axes: Axes, x: float, y: float, row: LayerRow) -> None:
    _text(axes, x + 0.08, y, shape_text(row.output_shape), color=_LINE)


def _text(axes: Axes, x: float, y: float, text: str, **looks: Any) -> None:
    # A dollar in a name begins no formula.
    axes.text(x, y, text, **{"va": "center", "fontsize": 8, "parse_math": False, **looks})
