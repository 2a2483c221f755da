"""What MLPClassifier and MLPRegressor take beyond scikit-learn's settings."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ganglion import MLPClassifier, MLPRegressor, activations, ops, optimizers, schedules

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_digits(return_X_y=True)
X, Y = X[:600] / 16, Y[:600]
QUICK = {"hidden_layer_sizes": (32,), "max_iter": 20, "learning_rate_init": 0.02, "random_state": 0}


def kinds(model):
    return [type(layer).__name__ for layer in model.network_.layers]


def test_dropout_and_normalisation_stand_around_each_hidden_layer():
    model = MLPClassifier((8, 8), dropout=0.1, batch_normalization=True, max_iter=5).fit(X, Y)
    hidden = ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert kinds(model) == ["Input", *hidden, *hidden, "Dense"]
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))


def test_dropout_follows_the_seed():
    first, second, other = (
        MLPClassifier(**{**QUICK, "random_state": seed}, dropout=0.5).fit(X, Y)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.coefs_[0], second.coefs_[0])
    assert np.any(first.coefs_[0] != other.coefs_[0])


@pytest.mark.parametrize(
    "activation", ["gelu", activations.LeakyReLU(0.1), ops.softplus, ["elu", "logistic"]], ids=str
)
def test_any_activation_for_all_layers_or_one_each(activation):
    model = MLPClassifier((32, 16), activation, max_iter=30, learning_rate_init=0.01).fit(X, Y)
    assert model.score(X, Y) > 0.9
    if isinstance(activation, list):
        names = [layer.activation.registered_name for layer in model.network_.layers[1:3]]
        assert names == ["elu", "sigmoid"]


@pytest.mark.parametrize(
    "solver",
    ["adamw", "rmsprop", optimizers.Nadam(0.01, clipnorm=1.0)],
    ids=["adamw", "rmsprop", "object"],
)
def test_any_optimizer(solver):
    model = MLPClassifier(**QUICK, solver=solver).fit(X, Y)
    assert model.score(X, Y) > 0.95
    expected = 0.02 if isinstance(solver, str) else 0.01
    assert model.network_.learning_rate == expected
    model.partial_fit(X, Y)


def test_an_optimizer_may_follow_a_schedule():
    schedule = schedules.CosineDecay(0.02, decay_steps=60)
    model = MLPClassifier(**QUICK, solver=optimizers.Adam(schedule)).fit(X, Y)
    assert model.score(X, Y) > 0.95
    assert model.network_.learning_rate == pytest.approx(0.0, abs=1e-9)


def test_l1_makes_weights_small():
    plain, sparse = (MLPClassifier(**QUICK, l1=l1).fit(X, Y) for l1 in (0.0, 1.0))
    assert np.abs(sparse.coefs_[0]).sum() < 0.5 * np.abs(plain.coefs_[0]).sum()
    assert (np.abs(sparse.coefs_[0]) < 1e-2).mean() > 2 * (np.abs(plain.coefs_[0]) < 1e-2).mean()


def test_a_class_that_weighs_more_is_predicted_more():
    data = make_classification(n_samples=400, weights=[0.9], flip_y=0.2, random_state=0)
    small = {**QUICK, "hidden_layer_sizes": ()}
    shares = [
        (MLPClassifier(**small, class_weight=weight).fit(*data).predict(data[0]) == 1).mean()
        for weight in (None, "balanced", {1: 30.0})
    ]
    assert shares[0] < shares[1] < shares[2]


def test_class_weights_are_sample_weights():
    by_class = MLPClassifier(**QUICK, class_weight={3: 2.0}).fit(X, Y)
    by_sample = MLPClassifier(**QUICK).fit(X, Y, np.where(Y == 3, 2.0, 1.0))
    np.testing.assert_array_equal(by_class.coefs_[0], by_sample.coefs_[0])
    both = MLPClassifier(**QUICK, class_weight={3: 2.0}).fit(X, Y, np.full(len(Y), 2.0))
    np.testing.assert_array_equal(
        both.coefs_[0], MLPClassifier(**QUICK).fit(X, Y, np.where(Y == 3, 4.0, 2.0)).coefs_[0]
    )


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_held_out_samples_can_be_given(cls):
    data = {"X_val": X[400:], "y_val": Y[400:]}
    model = cls(**QUICK).fit(X[:400], Y[:400], **data)
    assert len(model.validation_scores_) == model.n_iter_ == 20
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[400:], Y[400:]))
    assert model.best_validation_score_ is None
    stopped = cls(**{**QUICK, "max_iter": 300}, early_stopping=True, n_iter_no_change=3)
    stopped.fit(X[:400], Y[:400], **data)
    assert stopped.n_iter_ < 300
    assert stopped.t_ == 400 * stopped.n_iter_
    assert stopped.score(X[400:], Y[400:]) == pytest.approx(stopped.best_validation_score_)
    weighted = cls(**QUICK).fit(
        X[:400], Y[:400], **data, sample_weight_val=np.linspace(0, 1, len(X) - 400)
    )
    assert weighted.validation_scores_ != model.validation_scores_


def test_a_warm_fit_takes_new_settings_and_keeps_the_weights():
    model = MLPClassifier(**QUICK, warm_start=True, batch_normalization=True).fit(X, Y)
    before, statistics = model.predict_proba(X), model.network_.get_weights()
    model.set_params(solver="sgd", learning_rate_init=1e-12, max_iter=1, dropout=0.3).fit(X, Y)
    assert kinds(model).count("Dropout") == 1
    assert model.network_.optimizer == optimizers.SGD(1e-12, 0.9, True)
    np.testing.assert_allclose(model.coefs_[0], statistics[0], atol=1e-6)
    assert np.abs(model.predict_proba(X) - before).mean() < 0.05


def test_single_precision_agrees_with_double():
    single, double = (
        MLPClassifier(**QUICK, dtype=dtype).fit(X, Y) for dtype in ("float32", "auto")
    )
    np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-3)


def test_strings_and_several_labels_with_early_stopping():
    names = np.array(["zero", "one", "more"], dtype=object)[np.minimum(Y, 2)]
    model = MLPClassifier(**QUICK, early_stopping=True).fit(X, names)
    assert model.classes_.tolist() == ["more", "one", "zero"]
    assert model.score(X, names) > 0.9


def test_a_grid_search_in_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**QUICK))
    grid = {"mlpclassifier__dropout": [0.0, 0.2], "mlpclassifier__solver": ["adam", "lbfgs"]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score=0.0)
    with pytest.warns(Warning, match="dropout needs a solver that takes batches"):
        search.fit(X, Y)
    assert search.best_score_ > 0.8


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"hidden_layer_sizes": (4, 0)}, ValueError, r"sizes must be > 0, got \[4, 0\]"),
        ({"hidden_layer_sizes": (4.5,)}, ValueError, r"sizes must be > 0, got \[4.5\]"),
        ({"activation": ["relu", "relu"]}, ValueError, r"activation .* each of 1 .* got 2"),
        ({"activation": "rellu"}, ValueError, "did you mean 'relu'"),
        ({"solver": "adm"}, ValueError, "did you mean 'adam'"),
        ({"solver": 3}, TypeError, r"\[MLPClassifier\] solver .* got 3"),
        ({"learning_rate": "fast"}, ValueError, r"\[MLPClassifier\] unknown learning_rate 'fast'"),
        ({"learning_rate_init": 0.0}, ValueError, r"\[MLPClassifier\] learning_rate_init"),
        ({"alpha": -1.0}, ValueError, r"\[MLPClassifier\] alpha"),
        ({"l1": -1.0}, ValueError, r"\[MLPClassifier\] l1"),
        ({"dropout": 1.0}, ValueError, r"\[MLPClassifier\] dropout .* in \[0, 1\), got 1.0"),
        ({"momentum": 2.0}, ValueError, r"\[MLPClassifier\] momentum"),
        ({"batch_size": 0}, ValueError, r"\[MLPClassifier\] batch_size"),
        ({"max_iter": 0}, ValueError, r"\[MLPClassifier\] max_iter"),
        ({"n_iter_no_change": 0}, ValueError, r"\[MLPClassifier\] n_iter_no_change"),
        ({"early_stopping": "yes"}, TypeError, r"\[MLPClassifier\] early_stopping"),
        ({"validation_fraction": 1.0}, ValueError, r"\[MLPClassifier\] validation_fraction"),
        ({"dtype": "float16"}, ValueError, "float16"),
        ({"device": "cuda"}, ValueError, "cuda"),
        ({"class_weight": "balancd"}, ValueError, "did you mean 'balanced'"),
        ({"solver": "lbfgs", "dropout": 0.1}, ValueError, "dropout needs a solver"),
        ({"solver": "lbfgs", "batch_normalization": True}, ValueError, "batch_normalization needs"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_setting_out_of_range_is_named(settings, error, message):
    with pytest.raises(error, match=message):
        MLPClassifier(**settings).fit(X, Y)


def test_data_that_cannot_be_learned_is_named():
    model = MLPClassifier(**QUICK)
    with pytest.raises(ValueError, match="X_val and y_val must both be given"):
        model.fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match=r"not among the classes: \[11\]"):
        model.fit(X, Y, X_val=X, y_val=np.where(Y == 3, 11, Y))
    with pytest.raises(ValueError, match="(?i)sample.weight"):
        model.fit(X, Y, np.zeros(len(Y)))
    with pytest.raises(ValueError, match="validation data: lbfgs has no epochs"):
        clone(model).set_params(solver="lbfgs").fit(X, Y, X_val=X, y_val=Y)
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    with pytest.raises(ValueError, match="needs all labels at once"):
        clone(model).set_params(class_weight="balanced").partial_fit(X, Y, classes=np.arange(10))
    model.set_params(warm_start=True).fit(X, Y).set_params(hidden_layer_sizes=(5,))
    with pytest.raises(ValueError, match=r"must be those of coefs_, \[32\], .* got \[5\]"):
        model.fit(X, Y)
    with pytest.raises(ValueError, match="unknown loss"):
        MLPRegressor("mse").fit(X, Y)
    with pytest.raises(ValueError, match=r"\[MLPRegressor\] y must have 1 columns, got 2"):
        MLPRegressor(warm_start=True, tol=1.0).fit(X, Y).fit(X, np.stack([Y, Y], axis=1))


@pytest.mark.parametrize("weights", [{0: 0, 1: 0}, {0: -5, 1: 1}, {0: np.nan, 1: 1}], ids=str)
def test_class_weights_that_cannot_be_are_named(weights):
    with pytest.raises(ValueError, match=r"\[MLPClassifier\] class_weight must be"):
        MLPClassifier((4,), class_weight=weights).fit(X[:50], Y[:50] > 4)


def test_class_and_sample_weights_that_leave_no_sample_are_named():
    message = r"\[MLPClassifier\] class_weight times sample_weight is 0 for every sample"
    with pytest.raises(ValueError, match=message):
        MLPClassifier((4,), class_weight={0: 0, 1: 2}).fit(np.eye(4), [0, 1, 0, 1], [1, 0, 1, 0])


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_nothing_held_out_to_stop_by_is_named(cls):
    model = cls(max_iter=2, early_stopping=True, validation_fraction=0)
    with pytest.raises(ValueError, match=r"validation_fraction must be in \(0, 1\) with early_st"):
        model.fit(X, Y)
    model.fit(X, Y, X_val=X, y_val=Y)  # then the fraction is not looked at
    cls(max_iter=2, validation_fraction=0).fit(X, Y)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "Maximum iterations"),
        ({"batch_size": 10**6}, "batch_size"),
        ({"solver": "lbfgs"}, "failed to converge"),
    ],
    ids=str,
)
@pytest.mark.parametrize("piped", [False, True], ids=["alone", "in a pipeline"])
def test_warnings_point_at_the_line_that_called(settings, text, piped):
    model = MLPClassifier((4,), max_iter=2, **settings)
    if piped:
        model = make_pipeline(StandardScaler(), model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y)
    assert any(text in str(warning.message) for warning in caught)
    assert {warning.filename for warning in caught} == {__file__}
