"""What samples and classes count in training."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import X, Y, assert_same_weights, classifier, linear

from ganglion import optimizers


def test_sample_weight_zero_takes_samples_out():
    weight = np.ones(100)
    weight[50:] = 0
    with_weights = linear(optimizer=optimizers.SGD(0.1))
    with_weights.fit(X, Y, batch_size=None, sample_weight=2 * weight)
    without = linear(optimizer=optimizers.SGD(0.1)).fit(X[:50], Y[:50], batch_size=None)
    np.testing.assert_allclose(with_weights.get_weights()[0], without.get_weights()[0], rtol=1e-12)


def test_class_weight_is_a_sample_weight():
    by_class = classifier().fit(X, Y, class_weight={1: 3.0})
    by_sample = classifier().fit(X, Y, sample_weight=np.where(Y == 1, 3.0, 1.0))
    assert_same_weights(by_class, by_sample)
    both = classifier().fit(X, Y, class_weight={1: 3.0}, sample_weight=np.full(100, 2.0))
    assert_same_weights(both, classifier().fit(X, Y, sample_weight=np.where(Y == 1, 6.0, 2.0)))


def test_class_weight_of_one_hot_targets():
    one_hot = classifier(loss="categorical_crossentropy")
    one_hot.fit(X, np.eye(2)[Y], class_weight={0: 0.5})
    sparse = classifier().fit(X, Y, class_weight={0: 0.5})
    for left, right in zip(one_hot.get_weights(), sparse.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-7)


def test_class_weight_does_not_weigh_what_validation_split_sets_aside():
    split = classifier().fit(X, Y, class_weight={1: 3.0}, validation_split=0.2)
    given = classifier()
    given.fit(X[:80], Y[:80], class_weight={1: 3.0}, validation_data=(X[80:], Y[80:]))
    assert split.history_ == given.history_
    assert_same_weights(split, given)


@pytest.mark.parametrize(
    ("net", "target"),
    [
        (linear(), Y + 0.5),
        (classifier(loss="mse"), np.stack([Y, Y], axis=1)),
        (classifier(loss="mse"), X[:, :2]),
    ],
    ids=["fractions", "several_labels", "numbers"],
)
def test_class_weight_needs_classes(net, target):
    with pytest.raises(ValueError, match=r"\[fit, class_weight\] targets must be"):
        net.fit(X, target, class_weight={1: 2.0})
    assert not net.built
