"""Graphs written as ONNX and run by its runtime: several inputs and outputs, and their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_models import operators, run  # noqa: E402

from ganglion import Model, layers, ops  # noqa: E402

RNG = np.random.default_rng(0)
DIFFERENCE = 1e-5


def drawn(dtype: str) -> Model:
    a, b = layers.Input((4,), name="a"), layers.Input((6, 3), name="b")
    shared = layers.Dense(5, activation="relu", name="shared")
    left, right = shared(a), shared(layers.Dense(4)(layers.Flatten()(b)))
    _, *states = layers.LSTM(5, return_state=True)(b)
    read = layers.LSTM(5, return_sequences=True)(b, initial_state=[states[1], left])
    joined = layers.Concatenate()(
        [
            layers.Multiply()([left, right]),
            layers.Dot(1, normalize=True)([left, right]),
            layers.GlobalAveragePooling1D()(read),
            ops.sum(layers.Dot((2, 2))([read, read]), axis=2),
        ]
    )
    size = layers.Dense(1, name="size")(joined - 0.5)
    kind = layers.Dense(3, activation="softmax", name="kind")(joined)
    return Model([a, b], [size, kind, 2.0 * a], dtype=dtype, random_state=0)


def names(path: Path) -> tuple[list[str], list[str]]:
    graph = onnx.load(path).graph
    return [value.name for value in graph.input], [value.name for value in graph.output]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_several_inputs_and_outputs(dtype: str, tmp_path: Path) -> None:
    net = drawn(dtype)
    net.to_onnx(tmp_path / "net.onnx")
    given = [RNG.normal(size=(7, *shape[1:])).astype(dtype) for shape in net.input_shape]
    for there, here in zip(run(tmp_path / "net.onnx", *given), net.predict(given), strict=True):
        assert there.dtype == here.dtype
        np.testing.assert_allclose(there, here, atol=DIFFERENCE)
    assert names(tmp_path / "net.onnx") == (net.input_names, net.output_names)


def test_states_that_are_given_are_no_operator(tmp_path: Path) -> None:
    drawn("float32").to_onnx(tmp_path / "net.onnx")
    kinds = operators(tmp_path / "net.onnx")
    assert kinds.count("Scan") == 2 and "LSTM" not in kinds  # of the first only states are read


def test_outputs_called_as_inputs_and_inputs_put_out(tmp_path: Path) -> None:
    a, b = layers.Input((4,)), layers.Input((4,))
    net = Model({"u": a, "v": b}, {"u": a - b, "v": b, "w": b})
    net.to_onnx(tmp_path / "net.onnx")
    assert names(tmp_path / "net.onnx") == (["u", "v"], ["u_1", "v_1", "w"])
    u, v = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    for there, expected in zip(run(tmp_path / "net.onnx", u, v), (u - v, v, v), strict=True):
        np.testing.assert_allclose(there, expected, atol=DIFFERENCE)


def test_open_steps_are_refused(tmp_path: Path) -> None:
    words, extra = layers.Input((None, 3)), layers.Input((2,))
    net = Model([extra, words], layers.Concatenate()([layers.GRU(4)(words), extra]))
    with pytest.raises(ValueError, match=r"\[to_onnx\] the network takes any number of steps"):
        net.to_onnx(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_one_of_each_is_named_too(tmp_path: Any) -> None:
    x = layers.Input((4,), name="mine")
    Model(x, layers.Dense(2, name="ours")(x)).to_onnx(tmp_path / "net.onnx")
    assert names(tmp_path / "net.onnx") == (["mine"], ["ours"])
