"""Data frames as inputs of a network: read as arrays, and the wrong column named."""

from __future__ import annotations

import datetime
import pickle
import warnings
from decimal import Decimal

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from ganglion import MLPClassifier, NeuralClassifier, Sequential, TabularPreprocessor, layers
from ganglion.frames import frame_array

pandas = pytest.importorskip("pandas")
LIBRARIES = ["pandas", "polars"]
NUMBERS = np.random.default_rng(0).normal(size=(20, 3))
COLUMNS = {name: NUMBERS[:, index] for index, name in enumerate(["a", "b", "c"])}


def network():
    return Sequential([layers.Dense(1)], loss="mse", random_state=0)


def made(library, columns):
    return pytest.importorskip(library).DataFrame(columns)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_frame_is_its_array(library):
    frame = made(library, COLUMNS)
    target = made(library, {"target": NUMBERS[:, 0]})
    first, second = network(), network()
    first.fit(frame, target, sample_weight=frame["b"] ** 2, validation_data=(frame, frame["a"]))
    second.fit(
        NUMBERS,
        NUMBERS[:, :1],
        sample_weight=NUMBERS[:, 1] ** 2,
        validation_data=(NUMBERS, NUMBERS[:, 0]),
    )
    assert first.history_ == second.history_
    np.testing.assert_array_equal(first.predict(frame), second.predict(NUMBERS))
    assert first.evaluate(frame, target) == second.evaluate(NUMBERS, NUMBERS[:, :1])


def test_one_piece_of_memory_is_not_copied():
    frame = pandas.DataFrame(NUMBERS, copy=False)
    assert np.shares_memory(frame_array("fit", "X", frame), NUMBERS)


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_of_several_types_are_put_together(library):
    columns = {
        "whole": np.array([1, 2], np.int8),
        "fraction": np.array([0.5, 1.5], np.float32),
        "yes": [True, False],
        "exact": [Decimal("1.5"), Decimal("2.5")],
    }
    found = frame_array("fit", "X", made(library, columns))
    np.testing.assert_array_equal(found, [[1, 0.5, 1, 1.5], [2, 1.5, 0, 2.5]])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_name_may_be_that_of_two_columns_or_of_none(library):
    assert frame_array("fit", "X", made(library, {})).shape[1] == 0
    frame = pandas.DataFrame([[1, 2.5]], columns=["same", "same"])
    np.testing.assert_array_equal(frame_array("fit", "X", frame), [[1, 2.5]])


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "Float32", "boolean", "object"])
def test_what_is_missing_in_a_nullable_column_is_nan(dtype):
    frame = pandas.DataFrame({"a": pandas.array([1, None, 0], dtype=dtype), "b": [1, 2, 3]})
    np.testing.assert_array_equal(frame_array("fit", "X", frame), [[1, 1], [np.nan, 2], [0, 3]])
    with pytest.raises(ValueError, match=r"\[fit\] X has a NaN at row 1, column 'a'"):
        network().fit(frame, [1, 2, 3])


def test_numbers_of_numpy_in_a_column_of_objects_are_numbers():
    values = [np.float64(1.5), np.int64(2), np.bool_(True), None]
    frame = pandas.DataFrame({"a": pandas.Series(values, dtype=object)})
    np.testing.assert_array_equal(frame_array("fit", "X", frame)[:, 0], [1.5, 2, 1, np.nan])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "values",
    [
        ["x", "y"],
        ["1", "2"],
        [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)],
        [datetime.datetime(2020, 1, 1), None],
        [[1.0], [2.0]],
    ],
    ids=["text", "digits", "dates", "times", "lists"],
)
def test_a_column_without_numbers_is_named(library, values):
    frame = made(library, {"good": [1.0, 2.0], "bad one": values})
    with pytest.raises(
        TypeError, match=r"\[fit\] X has no numbers in column 'bad one': (encode|make)"
    ):
        network().fit(frame, [1.0, 2.0])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_value_that_is_not_finite_is_named_by_its_column(library):
    net = network().fit(NUMBERS, NUMBERS[:, 0])
    changed = {**COLUMNS, "b": np.where(np.arange(20) == 7, np.inf, COLUMNS["b"])}
    for call in (net.predict, net.forward):
        with pytest.raises(ValueError, match="infinite value inf at row 7, column 'b'"):
            call(made(library, changed))


def test_a_sparse_frame_is_never_made_dense():
    sparse = pytest.importorskip("scipy.sparse")
    X = sparse.random_array((30, 8), density=0.2, rng=0, format="csr")
    frame = pandas.DataFrame.sparse.from_spmatrix(X)
    first, second = network().fit(frame, NUMBERS[0, 0] * np.ones(30)), network()
    second.fit(X, NUMBERS[0, 0] * np.ones(30))
    np.testing.assert_array_equal(first.predict(frame), second.predict(X))


@pytest.mark.parametrize("fills", [(1.0, 1.0), (0.0, 1.0), (7, 7), (True, True)], ids=str)
@pytest.mark.parametrize("model", [NeuralClassifier, MLPClassifier, TabularPreprocessor])
def test_a_sparse_frame_may_leave_out_another_value_than_zero(model, fills):
    dense = (np.arange(40).reshape(20, 2) % 3 - 1).astype(type(fills[0]))
    columns = [pandas.arrays.SparseArray(dense[:, i], fill_value=fills[i]) for i in range(2)]
    frame = pandas.DataFrame(dict(zip("ab", columns, strict=True)))
    y = np.arange(20) % 2
    settings = {} if model is TabularPreprocessor else {"random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = model(**settings).fit(frame, y)
        expected = model(**settings).fit(dense, y)
    result = getattr(fitted, "predict_proba", None) or fitted.transform
    wanted = getattr(expected, "predict_proba", None) or expected.transform
    np.testing.assert_array_equal(result(frame), wanted(dense))


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_must_be_those_trained_on_in_their_order(library, tmp_path):
    frame, y = made(library, COLUMNS), NUMBERS[:, 0]
    turned = made(library, dict(reversed(COLUMNS.items())))
    net = network().fit(frame, y)
    assert net.feature_names_in_ == list(COLUMNS)
    net.save(tmp_path / "net.safetensors")
    for one in (
        net,
        pickle.loads(pickle.dumps(net)),
        Sequential.load(tmp_path / "net.safetensors"),
    ):
        with pytest.raises(ValueError, match=r"\[predict\] X has column .* where .* same order"):
            one.predict(turned)
    for call in (net.evaluate, net.fit):
        with pytest.raises(ValueError, match="same order"):
            call(turned, y)
    with pytest.raises(ValueError, match="validation_data.*same order"):
        network().fit(frame, y, validation_data=(turned, y))
    other = made(library, {f"{name}_": values for name, values in COLUMNS.items()})
    with pytest.raises(ValueError, match=r"lacks \['a'.* and has \['a_'.* besides"):
        net.predict(other)
    np.testing.assert_array_equal(net.predict(frame), net.predict(NUMBERS))  # an array has none
    net.reset()
    assert net.fit(turned, y).feature_names_in_ == list(reversed(COLUMNS))
