"""`check_gradient`: it agrees with right gradients and finds wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
from registry import examples

from ganglion import activations, check_gradient, layers, ops
from ganglion.value import Value


@pytest.mark.parametrize("layer", examples("layer"))
def test_every_layer(layer: Any) -> None:
    # Its directions are constants in training, as in Keras and in Miyato et al. (2018).
    never = isinstance(layer, layers.SpectralNormalization)
    for training in (False,) if never else (False, True):
        check_gradient(layer, layer.example_shape, training=training, samples=2)


@pytest.mark.parametrize("loss", examples("loss"))
def test_every_loss(loss: Any) -> None:
    check_gradient(loss, (3,))


def half(x: Value) -> Value:
    return ops.stop_gradient(x) * x


class Forgetful(layers.Layer):
    def build(self, x: Value) -> Value:
        kernel = self.add_weight("kernel", (x.shape[1],))
        return x * kernel + x * ops.stop_gradient(kernel)


def test_wrong_gradients_are_found() -> None:
    with pytest.raises(AssertionError, match=r"the gradient by input \(3, 4\) is .* at \(\d, \d\)"):
        check_gradient(half, (4,))
    with pytest.raises(AssertionError, match=r"by forgetful/kernel \(4,\)"):
        check_gradient(Forgetful(), (4,))


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ValueError, match=r"\[check_gradient\] samples"):
        check_gradient(activations.Tanh(), (4,), samples=0)
    with pytest.raises(TypeError, match=r"\[check_gradient\] shape .* got 'four'"):
        check_gradient(activations.Tanh(), "four")  # type: ignore[arg-type]


def test_one_size_is_a_shape() -> None:
    assert check_gradient(layers.Dense(3), 4) == check_gradient(layers.Dense(3), (4,))
