"""A graph as boxes in layers, and arrows between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ganglion.drawing import Call, Node
from ganglion.graph import Graph
from ganglion.plot.boxes import BESIDE, GAP, LINE, SIGNS, Beside, Box, Rows, arrow, part_of, text
from ganglion.plot.layering import Place, arrange, join
from ganglion.summary import shape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches. Between two rows of boxes: straight out, bent, and straight in.
_OUT, _BEND, _IN = 0.26, 0.5, 0.16
_SMALL, _LETTER = 0.27, 0.075
# Between arrows that reach one box, and between the results that leave one.
_REACHING, _LEAVING = 0.3, 0.95
# Less than this aside is straight.
_NEARLY = 0.02
_SIGNS = {**SIGNS, "subtract": "−", "divide": "÷", "matmul": "@"}


@dataclass
class _Small:
    """An operation, or the name of an output."""

    label: str
    is_end: bool = False
    height: float = _SMALL

    @property
    def width(self) -> float:
        return max(_SMALL, 0.12 + _LETTER * len(self.label))

    def draw(self, axes: Axes, x: float, top: float) -> None:
        """Draw the node; ``x`` is its middle, ``top`` its upper edge."""
        from matplotlib.patches import FancyBboxPatch

        if not self.is_end:
            axes.add_patch(
                FancyBboxPatch(
                    (x - self.width / 2, top - self.height),
                    self.width,
                    self.height,
                    boxstyle="round,pad=0,rounding_size=0.13",
                    facecolor="white",
                    edgecolor=LINE,
                    linewidth=1,
                )
            )
        size = 9 if self.is_end else 8
        text(axes, x, top - self.height / 2, self.label, ha="center", fontsize=size)


@dataclass(eq=False)
class _Item:
    """What stands somewhere in the drawing."""

    part: Box | Beside | _Small
    place: Place
    reaching: list[Place] = field(default_factory=list)  # from above, each once


@dataclass(eq=False)
class _Result:
    """What a call makes, and the way it takes to those that read it."""

    node: Node
    source: _Item
    passed: list[Place] = field(default_factory=list)  # in the layers behind the source's
    readers: list[_Item] = field(default_factory=list)


class GraphDrawing:
    """The drawing of a graph. ``draw`` takes the middle of its upper edge.

    Parameters
    ----------
    graph : Graph
        How the layers are joined.
    output_names : sequence of str
        In order.
    rows : dict of int to LayerRow
        The layers, by their id.
    """

    def __init__(self, graph: Graph, output_names: Sequence[str], rows: Rows) -> None:
        items = _items(graph, rows)
        last = max(item.place.rank for item in items.values()) + 1
        ends = []
        for name in output_names:
            label = _Small(name, is_end=True)
            ends.append(_Item(label, Place(label.width, last)))
        self._results = _results(graph, items, ends)
        self._items = [*items.values(), *ends]
        places = [item.place for item in self._items]
        for result in self._results:
            _lead(result)
            places += result.passed
        ranks = arrange(places, BESIDE)
        left = min(place.x - place.width / 2 for place in places)
        right = max(place.x + place.width / 2 for place in places)
        self.width: float = right - left + BESIDE  # shapes stand to the right of arrows
        for place in places:
            place.x -= (left + right) / 2
        self._heights = [0.0] * len(ranks)
        for item in self._items:
            rank = item.place.rank
            self._heights[rank] = max(self._heights[rank], item.part.height)
        self._leaving = _leaving(self._results)
        self._gaps = [GAP] * (len(ranks) - 1)
        for result in self._results:
            for start, (_, end) in self._segments(result):
                if abs(start[1] - end) > _NEARLY:
                    self._gaps[start[0]] = _OUT + _BEND + _IN
        self.height: float = sum(self._heights) + sum(self._gaps)

    def draw(self, axes: Axes, x: float, top: float) -> None:
        """Draw all nodes and arrows; ``x`` is the middle, ``top`` the upper edge."""
        self._middle = x
        self._tops = [
            top - sum(self._heights[:rank]) - sum(self._gaps[:rank])
            for rank in range(len(self._heights))
        ]
        for result in self._results:
            self._draw_result(axes, result)
        for item in self._items:
            item.part.draw(axes, x + item.place.x, self._top_of(item))

    def _top_of(self, item: _Item) -> float:
        rank = item.place.rank
        return self._tops[rank] - (self._heights[rank] - item.part.height) / 2

    def _segments(
        self, result: _Result
    ) -> Iterator[tuple[tuple[int, float], tuple[_Item | None, float]]]:
        """Yield from where to where arrows go between two layers: rank and x; reader and x."""
        rank = result.source.place.rank
        way = [self._leaving[result], *(place.x for place in result.passed)]
        for behind, (start, end) in enumerate(zip(way, way[1:], strict=False)):
            yield (rank + behind, start), (None, end)
        for item in result.readers:
            behind = item.place.rank - rank - 1
            last = result.passed[behind - 1] if behind else result.source.place
            yield (rank + behind, way[behind]), (item, _entry(item, last))

    def _draw_result(self, axes: Axes, result: _Result) -> None:
        x, source = self._middle, result.source
        rank, leaving = source.place.rank, x + self._leaving[result]
        bottom = self._bottom(rank)
        below = self._top_of(source) - source.part.height
        axes.plot([leaving, leaving], [below, bottom], color=LINE, linewidth=1)
        for (start_rank, start), (item, end) in self._segments(result):
            low, gap = self._bottom(start_rank), self._gaps[start_rank]
            high = self._tops[start_rank + 1]
            tip = high if item is None else self._top_of(item)
            out, into = low - min(_OUT, gap / 3), high + min(_IN, gap / 3)
            axes.plot([x + start] * 2, [low, out], color=LINE, linewidth=1)
            _curve(axes, (x + start, out), (x + end, into))
            if item is None:
                after = self._bottom(start_rank + 1)
                axes.plot([x + end] * 2, [into, after], color=LINE, linewidth=1)
            elif tip < high:
                axes.plot([x + end] * 2, [into, tip + _IN], color=LINE, linewidth=1)
                arrow(axes, (x + end, tip + _IN), (x + end, tip))
            else:
                arrow(axes, (x + end, into), (x + end, tip))
        label = shape_text(result.node.shape)
        text(axes, leaving + 0.06, bottom - 0.13, label, color=LINE)

    def _bottom(self, rank: int) -> float:
        return self._tops[rank] - self._heights[rank]


def _items(graph: Graph, rows: Rows) -> dict[Call, _Item]:
    """Return the calls as what is drawn, each in the layer below all that it reads."""
    items: dict[Call, _Item] = {}
    seen: set[int] = set()
    for call in graph.calls:
        if call.layer is None:
            part: Any = _Small(_label(call))
        else:
            part = part_of(call.layer, rows, id(call.layer) in seen)
            seen.add(id(call.layer))
        above = [items[node.call].place.rank for node in call.operands()]
        items[call] = _Item(part, Place(part.width, max(above, default=-1) + 1))
    for call in graph.calls:  # a constant stands above what reads it
        if not call.is_input and not list(call.operands()):
            below = [
                items[other].place.rank
                for other in graph.calls
                if any(node.call is call for node in other.operands())
            ]
            items[call].place.rank = max(min(below, default=1) - 1, 0)
    return items


def _label(call: Call) -> str:
    """Return what an operation is called, with a number that is part of it."""
    if call.kind == "constant":
        array = np.asarray(call.arguments[0])
        return f"{array.item():g}" if array.size == 1 else f"constant {shape_text(array.shape)}"
    sign = _SIGNS.get(call.kind)
    if sign is None:
        return call.kind.removeprefix("reduce_").replace("_", " ")
    numbers = [isinstance(given, (int, float, np.number)) for given in call.arguments]
    parts = [
        f" {given:g} " if is_number else ""
        for given, is_number in zip(call.arguments, numbers, strict=True)
    ]
    return sign.join(parts).strip()


def _results(graph: Graph, items: dict[Call, _Item], ends: Sequence[_Item]) -> list[_Result]:
    """Return what is read of what calls make, and by which."""
    found: dict[Node, _Result] = {}
    reading = [(node, items[call]) for call in graph.calls for node in call.operands()]
    reading += zip(graph.outputs, ends, strict=True)
    for node, reader in reading:
        result = found.setdefault(node, _Result(node, items[node.call]))
        if reader not in result.readers:
            result.readers.append(reader)
    return list(found.values())


def _lead(result: _Result) -> None:
    """Join the places on the way to all that read a result."""
    last = result.source.place
    deepest = max(item.place.rank for item in result.readers)
    way = [last]
    for rank in range(last.rank + 1, deepest):
        place = Place(_SMALL / 2, rank, is_passed=True)
        result.passed.append(place)
        join(way[-1], place)
        way.append(place)
    for item in result.readers:
        before = way[item.place.rank - last.rank - 1]
        join(before, item.place)
        item.reaching.append(before)


def _leaving(results: Sequence[_Result]) -> dict[_Result, float]:
    """Return where results leave what makes them: in the middle, several beside each other."""
    together: dict[_Item, list[_Result]] = {}
    for result in results:
        together.setdefault(result.source, []).append(result)
    found = {}
    for source, made in together.items():
        made.sort(key=lambda result: result.node.call.nodes.index(result.node))
        apart = min(_LEAVING, source.part.width / len(made))
        for index, result in enumerate(made):
            found[result] = source.place.x + (index - (len(made) - 1) / 2) * apart
    return found


def _entry(item: _Item, before: Place) -> float:
    """Return where an arrow reaches a box: those from the left further to the left."""
    ordered = sorted(item.reaching, key=lambda place: place.x)
    apart = min(_REACHING, 0.8 * item.part.width / len(ordered))
    return item.place.x + (ordered.index(before) - (len(ordered) - 1) / 2) * apart


def _curve(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if abs(start[0] - end[0]) < _NEARLY:
        axes.plot([end[0]] * 2, [start[1], end[1]], color=LINE, linewidth=1)
        return
    middle = (start[1] + end[1]) / 2
    corners = [start, (start[0], middle), (end[0], middle), end]
    path = Path(corners, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    axes.add_patch(PathPatch(path, facecolor="none", edgecolor=LINE, linewidth=1))
