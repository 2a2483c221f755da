"""ONNX models run by ONNX Runtime, which the tests of both directions share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ganglion import Sequential

Array = np.ndarray
Dims = tuple[int | str | None, ...]

RNG = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def read(made: Any, tmp_path: Path, output: str | None = None) -> Sequential:
    path = tmp_path / "net.onnx"
    path.write_bytes(made.SerializeToString())
    return Sequential.from_onnx(path, output)


def node(op_type: str, inputs: str, output: str, **attributes: Any) -> Any:
    """A node; the names of its inputs in one string, with "-" for one that is left out."""
    names = [name.strip("-") for name in inputs.split()]
    return helper.make_node(op_type, names, [output], name=f"node_{output}", **attributes)


def model(
    nodes: list[Any],
    weights: dict[str, Any],
    shape: Dims = ("batch", 4),
    *,
    outputs: dict[str, Any] | None = None,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
    functions: tuple[Any, ...] = (),
) -> Any:
    """A model with the input `x`, whose output is that of its last node unless others are named."""
    kinds = outputs or {nodes[-1].output[0]: dtype}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [
            helper.make_tensor_value_info(name, kind, None)
            if isinstance(kind, int)
            else helper.make_value_info(name, kind)
            for name, kind in kinds.items()
        ],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    domains = {"": opset, "ai.onnx.ml": 3, "own": 1}
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(*domain) for domain in domains.items()],
        functions=functions,
        ir_version=8,
    )
    made = onnx.shape_inference.infer_shapes(made, data_prop=True)
    for output in made.graph.output:  # where that does not know: a shape there must be
        of_tensors = output.type.HasField("tensor_type")
        if of_tensors and not output.type.tensor_type.HasField("shape"):
            output.type.tensor_type.shape.dim.add()
            output.type.tensor_type.shape.dim.add()
    return made


def run(model: Path | Any, *arrays: Array) -> list[Array]:
    """The outputs of a model, given as a file or as what the library makes of one."""
    content = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    if any(array.dtype == np.float64 for array in arrays):
        # Older versions fuse nodes into some that they have in float32 alone.
        basic = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.graph_optimization_level = basic
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return list(session.run(None, dict(zip(names, arrays, strict=True))))


def operators(model: Path | Any) -> list[str]:
    """The kinds of the nodes, in order."""
    loaded = onnx.load(model) if isinstance(model, Path) else model
    return [node.op_type for node in loaded.graph.node]
