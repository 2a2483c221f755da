"""The estimators: scikit-learn's own checks, and what they add to them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganglion import (
    NeuralClassifier,
    NeuralRegressor,
    callbacks,
    layers,
    losses,
    ops,
    optimizers,
    schedules,
)

QUICK = {"layers": (32,), "learning_rate": 0.02, "epochs": 40, "random_state": 0}
# One update an epoch over all samples, in double: what weights and repetitions of samples agree in.
FULL_BATCH = {**QUICK, "batch_size": None, "dtype": "float64"}

REPETITION = (
    "a sample of weight two and the same sample twice fall into different batches; they agree with "
    "batch_size=None, as the estimators of the same list show"
)


def expected_failures(estimator):
    if estimator.batch_size is None:
        return {}
    data = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{kind}_data": REPETITION for kind in data}


@parametrize_with_checks(
    [
        NeuralClassifier(**QUICK),
        NeuralRegressor(**QUICK),
        NeuralClassifier(**FULL_BATCH),
        NeuralRegressor(**FULL_BATCH),
    ],
    expected_failed_checks=expected_failures,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def two_classes():
    X, y = make_classification(n_samples=300, n_features=8, class_sep=1.5, random_state=0)
    return X, y


def test_the_output_layer_follows_from_many_classes(iris):
    X, y = iris
    model = NeuralClassifier(**QUICK).fit(X, y)
    assert model.score(X, y) > 0.95
    assert model.n_outputs_ == 3
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(X))


def test_the_output_layer_follows_from_two_classes(two_classes):
    X, y = two_classes
    model = NeuralClassifier(**QUICK).fit(X, np.where(y, "yes", "no"))
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.n_outputs_ == 1
    assert model.score(X, np.where(y, "yes", "no")) > 0.95
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (300, 2)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X))


def test_the_output_layer_follows_from_several_labels_a_sample():
    X, y = make_multilabel_classification(n_samples=300, n_labels=2, n_classes=4, random_state=0)
    model = NeuralClassifier(**{**QUICK, "epochs": 100}).fit(StandardScaler().fit_transform(X), y)
    predicted = model.predict(StandardScaler().fit_transform(X))
    assert predicted.shape == y.shape
    assert (predicted == y).mean() > 0.95
    assert model.predict_proba(X).shape == (300, 4)


@pytest.mark.parametrize("shape", [(200,), (200, 1), (200, 3)], ids=str)
def test_targets_come_back_in_the_shape_they_had(shape):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 4))
    y = np.tanh(X @ generator.normal(size=(4, *shape[1:])))
    model = NeuralRegressor(**QUICK).fit(X, y)
    assert model.predict(X).shape == shape
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize(
    "loss",
    [
        "categorical_focal_crossentropy",
        losses.CategoricalCrossentropy(label_smoothing=0.1),
        "kl_divergence",
    ],
    ids=["name", "instance", "other"],
)
def test_a_loss_that_takes_one_hot_rows_gets_them(iris, loss):
    X, y = iris
    assert NeuralClassifier(**QUICK, loss=loss).fit(X, y).score(X, y) > 0.9


def test_layers_are_taken_as_they_are_and_copied(iris):
    X, y = iris
    hidden = [
        layers.Dense(16, name="first"),
        layers.BatchNormalization(),
        layers.Activation("relu"),
    ]
    model = NeuralClassifier([*hidden, 8], learning_rate=0.02, random_state=0)
    assert model.fit(X, y).score(X, y) > 0.95
    assert clone(model).fit(X, y).score(X, y) == model.score(X, y)
    assert all(
        ours is not given for ours, given in zip(model.network_.layers, hidden, strict=False)
    )


def test_callbacks_and_metrics_may_be_none(iris):
    model = NeuralClassifier([4], epochs=1, callbacks=None, metrics=None).fit(*iris)
    assert list(model.history_) == ["loss"]


def test_an_activation_may_be_a_function(iris):
    first, second = (
        NeuralClassifier([4], activation=activation, epochs=1, random_state=0).fit(*iris)
        for activation in (ops.tanh, "tanh")
    )
    np.testing.assert_array_equal(first.predict_proba(iris[0]), second.predict_proba(iris[0]))


def test_dropout_follows_each_layer_given_by_its_width(iris):
    model = NeuralClassifier([8, 4], dropout=0.25, epochs=1).fit(*iris)
    kinds = [type(layer).__name__ for layer in model.network_.layers]
    assert kinds == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]


def test_the_learning_rate_replaces_the_optimizers_own(iris):
    schedule = schedules.ExponentialDecay(0.1, decay_steps=10, decay_rate=0.9)
    optimizer = optimizers.SGD(momentum=0.9)
    model = NeuralClassifier([4], optimizer=optimizer, learning_rate=schedule, epochs=1).fit(*iris)
    assert model.network_.optimizer.learning_rate == schedule
    assert model.network_.optimizer.momentum == 0.9
    assert optimizer == optimizers.SGD(momentum=0.9)


def test_early_stopping_keeps_the_best_weights(two_classes):
    X, y = two_classes
    model = NeuralClassifier(
        [64], learning_rate=0.05, epochs=500, early_stopping=True, patience=5, random_state=0
    ).fit(X, y)
    validation = model.history_["val_loss"]
    assert model.n_iter_ < 500
    assert len(validation) - 1 - int(np.argmin(validation)) == 5
    assert model.loss_ == model.history_["loss"][-1]


def test_a_class_that_weighs_more_is_predicted_more():
    X, y = make_classification(n_samples=400, weights=[0.9], flip_y=0.2, random_state=0)
    settings = {**QUICK, "layers": (), "epochs": 10}  # too small to learn the noise by heart
    shares = [
        (NeuralClassifier(**settings, class_weight=weight).fit(X, y).predict(X) == 1).mean()
        for weight in (None, "balanced", {1: 30.0})
    ]
    assert shares[0] < shares[1] < shares[2]


def test_the_scale_of_sample_weights_does_not_matter(two_classes):
    X, y = two_classes
    weight = np.random.default_rng(0).uniform(size=len(y))
    first, second = (
        NeuralClassifier(**FULL_BATCH).fit(X, y, scale * weight) for scale in (1.0, 1024.0)
    )
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_fit_starts_anew_and_warm_start_goes_on(iris):
    X, y = iris
    model = NeuralClassifier(**QUICK).fit(X, y)
    again = model.fit(X, y).loss_
    assert clone(model).fit(X, y).loss_ == again
    warm = clone(model).set_params(warm_start=True).fit(X, y).fit(X, y)
    assert warm.loss_ < again
    assert warm.n_iter_ == 2 * model.n_iter_


def test_partial_fit_learns_classes_that_come_later(iris):
    X, y = iris
    model = NeuralClassifier([16], learning_rate=0.05, random_state=0)
    for _ in range(20):
        for label in range(3):  # each call sees one class only
            model.partial_fit(X[y == label], y[y == label], classes=[0, 1, 2])
    assert model.n_iter_ == 60
    assert model.predict(X).shape == y.shape


def test_partial_fit_of_the_regressor_goes_on():
    X = np.linspace(-1, 1, 100)[:, None]
    model = NeuralRegressor([16], learning_rate=0.01, random_state=0)
    first = model.partial_fit(X, X[:, 0]).loss_
    for _ in range(50):
        model.partial_fit(X, X[:, 0])
    assert model.loss_ < first / 10


def test_the_same_seed_gives_the_same_bits(iris):
    X, y = iris
    first, second = (NeuralClassifier([8], dropout=0.5, random_state=3).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    generator = np.random.RandomState(3)
    third, fourth = (NeuralClassifier([8], random_state=generator).fit(X, y) for _ in range(2))
    assert not np.array_equal(third.predict_proba(X), fourth.predict_proba(X))


def test_pickle_keeps_every_bit_and_trains_on(iris):
    X, y = iris
    model = NeuralClassifier(**QUICK, warm_start=True).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(copy.fit(X, y).predict_proba(X), model.fit(X, y).predict_proba(X))


def test_grid_search_and_cross_validation_in_a_pipeline(iris):
    pipeline = make_pipeline(StandardScaler(), NeuralClassifier(**QUICK))
    assert cross_val_score(pipeline, *iris, cv=3).mean() > 0.9
    grid = {"neuralclassifier__layers": [(4,), (16,)], "neuralclassifier__activation": ["tanh"]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(*iris)
    assert search.best_score_ > 0.9
    assert len(search.cv_results_["params"]) == 2


def test_integers_are_read_as_they_are():
    X = np.random.default_rng(0).integers(0, 255, (60, 8), dtype=np.uint8)
    rescaled = [layers.Rescaling(1 / 255), 8]
    model = NeuralClassifier(rescaled, epochs=3, random_state=0).fit(X, X[:, 0] > 127)
    np.testing.assert_array_equal(model.predict(X), model.predict(X.astype(np.float64)))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"layers": [0]}, ValueError, r"\[Dense\] units"),
        ({"layers": ["relu"]}, TypeError, r"\[NeuralClassifier\] layers .*'relu'"),
        ({"layers": 5}, TypeError, r"\[NeuralClassifier\] layers .*5"),
        ({"activation": "rellu"}, ValueError, "did you mean 'relu'"),
        ({"layers": [True]}, TypeError, r"\[NeuralClassifier\] layers .*True"),
        ({"dropout": 1.0}, ValueError, r"\[NeuralClassifier\] dropout"),
        ({"early_stopping": "yes"}, TypeError, r"\[NeuralClassifier\] early_stopping"),
        ({"patience": -1}, ValueError, r"\[NeuralClassifier\] patience"),
        (
            {"loss": losses.SparseCategoricalCrossentropy(from_logits=True)},
            ValueError,
            r"\[NeuralClassifier\] loss must not be from_logits.*softmax",
        ),
        ({"optimizer": "adm"}, ValueError, "did you mean 'adam'"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate"),
        ({"loss": "focal"}, ValueError, r"\[loss\]"),
        ({"epochs": 0}, ValueError, "epochs"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"early_stopping": True, "validation_fraction": 1.5}, ValueError, "validation_fraction"),
        ({"early_stopping": True, "patience": -1}, ValueError, "patience"),
        (
            {"early_stopping": True, "validation_fraction": 0.01},
            ValueError,
            r"\[NeuralClassifier\] early_stopping cannot .* validation_fraction 0.01 of 150",
        ),
        (
            {"class_weight": "balancd"},
            ValueError,
            r"\[NeuralClassifier\] unknown class_weight 'balancd'; did you mean 'balanced'",
        ),
        ({"metrics": ["acuracy"]}, ValueError, "did you mean 'accuracy'"),
        ({"dtype": "float16"}, ValueError, "float16"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_setting_out_of_range_is_named(iris, settings, error, message):
    with pytest.raises(error, match=message):
        NeuralClassifier(**settings).fit(*iris)


def test_labels_that_can_not_be_learned_are_named(iris):
    X, y = iris
    model = NeuralClassifier(**QUICK)
    with pytest.raises(ValueError, match=r"one class: \[1\]"):
        model.fit(X, np.ones(len(X), dtype=int))
    with pytest.raises(ValueError, match="zeros and ones"):
        model.fit(X, np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match="(?i)sample.weight"):
        model.fit(X, y, np.zeros(len(y)))
    with pytest.raises(ValueError, match="needs classes"):
        model.partial_fit(X, y)
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"not among the classes: \[7\]"):
        model.partial_fit(X, np.where(y == 2, 7, y))
    with pytest.raises(ValueError, match="classes differ"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="balanced"):
        model.set_params(class_weight="balanced").partial_fit(X, y)


@pytest.mark.parametrize(
    "failing",
    [
        {"X": np.zeros((4, 3)) * np.nan},
        {"y": np.ones(4)},
        {"sample_weight": -np.ones(4)},
        {"X_val": np.zeros((4, 2)), "y_val": np.arange(4) % 2 + 8},
        {"batch_size": 0},
        {"callbacks": [print]},
    ],
    ids="-".join,
)
def test_a_fit_that_fails_leaves_the_last_one(iris, failing):
    X, y = iris
    model = NeuralClassifier(**QUICK).fit(X, y)
    expected, history = model.predict_proba(X), model.history_
    settings = {name: failing[name] for name in failing if hasattr(model, name)}
    model.set_params(**settings)
    data = {"X": np.zeros((4, 3)), "y": np.arange(4) % 2 + 8}
    data |= {name: failing[name] for name in failing if name not in settings}
    with pytest.raises((TypeError, ValueError)):
        model.fit(**data)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    assert model.predict(X).max() == 2
    assert (model.n_features_in_, model.history_) == (4, history)
    fresh = clone(model)
    with pytest.raises((TypeError, ValueError)):
        fresh.fit(**data)
    with pytest.raises(NotFittedError):
        fresh.predict(X)


@pytest.mark.parametrize("warm_start", [False, True])
def test_an_interrupted_fit_leaves_what_it_came_to(iris, warm_start):
    def interrupt(epoch, logs):
        if epoch == before + 3:
            raise KeyboardInterrupt

    X, y = iris
    before = 0
    callback = callbacks.LambdaCallback(on_epoch_end=interrupt)
    model = NeuralClassifier(**QUICK, warm_start=warm_start, callbacks=[callback])
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        assert model.n_iter_ == before + 4 == len(model.history_["loss"])
        assert model.loss_ == model.history_["loss"][-1]
        assert model.predict(X).shape == y.shape
        before = model.n_iter_ if warm_start else 0


def test_prediction_needs_a_fit(iris):
    with pytest.raises(NotFittedError):
        NeuralClassifier().predict(iris[0])


@pytest.mark.parametrize("weights", [{0: 0, 1: 0}, {0: -5, 1: 1}, {0: np.nan, 1: 1}], ids=str)
def test_class_weights_that_cannot_be_are_named(weights):
    with pytest.raises(ValueError, match=r"\[NeuralClassifier\] class_weight must be"):
        NeuralClassifier((4,), class_weight=weights).fit(np.eye(4), [0, 1, 0, 1])


def test_class_and_sample_weights_that_leave_no_sample_are_named():
    message = r"\[NeuralClassifier\] class_weight times sample_weight is 0 for every sample"
    with pytest.raises(ValueError, match=message):
        NeuralClassifier((4,), class_weight={0: 0, 1: 2}).fit(np.eye(4), [0, 1, 0, 1], [1, 0, 1, 0])


def test_one_hot_rows_are_taken_for_several_labels_with_a_hint(iris):
    X, y = iris
    with pytest.warns(UserWarning, match=r"3 labels .* y\.argmax\(axis=1\)") as caught:
        model = NeuralClassifier([4], epochs=1, random_state=0).fit(X, np.eye(3, dtype=int)[y])
    assert caught[0].filename == __file__
    assert model.predict(X).shape == (len(y), 3)


def test_logarithms_of_probabilities(iris):
    X, y = iris
    model = NeuralClassifier([4], epochs=1, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict_log_proba(X), np.log(model.predict_proba(X)))


def test_large_targets_are_warned_of(iris):
    X, _ = iris
    with pytest.warns(UserWarning, match="targets are large, 1e.06 .* TransformedTarget") as caught:
        NeuralRegressor([4], epochs=1, random_state=0).fit(X, 1e6 + X[:, 0])
    assert caught[0].filename == __file__
