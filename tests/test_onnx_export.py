"""ONNX files: every operation, layer and activation beside ONNX Runtime; how they read; errors."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from layer_grid import EVERY, samples  # noqa: E402
from onnx_models import operators, run  # noqa: E402
from op_cases import CASES  # noqa: E402
from programs import Case, write  # noqa: E402
from registry import examples  # noqa: E402
from tolerances import assert_near  # noqa: E402

from ganglion import (  # noqa: E402
    NeuralClassifier,
    NotFittedError,
    Sequential,
    _core,
    layers,
    ops,
)
from ganglion.interop import onnx_export  # noqa: E402
from ganglion.interop.onnx_operations import OPERATIONS  # noqa: E402

DIFFERENCE = 1e-5
# What a prediction cannot hold, or ONNX cannot repeat.
WITHOUT = {
    "assign": "changes a weight",
    "random_uniform": "random",
    "random_normal": "random",
    "resample_gradient": "a gradient",
    "roll": "of training: mixes samples",
    "call": "a function of Python",
    "as_batch": "states that are kept: a prediction has none",
    "from_batch": "states that are kept: a prediction has none",
    "pack": "joins gradients",
    "take_gradient": "a gradient",
    "kth_largest": "of generation",
    "max_pool_gradient": "a gradient",
    "convolution_weight_gradient": "a gradient",
    "routing_input_gradient": "a gradient",
    "routing_weight_gradient": "a gradient",
    "crossentropy": "a loss",
    "sparse_crossentropy": "a loss",
    "softmax_gradient": "a gradient",
    "log_softmax_gradient": "a gradient",
    "crossentropy_gradient": "a gradient",
    "sparse_crossentropy_gradient": "a gradient",
}
PAIRS = [
    pytest.param(c, id=c.name)
    for kind in OPERATIONS
    for c in CASES[kind]
    if kind != "resample" or "fill_mode1-interpolation1" in c.name
]


def built(layer: Any, shape: tuple[int, ...], dtype: str = "float32") -> Sequential:
    """A network whose weights are no zeros and ones, and the first of them positive."""
    net = Sequential([copy.deepcopy(layer)], dtype=dtype, random_state=0)
    net.build((None, *shape))
    draw = np.random.default_rng(3)
    net.set_weights([w + draw.uniform(0.1, 0.6, w.shape) for w in net.get_weights()])
    return net


def assert_same_predictions(net: Sequential, path: Any, x: np.ndarray) -> None:
    (there,) = run(path, x)
    here = net.predict(x)
    assert there.dtype == here.dtype
    assert_near(there, here, DIFFERENCE)


def test_every_operation_is_written_or_listed_here() -> None:
    assert {*OPERATIONS, *WITHOUT, "scan"} == set(_core.operation_kinds())
    assert not set(OPERATIONS) & set(WITHOUT)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", PAIRS)
def test_operation(case: Case, dtype: str) -> None:
    written = write(case, fuse=False)
    draw = np.random.default_rng(7)
    rows = 3
    arrays = [operand.draw(draw, rows).astype(dtype) for operand in case.operands]
    buffer = np.zeros(max(written.size, 16), dtype)
    inputs = written.fill(buffer, arrays)
    if not inputs and any(shape[:1] == (None,) for _, shape in written.program.outputs):
        pytest.skip("a network has an input with the batch")
    model = onnx_export.model_of(onnx, written.program.describe(), buffer, dtype, {})
    for got, wanted in zip(run(model, *inputs), written.run(arrays, rows, dtype), strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted, rtol=DIFFERENCE, atol=DIFFERENCE)


class Wrapped(layers.Layer):
    """The image again beyond its edges, of which ONNX knows nothing."""

    def build(self, x: Any) -> Any:
        matrix = ops.broadcast_to(ops.constant((1.0, 0.0, 0.5, 0.0, 1.0, 0.0)), (None, 6))
        return ops.resample(x, matrix, fill_mode="wrap")


class Shifted(layers.Layer):
    """The image half a pixel to the left."""

    def build(self, x: Any) -> Any:
        matrix = ops.broadcast_to(ops.constant((1.0, 0.0, 0.5, 0.0, 1.0, 0.0)), (None, 6))
        return ops.resample(x, matrix, fill_mode="nearest")


def test_resampling_that_is_no_other_size(tmp_path: Any) -> None:
    net = Sequential([layers.Input((4, 3, 1)), Shifted()])
    net.to_onnx(tmp_path / "net.onnx")
    assert "GridSample" in operators(tmp_path / "net.onnx")
    x = np.random.default_rng(1).normal(size=(2, 4, 3, 1)).astype(np.float32)
    assert_same_predictions(net, tmp_path / "net.onnx", x)


def test_resampling_that_onnx_does_not_have(tmp_path: Any) -> None:
    net = Sequential([layers.Input((4, 3, 1)), Wrapped()])
    with pytest.raises(ValueError, match="'wrapped' has no ONNX form .* fill_mode='nearest'"):
        net.to_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_layer(layer: Any, shape: tuple[int, ...], dtype: str, tmp_path: Any) -> None:
    net = built(layer, shape, dtype)
    net.to_onnx(tmp_path / "net.onnx")
    draw = np.random.default_rng(1)
    for rows in (1, 7):
        x = samples(layer, shape, rows, draw).astype(dtype)
        assert_same_predictions(net, tmp_path / "net.onnx", x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4,), (2, 3)], ids=str)
@pytest.mark.parametrize("activation", examples("activation"))
def test_activation(activation: Any, shape: tuple[int, ...], dtype: str, tmp_path: Any) -> None:
    net = built(layers.Activation(activation), shape, dtype)
    net.to_onnx(tmp_path / "net.onnx")
    x = np.random.default_rng(1).normal(scale=3.0, size=(5, *shape)).astype(dtype)
    assert_same_predictions(net, tmp_path / "net.onnx", x)


def test_a_graph_reads_like_the_network(tmp_path: Any) -> None:
    net = Sequential(
        [
            layers.Input((5,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Residual([layers.LayerNormalization(), layers.Dense(8, activation="elu")]),
            layers.Dense(3, activation="softmax"),
        ]
    )
    net.to_onnx(tmp_path / "net.onnx")
    assert operators(tmp_path / "net.onnx") == [
        *("Gemm", "Relu", "BatchNormalization"),
        *("LayerNormalization", "Gemm", "Elu", "Add"),
        *("Gemm", "Softmax"),
    ]
    model = onnx.load(tmp_path / "net.onnx")
    assert (model.producer_name, model.opset_import[0].version) == ("ganglion", 17)
    (x,), (y,) = model.graph.input, model.graph.output
    assert (x.name, y.name) == ("x", "prediction")
    assert [dim.dim_param or dim.dim_value for dim in x.type.tensor_type.shape.dim] == ["batch", 5]
    names = {tensor.name for tensor in model.graph.initializer}
    assert {"dense/kernel", "residual/dense/bias", "batch_normalization/gamma"} <= names


def test_a_layer_derived_from_one_that_has_an_operator_is_written_as_it_is(tmp_path: Any) -> None:
    class Doubled(layers.BatchNormalization):
        def build(self, x: Any) -> Any:
            return 2.0 * super().build(x)

    net = built(Doubled(), (3,))
    net.to_onnx(tmp_path / "net.onnx")
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert_same_predictions(net, tmp_path / "net.onnx", x)


def test_estimators_through_their_network(tmp_path: Any) -> None:
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(60, 4)).astype(np.float32), draw.integers(0, 3, 60)
    model = NeuralClassifier([8], epochs=2, random_state=0).fit(X, y)
    model.network_.to_onnx(tmp_path / "net.onnx")
    (there,) = run(tmp_path / "net.onnx", X)
    np.testing.assert_allclose(there, model.predict_proba(X), atol=DIFFERENCE)


class Restless(layers.Layer):
    def build(self, x: Any) -> Any:
        return x + ops.random_normal(x.shape)


class Counting(layers.Layer):
    def build(self, x: Any) -> Any:
        seen = self.add_weight("seen", (), "zeros", trainable=False)
        ops.assign(seen, seen + 1.0)
        return x * 2.0


@pytest.mark.parametrize(
    ("layer", "kind"),
    [(Restless(), "random_normal"), (Counting(), "assign")],
    ids=["random", "assign"],
)
def test_what_a_graph_cannot_repeat_is_an_error(layer: Any, kind: str, tmp_path: Any) -> None:
    net = Sequential([layers.Input((3,)), layer])
    with pytest.raises(ValueError, match=rf"\[to_onnx\] operation '{kind}' of layer '"):
        net.to_onnx(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_before_build(tmp_path: Any) -> None:
    with pytest.raises(NotFittedError, match="to_onnx"):
        Sequential([layers.Dense(3)]).to_onnx(tmp_path / "net.onnx")


def test_a_failed_write_leaves_the_old_file(tmp_path: Any, monkeypatch: Any) -> None:
    path = tmp_path / "net.onnx"
    net = built(layers.Dense(3), (4,))
    net.to_onnx(path)
    old = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        net.to_onnx(path)
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_library_is_named_where_it_is_missing(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "ganglion\[onnx\]"'):
        built(layers.Dense(3), (4,)).to_onnx(tmp_path / "net.onnx")


def test_too_large_for_one_file(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(onnx_export, "_LARGEST", 50)
    with pytest.raises(ValueError, match="holds less than 2 GB"):
        built(layers.Dense(3), (4,)).to_onnx(tmp_path / "net.onnx")
