"""`GAN`: what it makes, its losses and penalties, classes, pictures on the way, mistakes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganglion import GAN, callbacks, layers

QUICK = {"latent_dim": 8, "epochs": 2, "random_state": 0}
WAYS = {
    "plain": {},
    "smoothed": {"label_smoothing": 0.1},
    "spectral": {"spectral_normalization": True},
    "wasserstein": {"loss": "wasserstein"},
    "wasserstein spectral": {"loss": "wasserstein", "spectral_normalization": True},
    "penalty": {"gradient_penalty": 1.0},
}


@parametrize_with_checks([GAN(**QUICK, dtype="float64")])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    return load_digits().images / 16, load_digits().target


def ring(rows: int) -> np.ndarray:
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, rows)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("labelled", [False, True], ids=["plain", "classes"])
def test_every_way_trains_and_is_reported(way, labelled, digits):
    X, y = digits
    model = GAN(**QUICK, **WAYS[way]).fit(X, y if labelled else None)
    names = ["discriminator_loss", "real", "fake", "penalty", "generator_loss"]
    if way not in ("penalty", "wasserstein"):
        names.remove("penalty")
    assert list(model.history_) == names
    assert all(len(v) == 2 and np.isfinite(v).all() for v in model.history_.values())
    made = model.sample(7, random_state=0)
    assert made.shape == (7, 8, 8) and made.min() >= 0 and made.max() <= 1
    np.testing.assert_array_equal(
        clone(model).fit(X, y if labelled else None).sample(7, None, 0), made
    )


@pytest.mark.parametrize("way", ["plain", "wasserstein"])
def test_it_learns_a_ring(way):
    X = ring(2000)
    model = GAN(
        8,
        generator=[layers.Dense(32, "relu"), layers.Dense(32, "relu"), layers.Dense(2)],
        discriminator=[layers.Dense(32, "leaky_relu"), layers.Dense(32, "leaky_relu")],
        learning_rate=1e-3,
        epochs=60 if way == "plain" else 150,
        random_state=0,
        **WAYS[way],
    ).fit(X)
    made = model.sample(1000, random_state=0)
    radius = np.linalg.norm(made, axis=1)
    assert abs(np.median(radius) - 1) < 0.15 and radius.std() < 0.4
    quarters = (made > 0) @ [1, 2]
    assert np.bincount(quarters, minlength=4).min() > 50


def test_classes_are_made_apart(digits):
    X, y = digits
    chosen = y < 3
    names = np.array(["zero", "one", "two"])[y[chosen]]
    model = GAN(16, epochs=60, learning_rate=1e-3, random_state=0).fit(X[chosen], names)
    assert model.classes_.tolist() == ["one", "two", "zero"]
    judge = LogisticRegression(max_iter=1000).fit(X[chosen].reshape(-1, 64), names)
    for name in model.classes_:
        made = model.sample(100, y=name, random_state=0).reshape(100, -1)
        assert (judge.predict(made) == name).mean() > 0.8
    turns = judge.predict(model.sample(30, random_state=0).reshape(30, -1))
    assert (turns == np.tile(model.classes_, 10)).mean() > 0.8
    each = model.sample(3, y=["two", "two", "one"], random_state=0)
    np.testing.assert_array_equal(each[:2], model.sample(3, y="two", random_state=0)[:2])


def test_tables_and_channels():
    draw = np.random.default_rng(0)
    assert GAN(**QUICK).fit(draw.normal(size=(100, 5))).sample(3).shape == (3, 5)
    colored = draw.uniform(-1, 1, size=(70, 16, 16, 3)).astype(np.float32)
    model = GAN(**QUICK).fit(colored, np.arange(70) % 2)
    made = model.sample(3)
    assert made.shape == (3, 16, 16, 3) and made.min() < 0
    assert model.discriminator_.input_shape == (None, 16, 16, 5)


def test_spectral_normalization_is_in_every_layer_with_a_kernel(digits):
    model = GAN(**QUICK, spectral_normalization=True).fit(digits[0][:100])
    kinds = [type(layer).__name__ for layer in model.discriminator_.layers]
    assert kinds == ["SpectralNormalization", "Flatten", "Flatten", "SpectralNormalization"]


def test_the_discriminator_takes_more_steps(digits):
    one, five = (GAN(**QUICK, discriminator_steps=steps).fit(digits[0][:640]) for steps in (1, 5))
    before = GAN(**{**QUICK, "learning_rate": 1e-30}).fit(digits[0][:640])
    moved = [
        np.abs(model.generator_.get_weights()[0] - before.generator_.get_weights()[0]).mean()
        for model in (one, five)
    ]
    assert 0 < moved[1] < 0.5 * moved[0]


def test_pictures_are_of_the_same_noise(digits):
    seen = []
    model = GAN(**QUICK, picture=lambda epoch, samples: seen.append((epoch, samples)))
    model.fit(*digits)
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert seen[0][1].shape == (100, 8, 8)
    last = model.sample(100, random_state=0)
    np.testing.assert_array_equal(seen[1][1], last)


def test_pickle_keeps_it(digits):
    model = GAN(**QUICK).fit(*digits)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.sample(5, 3, 1), model.sample(5, 3, 1))


class Interrupt(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def test_an_interrupted_fit_can_be_used(digits):
    model = GAN(**QUICK, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(*digits)
    assert model.sample(2).shape == (2, 8, 8)


def test_a_fit_that_fails_leaves_the_last_one(digits):
    X, y = digits
    model = GAN(**QUICK).fit(X, y)
    before = model.sample(3, random_state=0)
    with pytest.raises(ValueError, match="generator must give"):
        model.set_params(generator=[layers.Dense(3)]).fit(X)
    np.testing.assert_array_equal(model.sample(3, random_state=0), before)
    assert len(model.classes_) == 10


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"loss": "wgan"}, ValueError, r"\[GAN\] unknown loss 'wgan'"),
        ({"gradient_penalty": -1.0}, ValueError, r"\[GAN\] gradient_penalty"),
        ({"discriminator_steps": 0}, ValueError, r"\[GAN\] discriminator_steps"),
        ({"label_smoothing": 2.0}, ValueError, r"\[GAN\] label_smoothing"),
        (
            {"label_smoothing": 0.1, "loss": "wasserstein"},
            ValueError,
            r"\[GAN\] label_smoothing must be 0 with the loss 'wasserstein'",
        ),
        ({"spectral_normalization": "yes"}, TypeError, r"\[GAN\] spectral_normalization"),
        ({"picture": "a.png"}, TypeError, r"\[GAN\] picture must be callable or None, got 'a.png'"),
        ({"generator": [layers.Dense(5)]}, ValueError, r"generator must give \('n', 8, 8\)"),
        ({"discriminator": ["dense"]}, TypeError, r"\[GAN\] discriminator must be a list"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_mistake_is_named(settings, error, message, digits):
    with pytest.raises(error, match=message):
        GAN(**settings).fit(digits[0])


def test_samples_that_cannot_be_made_are_named(digits):
    X, y = digits
    with pytest.raises(NotFittedError):
        GAN().sample()
    labelled, plain = GAN(**QUICK).fit(X, y), GAN(**QUICK).fit(X)
    with pytest.raises(ValueError, match=r"\[sample\] y must be of the classes .*, got 11"):
        labelled.sample(2, y=11)
    with pytest.raises(ValueError, match=r"\[sample\] y must have 2 labels, got 3"):
        labelled.sample(2, y=[1, 2, 3])
    with pytest.raises(ValueError, match="the model was trained without classes"):
        plain.sample(2, y=1)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        GAN().fit(X, y[:5])
