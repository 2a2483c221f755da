"""Searching settings: scikit-learn's searches, fits that go on from shorter ones, Optuna."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  makes it importable
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ganglion import NeuralClassifier, NeuralRegressor, Sequential, layers, ops, optimizers
from ganglion.callbacks import OptunaPruning, TerminateOnNaN

RATES = {"neuralclassifier__learning_rate": [0.0001, 0.001, 0.01, 0.03, 0.1, 0.3]}


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture
def trained_epochs(monkeypatch):
    """The epochs of each fit of a network, as they are run."""
    epochs = []
    fit = Sequential.fit

    def counting(self, *arguments, **settings):
        epochs.append(settings["epochs"])
        return fit(self, *arguments, **settings)

    monkeypatch.setattr(Sequential, "fit", counting)
    return epochs


def model(**settings):
    return NeuralClassifier([8], **{"learning_rate": 0.02, "random_state": 0, **settings})


def test_a_randomized_search_in_a_pipeline(iris):
    pipeline = make_pipeline(StandardScaler(), model(epochs=10))
    search = RandomizedSearchCV(pipeline, RATES, n_iter=4, cv=2, random_state=0).fit(*iris)
    assert search.best_score_ > 0.9


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_halving_goes_on_from_the_epochs_before(iris, tmp_path, trained_epochs, n_jobs):
    def search(memory):
        del trained_epochs[:]
        found = HalvingRandomSearchCV(
            make_pipeline(StandardScaler(), model(memory=memory)),
            RATES,
            resource="neuralclassifier__epochs",
            n_candidates=6,
            min_resources=2,
            max_resources=8,
            factor=2,
            cv=2,
            random_state=0,
            refit=False,
            n_jobs=n_jobs,
        ).fit(*iris)
        return found.cv_results_["mean_test_score"], sum(trained_epochs)

    anew, epochs_anew = search(None)
    continued, epochs_continued = search(tmp_path)
    np.testing.assert_array_equal(continued, anew)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2 * (6 + 3 + 2)
    if n_jobs == 1:  # other processes count for themselves
        assert epochs_anew == 2 * (6 * 2 + 3 * 4 + 2 * 8)
        assert epochs_continued == 2 * (6 * 2 + 3 * 2 + 2 * 4)


def test_a_fit_that_goes_on_ends_with_the_same_bits(iris, tmp_path, trained_epochs):
    settings = {"dropout": 0.5, "optimizer": "adamw", "metrics": ["accuracy"]}
    whole = model(epochs=5, **settings).fit(*iris)
    model(epochs=2, memory=tmp_path, **settings).fit(*iris)
    continued = model(epochs=5, memory=tmp_path, **settings).fit(*iris)
    assert trained_epochs == [5, 2, 3]
    np.testing.assert_array_equal(continued.predict_proba(iris[0]), whole.predict_proba(iris[0]))
    assert continued.history_ == whole.history_
    assert continued.n_iter_ == 5


def test_a_rate_that_was_found_is_not_taken_for_one_that_was_given(iris, tmp_path):
    for rate in (None, "auto", None, "auto"):
        model(epochs=2, memory=tmp_path, learning_rate=rate).fit(*iris)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_the_same_fit_again_is_read_and_a_shorter_one_begins_anew(iris, tmp_path, trained_epochs):
    first = model(epochs=3, memory=tmp_path).fit(*iris)
    again = model(epochs=3, memory=tmp_path).fit(*iris)
    model(epochs=2, memory=tmp_path).fit(*iris)
    assert trained_epochs == [3, 2]
    np.testing.assert_array_equal(first.predict_proba(iris[0]), again.predict_proba(iris[0]))


@pytest.mark.parametrize(
    "other",
    [
        {"learning_rate": 0.01},
        {"batch_size": 16},
        {"shuffle": False},
        {"random_state": 1},
        {"dtype": "float64"},
        {"class_weight": {0: 2.0}},
        {"layers": [layers.Dense(8)]},
    ],
    ids=str,
)
def test_a_fit_with_other_settings_begins_anew(iris, tmp_path, trained_epochs, other):
    model(epochs=1, memory=tmp_path).fit(*iris)
    model(epochs=2, memory=tmp_path).set_params(**other).fit(*iris)
    assert trained_epochs == [1, 2]


def test_a_fit_to_other_data_begins_anew(iris, tmp_path, trained_epochs):
    X, y = iris
    model(epochs=1, memory=tmp_path).fit(X, y)
    model(epochs=2, memory=tmp_path).fit(X[:-1], y[:-1])
    model(epochs=2, memory=tmp_path).fit(X, y[::-1])
    model(epochs=2, memory=tmp_path).fit(X, y, np.linspace(1, 2, len(y)))
    assert trained_epochs == [1, 2, 2, 2]


def test_numbers_are_remembered_too(iris, tmp_path, trained_epochs):
    X, _ = iris
    for epochs in (1, 3):
        NeuralRegressor([4], epochs=epochs, memory=tmp_path, random_state=0).fit(X, X[:, 0])
    assert trained_epochs == [1, 2]


def test_partial_fit_and_warm_start_do_not_look_into_the_memory(iris, tmp_path, trained_epochs):
    warm = model(epochs=2, memory=tmp_path, warm_start=True).fit(*iris).fit(*iris)
    warm.partial_fit(*iris)
    assert trained_epochs == [2, 2, 1]
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


def test_a_damaged_file_is_named(iris, tmp_path):
    model(epochs=1, memory=tmp_path).fit(*iris)
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=path.name):
        model(epochs=1, memory=tmp_path).fit(*iris)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"early_stopping": True}, ValueError, "memory must be None with early_stopping"),
        ({"callbacks": [TerminateOnNaN()]}, ValueError, "with early_stopping or callbacks"),
        ({"random_state": None}, ValueError, "random_state must be an integer with memory"),
        ({"optimizer": optimizers.Adam(use_ema=True)}, ValueError, "use_ema"),
        ({"activation": lambda x: ops.tanh(x)}, TypeError, "lambda"),
        ({"memory": 3}, TypeError, "memory must be a folder or None, got 3"),
        ({"epochs": 0}, ValueError, "epochs must be a positive integer, got 0"),
    ],
    ids=str,
)
def test_what_can_not_be_remembered_is_named(iris, tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        model(memory=tmp_path).set_params(**settings).fit(*iris)
    assert list(tmp_path.iterdir()) == []


# Optuna.


@pytest.fixture
def optuna():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def validated(trial, iris, monitor="val_loss", **settings):
    callbacks = [OptunaPruning(trial, monitor)]
    return model(early_stopping=True, callbacks=callbacks, epochs=20, **settings).fit(*iris)


def test_trials_that_promise_little_are_pruned(optuna, iris):
    def objective(trial):
        rate = trial.suggest_categorical("learning_rate", [0.02, 0.00001])
        return min(validated(trial, iris, learning_rate=rate).history_["val_loss"])

    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=2)
    study = optuna.create_study(pruner=pruner)
    for rate in (0.02, 0.00001):
        study.enqueue_trial({"learning_rate": rate})
    study.optimize(objective, n_trials=2)
    complete, pruned = study.trials
    assert complete.state.name == "COMPLETE" and len(complete.intermediate_values) > 3
    assert pruned.state.name == "PRUNED" and len(pruned.intermediate_values) == 3
    assert study.best_params == {"learning_rate": 0.02}


def test_the_direction_of_the_study_is_compared(optuna, iris):
    study = optuna.create_study(direction="maximize")
    with pytest.raises(ValueError, match="'val_loss' has mode 'min', .* direction is 'maximize'"):
        validated(study.ask(), iris)
    trial = study.ask()
    validated(trial, iris, monitor="val_accuracy", metrics=["accuracy"])
    assert study.get_trials(deepcopy=False)[1].intermediate_values[19] > 0.5


def test_a_copy_reports_to_the_same_trial(optuna):
    trial = optuna.create_study().ask()
    callback = OptunaPruning(trial, "loss")
    for copied in (copy.deepcopy(callback), clone(model(callbacks=[callback])).callbacks[0]):
        assert copied is not callback
        assert (copied.trial, copied.monitor) == (trial, "loss")


def test_a_fixed_trial_only_reports(optuna, iris):
    assert validated(optuna.trial.FixedTrial({}), iris).n_iter_ == 20


def test_something_else_than_a_trial_is_named(optuna):
    with pytest.raises(TypeError, match=r"\[OptunaPruning\] trial must be .* got 3"):
        OptunaPruning(3)
