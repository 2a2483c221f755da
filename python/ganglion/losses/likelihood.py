"""Negative log-likelihoods of whole samples, in nats: what the outputs say of all of a target.

Keras's losses are means over the outputs. A likelihood is a sum over them, which is what a penalty
such as a Kullback-Leibler divergence can be weighed against.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganglion import ops
from ganglion.errors import check_boolean, check_positive
from ganglion.losses.base import Loss
from ganglion.losses.binary import log_probabilities
from ganglion.losses.weights import aligned
from ganglion.value import Value


class Likelihood(Loss, registered=False):
    """Base: the sum over all outputs of a sample, however they are shaped; then the mean.

    Penalties are added as they are.
    """

    by_sample = True

    def of_samples(self, target: Value, prediction: Value) -> Value:
        """Return one number for each sample, (None,)."""
        return _summed(self(target, prediction))

    def reduce(self, losses: Value, weight: Value | None, penalties: Sequence[Value]) -> Value:
        if losses.mask is not None:
            counted = ops.broadcast_to(aligned(losses.mask, losses), losses.shape)
            losses = ops.where(counted, losses, 0.0)
        if weight is not None:
            losses = losses * aligned(weight, losses)
        loss = ops.mean(_summed(losses))
        for penalty in penalties:
            loss = loss + penalty
        return loss


def _summed(losses: Value) -> Value:
    """Return losses, (None, ...), as one number for each sample."""
    axes = list(range(1, len(losses.shape)))
    return ops.sum(losses, axis=axes) if axes else losses


class BernoulliNLL(Likelihood, name="bernoulli_nll", aliases=("bernoulli",)):
    """Negative log-likelihood of yes/no outputs, `sum(-t log(p) - (1 - t) log(1 - p))`.

    Over all outputs of a sample, so over all pixels of an image. Logits and probabilities are
    treated as by `BinaryCrossentropy`, which is the mean.

    Parameters
    ----------
    from_logits : bool, default False
        Predictions are logits and not probabilities.

    Examples
    --------
    >>> BernoulliNLL(from_logits=True)
    BernoulliNLL(from_logits=True)
    """

    target_kind = "probability"
    multilabel = True

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits
        check_boolean(self, "from_logits")

    def build(self, target: Value, prediction: Value) -> Value:
        log_yes, log_no = log_probabilities(prediction, self.from_logits)
        return -ops.sum(target * log_yes + (1.0 - target) * log_no, axis=-1)

    @classmethod
    def examples(cls) -> list[BernoulliNLL]:
        return [cls(), cls(from_logits=True)]


class GaussianNLL(Likelihood, name="gaussian_nll", aliases=("gaussian",)):
    """Negative log-likelihood of numbers with normal errors of one standard deviation `s`.

    `sum((t - p)^2 / (2 s^2) + log(s) + log(2 pi) / 2)` over all outputs of a sample.

    Parameters
    ----------
    stddev : float, default 1.0
        Standard deviation of the errors, positive.

    Raises
    ------
    ValueError
        If `stddev` is not positive.

    Examples
    --------
    >>> GaussianNLL(stddev=0.1)
    GaussianNLL(stddev=0.1)
    """

    def __init__(self, stddev: float = 1.0) -> None:
        self.stddev = stddev
        check_positive(self, "stddev")

    def build(self, target: Value, prediction: Value) -> Value:
        constant = math.log(self.stddev) + 0.5 * math.log(2.0 * math.pi)
        return ops.sum(ops.square(prediction - target) * (0.5 / self.stddev**2) + constant, axis=-1)

    @classmethod
    def examples(cls) -> list[GaussianNLL]:
        return [cls(), cls(stddev=0.5)]
