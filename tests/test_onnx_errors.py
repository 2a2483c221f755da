"""ONNX files that cannot be read as networks: errors name the node, and what is supported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402
from onnx_models import model, node, read, weights  # noqa: E402

from ganglion import Sequential, layers  # noqa: E402

KERNEL, BIAS = weights(4, 5), weights(5)


def refused(made: Any, tmp_path: Path, message: str, output: str | None = None) -> None:
    with pytest.raises(ValueError, match=r"\[from_onnx\] .*" + message):
        read(made, tmp_path, output)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [node("Einsum", "x image", "y", equation="nchw,nchw->nchw")],
            "node 'node_y' is a Einsum, which is not supported; supported are Add, .*Gemm, ",
        ),
        ([node("Pow", "x x", "y")], "node 'node_y' is a Pow of several inputs"),
        ([node("Transpose", "x", "y", perm=[1, 0, 2, 3])], r"\(Transpose\).* samples to another"),
        ([node("Softmax", "x", "y", axis=0)], r"\(Softmax\).* axis 0 of 4"),
        (
            [node("Cast", "x", "i", to=TensorProto.INT64), node("Cast", "i", "y", to=1)],
            r"'node_i' \(Cast\).* floating-point numbers",
        ),
        ([node("MatMul", "x image", "y")], r"\(MatMul\).* matrix that is a constant"),
        ([node("MatMul", "matrix x", "y")], r"\(MatMul\).* constant"),
        ([node("Div", "one x", "y")], r"\(Div\).* divided by the samples"),
        ([node("Add", "x rows", "y")], r"\(Add\).* shape \(3, 1, 1, 1\) does not fit"),
        ([node("Reshape", "x mixing", "y")], r"\(Reshape\).* samples do not stay apart"),
        (
            [node("Clip", "x far", "y")],
            r"\(Clip\).* lower bound must be at least -1000, got -1e\+06",
        ),
        ([node("Max", "x far", "y")], r"\(Max\).* lower bound must be at least -1000"),
        (
            [node("Neg", "far", "z"), node("Min", "x z", "y")],
            r"\(Min\).* upper one must be at most",
        ),
        ([node("Clip", "x rows", "y")], r"\(Clip\).* one number, got shape \(3, 1, 1, 1\)"),
        ([node("Max", "x one far", "y")], r"\(Max\).* must have two operands, got 3"),
        ([node("Sum", "x one one", "y")], r"\(Sum\).* must have two operands, got 3"),
        ([node("Mean", "x one", "y")], r"\(Mean\) needs several results that are no constants"),
        ([node("Celu", "x", "y", alpha=2.0)], r"\(Celu\).* alpha must be 1"),
        ([node("Selu", "x", "y", alpha=2.0)], r"\(Selu\).* alpha must be"),
        ([node("Constant", "", "y", value_float=1.0)], "'y' does not depend on the input"),
        (
            [
                node("Flatten", "x", "flat"),
                node("MatMul", "flat w", "a"),
                node("Tanh", "a", "b"),
                node("MatMul", "b v", "c"),
                node("Concat", "flat a c", "y", axis=1),
            ],
            r"node 'node_a' \(MatMul\) is used by branches that do not nest",
        ),
    ],
    ids=lambda value: value[-1].op_type if isinstance(value, list) else None,
)
def test_what_is_not_supported_is_named(nodes: Any, message: str, tmp_path: Path) -> None:
    constants = {
        "image": weights(2, 2, 2, 2),
        "matrix": weights(2, 2),
        "one": np.float32(1.0),
        "far": np.float32(-1e6),
        "rows": weights(3, 1, 1, 1),
        "mixing": np.array([-1, 4]),
        "w": weights(8, 2),
        "v": weights(2, 3),
    }
    refused(model(nodes, constants, ("batch", 2, 2, 2)), tmp_path, message)


@pytest.mark.parametrize(
    ("attributes", "bias", "why"),
    [({"transA": 1}, (5,), "not transposed"), ({}, (4, 5), "bias must be a row")],
)
def test_gemm_that_is_no_dense_layer(
    attributes: Any, bias: tuple[int, ...], why: str, tmp_path: Path
) -> None:
    nodes = [node("Gemm", "x w b", "y", **attributes)]
    made = model(nodes, {"w": KERNEL, "b": weights(*bias)}, (4, 4))
    refused(made, tmp_path, rf"node 'node_y' \(Gemm\) cannot be read: .*{why}")


def test_normalization_in_training_mode(tmp_path: Path) -> None:
    statistics = {name: weights(4) for name in "abc"}
    made = model(
        [
            helper.make_node(
                "BatchNormalization",
                ["x", "a", "b", "c", "v"],
                ["y", "mean", "variance"],
                training_mode=1,
            )
        ],
        {**statistics, "v": np.ones(4, np.float32)},
    )
    refused(made, tmp_path, r"node 'y' \(BatchNormalization\).* training mode")


def test_the_wanted_output_is_named(tmp_path: Path) -> None:
    outputs = {"hidden": TensorProto.FLOAT, "y": TensorProto.FLOAT}
    made = model(
        [node("Relu", "x", "hidden"), node("MatMul", "hidden w", "y")],
        {"w": KERNEL},
        outputs=outputs,
    )
    refused(made, tmp_path, "the outputs 'hidden', 'y': say which with output=")
    refused(made, tmp_path, "no output 'hiden'; did you mean 'hidden'", "hiden")
    assert len(read(made, tmp_path, "hidden").layers) == 2
    assert len(read(made, tmp_path, "y").layers) == 3


@pytest.mark.parametrize("shape", [("batch", "features"), ("batch",), (2, 0)], ids=str)
def test_the_sizes_of_a_sample_must_be_known(shape: Any, tmp_path: Path) -> None:
    refused(model([node("Relu", "x", "y")], {}, shape), tmp_path, "input 'x' must have a shape")


def test_several_inputs(tmp_path: Path) -> None:
    made = model([node("Relu", "x", "y")], {})
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, 2]))
    refused(made, tmp_path, "one input, got 'x', 'z'")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 not ours", b"{}"], ids=["empty", "zip", "json"]
)
def test_no_onnx_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"net.onnx is no valid ONNX file"):
        Sequential.from_onnx(path)


def test_a_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    Sequential([layers.Input((40,)), layers.Dense(30)]).to_onnx(path)
    content = path.read_bytes()
    for length in (10, len(content) // 2, len(content) - 3):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"\[from_onnx\]"):
            Sequential.from_onnx(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Sequential.from_onnx(tmp_path / "net.onnx")
