"""Capsules: what routing does, bits, what they refuse, and the classifier made of them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from ganglion import CapsuleClassifier, Sequential, layers, losses, ops, plot, set_num_threads
from ganglion.threads import get_num_threads

Array = np.ndarray


def digits(count: int = 400) -> tuple[Array, Array]:
    X, y = load_digits(return_X_y=True)
    return X[:count].reshape(-1, 8, 8), y[:count]


def small(**settings: Any) -> CapsuleClassifier:
    chosen = {"filters": 8, "primary_capsules": 2, "decoder": (16,), "epochs": 3, **settings}
    return CapsuleClassifier(random_state=0, **chosen)


def capsule_network(through_couplings: bool = False, dtype: str = "float32") -> Sequential:
    return Sequential(
        [
            layers.Conv2D(8, 3, activation="relu"),
            layers.PrimaryCapsule(20, 4, 3),
            layers.CapsuleLayer(10, 6, through_couplings=through_couplings),
            layers.CapsuleLength(),
        ],
        loss="margin",
        random_state=0,
        dtype=dtype,
    )


def test_predictions_that_agree_win_the_couplings() -> None:
    """Of ten inputs nine predict one and the same for class 0, and whatever for class 1."""
    draw = np.random.default_rng(0)
    kernel = draw.normal(size=(2, 1, 10, 8))
    kernel[0, 0, :9] = kernel[0, 0, 0]
    u = np.ones((1, 10, 1))
    lengths = []
    for routings in (1, 2, 5):
        net = Sequential([layers.CapsuleLayer(2, 8, routings), layers.CapsuleLength()])
        net.build((None, 10, 1))
        net.set_weights([kernel])
        lengths.append(net.predict(u)[0])
    first, second, last = lengths
    assert last[0] > second[0] > first[0]
    assert last[1] < first[1]


def test_squash_at_zero_and_far_away() -> None:
    x = np.array([[0.0, 0.0], [1e-12, 0.0], [3e4, 4e4]])
    np.testing.assert_allclose(
        ops.evaluate(layers.Activation("squash"), x), [[0, 0], [1e-24, 0], [0.6, 0.8]], atol=1e-9
    )
    net = Sequential([layers.Activation("squash"), layers.CapsuleLength()], dtype="float64")
    net.build((None, 3, 2))
    net.forward(np.zeros((2, 3, 2)))
    assert (net.backward(np.ones((2, 3))) == 0).all()


def test_margin_of_two_classes_at_once() -> None:
    lengths, target = np.array([[0.95, 0.7, 0.3]]), np.array([[1.0, 1.0, 0.0]])
    (loss,) = ops.evaluate(losses.Margin(), target, lengths)
    assert loss == pytest.approx(0.2**2 + 0.5 * 0.2**2)


@pytest.mark.parametrize("batch_size", [24, 70], ids=["in chunks", "in ranges"])
@pytest.mark.parametrize("through_couplings", [False, True])
def test_bits_do_not_depend_on_threads(through_couplings: bool, batch_size: int) -> None:
    X, y = digits(200)
    before, trained = get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            net = capsule_network(through_couplings)
            net.fit(X[..., None] / 16, np.eye(10)[y], epochs=2, batch_size=batch_size, verbose=0)
            trained.append([*net.get_weights(), net.predict(X[..., None] / 16)])
    finally:
        set_num_threads(before)
    for other in trained[1:]:
        for left, right in zip(trained[0], other, strict=True):
            np.testing.assert_array_equal(left, right)


def test_bits_of_a_sample_do_not_depend_on_the_others() -> None:
    X = digits(150)[0][..., None] / 16
    net = capsule_network()
    net.build((None, 8, 8, 1))
    whole = net.predict(X)
    for batch_size in (1, 37):
        np.testing.assert_array_equal(net.predict(X, batch_size=batch_size), whole)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.CapsuleLayer(10, 16, routings=0), r"\[CapsuleLayer\] routings .* got 0"),
        (lambda: layers.CapsuleLayer(0, 16), r"\[CapsuleLayer\] num_capsules .* got 0"),
        (lambda: layers.CapsuleLayer(2, 2.5), r"\[CapsuleLayer\] dim_capsule .* got 2.5"),
        (lambda: layers.PrimaryCapsule(4, 8, 0), r"\[PrimaryCapsule\] kernel_size .* got 0"),
        (
            lambda: layers.PrimaryCapsule(4, 8, 3, padding="full"),
            r"\[PrimaryCapsule\] unknown padding",
        ),
        (lambda: losses.Margin(m_plus=1.5), r"\[Margin\] m_plus .* got 1.5"),
        (lambda: losses.Margin(0.2, 0.3), r"\[Margin\] m_plus must be above m_minus, 0.3, got 0.2"),
        (lambda: losses.Margin(absent_weight=-1), r"\[Margin\] absent_weight .* got -1"),
    ],
)
def test_settings_out_of_range(make: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        make()


@pytest.mark.parametrize(
    "layer", [layers.CapsuleLayer(2, 3), layers.CapsuleLength(), layers.LongestCapsule()]
)
@pytest.mark.parametrize("shape", [(8,), (4, 4, 8)])
def test_inputs_that_are_no_capsules(layer: layers.Layer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needs capsules, an input of shape \(None, capsules, d"):
        Sequential([layer]).build((None, *shape))


def test_operands_of_routing_that_do_not_fit() -> None:
    weights, v = np.ones((2, 4, 5, 3)), np.ones((1, 2, 3))

    def agree(u: Any, v: Any) -> Any:
        return ops.routing_agreement(u, ops.constant(weights), v)

    for u in (np.ones((1, 4, 6)), np.ones((1, 3, 5))):
        with pytest.raises(ValueError, match=r"\[routing_agreement\] the operands differ"):
            ops.evaluate(agree, u, v)
    with pytest.raises(ValueError, match=r"input capsules need a shape \(n, dim, inputs\), got"):
        ops.evaluate(agree, np.ones((1, 20)), v)


@pytest.mark.parametrize("labels", ["numbers", "words"])
def test_classifier_learns_digits(labels: str) -> None:
    X, y = digits(900)
    y = y if labels == "numbers" else np.array([f"digit {number}" for number in y])
    model = CapsuleClassifier(filters=16, primary_capsules=4, decoder=(32,), epochs=10)
    model.set_params(random_state=0).fit(X[:700], y[:700], X_val=X[700:], y_val=y[700:])
    assert model.score(X[700:], y[700:]) > 0.85
    assert model.predict(X[:3]).dtype == y.dtype
    assert model.history_["val_accuracy"][-1] == pytest.approx(model.score(X[700:], y[700:]))
    assert {"loss", "margin", "reconstruction", "accuracy"} <= set(model.history_)
    shares = model.predict_proba(X)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(shares.argmax(axis=1), model.lengths(X).argmax(axis=1))


def test_images_as_rows_as_squares_and_with_channels_are_the_same() -> None:
    X, y = digits(120)
    models = [
        small().fit(X.reshape(120, 64), y),
        small().fit(X, y),
        small(image_shape=(8, 8, 1)).fit(X.reshape(120, 64), y),
        small().fit(X.astype(np.uint8)[..., None], y),
    ]
    first = models[0].lengths(X.reshape(120, 64))
    for model, shape in zip(models[1:], [(8, 8), (64,), (8, 8, 1)], strict=True):
        np.testing.assert_array_equal(model.lengths(X.reshape(-1, *shape)), first)
        assert model.reconstruct(X.reshape(-1, *shape)).shape == (120, *shape)


def test_reconstruction_is_of_the_class_asked_for_and_in_the_pixels_range() -> None:
    X, y = digits(500)
    model = small(epochs=15, decoder=(64,)).fit(X, y)
    own = model.reconstruct(X, y)
    assert own.min() >= 0
    assert own.max() <= 16
    other = model.reconstruct(X, (y + 1) % 10)
    error = [np.square(image - X).mean() for image in (own, other)]
    assert error[0] < 0.8 * np.square(X - X.mean(axis=0)).mean()
    assert error[0] < error[1]
    moved = model.reconstruct(X, y, perturb=0.25 * np.eye(16)[3])
    assert not np.array_equal(moved, own)
    np.testing.assert_array_equal(model.reconstruct(X, y, perturb=np.zeros((500, 16))), own)


def test_picture_of_dimensions() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    X, y = digits(100)
    model = small(epochs=1).fit(X, y)
    panel = plot.capsule_dimensions(model, X[0], dimensions=[2, 5], amounts=[-0.1, 0.0, 0.1])
    drawn = panel.get_images()[0].get_array()
    assert drawn.shape == (2 * 9 + 1, 3 * 9 + 1)
    np.testing.assert_allclose(drawn[1:9, 10:18], model.reconstruct(X[:1])[0] / 16, atol=1e-6)
    assert [text.get_text() for text in panel.get_yticklabels()] == ["2", "5"]
    with pytest.raises(ValueError, match=r"dimensions must be numbers from 0 to 15, got \[16\]"):
        plot.capsule_dimensions(model, X[0], dimensions=[16])
    with pytest.raises(TypeError, match="model must be a CapsuleClassifier, got str"):
        plot.capsule_dimensions("capsules", X[0])
    matplotlib.pyplot.close("all")


def test_classifier_of_two_classes() -> None:
    X, y = digits()
    X, y = X[y < 2], y[y < 2]
    model = small(epochs=8).fit(X, y)
    decided = model.decision_function(X)
    assert decided.shape == y.shape
    np.testing.assert_array_equal(model.predict(X), (decided > 0).astype(int))


def test_classifier_is_an_estimator() -> None:
    X, y = digits(150)
    model = small().fit(X, y)
    np.testing.assert_array_equal(clone(model).fit(X, y).lengths(X), model.lengths(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).lengths(X), model.lengths(X))
    assert len(cross_val_score(small(epochs=1), X.reshape(150, 64), y, cv=2)) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"routings": 0}, r"routings must be .* got 0"),
        ({"filters": -1}, r"filters must be .* got -1"),
        ({"decoder": 512}, r"decoder must be a list of widths, got 512"),
        ({"decoder": (16, 0)}, r"decoder must be .* got \(16, 0\)"),
        ({"reconstruction_weight": -0.1}, r"reconstruction_weight must be .* got -0.1"),
        ({"image_shape": (8, 9)}, r"rows of image_shape, which is \(8, 9\), got \('n', 8, 8\)"),
        ({"image_shape": 8}, r"image_shape must be \(height, width\) or .* got 8"),
        ({"kernel_size": 9}, r"kernel_size 9 is larger than the input of 8 x 8"),
    ],
)
def test_classifier_refuses_settings(settings: dict[str, Any], message: str) -> None:
    X, y = digits(60)
    model = small(**settings)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, y)
    assert not hasattr(model, "network_")


def test_classifier_refuses_data() -> None:
    X, y = digits(60)
    with pytest.raises(ValueError, match="X must be images"):
        small().fit(X.reshape(60, 64)[:, :63], y)
    with pytest.raises(ValueError, match="two classes or more"):
        small().fit(X, np.zeros(60))
    with pytest.raises(ValueError, match="inconsistent"):
        small().fit(X, y[:-1])
    with pytest.raises(ValueError, match="X_val and y_val must both be given"):
        small().fit(X, y, X_val=X)
    with pytest.raises(NotFittedError):
        small().predict(X)
    model = small(epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"X must have shape \('n', 8, 8\), as it was trained on"):
        model.predict(X[:, :, :7])
    with pytest.raises(ValueError, match="y holds 11, which is none of the classes"):
        model.reconstruct(X, y + 11 - y)
    with pytest.raises(ValueError, match=r"perturb must be finite numbers of shape \(16,\)"):
        model.reconstruct(X, perturb=[0.1, 0.2])
    without = small(reconstruction_weight=0, epochs=1).fit(X, y)
    assert without.decoder_ is None
    with pytest.raises(ValueError, match="needs a decoder: fit with a reconstruction_weight"):
        without.reconstruct(X)
