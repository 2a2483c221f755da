"""MLPClassifier and MLPRegressor beside scikit-learn's: the same settings give the same numbers."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganglion import MLPClassifier, MLPRegressor, Sequential

CURVES = ["loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_"]
COUNTS = ["n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "out_activation_"]

DIGITS, DIGIT = load_digits(return_X_y=True)
X, DIGIT = DIGITS[:450] / 16, DIGIT[:450]  # batches of 200, 200 and 50
WEIGHT = np.random.default_rng(0).uniform(0, 2, len(X))
WEIGHT[:9] = 0
COUNT = np.random.default_rng(0).poisson(np.exp(X[:, 20]))

CLASSES = (neural_network.MLPClassifier, MLPClassifier)
NUMBERS = (neural_network.MLPRegressor, MLPRegressor)
TASKS = {
    "many classes": (CLASSES, DIGIT, {}),
    "two classes": (CLASSES, np.where(DIGIT > 4, 7, 3), {}),
    "several labels": (CLASSES, make_multilabel_classification(450, random_state=0)[1], {}),
    "one number": (NUMBERS, DIGIT / 10, {}),
    "two numbers": (NUMBERS, np.stack([DIGIT / 10, np.sin(DIGIT)], axis=1), {}),
    "counts": (NUMBERS, COUNT, {"loss": "poisson", "learning_rate_init": 1e-3}),
}
SOLVERS = {
    "adam": {"solver": "adam"},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1, "activation": "tanh"},
    "plain sgd": {"solver": "sgd", "nesterovs_momentum": False, "shuffle": False},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.01, "n_iter_no_change": 2},
    "early stopping": {"solver": "adam", "early_stopping": True, "activation": "logistic"},
    "lbfgs": {"solver": "lbfgs", "max_iter": 10},
}


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def has(function, **arguments):
    return set(arguments) <= set(inspect.signature(function).parameters)


def same_model(ours, theirs, *, curves=True):
    for name in COUNTS:
        assert getattr(ours, name) == getattr(theirs, name), name
    for array, expected in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        close(array, expected)
    for name in ["loss_", *CURVES] if curves else []:
        value = getattr(theirs, name, None)
        assert (getattr(ours, name, None) is None) == (value is None), name
        if value is not None:
            close(getattr(ours, name), value)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # by scikit-learn 1.6
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", TASKS)
def test_the_same_settings_give_the_same_numbers(task, solver, weight):
    (theirs, ours), y, settings = TASKS[task]
    if task == "two numbers" and solver in ("lbfgs", "adaptive"):
        pytest.skip("scikit-learn descends the sum of squared errors, but looks at their mean")
    settings = {"max_iter": 12, "random_state": 3, **SOLVERS[solver], **settings}
    if not has(theirs, **settings) or not (weight is None or has(theirs.fit, sample_weight=weight)):
        pytest.skip("scikit-learn has this from version 1.7 on")
    data = (X, y) if weight is None else (X, y, weight)
    expected = theirs(hidden_layer_sizes=(20, 10), **settings).fit(*data)
    model = ours(hidden_layer_sizes=(20, 10), **settings).fit(*data)
    same_model(model, expected, curves=task != "two numbers")
    np.testing.assert_array_equal(model.predict(X[:50]).shape, expected.predict(X[:50]).shape)
    if ours is MLPClassifier:
        np.testing.assert_array_equal(model.classes_, expected.classes_)
        np.testing.assert_array_equal(model.predict(X), expected.predict(X))
        close(model.predict_proba(X), expected.predict_proba(X))
        close(model.predict_log_proba(X), expected.predict_log_proba(X))
    else:
        close(model.predict(X), expected.predict(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_network_without_hidden_layers_is_that_of_scikit_learn():
    settings = {"hidden_layer_sizes": (), "activation": "logistic", "random_state": 0}
    models = [cls(**settings, max_iter=5).fit(X, DIGIT) for cls in CLASSES]
    same_model(models[1], models[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_partial_and_warm_fits_go_on_as_scikit_learns_do():
    for theirs, ours in [CLASSES, NUMBERS]:
        settings = {
            "hidden_layer_sizes": 20,
            "max_iter": 3,
            "random_state": 0,
            "warm_start": True,
            "solver": "sgd",
        }
        models = theirs(**settings), ours(**settings)
        for model in models:
            model.fit(X, DIGIT).set_params(learning_rate="invscaling").fit(X, DIGIT)
            for start in (0, 150, 300):
                model.partial_fit(X[start : start + 150], DIGIT[start : start + 150])
        same_model(models[1], models[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("changed", [{"alpha": 100.0}, {"activation": "tanh"}], ids=str)
def test_a_partial_fit_takes_new_settings_and_keeps_the_optimizer(solver, changed):
    models = [cls((10,), solver=solver, max_iter=3, random_state=0) for cls in CLASSES]
    for model in models:
        model.fit(X, DIGIT).set_params(**changed)
        for _ in range(3):
            model.partial_fit(X, DIGIT)
    same_model(models[1], models[0])


@pytest.mark.parametrize("pair", [CLASSES, NUMBERS], ids=["classifier", "regressor"])
def test_the_signature_begins_with_scikit_learns(pair):
    theirs, ours = (list(inspect.signature(cls).parameters.values()) for cls in pair)
    if "loss" not in [parameter.name for parameter in theirs]:  # before 1.7
        ours = [parameter for parameter in ours if parameter.name != "loss"]
    described = [
        [(parameter.name, parameter.default, parameter.kind) for parameter in parameters]
        for parameters in (theirs, ours)
    ]
    assert described[1][: len(theirs)] == described[0]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in ours[len(theirs) :])


FULL_BATCH = {"batch_size": "auto", "max_iter": 100, "random_state": 0}


@parametrize_with_checks(
    [
        MLPClassifier(**FULL_BATCH),
        MLPRegressor(**FULL_BATCH),
        MLPRegressor(solver="lbfgs", random_state=0),
        # With a penalty, since a check asks for probabilities that are not rounded to one.
        MLPClassifier(solver="lbfgs", alpha=0.1, random_state=0),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


# The weights.


@pytest.fixture
def model():
    return MLPClassifier((20,), solver="sgd", max_iter=60, tol=0.1, random_state=0).fit(X, DIGIT)


def test_what_is_written_into_the_weights_is_used(model):
    before = model.predict_proba(X)
    model.coefs_[0][...] *= 0.5
    written = model.predict_proba(X)
    model.coefs_[0] = model.coefs_[0] * 2.0
    np.testing.assert_array_equal(model.predict_proba(X), before)
    model.coefs_ = [model.coefs_[0] / 2.0, model.coefs_[1]]
    np.testing.assert_array_equal(model.predict_proba(X), written)
    own = model.network_.weights[::2]
    assert all(np.shares_memory(*pair) for pair in zip(model.coefs_, own, strict=True))
    model.intercepts_[1] = np.zeros(3)
    with pytest.raises(ValueError, match=r"\[intercepts_\] .* layer 1 .* \(10,\), got \(3,\)"):
        model.predict(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_networks_own_weights_can_change_places():
    model = MLPClassifier((5, 5, 5), max_iter=2, random_state=0).fit(X, DIGIT)
    first, second, third, last = (coef.copy() for coef in model.coefs_)
    model.coefs_ = [model.coefs_[0], model.coefs_[2], model.coefs_[1], model.coefs_[3]]
    model.predict(X)
    for coef, expected in zip(model.coefs_, [first, third, second, last], strict=True):
        np.testing.assert_array_equal(coef, expected)
    model.coefs_ = [first * 2, second, third, last[:, :1]]
    with pytest.raises(ValueError, match="array of layer 3"):
        model.predict(X)
    np.testing.assert_array_equal(model.network_.weights[0], first)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_predict_and_train_on_alike_and_apart(model, duplicate):
    other = duplicate(model)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    for one in (model, other):
        one.partial_fit(X, DIGIT)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    other.coefs_[0][...] = 0.0
    assert model.coefs_[0].any()


def test_the_number_type_follows_the_data_or_the_setting():
    single = X.astype(np.float32)
    for data, dtype, expected in [
        (X, "auto", "float64"),
        (DIGITS[:450].astype(np.uint8), "auto", "float64"),
        (single, "auto", "float32"),
        (X, "float32", "float32"),
        (single, "float64", "float64"),
    ]:
        fitted = MLPRegressor(hidden_layer_sizes=(4,), dtype=dtype, tol=1.0).fit(data, DIGIT)
        assert {array.dtype for array in fitted.coefs_} == {np.dtype(expected)}
        assert fitted.predict(data).dtype == expected


# To scikit-learn and back.


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # by scikit-learn 1.6
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("pair", [CLASSES, NUMBERS], ids=["classifier", "regressor"])
def test_conversions_keep_predictions_curves_and_settings(pair, solver):
    theirs, ours = pair
    settings = {"solver": solver, "max_iter": 5, "activation": "tanh", "random_state": 0}
    fitted = theirs(hidden_layer_sizes=(20, 10), **settings).fit(X, DIGIT)
    converted = ours.from_sklearn(fitted)
    back = converted.to_sklearn()
    assert type(back) is theirs
    assert back.get_params() == fitted.get_params()
    for model in (converted, back):
        close(model.predict(X), fitted.predict(X))
        same_model(model, fitted)
    if solver == "adam":
        for model in (converted, back):
            model.partial_fit(X, DIGIT)
        same_model(converted, back)


def test_batch_normalisation_becomes_a_part_of_the_weights():
    settings = {"batch_normalization": True, "dropout": 0.2, "max_iter": 5}
    with pytest.warns(ConvergenceWarning):
        fitted = MLPClassifier((20, 10), **settings).fit(X, DIGIT)
    close(fitted.to_sklearn().predict_proba(X), fitted.predict_proba(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_conversion_is_of_what_was_trained():
    fitted = MLPClassifier((8,), max_iter=3, batch_normalization=True, early_stopping=True)
    fitted.fit(X, DIGIT).set_params(activation="tanh", batch_normalization=False)
    converted = fitted.to_sklearn()
    close(converted.predict_proba(X), fitted.predict_proba(X))
    converted.set_params(warm_start=True, tol=10.0).fit(X, DIGIT)
    plain = MLPClassifier((8,), max_iter=3).fit(X, DIGIT).set_params(activation="tanh")
    close(plain.to_sklearn().predict_proba(X), plain.predict_proba(X))


def test_conversions_that_cannot_be_are_named():
    with pytest.raises(
        TypeError, match=r"\[MLPClassifier\] from_sklearn .*MLPClassifier, got MLPR"
    ):
        MLPClassifier.from_sklearn(neural_network.MLPRegressor())
    with pytest.raises(NotFittedError):
        MLPClassifier.from_sklearn(neural_network.MLPClassifier())
    with pytest.raises(NotFittedError):
        MLPRegressor().to_sklearn()
    for activation, message in [("gelu", r"no activation GELU\("), (["relu", "tanh"], "one activ")]:
        model = MLPRegressor("squared_error", (4, 4), activation, solver="lbfgs", tol=1e9).fit(
            X, DIGIT
        )
        with pytest.raises(ValueError, match=message):
            model.to_sklearn()


def test_the_network_can_be_saved_alone(model, tmp_path):
    model.network_.save(tmp_path / "digits")
    np.testing.assert_array_equal(
        Sequential.load(tmp_path / "digits").predict(X), model.predict_proba(X)
    )


# How it ends.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "sgd", "learning_rate_init": 1e6}, "non-finite parameter weights"),
        ({"alpha": -1.0}, "alpha"),
        ({"early_stopping": True, "validation_fraction": 0.001}, "too small"),
    ],
    ids=["diverges", "setting", "split"],
)
def test_a_fit_that_fails_leaves_the_model_as_it_was(settings, message):
    model = MLPRegressor(solver="lbfgs", max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = model.fit(X, DIGIT).predict(X)
        with pytest.raises(ValueError, match=message):
            model.set_params(**{"solver": "adam", **settings}).fit(X[:, :5], DIGIT)
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupted_training_keeps_what_it_has(monkeypatch, early_stopping):
    from ganglion.estimators.mlp.solvers import Monitor

    whole = Monitor.on_epoch_end

    def interrupted(self, epoch, logs=None):
        whole(self, epoch, logs)
        if epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Monitor, "on_epoch_end", interrupted)
    model = MLPClassifier(early_stopping=early_stopping, random_state=0)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X, DIGIT)
    assert model.n_iter_ == 3
    assert model.predict(X).shape == DIGIT.shape
    monkeypatch.undo()
    assert model.partial_fit if early_stopping else model.partial_fit(X, DIGIT).n_iter_ == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_interrupted_lbfgs_leaves_the_network_that_was_there(monkeypatch):
    settings = {"solver": "lbfgs", "max_iter": 3, "warm_start": True, "random_state": 0}
    model = MLPClassifier((8,), **settings).fit(X, DIGIT)
    before, whole = model.predict_proba(X), MLPClassifier._loss_grad_lbfgs
    calls = []

    def interrupted(self, *arguments):
        calls.append(whole(self, *arguments))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return calls[-1]

    monkeypatch.setattr(MLPClassifier, "_loss_grad_lbfgs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(alpha=1.0).fit(X, DIGIT)
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_a_first_partial_fit_that_fails_leaves_nothing():
    model = MLPClassifier(random_state=0)
    with pytest.raises(ValueError, match="not among the classes"):
        model.partial_fit(X, DIGIT, classes=[0, 1])
    assert not hasattr(model, "classes_")
    model.partial_fit(X, DIGIT, classes=np.arange(10))
