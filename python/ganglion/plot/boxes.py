"""The parts of a diagram: a layer, layers below and beside each other, arrows and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganglion.built import LayerRow
from ganglion.figure import TRAINING_COLOR
from ganglion.layers import Branches, Input, Layer, Residual
from ganglion.summary import shape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches.
_WIDTH, _HEIGHT, GAP = 2.5, 0.52, 0.42
BESIDE, _STUB, _FAN, _MERGE = 0.45, 0.28, 0.5, 0.13
MARGIN = 0.25
# Of the size of small text, in a box.
_LETTERS = 40
# Of lines, and of text that is not the first thing to read.
LINE = "0.35"
AGAIN = (0, (4, 3))
SIGNS = {"add": "+", "multiply": "×"}

Rows = Mapping[int, LayerRow]  # of layers, by their id


class Chain:
    """Layers below each other. ``draw`` takes the middle of its upper edge."""

    def __init__(self, layers: Sequence[Layer], rows: Rows) -> None:
        self.parts = [part_of(layer, rows) for layer in layers]
        self.width: float = max([part.width for part in self.parts], default=BESIDE)
        gaps = GAP * max(len(self.parts) - 1, 0)
        self.height: float = sum(part.height for part in self.parts) + gaps

    def draw(self, axes: Axes, x: float, top: float) -> None:
        """Draw layers and the arrows between; ``x`` is the middle, ``top`` the upper edge."""
        for index, part in enumerate(self.parts):
            part.draw(axes, x, top)
            top -= part.height
            if index < len(self.parts) - 1:
                arrow(axes, (x, top), (x, top - GAP))
                shape_label(axes, x, top - GAP / 2, part.row)
                top -= GAP


@dataclass
class Box:
    """One layer; with a dashed edge where it stands again, with the weights that it has."""

    row: LayerRow
    stands_again: bool = False
    width: float = _WIDTH
    height: float = _HEIGHT

    def draw(self, axes: Axes, x: float, top: float) -> None:
        """Draw the box; ``x`` is its middle, ``top`` its upper edge."""
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
                linestyle=AGAIN if self.stands_again else "-",
            )
        )
        text(axes, x, top - 0.17, _title(row.layer), ha="center", fontsize=10)
        below = row.name
        if self.stands_again:
            below += ", same weights"
        elif not plain:
            below += f", {row.weights:,} params"
        size = min(8.0, 8.0 * _LETTERS / len(below))
        text(axes, x, top - 0.37, below, ha="center", color=LINE, fontsize=size)


class Beside:
    """Chains beside each other in a frame, from one value to one merged."""

    def __init__(self, row: LayerRow, chains: Sequence[Chain], merge: str) -> None:
        self.row = row
        self.chains = chains
        self.merge = merge
        inner = sum(chain.width for chain in chains) + BESIDE * (len(chains) - 1)
        self.width: float = max(inner, _WIDTH) + 2 * MARGIN
        self.inner = inner
        self.deepest = max(chain.height for chain in chains)
        self.height: float = self.deepest + 2 * _FAN + 2 * _MERGE + 2 * _STUB

    def draw(self, axes: Axes, x: float, top: float) -> None:
        """Draw the paths and where they meet; ``x`` is the middle, ``top`` the upper edge."""
        split = top - _STUB
        first = split - _FAN
        merge = first - self.deepest - _FAN - _MERGE
        self._draw_frame(axes, x - self.width / 2, top)
        axes.plot([x, x], [top, split], color=LINE, linewidth=1)
        left = x - self.inner / 2
        for chain in self.chains:
            middle = left + chain.width / 2
            below = first - chain.height
            if chain.parts:
                _bent(axes, [(x, split), (middle, split), (middle, first)])
                chain.draw(axes, middle, first)
                shape_label(axes, middle, (below + merge) / 2, chain.parts[-1].row)
            else:
                axes.plot([x, middle, middle], [split, split, below], color=LINE, linewidth=1)
            if abs(middle - x) < _MERGE:
                _bent(axes, [(middle, below), (x, merge + _MERGE)])
            else:
                end = x + (_MERGE if middle > x else -_MERGE), merge
                _bent(axes, [(middle, below), (middle, merge), end])
            left += chain.width + BESIDE
        self._draw_merge(axes, x, merge)
        axes.plot([x, x], [merge - _MERGE, top - self.height], color=LINE, linewidth=1)

    def _draw_frame(self, axes: Axes, left: float, top: float) -> None:
        from matplotlib.patches import Rectangle

        frame = Rectangle((left, top - self.height), self.width, self.height)
        frame.set(facecolor="none", edgecolor="0.7", linestyle=AGAIN)
        axes.add_patch(frame)
        label = f"{self.row.name} ({self.row.kind})"
        text(axes, left + 0.08, top - 0.13, label, color=LINE)

    def _draw_merge(self, axes: Axes, x: float, y: float) -> None:
        from matplotlib.patches import Circle

        axes.add_patch(Circle((x, y), _MERGE, facecolor="white", edgecolor=LINE))
        if self.merge in SIGNS:
            text(axes, x, y, SIGNS[self.merge], ha="center", fontsize=11)
        else:
            below = y - _MERGE - _STUB / 2
            text(axes, x + 0.08, below, self.merge, color=LINE)


def part_of(layer: Layer, rows: Rows, stands_again: bool = False) -> Box | Beside:
    """Return what a layer is drawn as: a box, or branches beside each other."""
    row = rows[id(layer)]
    if isinstance(layer, Residual):
        chains = [Chain(layer.layers, rows), Chain(layer.shortcut or [], rows)]
        return Beside(row, chains, "add")
    if isinstance(layer, Branches):
        return Beside(row, [Chain(branch, rows) for branch in layer.branches], layer.merge)
    return Box(row, stands_again)


def _title(layer: Layer) -> str:
    activation: Any = getattr(layer, "activation", None)
    kind = type(layer).__name__
    if activation is None or isinstance(layer, Input):
        return kind
    return f"{kind}, {activation.registered_name.removesuffix('_activation')}"


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a straight arrow."""
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={"arrowstyle": "-|>", "color": LINE, "shrinkA": 0, "shrinkB": 0},
    )


def _bent(axes: Axes, corners: Sequence[tuple[float, float]]) -> None:
    """Draw a line around corners that ends in an arrow."""
    *way, end = corners
    axes.plot(*zip(*way, strict=True), color=LINE, linewidth=1)
    arrow(axes, way[-1], end)


def shape_label(axes: Axes, x: float, y: float, row: LayerRow) -> None:
    """Write beside an arrow what shape it carries."""
    text(axes, x + 0.08, y, shape_text(row.output_shape), color=LINE)


def text(axes: Axes, x: float, y: float, text: str, **looks: Any) -> None:
    """Write something, small unless it is said otherwise."""
    # A dollar in a name begins no formula.
    axes.text(x, y, text, **{"va": "center", "fontsize": 8, "parse_math": False, **looks})
