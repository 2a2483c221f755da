"""Five parts of one's own, as they would stand in a module of yours: each in a few lines.

None has a backward pass: the core differentiates what ``build`` writes. `check_gradient` holds that
against central differences all the same, and finds what is no function of its input.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import ganglion
from ganglion import layers, losses, ops
from ganglion.value import Shape, Value


class LearnedSwish(layers.Layer):
    """``x * sigmoid(slope * x)`` with a slope for each feature, which is learned.

    At 0 that is ``x / 2``, at 1 the SiLU, and far beyond a ReLU (Ramachandran et al. 2017).

    Parameters
    ----------
    slope : float, default=1.0
        Of all features at first.
    """

    def __init__(self, slope: float = 1.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.slope = slope

    def build(self, x: Value) -> Value:
        """Return (None, ...) for (None, ...)."""
        start = ganglion.initializers.Constant(self.slope)
        slope = self.add_weight("slope", x.shape[-1:], initializer=start)
        return x * ops.sigmoid(slope * x)


@ganglion.loss
def focal_loss(target: Value, prediction: Value, gamma: float = 2.0) -> Value:
    """Binary cross-entropy in which a sample counts the less, the better it is told already.

    ``prediction`` holds logits; an exponent ``gamma`` of 0 is cross-entropy (Lin et al. 2017).
    """
    sign = 2.0 * target - 1.0
    doubt = ops.sigmoid(-sign * prediction)  # 1 - probability of what is true
    return ops.mean(doubt**gamma * ops.softplus(-sign * prediction), axis=-1)


class SqueezeExcite(layers.Layer):
    """Scale the channels of images by shares that are told from the means of all (Hu et al. 2018).

    Parameters
    ----------
    ratio : int, default=4
        Channels to each hidden unit between.
    """

    example_shape = (4, 4, 8)

    def __init__(self, ratio: int = 4, **settings: Any) -> None:
        super().__init__(**settings)
        self.ratio = ratio

    def build(self, x: Value) -> Value:
        """Return (None, rows, columns, channels) as they came in."""
        channels = x.shape[-1] or 1
        hidden = max(channels // self.ratio, 1)
        means = ops.mean(x, axis=(1, 2))
        squeezed = ops.relu(means @ self.add_weight("squeeze", (channels, hidden)))
        shares = ops.sigmoid(squeezed @ self.add_weight("excite", (hidden, channels)))
        return x * shares[:, None, None, :]


class Capsules(layers.Layer):
    """Vectors that agree with those below: routing by agreement (Sabour et al. 2017), small.

    ``layers.CapsuleLayer`` is the one to use: its routing is an operation of the core.

    Parameters
    ----------
    capsules, size : int
        Vectors that come out, and numbers of each.
    rounds : int, default=2
        Of routing.
    """

    example_shape = (6, 4)

    def __init__(self, capsules: int = 3, size: int = 5, rounds: int = 2, **settings: Any) -> None:
        super().__init__(**settings)
        self.capsules, self.size, self.rounds = capsules, size, rounds

    def build(self, x: Value) -> Value:
        """Return (None, capsules, size) for vectors (None, inputs, numbers)."""
        _, inputs, numbers = x.shape
        weight = self.add_weight("weight", (inputs, self.capsules, numbers, self.size))
        votes = ops.einsum("bin,icns->bics", x, weight)
        trust = ops.zeros_like(votes[..., 0])  # (None, inputs, capsules)
        for round_ in range(self.rounds):
            shares = ops.softmax(trust, axis=-1)
            agreed = squash(ops.sum(shares[..., None] * votes, axis=1))
            if round_ + 1 < self.rounds:
                trust = trust + ops.sum(votes * agreed[:, None], axis=-1)
        return agreed


def squash(x: Value) -> Value:
    """Return vectors of the same direction and a length below 1."""
    length = ops.norm(x, axis=-1, keepdims=True)
    return x * (length / (1.0 + ops.square(length)))


class Lengths(layers.Layer):
    """How long capsules are."""

    def build(self, x: Value) -> Value:
        """Return (None, capsules) for (None, capsules, size)."""
        return ops.norm(x, axis=-1)


class Margin(losses.Loss):
    """Lengths of capsules: of the class at least 0.9, of all others at most 0.1."""

    target_kind = "class_index"

    def build(self, target: Value, prediction: Value) -> Value:
        """Return (None,) for classes (None,) and lengths (None, classes)."""
        here = ops.one_hot(target, prediction.shape[-1] or 1)
        missing = ops.square(ops.relu(0.9 - prediction))
        excess = ops.square(ops.relu(prediction - 0.1))
        return ops.sum(here * missing + 0.5 * (1.0 - here) * excess, axis=-1)


class GaussianLikelihood(losses.Loss):
    """``-log`` of a normal density, of which the network predicts mean and log variance.

    It takes two outputs for each target (Nix and Weigend 1994).
    """

    def target_shape(self, prediction_shape: Shape) -> Shape:
        """Return (None, targets) for predictions (None, 2 * targets)."""
        outputs = prediction_shape[-1] or 0
        if outputs % 2:
            raise ValueError("[GaussianLikelihood] needs a mean and a log variance for each target")
        return (*prediction_shape[:-1], outputs // 2)

    def build(self, target: Value, prediction: Value) -> Value:
        """Return (None,) for targets (None, targets) and predictions (None, 2 * targets)."""
        mean, log_variance = ops.split(prediction, 2)
        squares = ops.square(target - mean) * ops.exp(-log_variance)
        return 0.5 * ops.mean(squares + log_variance + log(2 * pi), axis=-1)
