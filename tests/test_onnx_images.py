"""ONNX graphs over images and sequences, channels first, read as networks with channels last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_models import RNG, model, node, operators, read, run, weights  # noqa: E402

from ganglion import Sequential, layers  # noqa: E402

IMAGES, SEQUENCES = (3, 9, 8), (3, 9)
SQUARE = {"kernel_shape": [3, 3], "strides": [2, 2]}
CONSTANTS = {
    "scale": weights(3),
    "shift": weights(3),
    "mean": weights(3),
    "variance": np.abs(weights(3)) + 0.5,
    "by_channel": weights(3, 1, 1),
    "pads": np.array([0, 0, 1, 0, 0, 0, 0, 2]),
    "starts": np.array([1, 0]),
    "ends": np.array([-2, 5]),
    "axes": np.array([2, 3]),
    "no_roi": np.zeros(0, np.float32),
    "twice": np.array([1, 1, 2, 3], np.float32),
    "zoom": np.array([1, 1, 4 / 3, 0.5], np.float32),
    "uneven": np.array([1, 1, 1.5, 0.5], np.float32),
}


def assert_read(nodes: list[Any], tmp_path: Path, shape: tuple[int, ...] = IMAGES) -> Sequential:
    """The network gives what ONNX Runtime gives."""
    used = {name for one in nodes for name in one.input}
    constants = {name: array for name, array in CONSTANTS.items() if name in used}
    made = model(nodes, constants, ("batch", *shape))
    net = read(made, tmp_path)
    x = RNG.normal(size=(3, *shape)).astype(np.float32)
    np.testing.assert_allclose(net.predict(x), run(made, x)[-1], atol=1e-5)
    return net


def kinds(chain: Any) -> list[str]:
    return [type(layer).__name__ for layer in chain]


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [2, 3]},
        {**SQUARE, "pads": [1, 1, 1, 1]},
        {**SQUARE, "pads": [1, 0, 1, 1]},
        {**SQUARE, "auto_pad": "SAME_UPPER"},
        {**SQUARE, "auto_pad": "VALID"},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    ],
    ids=str,
)
def test_pooling_of_images(op_type: str, settings: Any, tmp_path: Path) -> None:
    net = assert_read([node(op_type, "x", "y", **settings)], tmp_path)
    pooling = f"{op_type}ing2D"
    assert kinds(net.layers) == ["Input", "Permute", pooling, "Permute"]


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [1, 0, 0, 1]], ids=str)
def test_an_average_that_counts_the_zeros_around(pads: list[int], tmp_path: Path) -> None:
    settings = {**SQUARE, "pads": pads, "count_include_pad": 1}
    net = assert_read([node("AveragePool", "x", "y", **settings)], tmp_path)
    assert "ZeroPadding2D" in kinds(net.layers)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("MaxPool", "x", "y", kernel_shape=[2], strides=[2])],
        [node("AveragePool", "x", "y", kernel_shape=[3], strides=[2], pads=[1, 1])],
        [node("GlobalMaxPool", "x", "y")],
        [node("GlobalAveragePool", "x", "y")],
        [node("ReduceMean", "x", "y", axes=[-1], keepdims=0)],
        [node("ReduceMax", "x", "y", axes=[1])],
        [node("InstanceNormalization", "x scale shift", "y")],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_sequences(nodes: Any, tmp_path: Path) -> None:
    assert_read(nodes, tmp_path, SEQUENCES)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("GlobalMaxPool", "x", "y")],
        [node("GlobalAveragePool", "x", "y")],
        [node("ReduceMean", "x", "y", axes=[2, 3], keepdims=0)],
        [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("ReduceMax", "t", "y", axes=[1, 2])],
        [node("Pad", "x pads", "y")],
        [node("Slice", "x starts ends axes", "y")],
        [node("Transpose", "x", "y", perm=[0, 2, 3, 1])],
        [node("InstanceNormalization", "x scale shift", "y", epsilon=1e-3)],
        [
            node(
                *("Resize", "x no_roi twice", "y"),
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ],
        [node("Resize", "x no_roi zoom", "y", mode="linear")],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_images(nodes: Any, tmp_path: Path) -> None:
    assert_read(nodes, tmp_path)


def test_changes_of_the_order_of_axes_cancel(tmp_path: Path) -> None:
    net = assert_read(
        [
            node("MaxPool", "x", "a", kernel_shape=[2, 2]),
            node("BatchNormalization", "a scale shift mean variance", "b"),
            node("Relu", "b", "c"),
            node("AveragePool", "c", "d", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("Add", "c d", "e"),
            node("MaxPool", "e", "f", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("Sigmoid", "e", "g"),
            node("Concat", "f g", "h", axis=1),
            node("GlobalAveragePool", "h", "i"),
            node("Flatten", "i", "y"),
        ],
        tmp_path,
    )
    assert kinds(net.layers) == [
        *("Input", "Permute", "MaxPooling2D", "BatchNormalization", "Activation"),
        *("Residual", "Branches", "GlobalAveragePooling2D", "Permute", "Flatten"),
    ]
    assert net.layers[3].axis == net.layers[6].axis == -1


def test_constants_of_channels_are_moved(tmp_path: Path) -> None:
    net = assert_read(
        [
            node("MaxPool", "x", "a", kernel_shape=[2, 2]),
            node("Mul", "a by_channel", "b"),
            node("MaxPool", "b", "y", kernel_shape=[2, 2]),
        ],
        tmp_path,
    )
    assert kinds(net.layers) == [
        *("Input", "Permute", "MaxPooling2D", "Rescaling", "MaxPooling2D", "Permute")
    ]


def test_layers_on_images_are_written_as_their_operators(tmp_path: Path) -> None:
    net = Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.MaxPooling2D(),
            layers.AveragePooling2D(2),
            layers.ZeroPadding2D(),
            layers.GlobalAveragePooling2D(),
        ]
    )
    net.build((None, 8, 8, 3))
    net.to_onnx(tmp_path / "net.onnx")
    written = [name for name in operators(tmp_path / "net.onnx") if name != "Transpose"]
    assert written == ["MaxPool", "AveragePool", "Pad", "Pad", "ReduceMean"]


@pytest.mark.parametrize(
    ("layer", "read_back"),
    [
        (layers.UpSampling2D((2, 3), "bilinear"), layers.Resizing(8, 18)),
        (layers.Resizing(7, 3), layers.Resizing(7, 3)),
        (layers.CenterCrop(6, 8), layers.Resizing(6, 8)),
    ],
    ids=repr,
)
def test_another_size_is_written_as_resize(layer: Any, read_back: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    Sequential([layers.Input((4, 6, 3)), layer]).to_onnx(path)
    assert "Resize" in operators(path) and "GridSample" not in operators(path)
    assert repr(Sequential.from_onnx(path).layers[-1]) == repr(read_back)


def test_another_size_of_each_step(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    net = Sequential([layers.Input((2, 4, 6, 3)), layers.TimeDistributed(layers.Resizing(7, 3))])
    net.to_onnx(path)
    assert "Resize" in operators(path)
    x = RNG.normal(size=(5, 2, 4, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(run(path, x)[0], net.predict(x), atol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("MaxPool", "x", "y", **SQUARE, dilations=[2, 2])], "its windows have gaps"),
        ([node("MaxPool", "x", "y", **SQUARE, auto_pad="SAME_LOWER")], "auto_pad is SAME_LOWER"),
        (
            [node("MaxPool", "x", "y", **SQUARE, pads=[1, 1, 1, 1], ceil_mode=1)],
            "ceil_mode with padding",
        ),
        ([node("ReduceMean", "x", "y", axes=[1])], r"axes \[1\] of 4: only those of an image"),
        ([node("Pad", "x pads", "y", mode="reflect")], "must put zeros around"),
        ([node("Transpose", "x", "y", perm=[1, 0, 2, 3])], "moves the samples to another axis"),
        (
            [node("Resize", "x no_roi zoom", "y", mode="cubic")],
            "mode cubic with half_pixel",
        ),
        ([node("Resize", "x no_roi uneven", "y", mode="linear")], "do not give whole sizes"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_read_is_named(nodes: Any, message: str, tmp_path: Path) -> None:
    used = {name for one in nodes for name in one.input}
    constants = {name: array for name, array in CONSTANTS.items() if name in used}
    with pytest.raises(ValueError, match=rf"\[from_onnx\] node 'node_y' .*{message}"):
        read(model(nodes, constants, ("batch", *IMAGES)), tmp_path)
