"""A layer of a network as features: of an estimator that is trained, or of a network as it is."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganglion import NeuralClassifier, NeuralRegressor, NeuralTransformer, Sequential, layers

FULL_BATCH = {
    "layers": (8,),
    "learning_rate": 0.02,
    "epochs": 5,
    "batch_size": None,
    "dtype": "float64",
    "random_state": 0,
}


@parametrize_with_checks(
    [
        NeuralTransformer(NeuralClassifier(**FULL_BATCH)),
        NeuralTransformer(NeuralRegressor(**FULL_BATCH), layer=0),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def classifier(iris):
    settings = {**FULL_BATCH, "layers": (6, 4), "dropout": 0.5}
    return NeuralClassifier(**settings).fit(*iris)


def first_layer(network, X):
    kernel, bias = network.get_weights()[:2]
    return np.maximum(X @ kernel + bias, 0)


def test_features_are_what_the_layer_gives(iris, classifier):
    X, _ = iris
    features = NeuralTransformer(classifier.network_, layer=0).fit(X).transform(X)
    np.testing.assert_allclose(features, first_layer(classifier.network_, X), rtol=1e-12)


def test_the_default_is_the_last_hidden_layer(iris, classifier):
    X, _ = iris
    features = NeuralTransformer(classifier.network_).fit(X).transform(X)
    logits = features @ classifier.network_.get_weights()[-2]
    logits += classifier.network_.get_weights()[-1]
    np.testing.assert_array_equal(logits.argmax(axis=1), classifier.predict(X))


def test_a_layer_is_found_by_its_name(iris):
    X, y = iris
    hidden = [layers.Dense(5, activation="tanh", name="wide"), layers.Dense(3, name="narrow")]
    model = NeuralClassifier(hidden, epochs=1, random_state=0)
    transformer = NeuralTransformer(model, layer="wide").fit(X, y)
    assert transformer.transform(X).shape == (150, 5)
    with pytest.raises(ValueError, match="did you mean 'narrow'"):
        NeuralTransformer(model, layer="narow").fit(X, y)


def test_layers_of_like_settings_are_told_apart(iris):
    X, _ = iris
    network = Sequential([layers.Dense(4), layers.Dense(4), layers.Dense(1)], random_state=0)
    network.build((None, 4))
    second = NeuralTransformer(network, layer="dense_1").fit(X)
    np.testing.assert_array_equal(second.transform(X), NeuralTransformer(network).fit_transform(X))


def test_an_estimator_is_copied_and_trained(iris, classifier):
    X, y = iris
    transformer = NeuralTransformer(classifier).fit(X, y)
    assert transformer.estimator_ is not classifier
    for ours, given in zip(
        transformer.estimator_.network_.get_weights(),
        classifier.network_.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, given)  # the same seed


def test_a_frozen_estimator_is_used_as_it_is(iris, classifier):
    X, _ = iris
    frozen = NeuralTransformer(FrozenEstimator(classifier)).fit(X)
    given = NeuralTransformer(classifier.network_).fit(X)
    np.testing.assert_array_equal(frozen.transform(X), given.transform(X))


def test_sample_weights_reach_the_estimator(iris):
    X, y = iris
    weight = np.random.default_rng(0).uniform(size=len(y))
    transformer = NeuralTransformer(NeuralClassifier(**FULL_BATCH))
    weighted = clone(transformer).fit(X, y, sample_weight=weight).transform(X)
    assert not np.array_equal(weighted, clone(transformer).fit(X, y).transform(X))


def test_sparse_matrices_and_frames_are_read_as_the_estimators_do(iris, classifier):
    X, _ = iris
    transformer = NeuralTransformer(classifier.network_).fit(X)
    sparse = scipy.sparse.csr_array(X)
    np.testing.assert_array_equal(transformer.transform(sparse), transformer.transform(X))
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcd"))
    assert transformer.fit(frame).feature_names_in_.tolist() == list("abcd")


def test_training_the_network_on_leaves_the_features(iris):
    X, y = iris
    network = Sequential([layers.Dense(4), layers.Dense(1)], loss="mse", random_state=0)
    network.fit(X, y, verbose=0)
    transformer = NeuralTransformer(network, layer=0).fit(X)
    before = transformer.transform(X)
    network.fit(X, y, verbose=0)
    np.testing.assert_array_equal(transformer.transform(X), before)


def test_a_layer_of_several_dimensions_is_made_flat():
    X = np.ones((3, 8))
    network = Sequential([layers.Reshape((2, 4)), layers.Flatten()], random_state=0)
    network.build((None, 8))
    transformer = NeuralTransformer(network, layer=0).fit(X)
    assert transformer.transform(X).shape == (3, 8)


def test_it_goes_before_another_estimator(iris):
    X, y = iris
    features = NeuralTransformer(NeuralClassifier(**{**FULL_BATCH, "epochs": 200}))
    model = make_pipeline(features, DecisionTreeClassifier())
    assert cross_val_score(model, X, y, cv=3).mean() > 0.9


def test_set_output_names_the_features(iris, classifier):
    pytest.importorskip("pandas")
    X, _ = iris
    transformer = NeuralTransformer(classifier.network_).set_output(transform="pandas").fit(X)
    names = [f"neuraltransformer{position}" for position in range(4)]
    assert transformer.transform(X).columns.tolist() == names
    assert transformer.get_feature_names_out().tolist() == names


def test_clone_and_pickle_keep_a_network(iris, classifier):
    X, _ = iris
    transformer = NeuralTransformer(classifier.network_).fit(X)
    expected = transformer.transform(X)
    np.testing.assert_array_equal(clone(transformer).fit(X).transform(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(transformer)).transform(X), expected)


@pytest.mark.parametrize(
    ("estimator", "layer", "error", "message"),
    [
        (NeuralClassifier([4], epochs=1), 2, ValueError, r"layer must be in \[-2, 2\).* got 2"),
        (NeuralClassifier([], epochs=1), -2, ValueError, r"layer must be in \[-1, 1\).* got -2"),
        (NeuralClassifier([4], epochs=1), 0.5, TypeError, "a position or a name, got 0.5"),
        (DecisionTreeClassifier(), 0, TypeError, "must have a network_ after fit"),
        ("relu", 0, TypeError, "estimator must be .* got 'relu'"),
        (Sequential([layers.Dense(1)]), 0, NotFittedError, "no weights yet"),
        (Sequential([layers.Input((3,)), layers.Dense(1)]), 0, ValueError, r"\('n', 3\)"),
    ],
    ids=str,
)
def test_a_mistake_is_named(iris, estimator, layer, error, message):
    with pytest.raises(error, match=message):
        NeuralTransformer(estimator, layer=layer).fit(*iris)


def test_transform_needs_a_fit(iris):
    with pytest.raises(NotFittedError):
        NeuralTransformer(NeuralClassifier()).transform(iris[0])


def test_a_refit_with_a_network_forgets_the_estimator(iris, classifier):
    features = NeuralTransformer(classifier).fit(*iris)
    features.set_params(estimator=features.estimator_.network_).fit(iris[0])
    assert not hasattr(features, "estimator_")


def test_a_refit_that_fails_leaves_the_last_one(iris, classifier):
    X, y = iris
    features = NeuralTransformer(classifier).fit(X, y)
    before = features.transform(X)
    with pytest.raises(ValueError):
        features.fit(X[:, :2], np.full(len(y), np.nan))
    np.testing.assert_array_equal(features.transform(X), before)
