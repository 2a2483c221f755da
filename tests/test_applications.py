"""Networks that are ready to be compiled: their sizes, that they learn, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from ganglion import applications, layers

NETWORKS = [name for name in applications.__all__ if name[0].isupper()]
BUILDERS = [getattr(applications, name) for name in NETWORKS]


def test_their_weights_are_as_many_as_published():
    assert applications.LeNet5().count_params() == 61_706
    # He et al. (2016), table 6: 0.27 million.
    assert abs(applications.ResNet20((32, 32, 3)).count_params() - 0.27e6) < 0.01e6


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("shape", [(28, 28, 1), (17, 19, 3)])
def test_they_learn(build, shape):
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 48)
    X = generator.normal(size=(48, *shape)) + y[:, None, None, None]
    net = build(shape, classes=3, random_state=0)
    net.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    losses = net.fit(X, y, epochs=8, batch_size=16).history_["loss"]
    assert losses[-1] < 0.5 * losses[0]
    np.testing.assert_allclose(net.predict(X).sum(axis=-1), 1.0, rtol=1e-5)


def test_same_seed_same_weights():
    one, two = (applications.ResNet8((8, 8, 1), random_state=3) for _ in range(2))
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_filters_widen_every_stage():
    net = applications.ResNet8((16, 16, 1), filters=8)
    assert net.get_layer("residual_2").layers[0].filters == 32
    assert isinstance(net.get_layer("conv2d"), layers.Conv2D)


@pytest.mark.parametrize("build", BUILDERS)
def test_bad_settings_are_named(build):
    with pytest.raises(ValueError, match=rf"\[{build.__name__}\] input_shape must be .* got \(2, "):
        build((2, 2, 1))
    with pytest.raises(ValueError, match=rf"\[{build.__name__}\] input_shape must be"):
        build((28, 28))
    with pytest.raises(ValueError, match=rf"\[{build.__name__}\] input_shape must be .* got 28$"):
        build(28)
    with pytest.raises(ValueError, match=r"classes must be a whole number of at least 2, got 1"):
        build(classes=1)
