"""A graph of another library, read as layers within layers.

A network here is a chain, in which one layer may hold others: `Residual`, `Branches`. A graph can
be said so when its branches part and meet again like brackets. Where several results meet, the
nearest result that all paths to them go through is where they parted: their dominator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ganglion.layers import Branches, Layer, Rescaling, Residual

Array = NDArray[Any]


class Piece(NamedTuple):
    """A layer, and its weights in the order in which it makes them."""

    layer: Layer
    weights: list[Array]


@dataclass(eq=False)
class Node:
    """A step of a graph.

    Attributes
    ----------
    name : str
        What messages call it.
    kind : str
        What it computes, in the words of its library.
    inputs : list of Node
        Those that depend on the network's input, which has none itself.
    """

    name: str
    kind: str
    inputs: list[Node] = field(default_factory=list)


def weights_of(pieces: Sequence[Piece]) -> list[Array]:
    """Return the weights of layers, one after the other."""
    return [weight for piece in pieces for weight in piece.weights]


class GraphReader(ABC):
    """Reads a graph as a chain of layers.

    Parameters
    ----------
    place : str
        What the user called, named in errors.
    nodes : list of Node
        Of the graph, each behind its inputs; the network's input first.
    """

    # What a message calls a node.
    word = "node"
    # What combines several results: kind -> how `Branches` merges them, or "subtract".
    merges: dict[str, str]

    def __init__(self, place: str, nodes: Sequence[Node]) -> None:
        self.place = place
        self._read: set[Node] = set()
        self._dominators: dict[Node, Node] = {}
        self._depths: dict[Node, int] = {nodes[0]: 0}
        for node in nodes[1:]:
            dominator = node.inputs[0]
            for other in node.inputs[1:]:
                dominator = self._common(dominator, other)
            self._dominators[node] = dominator
            self._depths[node] = self._depths[dominator] + 1

    def _common(self, a: Node, b: Node) -> Node:
        while a is not b:
            if self._depths[a] < self._depths[b]:
                a, b = b, a
            a = self._dominators[a]
        return a

    def dominator(self, node: Node) -> Node:
        """Return the nearest node before this one that all paths to it go through."""
        return self._dominators[node]

    @abstractmethod
    def pieces_of(self, node: Node) -> list[Piece]:
        """Return what a node of one input is in layers; none where it passes its input on."""

    def composite(self, node: Node) -> tuple[Node, list[Piece]] | None:
        """Return where several nodes that end in this one begin, and what they are together."""
        return None

    def append(self, pieces: list[Piece], piece: Piece) -> None:
        """Put a layer behind others."""
        pieces.append(piece)

    def chain(self, start: Node, end: Node) -> list[Piece]:
        """Return the layers that make ``end`` from ``start``.

        Raises
        ------
        ValueError
            A node that is not supported, or branches that do not nest.
        """
        found: list[list[Piece]] = []
        node = end
        while node is not start:
            before, pieces = self._last_of_chain(start, node)
            found.append(pieces)
            node = before
        joined: list[Piece] = []
        for pieces in reversed(found):
            for piece in pieces:
                self.append(joined, piece)
        return joined

    def _last_of_chain(self, start: Node, node: Node) -> tuple[Node, list[Piece]]:
        whole = self.composite(node)
        if whole is not None and self._depths[whole[0]] >= self._depths[start]:
            return whole
        fork = self.dominator(node)
        if len(node.inputs) > 1:
            if node.kind not in self.merges:
                raise self.unsupported(node)
            branches = [self.chain(fork, one) for one in node.inputs]
            return fork, self._merged(node, branches)
        pieces = self.pieces_of(node)
        if weights_of(pieces) and node in self._read:
            raise self.refused(
                node,
                "is used by branches that do not nest: they must meet before their results are "
                "used elsewhere",
            )
        self._read.add(node)
        return fork, pieces

    def _merged(self, node: Node, branches: list[list[Piece]]) -> list[Piece]:
        merge = self.merges[node.kind]
        if merge == "subtract":
            self.append(branches[1], Piece(Rescaling(-1.0), []))
            merge = "add"
        chains = [[piece.layer for piece in branch] for branch in branches]
        weights = [weight for branch in branches for weight in weights_of(branch)]
        if merge == "add" and len(chains) == 2 and any(chains):
            layers, shortcut = chains if chains[0] else chains[::-1]
            return [Piece(Residual(layers, shortcut or None), weights)]
        return [Piece(Branches(chains, merge, **self.merge_settings(node)), weights)]

    def merge_settings(self, node: Node) -> dict[str, Any]:
        """Return the settings of `Branches` beside the branches and how they merge."""
        return {}

    @property
    @abstractmethod
    def supported(self) -> list[str]:
        """The kinds of nodes that can be read."""

    def unsupported(self, node: Node) -> ValueError:
        """Return the error that names a node of a kind that cannot be read."""
        inputs = "" if len(node.inputs) < 2 else " of several inputs that are no constants"
        return ValueError(
            f"[{self.place}] {self.word} {node.name!r} is a {node.kind}{inputs}, which is not "
            f"supported; supported are {', '.join(sorted(self.supported))}"
        )

    def refused(self, node: Node, why: str) -> ValueError:
        """Return the error that says why a node cannot be read whose kind can."""
        return ValueError(f"[{self.place}] {self.word} {node.name!r} ({node.kind}) {why}")
