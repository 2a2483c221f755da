"""scikit-learn's callbacks on the estimators, where the installed version has them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from ganglion import MLPClassifier, MLPRegressor, NeuralClassifier, NeuralRegressor, callbacks

sklearn_callback = pytest.importorskip("sklearn.callback", reason="from scikit-learn 1.9 on")
QUICK = {"layers": (8,), "learning_rate": 0.02, "epochs": 6, "random_state": 0}
QUICK_MLP = {
    "hidden_layer_sizes": (8,),
    "learning_rate_init": 0.02,
    "max_iter": 6,
    "random_state": 0,
}
X, Y = load_iris(return_X_y=True)
WEIGHT = np.linspace(0.5, 2, len(Y))


class Record:
    """Keeps what it was called with; ends the fit after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.calls.append(f"begin {context.task_name}")
        self.seen = X, y, metadata

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        self.fitted = fitted_estimator
        return self.calls.count("end epoch") == self.stop_after


@pytest.mark.parametrize("kind", [NeuralClassifier, NeuralRegressor])
def test_each_epoch_is_a_task(kind):
    record = Record()
    model = kind(**QUICK).set_callbacks(record).fit(X, Y, WEIGHT)
    epochs = ["begin epoch", "end epoch"] * 6
    assert record.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert record.seen[0] is X
    assert record.seen[1] is Y
    assert record.seen[2] == {"sample_weight": WEIGHT}
    assert model.fit(X, Y).history_ == kind(**QUICK).fit(X, Y).history_
    assert not hasattr(model, "_callback_fit_ctx")


def test_a_callback_ends_the_fit():
    model = NeuralClassifier(**QUICK).set_callbacks(Record(stop_after=2)).fit(X, Y)
    assert model.n_iter_ == 2


@pytest.mark.parametrize("optimizer", ["adam", {"use_ema": True}])
def test_the_estimator_shown_is_that_of_a_fit_which_ended_there(optimizer):
    from ganglion import optimizers

    rule = optimizer if isinstance(optimizer, str) else optimizers.Adam(0.02, **optimizer)

    class Keep(Record):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.calls.append((fitted_estimator, fitted_estimator.predict_proba(X)))

    keep = Keep()
    settings = {**QUICK, "optimizer": rule, "learning_rate": None}
    model = NeuralClassifier(**settings).set_callbacks(keep).fit(X, Y)
    shown = [call for call in keep.calls if isinstance(call, tuple)]
    assert len(shown) == 7
    for epochs, (estimator, probabilities) in enumerate(shown[:-1], start=1):
        shorter = NeuralClassifier(**{**settings, "epochs": epochs}).fit(X, Y)
        np.testing.assert_array_equal(probabilities, shorter.predict_proba(X))
        np.testing.assert_array_equal(probabilities, estimator.predict_proba(X))
        assert (estimator.n_iter_, estimator.loss_) == (epochs, shorter.loss_)
    np.testing.assert_array_equal(shown[-1][1], model.predict_proba(X))


def test_early_stopping_has_restored_the_best_weights_at_the_end():
    record = Record()
    model = NeuralClassifier(**{**QUICK, "epochs": 300}, early_stopping=True, patience=3)
    model.set_callbacks(record).fit(X, Y)
    np.testing.assert_array_equal(record.fitted.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("place", ["data", "callback"])
def test_they_are_torn_down_after_an_error(place):
    def fail(epoch, logs):
        raise RuntimeError("stop here")

    record = Record()
    model = NeuralClassifier(**QUICK).set_callbacks(record)
    if place == "callback":
        model.set_params(callbacks=[callbacks.LambdaCallback(on_epoch_end=fail)])
        with pytest.raises(RuntimeError, match="stop here"):
            model.fit(X, Y)
    else:
        with pytest.raises(ValueError, match="NaN"):
            model.fit(X * np.nan, Y)
    assert record.calls.count("setup") == record.calls.count("teardown") == 1


def test_partial_fit_and_prediction_call_none():
    record = Record()
    model = NeuralClassifier(**QUICK).set_callbacks(record)
    model.partial_fit(X, Y, classes=[0, 1, 2]).predict(X)
    assert record.calls == []


def test_they_reach_the_estimator_through_a_pipeline_and_a_search():
    class Propagated(Record):
        max_propagation_depth = None

        def on_fit_task_begin(self, estimator, context):
            self.calls.append((type(estimator).__name__, context.task_name))

    record = Propagated()
    search = GridSearchCV(
        make_pipeline(NeuralClassifier(**QUICK)), {"neuralclassifier__layers": [(4,), (8,)]}, cv=2
    )
    search.set_callbacks(record).fit(X, Y)
    assert record.calls.count(("NeuralClassifier", "epoch")) == 5 * 6


def test_the_progress_bar_counts_epochs(capfd):
    pytest.importorskip("rich")
    model = NeuralClassifier(**QUICK).set_callbacks(sklearn_callback.ProgressBar())
    model.fit(X, Y)
    assert "NeuralClassifier - fit" in capfd.readouterr().out


def test_scores_are_kept_by_epoch():
    pytest.importorskip("pandas")
    monitor = sklearn_callback.ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    model = NeuralClassifier(**QUICK).set_callbacks(monitor).fit(X, Y)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "epoch"]
    assert len(epochs) == 6
    assert epochs["accuracy"].iloc[-1] == model.score(X, Y)
    assert epochs["neg_log_loss"].is_monotonic_increasing


def test_a_clone_has_them_too():
    record = Record()
    clone(NeuralClassifier(**QUICK).set_callbacks(record)).fit(X, Y)
    assert record.calls.count("end epoch") == 6


class Keep(Record):
    """Keeps every estimator that it is shown, and what that predicted then."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.calls.append((fitted_estimator, fitted_estimator.predict(X)))

    @property
    def shown(self):
        return [call for call in self.calls if isinstance(call, tuple)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
class TestMLP:
    """The same of the estimators that stand in for scikit-learn's."""

    @pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
    def test_each_epoch_is_a_task(self, kind):
        record = Record()
        model = kind(**QUICK_MLP).set_callbacks(record).fit(X, Y, WEIGHT)
        epochs = ["begin epoch", "end epoch"] * 6
        assert record.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]
        assert record.seen[0] is X
        assert record.seen[2] == {"sample_weight": WEIGHT}
        assert model.loss_curve_ == kind(**QUICK_MLP).fit(X, Y, WEIGHT).loss_curve_

    def test_a_callback_ends_the_fit_without_a_warning(self):
        model = MLPClassifier(**QUICK_MLP).set_callbacks(Record(stop_after=2))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert model.fit(X, Y).n_iter_ == 2

    @pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
    def test_the_estimator_shown_is_that_of_a_fit_which_ended_there(self, kind):
        keep = Keep()
        model = kind(**QUICK_MLP).set_callbacks(keep).fit(X, Y)
        assert len(keep.shown) == 7
        for epochs, (estimator, predicted) in enumerate(keep.shown[:-1], start=1):
            shorter = kind(**{**QUICK_MLP, "max_iter": epochs}).fit(X, Y)
            np.testing.assert_array_equal(predicted, shorter.predict(X))
            np.testing.assert_array_equal(predicted, estimator.predict(X))
            assert (estimator.n_iter_, estimator.loss_curve_) == (epochs, shorter.loss_curve_)
        np.testing.assert_array_equal(keep.shown[-1][1], model.predict(X))

    def test_early_stopping_shows_the_best_weights(self):
        keep = Keep()
        settings = {**QUICK_MLP, "max_iter": 40, "early_stopping": True, "n_iter_no_change": 3}
        model = MLPClassifier(**settings).set_callbacks(keep).fit(X, Y)
        assert model.n_iter_ < 40
        np.testing.assert_array_equal(keep.shown[-1][0].coefs_[0], model.coefs_[0])
        np.testing.assert_array_equal(keep.shown[-1][1], model.predict(X))

    def test_lbfgs_is_one_task(self):
        record, keep = Record(), Keep()
        model = MLPClassifier(**QUICK_MLP, solver="lbfgs").set_callbacks(record, keep).fit(X, Y)
        assert record.calls == ["setup", "begin fit", "end fit", "teardown"]
        np.testing.assert_array_equal(keep.shown[0][1], model.predict(X))

    def test_they_are_torn_down_after_an_error(self):
        record = Record()
        with pytest.raises(ValueError, match="NaN"):
            MLPClassifier(**QUICK_MLP).set_callbacks(record).fit(X * np.nan, Y)
        assert record.calls == ["setup", "teardown"]

    def test_partial_fit_calls_none(self):
        record = Record()
        MLPClassifier(**QUICK_MLP).set_callbacks(record).partial_fit(X, Y, classes=[0, 1, 2])
        assert record.calls == []

    def test_scores_are_kept_by_epoch(self):
        pytest.importorskip("pandas")
        monitor = sklearn_callback.ScoringMonitor(scoring="accuracy")
        model = MLPClassifier(**QUICK_MLP).set_callbacks(monitor).fit(X, Y)
        log = monitor.get_logs().data_as_pandas
        epochs = log[log["task_name"] == "epoch"]
        assert len(epochs) == 6
        assert epochs["accuracy"].iloc[-1] == model.score(X, Y)
