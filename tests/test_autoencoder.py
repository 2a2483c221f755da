"""`Autoencoder`: codes, reconstructions, what it finds strange, scikit-learn's checks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganglion import Autoencoder, callbacks, layers, losses

QUICK = {"latent_dim": 4, "epochs": 5, "random_state": 0}


@parametrize_with_checks([Autoencoder(**QUICK, dtype="float64"), Autoencoder(**QUICK, noise=0.1)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data / 16


@pytest.fixture(scope="module")
def images(digits):
    return digits.reshape(-1, 8, 8).astype(np.float32)


@pytest.fixture(scope="module")
def model(digits):
    return Autoencoder(8, epochs=30, random_state=0).fit(digits)


def test_codes_are_a_summary(model, digits):
    codes = model.transform(digits)
    assert codes.shape == (1797, 8) and codes.dtype == np.float32
    np.testing.assert_array_equal(model.inverse_transform(codes), model.reconstruct(digits))
    explained = 1 - np.square(model.reconstruct(digits) - digits).mean() / digits.var(axis=0).mean()
    assert explained > 0.6
    assert model.history_["loss"][-1] < model.history_["loss"][0]


def test_scores_are_minus_the_error_of_each_sample(model, digits):
    errors = np.square(model.reconstruct(digits) - digits).mean(axis=1)
    np.testing.assert_allclose(model.score_samples(digits), -errors, rtol=1e-5)
    assert model.score(digits) == pytest.approx(-errors.mean(), rel=1e-5)


def test_what_was_not_seen_is_strange():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    seen, other = X[y != 0], X[y == 0]
    model = Autoencoder(8, epochs=60, random_state=0).fit(seen[::2])
    scores = model.score_samples(np.concatenate([seen[1::2], other]))
    normal = np.repeat([1, 0], [len(seen[1::2]), len(other)])
    assert roc_auc_score(normal, scores) > 0.85


def test_images_go_through_convolutions(images):
    model = Autoencoder(8, epochs=15, random_state=0).fit(images, X_val=images[:100])
    assert any(isinstance(layer, layers.Conv2D) for layer in model.encoder_.layers)
    assert any(isinstance(layer, layers.Conv2DTranspose) for layer in model.decoder_.layers)
    assert model.transform(images).shape == (1797, 8)
    assert model.reconstruct(images[:3]).shape == (3, 8, 8)
    assert list(model.history_) == ["loss", "val_loss"]
    assert model.history_["val_loss"][-1] < 0.7 * model.history_["val_loss"][0]


def test_noise_is_taken_away(digits):
    draw = np.random.default_rng(0)
    noisy = digits + draw.normal(scale=0.3, size=digits.shape)
    settings = {"latent_dim": 32, "epochs": 60, "random_state": 0}
    errors = [
        np.square(Autoencoder(**settings, noise=noise).fit(digits).reconstruct(noisy) - digits)
        for noise in (0.0, 0.3)
    ]
    assert errors[1].mean() < 0.8 * errors[0].mean() < 0.8 * np.square(noisy - digits).mean()


def test_sparsity_makes_codes_small(digits):
    settings = {"latent_dim": 16, "epochs": 20, "random_state": 0}
    sizes = [
        np.abs(Autoencoder(**settings, sparsity=factor).fit(digits).transform(digits)).mean()
        for factor in (0.0, 1e-3)
    ]
    assert sizes[1] < 0.5 * sizes[0]


def test_layers_of_one_s_own_are_copied(images):
    encoder = [layers.Flatten(), layers.Dense(20, activation="tanh", name="wide")]
    decoder = [layers.Dense(64, activation="sigmoid"), layers.Reshape((8, 8))]
    model = Autoencoder(
        3, encoder=encoder, decoder=decoder, loss=losses.BernoulliNLL(), epochs=2, random_state=0
    ).fit(images)
    assert model.encoder_.get_layer("wide") is not encoder[1]
    assert model.reconstruct(images[:2]).shape == (2, 8, 8)
    again = clone(model).fit(images)
    np.testing.assert_array_equal(again.transform(images), model.transform(images))


def test_it_stands_in_a_pipeline_and_is_searched(digits):
    pipeline = make_pipeline(StandardScaler(), Autoencoder(**QUICK))
    assert pipeline.fit_transform(digits).shape == (1797, 4)
    search = GridSearchCV(Autoencoder(**QUICK), {"latent_dim": [1, 8]}, cv=2).fit(digits)
    assert search.best_params_ == {"latent_dim": 8}


def test_set_output_names_the_codes(digits):
    frame = Autoencoder(**QUICK).set_output(transform="pandas").fit_transform(digits)
    assert list(frame.columns) == [f"autoencoder{i}" for i in range(4)]


def test_pickle_keeps_it(model, digits):
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(digits), model.transform(digits))


class Interrupt(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_an_interrupted_fit_can_be_used(digits):
    model = Autoencoder(**QUICK, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(digits)
    assert model.transform(digits).shape == (1797, 4)
    assert len(model.history_["loss"]) >= 1


def test_a_fit_that_fails_leaves_the_last_one(digits):
    model = Autoencoder(**QUICK).fit(digits)
    before = model.transform(digits)
    with pytest.raises(ValueError, match="decoder must give"):
        model.set_params(decoder=[layers.Dense(3)]).fit(digits)
    np.testing.assert_array_equal(model.transform(digits), before)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"latent_dim": 0}, ValueError, r"\[Autoencoder\] latent_dim must be a positive integer"),
        ({"epochs": 1.5}, ValueError, r"\[Autoencoder\] epochs"),
        ({"noise": -1.0}, ValueError, r"\[Autoencoder\] noise"),
        ({"sparsity": -1.0}, ValueError, r"\[Autoencoder\] sparsity"),
        ({"encoder": [3]}, TypeError, r"\[Autoencoder\] encoder must be a list of Layers or None"),
        (
            {"decoder": [layers.Dense(5)]},
            ValueError,
            r"\[Autoencoder\] decoder must give \('n', 64\), as the samples are, got \('n', 5\)",
        ),
        ({"loss": "mze"}, ValueError, "mse"),
    ],
    ids=["code", "epochs", "noise", "sparsity", "encoder", "decoder", "loss"],
)
def test_a_mistake_is_named(settings, error, message, digits):
    with pytest.raises(error, match=message):
        Autoencoder(**settings).fit(digits)


def test_arguments_of_others_are_named():
    with pytest.raises(TypeError, match="here it is latent_dim"):
        Autoencoder(n_components=3)


def test_data_that_does_not_fit_is_named(model, images):
    with pytest.raises(ValueError, match=r"X has 3 features"):
        model.transform(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"codes must have shape \('n', 8\), got \(2, 3\)"):
        model.inverse_transform(np.zeros((2, 3)))
    with pytest.raises(NotFittedError):
        Autoencoder().transform(images)
    with pytest.raises(NotFittedError):
        Autoencoder().inverse_transform(np.zeros((2, 16)))
