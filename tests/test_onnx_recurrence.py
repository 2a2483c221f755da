"""Recurrence and attention in ONNX files: as which nodes they are written, and what is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402
from onnx_models import model, node, operators, read, run, weights  # noqa: E402

from ganglion import Sequential, applications, layers, ops  # noqa: E402

STEPS, FEATURES, UNITS = 4, 5, 3
DIFFERENCE = 1e-5
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
LOOPS = {"LSTM", "GRU", "RNN", "Scan"}

Array = np.ndarray


def sequences(rows: int = 6, padded: bool = False) -> Array:
    x = np.random.default_rng(1).normal(size=(rows, STEPS, FEATURES)).astype(np.float32)
    for row in range(rows * padded):
        x[row, row % STEPS + 1 :] = 0.0
    return x


def network(*chain: Any, dtype: str = "float32") -> Sequential:
    net = Sequential([layers.Input((STEPS, FEATURES)), *chain], dtype=dtype, random_state=0)
    net.build((None, STEPS, FEATURES))
    draw = np.random.default_rng(2)
    net.set_weights([w + draw.normal(scale=0.3, size=w.shape) for w in net.get_weights()])
    return net


def written(net: Sequential, tmp_path: Any, padded: bool = False) -> list[str]:
    """The nodes of a network's file, whose results are compared with its own."""
    path = tmp_path / "net.onnx"
    net.to_onnx(path)
    x = sequences(padded=padded).astype(net.dtype)
    (there,) = run(path, x)
    np.testing.assert_allclose(there, net.predict(x), atol=DIFFERENCE)
    return [kind for kind in operators(path) if kind in LOOPS]


LAYERS = [
    layers.LSTM(UNITS),
    layers.LSTM(UNITS, return_sequences=True, use_bias=False),
    layers.LSTM(UNITS, "softsign", "hard_sigmoid", go_backwards=True),
    layers.LSTM(UNITS, None, return_sequences=True, go_backwards=True),
    layers.GRU(UNITS, return_sequences=True),
    layers.GRU(UNITS, "elu", "hard_sigmoid", go_backwards=True),
    layers.GRU(UNITS, "relu", reset_after=False),
    layers.GRU(UNITS, use_bias=False, return_sequences=True, go_backwards=True),
    layers.SimpleRNN(UNITS, "relu"),
    layers.SimpleRNN(UNITS, layers.LeakyReLU(0.01).activation, return_sequences=True),
    layers.SimpleRNN(UNITS, "softplus", use_bias=False),
    layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True)),
    layers.Bidirectional(layers.GRU(UNITS)),
    layers.Bidirectional(layers.SimpleRNN(UNITS, return_sequences=True, use_bias=False)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layers_are_nodes_and_come_back(layer: Any, tmp_path: Any) -> None:
    net = network(layer)
    (kind,) = written(net, tmp_path)
    inner = getattr(layer, "layer", layer)
    assert kind == type(inner).__name__.removeprefix("Simple")
    back = Sequential.from_onnx(tmp_path / "net.onnx")
    assert [type(one) for one in back.layers] == [type(one) for one in net.layers]
    x = sequences()
    np.testing.assert_allclose(back.predict(x), net.predict(x), atol=DIFFERENCE)
    for ours, other in zip(back.get_weights(), net.get_weights(), strict=True):
        assert ours.shape == other.shape or not inner.use_bias


def test_a_stack_comes_back(tmp_path: Any) -> None:
    net = network(
        layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
        layers.Dense(6, activation="tanh"),
        layers.GRU(UNITS, return_sequences=True),
        layers.LSTM(2),
        layers.Dense(1),
    )
    assert written(net, tmp_path) == ["LSTM", "GRU", "LSTM"]
    back = Sequential.from_onnx(tmp_path / "net.onnx")
    x = sequences()
    np.testing.assert_allclose(back.predict(x), net.predict(x), atol=DIFFERENCE)


class Sums(layers.Layer):
    """Sums of the steps so far, and the sum of all."""

    def build(self, x: Any) -> Any:
        factor = self.add_weight("factor", x.shape[2:], "ones")
        carries, results = ops.scan(
            lambda carries, slices: ([carries[0] + factor * slices[0]], [2.0 * carries[0]]),
            [x[:, 0]],
            [x],
        )
        return results[0] + ops.expand_dims(carries[0], 1)


@pytest.mark.parametrize(
    "chain",
    [
        [layers.LSTM(UNITS, "gelu", return_sequences=True)],
        [layers.GRU(UNITS, "silu", go_backwards=True)],
        [layers.Bidirectional(layers.GRU(UNITS, "gelu"), "sum")],
        [layers.Masking(), layers.LSTM(UNITS, return_sequences=True)],
        [layers.Masking(), layers.SimpleRNN(UNITS, go_backwards=True, return_sequences=True)],
        [layers.Masking(), layers.LSTM(UNITS, zero_output_for_mask=True, return_sequences=True)],
        [layers.Masking(), layers.Bidirectional(layers.LSTM(UNITS))],
        [Sums()],
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_else_is_a_loop(chain: Any, dtype: str, tmp_path: Any) -> None:
    kinds = written(network(*chain, dtype=dtype), tmp_path, padded=True)
    assert set(kinds) == {"Scan"}


def test_double_precision_is_a_loop(tmp_path: Any) -> None:
    net = network(layers.LSTM(UNITS), dtype="float64")
    assert written(net, tmp_path) == ["Scan"]


def test_a_state_that_is_kept_has_no_form(tmp_path: Any) -> None:
    begin = layers.Input((STEPS, FEATURES), batch_size=2)
    net = Sequential([begin, layers.LSTM(UNITS, stateful=True)])
    with pytest.raises(
        ValueError, match=r"\[to_onnx\] operation .* of layer 'lstm' has no ONNX form"
    ):
        net.to_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_attention(masked: bool, dtype: str, tmp_path: Any) -> None:
    attention = layers.MultiHeadAttention(2, 3, causal=True)
    net = network(*[layers.Masking()] * masked, layers.PositionalEncoding(), attention, dtype=dtype)
    assert written(net, tmp_path, padded=masked) == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_an_encoder_comes_back(causal: bool, dtype: str, tmp_path: Any) -> None:
    wide = layers.MultiHeadAttention(2, 3, value_dim=4, output_shape=7, use_bias=False)
    blocks = applications.transformer_encoder(FEATURES, 1, 8, 2, activation="gelu", causal=causal)
    net = network(*blocks, wide, layers.GlobalAveragePooling1D(), layers.Dense(2), dtype=dtype)
    assert written(net, tmp_path) == []
    back = Sequential.from_onnx(tmp_path / "net.onnx")
    x = sequences().astype(dtype)
    np.testing.assert_allclose(back.predict(x), net.predict(x), atol=DIFFERENCE)
    inner = back.layers[1].layers[1]
    assert isinstance(inner, layers.MultiHeadAttention) and inner.causal == causal


# ---- files of others


def recurrent(kind: str, places: int, directions: int = 1, **settings: Any) -> tuple[list, dict]:
    """A node that reads `t`, with the results `y`, `h` (and `c`), and its weights."""
    rows = GATES[kind] * UNITS
    given = {
        "w": weights(directions, rows, places),
        "r": weights(directions, rows, UNITS),
        "b": weights(directions, 2 * rows),
    }
    results = ["y", "h", "c"] if kind == "LSTM" else ["y", "h"]
    inputs = ["t", *given, *settings.pop("more", [])]
    if directions > 1:
        settings["direction"] = "bidirectional"
    made = helper.make_node(kind, inputs, results, name="loop", hidden_size=UNITS, **settings)
    first = node("Transpose", "x", "t", perm=[1, 0, 2])
    return [first, made], given


def assert_read(nodes: list[Any], given: dict[str, Any], tmp_path: Any) -> Sequential:
    made = model(nodes, given, ("batch", STEPS, FEATURES))
    net = read(made, tmp_path)
    x = sequences()
    np.testing.assert_allclose(net.predict(x), run(made, x)[0], atol=DIFFERENCE)
    return net


SEQUENCES = [
    node("Squeeze", "y one", "s"),
    node("Transpose", "s", "out", perm=[1, 0, 2]),
]
ONE = {"one": np.array([1])}
AFTER = {"linear_before_reset": 1}


@pytest.mark.parametrize("settings", [{}, AFTER], ids=["before", "after"])
@pytest.mark.parametrize("kind", GATES)
def test_all_steps_or_the_last(kind: str, settings: Any, tmp_path: Any) -> None:
    if settings and kind != "GRU":
        pytest.skip("of the GRU alone")
    nodes, given = recurrent(kind, FEATURES, **settings)
    net = assert_read([*nodes, *SEQUENCES], {**given, **ONE}, tmp_path)
    assert net.output_shape == (None, STEPS, UNITS)
    state = [node("Squeeze", "h zero", "out")]
    net = assert_read([*nodes, *state], {**given, "zero": np.array([0])}, tmp_path)
    assert net.output_shape == (None, UNITS)
    for place in (-1, STEPS - 1):
        last = [*SEQUENCES, node("Gather", "out place", "last", axis=1)]
        assert_read([*nodes, *last], {**given, **ONE, "place": np.array(place)}, tmp_path)


def test_backwards_both_ways_and_stacked(tmp_path: Any) -> None:
    nodes, given = recurrent("LSTM", FEATURES, direction="reverse")
    state = [node("Gather", "h zero", "out", axis=0)]
    net = assert_read([*nodes, *state], {**given, "zero": np.array(0)}, tmp_path)
    assert net.layers[1].go_backwards

    nodes, given = recurrent("LSTM", FEATURES, directions=2)
    nodes += [
        node("Transpose", "y", "s", perm=[0, 2, 1, 3]),
        node("Reshape", "s flat", "f"),
        node("Transpose", "f", "out", perm=[1, 0, 2]),
    ]
    net = assert_read(nodes, {**given, "flat": np.array([0, 0, -1])}, tmp_path)
    assert isinstance(net.layers[1], layers.Bidirectional)

    nodes, given = recurrent("GRU", FEATURES)
    rows = 4 * UNITS
    second = {"w2": weights(1, rows, UNITS), "r2": weights(1, rows, UNITS)}
    nodes += [
        node("Squeeze", "y one", "s"),
        helper.make_node("LSTM", ["s", *second], ["y2"], name="above", hidden_size=UNITS),
        node("Squeeze", "y2 one", "s2"),
        node("Transpose", "s2", "out", perm=[1, 0, 2]),
    ]
    net = assert_read(nodes, {**given, **second, **ONE}, tmp_path)
    assert [type(layer).__name__ for layer in net.layers] == ["Input", "GRU", "LSTM"]


def test_states_of_zeros_are_none(tmp_path: Any) -> None:
    state = {"state": np.zeros((1, 6, UNITS), np.float32)}
    nodes, given = recurrent("GRU", FEATURES, more=["", "state"])
    made = model([*nodes, *SEQUENCES], {**given, **ONE, **state}, (6, STEPS, FEATURES))
    net = read(made, tmp_path)
    np.testing.assert_allclose(net.predict(sequences()), run(made, sequences())[0], atol=DIFFERENCE)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("LSTM", {"clip": 1.0}, "it has clip 1"),
        ("LSTM", {"input_forget": 1}, "it has input_forget 1"),
        ("LSTM", {"more": ["", "", "", "ones"]}, "it has peepholes"),
        ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}, "must be the same"),
        ("RNN", {"activations": ["ThresholdedRelu"]}, "the activation ThresholdedRelu"),
        ("GRU", {"activations": ["HardSigmoid", "Tanh"]}, r"HardSigmoid of \[0.2, 0.5\]"),
        ("RNN", {"direction": "reverse"}, "in the order in which they are made"),
    ],
)
def test_what_no_layer_has_is_named(kind: str, settings: Any, message: str, tmp_path: Any) -> None:
    nodes, given = recurrent(kind, FEATURES, **settings)
    given |= {"ones": np.ones((1, 3 * UNITS), np.float32)} if "more" in settings else {}
    made = model([*nodes, *SEQUENCES], {**given, **ONE}, ("batch", STEPS, FEATURES))
    with pytest.raises(ValueError, match=message):
        read(made, tmp_path)


def test_steps_that_are_not_moved_are_named(tmp_path: Any) -> None:
    nodes, given = recurrent("RNN", FEATURES)
    made = model(
        [*nodes, node("Squeeze", "y one", "out")], {**given, **ONE}, ("batch", STEPS, FEATURES)
    )
    with pytest.raises(ValueError, match="the samples must be made the first axis"):
        read(made, tmp_path)


def test_any_number_of_steps_is_refused_and_the_way_that_is_named_works(tmp_path: Any) -> None:
    chain = [layers.LSTM(UNITS), layers.Dense(2)]
    net = Sequential([layers.Input((None, FEATURES)), *chain], random_state=0)
    with pytest.raises(ValueError, match=r"Input\(\(steps, 5\)\).* set_weights\(net\.get_weights"):
        net.to_onnx(tmp_path / "open.onnx")
    other = Sequential([layers.Input((STEPS, FEATURES)), *chain])
    other.set_weights(net.get_weights())
    other.to_onnx(tmp_path / "net.onnx")
    x = sequences()
    got = Sequential.from_onnx(tmp_path / "net.onnx").predict(x)
    np.testing.assert_allclose(got, net.predict(x), rtol=0, atol=DIFFERENCE)
