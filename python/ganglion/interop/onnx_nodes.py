"""The nodes of an ONNX graph while it is written, and their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class OnnxNodes:
    """Nodes and initializers of a graph, in the order in which they are added.

    Parameters
    ----------
    onnx : module
        The library.
    dtype : str
        Of the network.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the network.
    element_type : int
        The same as ONNX counts it.
    label : str
        Path of the layer that is written; names begin with it.
    batch : str or None
        An input with the batch, which knows its size at run time.
    conditions : dict of str to str
        For the names of numbers that were made from a truth value, its name.
    loops : dict of tuple to list of str
        For what tells a loop from others the names of all its results.
    """

    def __init__(self, onnx: ModuleType, dtype: str) -> None:
        self._onnx = onnx
        self.dtype = np.dtype(dtype)
        self.element_type: int = onnx.helper.np_dtype_to_tensor_dtype(self.dtype)
        self.label = ""
        self.batch: str | None = None
        self.conditions: dict[str, str] = {}
        self.loops: dict[tuple[Any, ...], list[str]] = {}
        self._nodes: list[Any] = []
        self._initializers: dict[str, Any] = {}
        self._constants: dict[tuple[Any, ...], str] = {}
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        """Return the name, with a number where it is taken."""
        chosen, count = name, 0
        while chosen in self._taken:
            count += 1
            chosen = f"{name}_{count}"
        self._taken.add(chosen)
        return chosen

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Append a node and return the name of its result, which is the node's too."""
        return self.add_several(op_type, inputs, 1, **attributes)[0]

    def add_several(
        self, op_type: str, inputs: Sequence[str], results: int, **attributes: Any
    ) -> list[str]:
        """Append a node and return the names of its results, of which the first is the node's."""
        base = f"{self.label}/{op_type}" if self.label else op_type
        names = [self.unique(base) for _ in range(results)]
        node = self._onnx.helper.make_node(op_type, inputs, names, name=names[0], **attributes)
        self._nodes.append(node)
        return names

    def graph(self, inputs: Sequence[str], write: Callable[[list[str]], list[str]]) -> Any:
        """Return a graph that a node runs.

        It reads results of the graph around by their names, as ONNX has it.

        Parameters
        ----------
        inputs : sequence of str
            What its inputs are to be called.
        write : callable
            Gets their names, adds the nodes and returns the names of the results.
        """
        outer, self._nodes = self._nodes, []
        given = [self.unique(name) for name in inputs]
        results = [self.add("Identity", name) for name in write(given)]  # each a name of its own
        helper = self._onnx.helper
        infos = [
            [helper.make_tensor_value_info(name, self.element_type, None) for name in names]
            for names in (given, results)
        ]
        made = helper.make_graph(self._nodes, self.unique("body"), *infos)
        self._nodes = outer
        return made

    def weight(self, name: str, values: NDArray[Any]) -> str:
        """Add an initializer of that name, and return the name it got."""
        name = self.unique(name)
        array = np.asarray(values, dtype=self.dtype)
        self._initializers[name] = self._onnx.numpy_helper.from_array(array, name)
        return name

    def numbers(self, values: ArrayLike) -> str:
        """Return the name of a constant of the network's dtype."""
        return self._constant(np.asarray(values, dtype=self.dtype))

    def integers(self, values: ArrayLike) -> str:
        """Return the name of a constant of integers, as shapes and axes are given."""
        return self._constant(np.asarray(values, dtype=np.int64))

    def _constant(self, array: NDArray[Any]) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self.unique("constant")
            self._initializers[name] = self._onnx.numpy_helper.from_array(array, name)
            self._constants[key] = name
        return self._constants[key]

    def cast(self, name: str) -> str:
        """Turn a truth value or an integer into a number of the network's dtype."""
        return self.add("Cast", name, to=self.element_type)

    def truth(self, condition: str) -> str:
        """Turn a truth value into 1 or 0, and remember where it came from."""
        number = self.cast(condition)
        self.conditions[number] = condition
        return number

    def shape(self, dims: list[int], batched: bool) -> str:
        """Return the name of a shape whose first size is multiplied by the batch."""
        if not batched:
            return self.integers(dims)
        assert self.batch is not None
        sizes = self.add("Shape", self.batch)
        first = self.add("Gather", sizes, self.integers([0]))
        first = self.add("Mul", first, self.integers(dims[:1]))
        return self.add("Concat", first, self.integers(dims[1:]), axis=0)

    def finish(self, outputs: dict[str, str]) -> tuple[list[Any], list[Any]]:
        """Return the nodes and initializers that the outputs need, and name these.

        Parameters
        ----------
        outputs : dict of str to str
            For each output of the graph, the name of the result that it is.
        """
        self.label = ""
        made = {name for node in self._nodes for name in node.output}
        renamed: dict[str, str] = {}
        for output, result in outputs.items():
            if result in made and result not in renamed:
                renamed[result] = output
            else:  # what is no result of a node: an input, a weight, or another output
                identity = self.add("Identity", result)
                renamed[identity] = output
        needed, kept = set(outputs.values()) | renamed.keys(), []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                for one in _with_those_within(node):
                    needed.update(one.input)
                kept.append(node)
        for node in (one for outer in kept for one in _with_those_within(outer)):
            node.input[:] = [renamed.get(name, name) for name in node.input]
            node.output[:] = [renamed.get(name, name) for name in node.output]
        initializers = [tensor for name, tensor in self._initializers.items() if name in needed]
        return kept[::-1], initializers


def _with_those_within(node: Any) -> Iterator[Any]:
    """Yield a node, and those of the graphs that it runs."""
    yield node
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _with_those_within(inner)
