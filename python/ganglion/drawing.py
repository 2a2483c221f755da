"""Networks drawn in Keras's style: layers and operations as they are applied to nodes.

``Dense(8)(x)`` on a :class:`Node` computes nothing and writes nothing. It returns another node,
which remembers how it is made; a `Model` does that again in every program it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ganglion.masks import masked
from ganglion.nodes import node_of
from ganglion.tracing import Trace, set_outside
from ganglion.value import Operand, Shape, Value
from ganglion.variables import Variables

Layer = Any  # of ganglion.layers, which know this module

_CONSTANT = "constant"

# Where the number of steps is open it is tried out, two at a time: what differs between the two
# follows the steps. Many first, which pooling does not use up; then few, where layers have a
# longest sequence.
TRIED_STEPS = ((64, 96), (1024, 1536), (16, 24), (4, 6))


def common_shape(shape: Shape, other: Shape) -> Shape:
    """Return a shape with None for the sizes in which it differs from another.

    Examples
    --------
    >>> common_shape((None, 64, 3), (None, 96, 3))
    (None, None, 3)
    """
    return tuple(a if a == b else None for a, b in zip(shape, other, strict=True))


class Call:
    """A layer or an operation as it was applied to nodes.

    Attributes
    ----------
    layer : Layer or None
        None for an operation.
    kind : str
        The operation; empty for a layer.
    arguments : tuple
        Nodes, numbers, arrays, and lists of them.
    keywords : dict
        The same by name; the attributes of an operation.
    nodes : list of Node
        The results.
    batch_size : int or None
        Samples of every batch, where an input says so.
    network : object
        The network that was called, of which this is a part; None where there is none.
    """

    def __init__(
        self,
        layer: Layer | None,
        kind: str,
        arguments: Sequence[Any],
        keywords: Mapping[str, Any],
    ) -> None:
        self.layer = layer
        self.kind = kind
        self.arguments = tuple(arguments)
        self.keywords = dict(keywords)
        self.nodes: list[Node] = []
        sizes = (node.call.batch_size for node in self.operands())
        self.batch_size: int | None = next((size for size in sizes if size is not None), None)
        self.network: Any = None

    @property
    def is_input(self) -> bool:
        """Whether it stands for what a user gives."""
        return self.layer is not None and not self.arguments

    def operands(self) -> Iterator[Node]:
        """Yield the nodes among the arguments."""
        yield from _nodes_in([self.arguments, list(self.keywords.values())])

    def write(self, trace: Trace, value_of: Callable[[Node], Value]) -> list[Value]:
        """Append it to a program; return its results."""
        arguments = mapped(self.arguments, value_of)
        if self.kind == _CONSTANT:
            return [trace.constant(self.arguments[0])]
        if self.layer is None:
            result = trace.apply(self.kind, *arguments, **self.keywords)
            return [masked(trace, self.kind, arguments, self.keywords, result)]
        return _as_list(self.layer(*arguments, **mapped(self.keywords, value_of)))

    def draw(self) -> Any:
        """Return nodes for the results, of the shapes that they have in a program."""
        self.nodes = [Node(self, shape) for shape in self._shapes()]
        return self.nodes[0] if len(self.nodes) == 1 else tuple(self.nodes)

    def _shapes(self) -> list[Shape]:
        if all(None not in node.shape[1:] for node in self.operands()):
            return self._shapes_for(None)
        refused: ValueError | None = None
        for few, many in TRIED_STEPS:
            try:
                pairs = zip(self._shapes_for(few), self._shapes_for(many), strict=True)
                return [common_shape(*pair) for pair in pairs]
            except ValueError as error:
                refused = refused or error
        assert refused is not None
        raise refused

    def _shapes_for(self, steps: int | None) -> list[Shape]:
        trace = Trace(training=False, variables=Variables())
        trace.batch_size = self.batch_size
        values: dict[Node, Value] = {}

        def value_of(node: Node) -> Value:
            if node not in values:
                shape = (*node.shape[:1], *(size or steps for size in node.shape[1:]))
                values[node] = trace.input(f"x{len(values)}", shape)
            return values[node]

        with trace:
            return [value.shape for value in self.write(trace, value_of)]


class Node(Value):
    """What a layer or an operation will make: a value of a graph, without a program.

    Attributes
    ----------
    call : Call
        What makes it.
    shape : tuple of int or None
        With None for the batch.
    """

    __slots__ = ("_shape", "call")

    def __init__(self, call: Call, shape: Shape) -> None:
        super().__init__(_DRAWING, -1)  # none of a program
        self.call = call
        self._shape = shape

    @property
    def shape(self) -> Shape:
        return self._shape

    @property
    def is_input(self) -> bool:
        return self.call.is_input

    def argument_of(self, kind: str) -> Value | None:
        """Return None: operations are seen in programs."""
        return None

    def __repr__(self) -> str:
        return f"<Node {self.shape} from {self.call.layer or self.call.kind!r}>"


class _Drawing(Trace):
    """Where operations on nodes go, since no program is being written."""

    def __init__(self) -> None:
        self.fold = 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # somebody looks what this is
            raise AttributeError(name)
        raise RuntimeError(
            "[ops] work on the values of a program or a graph; call them in a build method, on "
            "layers.Input and what layers make of it (but what draws numbers), or look at their "
            "result with ops.evaluate"
        )

    # Arrays are copied: programs are written later, and the user's may have changed by then.

    def constant(self, array: npt.ArrayLike) -> Value:
        node: Value = Call(None, _CONSTANT, [np.array(array, dtype=np.float64)], {}).draw()
        return node

    def apply(self, kind: str, *operands: Operand, **attributes: Any) -> Value:
        if not is_drawn(operands):
            self.__getattr__(kind)
        if None in attributes.get("shape", ()):
            raise ValueError(
                f"[{kind}] needs to know the number of steps, which is open: call it in the build "
                "method of a layer of your own, where it is known"
            )
        kept = [np.array(part) if isinstance(part, np.ndarray) else part for part in operands]
        node: Value = Call(None, kind, kept, attributes).draw()
        return node

    def scan(self, *arguments: Any, **_: Any) -> Any:
        raise self._not_kept("scan", arguments)

    def call(self, *arguments: Any, **_: Any) -> Any:
        raise self._not_kept("call", arguments)

    def gradient(self, *arguments: Any, **_: Any) -> Any:
        raise self._not_kept("gradient", arguments)

    def _not_kept(self, kind: str, arguments: Sequence[Any]) -> Exception:
        if not is_drawn(arguments):
            self.__getattr__(kind)
        return TypeError(
            f"[{kind}] is no single operation, and a graph keeps nothing else beside layers: call "
            "it in the build method of a layer of your own"
        )


_DRAWING = _Drawing()
set_outside(_DRAWING)


def nodes_of(given: Any) -> list[Any]:
    """Return the nodes of one, of several, or of a dict of them, in a list."""
    if isinstance(given, dict):
        given = list(given.values())
    parts = given if isinstance(given, (list, tuple)) else [given]
    return [node_of(part) for part in parts]


def is_drawn(argument: Any) -> bool:
    """Whether a layer is applied to nodes, and so part of a graph instead of a program."""
    return next(_nodes_in([argument]), None) is not None


def draw(layer: Layer, *arguments: Any, **keywords: Any) -> Any:
    """Return the nodes of a layer applied to others."""
    return Call(layer, "", mapped(arguments, _same), mapped(keywords, _same)).draw()


def _nodes_in(argument: Any) -> Iterator[Node]:
    if isinstance(argument, (list, tuple)):
        for part in argument:
            yield from _nodes_in(part)
        return
    node = node_of(argument)
    if isinstance(node, Node):
        yield node


def mapped(argument: Any, of: Callable[[Node], Any]) -> Any:
    """Return an argument with something in the place of each node."""
    if isinstance(argument, (list, tuple)):
        return [mapped(part, of) for part in argument]
    if isinstance(argument, dict):
        return {name: mapped(part, of) for name, part in argument.items()}
    node = node_of(argument)
    return of(node) if isinstance(node, Node) else argument


def _same(node: Node) -> Node:
    return node


def _as_list(results: Any) -> list[Value]:
    return list(results) if isinstance(results, (list, tuple)) else [results]
