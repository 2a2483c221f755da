"""Validation data that the user gives to the estimators' fit, and metadata on its way there."""

from __future__ import annotations

import joblib
import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ganglion import MLPClassifier, MLPRegressor, NeuralClassifier, NeuralRegressor

QUICK = {"layers": (8,), "learning_rate": 0.02, "epochs": 4, "random_state": 0}
X, Y = make_classification(n_samples=200, n_features=6, random_state=0)
X_VAL, Y_VAL = make_classification(n_samples=80, n_features=6, random_state=1)
KINDS = [NeuralClassifier, NeuralRegressor]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# Validation data.


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_shown_and_changes_nothing_else(kind):
    model = kind(**QUICK, metrics=["mae"]).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    plain = kind(**QUICK, metrics=["mae"]).fit(X, Y)
    assert list(model.history_) == ["loss", "mae", "val_loss", "val_mae"]
    assert model.history_["loss"] == plain.history_["loss"]
    found = model.network_.evaluate(X_VAL, Y_VAL[:, None])["loss"]
    assert found == pytest.approx(model.history_["val_loss"][-1], rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_looks_at_it_and_splits_nothing_off(kind):
    settings = {**QUICK, "layers": (64,), "epochs": 300, "patience": 4}
    model = kind(**settings, early_stopping=True).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    validation = model.history_["val_loss"]
    assert model.n_iter_ < 300
    assert len(validation) - 1 - int(np.argmin(validation)) == 4
    plain = kind(**{**settings, "epochs": model.n_iter_}).fit(X, Y)
    assert model.history_["loss"] == plain.history_["loss"]


def test_labels_are_encoded_and_weighed_as_those_of_training():
    names = np.array(["no", "yes"])
    weight = np.random.default_rng(0).uniform(size=len(Y))
    model = NeuralClassifier(**QUICK, class_weight={"yes": 3.0}, shuffle=False)
    model.fit(X, names[Y], weight, X_val=X, y_val=names[Y], sample_weight_val=weight * 7)
    counted = weight * np.where(Y == 1, 3.0, 1.0)
    found = model.network_.evaluate(X, Y[:, None], sample_weight=counted / counted.mean())["loss"]
    assert found == pytest.approx(model.history_["val_loss"][-1], rel=1e-6)


def test_it_may_be_sparse_or_a_frame():
    pandas = pytest.importorskip("pandas")
    columns = list("abcdef")
    frame, held_out = (pandas.DataFrame(part, columns=columns) for part in (X, X_VAL))
    expected = NeuralClassifier(**QUICK).fit(X, Y, X_val=X_VAL, y_val=Y_VAL).history_
    model = NeuralClassifier(**QUICK)
    assert model.fit(frame, Y, X_val=held_out, y_val=pandas.Series(Y_VAL)).history_ == expected
    assert model.fit(X, Y, X_val=sparse.csr_array(X_VAL), y_val=Y_VAL).history_ == expected
    with pytest.raises(ValueError, match="(?s)validation data: .*feature names"):
        model.fit(frame, Y, X_val=held_out[columns[::-1]], y_val=Y_VAL)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": X_VAL}, "X_val and y_val must both be given"),
        ({"y_val": Y_VAL}, "X_val and y_val must both be given"),
        ({"sample_weight_val": Y_VAL}, "X_val and y_val must both be given"),
        ({"X_val": X_VAL[:, :5], "y_val": Y_VAL}, "X has 5 features"),
        ({"X_val": X_VAL[:9], "y_val": Y_VAL}, "inconsistent numbers of samples"),
        ({"X_val": X_VAL * np.nan, "y_val": Y_VAL}, "contains NaN"),
        ({"X_val": X_VAL, "y_val": Y_VAL + 1}, r"not among the classes: \[2\]"),
        ({"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": Y_VAL[:9]}, "sample_weight.shape"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_with_it_is_said(given, message):
    with pytest.raises(ValueError, match=rf"(?s)\[NeuralClassifier\] validation data: .*{message}"):
        NeuralClassifier(**QUICK).fit(X, Y, **given)


# Metadata routing.


def test_a_pipeline_routes_weights_and_transforms_validation_data(routing):
    weight = np.random.default_rng(0).uniform(size=len(Y))
    asked = NeuralClassifier(**QUICK).set_fit_request(sample_weight=True, X_val=True, y_val=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    model = Pipeline([("scale", scaler), ("net", asked)], transform_input=["X_val"])
    model.fit(X, Y, sample_weight=weight, X_val=X_VAL, y_val=Y_VAL)
    scaler = StandardScaler().fit(X)
    expected = NeuralClassifier(**QUICK).fit(
        scaler.transform(X), Y, weight, X_val=scaler.transform(X_VAL), y_val=Y_VAL
    )
    assert model["net"].history_ == expected.history_


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_routes_weights_to_fit_and_score(routing, kind):
    weight = np.arange(200) % 2
    asked = kind(**QUICK).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    search = GridSearchCV(asked, {"layers": [(4,), (8,)]}, cv=2)
    search.fit(X, Y, sample_weight=weight)
    plain = clone(search)
    plain.fit(X, Y, sample_weight=np.ones(200))
    assert search.best_score_ != plain.best_score_


def test_weights_that_nobody_asked_for_are_refused(routing):
    model = make_pipeline(StandardScaler(), NeuralClassifier(**QUICK))
    with pytest.raises(ValueError, match=r"set_fit_request|does not accept|not requested"):
        model.fit(X, Y, sample_weight=np.ones(len(Y)))


def test_partial_fit_has_a_request_of_its_own(routing):
    asked = NeuralClassifier(**QUICK).set_partial_fit_request(classes=True, sample_weight=True)
    assert asked.get_metadata_routing().partial_fit.requests == {
        "classes": True,
        "sample_weight": True,
    }


# Other processes.


@pytest.mark.parametrize("kind", KINDS)
def test_joblib_keeps_every_bit_in_a_file(kind, tmp_path):
    model = kind(**QUICK, warm_start=True).fit(X, Y)
    joblib.dump(model, tmp_path / "model.joblib", compress=3)
    copy = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert copy.fit(X, Y).history_ == model.fit(X, Y).history_


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_two_jobs_give_the_bits_of_one(backend):
    model = make_pipeline(StandardScaler(), NeuralClassifier(**QUICK))
    with joblib.parallel_backend(backend):
        found, expected = (
            cross_validate(
                model, X, Y, cv=4, scoring="neg_log_loss", n_jobs=jobs, return_estimator=True
            )
            for jobs in (2, 1)
        )
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    for ours, same in zip(found["estimator"], expected["estimator"], strict=True):
        np.testing.assert_array_equal(ours.predict_proba(X), same.predict_proba(X))


@pytest.mark.parametrize("kind", [NeuralClassifier, MLPClassifier])
def test_labels_in_lists_are_sent_to_the_binarizer(kind):
    with pytest.raises(ValueError, match=r"Classifier\] y must have as many .* MultiLabelB"):
        kind().fit(np.eye(3), [("a", "b"), ("a",), ()])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [NeuralClassifier, MLPClassifier, NeuralRegressor, MLPRegressor])
@pytest.mark.parametrize("holder", [list, np.array, lambda texts: np.array(texts, object)])
def test_texts_are_sent_to_the_vectorization_and_not_shown(kind, holder):
    texts = holder(["a good film", "a dull film"] * 50)
    with pytest.raises(TypeError, match=r"\] X must hold numbers, got text: TextV") as caught:
        kind().fit(texts, [0, 1] * 50)
    assert "film" not in str(caught.value)
    fitted = kind(random_state=0).fit(np.random.default_rng(0).normal(size=(9, 2)), [0, 1, 1] * 3)
    with pytest.raises(TypeError, match="TextVectorization"):
        fitted.predict(texts)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [NeuralRegressor, MLPRegressor])
def test_targets_that_are_text_are_named(kind):
    with pytest.raises(ValueError, match=r"Regressor\] y must hold numbers, .*: could not convert"):
        kind().fit(np.eye(3), ["low", "high", "low"])
    assert kind().fit(np.eye(20), np.arange(20).astype(object)).predict(np.eye(20)).shape == (20,)
