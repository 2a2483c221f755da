"""Keras models read as networks: outputs, weights, names and settings; errors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras import layers as theirs  # noqa: E402
from layer_grid import EVERY, samples  # noqa: E402
from mirror import numpy, tensor  # noqa: E402
from test_keras_layers import counterpart, same_weights  # noqa: E402

from ganglion import Sequential, layers  # noqa: E402

DIFFERENCE = 1e-5
# In float32 Keras's groups of two numbers are 5e-5 from the formula in double precision, ours 2e-6.
KERAS_ERROR = {"group_normalization": 1e-4}
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def names_from_the_beginning() -> None:
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session()


def moved(model: Any) -> Any:
    """The model with weights that are no zeros and ones, and the first of them positive."""
    model.set_weights([w + RNG.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
    return model


def assert_same_predictions(
    net: Sequential, model: Any, shape: tuple[int, ...], difference: float = DIFFERENCE
) -> None:
    x = samples(net.layers[1], shape, 5, RNG).astype(net.dtype)
    expected = numpy(model(tensor(x, net.dtype), training=False))
    np.testing.assert_allclose(net.predict(x), expected, atol=difference)


@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_layer(layer: Any, shape: tuple[int, ...], dtype: str, monkeypatch: Any) -> None:
    # Keras cannot describe a function with its settings; those of the grid have the usual ones.
    without = SimpleNamespace(partial=lambda function, **settings: function)
    monkeypatch.setattr("mirror.functools", without)
    there = counterpart(layer, shape)
    model = keras.Sequential([keras.Input(shape), there])
    net = Sequential([layers.Input(shape), layer], dtype=dtype)
    same_weights(net, there)
    read = Sequential.from_keras(model)
    if read.get_weights():
        assert read.dtype == dtype
    assert [w.shape for w in read.get_weights()] == [w.shape for w in net.get_weights()]
    difference = KERAS_ERROR.get(layer.registered_name, DIFFERENCE)
    assert_same_predictions(read, model, shape, difference)


def test_settings_names_and_weights() -> None:
    model = moved(
        keras.Sequential(
            [
                keras.Input((5,)),
                theirs.Dense(8, activation="gelu", kernel_regularizer="l2", name="first"),
                theirs.BatchNormalization(momentum=0.9),
                theirs.Dropout(0.3, seed=1),
                theirs.Dense(8, activation=theirs.LeakyReLU(0.1), trainable=False),
                theirs.ReLU(max_value=3.0),
                theirs.Dense(3, activation="softmax", kernel_initializer="he_normal"),
            ]
        )
    )
    net = Sequential.from_keras(model)
    for ours, wanted in zip(net.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, wanted)
    assert_same_predictions(net, model, (5,))
    assert net.get_layer("first").kernel_regularizer is not None
    assert repr(net.layers[2]) == ("BatchNormalization(momentum=0.9, name='batch_normalization')")
    assert "LeakyReLU(negative_slope=0.1)" in repr(net.layers[4])
    assert not net.layers[4].trainable
    net.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    X = RNG.normal(size=(100, 5))
    history = net.fit(X, (X[:, 0] > 0).astype(int), epochs=10, verbose=0).history_["loss"]
    assert history[-1] < history[0]


def test_branches() -> None:
    x = keras.Input((6,))
    h = theirs.Dense(8, activation="relu")(x)
    h = theirs.Add()([h, theirs.Dense(8)(theirs.LayerNormalization()(h))])
    h = theirs.Subtract()([theirs.Dense(8)(h), h])
    h = theirs.Concatenate()([h, theirs.Dense(3)(h), theirs.PReLU()(h)])
    head = keras.Sequential([keras.Input((19,)), theirs.Dense(4, activation="tanh")])
    h = theirs.Multiply()([head(h), theirs.Dense(4, activation="sigmoid")(h)])
    model = moved(keras.Model(x, theirs.Dense(2)(h)))
    net = Sequential.from_keras(model)
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds == ["Input", "Dense", "Residual", "Residual", "Branches", "Branches", "Dense"]
    assert_same_predictions(net, model, (6,))


def test_adapted_normalization() -> None:
    scale = theirs.Normalization()
    scale.adapt(RNG.normal(3.0, 2.0, size=(50, 4)))
    model = keras.Sequential([keras.Input((4,)), scale, theirs.Dense(1)])
    net = Sequential.from_keras(model)
    assert_same_predictions(net, model, (4,))
    statistics = net.get_weights()[0]
    net.compile(loss="mse")
    net.fit(RNG.normal(size=(20, 4)), np.zeros(20), verbose=0)  # it learned before
    np.testing.assert_array_equal(net.get_weights()[0], statistics)


def functional(*used: Any) -> Any:
    """A model that applies layers one after the other."""
    x = y = keras.Input((4, 4))
    for layer in used:
        y = layer(y)
    return keras.Model(x, y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: functional(theirs.Conv1DTranspose(2, 2, name="image")),
            "'image' is a Conv1DTranspose, which is not",
        ),
        (
            lambda: functional(theirs.UnitNormalization()),
            "is a UnitNormalization, .* supported are .*Dense",
        ),
        (
            lambda: functional(theirs.Dense(3, kernel_constraint="non_neg", name="d")),
            r"'d' \(Dense\) has kernel_constraint",
        ),
        (
            lambda: functional(theirs.Dense(3, activation=lambda x: x * x)),
            r"\(Dense\) has an activation that is not supported",
        ),
        (
            lambda: functional(theirs.Dense(3, activation="celu", name="d")),
            r"'d' \(Dense\) has the activation 'celu', which is not supported",
        ),
        (
            lambda: functional(
                type("Dense", (theirs.Dense,), {"__module__": "__main__"})(3, name="d")
            ),
            "'d' is a Dense of your own, which is not supported",
        ),
        (
            lambda: keras.Sequential([keras.Input((8, 8, 3)), theirs.RandomCrop(4, 4, name="r")]),
            r"'r' \(RandomCrop\) crops in training alone",
        ),
        (lambda: functional(lambda x: x * 2.0), r"is a keras\.src\.ops\.numpy\.Multiply"),
        (lambda: functional(*[theirs.Dense(4)] * 2), "is called 2 times"),
        (lambda: keras.Sequential([theirs.Dense(3)]), "has no weights yet: call it on data"),
    ],
    ids=[
        "layer",
        "listed",
        "constraint",
        "activation",
        "name",
        "own",
        "crop",
        "operation",
        "twice",
        "not-built",
    ],
)
def test_what_is_not_supported_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"\[from_keras\] .*" + message):
        Sequential.from_keras(make())


def test_models_that_are_no_chain() -> None:
    a, b = keras.Input((4,)), keras.Input((4,))
    with pytest.raises(ValueError, match="must have one input"):
        Sequential.from_keras(keras.Model([a, b], theirs.Add()([a, b])))
    with pytest.raises(ValueError, match="must have one output"):
        Sequential.from_keras(keras.Model(a, [theirs.Dense(2)(a), theirs.Dense(3)(a)]))
    hidden = theirs.Dense(4)(a)
    other = theirs.Dense(4)(hidden)
    joined = theirs.Concatenate()([a, hidden, other])
    with pytest.raises(ValueError, match=r"'dense_?\d*' \(Dense\) is used by branches that do not"):
        Sequential.from_keras(keras.Model(a, joined))


def test_a_class_of_one_s_own() -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    model = Own()
    model(np.ones((1, 2)))
    with pytest.raises(ValueError, match="got the Own 'own'"):
        Sequential.from_keras(model)


@pytest.mark.parametrize("base", [keras.Sequential, keras.Model])
@pytest.mark.parametrize("module", ["own", "__main__"])
def test_a_class_of_one_s_own_around_layers(module: str, base: Any) -> None:
    def call(self: Any, *args: Any, **settings: Any) -> Any:
        return 2 * base.call(self, *args, **settings)

    # A model within another is told by its class: also by one that has the name of Keras's.
    own = type("Sequential", (base,), {"__module__": module, "call": call})
    x = keras.Input((4,))
    dense = theirs.Dense(2)
    model = own([x, dense]) if base is keras.Sequential else own(x, dense(x))
    with pytest.raises(ValueError, match="Sequential or functional model, got the Sequential"):
        Sequential.from_keras(model)
    with pytest.raises(ValueError, match=r"is a (own\.Sequential|Sequential of your own), which"):
        Sequential.from_keras(keras.Sequential([x, model]))


@pytest.mark.parametrize("model", [None, "model.keras", layers.Dense(3)], ids=str)
def test_no_keras_model(model: Any) -> None:
    with pytest.raises(TypeError, match=r"\[from_keras\] model must be a Keras model, got"):
        Sequential.from_keras(model)
