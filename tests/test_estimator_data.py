"""What scikit-learn's users pass to the estimators: sparse matrices, frames, labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import _get_feature_names

from ganglion import NeuralClassifier, NeuralRegressor

pandas = pytest.importorskip("pandas")
QUICK = {"layers": (8,), "learning_rate": 0.02, "epochs": 5, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.columns = ["sepal length", "sepal width", "petal length", "petal width"]
    return X, y


def estimators(**settings):
    return [NeuralClassifier(**QUICK, **settings), NeuralRegressor(**QUICK, **settings)]


def outputs(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


# Sparse matrices.


@pytest.fixture(scope="module")
def counts():
    """Word counts, about one in ten not zero, and what depends on them."""
    generator = np.random.default_rng(0)
    X = generator.poisson(0.1, (200, 40))
    return sparse.csr_matrix(X), X[:, 0] + X[:, 1] > 0


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("index", [0, 1], ids=["classifier", "regressor"])
def test_a_sparse_matrix_gives_the_bits_of_the_dense_one(counts, format, early_stopping, index):
    X, y = counts
    weight = np.random.default_rng(1).uniform(size=len(y))
    first, second = (estimators(early_stopping=early_stopping)[index] for _ in range(2))
    first.fit(X.asformat(format), y * 1, sample_weight=weight)
    second.fit(X.toarray(), y * 1, sample_weight=weight)
    assert first.history_ == second.history_
    np.testing.assert_array_equal(outputs(first, X.asformat(format)), outputs(second, X.toarray()))


def test_class_weights_and_partial_fit_take_it(counts):
    X, y = counts
    first, second = (NeuralClassifier(**QUICK, class_weight={True: 3.0}) for _ in range(2))
    for model, given in ((first, X), (second, X.toarray())):
        model.partial_fit(given, y, classes=[False, True]).partial_fit(given, y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_words_in_a_pipeline():
    texts = ["red apple", "green apple", "red brick", "green brick"] * 10
    kinds = ["fruit", "fruit", "stone", "stone"] * 10
    model = make_pipeline(CountVectorizer(), NeuralClassifier([], learning_rate=0.1))
    assert model.fit(texts, kinds).predict(["blue brick", "apple"]).tolist() == ["stone", "fruit"]


def test_a_broken_sparse_matrix_is_refused(counts):
    X, y = counts
    broken = X.copy()
    broken.indices[3] = 40
    for model in estimators(early_stopping=True):
        with pytest.raises(ValueError, match="indices has column 40 in row"):
            model.fit(broken, y * 1)
    with pytest.raises(ValueError, match=r"\[predict\] X: indices has column 40 in row"):
        NeuralClassifier(**QUICK).fit(X, y).predict(broken)


# Frames.


def frames(library, columns):
    module = pytest.importorskip(library)
    return module.DataFrame(columns)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("index", [0, 1], ids=["classifier", "regressor"])
def test_a_frame_gives_its_names_and_the_bits_of_its_array(library, index, iris):
    X, y = iris
    frame = frames(library, {name: X[name].to_numpy() for name in X.columns})
    if _get_feature_names(frame) is None:
        pytest.skip(f"this scikit-learn does not read names from this {library}")
    first, second = (estimators()[index] for _ in range(2))
    first.fit(frame, y.to_numpy())
    second.fit(X.to_numpy(), y.to_numpy())
    assert first.feature_names_in_.tolist() == list(X.columns)
    assert not hasattr(second, "feature_names_in_")
    np.testing.assert_array_equal(outputs(first, frame), outputs(second, X.to_numpy()))
    with pytest.raises(ValueError, match="feature names"):
        first.predict(frame[list(X.columns)[::-1]])
    with pytest.warns(UserWarning, match="feature names"):
        first.predict(X.to_numpy())


def test_columns_of_several_types_are_numbers_together():
    frame = pandas.DataFrame(
        {
            "whole": [1, 2, 3, 4],
            "small": np.array([1, 2, 3, 4], np.float32),
            "yes": [True, False, True, False],
            "nullable": pandas.array([1, 2, 3, 4], dtype="Int16"),
            "nullable_yes": pandas.array([True, False, True, True], dtype="boolean"),
        }
    )
    y = [0.0, 1, 2, 3]
    first, second = (NeuralRegressor(**QUICK) for _ in range(2))
    first.fit(frame, y)
    second.fit(frame.astype(np.float64), y)
    np.testing.assert_array_equal(first.predict(frame), second.predict(frame.astype(np.float64)))


def test_a_sparse_frame_is_a_sparse_matrix(counts):
    X, y = counts
    frame = pandas.DataFrame.sparse.from_spmatrix(X)
    np.testing.assert_array_equal(
        NeuralClassifier(**QUICK).fit(frame, y).predict_proba(frame),
        NeuralClassifier(**QUICK).fit(X, y).predict_proba(X),
    )


WRONG = {
    "text": ({"age": [1.0, 2, 3, 4], "city": list("abcd")}, "no numbers in column 'city': encode"),
    "nan": ({"age": [1.0, 2, np.nan, 4], "size": [1] * 4}, "a NaN at row 2, column 'age': replace"),
    "infinite": ({"age": [1.0, 2, 3, np.inf]}, "infinite value inf at row 3, column 'age'"),
    "missing": ({"size": [1] * 4, "age": [1, None, 2, 3]}, "a NaN at row 1, column 'age'"),
}


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("case", WRONG)
def test_the_column_of_a_frame_that_can_not_be_used_is_named(case, library):
    columns, message = WRONG[case]
    frame = frames(library, columns)
    good = frames(library, {name: [0.0, 1, 2, 3] for name in columns})
    for model in estimators():
        named = rf"\[{type(model).__name__}\] X.*{message}"
        with pytest.raises((TypeError, ValueError), match=named):
            model.fit(frame, [0, 1, 0, 1])
        with pytest.raises((TypeError, ValueError), match=named):
            model.fit(good, [0, 1, 0, 1]).predict(frame)


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean"])
def test_a_nullable_column_with_a_missing_value_is_named(dtype):
    frame = pandas.DataFrame({"a": [1.0, 2, 3], "b": pandas.array([1, None, 0], dtype=dtype)})
    with pytest.raises(ValueError, match="a NaN at row 1, column 'b'"):
        NeuralClassifier(**QUICK).fit(frame, [0, 1, 0])


def test_missing_numbers_in_an_array_name_the_estimator_and_what_helps():
    X = np.array([[1.0, np.nan], [2.0, 3.0]])
    for model in estimators():
        name = type(model).__name__
        with pytest.raises(ValueError, match=f"(?s)contains NaN.*{name} does not.*imputer"):
            model.fit(X, [0, 1])


# Labels and targets.

LABELS = {
    "list": lambda y: y.tolist(),
    "array": np.asarray,
    "objects": lambda y: np.asarray(y, dtype=object),
    "series": pandas.Series,
    "categories": lambda y: pandas.Series(y, dtype="category"),
    "nullable": lambda y: pandas.Series(y, dtype="string"),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("classes", [2, 3])
def test_labels_may_be_strings_of_every_kind(kind, classes, iris):
    X, y = iris
    X, y = X[y < classes], np.array(["no", "perhaps", "yes"])[y[y < classes]]
    model = NeuralClassifier(**{**QUICK, "epochs": 30}).fit(X, LABELS[kind](y))
    assert model.classes_.tolist() == ["no", "perhaps", "yes"][:classes]
    assert model.score(X, y) > 0.8


@pytest.mark.parametrize("kind", ["pandas", "polars", "sparse"])
def test_several_labels_a_sample_may_be_a_frame_or_sparse(kind, iris):
    X, y = iris
    indicator = np.stack([y < 1, y > 1], axis=1).astype(int)
    given = (
        sparse.csr_matrix(indicator)
        if kind == "sparse"
        else frames(kind, {"first": indicator[:, 0], "last": indicator[:, 1]})
    )
    first, second = (NeuralClassifier(**QUICK) for _ in range(2))
    np.testing.assert_array_equal(
        first.fit(X, given).predict(X), second.fit(X, indicator).predict(X)
    )
    assert first.predict_proba(X).shape == (150, 2)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("columns", [1, 2])
def test_targets_may_be_a_series_or_a_frame(library, columns, iris):
    module = pytest.importorskip(library)
    X = iris[0].to_numpy()
    y = X[:, :2]
    given = (
        module.DataFrame({"a": y[:, 0], "b": y[:, 1]}) if columns == 2 else module.Series(y[:, 0])
    )
    expected = y if columns == 2 else y[:, 0]
    first, second = (NeuralRegressor(**QUICK) for _ in range(2))
    np.testing.assert_array_equal(
        first.fit(X, given).predict(X), second.fit(X, expected).predict(X)
    )


@pytest.mark.parametrize(
    "labels",
    [
        ["a", None, "b", "a"],
        np.array(["a", np.nan, "b", "a"], dtype=object),
        pandas.Series(["a", None, "b", "a"], dtype="string"),
        pandas.Series(["a", None, "b", "a"], dtype="category"),
    ],
    ids=["list", "objects", "nullable", "categories"],
)
def test_a_missing_label_is_named(labels, iris):
    with pytest.raises(ValueError, match=r"\[NeuralClassifier\] y has no value at row 1"):
        NeuralClassifier(**QUICK).fit(iris[0][:4], labels)


def test_a_missing_target_is_refused(iris):
    missing = pandas.Series([1, None, 2, 3], dtype="Int64")
    for model in estimators():
        with pytest.raises(ValueError, match="y contains NaN"):
            model.fit(iris[0][:4], missing)
