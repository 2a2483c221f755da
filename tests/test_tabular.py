"""Tables of numbers and categories become numbers, whatever holds them."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganglion import NeuralClassifier, TabularPreprocessor

AGES, COLORS = [20.0, None, 40.0, 60.0], ["red", "blue", None, "red"]
TABLE = np.array([AGES, COLORS], dtype=object).T
ONE_HOT = ["age", "missingindicator_age", "color_blue", "color_red", "color_nan"]


@parametrize_with_checks(
    [
        TabularPreprocessor(),
        TabularPreprocessor(scaling="quantile", imputation="mean"),
        TabularPreprocessor(scaling="robust", encoding="ordinal", missing_indicator=False),
        TabularPreprocessor(encoding="target"),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def frame(library):
    """The table as a frame: of pandas with types of NumPy, with its own, and of polars."""
    data = {"age": AGES, "color": COLORS}
    if library == "polars":
        table = pytest.importorskip("polars").DataFrame(data)
        if not hasattr(TabularPreprocessor().fit(table), "feature_names_in_"):
            pytest.skip("this scikit-learn does not read the column names of this polars")
        return table
    pandas = pytest.importorskip("pandas")
    if library == "pandas":
        return pandas.DataFrame(data)
    types = {"age": "Int64", "color": "string" if library == "pandas string" else "category"}
    return pandas.DataFrame(data).astype(types)


FRAMES = ["pandas", "pandas string", "pandas category", "polars"]


@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_and_an_array_give_the_same(library):
    preprocessor = TabularPreprocessor()
    from_frame = preprocessor.fit_transform(frame(library))
    assert preprocessor.get_feature_names_out().tolist() == ONE_HOT
    assert preprocessor.categorical_.tolist() == [False, True]
    np.testing.assert_array_equal(from_frame, clone(preprocessor).fit_transform(TABLE))
    assert from_frame.dtype == np.float32


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_gives_a_frame(library):
    preprocessor = TabularPreprocessor().set_output(transform=library)
    result = preprocessor.fit(frame(library)).transform(frame(library))
    assert type(result) is type(frame(library))
    assert list(result.columns) == ONE_HOT


def test_numbers_are_filled_in_scaled_and_marked():
    result = TabularPreprocessor().fit_transform(TABLE)
    filled = np.array([20, 40, 40, 60])
    np.testing.assert_allclose(result[:, 0], (filled - 40) / filled.std(), rtol=1e-6)
    np.testing.assert_array_equal(result[:, 1], [0, 1, 0, 0])
    np.testing.assert_array_equal(result[:, 2:], [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [(None, [20, 60]), ("robust", [-2, 2]), ("quantile", [-5.2, 5.2])],
    ids=str,
)
def test_scaling(scaling, expected):
    result = TabularPreprocessor(scaling=scaling).fit_transform(TABLE)
    np.testing.assert_allclose(result[[0, 3], 0], expected, atol=0.01)


@pytest.mark.parametrize(
    ("imputation", "expected"), [("mean", 30), ("median", 20), ("most_frequent", 10)]
)
def test_imputation(imputation, expected):
    X = np.array([[10.0], [10.0], [20.0], [50.0], [60.0], [np.nan]])
    result = TabularPreprocessor(scaling=None, imputation=imputation).fit_transform(X)
    assert result[-1, 0] == expected


def test_ordinal_codes_fit_an_embedding():
    preprocessor = TabularPreprocessor(encoding="ordinal").fit(TABLE)
    assert preprocessor.transform(TABLE)[:, -1].tolist() == [3, 2, 1, 3]
    assert preprocessor.n_codes_.tolist() == [4]
    assert preprocessor.transform([[20, "green"]])[0, -1] == 0


def test_rare_categories_are_taken_together_and_so_are_unknown_ones():
    X = np.array([["a"] * 5 + ["b"] * 4 + ["c", "d"]], dtype=object).T
    preprocessor = TabularPreprocessor(min_frequency=2).fit(X)
    names = preprocessor.get_feature_names_out().tolist()
    assert names == ["x0_a", "x0_b", "x0_infrequent_sklearn"]
    assert preprocessor.transform([["d"], ["new"]]).tolist() == [[0, 0, 1], [0, 0, 1]]
    ordinal = TabularPreprocessor(encoding="ordinal", max_categories=2).fit(X)
    assert ordinal.transform(X)[:, 0].tolist() == [2] * 5 + [3] * 6
    assert ordinal.n_codes_.tolist() == [4]


def test_an_unknown_category_is_all_zeros_without_rare_ones():
    assert TabularPreprocessor().fit([["a"], ["b"]]).transform([["new"]]).tolist() == [[0, 0]]


@pytest.mark.parametrize("columns", [[0], ["x0"]], ids=str)
def test_columns_of_categories_can_be_given(columns):
    X = np.array([[3, 1.0], [7, 2.0], [3, 4.0]])
    preprocessor = TabularPreprocessor(categorical_columns=columns).fit(X)
    assert preprocessor.get_feature_names_out().tolist() == ["x1", "x0_3.0", "x0_7.0"]


def test_values_that_are_missing_only_later_are_filled_in():
    preprocessor = TabularPreprocessor(scaling=None).fit([[1.0, "a"], [3.0, "b"]])
    assert preprocessor.transform([[np.nan, None]]).tolist() == [[2, 0, 0]]


def test_a_column_without_a_value_does_no_harm():
    X = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    assert TabularPreprocessor().fit_transform(X)[:, 0].tolist() == [0, 0]


def test_the_last_step_of_a_pipeline_trains_on_it():
    generator = np.random.default_rng(0)
    X = np.array([generator.normal(size=200), generator.choice(["a", "b"], 200)], dtype=object).T
    X[::7, 0] = None
    y = X[:, 1] == "a"
    network = NeuralClassifier([8], learning_rate=0.02, epochs=20, random_state=0)
    assert make_pipeline(TabularPreprocessor(), network).fit(X, y).score(X, y) == 1


def test_pickle_keeps_it():
    preprocessor = TabularPreprocessor(encoding="ordinal").fit(TABLE)
    copy = pickle.loads(pickle.dumps(preprocessor))
    np.testing.assert_array_equal(copy.transform(TABLE), preprocessor.transform(TABLE))


@pytest.mark.parametrize(
    ("settings", "X", "error", "message"),
    [
        ({"scaling": "standart"}, TABLE, ValueError, "did you mean 'standard'"),
        ({"imputation": "zero"}, TABLE, ValueError, "unknown imputation 'zero'"),
        ({"encoding": "one-hot"}, TABLE, ValueError, "did you mean 'onehot'"),
        ({"missing_indicator": "yes"}, TABLE, TypeError, "missing_indicator must be True or False"),
        ({"categorical_columns": "color"}, TABLE, TypeError, "must be 'auto' or a list"),
        ({"categorical_columns": ["x7"]}, TABLE, ValueError, "has 'x7', which is no column"),
        ({"categorical_columns": [2]}, TABLE, ValueError, r"must be in \[0, 2\), got 2"),
        ({"max_categories": 0}, TABLE, ValueError, "max_categories must be a positive integer"),
        ({"min_frequency": 0}, TABLE, ValueError, "min_frequency must be a positive integer"),
        ({"min_frequency": 1.5}, TABLE, ValueError, r"min_frequency must be in \[0, 1\], got 1.5"),
        ({}, [[1, "a"], [2, 3.5]], TypeError, "column 'x1' must hold text or numbers, got both"),
        ({}, [[np.inf], [1.0]], ValueError, "infinity"),
        ({}, [], ValueError, "array"),
    ],
    ids=str,
)
def test_a_mistake_is_named(settings, X, error, message):
    with pytest.raises(error, match=message):
        TabularPreprocessor(**settings).fit(X)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_dates_are_named(library):
    import datetime

    frames = pytest.importorskip(library)
    X = frames.DataFrame({"born": [datetime.datetime(2020, 1, 1)]})
    with pytest.raises(TypeError, match=r"\[TabularPreprocessor\] column 'born' must hold numbers"):
        TabularPreprocessor().fit(X)


def test_other_columns_than_those_of_fit_are_named():
    pandas = pytest.importorskip("pandas")
    preprocessor = TabularPreprocessor().fit(frame("pandas"))
    with pytest.raises(ValueError, match="feature names"):
        preprocessor.transform(pandas.DataFrame({"age": [1.0], "size": ["x"]}))
    with pytest.raises(TypeError, match="column 'age' is one of numbers, .* got 'old'"):
        preprocessor.transform(pandas.DataFrame({"age": ["old"], "color": ["red"]}))
    with pytest.raises(TypeError, match="column 'age' .* categorical_columns .* got 'old'"):
        old = pandas.DataFrame({"age": ["old"], "color": ["red"]})
        TabularPreprocessor(categorical_columns=["color"]).fit(old)
    with pytest.raises(NotFittedError):
        TabularPreprocessor().transform(TABLE)


def test_a_refit_that_fails_leaves_the_last_one():
    X = np.array([["a", 1.0], ["b", 2.0]], dtype=object)
    preprocessor = TabularPreprocessor(encoding="ordinal").fit(X)
    before = preprocessor.transform(X)
    with pytest.raises(TypeError, match="text or numbers"):
        preprocessor.fit(np.array([["a", 1.0, 1.0], [3, 2.0, 1.0]], dtype=object))
    np.testing.assert_array_equal(preprocessor.transform(X), before)
    assert not hasattr(preprocessor.set_params(encoding="onehot").fit(X), "n_codes_")


@pytest.mark.parametrize("kind", ["array", "pandas", "boolean", "object"])
def test_a_table_of_booleans_alone_is_numbers(kind):
    flags = np.array([[True, False], [False, True], [True, True]])
    table = flags
    if kind != "array":
        table = pytest.importorskip("pandas").DataFrame(flags)
        table = table if kind == "pandas" else table.astype(kind)
    result = TabularPreprocessor().fit_transform(table)
    np.testing.assert_array_equal(result, TabularPreprocessor().fit_transform(flags.astype(float)))


def test_gaps_that_only_later_data_has_are_coded_as_missing():
    preprocessor = TabularPreprocessor(encoding="ordinal").fit([["a"], ["b"]])
    for missing in (None, np.nan):
        later = np.array([["b"], [missing], ["new"]], dtype=object)
        assert preprocessor.transform(later)[:, 0].tolist() == [3, 1, 0]
    assert preprocessor.n_codes_.tolist() == [4]
    assert preprocessor.get_feature_names_out().tolist() == ["x0"]


@pytest.mark.parametrize("number", [1e300, 3.5e38, -1e39, np.inf])
@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile", None])
def test_a_number_beyond_float32_is_named(scaling, number):
    message = f"column 'x1' must hold numbers .* got {re.escape(f'{number:g}')} at row 2"
    fine, beyond = [["a", 1.0], ["b", 2.0], ["b", 4.0]], [["a", 1.0], ["b", 2.0], ["b", number]]
    fine, beyond = (np.array(rows, dtype=object) for rows in (fine, beyond))
    with pytest.raises(ValueError, match=message):
        TabularPreprocessor(scaling=scaling).fit(beyond)
    with pytest.raises(ValueError, match=message):
        TabularPreprocessor(scaling=scaling).fit(fine).transform(beyond)


def test_a_number_that_scaling_takes_beyond_float32_is_named():
    preprocessor = TabularPreprocessor().fit([[0.0], [1e-3]])
    with pytest.raises(ValueError, match="column 'x0' must hold numbers .* got 2e\\+41 at row 0"):
        preprocessor.transform([[1e38]])


def target_table():
    generator = np.random.default_rng(0)
    category = generator.choice(list("abc"), 300)
    y = np.array([{"a": 0.0, "b": 100.0, "c": 300.0}[one] for one in category])
    return category[:, np.newaxis].astype(object), y + generator.normal(size=300)


def test_target_encoding_is_the_scaled_mean_of_each_category():
    X, y = target_table()
    preprocessor = TabularPreprocessor(encoding="target")
    codes = preprocessor.fit(X, y).transform([["a"], ["b"], ["c"], ["new"], [None]])[:, 0]
    means = [y[X[:, 0] == category].mean() for category in "abc"]
    encoded = np.array([means[list("abc").index(one)] for one in X[:, 0]])
    expected = (np.array([*means, y.mean(), y.mean()]) - encoded.mean()) / encoded.std()
    np.testing.assert_allclose(codes, expected, atol=0.01)
    assert preprocessor.get_feature_names_out().tolist() == ["x0"]
    # In training no sample is encoded by its own target, in the same way each time.
    trained = preprocessor.fit_transform(X, y)
    assert len(np.unique(trained)) == 15
    np.testing.assert_array_equal(trained, clone(preprocessor).fit_transform(X, y))


def test_target_encoding_of_classes_and_in_a_pipeline():
    X, y = target_table()
    labels = np.array(["low", "middle", "high"])[np.digitize(y, [50, 200])]
    names = TabularPreprocessor(encoding="target").fit(X, labels).get_feature_names_out()
    assert names.tolist() == ["x0_high", "x0_low", "x0_middle"]
    network = NeuralClassifier([8], learning_rate=0.02, epochs=20, random_state=0)
    model = make_pipeline(TabularPreprocessor(encoding="target"), network)
    assert model.fit(X, labels).score(X, labels) > 0.99


def test_what_target_encoding_needs_is_named():
    X, y = target_table()
    with pytest.raises(ValueError, match="encoding=.target. requires y to be passed"):
        TabularPreprocessor(encoding="target").fit(X)
    with pytest.raises(ValueError, match=r"max_categories must be None with encoding=.target"):
        TabularPreprocessor(encoding="target", max_categories=5).fit(X, y)


def test_a_column_of_identifiers_is_warned_of():
    ids = np.array([[f"user {i}"] for i in range(1001)], dtype=object)
    with pytest.warns(UserWarning, match=r"column 'x0' has 1,001 categories in 1,001 rows"):
        TabularPreprocessor().fit(ids)
    for settings in ({"max_categories": 9}, {"min_frequency": 2}, {"encoding": "ordinal"}):
        TabularPreprocessor(**settings).fit(ids)
