"""What an ONNX file holds, with all that is known before it runs already computed."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.errors import suggestion
from ganglion.interop.graph import Node
from ganglion.optional import require

Array = NDArray[Any]

# Stands for the batch while shapes are computed: no other size is it by chance.
_BATCH = 7919
_FLOAT64 = 11
# They have several results, of which each can be the one that is wanted.
RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
FLOATS = (1, 10, _FLOAT64)  # float32, float16, float64, as ONNX counts element types


@dataclass(eq=False)
class OnnxNode(Node):
    """A node of an ONNX graph.

    Attributes
    ----------
    value : str
        Name of its result.
    proto : NodeProto
        As it stands in the file; None for the network's input.
    attributes : dict
        By name.
    operands : list of ndarray or None
        For each input its value where it is a constant, else None.
    input_shape, output_shape : tuple of int or None
        Shapes of a sample, of the first input that is no constant and of the result; None where
        they are not known, or where the samples do not stay apart.
    """

    value: str = ""
    proto: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    operands: list[Array | None] = field(default_factory=list)
    input_shape: tuple[int, ...] | None = None
    output_shape: tuple[int, ...] | None = None


class OnnxFile:
    """A model read from a file.

    Parameters
    ----------
    path : str or path
        The file.
    output : str, optional
        Name of the result that is wanted; the only one of floating-point numbers by default.

    Attributes
    ----------
    onnx : module
        The library.
    opset : int
        Version of the operators.
    nodes : list of OnnxNode
        What the output needs, each behind its inputs; the network's input first, the output last.
    dtype : str
        Of the weights.
    """

    def __init__(self, path: str | os.PathLike[str], output: str | None) -> None:
        self.onnx: ModuleType = require("onnx", "from_onnx", extra="onnx")
        # What runs nodes in NumPy.
        self._evaluator = require("onnx.reference", "from_onnx", extra="onnx").ReferenceEvaluator
        self._path = os.fspath(path)
        model = self._prepared(self._load())
        self.opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
        self._graph = model.graph
        self._constants = {
            tensor.name: self.onnx.numpy_helper.to_array(tensor)
            for tensor in self._graph.initializer
        }
        self._shapes = self._infer_shapes(model)
        self._fold(model)
        self.nodes = self._needed(self._choose(output))
        self.dtype = self._weights_dtype()

    def _weights_dtype(self) -> str:
        """Return the dtype of the weights, and where there are none that of the input.

        Convolutions are computed in float32: samples of float64 are cast to it and back.
        """
        operands = [array for node in self.nodes for array in node.operands if array is not None]
        kinds = {array.dtype for array in operands if array.dtype.kind == "f"}
        back = any(n.kind == "Cast" and n.attributes["to"] == _FLOAT64 for n in self.nodes)
        if not kinds or back:
            kinds.add(self._input_dtype)
        return "float64" if np.dtype(np.float64) in kinds else "float32"

    def _load(self) -> Any:
        with open(self._path, "rb"):  # an OSError that names the file, whatever the library raises
            pass
        try:
            model = self.onnx.load(self._path)
            self.onnx.checker.check_model(model)
        except Exception as error:  # of protobuf, of the library, of files beside this one
            raise ValueError(f"[from_onnx] {self._path} is no valid ONNX file: {error}") from None
        return model

    def _prepared(self, model: Any) -> Any:
        """Write functions out, and give the batch a size."""
        if model.functions:
            inliner = require("onnx.inliner", "from_onnx", extra="onnx")
            model = inliner.inline_local_functions(model)
        known = {tensor.name for tensor in model.graph.initializer}
        inputs = [one for one in model.graph.input if one.name not in known]
        if len(inputs) != 1:
            names = ", ".join(repr(one.name) for one in inputs) or "none"
            raise ValueError(f"[from_onnx] the model must have one input, got {names}")
        (x,) = inputs
        dims = x.type.tensor_type.shape.dim
        sizes = [dim.dim_value for dim in dims]
        if len(sizes) < 2 or any(size < 1 for size in sizes[1:]):
            shown = tuple(dim.dim_value or dim.dim_param or None for dim in dims)
            raise ValueError(
                f"[from_onnx] input {x.name!r} must have a shape (batch, ...) of known sizes, "
                f"got {shown}"
            )
        self._batch = sizes[0] if sizes[0] > 0 else _BATCH
        dims[0].dim_value = self._batch
        self._input_name, self.input_shape = x.name, tuple(sizes[1:])
        element_type = x.type.tensor_type.elem_type
        self._input_dtype = self.onnx.helper.tensor_dtype_to_np_dtype(element_type)
        # Names of sizes that are numbers now.
        del model.graph.value_info[:]
        for one in model.graph.output:
            if one.type.HasField("tensor_type"):
                one.type.tensor_type.ClearField("shape")
        self._write_out_scalers(model.graph)
        return model

    def _write_out_scalers(self, graph: Any) -> None:
        """Write scikit-learn's scaling, whose shape is not inferred, as difference and product."""
        helper, nodes = self.onnx.helper, []
        for proto in graph.node:
            if proto.op_type != "Scaler":
                nodes.append(proto)
                continue
            numbers = self._attributes(proto)
            names = [f"{proto.output[0]}/{name}" for name in ("offset", "scale", "centred")]
            for name, values in zip(names, (numbers["offset"], numbers["scale"]), strict=False):
                array = np.asarray(values, dtype=np.float32)
                graph.initializer.append(self.onnx.numpy_helper.from_array(array, name))
            nodes.append(helper.make_node("Sub", [proto.input[0], names[0]], [names[2]]))
            nodes.append(helper.make_node("Mul", [names[2], names[1]], [proto.output[0]]))
        del graph.node[:]
        graph.node.extend(nodes)

    def _infer_shapes(self, model: Any) -> dict[str, tuple[int, ...]]:
        inferred = self.onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        shapes = {self._input_name: (self._batch, *self.input_shape)}
        for value in [*inferred.value_info, *inferred.output]:
            dims = value.type.tensor_type.shape.dim
            if value.type.tensor_type.HasField("shape") and all(dim.dim_value for dim in dims):
                shapes[value.name] = tuple(dim.dim_value for dim in dims)
        return shapes

    def _fold(self, model: Any) -> None:
        """Compute what depends on no input, or on shapes alone."""
        opsets = {one.domain: one.version for one in model.opset_import}
        for proto in self._graph.node:
            given = [name for name in proto.input if name]
            if proto.op_type == "Shape" and given[0] in self._shapes:
                sizes = np.array(self._shapes[given[0]], dtype=np.int64)
                bounds = self._attributes(proto)
                self._constants[proto.output[0]] = sizes[bounds.get("start", 0) : bounds.get("end")]
            elif all(name in self._constants for name in given) and (
                given or proto.op_type == "Constant"
            ):
                feeds = {name: self._constants[name] for name in given}
                try:
                    results = self._evaluator(proto, opsets=opsets).run(None, feeds)
                except Exception:  # what the library cannot run is named where it is needed
                    continue
                self._constants.update(zip(proto.output, map(np.asarray, results), strict=False))

    def _attributes(self, proto: Any) -> dict[str, Any]:
        value_of = self.onnx.helper.get_attribute_value
        return {attribute.name: value_of(attribute) for attribute in proto.attribute}

    def _choose(self, output: str | None) -> str:
        names = [one.name for one in self._graph.output]
        if output is not None:
            if output not in names:
                raise ValueError(
                    f"[from_onnx] there is no output {output!r}{suggestion(output, names)}"
                )
            return output
        # Labels are integers or strings; probabilities by class are a sequence of maps.
        numbers: list[str] = [
            one.name
            for one in self._graph.output
            if one.type.tensor_type.elem_type in FLOATS or one.type.HasField("sequence_type")
        ]
        if len(numbers) != 1:
            raise ValueError(
                f"[from_onnx] the model has the outputs {', '.join(map(repr, names))}: "
                "say which with output=..."
            )
        return numbers[0]

    def _needed(self, output: str) -> list[OnnxNode]:
        makers = {name: proto for proto in self._graph.node for name in proto.output if name}
        wanted = {output}
        for proto in reversed(self._graph.node):
            if wanted.intersection(proto.output):
                wanted.update(name for name in proto.input if name not in self._constants)
        x = self._input_name
        found = {x: OnnxNode(x, "input", value=x, output_shape=self.input_shape)}
        for proto in self._graph.node:
            if not wanted.intersection(proto.output) or proto.output[0] in self._constants:
                continue
            several = proto.op_type in RECURRENT
            values = wanted.intersection(proto.output) if several else proto.output[:1]
            for value in values:
                found[value] = self._node(proto, found, value)
        if output not in found:
            maker = makers.get(output)
            if maker is None or output in self._constants:
                raise ValueError(f"[from_onnx] output {output!r} does not depend on the input")
            raise ValueError(
                f"[from_onnx] output {output!r} is not the first result of node "
                f"{maker.name!r} ({maker.op_type})"
            )
        last = found[output]
        return [*(node for node in found.values() if node is not last), last]

    def _node(self, proto: Any, found: dict[str, OnnxNode], value: str) -> OnnxNode:
        title = proto.name or value
        variable = [name for name in proto.input if name and name not in self._constants]
        place = f"[from_onnx] node {title!r} ({proto.op_type})"
        for name in variable:
            if name not in found:
                raise ValueError(f"{place} needs {name!r}, which is not the first result of a node")
        if not variable:
            raise ValueError(f"{place} is no constant, but does not depend on the input")
        return OnnxNode(
            title,
            proto.op_type,
            [found[name] for name in variable],
            value,
            proto,
            self._attributes(proto),
            [self._constants.get(name) for name in proto.input],
            self._sample_shape(variable[0]),
            self._sample_shape(value),
        )

    def _sample_shape(self, name: str) -> tuple[int, ...] | None:
        shape = self._shapes.get(name)
        return None if not shape or shape[0] != self._batch else shape[1:]

    def evaluate(self, nodes: Sequence[OnnxNode], start: OnnxNode, x: Array) -> Array:
        """Compute a part of the graph: the result of the last of some nodes, from that of start.

        All floating-point numbers are in the dtype of ``x``, constants and casts too.
        """
        helper = self.onnx.helper
        element_type = helper.np_dtype_to_tensor_dtype(x.dtype)
        protos = [
            helper.make_node("Cast", node.proto.input, node.proto.output, to=element_type)
            if node.kind == "Cast" and node.attributes["to"] in FLOATS
            else node.proto
            for node in nodes
        ]
        names = {name for proto in protos for name in proto.input if name in self._constants}
        constants = {name: self._constants[name] for name in names}
        for name, array in constants.items():
            if array.dtype.kind == "f":
                constants[name] = array.astype(x.dtype)
        graph = helper.make_graph(
            protos,
            "part",
            [helper.make_tensor_value_info(start.value, element_type, [None] * x.ndim)],
            [helper.make_empty_tensor_value_info(nodes[-1].value)],
            [self.onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets)
        evaluator = self._evaluator(model, new_ops=[_error_function()])
        result: Array = evaluator.run(None, {start.value: x})[0]
        return result


def _error_function() -> type[Any]:
    """Return what computes Erf in the dtype it is given: the library does in float32 alone."""
    base = require("onnx.reference.op_run", "from_onnx", extra="onnx").OpRun

    def compute(self: Any, x: Array) -> tuple[Array]:
        return (np.vectorize(math.erf, otypes=[x.dtype])(x),)

    return type("Erf", (base,), {"op_domain": "", "_run": compute})
