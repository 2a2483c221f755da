"""Functional models of Keras read as graphs: outputs, names, weights by layer; what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras import layers as theirs  # noqa: E402
from keras import ops  # noqa: E402
from mirror import numpy, tensor  # noqa: E402
from test_from_keras import functional, moved, names_from_the_beginning  # noqa: E402
from test_keras_graphs import shared, skips, states, two_heads  # noqa: E402

from ganglion import Model, Sequential, layers  # noqa: E402

RNG = np.random.default_rng(0)
__all__ = ["names_from_the_beginning"]  # a fixture


def inputs_of(model: Any, rows: int = 5) -> list[np.ndarray]:
    shapes = [tuple(size or 7 for size in part.shape[1:]) for part in model.inputs]
    return [RNG.normal(size=(rows, *shape)).astype("float32") for shape in shapes]


def assert_same(model: Any, named: bool = False) -> Model:
    net = Model.from_keras(moved(model))
    given = inputs_of(model)
    read = [tensor(part, "float32") for part in given]
    if named:
        names = [part.name for part in model.inputs]
        wanted = model(dict(zip(names, read, strict=True)))
        found = net.predict(dict(zip(names, given, strict=True)))
    else:
        wanted = model(read)
        found = net.predict(tuple(given) if len(given) > 1 else given[0])
    if isinstance(wanted, dict):
        assert list(found) == net.output_names and set(found) == set(wanted)
        found, wanted = [found[name] for name in wanted], list(wanted.values())
    if not isinstance(wanted, (list, tuple)):
        found, wanted = [found], [wanted]
    for ours, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, numpy(expected), atol=1e-5, rtol=1e-5)
    return net


@pytest.mark.parametrize("draw", [two_heads, shared, skips, states])
def test_graphs(draw: Any) -> None:
    model = keras.Model(*draw(theirs))
    net = assert_same(model)
    assert len(net.get_weights()) == len(model.get_weights())
    kept = {name for name in (layer.name for layer in model.layers) if name.startswith("w")}
    assert kept <= {row.name for row in net.layer_rows}


def test_dicts_names_settings_and_training() -> None:
    a, b = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    hidden = theirs.Concatenate()([theirs.Dense(5, activation="relu", name="mine")(a), b])
    outputs = {"size": theirs.Dense(1)(hidden), "kind": theirs.Dense(3, "softmax")(hidden)}
    net = assert_same(keras.Model({"right": b, "left": a}, outputs), named=True)
    assert sorted(net.input_names) == ["left", "right"]
    net.compile("adam", loss={"size": "mse", "kind": "sparse_categorical_crossentropy"})
    X = dict(zip(["left", "right"], [RNG.normal(size=(20, n)) for n in (4, 3)], strict=True))
    y = {"size": X["left"][:, 0], "kind": (X["right"][:, 0] > 0).astype(int)}
    losses = net.fit(X, y, epochs=10, verbose=0).history_["loss"]
    assert losses[-1] < losses[0]


def test_models_within_models_and_used_again() -> None:
    a = keras.Input((4,))
    inner = keras.Sequential([keras.Input((3,)), theirs.Dense(3), theirs.LayerNormalization()])
    encode = keras.Model(a, [inner(theirs.Dense(3)(a)), theirs.Dense(2)(a)])
    x, y = keras.Input((4,)), keras.Input((4,))
    (p, q), (r, s) = encode(x), encode(y)
    net = assert_same(keras.Model([x, y], [theirs.Dot(axes=1)([p, r]), q - s, encode(x)[0]]))
    assert len(net.layers) == 7  # two inputs, each layer once


def test_operations() -> None:
    a, b = keras.Input((4,)), keras.Input((4,))
    y = ops.concatenate([ops.tanh(a) * 2.0, 1.0 - b, a / (ops.abs(b) + 1.0)], axis=-1)
    y = ops.where(y > 0.5, y, ops.square(y)) + ops.expand_dims(ops.mean(a, axis=-1), 1)
    y = ops.reshape(y, (-1, 3, 4))[:, 1:, :2]
    y = ops.transpose(y, (0, 2, 1)) @ np.ones((2, 3), "float32")
    z = ops.clip(ops.maximum(ops.exp(a), b), 0.25, 2.0) + np.arange(4.0, dtype="float32")
    z = ops.softmax(ops.silu(ops.gelu(z)), axis=-1) + ops.var(b, axis=1, keepdims=True)
    assert_same(keras.Model([a, b], [ops.max(y, axis=1), z, ops.stack([a, b], axis=1)]))


def test_states_and_sequences_of_any_length() -> None:
    source, target = keras.Input((None, 3)), keras.Input((None, 2))
    _, state = theirs.GRU(4, return_state=True)(source)
    y = theirs.GRU(4, return_sequences=True)(target, initial_state=state)
    y = theirs.Bidirectional(theirs.LSTM(3))(y)
    y = theirs.Add()([y, theirs.Dense(6)(theirs.GlobalAveragePooling1D()(source))])
    assert_same(keras.Model([source, target], y))


def test_attention_masks_and_chains() -> None:
    words = keras.Input((6,))
    x = theirs.Embedding(9, 4, mask_zero=True)(words)
    x = theirs.Add()([x, theirs.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)])
    model = moved(
        keras.Model(words, theirs.GlobalAveragePooling1D()(theirs.LayerNormalization()(x)))
    )
    ids = RNG.integers(1, 9, (5, 6)) * (np.arange(6) < RNG.integers(1, 7, (5, 1)))
    expected = numpy(model(tensor(ids, "float32")))
    np.testing.assert_allclose(Model.from_keras(model).predict(ids), expected, atol=1e-5)
    chain = keras.Sequential([keras.Input((4,)), theirs.Dense(3), theirs.Dropout(0.3)])
    assert assert_same(chain).input_shape == (None, 4)


def test_what_a_chain_refuses_as_a_graph_names_the_way() -> None:
    a, b = keras.Input((4,)), keras.Input((4,))
    dense = theirs.Dense(4)
    twice = dense(dense(a))
    for model in (
        keras.Model([a, b], theirs.Add()([a, b])),
        keras.Model(a, [dense(a), theirs.Dense(3)(a)]),
        keras.Model(a, twice),
        keras.Model(a, theirs.Dot(1)([twice, theirs.Dense(4)(a)])),
        keras.Model(a, theirs.Concatenate()([a, twice, theirs.Dense(4)(twice)])),
    ):
        with pytest.raises(ValueError, match=r"; ganglion.Model.from_keras reads any graph"):
            Sequential.from_keras(model)
        assert_same(model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: functional(lambda x: ops.roll(x, 1, axis=1)),
            r"operation 'roll' is a keras.ops Roll, which has no counterpart; these have: Absolute",
        ),
        (
            lambda: functional(lambda x: x[:, ::2]),
            r"operation 'get_item' \(GetItem\): \[slice\] cannot take",
        ),
        (
            lambda: functional(lambda x: ops.reshape(x, (2, -1))),
            r"operation 'reshape' \(Reshape\): \[reshape\] newshape must be \(-1, ...\)",
        ),
        (lambda: functional(lambda x: ops.cast(x, "int32")), r"\(Cast\): \[cast\] dtype must be"),
        (lambda: functional(theirs.UnitNormalization()), "is a UnitNormalization, which is not"),
        (
            lambda: functional(theirs.Dense(3, kernel_constraint="non_neg", name="d")),
            r"'d' \(Dense\) has kernel_constraint",
        ),
        (
            lambda: functional(lambda x: theirs.Dropout(0.5, name="d")(x, training=True)),
            r"'d' \(Dropout\) is called with training, which is not supported",
        ),
        (lambda: keras.Model(*[keras.Input((None, None, 3))] * 2), "must have known sizes"),
        (lambda: keras.Sequential([theirs.Dense(3)]), "has no weights yet: call it on data"),
    ],
    ids=["operation", "step", "batch", "cast", "layer", "setting", "training", "size", "not-built"],
)
def test_what_is_not_supported_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"\[from_keras\] .*" + message):
        Model.from_keras(make())


def test_no_keras_model() -> None:
    with pytest.raises(TypeError, match=r"\[from_keras\] model must be a Keras model, got"):
        Model.from_keras(layers.Dense(3))
