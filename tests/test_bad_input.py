"""Whatever is wrong is named before any work is done, and nothing is half-changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ganglion import (
    NeuralClassifier,
    NeuralRegressor,
    NotFittedError,
    Sequential,
    callbacks,
    layers,
    optimizers,
)

X = np.arange(40, dtype=np.float32).reshape(10, 4) / 40
Y = np.arange(10) % 3


def classifier(loss="sparse_categorical_crossentropy", **others) -> Sequential:
    return Sequential([layers.Dense(3, activation="softmax")], loss=loss, random_state=0, **others)


def binary() -> Sequential:
    return Sequential([layers.Dense(1, activation="sigmoid")], loss="binary_crossentropy")


def regressor(units=1) -> Sequential:
    return Sequential([layers.Dense(units)], loss="mse")


def changed(array, index, value):
    array = array.astype(np.float64)
    array[index] = value
    return array


BAD_X = {
    "nan": (changed(X, (7, 3), np.nan), "X has a NaN at row 7, column 3"),
    "inf": (changed(X, (0, 1), -np.inf), "infinite value -inf at row 0, column 1"),
    "too_large": (changed(X, (2, 2), 1e39), r"1e\+39, too large for float32, at row 2, column 2"),
    "rank": (X[0], "must have a row for each sample"),
    "scalar": (3.0, "must have a row for each sample"),
    "empty": (X[:0], "X is empty"),
    "no_features": (X[:, :0], "no features"),
    "strings": (X.astype(str), "must hold numbers.* TextVectorization makes"),
    "complex": (X.astype(complex), "must hold numbers"),
    "objects": ([[None] * 4] * 10, "X"),
    "ragged": ([[1.0, 2.0], [1.0]], "X"),
    "none": (None, "X"),
    "masked": (np.ma.masked_greater(X, 0.5), r"X is masked: pass X.filled"),
    "lengths": (X[:9], "X has 9 rows and y has 10"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_inputs(case):
    values, message = BAD_X[case]
    net = classifier()
    with pytest.raises((TypeError, ValueError), match=rf"\[fit\].*{message}"):
        net.fit(values, Y)
    assert not net.built
    assert (net.step_, net.history_) == (0, {})


BAD_Y = {
    "class_too_large": (classifier, changed(Y, 4, 3), "0 to 2.*3.* row 4"),
    "class_negative": (classifier, changed(Y, 4, -1), "0 to 2"),
    "class_fraction": (classifier, changed(Y, 4, 0.5), "0.5"),
    "one_hot_for_indices": (classifier, np.eye(3)[Y], "categorical_crossentropy"),
    "indices_for_one_hot": (
        lambda: classifier("categorical_crossentropy"),
        Y,
        "sparse_categorical_crossentropy",
    ),
    "no_distribution": (lambda: classifier("categorical_crossentropy"), np.ones((10, 3)), "sum"),
    "binary_too_large": (binary, Y, "between 0 and 1.* row 2"),
    "width": (lambda: regressor(2), Y, "shape"),
    "nan": (regressor, changed(Y, 3, np.nan), "y has a NaN at row 3"),
    "strings": (classifier, np.array(list("abcabcabca")), "numbers.* NeuralClassifier, take cl"),
    "length": (classifier, Y[:5], "X has 10 rows and y has 5"),
    "scalar": (classifier, 1, "y has none"),
    "none": (classifier, None, "y is missing"),
}


def good_targets(net):
    if net.loss.target_kind == "class_index":
        return Y
    return np.eye(10, net.layers[-1].units)[0 * Y]


@pytest.mark.parametrize("case", BAD_Y)
@pytest.mark.parametrize("method", ["fit", "train_on_batch", "validation"])
def test_bad_targets(case, method):
    make, values, message = BAD_Y[case]
    net = make()
    with pytest.raises((TypeError, ValueError), match=message):
        if method == "validation":
            net.fit(X, good_targets(net), validation_data=(X, values))
        else:
            getattr(net, method)(X, values)
    assert not net.built


BAD_SETTINGS = {
    "batch_size_zero": ({"batch_size": 0}, "batch_size must be .* got 0"),
    "batch_size_float": ({"batch_size": 2.5}, "batch_size must be .* got 2.5"),
    "batch_size_bool": ({"batch_size": True}, "batch_size"),
    "epochs_zero": ({"epochs": 0}, "epochs must be .* got 0"),
    "epochs_text": ({"epochs": "3"}, "epochs"),
    "split_one": ({"validation_split": 1.0}, "validation_split .* less than 1, got 1.0"),
    "split_negative": ({"validation_split": -0.1}, "validation_split"),
    "split_leaves_none": ({"validation_split": 0.95}, "0 to train on and 10 to validate"),
    "verbose": ({"verbose": 3}, "verbose must be"),
    "callbacks": ({"callbacks": [print]}, "callbacks must be Callbacks"),
    "validation_array": ({"validation_data": X}, r"must be \(X, y\)"),
    "validation_width": ({"validation_data": (X[:, :3], Y)}, "3 columns, the network takes 4"),
    "weight_length": ({"sample_weight": np.ones(9)}, r"must have shape \(10,\), got \(9,\)"),
    "weight_negative": ({"sample_weight": changed(np.ones(10), 2, -1)}, "negative at row 2"),
    "weight_nan": ({"sample_weight": changed(np.ones(10), 2, np.nan)}, "NaN at row 2"),
    "class_weight_list": ({"class_weight": [1, 2, 3]}, "must be a dict"),
    "class_weight_unknown": ({"class_weight": {3: 1.0}}, "class 3, there are 0 to 2"),
    "class_weight_negative": ({"class_weight": {0: -1.0}}, r"class_weight\[0\]"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_bad_settings_of_fit(case):
    arguments, message = BAD_SETTINGS[case]
    net = classifier()
    with pytest.raises((TypeError, ValueError), match=rf"\[fit.*\].*{message}"):
        net.fit(X, Y, **arguments)
    assert not net.built
    assert net.step_ == 0


def test_fitted_network_is_unchanged_by_bad_input():
    net = classifier().fit(X, Y)
    weights = net.get_weights()
    for values in (changed(X, (1, 1), np.nan), X[:, :3], X[:0], X[None]):
        for call in (
            net.predict,
            net.forward,
            lambda v: net.fit(v, Y),
            lambda v: net.evaluate(v, Y),
        ):
            with pytest.raises(ValueError, match=r"\[\w+\] X"):
                call(values)
    assert net.step_ == 1
    for old, new in zip(weights, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 5, 4, 3), r"X has shape \(2, 5, 4, 3\), the network takes \(None, 4, 3, 1\)$"),
        ((2, 1, 4, 3), r"its channels are first, np.moveaxis\(X, 1, -1\) has them last"),
        ((2, 4, 3), r"X\[..., np.newaxis\] has the one channel"),
        ((4, 3, 1), r"one sample is X.reshape\(1, \*X.shape\)"),
    ],
)
def test_images_of_another_shape(shape, message):
    net = Sequential([layers.Input((4, 3, 1)), layers.Conv2D(2, 3), layers.Flatten()])
    with pytest.raises(ValueError, match=message):
        net.predict(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_row_that_is_not_finite(value, dtype):
    net = classifier().fit(X, Y)
    net.predict(X[:1].astype(dtype))
    row = X[:1].astype(dtype)
    with np.errstate(over="ignore"):
        row[0, 2] = value
    with pytest.raises(ValueError, match="row 0, column 2"):
        net.predict(row)


@pytest.mark.parametrize(
    "call",
    [
        lambda net: net.predict(X),
        lambda net: net.evaluate(X, Y),
        lambda net: net.get_weights(),
        lambda net: net.set_weights([]),
        lambda net: net.summary(),
        lambda net: net.program(),
        lambda net: net.backward(X),
        lambda net: net.count_params(),
        lambda net: net.input_shape,
    ],
)
def test_before_build(call):
    with pytest.raises(NotFittedError, match=r"^\[\w+\] "):
        call(classifier())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "mean_square_error"}, "did you mean 'mean_squared_error'"),
        ({"optimizer": "adamm"}, "did you mean 'adam'"),
        ({"metrics": ["acuracy"]}, "did you mean 'accuracy'"),
        ({"metrics": "accuracy"}, "must be a list"),
        ({"metrics": ["mae", "mae"]}, "two metrics are named 'mae'"),
        ({"dtype": "float16"}, "dtype"),
        ({"device": "cude"}, "did you mean 'cuda'"),
        ({"device": "cuda"}, "no CUDA engine is installed"),
        ({"random_state": -1}, "random_state"),
        ({"random_state": "x"}, "random_state"),
        ({"random_state": 2**64}, "random_state must be .* less than 18446744073709551616"),
        ({"metrics": 3}, "metrics must be a list"),
    ],
)
def test_bad_settings_of_the_network(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Sequential([layers.Dense(1)], **arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequential(["Dense"]), "layers must be Layers"),
        (lambda: Sequential(None), r"\[Sequential\] layers must be a list of Layers, got None"),
        (lambda: Sequential(layers.Dense(1)), r"\[Sequential\] layers must be a list of Layers"),
        (lambda: regressor().build(None), r"\[build\] input_shape must be \(None, ...\), got None"),
        (lambda: Sequential([]).build((None, 3)), "no layers"),
        (lambda: Sequential([layers.Dense(1), layers.Input((3,))]), "Input must be the first"),
        (lambda: Sequential([layers.Dense(1, name="a")] * 2), "used once"),
        (lambda: regressor().build((3,)), "input_shape"),
        (lambda: regressor().build((10, 3)), "input_shape"),
        (lambda: regressor().build((None, 0)), "input_shape"),
        (lambda: Sequential([layers.Dense(1)]).fit(X, Y), "no loss"),
        (lambda: Sequential([layers.Input((4,)), layers.Dense(1)]).build((None, 5)), "takes"),
        (lambda: Sequential([layers.Dense(1)], loss="mse").get_layer("x"), "get_layer"),
    ],
)
def test_bad_networks(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_metric_that_does_not_fit_changes_nothing():
    net = Sequential([layers.Dense(3)], loss="mse", metrics=["sparse_categorical_accuracy"])
    try:
        net.fit(X, np.ones((10, 3)))
    except (TypeError, ValueError):
        assert not net.built


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([np.zeros((4, 3))], "2 weights, got 1"),
        ([np.zeros((3, 4)), np.zeros(3)], r"weight 0 \(dense/kernel\) must have shape \(4, 3\)"),
        ([np.full((4, 3), np.nan), np.zeros(3)], "not finite"),
        ([np.zeros((4, 3)), np.array(list("abc"))], "must hold numbers"),
        ([np.zeros((4, 3)), np.full(3, 1e39)], r"weight 1 \(dense/bias\) .* too large for float32"),
        ([np.zeros((4, 3)), [[1.0], [1.0, 2.0]]], r"weight 1 \(dense/bias\) is no array"),
        ([np.zeros((4, 3)), None], r"weight 1 \(dense/bias\) must have shape \(3,\)"),
        (None, "must be a list of arrays, got None"),
    ],
)
def test_bad_weights(weights, message):
    net = classifier().fit(X, Y)
    before = net.get_weights()
    with pytest.raises((TypeError, ValueError), match=message):
        net.set_weights(weights)
    np.testing.assert_array_equal(net.get_weights()[0], before[0])


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (np.ones((10, 2)), "shape of the output"),
        (np.full((10, 3), np.nan), "NaN at row 0, column 0"),
    ],
)
def test_bad_gradients(gradient, message):
    net = classifier()
    net.forward(X)
    with pytest.raises(ValueError, match=message):
        net.backward(gradient)


ANY_ARRAY = arrays.arrays(
    dtype=st.sampled_from(["f2", "f4", "f8", "i1", "u8", "?", ">f8", "c8", "U2", "O"]),
    shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)
ANYTHING = st.one_of(
    ANY_ARRAY, st.none(), st.integers(), st.floats(), st.text(), st.lists(st.floats(), max_size=4)
)


@settings(max_examples=300, deadline=None)
@given(samples=ANYTHING, targets=ANYTHING)
def test_anything_is_fitted_or_refused(samples, targets):
    net = Sequential(
        [layers.Dense(2, activation="softmax")], loss="sparse_categorical_crossentropy"
    )
    try:
        with np.errstate(all="ignore"):
            net.fit(samples, targets)
    except (TypeError, ValueError):
        assert not net.built
    else:
        assert np.isfinite(net.predict(samples)).all()


@settings(max_examples=300, deadline=None)
@given(samples=ANYTHING)
def test_anything_is_predicted_or_refused(samples):
    net = Sequential([layers.Input((3,)), layers.Dense(2)], random_state=0)
    try:
        result = net.predict(samples)
    except (TypeError, ValueError) as error:
        assert str(error).startswith("[predict] ")
    else:
        assert result.shape == (len(samples), 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net.fit(X, Y, epoch=3), r"\[fit\] .* 'epoch'; did you mean 'epochs'"),
        (lambda net: net.evaluate(X, Y, return_dict=True), "always is a dict"),
        (lambda net: net.predict(X, steps=3), r"^Sequential\.predict\(\)"),
        (lambda net: net.compile(los="mse"), r"\[compile\] .* did you mean 'loss'"),
        (lambda net: Sequential(optimiser="sgd"), r"\[Sequential\] .* did you mean 'optimizer'"),
        (lambda net: net.fit(X, Y, shuffle="batch"), "shuffle must be True, False or a function"),
        (lambda net: NeuralClassifier(max_iter=3), r"\[NeuralClassifier\] .* here it is epochs"),
        (lambda net: NeuralClassifier(lr=0.1), r"\[NeuralClassifier\] .* here it is learning_rate"),
        (lambda net: optimizers.Adam(lr=0.1), r"\[Adam\] .* 'lr'; did you mean 'learning_rate'"),
        (lambda net: NeuralRegressor(lyers=3), r"\[NeuralRegressor\] .* did you mean 'layers'"),
        (lambda net: NeuralClassifier().fit(X, Y, validation_data=(X, Y)), "X_val and y_val"),
        (
            lambda net: NeuralClassifier(callbacks=callbacks.EarlyStopping()).fit(X, Y),
            r"\[NeuralClassifier\] callbacks must be a list",
        ),
        (lambda net: NeuralClassifier(dropout=[0.1, 0.2]).fit(X, Y), r"one number in \[0, 1\)"),
        (lambda net: layers.Dense(3, input_shape=(4,)), r"\[Dense\] .*: let .* layers\.Input\("),
        (lambda net: layers.Conv2D(3, 3, data_format="channels_last"), "channels are always last"),
        (lambda net: layers.Dense(3, dtype="float64"), r"Sequential\(\.\.\., dtype='float64'\)"),
    ],
)
def test_arguments_that_there_are_not_are_named(call, message):
    with pytest.raises(TypeError, match=message):
        call(classifier().fit(X, Y))


def test_what_keras_users_write_is_taken():
    net = classifier()
    net.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    net.fit(X, Y)
    assert net.predict(X, verbose=0).shape == (10, 3)
    assert set(net.evaluate(X, Y, verbose=0)) == {"loss", "accuracy"}


def test_samples_of_another_rank_are_told_what_helps():
    net = classifier().fit(X, Y)
    with pytest.raises(ValueError, match=r"one sample is X\.reshape\(1, \*X\.shape\)"):
        net.predict(X[0])
    with pytest.raises(ValueError, match=r"keeps 2 dimensions .* layers\.Flatten\(\)"):
        classifier().fit(np.zeros((9, 4, 4)), np.zeros(9))


def recurrent(return_sequences: bool, *last: layers.Layer) -> Sequential:
    lstm = layers.LSTM(3, return_sequences=return_sequences)
    return Sequential([lstm, *last, layers.Dense(1)], loss="mse", random_state=0)


@pytest.mark.parametrize(
    ("net", "shape", "message"),
    [
        (recurrent(True), (9,), r"got \(9,\); .* return_sequences=False its last recurrent"),
        (recurrent(False), (9, 5), r"got \(9, 5\); .* return_sequences=True its last recurrent"),
        (recurrent(False), (9, 5, 1), r"\(9, 5, 1\); .* return_sequences=True its last recurrent"),
        (recurrent(False), (9, 4), r"got \(9, 4\)$"),
        (recurrent(True, layers.Flatten()), (9, 4), r"got \(9, 4\)$"),
    ],
)
def test_targets_of_another_rank_are_told_what_the_recurrent_layer_lacks(net, shape, message):
    with pytest.raises(ValueError, match=message) as caught:
        net.fit(np.zeros((9, 5, 4)), np.zeros(shape))
    assert type(caught.value) is ValueError


def test_a_layer_that_no_memory_holds_is_named():
    with pytest.raises(MemoryError, match="no memory for 101,000,000,000,000 weights"):
        Sequential([layers.Input((100,)), layers.Dense(10**12)])


def test_a_class_that_there_is_not_is_the_one_named():
    labels = np.array(["a", "b", "c"])[Y]
    with pytest.raises(ValueError, match=r"class_weight names 'z', .* \['a', 'b', 'c'\]"):
        NeuralClassifier(class_weight={"a": 2, "z": 3}).fit(X, labels)
