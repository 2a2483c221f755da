"""Convolutions of ONNX graphs, channels first, read as layers with channels last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_models import RNG, model, node, read, run, weights  # noqa: E402

from ganglion import Sequential, layers  # noqa: E402

IMAGES, SEQUENCES = (4, 7, 6), (4, 9)
WEIGHTS = {
    "kernel": weights(6, 4, 3, 2),
    "parted": weights(6, 2, 3, 3),
    "single": weights(8, 1, 3, 3),
    "steps": weights(5, 4, 3),
    "turned": weights(4, 3, 3, 2),
    "pointwise": weights(12, 6, 1, 1),
    "bias": weights(6),
    "by_filter": weights(6, 1, 1),
    "square": weights(4, 4, 3, 3),
    "scale": weights(4),
    "shift": weights(4),
    "mean": weights(4),
    "variance": np.abs(weights(4)) + 0.5,
    "head": weights(48, 3),
}


def assert_read(nodes: list[Any], tmp_path: Path, shape: tuple[int, ...] = IMAGES) -> list[str]:
    """The network gives what ONNX Runtime gives; the classes of its layers."""
    used = {name for one in nodes for name in one.input}
    constants = {name: array for name, array in WEIGHTS.items() if name in used}
    made = model(nodes, constants, ("batch", *shape))
    net = read(made, tmp_path)
    x = RNG.normal(size=(3, *shape)).astype(np.float32)
    np.testing.assert_allclose(net.predict(x), run(made, x)[-1], rtol=1e-5, atol=1e-5)
    return [type(layer).__name__ for layer in net.layers]


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (node("Conv", "x kernel", "y"), "Conv2D"),
        (node("Conv", "x kernel bias", "y", strides=[2, 1], pads=[1, 0, 1, 1]), "Conv2D"),
        (node("Conv", "x kernel", "y", auto_pad="SAME_UPPER", strides=[2, 2]), "Conv2D"),
        (node("Conv", "x kernel", "y", dilations=[2, 3], pads=[0, 2, 1, 0]), "Conv2D"),
        (node("Conv", "x parted", "y", group=2), "Conv2D"),
        (node("Conv", "x single", "y", group=4, pads=[1, 1, 1, 1]), "DepthwiseConv2D"),
        (node("ConvTranspose", "x turned", "y"), "Conv2DTranspose"),
        (node("ConvTranspose", "x turned", "y", strides=[2, 3]), "Conv2DTranspose"),
        (
            node("ConvTranspose", "x turned", "y", strides=[2, 2], output_padding=[1, 0]),
            "Conv2DTranspose",
        ),
        (node("ConvTranspose", "x turned", "y", pads=[1, 0, 1, 1]), "Conv2DTranspose"),
        (node("ConvTranspose", "x turned", "y", dilations=[2, 1]), "Conv2DTranspose"),
    ],
    ids=str,
)
def test_images(made: Any, kind: str, tmp_path: Path) -> None:
    assert kind in assert_read([made], tmp_path)


@pytest.mark.parametrize("settings", [{}, {"pads": [2, 0]}, {"strides": [2], "dilations": [2]}])
def test_sequences(settings: Any, tmp_path: Path) -> None:
    kinds = assert_read([node("Conv", "x steps", "y", **settings)], tmp_path, SEQUENCES)
    assert "Conv1D" in kinds


def test_a_network_reads_as_it_was(tmp_path: Path) -> None:
    """Changes of the order of axes cancel; bias and activation are part of the layer."""
    kinds = assert_read(
        [
            node("Conv", "x square", "a", pads=[1, 1, 1, 1]),
            node("BatchNormalization", "a scale shift mean variance", "b"),
            node("Relu", "b", "c"),
            node("Conv", "c kernel", "d", pads=[1, 0, 1, 1]),
            node("Add", "d by_filter", "e"),
            node("Tanh", "e", "f"),
            node("MaxPool", "f", "g", kernel_shape=[3, 2], strides=[3, 3]),
            node("Conv", "g pointwise", "h"),
            node("Flatten", "h", "i"),
            node("MatMul", "i head", "y"),
        ],
        tmp_path,
    )
    assert kinds == [
        *("Input", "Permute", "Conv2D", "BatchNormalization", "Activation", "Conv2D"),
        *("MaxPooling2D", "Conv2D", "Permute", "Flatten", "Dense"),
    ]


def test_what_was_written_has_its_layers_again(tmp_path: Path) -> None:
    net = Sequential(
        [
            layers.Input((9, 8, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(2),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh"),
            layers.Flatten(),
            layers.Dense(2),
        ],
        random_state=0,
    )
    net.to_onnx(tmp_path / "net.onnx")
    read_back = Sequential.from_onnx(tmp_path / "net.onnx")
    kinds = [type(layer).__name__ for layer in read_back.layers]
    assert [kind for kind in kinds if kind not in ("Permute", "Rescaling")] == [
        type(layer).__name__ for layer in net.layers
    ]
    assert "Permute" not in kinds


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (node("Conv", "x kernel", "y", auto_pad="SAME_LOWER"), "auto_pad is SAME_LOWER"),
        (node("Conv", "x x", "y"), "several inputs|must be a constant"),
        (node("ConvTranspose", "x parted", "y", group=2), "in one group"),
        (
            node("ConvTranspose", "x turned", "y", auto_pad="SAME_UPPER"),
            "padding must be given by pads",
        ),
    ],
    ids=["lower", "kernel", "groups", "padding"],
)
def test_what_cannot_be_read_is_named(made: Any, message: str, tmp_path: Path) -> None:
    constants = {name: array for name, array in WEIGHTS.items() if name in made.input}
    with pytest.raises(ValueError, match=rf"\[from_onnx\] .*'node_y'.*({message})"):
        read(model([made], constants, ("batch", *IMAGES)), tmp_path)
