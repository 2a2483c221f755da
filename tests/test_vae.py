"""`VAE`: its bound, its codes, its samples, what it takes, and scikit-learn's checks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import special, stats
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganglion import VAE, callbacks, layers, losses

QUICK = {"latent_dim": 3, "epochs": 5, "random_state": 0}


@parametrize_with_checks([VAE(**QUICK, likelihood="gaussian", dtype="float64")])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def images():
    return load_digits().images / 16


@pytest.fixture(scope="module")
def model(images):
    return VAE(4, epochs=40, random_state=0).fit(images, X_val=images[:300])


def test_history_has_the_loss_and_its_parts(model):
    parts = ["loss", "reconstruction", "divergence"]
    assert list(model.history_) == [*parts, *(f"val_{name}" for name in parts)]
    loss, near, far = (np.array(model.history_[name]) for name in parts)
    np.testing.assert_allclose(loss, near + far, rtol=1e-6)
    assert loss[-1] < loss[0] and far[-1] > 1


def test_beta_weighs_the_divergence(images):
    weighed = VAE(4, beta=8.0, epochs=40, random_state=0).fit(images)
    plain = VAE(4, epochs=40, random_state=0).fit(images)
    history = weighed.history_
    total = history["reconstruction"][-1] + 8 * history["divergence"][-1]
    assert history["loss"][-1] == pytest.approx(total)
    assert history["divergence"][-1] < 0.5 * plain.history_["divergence"][-1]


def test_codes_have_a_mean_and_a_spread(model, images):
    mean, stddev = model.encode(images)
    assert mean.shape == stddev.shape == (1797, 4) and (stddev > 0).all()
    np.testing.assert_array_equal(model.transform(images), mean)
    np.testing.assert_array_equal(model.decode(mean), model.reconstruct(images))
    np.testing.assert_array_equal(model.inverse_transform(mean), model.decode(mean))


def test_samples_come_from_the_standard_normal_distribution(model):
    drawn = model.sample(200, random_state=3)
    assert drawn.shape == (200, 8, 8) and drawn.min() >= 0 and drawn.max() <= 1
    np.testing.assert_array_equal(drawn, model.sample(200, random_state=3))
    codes = np.random.RandomState(3).normal(size=(200, 4))
    np.testing.assert_array_equal(drawn, model.decode(codes))
    assert drawn.std(axis=0).mean() > 0.05  # not all the same


@pytest.mark.parametrize("likelihood", ["bernoulli", losses.GaussianNLL(0.2)], ids=["yes", "near"])
def test_scores_are_the_bound_of_each_sample(likelihood, images):
    """Beside one of many draws: the divergence, too, as a mean over what was drawn."""
    model = VAE(**QUICK, likelihood=likelihood, dtype="float64").fit(images)
    mean, stddev = model.encode(images[:3])
    draws = np.random.default_rng(1).normal(size=(20000, *mean.shape))
    codes = mean + stddev * draws
    terms = stats.norm.logpdf(codes, mean, stddev) - stats.norm.logpdf(codes)
    divergence = terms.sum(axis=-1).mean(axis=0)
    expected = []
    for image, drawn in zip(images, codes.swapaxes(0, 1), strict=False):
        decoded = model.decode(drawn[:2000])
        if likelihood == "bernoulli":
            near = special.xlogy(image, decoded) + special.xlog1py(1 - image, -decoded)
        else:
            near = stats.norm.logpdf(image, decoded, 0.2)
        expected.append(near.sum(axis=(1, 2)).mean())
    scores = model.score_samples(images[:3], draws=2000)
    np.testing.assert_allclose(scores, np.array(expected) - divergence, rtol=0.01)
    assert model.score(images) == pytest.approx(model.score_samples(images).mean())


def test_scores_are_what_the_loss_says(model, images):
    assert -model.score(images[:300]) == pytest.approx(model.history_["val_loss"][-1], rel=0.01)


def test_what_was_not_seen_is_strange(model, images):
    scores = model.score_samples(np.concatenate([images, images[:, ::-1].transpose(0, 2, 1)]))
    assert roc_auc_score(np.repeat([1, 0], len(images)), scores) > 0.7


def test_layers_of_one_s_own(images):
    model = VAE(
        2,
        encoder=[layers.Flatten(), layers.Dense(20, activation="tanh")],
        decoder=[layers.Dense(64, activation="sigmoid"), layers.Reshape((8, 8))],
        epochs=2,
        batch_size=None,
        random_state=0,
    ).fit(images)
    assert model.encoder_.output_shape == (None, 4)
    np.testing.assert_array_equal(
        clone(model).fit(images).transform(images), model.transform(images)
    )


def test_pickle_keeps_it(model, images):
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(images), model.transform(images))
    np.testing.assert_array_equal(again.sample(2, 0), model.sample(2, 0))


class Interrupt(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_an_interrupted_fit_can_be_used(images):
    model = VAE(**QUICK, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(images)
    assert model.sample(2).shape == (2, 8, 8)
    assert len(model.history_["loss"]) >= 1


def test_a_fit_that_fails_leaves_the_last_one(images):
    model = VAE(**QUICK).fit(images)
    before = model.transform(images)
    with pytest.raises(ValueError, match="between 0 and 1"):
        model.fit(16 * images)
    np.testing.assert_array_equal(model.transform(images), before)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"beta": -1.0}, ValueError, r"\[VAE\] beta"),
        ({"likelihood": "mse"}, TypeError, r"\[VAE\] likelihood must be 'bernoulli', 'gaussian'"),
        ({"likelihood": "bernouli"}, ValueError, "bernoulli"),
        ({"decoder": [layers.Dense(5)]}, ValueError, r"\[VAE\] decoder must give \('n', 8, 8\)"),
    ],
    ids=["beta", "loss", "name", "decoder"],
)
def test_a_mistake_is_named(settings, error, message, images):
    with pytest.raises(error, match=message):
        VAE(**settings).fit(images)


def test_data_that_does_not_fit_is_named(model, images):
    with pytest.raises(ValueError, match="between 0 and 1 with the Bernoulli likelihood, got 0 to"):
        VAE().fit(16 * images)
    with pytest.raises(ValueError, match=r"X must have shape \('n', 8, 8\)"):
        model.transform(np.zeros((2, 8, 9)))
    with pytest.raises(ValueError, match="n_samples must be"):
        model.sample(0)
    with pytest.raises(NotFittedError):
        VAE().sample()
